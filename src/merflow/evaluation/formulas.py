"""Formulas of all scores, computed from confusion matrices.

A confusion matrix counts utterances, ``confusion[..., label, predicted]``. Leading axes (seeds,
bootstrap resamples) are kept, so that a whole bootstrap is one call. The values equal
scikit-learn's with its default ``labels`` (classes among labels or predictions) and
``zero_division=0``. Below, for class c of K: TP, FP, FN as usual, support s = TP + FN.

Training selects epochs and fusion weights by these formulas. merflow.evaluation.metrics says which
are reported, so that another reported score trains nothing anew.
"""

import numpy as np


def count(labels: np.ndarray, predicted: np.ndarray, n_classes: int) -> np.ndarray:
    """Confusion matrix (K, K) of class indices (N,) and (N,)."""
    cells = np.asarray(labels) * n_classes + predicted
    return np.bincount(cells, minlength=n_classes**2).reshape(n_classes, n_classes)


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    shape = np.broadcast_shapes(numerator.shape, denominator.shape)
    return np.divide(numerator, denominator, out=np.zeros(shape), where=denominator > 0)


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
    """TP / (TP + FP) of each class, 0 without a prediction. Shape (..., K)."""
    return _ratio(_hits(confusion), confusion.sum(axis=-2))


def recall(confusion: np.ndarray) -> np.ndarray:
    """TP / (TP + FN) of each class, 0 without support. Shape (..., K)."""
    return _ratio(_hits(confusion), _support(confusion))


def f1(confusion: np.ndarray) -> np.ndarray:
    """F1 of each class, 2 TP / (2 TP + FP + FN). Shape (..., K).

    0 without support and prediction.
    """
    return _ratio(2 * _hits(confusion), confusion.sum(axis=-1) + confusion.sum(axis=-2))


def confused(confusion: np.ndarray) -> np.ndarray:
    """Share of class l predicted as p, for each ordered pair l != p. Shape (..., K (K - 1)).

    confusion[l, p] / s_l, row by row; 0 without support.
    """
    shares = _ratio(confusion, _support(confusion)[..., None])
    return shares[..., ~np.eye(confusion.shape[-1], dtype=bool)]


def accuracy(confusion: np.ndarray) -> np.ndarray:
    """Share of utterances classified correctly: sum TP / N. Shape (...)."""
    return _ratio(_hits(confusion).sum(axis=-1), _support(confusion).sum(axis=-1))


def uar(confusion: np.ndarray) -> np.ndarray:
    """Unweighted average recall: mean of TP / s over the classes with support. Shape (...)."""
    return _ratio(recall(confusion).sum(axis=-1), (_support(confusion) > 0).sum(axis=-1))


def balanced_accuracy(confusion: np.ndarray) -> np.ndarray:
    """Mean over classes with support of (recall + specificity) / 2. Shape (...).

    mel_cnn_bert's equation 6: of a class with P utterances and N others (TP / P + TN / N) / 2, that
    is (TP x N/P + TN) / 2N. For two classes it is the UAR. For more it is higher, since most
    utterances are true negatives of a class.
    """
    support = _support(confusion)
    negatives = support.sum(axis=-1, keepdims=True) - support
    specificity = _ratio(negatives - (confusion.sum(axis=-2) - _hits(confusion)), negatives)
    # Without other utterances the recall alone.
    each = (recall(confusion) + specificity) / (1 + (negatives > 0))
    return _ratio((each * (support > 0)).sum(axis=-1), (support > 0).sum(axis=-1))


def weighted_precision(confusion: np.ndarray) -> np.ndarray:
    """Mean of precision over classes, weighted by support: sum s_c precision_c / N. Shape (...)."""
    return _weighted(precision(confusion), confusion)


def weighted_recall(confusion: np.ndarray) -> np.ndarray:
    """Mean of recall over classes, weighted by support: always the accuracy. Shape (...)."""
    return _weighted(recall(confusion), confusion)


def weighted_f1(confusion: np.ndarray) -> np.ndarray:
    """Mean of F1 over classes, weighted by support: sum s_c F1_c / N. Shape (...)."""
    return _weighted(f1(confusion), confusion)


def macro_precision(confusion: np.ndarray) -> np.ndarray:
    """Mean of precision over the classes among labels or predictions. Shape (...)."""
    return _macro(precision(confusion), confusion)


def macro_f1(confusion: np.ndarray) -> np.ndarray:
    """Mean of F1 over the classes among labels or predictions. Shape (...)."""
    return _macro(f1(confusion), confusion)


def positive_f1(confusion: np.ndarray) -> np.ndarray:
    """F1 of the second of two classes, "present". Shape (...)."""
    return f1(confusion)[..., 1]
