import numpy as np
import pytest
from sklearn import metrics as reference

from merflow.evaluation import metrics


def confusion(labels: np.ndarray, predicted: np.ndarray, k: int) -> np.ndarray:
    counts = np.zeros((k, k), dtype=int)
    np.add.at(counts, (labels, predicted), 1)
    return counts


def averaged(score, average):
    return lambda y, p: score(y, p, average=average, zero_division=0)


def macro_recall(y, p):
    """Mean recall over the classes among the labels."""
    return reference.recall_score(y, p, labels=np.unique(y), average="macro", zero_division=0)


def one_vs_rest(score):
    """Mean over all seven classes of a score of the class against the rest."""
    return lambda y, p: np.mean([score(y == c, p == c) for c in range(7)])


REFERENCE = {
    "accuracy": reference.accuracy_score,
    "uar": macro_recall,
    "balanced_accuracy": lambda y, p: np.mean([macro_recall(y == c, p == c) for c in np.unique(y)]),
    "weighted_precision": averaged(reference.precision_score, "weighted"),
    "weighted_recall": averaged(reference.recall_score, "weighted"),
    "weighted_f1": averaged(reference.f1_score, "weighted"),
    "macro_precision": averaged(reference.precision_score, "macro"),
    "macro_f1": averaged(reference.f1_score, "macro"),
    "one_vs_rest_accuracy": one_vs_rest(reference.accuracy_score),
    "one_vs_rest_weighted_f1": one_vs_rest(averaged(reference.f1_score, "weighted")),
}


def test_every_metric_has_a_reference():
    assert set(REFERENCE) == set(metrics.METRICS)


@pytest.mark.parametrize("name", metrics.METRICS)
def test_equals_scikit_learn_also_with_absent_classes(name):
    rng = np.random.default_rng(3)
    for n_present in (7, 4, 2, 1):  # of 7 classes; labels and predictions have different ones
        for n in (1, 5, 60):
            labels, predicted = (rng.choice(rng.permutation(7)[:n_present], n) for _ in range(2))
            value = metrics.METRICS[name](confusion(labels, predicted, 7))
            assert value == pytest.approx(REFERENCE[name](labels, predicted), abs=1e-12)


def test_balanced_accuracy_is_equation_6_of_mel_cnn_bert():
    """WA = (TP x N/P + TN) / 2N of each class against the rest; classes of 4, 2, 2 utterances."""
    counts = np.array([[3, 1, 0], [0, 1, 1], [1, 0, 1]])
    each = [(3 * 4 / 4 + 3) / (2 * 4), (1 * 6 / 2 + 5) / (2 * 6), (1 * 6 / 2 + 5) / (2 * 6)]
    assert metrics.METRICS["balanced_accuracy"](counts) == pytest.approx(np.mean(each))
    binary = np.array([[5, 2], [1, 3]])
    balanced, uar = (metrics.METRICS[name](binary) for name in ("balanced_accuracy", "uar"))
    assert balanced == pytest.approx(uar)


def test_one_vs_rest_accuracy_is_equation_4_of_mel_cnn_bert():
    """The printed 88.4 is a six-way accuracy of .652; naming the largest class gives .792."""
    scale = 10000
    counts = np.diag([6520, 0, 0, 0, 0, 0])
    counts[0, 1] = scale - 6520
    assert metrics.METRICS["one_vs_rest_accuracy"](counts) == pytest.approx(0.884)
    largest = np.zeros((6, 6), dtype=int)
    largest[:, 0] = [2151, 920, 751, 1121, 411, 361]  # Table 1, test
    assert round(float(metrics.METRICS["one_vs_rest_accuracy"](largest)), 3) == 0.792
    binary = np.array([[5, 2], [1, 3]])
    values = [metrics.METRICS[name](binary) for name in ("one_vs_rest_accuracy", "accuracy")]
    assert values[0] == pytest.approx(values[1])


def test_per_class_equals_scikit_learn():
    rng = np.random.default_rng(4)
    labels, predicted = rng.integers(0, 5, 90), rng.integers(1, 7, 90)
    expected = reference.precision_recall_fscore_support(
        labels, predicted, labels=range(7), zero_division=0
    )
    for name, values in zip(("precision", "recall", "f1"), expected, strict=False):
        of_classes = metrics.CLASS_METRICS[name](confusion(labels, predicted, 7))
        np.testing.assert_allclose(of_classes, values, atol=1e-12)


