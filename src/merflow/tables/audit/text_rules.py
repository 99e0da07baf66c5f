"""Rules about sentences beside the numbers."""

from collections.abc import Iterable
from math import nan

from merflow.evaluation.metrics import LOSS
from merflow.tables.audit.case import (
    Case,
    Cell,
    Confidence,
    Finding,
    Range,
    RuleResult,
    cell,
    in_points,
    names_of,
    place,
    titled,
)
from merflow.tables.audit.repeats import MEASURED
from merflow.tables.claims import SPLITS, Claim, Spread
from merflow.tables.measures import split_of
from merflow.tables.pairs import Pair, Score, pairs
from merflow.tables.reported import OVER, Row

Scores = dict[tuple[str, ...], Cell]  # by system, metric and class


def worst_gain(case: Case) -> RuleResult:
    """Check that the gain claimed for all systems is at most the worst gain.

    The worst gain is the best gain minus the spread.
    """
    gains, numbers, findings = case.of("gain"), 0, []
    for spread in case.of("spread"):
        systems = set(names_of(spread["system"]))
        best = [row for row in gains if _gaining(row) in systems]
        for of_all in (row for row in gains if set(names_of(_gaining(row))) == systems):
            numbers += 2 + len(best)
            findings += [
                finding for row in best if (finding := _below_claimed(of_all, row, spread))
            ]
    return RuleResult(numbers, findings)


def _gaining(row: Row) -> str:
    """System or systems of a gain."""
    higher: str = row["system"].partition(OVER)[0]
    return higher


def _below_claimed(of_all: Row, best: Row, spread: Row) -> Finding | None:
    claimed, gain, width = cell(of_all), cell(best), cell(spread)
    worst = Range(gain.range.low - width.range.high, gain.range.high - width.range.low)
    if worst.high >= claimed.range.low:
        return None
    printed = f"{claimed.text} for all, {gain.text} for the best, and {width.text} between best"
    value = gain.value - width.value
    return Finding(
        place(of_all),
        f"{printed} and worst",
        f"at most {value:.2f} points for all, which is the worst gain",
        f"{claimed.value - value:+.2f} points",
        "likely",
    )


def claims(case: Case) -> RuleResult:
    """Check that claims of a higher score agree with the two printed numbers.

    They are of the split on which our scores are compared. Equal numbers decide nothing.
    """
    return _sum(_on_test(case, claim) for claim in case.claims)


def claims_on_other_splits(case: Case) -> RuleResult:
    """Check claims against the printed numbers of the splits on which ours are not compared.

    A claim that names a split is checked on this split alone.
    """
    results = []
    for claim in case.claims:
        confidence: Confidence = "hint" if _on_test(case, claim).numbers else "likely"
        for split in SPLITS if claim.split is None else (claim.split,):
            rows = case.tables(*MEASURED)
            scores = _scores(
                row for row in rows if row["split"] == split != split_of(row["metric"])
            )
            results.append(_claim(case, claim, scores, confidence, split))
    return _sum(results)


def _on_test(case: Case, claim: Claim) -> RuleResult:
    """Result of a claim on its own split.

    It is the split on which our scores are compared, unless the claim names another.
    """
    rows = (row for row in case.tables(*MEASURED) if claim.split in (None, row["split"]))
    scores = _scores(row for row in rows if row["split"] == split_of(row["metric"]))
    return _claim(case, claim, scores, "likely" if claim.note else "certain")


def _sum(results: Iterable[RuleResult]) -> RuleResult:
    every = list(results)
    findings = [finding for result in every for finding in result.findings]
    return RuleResult(sum(result.numbers for result in every), findings)


def _scores(rows: Iterable[Row]) -> Scores:
    """First number of each system, metric and class."""
    scores: Scores = {}
    for row in rows:
        scores.setdefault((row["system"], row["metric"], row["class"]), cell(row))
    return scores


def _claim(
    case: Case, claim: Claim, scores: Scores, confidence: Confidence, split: str = ""
) -> RuleResult:
    """Check the pairs of a claim of which both scores are printed.

    Args:
        case: with the comparison; without one nothing is checked.
        claim: one of its claims.
        scores: of one split.
        confidence: of a finding.
        split: named in the finding. Empty: not named.
    """
    if case.comparison is None or isinstance(claim.decided_by, Spread):
        return RuleResult(0)
    value = lambda score: scores[score].value if score in scores else nan
    printed = [
        pair
        for pair in pairs(case.comparison, claim, value)
        if all(score in scores for score in pair.scores)
    ]
    failing = [pair for pair in printed if _fails(pair, scores)]
    if not failing:
        return RuleResult(2 * len(printed))
    worst = min(failing, key=lambda pair: _gap(pair, scores))
    gap = _gap(worst, scores)
    words = "; ".join(_in_words(pair, scores) for pair in failing)
    finding = Finding(
        claim.where,
        f"{split}: {words}" if split else words,
        claim.claim,
        f"{gap:+.4f}" if worst.higher.metric == LOSS else in_points(gap),
        confidence,
    )
    return RuleResult(2 * len(printed), [finding])


def _fails(pair: Pair, scores: Scores) -> bool:
    return scores[pair.higher].range.high < scores[pair.lower].range.low


def _gap(pair: Pair, scores: Scores) -> float:
    return scores[pair.higher].value - scores[pair.lower].value


def _in_words(pair: Pair, scores: Scores) -> str:
    def text(score: Score) -> str:
        return f"{f'{score.system} {score.name}'.strip()} {scores[score].text}"

    return f"{text(pair.higher)}, {text(pair.lower)} ({titled(pair.higher.metric)})"
