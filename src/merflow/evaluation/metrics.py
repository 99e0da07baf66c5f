"""Which scores are reported, under which names; merflow.evaluation.formulas has their formulas.

Where several classes may be present at once, each of them is a question of its own with the answers absent and present, a
binary confusion matrix: counts (..., E, 2, 2) for E classes, and BINARY_METRICS of each, and their mean over the E classes.

"Weighted accuracy" and "unweighted accuracy" mean different things in different papers and are no names here:
reported/*.csv says which of these a printed number is.
"""

from collections.abc import Callable, Sequence
from itertools import permutations, product
from typing import Any

import numpy as np

from merflow.evaluation.formulas import (
    accuracy,
    balanced_accuracy,
    confused,
    f1,
    macro_f1,
    macro_precision,
    positive_f1,
    precision,
    recall,
    uar,
    weighted_f1,
    weighted_precision,
    weighted_recall,
)

Metric = Callable[[np.ndarray], np.ndarray]
VERSUS = " - "  # between the names of two systems: the score of the first minus that of the second
CORPUS = "corpus"  # in place of a system: sizes of the parts, shares of the labels
BALANCE = (
    "absent_share",
    "present_share",
)  # of a class, where several may be present at once: of the utterances of a part
CLIPS = "clips"
SIZES = (
    "count",
    CLIPS,
)  # of the corpus: utterances of a part that are in scope, and those of them that have a clip; mean over folds
LOSS = "loss"  # of the scored epoch: on train its mean while that epoch trained, on dev after it
SETTINGS = ("batch_size", "learning_rate", "weight_decay")  # that a system was trained with
TOKENS = "tokens"  # of a picture that go into a stage of the network, and into all of these
CLIP_S = "clip_s"  # seconds that a network computes for a clip, reading and decoding aside
ALONE = (
    "first_alone",
    "second_alone",
)  # of two runs: utterances that the first, or the second, alone classified right

#: One value per confusion matrix.
METRICS: dict[str, Metric] = {
    "accuracy": accuracy,
    "uar": uar,
    "balanced_accuracy": balanced_accuracy,
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
BINARY_METRICS: dict[str, Metric] = {
    "uar": uar,
    "accuracy": accuracy,
    "weighted_f1": weighted_f1,
    "positive_f1": positive_f1,
}


class Summed(np.ndarray):
    """Counts that are added up over an axis once, however many metrics ask for the sum: that is most of the work of a bootstrap."""

    def __array_finalize__(self, _: Any) -> None:
        self._sums: dict[Any, np.ndarray] = {}

    def sum(self, axis: Any = None, **options: Any) -> Any:  # type: ignore[override]
        """The sum over `axis`, as a plain array."""
        key = (axis, *options.items())
        if key not in self._sums:
            self._sums[key] = self.view(np.ndarray).sum(axis=axis, **options)
        return self._sums[key]


def pairs_of(classes: Sequence[str]) -> list[str]:
    """Names of all ordered pairs of different classes: "<true> as <predicted>"."""
    return [f"{true} as {predicted}" for true, predicted in permutations(classes, 2)]


def measure(confusion: np.ndarray) -> np.ndarray:
    """All of METRICS, then CLASS_METRICS for each class and PAIR_METRICS for each pair, in the order of `names`: shape (..., M)."""
    confusion = confusion.view(Summed)
    overall = np.stack([metric(confusion) for metric in METRICS.values()], axis=-1)
    return np.concatenate(
        [overall, *(metric(confusion) for metric in (CLASS_METRICS | PAIR_METRICS).values())],
        axis=-1,
    )


def names(classes: tuple[str, ...]) -> list[tuple[str, str | None]]:
    """(metric, class, pair of classes or None) of each value of `measure`."""
    return [
        *((metric, None) for metric in METRICS),
        *product(CLASS_METRICS, classes),
        *product(PAIR_METRICS, pairs_of(classes)),
    ]


def measure_binary(confusion: np.ndarray) -> np.ndarray:
    """The mean of each of BINARY_METRICS over the classes, then each for each class, in the order of `names_binary`.

    Counts (..., E, 2, 2) -> (..., M).
    """
    confusion = confusion.view(Summed)
    each = np.stack([metric(confusion) for metric in BINARY_METRICS.values()], axis=-2)
    return np.concatenate([each.mean(axis=-1), each.reshape(*each.shape[:-2], -1)], axis=-1)


def names_binary(classes: tuple[str, ...]) -> list[tuple[str, str | None]]:
    """(metric, class, or None for the mean over them) of each value of `measure_binary`."""
    return [*((metric, None) for metric in BINARY_METRICS), *product(BINARY_METRICS, classes)]