def test_confused_equals_scikit_learn_and_names_the_label_first():
    rng = np.random.default_rng(6)
    # Class 4 is never a label, class 0 is never predicted.
    labels, predicted = rng.integers(0, 4, 50), rng.integers(1, 5, 50)
    expected = reference.confusion_matrix(labels, predicted, labels=range(5), normalize="true")
    classes = ("a", "b", "c", "d", "e")
    values = metrics.measure(confusion(labels, predicted, 5))
    by_name = dict(zip(metrics.names(classes), values, strict=True))
    for y, p in [(y, p) for y in range(5) for p in range(5) if y != p]:
        share = by_name["confused", f"{classes[y]} as {classes[p]}"]
        assert share == pytest.approx(expected[y, p], abs=1e-12)
    assert sum(metric == "confused" for metric, _ in by_name) == 5 * 4


def test_confused_shares_and_recall_of_a_class_sum_to_one():
    stack = np.random.default_rng(7).integers(1, 9, (2, 3, 4, 4))
    confused = metrics.confused(stack).reshape(2, 3, 4, 3).sum(axis=-1)
    np.testing.assert_allclose(confused + metrics.recall(stack), 1)


def test_leading_axes_are_kept_and_measure_names_its_values():
    rng = np.random.default_rng(5)
    stack = rng.integers(0, 9, (4, 3, 3, 3))
    values = metrics.measure(stack)
    names = metrics.names(("a", "b", "c"))
    assert values.shape == (4, 3, len(names)) == (4, 3, 10 + 9 + 6)
    assert values[2, 1, names.index(("weighted_f1", None))] == metrics.weighted_f1(stack[2, 1])
    assert values[2, 1, names.index(("recall", "b"))] == metrics.recall(stack[2, 1])[1]


BINARY_REFERENCE = {
    "uar": macro_recall,
    "accuracy": reference.accuracy_score,
    "weighted_f1": averaged(reference.f1_score, "weighted"),
    "positive_f1": averaged(reference.f1_score, "binary"),
}


def multi_label(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels and predictions (N, 5), and their counts (5, 2, 2).

    Class 0 is never present, class 1 never predicted, class 2 always predicted.
    """
    rng = np.random.default_rng(seed)
    labels, predicted = rng.random((2, n, 5)) < [0, 0.4, 0.5, 0.2, 0.7]
    predicted[:, 1:3] = [False, True]
    labels, predicted = labels.astype(int), predicted.astype(int)
    counts = [confusion(labels[:, e], predicted[:, e], 2) for e in range(5)]
    return labels, predicted, np.stack(counts)


def by_name(counts: np.ndarray) -> dict[tuple[str, str | None], float]:
    """Values of `measure_binary` of the classes a to e, by metric and class."""
    names = metrics.names_binary(tuple("abcde"))
    return dict(zip(names, metrics.measure_binary(counts), strict=True))


@pytest.mark.parametrize("name", metrics.BINARY_METRICS)
def test_multi_label_equals_scikit_learn_class_by_class(name):
    for n in (1, 4, 80):
        labels, predicted, counts = multi_label(n, n)
        expected = [BINARY_REFERENCE[name](labels[:, e], predicted[:, e]) for e in range(5)]
        assert metrics.BINARY_METRICS[name](counts) == pytest.approx(expected, abs=1e-12)
        values = by_name(counts)
        assert [values[name, each] for each in "abcde"] == pytest.approx(expected, abs=1e-12)
        assert values[name, None] == pytest.approx(np.mean(expected), abs=1e-12)


def test_multi_label_means_equal_scikit_learn():
    labels, predicted, counts = multi_label(90, 1)
    values = by_name(counts)
    assert values["accuracy", None] == pytest.approx(1 - reference.hamming_loss(labels, predicted))
    macro = reference.f1_score(labels, predicted, average="macro", zero_division=0)
    assert values["positive_f1", None] == pytest.approx(macro)
    balanced = [
        reference.balanced_accuracy_score(labels[:, e], predicted[:, e]) for e in range(1, 5)
    ]
    assert [values["uar", each] for each in "bcde"] == pytest.approx(balanced)


def test_leading_axes_are_kept_in_multi_label_counts():
    stack = np.random.default_rng(9).integers(0, 9, (4, 3, 5, 2, 2))
    values, names = metrics.measure_binary(stack), metrics.names_binary(tuple("abcde"))
    assert values.shape == (4, 3, len(names)) == (4, 3, 4 + 4 * 5)
    assert values[2, 1, names.index(("weighted_f1", "d"))] == metrics.weighted_f1(stack[2, 1, 3])


def test_never_present_is_accurate_for_a_rare_class():
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
