"""Percentile bootstrap intervals over dialogues.

Utterances of a dialogue share speakers, topic and mood, so they are no independent draws: whole dialogues are
resampled (cluster bootstrap; Davison & Hinkley 1997, section 3.8). A system is an array of counts
``clusters[dialogue, seed, true, predicted]``; its score is the mean over seeds of the metrics of the counts summed
over dialogues. A resample of D dialogues is a vector of D multiplicities, so all seeds and metrics of a batch of
resamples come from one matrix product, and two systems are compared on the same resampled dialogues.
"""

from collections.abc import Callable

import numpy as np
from scipy.stats import bootstrap

from merflow.errors import EvaluationError
from merflow.evaluation.metrics import measure
from merflow.params import Evaluation

BATCH = 250  # resamples in memory at once: 250 x 5 seeds x 7 x 7 counts are 0.5 MB

Interval = tuple[np.ndarray, np.ndarray]


def pool(clusters: np.ndarray) -> np.ndarray:
    """Metrics of each seed over all dialogues: (D, S, K, K) -> (S, M), columns as in metrics.names."""
    return measure(clusters.sum(axis=0))


def seed_mean(clusters: np.ndarray, evaluation: Evaluation) -> tuple[np.ndarray, np.ndarray, Interval]:
    """Mean and standard deviation of the metrics over seeds, and the interval of the mean over dialogues.

    Args:
        clusters: counts of shape (D, S, K, K).
        evaluation: number of resamples, confidence and seed of the resampling.

    Returns:
        Means (M,), standard deviations (M,; n - 1 in the denominator, NaN for one seed) and limits (low, high), each (M,);
        NaN for one dialogue, which cannot be resampled.
    """
    seeds = pool(clusters)
    std = seeds.std(axis=0, ddof=1) if len(seeds) > 1 else np.full(seeds.shape[1], np.nan)
    return seeds.mean(axis=0), std, _interval(lambda counts: _mean(counts, clusters), len(clusters), evaluation)


def paired_difference(first: np.ndarray, second: np.ndarray, evaluation: Evaluation) -> tuple[np.ndarray, Interval]:
    """Mean metrics of `first` minus those of `second`, and the interval of the difference over the same dialogues.

    Args:
        first: counts of shape (D, S, K, K).
        second: counts of shape (D, S', K, K), of the same utterances with the dialogues in the same order.
        evaluation: as in `seed_mean`.

    Returns:
        Differences (M,) and limits (low, high), each (M,).

    Raises:
        EvaluationError: the two do not describe the same utterances.
    """
    if not np.array_equal(first[:, 0].sum(axis=-1), second[:, 0].sum(axis=-1)):
        raise EvaluationError("a paired difference needs two systems on the same utterances, with the same classes in the same order")
    difference = pool(first).mean(axis=0) - pool(second).mean(axis=0)
    return difference, _interval(lambda counts: _mean(counts, first) - _mean(counts, second), len(first), evaluation)


def _mean(multiplicities: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """Metrics over resampled dialogues: multiplicities (R, D) -> (R, M)."""
    confusion = multiplicities @ clusters.reshape(len(clusters), -1).astype(float)
    return measure(confusion.reshape(-1, *clusters.shape[1:])).mean(axis=1)


def _interval(statistic: Callable[[np.ndarray], np.ndarray], n: int, evaluation: Evaluation) -> Interval:
    if n < 2:
        nothing = np.full(statistic(np.ones((1, n))).shape[1], np.nan)
        return nothing, nothing

    def of_indices(drawn: np.ndarray, axis: int) -> np.ndarray:
        rows = drawn.reshape(-1, n)
        offset = np.arange(len(rows))[:, None] * n
        multiplicities = np.bincount((rows + offset).ravel(), minlength=len(rows) * n).reshape(-1, n)
        return statistic(multiplicities.astype(float)).T

    limits = bootstrap(
        (np.arange(n),),
        of_indices,
        n_resamples=evaluation.resamples,
        batch=BATCH,
        vectorized=True,
        confidence_level=evaluation.confidence,
        method="percentile",
        rng=np.random.default_rng(evaluation.seed),
    ).confidence_interval
    return limits.low, limits.high
