from itertools import product

import numpy as np
import pytest
from scipy.stats import binomtest, bootstrap

from merflow.errors import EvaluationError
from merflow.evaluation.intervals import (
    Sample,
    mcnemar,
    paired_difference,
    pool,
    seed_mean,
    unpaired_difference,
)
from merflow.evaluation.metrics import Metric, measure, measure_binary, names, names_binary
from merflow.params import EvaluationParams

EVALUATION = EvaluationParams(resamples=1000, confidence=0.95, seed=1)
ACCURACY = 0  # column of `measure`
MULTI_LABEL_AS_BINARY = {
    "uar": ("uar", None),
    "accuracy": ("accuracy", None),
    "positive_f1": ("f1", "present"),
}


def samples(
    *counts: np.ndarray, evaluation: EvaluationParams = EVALUATION, metrics: Metric = measure
) -> list[Sample]:
    return [Sample(clusters, evaluation, metrics) for clusters in counts]


def clusters(correct: np.ndarray, turns: int) -> np.ndarray:
    """Counts (D, S, 2, 2) of dialogues with `turns` utterances of class 0, some of them correct."""
    counts = np.zeros((*correct.shape, 2, 2), dtype=int)
    counts[..., 0, 0] = correct
    counts[..., 0, 1] = turns - correct
    return counts


def test_interval_equals_a_plain_loop_over_resampled_dialogues():
    correct = np.random.default_rng(0).binomial(10, 0.6, (40, 3))
    counts = clusters(correct, 10)
    mean, _, (low, high) = seed_mean(Sample(counts, EVALUATION))
    rng = np.random.default_rng(99)
    loop = [correct[rng.integers(0, 40, 40)].sum(axis=0).mean() / 400 for _ in range(4000)]
    assert mean[ACCURACY] == correct.mean() / 10
    assert low[ACCURACY] == pytest.approx(np.quantile(loop, 0.025), abs=0.005)
    assert high[ACCURACY] == pytest.approx(np.quantile(loop, 0.975), abs=0.005)


@pytest.mark.parametrize(("n", "resamples"), [(2, 100), (23, 500), (151, 999)])
def test_interval_and_resamples_equal_scipy_to_the_last_bit(n, resamples):
    evaluation = EvaluationParams(resamples=resamples, confidence=0.95, seed=3)
    sample = Sample(clusters(np.random.default_rng(0).binomial(10, 0.6, (n, 3)), 10), evaluation)

    def of_indices(drawn, axis):
        multiplicities = np.stack([np.bincount(row, minlength=n) for row in drawn.reshape(-1, n)])
        counts = multiplicities @ sample.clusters.reshape(n, -1).astype(float)
        return measure(counts.reshape(-1, 3, 2, 2)).mean(axis=1).T

    reference = bootstrap(
        (np.arange(n),),
        of_indices,
        n_resamples=resamples,
        batch=250,
        confidence_level=0.95,
        method="percentile",
        rng=np.random.default_rng(3),
    )
    assert np.array_equal(sample.resampled.T, reference.bootstrap_distribution)
    _, _, interval = seed_mean(sample)
    assert np.array_equal(interval, reference.confidence_interval)


def test_interval_covers_the_mean_as_often_as_it_says():
    rng = np.random.default_rng(1)
    few = EvaluationParams(resamples=400, confidence=0.9, seed=1)
    inside = 0
    for _ in range(300):
        # Dialogues differ, their utterances are alike; mean 0.6.
        per_dialogue = rng.beta(3, 2, (50, 1))
        _, _, (low, high) = seed_mean(Sample(clusters(rng.binomial(8, per_dialogue), 8), few))
        inside += bool(low[ACCURACY] <= 0.6 <= high[ACCURACY])
    assert 0.84 <= inside / 300 <= 0.95


def test_interval_is_wider_over_dialogues_of_alike_utterances():
    # Each dialogue all correct or all wrong.
    whole = clusters(np.repeat([[0], [10]], 20, axis=0), 10)
    single = clusters(np.repeat([[0], [1]], 200, axis=0), 1)
    (_, _, (low, high)), (_, _, (low1, high1)) = map(seed_mean, samples(whole, single))
    assert (high - low)[ACCURACY] > 2.5 * (high1 - low1)[ACCURACY]


def test_same_seed_same_numbers():
    counts = clusters(np.random.default_rng(2).binomial(5, 0.5, (12, 2)), 5)
    again = seed_mean(Sample(counts, EVALUATION))[2]
    other = seed_mean(Sample(counts, EvaluationParams(resamples=1000, confidence=0.95, seed=2)))[2]
    assert np.array_equal(seed_mean(Sample(counts, EVALUATION))[2], again)
    assert not np.array_equal(again, other)


