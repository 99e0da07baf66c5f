"""Confusion matrices, and the scores by which training selects epochs and fusion weights.

A confusion matrix counts utterances, ``confusion[..., label, predicted]``. Leading axes (seeds,
bootstrap resamples) are kept, so that a whole bootstrap is one call. The values equal
scikit-learn's with its default ``labels`` (classes among labels or predictions) and
``zero_division=0``. Below, for class c of K: TP, FP, FN as usual, support s = TP + FN.

This module is code of every training. Scores that are only reported are in
merflow.evaluation.formulas, so that another one trains nothing anew.
"""

import numpy as np


def count(labels: np.ndarray, predicted: np.ndarray, n_classes: int) -> np.ndarray:
    """Confusion matrix (K, K) of class indices (N,) and (N,)."""
    cells = np.asarray(labels) * n_classes + predicted
    return np.bincount(cells, minlength=n_classes**2).reshape(n_classes, n_classes)


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Divide, with 0 where the denominator is not positive."""
    shape = np.broadcast_shapes(numerator.shape, denominator.shape)
    return np.divide(numerator, denominator, out=np.zeros(shape), where=denominator > 0)


def hits(confusion: np.ndarray) -> np.ndarray:
    """TP of each class. Shape (..., K)."""
    return np.diagonal(confusion, axis1=-2, axis2=-1).astype(float)


def support(confusion: np.ndarray) -> np.ndarray:
    """Support of each class. Shape (..., K)."""
    return confusion.sum(axis=-1).astype(float)


def weighted(per_class: np.ndarray, confusion: np.ndarray) -> np.ndarray:
    """Mean over the classes, weighted by support. Shape (...)."""
    weights = support(confusion)
    return ratio((per_class * weights).sum(axis=-1), weights.sum(axis=-1))


def recall(confusion: np.ndarray) -> np.ndarray:
    """TP / (TP + FN) of each class, 0 without support. Shape (..., K)."""
    return ratio(hits(confusion), support(confusion))


def f1(confusion: np.ndarray) -> np.ndarray:
    """F1 of each class, 2 TP / (2 TP + FP + FN). Shape (..., K).

    0 without support and prediction.
    """
    return ratio(2 * hits(confusion), confusion.sum(axis=-1) + confusion.sum(axis=-2))


def uar(confusion: np.ndarray) -> np.ndarray:
    """Unweighted average recall: mean of TP / s over the classes with support. Shape (...)."""
    return ratio(recall(confusion).sum(axis=-1), (support(confusion) > 0).sum(axis=-1))


def weighted_f1(confusion: np.ndarray) -> np.ndarray:
    """Mean of F1 over classes, weighted by support: sum s_c F1_c / N. Shape (...)."""
    return weighted(f1(confusion), confusion)
