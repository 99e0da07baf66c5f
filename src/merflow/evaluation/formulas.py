"""The formulas of all scores, computed from confusion matrices.

A confusion matrix counts utterances, ``confusion[..., true, predicted]``; leading axes (seeds, bootstrap resamples)
are kept, so a whole bootstrap is one call. The values equal scikit-learn's with its default ``labels`` (classes that
occur in truth or prediction) and ``zero_division=0``. Below, for class c of K: TP, FP, FN as usual, support s = TP + FN.

Training selects epochs and weights by them. merflow.evaluation.metrics says which are reported, so that a score more in the tables
trains nothing anew.
"""

import numpy as np


def count(truth: np.ndarray, predicted: np.ndarray, n_classes: int) -> np.ndarray:
    """Confusion matrix (K, K) of class indices (N,) and (N,)."""
    return np.bincount(np.asarray(truth) * n_classes + predicted, minlength=n_classes**2).reshape(
        n_classes, n_classes
    )


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    return np.divide(
        numerator,
        denominator,
        out=np.zeros(np.broadcast_shapes(numerator.shape, denominator.shape)),
        where=denominator > 0,
    )


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
    return _ratio(confusion, _support(confusion)[..., None])[
        ..., ~np.eye(confusion.shape[-1], dtype=bool)
    ]


def accuracy(confusion: np.ndarray) -> np.ndarray:
    """Share of utterances classified right: sum TP / N. Shape (...)."""
    return _ratio(_hits(confusion).sum(axis=-1), _support(confusion).sum(axis=-1))


def uar(confusion: np.ndarray) -> np.ndarray:
    """Unweighted average recall: mean of TP / s over the classes that occur in truth (balanced accuracy). Shape (...)."""
    return _ratio(recall(confusion).sum(axis=-1), (_support(confusion) > 0).sum(axis=-1))


def balanced_accuracy(confusion: np.ndarray) -> np.ndarray:
    """(TP / P + TN / N) / 2 of each class that occurs in truth, P its utterances and N all others, averaged over them. Shape (...).

    mel_cnn_bert's equation 6, (TP x N/P + TN) / 2N. Of two classes it is the UAR; of more it is higher, for TN is easily had.
    """
    support = _support(confusion)
    others = support.sum(axis=-1, keepdims=True) - support
    specificity = _ratio(others - (confusion.sum(axis=-2) - _hits(confusion)), others)
    each = (recall(confusion) + specificity) / (
        1 + (others > 0)
    )  # where there are no others, the recall alone
    return _ratio((each * (support > 0)).sum(axis=-1), (support > 0).sum(axis=-1))


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