def test_standard_deviation_is_over_seeds_and_unknown_for_one():
    counts = clusters(np.array([[4, 6], [4, 6]]), 10)
    _, std, _ = seed_mean(Sample(counts, EVALUATION))
    assert std[ACCURACY] == pytest.approx(np.std([0.4, 0.6], ddof=1))
    assert np.isnan(seed_mean(Sample(counts[:, :1], EVALUATION))[1]).all()


def test_one_dialogue_has_no_interval():
    mean, _, (low, high) = seed_mean(Sample(clusters(np.array([[3, 5]]), 10), EVALUATION))
    assert mean[ACCURACY] == 0.4
    assert np.isnan(low).all() and np.isnan(high).all()


def test_paired_difference_uses_the_same_dialogues():
    correct = np.random.default_rng(3).binomial(9, 0.5, (30, 1))
    # Always one more correct: no doubt about the difference.
    worse, better = clusters(correct, 10), clusters(correct + 1, 10)
    difference, (low, high), p = paired_difference(*samples(better, worse))
    assert difference[ACCURACY] == pytest.approx(0.1)
    assert low[ACCURACY] == pytest.approx(0.1) and high[ACCURACY] == pytest.approx(0.1)
    assert p[ACCURACY] == pytest.approx(2 / 1001)  # the least that 1000 resamples can tell


def test_paired_difference_takes_unequal_numbers_of_seeds():
    correct = np.random.default_rng(4).binomial(10, 0.5, (20, 5))
    five, one = clusters(correct, 10), clusters(correct[:, :1], 10)
    expected = pool(five).mean(axis=0) - pool(one).mean(axis=0)
    assert paired_difference(*samples(five, one))[0] == pytest.approx(expected)


def test_paired_difference_refuses_other_utterances():
    both = samples(*(clusters(np.array([[1], [2]]), turns) for turns in (3, 4)))
    with pytest.raises(EvaluationError, match="have different utterances or classes"):
        paired_difference(*both)


def test_p_equals_a_loop_over_resampled_dialogues_on_both_sides():
    rng = np.random.default_rng(5)
    first, second = rng.binomial(10, 0.56, (30, 3)), rng.binomial(10, 0.5, (30, 2))
    p = [
        paired_difference(*samples(clusters(a, 10), clusters(b, 10)))[2][ACCURACY]
        for a, b in ((first, second), (second, first))
    ]
    loop = [
        first[drawn].mean() - second[drawn].mean() for drawn in rng.integers(0, 30, (20_000, 30))
    ]
    assert 0.01 < p[0] == p[1] < 0.5
    assert p[0] == pytest.approx(2 * np.mean(np.array(loop) <= 0), abs=0.02)


def test_p_finds_a_false_difference_as_often_as_it_says():
    rng = np.random.default_rng(6)
    few = EvaluationParams(resamples=300, confidence=0.9, seed=1)
    n_found, n_agree = 0, 0
    for _ in range(300):
        # Utterances of a dialogue are alike.
        sides = [clusters(rng.binomial(8, rng.beta(3, 2, (50, 1)), (50, 2)), 8) for _ in range(2)]
        _, (low, high), p = paired_difference(*samples(*sides, evaluation=few))
        n_found += p[ACCURACY] < 0.1
        n_agree += (p[ACCURACY] < 0.1) == bool(low[ACCURACY] > 0 or high[ACCURACY] < 0)
    assert 0.06 <= n_found / 300 <= 0.16
    assert n_agree >= 297


@pytest.mark.parametrize("seeds", [1, 3])
def test_equal_systems_differ_by_nothing_whatever_their_seeds(seeds):
    correct = np.random.default_rng(7).binomial(7, 0.5, (20, 1))
    both = samples(clusters(correct, 7), clusters(np.repeat(correct, seeds, axis=1), 7))
    difference, (low, high), p = paired_difference(*both)
    assert not difference.any() and not low.any() and not high.any()
    assert (p == 1).all()


def test_one_dialogue_has_no_test():
    both = samples(*(clusters(np.array([[correct]]), 10) for correct in (3, 5)))
    _, (low, high), p = paired_difference(*both)
    assert np.isnan([*low, *high, *p]).all()


