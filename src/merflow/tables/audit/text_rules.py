"""Rules about sentences beside the numbers."""

import re
from math import nan

from merflow.evaluation.metrics import LOSS
from merflow.tables.audit.case import (
    Case,
    Cell,
    Finding,
    Range,
    RuleResult,
    cell,
    in_points,
    place,
    titled,
)
from merflow.tables.claims import Claim, Spread
from merflow.tables.comparison import Comparison
from merflow.tables.measures import split_of
from merflow.tables.pairs import Pair, Score, pairs
from merflow.tables.reported import Row

Scores = dict[tuple[str, ...], Cell]  # by system, metric and class


def worst_gain(case: Case) -> RuleResult:
    """Check that the gain claimed for all systems is at most the worst gain.

    The worst gain is the best gain minus the spread.
    """
    gains, numbers, findings = case.of("gain"), 0, []
    for spread in case.of("spread"):
        systems = _names(spread["system"])
        best = [row for row in gains if row["system"] in systems]
        for of_all in (row for row in gains if _names(row["system"]) == systems):
            numbers += 2 + len(best)
            findings += [
                finding for row in best if (finding := _below_claimed(of_all, row, spread))
            ]
    return RuleResult(numbers, findings)


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

    Equal numbers decide nothing.
    """
    if case.comparison is None:
        return RuleResult(0)
    scores: Scores = {}
    for row in case.rows:
        if row["table"] != "text" and row["split"] == split_of(row["metric"]):
            scores.setdefault((row["system"], row["metric"], row["class"]), cell(row))
    results = [_claim(case.comparison, claim, scores) for claim in case.claims]
    findings = [finding for result in results for finding in result.findings]
    return RuleResult(sum(result.numbers for result in results), findings)


def _claim(comparison: Comparison, claim: Claim, scores: Scores) -> RuleResult:
    if isinstance(claim.decided_by, Spread):
        return RuleResult(0)
    value = lambda score: scores[score].value if score in scores else nan
    printed = [
        pair
        for pair in pairs(comparison, claim, value)
        if all(score in scores for score in pair.scores)
    ]
    failing = [pair for pair in printed if _fails(pair, scores)]
    if not failing:
        return RuleResult(2 * len(printed))
    worst = min(failing, key=lambda pair: _gap(pair, scores))
    gap = _gap(worst, scores)
    finding = Finding(
        claim.where,
        "; ".join(_in_words(pair, scores) for pair in failing),
        claim.claim,
        f"{gap:+.4f}" if worst.higher.metric == LOSS else in_points(gap),
        "likely" if claim.note else "certain",
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


def _names(systems: str) -> set[str]:
    """Systems of a list in words."""
    return set(re.split(r", | and ", systems))
