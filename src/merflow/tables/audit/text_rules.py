"""Rules about what the text says beside the numbers."""

import re

from merflow.evaluation.metrics import LOSS
from merflow.tables.audit.case import (
    Case,
    Cell,
    Finding,
    Looked,
    Range,
    Sure,
    cell,
    in_points,
    place,
    titled,
)
from merflow.tables.claims import Claim, Spread
from merflow.tables.comparison import Comparison, part_of
from merflow.tables.verdicts import pairs


def worst_gain(case: Case) -> Looked:
    """Where the best of several systems gains g, and they spread over s, the worst gains g - s: all are said to gain no more."""
    gains, numbers, findings = case.of("gain"), 0, []
    for spread in case.of("spread"):
        among = _names(spread["system"])
        best = [row for row in gains if row["system"] in among]
        for of_all in (row for row in gains if _names(row["system"]) == among):
            numbers += 2 + len(best)
            for row in best:
                told, gain, width = cell(of_all), cell(row), cell(spread)
                worst = Range(gain.range.low - width.range.high, gain.range.high - width.range.low)
                if worst.high < told.range.low:
                    printed = f"{told.text} for all, {gain.text} for the best, and {width.text} between best and worst"
                    expected = f"at most {gain.value - width.value:.2f} points for all, which is what the worst gains"
                    off = f"{told.value - gain.value + width.value:+.2f} points"
                    findings.append(Finding(place(of_all), printed, expected, off, "likely"))
    return Looked(numbers, findings)


def claims(case: Case) -> Looked:
    """A claim that one score is higher than another holds of the two printed numbers; equal ones decide nothing."""
    scores: dict[tuple[str, ...], Cell] = {}
    for row in case.rows:
        if row["table"] != "text" and row["split"] == part_of(row["metric"]):
            scores.setdefault((row["system"], row["metric"], row["class"]), cell(row))
    looked = [_claim(case.view, claim, scores) for claim in case.claims if case.view is not None]
    return Looked(
        sum(one.numbers for one in looked), [finding for one in looked for finding in one.findings]
    )


def _claim(view: Comparison, claim: Claim, scores: dict[tuple[str, ...], Cell]) -> Looked:
    if isinstance(claim.decided_by, Spread):
        return Looked(0)
    numbers, failing = 0, []
    for pair in pairs(
        view, claim, lambda score: scores[score].value if score in scores else float("nan")
    ):
        high, low = (scores.get(score) for score in pair.scores)
        if high is None or low is None:
            continue
        numbers += 2
        if high.range.high < low.range.low:
            told = [
                f"{f'{score.system} {score.name}'.strip()} {scores[score].text}"
                for score in pair.scores
            ]
            gap = high.value - low.value
            off = f"{gap:+.4f}" if pair.higher.metric == LOSS else in_points(gap)
            failing.append((gap, off, f"{', '.join(told)} ({titled(pair.higher.metric)})"))
    sure: Sure = "likely" if claim.note else "certain"
    printed = "; ".join(told for *_, told in failing)
    found = [Finding(claim.where, printed, claim.claim, min(failing)[1], sure)] if failing else []
    return Looked(numbers, found)


def _names(systems: str) -> set[str]:
    """Systems of a list in words."""
    return set(re.split(r", | and ", systems))
