"""Judgement of a pair of scores or of a claim, with its evidence in words."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isnan

from merflow.tables.comparison import Comparison
from merflow.tables.measured import NAN, Difference, Estimate
from merflow.tables.pairs import Score
from merflow.tables.render import interval, percent, points

VERDICTS = ("supported", "refuted", "inconclusive", "not run", "not compared")


@dataclass(frozen=True)
class Judgement:
    """Verdict of a pair or a claim.

    Attributes:
        verdict: one of VERDICTS.
        words: what was compared, or why it was not.
        margin: higher minus lower, beyond what is claimed; NaN: not compared.
        metric: of the compared scores.
        effect, low, high: higher minus lower, and the limits that decided. They are the ends of its
            interval. For losses they are the smallest and the largest difference between two seeds,
            for two classes what their intervals leave possible. NaN: not compared.
        p_corrected: of two of our systems; NaN: without a test of what the pair claims.
    """

    verdict: str
    words: str
    margin: float = NAN
    metric: str = ""
    effect: float = NAN
    low: float = NAN
    high: float = NAN
    p_corrected: float = NAN

    def among_several(self, alpha: float) -> "Judgement":
        """The same among several pairs: refuted only if the corrected p is below `alpha`."""
        survives = isnan(self.p_corrected) or self.p_corrected < alpha
        if self.verdict != "refuted" or survives:
            return self
        return replace(self, verdict="inconclusive")


#: Of a printed number, where ours is of a demo corpus.
OF_DEMO = Judgement("not compared", "scores of a demo corpus are not compared with printed ones")


def of_other_task(comparison: Comparison) -> Judgement:
    """Judgement where our task is not the paper's."""
    reason = f"ours have another task than the paper: {comparison.mismatch}"
    return Judgement("not compared", reason)


def mean_of(comparison: Comparison, score: Score, protocol: str) -> Estimate | None:
    """Our mean of a score, with its interval; None: not run."""
    return comparison.measured.mean(score.system, protocol, score.metric, score.name)


def absent(comparison: Comparison, systems: Sequence[str], protocol: str) -> list[str]:
    """Systems of ours that have no scores, each once."""
    return [
        name
        for name in dict.fromkeys(systems)
        if comparison.kind(name) != "cited"
        and not comparison.measured.mean(name, protocol, "accuracy")
    ]


def limits_of(difference: Difference) -> str:
    """Interval of a difference, in points."""
    return interval(difference.low, difference.high, points)


def estimate_of(mean: Estimate) -> str:
    """A mean with its interval, in percent."""
    return f"{percent(mean.value)} {interval(mean.low, mean.high)}"


def side(low: float, high: float) -> str:
    """Verdict by the limits of a difference that should be positive; NaN decides nothing."""
    return "supported" if low > 0 else "refuted" if high < 0 else "inconclusive"
