"""Audit: what the arithmetic of a paper's printed numbers says about how they were made.

Rules are general: each looks at every number of every paper, and names none of them. Rounding and cutting are no findings
(merflow.tables.audit.case). To add a rule: a function of a `Case` in counts, scores, repeats or said, and a line in RULES.
"""

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from merflow.tables.audit import counts, repeats, scores, text_rules
from merflow.tables.audit.case import SURE, Finding, Looked, Rule, case_of
from merflow.tables.audit.class_counts import known
from merflow.tables.claims import Claim
from merflow.tables.comparison import Comparison
from merflow.tables.render import Column, Table, number, prose, words

RULES = (
    Rule(
        "sum of parts",
        "Classes add up to their part, parts to the whole.",
        "Certain where all parts are named, or some already exceed the whole; a hint where the rest may be in parts that are not named.",
        counts.sums,
    ),
    Rule(
        "share of a part",
        "The printed share of a part is its size divided by that of all parts, in each class.",
        "Certain: a division.",
        counts.part_shares,
    ),
    Rule(
        "shares add up",
        "Shares of which each utterance has one add up to 100 %.",
        "Certain: a sum.",
        counts.hundred,
    ),
    Rule(
        "ratio of a class",
        "A ratio of absent to present in the text is the one of the shares in a table.",
        "Likely: the shares are certain, but a ratio in words may be meant roughly.",
        counts.imbalance,
    ),
    Rule(
        "known size",
        "A part has the size that it has in a release of the corpus, or all parts together have.",
        "Likely: a paper may leave utterances out, and seldom says so.",
        counts.known_sizes,
    ),
    Rule(
        "confusions fit recall",
        "Of a class no more utterances are told wrong than its recall leaves.",
        "Likely: certain if the class has a size that is known of it.",
        counts.confusions,
    ),
    Rule(
        "weighted recall is accuracy",
        "Recall weighted by support equals accuracy.",
        "Certain: both are the share of utterances that are told right.",
        scores.recall_is_accuracy,
    ),
    Rule(
        "average of classes",
        "A printed average is the mean of its classes, weighted by support or plain, as it is called.",
        "Certain where it lies outside of the range of its classes; likely where it is their mean by no support that is known of the part.",
        scores.means,
    ),
    Rule(
        "F1 within bounds",
        "F1 is at most the harmonic mean of precision and recall, 2r/(1+r) where precision is not printed.",
        "Certain: it holds of one run, and of means over classes, runs and folds.",
        scores.f1_bounds,
    ),
    Rule(
        "precision counts as 1",
        "The F1 of the classes of a row are not all 2r/(1+r) of their recall r.",
        f"Likely: {scores.FEWEST} classes or more agree to the digits, or lie at most {100 * scores.AVERAGING:g} points below, as means"
        " over folds do.",
        scores.precision_of_one,
    ),
    Rule(
        "implied predictions",
        "The predictions that recall and F1 imply, s (2r/F1 \N{MINUS SIGN} 1) of a class with support s, add up to the utterances.",
        f"Likely where it is off by more than {100 * scores.SHIFT:g} % beyond what the digits allow, else a hint: means over runs move the"
        " sum a little.",
        scores.implied_predictions,
    ),
    Rule(
        "whole utterances",
        "Recall times support, and accuracy times n, are whole numbers, where the digits tell these apart.",
        "A hint: means over runs or folds need not be whole, and no finding says that they are wrong.",
        scores.whole_utterances,
    ),
    Rule(
        "below the largest class",
        "Accuracy is at least the share of the largest class.",
        "Certain that naming the largest class always would score higher; why, the numbers do not say (labels mapped wrongly do this).",
        scores.below_majority,
    ),
    Rule(
        "printed twice",
        "A score or a setting of a system has the same value wherever it is printed.",
        "Certain: one of the two is wrong, or they are not of the same run.",
        repeats.printed_twice,
    ),
    Rule(
        "under another name",
        "What is called F1 (precision, recall, accuracy) is not another score of the same system.",
        "Certain: to the digits it is the other score, and not the one that it is called.",
        repeats.under_another_name,
    ),
    Rule(
        "of another row",
        "What the text prints of a system is not the number of another one in a table.",
        f"Likely: {repeats.DIGITS} digits agree, and no table has a row of the system that the text names.",
        repeats.of_another_row,
    ),
    Rule(
        "copied pair",
        "Two classes of a row do not agree in each of their scores to the last digit.",
        f"Likely: among all pairs of the table, fewer than {repeats.CHANCE:g} would agree by chance.",
        repeats.copied_pair,
    ),
    Rule(
        "copied cell",
        f"Neighbours that are two scores of {repeats.DIGITS} digits do not agree to the last one.",
        "A hint: near each other as they are, they may agree by chance.",
        repeats.copied_cell,
    ),
    Rule(
        "gain of the worst",
        "The best gain minus the spread is the worst gain, which is no less than what all are said to gain.",
        "Likely: certain if the sentence speaks of each system, and not of their mean or the best.",
        text_rules.worst_gain,
    ),
    Rule(
        "claim beside its numbers",
        "A claim that one score is higher than another holds of the two printed numbers.",
        "Certain where the claim is read as it stands; likely where its file notes how it is read.",
        text_rules.claims,
    ),
)
LONG = 12  # findings of a paper on a corpus: with more, a page shows the title first
COLUMNS = ["paper", "corpus", "where", "rule", "printed", "expected", "off", "sure"]
ROUNDING = (
    "Rounding is no finding: a printed number stands for all that it may have been before it was rounded or cut to its digits, and two"
    " contradict each other only if these ranges do."
)


