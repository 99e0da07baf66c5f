"""Names of the reported scores and facts; merflow.evaluation.formulas has the formulas.

A class without a test utterance has no metric of its own. The macro averages follow scikit-learn: a
class counts that is among labels or predictions, with 0 where it has no utterance. UAR and balanced
accuracy are means over the classes with utterances.

In a multi-label task each class is a binary question, absent or present. E classes have counts
(..., E, 2, 2), BINARY_METRICS of each class, and their mean over the classes.

A one-vs-rest metric of a multi-class task is the mean over its classes as such binary questions.

"Weighted accuracy" and "unweighted accuracy" differ in meaning from paper to paper and are not used
here: reported/*.csv says which of these metrics a printed number is.
"""

from collections.abc import Callable, Sequence
from itertools import permutations, product
from typing import Any

import numpy as np

from merflow.evaluation.confusion import f1, recall, uar, weighted_f1
from merflow.evaluation.formulas import (
    accuracy,
    balanced_accuracy,
    confused,
    macro_f1,
    macro_precision,
    one_vs_rest_accuracy,
    one_vs_rest_weighted_f1,
    positive_f1,
    precision,
    weighted_precision,
    weighted_recall,
)

Metric = Callable[[np.ndarray], np.ndarray]

#: Metrics with one value per confusion matrix.
METRICS: dict[str, Metric] = {
    "accuracy": accuracy,
    "uar": uar,
    "balanced_accuracy": balanced_accuracy,
    "weighted_precision": weighted_precision,
    "weighted_recall": weighted_recall,
    "weighted_f1": weighted_f1,
    "macro_precision": macro_precision,
    "macro_f1": macro_f1,
    "one_vs_rest_accuracy": one_vs_rest_accuracy,
    "one_vs_rest_weighted_f1": one_vs_rest_weighted_f1,
}

#: Metrics with one value per class.
CLASS_METRICS: dict[str, Metric] = {"precision": precision, "recall": recall, "f1": f1}

#: Metrics with one value per ordered pair of classes, named "<label> as <predicted>".
PAIR_METRICS: dict[str, Metric] = {"confused": confused}

#: Metrics with one value per binary confusion matrix. The mean of `accuracy` over classes is 1 -
#: Hamming loss, the mean of `positive_f1` the macro F1 of the label sets. `uar` of a class is what
#: class_weight_lstm (section 4) calls UA, its balanced accuracy.
BINARY_METRICS: dict[str, Metric] = {
    "uar": uar,
    "accuracy": accuracy,
    "weighted_f1": weighted_f1,
    "positive_f1": positive_f1,
}

#: Metric of a multi-class task -> the same measure in a multi-label task.
ONE_VS_REST = {"one_vs_rest_accuracy": "accuracy", "one_vs_rest_weighted_f1": "weighted_f1"}

#: Facts of training, in scores.parquet. Loss of the scored epoch: on train its mean while that
#: epoch trained, on dev after it.
SELECTED_EPOCH = "selected_epoch"
LOSS = "loss"
#: Weighted F1 on dev after the first and the last epoch, whichever is scored.
EPOCH_SCORE = "epoch_score"
FIRST_EPOCH, LAST_EPOCH = "first epoch", "last epoch"
SETTINGS = ("batch_size", "learning_rate", "weight_decay")
#: Tokens of a frame that enter a stage of a compressing network, and sum over all of these stages.
TOKENS = "tokens"
#: Seconds in which the network computes for a clip, without reading and decoding.
CLIP_S = "clip_s"

#: Facts of a corpus, in corpora.parquet: utterances of a split that are in scope, and the number
#: of them that have a clip; mean over folds.
COUNT, CLIPS = "count", "clips"
SIZES = (COUNT, CLIPS)
#: Shares of the utterances of a split without a class and with it, in a multi-label task.
BALANCE = ("absent_share", "present_share")


class Summed(np.ndarray):
    """Counts whose sums over an axis are computed once, however many metrics ask for them.

    Sums are most of the work of a bootstrap.
    """

    def __array_finalize__(self, _: Any) -> None:
        self._sums: dict[Any, np.ndarray] = {}

    def sum(self, axis: Any = None, **options: Any) -> Any:  # type: ignore[override]
        """Sum over `axis`, as a plain array."""
        key = (axis, *options.items())
        if key not in self._sums:
            self._sums[key] = self.view(np.ndarray).sum(axis=axis, **options)
        return self._sums[key]


def pairs_of(classes: Sequence[str]) -> list[str]:
    """Names of all ordered pairs of different classes: "<label> as <predicted>"."""
    return [f"{label} as {predicted}" for label, predicted in permutations(classes, 2)]


def measure(confusion: np.ndarray) -> np.ndarray:
    """All METRICS, CLASS_METRICS of each class and PAIR_METRICS of each pair, as `names` has them.

    Args:
        confusion: counts (..., K, K).

    Returns:
        Values (..., M).
    """
    confusion = confusion.view(Summed)
    overall = np.stack([metric(confusion) for metric in METRICS.values()], axis=-1)
    of_classes = (metric(confusion) for metric in (CLASS_METRICS | PAIR_METRICS).values())
    return np.concatenate([overall, *of_classes], axis=-1)


def names(classes: tuple[str, ...]) -> list[tuple[str, str | None]]:
    """Metric, and class, pair of classes or None, of each value of `measure`."""
    return [
        *((metric, None) for metric in METRICS),
        *product(CLASS_METRICS, classes),
        *product(PAIR_METRICS, pairs_of(classes)),
    ]


def labels(classes: tuple[str, ...]) -> list[str | None]:
    """Class whose utterances each value of `measure` is about; None: all classes."""
    return [
        *(None for _ in METRICS),
        *(name for _, name in product(CLASS_METRICS, classes)),
        *(label for _, (label, _) in product(PAIR_METRICS, permutations(classes, 2))),
    ]


def measure_binary(confusion: np.ndarray) -> np.ndarray:
    """Mean of each of BINARY_METRICS over the classes, then each of each class.

    Args:
        confusion: counts (..., E, 2, 2).

    Returns:
        Values (..., M), in the order of `names_binary`.
    """
    confusion = confusion.view(Summed)
    each = np.stack([metric(confusion) for metric in BINARY_METRICS.values()], axis=-2)
    return np.concatenate([each.mean(axis=-1), each.reshape(*each.shape[:-2], -1)], axis=-1)


def names_binary(classes: tuple[str, ...]) -> list[tuple[str, str | None]]:
    """Metric, and class or None (mean over the classes), of each value of `measure_binary`."""
    return [*((metric, None) for metric in BINARY_METRICS), *product(BINARY_METRICS, classes)]
