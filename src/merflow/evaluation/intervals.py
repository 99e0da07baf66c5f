"""Percentile bootstrap intervals over dialogues, the paired test between two systems that goes with them, and McNemar's.

Utterances of a dialogue share speakers, topic and mood, so they are no independent draws: whole dialogues are
resampled (cluster bootstrap; Davison & Hinkley 1997, section 3.8). A system is an array of counts
``clusters[dialogue, seed, ..., true, predicted]``: shape (D, S, K, K), or (D, S, E, 2, 2) where E classes may be present at
once (merflow.evaluation.tasks); its score is the mean over seeds of the metrics of the counts summed over dialogues. A
resample of D dialogues is a vector of D multiplicities, so all seeds and metrics of a batch of resamples come from one matrix
product, and two systems are compared on the same resampled dialogues.
"""

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
from scipy.special import betainc

from merflow.errors import EvaluationError
from merflow.evaluation.metrics import Metric, measure
from merflow.params import EvaluationParams

BATCH = 250  # resamples in memory at once: 250 x 5 seeds x 7 x 7 counts are 0.5 MB
DECIMALS = 12  # of differences: equal systems with other numbers of seeds differ in the last bits of their means

Interval = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True, eq=False)
class Sample:
    """Counts of a system whose dialogues can be resampled; what is drawn is computed once, however many systems it is compared with.

    Attributes:
        clusters: counts of shape (D, S, ...).
        evaluation: number of resamples, confidence and seed of the resampling.
        of: the metrics of counts (..., K, K) or (..., E, 2, 2) -> (..., M).
    """

    clusters: np.ndarray
    evaluation: EvaluationParams
    of: Metric = measure

    @cached_property
    def mean(self) -> np.ndarray:
        """Metrics of all dialogues, mean over seeds: (M,)."""
        return self._means(np.ones((1, len(self.clusters))))[0]

    @cached_property
    def resampled(self) -> np.ndarray:
        """Metrics of each resample, mean over seeds: (R, M); one row of NaN for one dialogue, which cannot be resampled."""
        if len(self.clusters) < 2:
            return np.full((1, len(self.mean)), np.nan)
        drawn = _multiplicities(len(self.clusters), self.evaluation.resamples, self.evaluation.seed)
        return np.concatenate(
            [self._means(drawn[k : k + BATCH]) for k in range(0, len(drawn), BATCH)]
        )

    def _means(self, drawn: np.ndarray) -> np.ndarray:
        """Metrics over resampled dialogues: multiplicities (R, D) -> (R, M)."""
        counts = drawn @ self.clusters.reshape(len(self.clusters), -1).astype(float)
        return self.of(counts.reshape(-1, *self.clusters.shape[1:])).mean(axis=1)


@lru_cache(maxsize=4)  # systems of a group have the same dialogues
def _multiplicities(n: int, resamples: int, seed: int) -> np.ndarray:
    """Count the draws of each of n dialogues in each resample: (R, n)."""
    drawn = (
        np.random.default_rng(seed).integers(0, n, (resamples, n))
        + np.arange(resamples)[:, None] * n
    )
    return np.bincount(drawn.ravel(), minlength=resamples * n).reshape(resamples, n).astype(float)


def _limits(values: np.ndarray, confidence: float) -> Interval:
    """Percentile interval of resampled values (R, M): its ends, each (M,), by the usual definition of a quantile (Hyndman & Fan's 7th)."""
    ordered, outside = np.sort(np.ascontiguousarray(values.T)).T, (1 - confidence) / 2

    def quantile(share: float) -> np.ndarray:
        place = share * len(ordered) + (1 - share)  # counted from 1
        below, part = int(place), place % 1
        return (1 - part) * ordered[below - 1] + part * ordered[min(below, len(ordered) - 1)]

    return quantile(outside), quantile(1 - outside)


def pool(clusters: np.ndarray, of: Metric = measure) -> np.ndarray:
    """Metrics of each seed over all dialogues: counts (D, S, ...) -> (S, M), columns as `of` has them."""
    return of(clusters.sum(axis=0))


