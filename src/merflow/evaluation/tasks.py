"""Tasks: multi-class (exactly one class per utterance) and multi-label (any number of classes).

The only module that knows the difference. Elsewhere labels and predictions are integer codes.
`Task.one_hot` says what a code counts as: (K,) for K classes, or (E, 2) for absent and present of
each of E classes. So counts of a system have the shape (..., K, K) or (..., E, 2, 2).
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from merflow.corpora import schemes
from merflow.evaluation import metrics

#: Code of a list of classes that the task does not allow.
INVALID = -1
#: Tolerance of probabilities: they are stored as 32-bit floats, predictions may have more digits.
ROUNDING = 1e-6


@dataclass(frozen=True)
class Task(ABC):
    """A task with its classes, in the order of the probabilities.

    Attributes:
        classes: names.
        multi_label: an utterance may have any number of classes.
        n_labels: number of classes of an utterance, in words.
        decision_rule: how the prediction follows from the probabilities, in words.
        baselines: names in merflow.evaluation.baselines.
    """

    classes: tuple[str, ...]
    multi_label: ClassVar[bool]
    n_labels: ClassVar[str]
    decision_rule: ClassVar[str]
    baselines: ClassVar[tuple[str, ...]]

    @property
    @abstractmethod
    def one_hot(self) -> np.ndarray:
        """Counts of each code: (codes, K) or (codes, E, 2)."""

    @abstractmethod
    def measure(self, counts: np.ndarray) -> np.ndarray:
        """Metrics (..., M) of counts (..., K, K) or (..., E, 2, 2)."""

    @property
    @abstractmethod
    def metric_names(self) -> list[tuple[str, str | None]]:
        """Metric, and class or None, of each value of `measure`."""

    def defined(self, counts: np.ndarray) -> np.ndarray:
        """Tell which metrics exist; in a multi-label task all.

        Args:
            counts: (..., K, K) or (..., E, 2, 2).

        Returns:
            (M,) of bool.
        """
        return np.ones(len(self.metric_names), dtype=bool)

    @property
    def overall_metrics(self) -> list[str]:
        """Metrics of all classes together, in the order of `measure_overall`."""
        return [metric for metric, name in self.metric_names if name is None]

    def measure_overall(self, counts: np.ndarray) -> np.ndarray:
        """Metrics (..., M) of all classes together."""
        places = [k for k, (_, name) in enumerate(self.metric_names) if name is None]
        return self.measure(counts)[..., places]

    def component_classes(self, n_components: int) -> tuple[str | None, ...]:
        """Class of each component that a run trains; None: a component for all classes.

        Raises:
            ValueError: the number is neither 1 nor, in a multi-label task, the number of classes.
        """
        if n_components == 1:
            return (None,)
        raise ValueError("1")

    @abstractmethod
    def can_score(self, n_labels: pd.Series) -> pd.Series:
        """Tell whether utterances with these numbers of labels can be scored."""

    @abstractmethod
    def code(self, names: Sequence[str]) -> int:
        """Code of a list of classes, or INVALID."""

    @abstractmethod
    def follows(self, codes: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        """Tell whether predictions follow from their probabilities, but for rounding.

        Args:
            codes: (N,).
            probabilities: (N, classes).

        Returns:
            (N,) of bool.
        """

    def balance(self, codes: np.ndarray) -> dict[tuple[str, str], float]:
        """Shares of `codes` (N,) by fact and class; empty in a multi-class task."""
        return {}

    @abstractmethod
    def class_counts(self, codes: np.ndarray) -> dict[str, int]:
        """Number of `codes` (N,) with each class."""

    def encode(self, lists: pd.Series) -> np.ndarray:
        """Codes (N,) of lists of classes."""
        return np.array([self.code(names) for names in lists], dtype=np.int64)

    def encode_labels(self, labels: pd.Series, class_of: Mapping[str, str]) -> np.ndarray:
        """Codes (N,) of lists of labels; labels that count as no class are ignored."""
        lists = [[class_of[label] for label in names if label in class_of] for names in labels]
        return self.encode(pd.Series(lists))


class MultiClass(Task):
    """Exactly one class; its index is the code."""

    multi_label = False
    n_labels = "exactly one"
    decision_rule = "the most probable class"
    baselines = ("majority", "chance")

    @property
    def one_hot(self) -> np.ndarray:
        """(K, K)."""
        return np.eye(len(self.classes), dtype=np.int64)

    def measure(self, counts: np.ndarray) -> np.ndarray:
        """`metrics.measure`."""
        return metrics.measure(counts)

    @property
    def metric_names(self) -> list[tuple[str, str | None]]:
        """`metrics.names`."""
        return metrics.names(self.classes)

    def defined(self, counts: np.ndarray) -> np.ndarray:
        """Tell which metrics exist: of all classes, and of classes that occur as a label."""
        n_classes = len(self.classes)
        support = counts.reshape(-1, n_classes, n_classes).sum(axis=(0, 2))
        occurs = dict(zip(self.classes, support > 0, strict=True))
        return np.array([name is None or occurs[name] for name in metrics.labels(self.classes)])

    def class_counts(self, codes: np.ndarray) -> dict[str, int]:
        """Number of utterances of each class."""
        return dict(zip(self.classes, self.one_hot[codes].sum(axis=0).tolist(), strict=True))

    def can_score(self, n_labels: pd.Series) -> pd.Series:
        """One label, whether it counts as a class or not."""
        return n_labels == 1

    def code(self, names: Sequence[str]) -> int:
        """Index of the class."""
        if len(names) == 1 and names[0] in self.classes:
            return self.classes.index(names[0])
        return INVALID

    def follows(self, codes: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        """No class is more probable."""
        chosen = np.take_along_axis(probabilities, codes[:, None], axis=1)[:, 0]
        return chosen >= probabilities.max(axis=1) - ROUNDING


class MultiLabel(Task):
    """Any number of classes; bit e of the code says whether class e is present."""

    multi_label = True
    n_labels = "any number"
    decision_rule = "the classes with a probability of 0.5 or more"
    baselines = ("majority", "chance", "all_negative")

    @property
    def one_hot(self) -> np.ndarray:
        """(2 ** E, E, 2)."""
        bits = np.arange(2 ** len(self.classes))[:, None] >> np.arange(len(self.classes)) & 1
        return np.eye(2, dtype=np.int64)[bits]

    def measure(self, counts: np.ndarray) -> np.ndarray:
        """`metrics.measure_binary`."""
        return metrics.measure_binary(counts)

    @property
    def metric_names(self) -> list[tuple[str, str | None]]:
        """`metrics.names_binary`."""
        return metrics.names_binary(self.classes)

    def component_classes(self, n_components: int) -> tuple[str | None, ...]:
        """One component for all classes, or one for each."""
        if n_components == 1:
            return (None,)
        if n_components == len(self.classes):
            return self.classes
        raise ValueError(f"1 or {len(self.classes)}")

    def balance(self, codes: np.ndarray) -> dict[tuple[str, str], float]:
        """`metrics.BALANCE` of each class."""
        shares = self.one_hot[codes].mean(axis=0)
        return {
            (fact, name): float(shares[e, k])
            for e, name in enumerate(self.classes)
            for k, fact in enumerate(metrics.BALANCE)
        }

    def class_counts(self, codes: np.ndarray) -> dict[str, int]:
        """Number of utterances in which each class is present."""
        present = self.one_hot[codes].sum(axis=0)[:, 1]
        return dict(zip(self.classes, present.tolist(), strict=True))

    def can_score(self, n_labels: pd.Series) -> pd.Series:
        """Any number of labels."""
        return n_labels >= 0

    def code(self, names: Sequence[str]) -> int:
        """Sum of 2 ** e over the classes that are present, in any order."""
        if not set(names) <= set(self.classes):
            return INVALID
        return sum(1 << self.classes.index(name) for name in set(names))

    def follows(self, codes: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        """Exactly the present classes have a probability of 0.5 or more."""
        sign = self.one_hot[codes] @ [-1, 1]
        return (sign * (probabilities - 0.5) >= -ROUNDING).all(axis=1)


def task_of(corpus: str, scheme: str, classes: Sequence[str]) -> Task:
    """The task of a corpus under a split scheme.

    Raises:
        CorpusError: the corpus has no such scheme.
    """
    task = MultiLabel if schemes.multi_label(corpus, scheme) else MultiClass
    return task(tuple(classes))
