"""Scores of classification, each with its formula, computed from confusion matrices.

A confusion matrix counts utterances, ``confusion[..., true, predicted]``; leading axes (seeds, bootstrap resamples)
are kept, so a whole bootstrap is one call. The values equal scikit-learn's with its default ``labels`` (classes that
occur in truth or prediction) and ``zero_division=0``. Below, for class c of K: TP, FP, FN as usual, support s = TP + FN.

Where several classes may be present at once, each of them is a question of its own with the answers absent and present, a
binary confusion matrix: counts (..., E, 2, 2) for E classes, and BINARY_METRICS of each, and their mean over the E classes.

"Weighted accuracy" and "unweighted accuracy" mean different things in different papers and are no names here:
reported/*.csv says which of these a printed number is.
"""

from collections.abc import Callable
from itertools import permutations, product

import numpy as np

Metric = Callable[[np.ndarray], np.ndarray]
VERSUS = " - "  # between the names of two systems: the score of the first minus that of the second
CORPUS = "corpus"  # in place of a system: shares of the labels themselves
BALANCE = ("absent_share", "present_share")  # of a class, where several may be present at once: of the utterances of a part


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    return np.divide(numerator, denominator, out=np.zeros(np.broadcast_shapes(numerator.shape, denominator.shape)), where=denominator > 0)


def _hits(confusion: np.ndarray) -> np.ndarray:
    return np.diagonal(confusion, axis1=-2, axis2=-1).astype(float)


def _support(confusion: np.ndarray) -> np.ndarray:
    return confusion.sum(axis=-1).astype(float)


def _weighted(per_class: np.ndarray, confusion: np.ndarray) -> np.ndarray:
    support = _support(confusion)
    return _ratio((per_class * support).sum(axis=-1), support.sum(axis=-1))


def _macro(per_class: np.ndarray, confusion: np.ndarray) -> np.ndarray:
    occurs = confusion.sum(axis=-1) + confusion.sum(axis=-2) > 0
    return _ratio((per_class * occurs).sum(axis=-1), occurs.sum(axis=-1))


def precision(confusion: np.ndarray) -> np.ndarray:
    """TP / (TP + FP) of each class; 0 where nothing was predicted. Shape (..., K)."""
    return _ratio(_hits(confusion), confusion.sum(axis=-2))


def recall(confusion: np.ndarray) -> np.ndarray:
    """TP / (TP + FN) of each class; 0 where the class does not occur. Shape (..., K)."""
    return _ratio(_hits(confusion), _support(confusion))


def f1(confusion: np.ndarray) -> np.ndarray:
    """2 TP / (2 TP + FP + FN) of each class; 0 where the class neither occurs nor is predicted. Shape (..., K)."""
    return _ratio(2 * _hits(confusion), confusion.sum(axis=-1) + confusion.sum(axis=-2))


def confused(confusion: np.ndarray) -> np.ndarray:
    """confusion[t, p] / s_t, the share of class t taken for p, of each ordered pair t != p, row by row; 0 where t does not occur.

    Shape (..., K (K - 1)).
    """
    return _ratio(confusion, _support(confusion)[..., None])[..., ~np.eye(confusion.shape[-1], dtype=bool)]


def accuracy(confusion: np.ndarray) -> np.ndarray:
    """Share of utterances classified right: sum TP / N. Shape (...)."""
    return _ratio(_hits(confusion).sum(axis=-1), _support(confusion).sum(axis=-1))


def uar(confusion: np.ndarray) -> np.ndarray:
    """Unweighted average recall: mean of TP / s over the classes that occur in truth (balanced accuracy). Shape (...)."""
    return _ratio(recall(confusion).sum(axis=-1), (_support(confusion) > 0).sum(axis=-1))


def weighted_precision(confusion: np.ndarray) -> np.ndarray:
    """sum s_c precision_c / N. Shape (...)."""
    return _weighted(precision(confusion), confusion)


def weighted_recall(confusion: np.ndarray) -> np.ndarray:
    """sum s_c recall_c / N, which is the accuracy whatever the predictions. Shape (...)."""
    return _weighted(recall(confusion), confusion)


def weighted_f1(confusion: np.ndarray) -> np.ndarray:
    """sum s_c F1_c / N. Shape (...)."""
    return _weighted(f1(confusion), confusion)


def macro_precision(confusion: np.ndarray) -> np.ndarray:
    """Mean of precision_c over the classes that occur in truth or prediction. Shape (...)."""
    return _macro(precision(confusion), confusion)


def macro_f1(confusion: np.ndarray) -> np.ndarray:
    """Mean of F1_c over the classes that occur in truth or prediction. Shape (...)."""
    return _macro(f1(confusion), confusion)


def positive_f1(confusion: np.ndarray) -> np.ndarray:
    """F1 of the second of two classes, "present": 2 TP / (2 TP + FP + FN); 0 where it neither occurs nor is predicted. Shape (...)."""
    return f1(confusion)[..., 1]


#: One value per confusion matrix.
METRICS: dict[str, Metric] = {
    "accuracy": accuracy,
    "uar": uar,
    "weighted_precision": weighted_precision,
    "weighted_recall": weighted_recall,
    "weighted_f1": weighted_f1,
    "macro_precision": macro_precision,
    "macro_f1": macro_f1,
}

#: One value per class.
CLASS_METRICS: dict[str, Metric] = {"precision": precision, "recall": recall, "f1": f1}

#: One value per ordered pair of different classes, named "<true> as <predicted>".
PAIR_METRICS: dict[str, Metric] = {"confused": confused}

#: One value per binary confusion matrix. Means over classes: of `accuracy` 1 - Hamming loss, of `positive_f1` the macro F1 of the label
#: sets; `uar` of a class is what class_weight_lstm (section 4) calls UA, its balanced accuracy.
BINARY_METRICS: dict[str, Metric] = {"uar": uar, "accuracy": accuracy, "weighted_f1": weighted_f1, "positive_f1": positive_f1}


def measure(confusion: np.ndarray) -> np.ndarray:
    """All of METRICS, then CLASS_METRICS for each class and PAIR_METRICS for each pair, in the order of `names`: shape (..., M)."""
    overall = np.stack([metric(confusion) for metric in METRICS.values()], axis=-1)
    return np.concatenate([overall, *(metric(confusion) for metric in (CLASS_METRICS | PAIR_METRICS).values())], axis=-1)


def names(classes: tuple[str, ...]) -> list[tuple[str, str | None]]:
    """(metric, class, pair of classes or None) of each value of `measure`."""
    pairs = [f"{true} as {predicted}" for true, predicted in permutations(classes, 2)]
    return [*((metric, None) for metric in METRICS), *product(CLASS_METRICS, classes), *product(PAIR_METRICS, pairs)]


def measure_binary(confusion: np.ndarray) -> np.ndarray:
    """The mean of each of BINARY_METRICS over the classes, then each for each class, in the order of `names_binary`.

    Counts (..., E, 2, 2) -> (..., M).
    """
    each = np.stack([metric(confusion) for metric in BINARY_METRICS.values()], axis=-2)
    return np.concatenate([each.mean(axis=-1), each.reshape(*each.shape[:-2], -1)], axis=-1)


def names_binary(classes: tuple[str, ...]) -> list[tuple[str, str | None]]:
    """(metric, class, or None for the mean over them) of each value of `measure_binary`."""
    return [*((metric, None) for metric in BINARY_METRICS), *product(BINARY_METRICS, classes)]
