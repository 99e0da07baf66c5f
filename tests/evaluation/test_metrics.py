import numpy as np
import pytest
from sklearn import metrics as reference

from merflow.evaluation import metrics


def confusion(true: np.ndarray, predicted: np.ndarray, k: int) -> np.ndarray:
    counts = np.zeros((k, k), dtype=int)
    np.add.at(counts, (true, predicted), 1)
    return counts


REFERENCE = {
    "accuracy": reference.accuracy_score,
    "uar": lambda t, p: reference.recall_score(t, p, labels=np.unique(t), average="macro"),
    "balanced_accuracy": lambda t, p: np.mean(
        [REFERENCE["uar"](t == c, p == c) for c in np.unique(t)]
    ),
    "weighted_precision": lambda t, p: reference.precision_score(
        t, p, average="weighted", zero_division=0
    ),
    "weighted_recall": lambda t, p: reference.recall_score(
        t, p, average="weighted", zero_division=0
    ),
    "weighted_f1": lambda t, p: reference.f1_score(t, p, average="weighted", zero_division=0),
    "macro_precision": lambda t, p: reference.precision_score(
        t, p, average="macro", zero_division=0
    ),
    "macro_f1": lambda t, p: reference.f1_score(t, p, average="macro", zero_division=0),
}


def test_every_metric_has_a_reference():
    assert set(REFERENCE) == set(metrics.METRICS)


@pytest.mark.parametrize("name", metrics.METRICS)
def test_equals_scikit_learn_also_with_absent_classes(name):
    rng = np.random.default_rng(3)
    for present in (7, 4, 2, 1):  # of 7 classes; true and predicted ones differ
        for n in (1, 5, 60):
            true, predicted = (
                rng.choice(rng.permutation(7)[:present], n),
                rng.choice(rng.permutation(7)[:present], n),
            )
            assert metrics.METRICS[name](confusion(true, predicted, 7)) == pytest.approx(
                REFERENCE[name](true, predicted), abs=1e-12
            )


def test_balanced_accuracy_is_equation_6_of_mel_cnn_bert_for_each_class_against_the_rest():
    """WA = (TP x N/P + TN) / 2N; for classes of 4, 2 and 2 utterances."""
    counts = np.array([[3, 1, 0], [0, 1, 1], [1, 0, 1]])
    each = [(3 * 4 / 4 + 3) / (2 * 4), (1 * 6 / 2 + 5) / (2 * 6), (1 * 6 / 2 + 5) / (2 * 6)]
    assert metrics.METRICS["balanced_accuracy"](counts) == pytest.approx(np.mean(each))
    binary = np.array([[5, 2], [1, 3]])
    assert metrics.METRICS["balanced_accuracy"](binary) == pytest.approx(
        metrics.METRICS["uar"](binary)
    )


def test_per_class_equals_scikit_learn():
    rng = np.random.default_rng(4)
    true, predicted = rng.integers(0, 5, 90), rng.integers(1, 7, 90)
    expected = reference.precision_recall_fscore_support(
        true, predicted, labels=range(7), zero_division=0
    )
    for name, values in zip(("precision", "recall", "f1"), expected, strict=False):
        np.testing.assert_allclose(
            metrics.CLASS_METRICS[name](confusion(true, predicted, 7)), values, atol=1e-12
        )


def test_confused_equals_scikit_learn_and_names_true_before_predicted():
    rng = np.random.default_rng(6)
    true, predicted = (
        rng.integers(0, 4, 50),
        rng.integers(1, 5, 50),
    )  # class 4 never occurs, class 0 is never predicted
    expected = reference.confusion_matrix(true, predicted, labels=range(5), normalize="true")
    classes = ("a", "b", "c", "d", "e")
    found = dict(
        zip(metrics.names(classes), metrics.measure(confusion(true, predicted, 5)), strict=True)
    )
    for t, p in [(t, p) for t in range(5) for p in range(5) if t != p]:
        assert found["confused", f"{classes[t]} as {classes[p]}"] == pytest.approx(
            expected[t, p], abs=1e-12
        )
    assert sum(metric == "confused" for metric, _ in found) == 5 * 4


def test_shares_of_a_class_that_is_taken_for_others_and_its_recall_sum_to_one():
    stack = np.random.default_rng(7).integers(1, 9, (2, 3, 4, 4))
    taken = metrics.confused(stack).reshape(2, 3, 4, 3).sum(axis=-1)
    np.testing.assert_allclose(taken + metrics.recall(stack), 1)