def examine(
    paper: str,
    corpus: str,
    printed: pd.DataFrame,
    view: Comparison | None = None,
    claims: Sequence[Claim] = (),
) -> dict[str, Looked]:
    """What each rule, by name, did on what a paper prints on a corpus.

    Args:
        paper, corpus: their keys.
        printed: the paper's rows of merflow.tables.reported.load; those of other corpora are left out.
        view: of the paper and the corpus, with which claims are read.
        claims: those on the corpus.
    """
    case = case_of(printed[printed["corpus"] == corpus], known(corpus), view, claims)
    return {rule.name: rule.look(case) for rule in RULES}


def section(view: Comparison, looked: Mapping[str, Looked]) -> Table:
    """The findings on one paper and corpus."""
    frame = _frame({(view.paper, view.corpus): looked}).drop(columns=["paper", "corpus"])
    return Table(
        f"{view.corpus}-audit",
        f"Audit of the numbers printed on {view.corpus}: {_counted(frame)}.",
        "What the printed numbers say of each other; none of ours are in it.",
        frame,
        _columns("where"),
        _notes(frame),
        folded=len(frame) > LONG,
        anchor=f"{view.paper}-{view.corpus}-audit",
    )


def overall(looked: Mapping[tuple[str, str], Mapping[str, Looked]]) -> list[Table]:
    """The findings on all papers, and what each rule looked at; `looked`: of each paper and corpus what `examine` gives."""
    frame = _frame(looked)
    rules = pd.DataFrame(
        {
            "rule": rule.name,
            "checks": rule.checks,
            "sure": rule.sure,
            "numbers": sum(one[rule.name].numbers for one in looked.values()),
            "findings": sum(len(one[rule.name].findings) for one in looked.values()),
        }
        for rule in RULES
    )
    columns = (words("rule", "rule"), prose("what it checks", "checks"), prose("how sure", "sure"))
    return [
        Table(
            "audit",
            f"Audit of all printed numbers: {_counted(frame)}.",
            "What the numbers that papers print say of each other.",
            frame,
            _columns("paper"),
            _notes(frame),
        ),
        Table(
            "audit-rules",
            "Rules of the audit, and how many printed numbers they could be put to.",
            "A rule that looked at many numbers and found nothing says that they agree; one that looked at none says nothing.",
            rules,
            (*columns, number("numbers looked at", "numbers"), number("findings", "findings")),
            (
                ROUNDING,
                "A number counts once for each rule that looks at it. Empty cells of a table, and numbers not in our source, do not count.",
            ),
        ),
    ]


def _frame(looked: Mapping[tuple[str, str], Mapping[str, Looked]]) -> pd.DataFrame:
    """One row per finding, in the order of the papers, corpora and rules, the surest first."""
    rows = [
        {"paper": paper, "corpus": corpus, "rule": rule, **vars(finding)}
        for (paper, corpus), rules in looked.items()
        for rule, done in rules.items()
        for finding in done.findings
    ]
    rows.sort(
        key=lambda row: (list(looked).index((row["paper"], row["corpus"])), SURE.index(row["sure"]))
    )
    return pd.DataFrame(rows, columns=COLUMNS)


def _columns(first: str) -> tuple[Column, ...]:
    heads: Iterable[Column] = (
        (words("paper", "paper"), words("corpus", "corpus")) if first == "paper" else ()
    )
    return (
        *heads,
        prose("where", "where"),
        words("rule", "rule"),
        prose("printed", "printed"),
        prose("expected", "expected"),
        words("off by", "off"),
        words("how sure", "sure"),
    )


def _counted(frame: pd.DataFrame) -> str:
    """3 findings (1 certain, 2 hint)."""
    counts = frame["sure"].value_counts()
    told = ", ".join(f"{counts[sure]} {sure}" for sure in SURE if sure in counts)
    return f"{len(frame)} finding{'s' if len(frame) != 1 else ''} ({told})"


def _notes(frame: pd.DataFrame) -> tuple[str, ...]:
    """What rounding is to a rule, and of each rule with a finding what makes it sure."""
    return (
        ROUNDING,
        *(
            f"{rule.name}: {rule.checks} {rule.sure}"
            for rule in RULES
            if rule.name in set(frame["rule"])
        ),
    )


__all__ = ["COLUMNS", "RULES", "Finding", "Looked", "Rule", "examine", "overall", "section"]
