"""Bootstrap intervals over dialogues, the paired test that goes with them, and McNemar's test.

Utterances of a dialogue share speakers, topic and mood, so they are not independent draws. Whole
dialogues are resampled: a cluster bootstrap (Davison & Hinkley 1997, section 3.8).

A system is an array of counts ``clusters[dialogue, seed, ..., label, predicted]``. Its shape is
(D, S, K, K), or (D, S, E, 2, 2) in a multi-label task with E classes (merflow.evaluation.tasks).
Its score is the mean over seeds of the metrics of the counts summed over dialogues. A resample of D
dialogues is a vector of D multiplicities. So all seeds and metrics of a batch of resamples come
from one matrix product, and two systems are compared on the same resampled dialogues.
"""

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
from scipy.special import betainc

from merflow.errors import EvaluationError
from merflow.evaluation.metrics import Metric, measure
from merflow.params import EvaluationParams

#: Resamples in memory at once: 250 x 5 seeds x 7 x 7 counts are 0.5 MB.
BATCH = 250
#: Decimals of differences: means of equal systems with unequal numbers of seeds differ by bits.
DECIMALS = 12

Interval = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True, eq=False)
class Sample:
    """Counts of a system whose dialogues can be resampled; resamples are computed once.

    Attributes:
        clusters: counts of shape (D, S, ...).
        evaluation: number of resamples, confidence and seed of the resampling.
        metrics: function of counts (..., K, K) or (..., E, 2, 2) that gives metrics (..., M).
    """

    clusters: np.ndarray
    evaluation: EvaluationParams
    metrics: Metric = measure

    @cached_property
    def mean(self) -> np.ndarray:
        """Metrics of all dialogues, mean over seeds: (M,)."""
        return self._means(np.ones((1, len(self.clusters))))[0]

    @cached_property
    def resampled(self) -> np.ndarray:
        """Metrics of each resample, mean over seeds: (R, M); NaN for one dialogue."""
        if len(self.clusters) < 2:
            return np.full((1, len(self.mean)), np.nan)
        drawn = _multiplicities(len(self.clusters), self.evaluation.resamples, self.evaluation.seed)
        batches = (drawn[k : k + BATCH] for k in range(0, len(drawn), BATCH))
        return np.concatenate([self._means(batch) for batch in batches])

    def _means(self, drawn: np.ndarray) -> np.ndarray:
        """Metrics (R, M) over resampled dialogues, from multiplicities (R, D)."""
        counts = drawn @ self.clusters.reshape(len(self.clusters), -1).astype(float)
        return self.metrics(counts.reshape(-1, *self.clusters.shape[1:])).mean(axis=1)


@lru_cache(maxsize=4)  # systems of a group have the same dialogues
def _multiplicities(n: int, resamples: int, seed: int) -> np.ndarray:
    """Draw dialogues with replacement and count each of n dialogues in each resample: (R, n)."""
    drawn = np.random.default_rng(seed).integers(0, n, (resamples, n))
    cells = drawn + np.arange(resamples)[:, None] * n
    return np.bincount(cells.ravel(), minlength=resamples * n).reshape(resamples, n).astype(float)


def _limits(values: np.ndarray, confidence: float) -> Interval:
    """Percentile interval of resampled values (R, M): low and high ends, each (M,).

    A quantile is Hyndman & Fan's 7th, the usual definition.
    """
    ordered, outside = np.sort(np.ascontiguousarray(values.T)).T, (1 - confidence) / 2

    def quantile(share: float) -> np.ndarray:
        place = share * len(ordered) + (1 - share)  # counted from 1
        below, fraction = int(place), place % 1
        above = min(below, len(ordered) - 1)
        return (1 - fraction) * ordered[below - 1] + fraction * ordered[above]

    return quantile(outside), quantile(1 - outside)


def pool(clusters: np.ndarray, metrics: Metric = measure) -> np.ndarray:
    """Metrics (S, M) of each seed over all dialogues, from counts (D, S, ...)."""
    return metrics(clusters.sum(axis=0))


def seed_mean(sample: Sample) -> tuple[np.ndarray, np.ndarray, Interval]:
    """Mean and standard deviation over seeds, and interval of the mean over dialogues.

    Returns:
        Means (M,), standard deviations (M,) with n - 1 in the denominator, and limits (low, high),
        each (M,). Standard deviations of a single seed and limits of a single dialogue are NaN.
    """
    seeds = pool(sample.clusters, sample.metrics)
    std = seeds.std(axis=0, ddof=1) if len(seeds) > 1 else np.full(seeds.shape[1], np.nan)
    return seeds.mean(axis=0), std, _limits(sample.resampled, sample.evaluation.confidence)


