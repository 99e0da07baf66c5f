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
    "weighted_precision": lambda t, p: reference.precision_score(t, p, average="weighted", zero_division=0),
    "weighted_recall": lambda t, p: reference.recall_score(t, p, average="weighted", zero_division=0),
    "weighted_f1": lambda t, p: reference.f1_score(t, p, average="weighted", zero_division=0),
    "macro_precision": lambda t, p: reference.precision_score(t, p, average="macro", zero_division=0),
    "macro_f1": lambda t, p: reference.f1_score(t, p, average="macro", zero_division=0),
}


def test_every_metric_has_a_reference():
    assert set(REFERENCE) == set(metrics.METRICS)


@pytest.mark.parametrize("name", metrics.METRICS)
def test_equals_scikit_learn_also_with_absent_classes(name):
    rng = np.random.default_rng(3)
    for present in (7, 4, 2, 1):  # of 7 classes; true and predicted ones differ
        for n in (1, 5, 60):
            true, predicted = rng.choice(rng.permutation(7)[:present], n), rng.choice(rng.permutation(7)[:present], n)
            assert metrics.METRICS[name](confusion(true, predicted, 7)) == pytest.approx(REFERENCE[name](true, predicted), abs=1e-12)


def test_per_class_equals_scikit_learn():
    rng = np.random.default_rng(4)
    true, predicted = rng.integers(0, 5, 90), rng.integers(1, 7, 90)
    expected = reference.precision_recall_fscore_support(true, predicted, labels=range(7), zero_division=0)
    for name, values in zip(("precision", "recall", "f1"), expected, strict=False):
        np.testing.assert_allclose(metrics.CLASS_METRICS[name](confusion(true, predicted, 7)), values, atol=1e-12)


def test_leading_axes_are_kept_and_measure_names_its_values():
    rng = np.random.default_rng(5)
    stack = rng.integers(0, 9, (4, 3, 3, 3))
    values = metrics.measure(stack)
    names = metrics.names(("a", "b", "c"))
    assert values.shape == (4, 3, len(names)) == (4, 3, 7 + 9)
    assert values[2, 1, names.index(("weighted_f1", None))] == metrics.weighted_f1(stack[2, 1])
    assert values[2, 1, names.index(("recall", "b"))] == metrics.recall(stack[2, 1])[1]


def test_majority_class_on_official_meld_test():
    counts = np.zeros((7, 7))
    counts[:, 0] = [1256, 402, 281, 345, 208, 68, 50]
    assert round(float(metrics.accuracy(counts)), 4) == 0.4812
    assert round(float(metrics.weighted_f1(counts)), 4) == 0.3127
    assert round(float(metrics.macro_f1(counts)), 4) == 0.0928
    assert metrics.uar(counts) == pytest.approx(1 / 7)
