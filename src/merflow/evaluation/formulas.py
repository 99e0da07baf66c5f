"""Formulas of scores that are reported, computed from confusion matrices.

Shapes and conventions are those of merflow.evaluation.confusion, which has the scores that training
selects by. merflow.evaluation.metrics says which are reported.
"""

import numpy as np

from merflow.evaluation.confusion import (
    f1,
    hits,
    ratio,
    recall,
    support,
    weighted,
    weighted_f1,
)


def _macro(per_class: np.ndarray, confusion: np.ndarray) -> np.ndarray:
    occurs = confusion.sum(axis=-1) + confusion.sum(axis=-2) > 0
    return ratio((per_class * occurs).sum(axis=-1), occurs.sum(axis=-1))


def precision(confusion: np.ndarray) -> np.ndarray:
    """TP / (TP + FP) of each class, 0 without a prediction. Shape (..., K)."""
    return ratio(hits(confusion), confusion.sum(axis=-2))


def confused(confusion: np.ndarray) -> np.ndarray:
    """Share of class l predicted as p, for each ordered pair l != p. Shape (..., K (K - 1)).

    confusion[l, p] / s_l, row by row; 0 without support.
    """
    shares = ratio(confusion, support(confusion)[..., None])
    return shares[..., ~np.eye(confusion.shape[-1], dtype=bool)]


def accuracy(confusion: np.ndarray) -> np.ndarray:
    """Share of utterances classified correctly: sum TP / N. Shape (...)."""
    return ratio(hits(confusion).sum(axis=-1), support(confusion).sum(axis=-1))


def balanced_accuracy(confusion: np.ndarray) -> np.ndarray:
    """Mean over classes with support of (recall + specificity) / 2. Shape (...).

    mel_cnn_bert's equation 6: of a class with P utterances and N others (TP / P + TN / N) / 2, that
    is (TP x N/P + TN) / 2N. For two classes it is the UAR. For more it is higher, since most
    utterances are true negatives of a class.
    """
    positives = support(confusion)
    negatives = positives.sum(axis=-1, keepdims=True) - positives
    specificity = ratio(negatives - (confusion.sum(axis=-2) - hits(confusion)), negatives)
    # Without other utterances the recall alone.
    each = (recall(confusion) + specificity) / (1 + (negatives > 0))
    return ratio((each * (positives > 0)).sum(axis=-1), (positives > 0).sum(axis=-1))


def one_vs_rest(confusion: np.ndarray) -> np.ndarray:
    """Binary counts of each class against the rest, absent and present. Shape (..., K, 2, 2)."""
    labels, predicted, both = confusion.sum(axis=-1), confusion.sum(axis=-2), hits(confusion)
    neither = labels.sum(axis=-1, keepdims=True) - labels - predicted + both
    counts = np.stack([neither, predicted - both, labels - both, both], axis=-1)
    return counts.reshape(*counts.shape[:-1], 2, 2)


def one_vs_rest_accuracy(confusion: np.ndarray) -> np.ndarray:
    """Mean over all K classes of (TP + TN) / n, each class against the rest. Shape (...).

    mel_cnn_bert's equation 4, read for more than two classes. An error is wrong for two classes, so
    that the mean is 1 - 2 (1 - accuracy) / K.
    """
    return 1 - 2 * (1 - accuracy(confusion)) / confusion.shape[-1]


def one_vs_rest_weighted_f1(confusion: np.ndarray) -> np.ndarray:
    """Mean over all K classes of the weighted F1 of a class and its rest. Shape (...).

    It counts true negatives, as MOSEI's binary emotions are scored in the literature.
    """
    return weighted_f1(one_vs_rest(confusion)).mean(axis=-1)


def weighted_precision(confusion: np.ndarray) -> np.ndarray:
    """Mean of precision over classes, weighted by support: sum s_c precision_c / N. Shape (...)."""
    return weighted(precision(confusion), confusion)


def weighted_recall(confusion: np.ndarray) -> np.ndarray:
    """Mean of recall over classes, weighted by support: always the accuracy. Shape (...)."""
    return weighted(recall(confusion), confusion)


def macro_precision(confusion: np.ndarray) -> np.ndarray:
    """Mean of precision over the classes among labels or predictions. Shape (...)."""
    return _macro(precision(confusion), confusion)


def macro_f1(confusion: np.ndarray) -> np.ndarray:
    """Mean of F1 over the classes among labels or predictions. Shape (...)."""
    return _macro(f1(confusion), confusion)


def positive_f1(confusion: np.ndarray) -> np.ndarray:
    """F1 of the second of two classes, "present". Shape (...)."""
    return f1(confusion)[..., 1]