def test_leading_axes_are_kept_and_measure_names_its_values():
    rng = np.random.default_rng(5)
    stack = rng.integers(0, 9, (4, 3, 3, 3))
    values = metrics.measure(stack)
    names = metrics.names(("a", "b", "c"))
    assert values.shape == (4, 3, len(names)) == (4, 3, 8 + 9 + 6)
    assert values[2, 1, names.index(("weighted_f1", None))] == metrics.weighted_f1(stack[2, 1])
    assert values[2, 1, names.index(("recall", "b"))] == metrics.recall(stack[2, 1])[1]


BINARY_REFERENCE = {
    "uar": lambda t, p: reference.recall_score(
        t, p, labels=np.unique(t), average="macro", zero_division=0
    ),
    "accuracy": reference.accuracy_score,
    "weighted_f1": lambda t, p: reference.f1_score(t, p, average="weighted", zero_division=0),
    "positive_f1": lambda t, p: reference.f1_score(
        t, p, pos_label=1, average="binary", zero_division=0
    ),
}


def present(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth and predictions (N, 5), and their counts (5, 2, 2): class 0 is never present, class 1 never predicted, class 2 always."""
    rng = np.random.default_rng(seed)
    true, predicted = rng.random((2, n, 5)) < [0, 0.4, 0.5, 0.2, 0.7]
    predicted[:, 1:3] = [False, True]
    true, predicted = true.astype(int), predicted.astype(int)
    return true, predicted, np.stack([confusion(true[:, e], predicted[:, e], 2) for e in range(5)])


@pytest.mark.parametrize("name", metrics.BINARY_METRICS)
def test_equals_scikit_learn_for_each_of_several_classes(name):
    for n in (1, 4, 80):
        true, predicted, counts = present(n, n)
        expected = [BINARY_REFERENCE[name](true[:, e], predicted[:, e]) for e in range(5)]
        assert metrics.BINARY_METRICS[name](counts) == pytest.approx(expected, abs=1e-12)
        found = dict(
            zip(metrics.names_binary(tuple("abcde")), metrics.measure_binary(counts), strict=True)
        )
        assert [found[name, each] for each in "abcde"] == pytest.approx(expected, abs=1e-12)
        assert found[name, None] == pytest.approx(np.mean(expected), abs=1e-12)


def test_means_over_classes_are_the_multi_label_scores_of_scikit_learn():
    true, predicted, counts = present(90, 1)
    found = dict(
        zip(metrics.names_binary(tuple("abcde")), metrics.measure_binary(counts), strict=True)
    )
    assert found["accuracy", None] == pytest.approx(1 - reference.hamming_loss(true, predicted))
    assert found["positive_f1", None] == pytest.approx(
        reference.f1_score(true, predicted, average="macro", zero_division=0)
    )
    balanced = [reference.balanced_accuracy_score(true[:, e], predicted[:, e]) for e in range(1, 5)]
    assert [found["uar", each] for each in "bcde"] == pytest.approx(balanced)


def test_leading_axes_are_kept_for_several_classes_too():
    stack = np.random.default_rng(9).integers(0, 9, (4, 3, 5, 2, 2))
    values, names = metrics.measure_binary(stack), metrics.names_binary(tuple("abcde"))
    assert values.shape == (4, 3, len(names)) == (4, 3, 4 + 4 * 5)
    assert values[2, 1, names.index(("weighted_f1", "d"))] == metrics.weighted_f1(stack[2, 1, 3])


def test_never_present_is_accurate_for_a_rare_class_and_finds_nothing():
    rare = np.array([[95, 0], [5, 0]])
    assert metrics.accuracy(rare) == 0.95
    assert metrics.uar(rare) == 0.5
    assert metrics.positive_f1(rare) == 0


def test_majority_class_on_official_meld_test():
    counts = np.zeros((7, 7))
    counts[:, 0] = [1256, 402, 281, 345, 208, 68, 50]
    assert round(float(metrics.accuracy(counts)), 4) == 0.4812
    assert round(float(metrics.weighted_f1(counts)), 4) == 0.3127
    assert round(float(metrics.macro_f1(counts)), 4) == 0.0928
    assert metrics.uar(counts) == pytest.approx(1 / 7)