def paired_difference(first: Sample, second: Sample) -> tuple[np.ndarray, Interval, np.ndarray]:
    """Mean metrics of `first` minus `second`, with interval and test over the same dialogues.

    The p-value is two-sided and from the same resamples of dialogues. For the differences d* of R
    resamples, p = 2 min(1 + #{d* <= 0}, 1 + #{d* >= 0}) / (R + 1), at most 1.
    This is the percentile interval turned around (Davison & Hinkley 1997, chapter 5). So
    p < 1 - confidence and an interval without 0 are one finding, except for a resample at its end.
    Systems that never differ have p = 1.

    Permuting the systems within dialogues would need equally many seeds of both. The test asks
    about other dialogues with these trained networks; the standard deviation over seeds is about
    other seeds. merflow.evaluation.corrections corrects for the number of comparisons.

    Args:
        first: counts of shape (D, S, ...).
        second: counts of shape (D, S', ...) of the same utterances, dialogues in the same order.

    Returns:
        Differences (M,), limits (low, high), each (M,), and p-values (M,); limits and p-values of a
        single dialogue are NaN.

    Raises:
        EvaluationError: the two do not describe the same utterances.
    """
    supports = [sample.clusters[:, 0].sum(axis=-1) for sample in (first, second)]
    if not np.array_equal(*supports):
        raise EvaluationError(
            "paired difference: the two systems have different utterances or classes; expected the"
            " same, in the same order"
        )
    resampled = np.round(first.resampled - second.resampled, DECIMALS)
    interval = _limits(resampled, first.evaluation.confidence)
    fewer = 1 + np.minimum((resampled <= 0).sum(axis=0), (resampled >= 0).sum(axis=0))
    p = np.minimum(2 * fewer / (len(resampled) + 1), 1)
    difference = np.round(first.mean - second.mean, DECIMALS)
    return difference, interval, np.where(np.isnan(interval[0]), np.nan, p)


def mcnemar(first: np.ndarray, second: np.ndarray) -> tuple[int, int, float]:
    """McNemar's exact test of two runs on the same utterances (Dietterich 1998, section 3.1).

    If both runs had the same accuracy, utterances that only one of them classifies correctly would
    fall to either like tosses of a fair coin. So p comes from the two-sided binomial test
    (McNemar 1947). The test is about one run against another. Several seeds have several p-values,
    and their mean is not a p-value. It takes utterances for independent draws, though utterances of
    a dialogue are alike. So it may find too much, and `paired_difference` decides.

    Args:
        first: correct predictions of the first run, (N,) of bool.
        second: the same of the second run.

    Returns:
        Number of utterances that only the first classifies correctly, number that only the second
        does, and p. If both numbers are 0, p is 1.
    """
    first_alone, second_alone = int((first & ~second).sum()), int((second & ~first).sum())
    if abs(first_alone - second_alone) < 2:
        return first_alone, second_alone, 1.0  # no result of the tosses is more probable
    least, most = sorted((first_alone, second_alone))
    # P(X <= least) of the binomial distribution is I(most, least + 1).
    return first_alone, second_alone, float(2 * betainc(most, least + 1, 0.5))


def unpaired_difference(first: Sample, second: Sample) -> tuple[np.ndarray, Interval]:
    """Mean metrics of `first` minus `second`, with an interval over independent dialogues.

    For two test splits, which need not have a dialogue in common (Davison & Hinkley 1997, section
    3.2).

    Args:
        first: counts of shape (D, S, ...).
        second: counts of shape (D', S', ...), perhaps of other classes, with the same metrics.

    Returns:
        Differences (M,) and limits (low, high), each (M,); limits are NaN where either has a single
        dialogue.
    """
    seed = second.evaluation.seed + 1
    independent = replace(second, evaluation=second.evaluation.model_copy(update={"seed": seed}))
    outside = 50 * (1 - first.evaluation.confidence)
    differences = first.resampled - independent.resampled
    low, high = np.percentile(differences, [outside, 100 - outside], axis=0)
    return first.mean - second.mean, (low, high)