def seed_mean(sample: Sample) -> tuple[np.ndarray, np.ndarray, Interval]:
    """Mean and standard deviation of the metrics over seeds, and the interval of the mean over dialogues.

    Returns:
        Means (M,), standard deviations (M,; n - 1 in the denominator, NaN for one seed) and limits (low, high), each (M,);
        NaN for one dialogue, which cannot be resampled.
    """
    seeds = pool(sample.clusters, sample.of)
    std = seeds.std(axis=0, ddof=1) if len(seeds) > 1 else np.full(seeds.shape[1], np.nan)
    return seeds.mean(axis=0), std, _limits(sample.resampled, sample.evaluation.confidence)


def paired_difference(first: Sample, second: Sample) -> tuple[np.ndarray, Interval, np.ndarray]:
    """Mean metrics of `first` minus those of `second`, the interval of the difference over the same dialogues, and a test of it.

    The p-value is two-sided, from the same resamples of dialogues: p = 2 min(1 + #{d* <= 0}, 1 + #{d* >= 0}) / (R + 1), at most 1,
    over the differences d* of R resamples: the percentile interval turned around (Davison & Hinkley 1997, chapter 5). So p < 1 -
    confidence and an interval without 0 are one finding, but for a resample at its end; p is never below 2 / (R + 1), and systems
    that never differ have p = 1. Permuting the systems within dialogues needs as many seeds of the one as of the other. The test
    asks about other dialogues, with these trained networks; the standard deviation over seeds says what other seeds do. It is of
    one comparison, not corrected for their number.

    Args:
        first: counts of shape (D, S, ...).
        second: counts of shape (D, S', ...), of the same utterances with the dialogues in the same order, resampled alike.

    Returns:
        Differences (M,), limits (low, high), each (M,), and p-values (M,); the last three NaN for one dialogue.

    Raises:
        EvaluationError: the two do not describe the same utterances.
    """
    if not np.array_equal(first.clusters[:, 0].sum(axis=-1), second.clusters[:, 0].sum(axis=-1)):
        raise EvaluationError(
            "a paired difference needs two systems on the same utterances, with the same classes in the same order"
        )
    resampled = np.round(first.resampled - second.resampled, DECIMALS)
    interval = _limits(resampled, first.evaluation.confidence)
    fewer = 1 + np.minimum((resampled <= 0).sum(axis=0), (resampled >= 0).sum(axis=0))
    p = np.minimum(2 * fewer / (len(resampled) + 1), 1)
    return (
        np.round(first.mean - second.mean, DECIMALS),
        interval,
        np.where(np.isnan(interval[0]), np.nan, p),
    )


def mcnemar(first: np.ndarray, second: np.ndarray) -> tuple[int, int, float]:
    """McNemar's exact test of two runs on the same utterances, the usual one for classifiers (Dietterich 1998, section 3.1).

    If both were right equally often, the utterances that one of them alone gets right would fall to either like tosses of a fair coin:
    p is that of the two-sided binomial test (McNemar 1947). It is about accuracy, and about one run against one other: several seeds
    have several p-values, whose mean is none. It takes utterances for independent draws; those of a dialogue share speakers, topic and
    mood, so it may find too much, and `paired_difference` has the last word. Not corrected for the number of comparisons.

    Args:
        first: whether the first run is right about each of N utterances, (N,).
        second: the same of the second.

    Returns:
        How many the first alone gets right, how many the second, and p (1 where there are none of either).
    """
    one, other = int((first & ~second).sum()), int((second & ~first).sum())
    if abs(one - other) < 2:
        return one, other, 1.0  # no result of the tosses is likelier
    least, most = sorted((one, other))
    return (
        one,
        other,
        float(2 * betainc(most, least + 1, 0.5)),
    )  # P(X <= least) of the binomial distribution is I(most, least + 1)


def unpaired_difference(first: Sample, second: Sample) -> tuple[np.ndarray, Interval]:
    """Mean metrics of `first` minus those of `second`, and the interval of the difference, of dialogues drawn for each of them anew.

    For two test parts, which need not have a dialogue in common (Davison & Hinkley 1997, section 3.2).

    Args:
        first: counts of shape (D, S, ...).
        second: counts of shape (D', S', ...), maybe of other classes, with the same metrics.

    Returns:
        Differences (M,), limits (low, high), each (M,); the limits NaN where one of the two has one dialogue.
    """
    anew = replace(
        second, evaluation=second.evaluation.model_copy(update={"seed": second.evaluation.seed + 1})
    )
    outside = 50 * (1 - first.evaluation.confidence)
    low, high = np.percentile(first.resampled - anew.resampled, [outside, 100 - outside], axis=0)
    return first.mean - second.mean, (low, high)