def test_multi_label_classes_are_scored_as_each_alone():
    rng = np.random.default_rng(8)
    # Dialogues, seeds, classes, absent and present.
    total = rng.integers(1, 6, (25, 1, 3, 2))
    first, second = (np.zeros((25, 2, 3, 2, 2)) for _ in range(2))
    for counts, skill in ((first, 0.6), (second, 0.5)):
        correct = rng.binomial(total, skill, (25, 2, 3, 2))
        counts[..., [0, 1], [0, 1]], counts[..., [0, 1], [1, 0]] = correct, total - correct

    def figures(first, second, metrics):
        _, _, interval = seed_mean(Sample(first, EVALUATION, metrics))
        difference, limits, p = paired_difference(*samples(first, second, metrics=metrics))
        return np.stack([*interval, difference, *limits, p], axis=1)

    together, columns = figures(first, second, measure_binary), names_binary(("a", "b", "c"))
    for e, name in enumerate("abc"):
        alone = figures(first[:, :, e], second[:, :, e], measure)
        for metric, (binary, binary_class) in MULTI_LABEL_AS_BINARY.items():
            row = names(("absent", "present")).index((binary, binary_class))
            of_class = together[columns.index((metric, name))]
            np.testing.assert_allclose(of_class, alone[row], atol=1e-12)


def test_mcnemar_counts_who_alone_is_correct_and_is_exact():
    first = np.array([True] * 8 + [False] * 2 + [True] * 50 + [False] * 40)
    second = np.array([False] * 8 + [True] * 2 + [True] * 50 + [False] * 40)
    both_tails_of_ten_tosses = 2 * (1 + 10 + 45) / 2**10
    assert mcnemar(first, second) == (8, 2, pytest.approx(both_tails_of_ten_tosses))
    assert mcnemar(second, first) == (2, 8, mcnemar(first, second)[2])


def test_mcnemar_equals_scipys_binomial_test_to_the_last_bit():
    large = [(0, 700), (333, 334), (333, 335), (812, 640)]
    for alone in [*product(range(45), repeat=2), *large]:
        first, second = np.repeat([True, False], alone), np.repeat([False, True], alone)
        p = binomtest(alone[0], sum(alone)).pvalue if sum(alone) else 1.0
        assert mcnemar(first, second)[2] == p


def test_mcnemar_of_runs_that_are_never_apart_is_one():
    correct = np.array([True, False, True])
    assert mcnemar(correct, correct) == (0, 0, 1.0)


def test_mcnemar_finds_too_much_in_alike_utterances():
    """p below 0.1 should be rarer than one in ten, as it is with the bootstrap over dialogues."""
    rng = np.random.default_rng(9)
    n_found = 0
    for _ in range(300):
        # Correct or wrong about whole dialogues of 8.
        first, second = (np.repeat(rng.random(40) < 0.5, 8) for _ in range(2))
        n_found += mcnemar(first, second)[2] < 0.1
    assert n_found > 0.4 * 300


def test_unpaired_difference_draws_two_sets_of_dialogues():
    """Its variance is the sum of the two: a plain loop over both."""
    rng = np.random.default_rng(8)
    first, second = rng.binomial(10, 0.7, (40, 2)), rng.binomial(6, 0.6, (25, 3))
    many = EVALUATION.model_copy(update={"resamples": 4000})
    both = samples(clusters(first, 10), clusters(second, 6), evaluation=many)
    difference, (low, high) = unpaired_difference(*both)
    assert difference[ACCURACY] == pytest.approx(first.mean() / 10 - second.mean() / 6)
    means = [
        turns[rng.integers(0, len(turns), (20_000, len(turns)))].mean(axis=(1, 2)) / n
        for turns, n in ((first, 10), (second, 6))
    ]
    drawn = means[0] - means[1]
    # Each end of a 95 % interval leaves out 2.5 %.
    assert np.mean(drawn < low[ACCURACY]) == pytest.approx(0.025, abs=0.01)
    assert np.mean(drawn > high[ACCURACY]) == pytest.approx(0.025, abs=0.01)


def test_unpaired_difference_of_the_same_counts_is_drawn_twice():
    counts = clusters(np.random.default_rng(9).binomial(10, 0.7, (40, 1)), 10)
    difference, (low, high) = unpaired_difference(*samples(counts, counts))
    assert difference[ACCURACY] == 0 and low[ACCURACY] < -0.02 and high[ACCURACY] > 0.02
    _, (low, high) = unpaired_difference(*samples(counts[:1], counts))
    assert np.isnan(low[ACCURACY]) and np.isnan(high[ACCURACY])
