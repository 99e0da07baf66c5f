"""Tables of the audit: findings of one paper, of all papers, and the rules."""

from collections.abc import Mapping

import pandas as pd

from merflow.tables.audit.case import CONFIDENCES, RuleResult
from merflow.tables.audit.rules import RULES
from merflow.tables.render import Column, Table, number, prose, words

LONG = 12  # findings of a paper on a corpus: with more, a page shows the title first
COLUMNS = ["paper", "corpus", "where", "rule", "printed", "expected", "off", "confidence"]
SHOWN: tuple[Column, ...] = (
    prose("where", "where"),
    words("rule", "rule"),
    prose("printed", "printed"),
    prose("expected", "expected"),
    words("off by", "off"),
    words("confidence", "confidence"),
)
ROUNDING = (
    "Rounding is not a finding. A printed number stands for every value that rounds or is cut to"
    " its digits, and two numbers contradict each other only if these ranges do not overlap."
)
COUNTED = (
    "A number counts once for each rule that checks it. Empty cells, and numbers that our source"
    " of the paper lacks, do not count."
)

#: Rule -> its result.
Results = Mapping[str, RuleResult]


def section(paper: str, corpus: str, results: Results) -> Table:
    """Findings on one paper and corpus."""
    frame = _frame({(paper, corpus): results}).drop(columns=["paper", "corpus"])
    return Table(
        f"{corpus}-audit",
        f"Audit of the numbers printed on {corpus}: {_count(frame)}.",
        "Contradictions between printed numbers of the paper. Our numbers play no part.",
        frame,
        SHOWN,
        _notes(frame),
        folded=len(frame) > LONG,
        anchor=f"{paper}-{corpus}-audit",
        corpus=corpus,
    )


def overall(results: Mapping[tuple[str, str], Results]) -> list[Table]:
    """Tables of the findings on all papers, and of the rules.

    Args:
        results: (paper, corpus) -> results of all rules.
    """
    frame = _frame(results)
    findings = Table(
        "audit",
        f"Audit of all printed numbers: {_count(frame)}.",
        "Contradictions between printed numbers of a paper.",
        frame,
        (words("paper", "paper"), words("corpus", "corpus"), *SHOWN),
        _notes(frame),
    )
    return [findings, _rules(results)]


def _rules(results: Mapping[tuple[str, str], Results]) -> Table:
    rows = []
    for rule in RULES:
        of_rule = [each[rule.name] for each in results.values()]
        rows.append(
            {
                "rule": rule.name,
                "statement": rule.statement,
                "confidence": rule.confidence,
                "numbers": sum(result.numbers for result in of_rule),
                "findings": sum(len(result.findings) for result in of_rule),
            }
        )
    columns = (
        words("rule", "rule"),
        prose("statement", "statement"),
        prose("confidence", "confidence"),
        number("numbers checked", "numbers"),
        number("findings", "findings"),
    )
    return Table(
        "audit-rules",
        "Rules of the audit, and the number of printed numbers that they could check.",
        "Many numbers and no finding mean that the numbers agree. No numbers mean nothing.",
        pd.DataFrame(rows),
        columns,
        (ROUNDING, COUNTED),
    )


def _frame(results: Mapping[tuple[str, str], Results]) -> pd.DataFrame:
    """One row per finding: by paper and corpus, the most certain first, then by rule."""
    rows = []
    for (paper, corpus), of_rules in results.items():
        findings = [
            {"paper": paper, "corpus": corpus, "rule": rule, **vars(finding)}
            for rule, result in of_rules.items()
            for finding in result.findings
        ]
        rows += sorted(findings, key=lambda row: CONFIDENCES.index(row["confidence"]))
    return pd.DataFrame(rows, columns=COLUMNS)


def _count(frame: pd.DataFrame) -> str:
    """3 findings (1 certain, 2 hint)."""
    counts = frame["confidence"].value_counts()
    by_confidence = ", ".join(f"{counts[name]} {name}" for name in CONFIDENCES if name in counts)
    return f"{len(frame)} finding{'s' if len(frame) != 1 else ''} ({by_confidence})"


def _notes(frame: pd.DataFrame) -> tuple[str, ...]:
    """Notes on rounding, and on each rule with a finding."""
    rules = [rule for rule in RULES if rule.name in set(frame["rule"])]
    return (ROUNDING, *(f"{rule.name}: {rule.statement} {rule.confidence}" for rule in rules))
