"""Percentile bootstrap intervals over dialogues, the paired test between two systems that goes with them, and McNemar's.

Utterances of a dialogue share speakers, topic and mood, so they are no independent draws: whole dialogues are
resampled (cluster bootstrap; Davison & Hinkley 1997, section 3.8). A system is an array of counts
``clusters[dialogue, seed, ..., true, predicted]``: shape (D, S, K, K), or (D, S, E, 2, 2) where E classes may be present at
once (merflow.evaluation.tasks); its score is the mean over seeds of the metrics of the counts summed over dialogues. A
resample of D dialogues is a vector of D multiplicities, so all seeds and metrics of a batch of resamples come from one matrix
product, and two systems are compared on the same resampled dialogues.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
from scipy.stats import binomtest, bootstrap

from merflow.errors import EvaluationError
from merflow.evaluation.metrics import Metric, measure
from merflow.params import Evaluation

BATCH = 250  # resamples in memory at once: 250 x 5 seeds x 7 x 7 counts are 0.5 MB
DECIMALS = 12  # of differences: equal systems with other numbers of seeds differ in the last bits of their means

Interval = tuple[np.ndarray, np.ndarray]


def pool(clusters: np.ndarray, of: Metric = measure) -> np.ndarray:
    """Metrics of each seed over all dialogues: counts (D, S, ...) -> (S, M), columns as `of` has them."""
    return of(clusters.sum(axis=0))


def seed_mean(clusters: np.ndarray, evaluation: Evaluation, of: Metric = measure) -> tuple[np.ndarray, np.ndarray, Interval]:
    """Mean and standard deviation of the metrics over seeds, and the interval of the mean over dialogues.

    Args:
        clusters: counts of shape (D, S, ...).
        evaluation: number of resamples, confidence and seed of the resampling.
        of: the metrics of counts (..., K, K) or (..., E, 2, 2) -> (..., M).

    Returns:
        Means (M,), standard deviations (M,; n - 1 in the denominator, NaN for one seed) and limits (low, high), each (M,);
        NaN for one dialogue, which cannot be resampled.
    """
    seeds = pool(clusters, of)
    std = seeds.std(axis=0, ddof=1) if len(seeds) > 1 else np.full(seeds.shape[1], np.nan)
    interval, _ = _bootstrap(lambda drawn: _mean(drawn, clusters, of), len(clusters), evaluation)
    return seeds.mean(axis=0), std, interval


def paired_difference(
    first: np.ndarray, second: np.ndarray, evaluation: Evaluation, of: Metric = measure
) -> tuple[np.ndarray, Interval, np.ndarray]:
    """Mean metrics of `first` minus those of `second`, the interval of the difference over the same dialogues, and a test of it.

    The p-value is two-sided, from the same resamples of dialogues: p = 2 min(1 + #{d* <= 0}, 1 + #{d* >= 0}) / (R + 1), at most 1,
    over the differences d* of R resamples: the percentile interval turned around (Davison & Hinkley 1997, chapter 5). So p < 1 -
    confidence and an interval without 0 are one finding, but for a resample at its end; p is never below 2 / (R + 1), and systems
    that never differ have p = 1. Permuting the systems within dialogues needs as many seeds of the one as of the other. The test
    asks about other dialogues, with these trained networks; the standard deviation over seeds says what other seeds do. It is of
    one comparison, not corrected for their number.

    Args:
        first: counts of shape (D, S, ...).
        second: counts of shape (D, S', ...), of the same utterances with the dialogues in the same order.
        evaluation, of: as in `seed_mean`.

    Returns:
        Differences (M,), limits (low, high), each (M,), and p-values (M,); the last three NaN for one dialogue.

    Raises:
        EvaluationError: the two do not describe the same utterances.
    """
    if not np.array_equal(first[:, 0].sum(axis=-1), second[:, 0].sum(axis=-1)):
        raise EvaluationError("a paired difference needs two systems on the same utterances, with the same classes in the same order")

    def difference(drawn: np.ndarray) -> np.ndarray:
        return np.round(_mean(drawn, first, of) - _mean(drawn, second, of), DECIMALS)

    interval, resampled = _bootstrap(difference, len(first), evaluation)
    fewer = 1 + np.minimum((resampled <= 0).sum(axis=-1), (resampled >= 0).sum(axis=-1))
    p = np.minimum(2 * fewer / (resampled.shape[-1] + 1), 1)
    return difference(np.ones((1, len(first))))[0], interval, np.where(np.isnan(interval[0]), np.nan, p)


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
    return one, other, float(binomtest(one, one + other).pvalue) if one + other else 1.0


def unpaired_difference(
    first: np.ndarray, second: np.ndarray, evaluation: Evaluation, of: Metric = measure, of_second: Metric | None = None
) -> tuple[np.ndarray, Interval]:
    """Mean metrics of `first` minus those of `second`, and the interval of the difference, of dialogues drawn for each of them anew.

    For two test parts, which need not have a dialogue in common (Davison & Hinkley 1997, section 3.2).

    Args:
        first: counts of shape (D, S, ...).
        second: counts of shape (D', S', ...).
        evaluation, of: as in `seed_mean`.
        of_second: the same metrics of the counts of `second`, where these are of other classes.

    Returns:
        Differences (M,), limits (low, high), each (M,); the limits NaN where one of the two has one dialogue.
    """
    means, drawn = [], []
    for number, (counts, metric) in enumerate([(first, of), (second, of_second or of)]):
        statistic = partial(_mean, clusters=counts, of=metric)
        anew = evaluation.model_copy(update={"seed": evaluation.seed + number})
        means.append(statistic(np.ones((1, len(counts))))[0])
        drawn.append(_bootstrap(statistic, len(counts), anew)[1])
    outside = 50 * (1 - evaluation.confidence)
    low, high = np.percentile(drawn[0] - drawn[1], [outside, 100 - outside], axis=1)
    return means[0] - means[1], (low, high)


def _mean(drawn: np.ndarray, clusters: np.ndarray, of: Metric) -> np.ndarray:
    """Metrics over resampled dialogues: multiplicities (R, D) -> (R, M)."""
    counts = drawn @ clusters.reshape(len(clusters), -1).astype(float)
    return of(counts.reshape(-1, *clusters.shape[1:])).mean(axis=1)


def _bootstrap(statistic: Callable[[np.ndarray], np.ndarray], n: int, evaluation: Evaluation) -> tuple[Interval, np.ndarray]:
    """Limits of a statistic of multiplicities (R, n) -> (R, M), and its values (M, R) on the resamples."""
    if n < 2:
        nothing = np.full(statistic(np.ones((1, n))).shape[1], np.nan)
        return (nothing, nothing), nothing[:, None]

    def of_indices(drawn: np.ndarray, axis: int) -> np.ndarray:
        rows = drawn.reshape(-1, n)
        offset = np.arange(len(rows))[:, None] * n
        multiplicities = np.bincount((rows + offset).ravel(), minlength=len(rows) * n).reshape(-1, n)
        return statistic(multiplicities.astype(float)).T

    found = bootstrap(
        (np.arange(n),),
        of_indices,
        n_resamples=evaluation.resamples,
        batch=BATCH,
        vectorized=True,
        confidence_level=evaluation.confidence,
        method="percentile",
        rng=np.random.default_rng(evaluation.seed),
    )
    return (found.confidence_interval.low, found.confidence_interval.high), found.bootstrap_distribution
