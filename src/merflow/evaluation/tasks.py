"""What a system decides about an utterance: which class it is (multi-class), or which classes are present (multi-label).

This is the one place that knows the difference. Elsewhere an answer, true or predicted, is a code, whose ``one_hot`` row says
what it counts as: shape (K,) for K classes, or (E, 2) for the answers absent and present about each of E classes. So the counts
of a system have the shape (..., K, K) or (..., E, 2, 2), and all else is the same.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from merflow.corpora import schemes
from merflow.evaluation import metrics

NO_ANSWER = -1  # a code: the list is no answer to the task
ROUNDING = 1e-6  # probabilities are stored as 32-bit floats, predictions may have been made from more digits


@dataclass(frozen=True)
class Task(ABC):
    """A task with the classes in the order of probabilities."""

    classes: tuple[str, ...]
    single: ClassVar[
        bool
    ]  #: one class each: an answer is right or wrong, and one network with one loss tells all classes apart
    labels: ClassVar[str]  #: how many classes an answer has
    rule: ClassVar[str]  #: how an answer follows from the probabilities
    baselines: ClassVar[tuple[str, ...]]  #: names in merflow.evaluation.baselines

    @property
    @abstractmethod
    def one_hot(self) -> np.ndarray:
        """What each code counts as: (codes, K) or (codes, E, 2)."""

    @abstractmethod
    def measure(self, counts: np.ndarray) -> np.ndarray:
        """Metrics of counts (..., K, K) or (..., E, 2, 2): (..., M)."""

    @property
    @abstractmethod
    def names(self) -> list[tuple[str, str | None]]:
        """Metric and class of each value of `measure`."""

    def trained(self, epochs: int) -> tuple[str | None, ...]:
        """The class of each network that a run trains, and selects one of so many epochs for; (None,): one network for all.

        Raises:
            ValueError: so many networks would neither be one for all, nor, where these may be present at once, one for each class.
        """
        if epochs == 1:
            return (None,)
        raise ValueError("1")

    @abstractmethod
    def accepts(self, n_labels: pd.Series) -> pd.Series:
        """Whether an utterance with so many labels can be scored."""

    @abstractmethod
    def code(self, answer: Sequence[str]) -> int:
        """Code of a list of classes; NO_ANSWER where it has too many or too few of them, or another name."""

    @abstractmethod
    def follows(self, codes: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        """Whether each of `codes` (N,) follows from its probabilities (N, classes), but for rounding: (N,)."""

    def balance(self, codes: np.ndarray) -> dict[tuple[str, str], float]:
        """Metric and class -> share of `codes` (N,) that it describes; empty where exactly one class is present."""
        return {}

    @abstractmethod
    def sizes(self, codes: np.ndarray) -> dict[str, int]:
        """How many of `codes` (N,) each class describes."""

    def encode(self, answers: pd.Series) -> np.ndarray:
        """Code of each list of classes: (N,)."""
        return np.array([self.code(answer) for answer in answers], dtype=np.int64)

    def encode_labels(self, labels: pd.Series, class_of: Mapping[str, str]) -> np.ndarray:
        """Code of the labels of each utterance, of which those that count as no class are ignored: (N,)."""
        return self.encode(
            pd.Series([[class_of[name] for name in one if name in class_of] for one in labels])
        )


class MultiClass(Task):
    """Exactly one class; the code is its index."""

    single = True
    labels = "exactly one"
    rule = "the most probable class"
    baselines = ("majority", "chance")

    @property
    def one_hot(self) -> np.ndarray:
        """(K, K)."""
        return np.eye(len(self.classes), dtype=np.int64)

    def measure(self, counts: np.ndarray) -> np.ndarray:
        """`metrics.measure`."""
        return metrics.measure(counts)

    @property
    def names(self) -> list[tuple[str, str | None]]:
        """`metrics.names`."""
        return metrics.names(self.classes)

    def sizes(self, codes: np.ndarray) -> dict[str, int]:
        """Of each class."""
        return dict(zip(self.classes, self.one_hot[codes].sum(axis=0).tolist(), strict=True))

    def accepts(self, n_labels: pd.Series) -> pd.Series:
        """One label, whether it counts as a class or not."""
        return n_labels == 1

    def code(self, answer: Sequence[str]) -> int:
        """Index of the class."""
        return (
            self.classes.index(answer[0])
            if len(answer) == 1 and answer[0] in self.classes
            else NO_ANSWER
        )

    def follows(self, codes: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        """No class is more probable."""
        chosen = np.take_along_axis(probabilities, codes[:, None], axis=1)[:, 0]
        return chosen >= probabilities.max(axis=1) - ROUNDING


class MultiLabel(Task):
    """Any of the classes, or none; the order of an answer means nothing. Bit e of the code says whether class e is present."""

    single = False
    labels = "any, or none,"
    rule = "the classes of probability 0.5 or more"
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
    def names(self) -> list[tuple[str, str | None]]:
        """`metrics.names_binary`."""
        return metrics.names_binary(self.classes)

    def trained(self, epochs: int) -> tuple[str | None, ...]:
        """One network for all classes, or for each."""
        if epochs in (1, len(self.classes)):
            return (None,) if epochs == 1 else self.classes
        raise ValueError(f"1 or {len(self.classes)}")

    def balance(self, codes: np.ndarray) -> dict[tuple[str, str], float]:
        """`metrics.BALANCE` of each class."""
        shares = self.one_hot[codes].mean(axis=0)
        return {
            (metric, name): float(shares[e, k])
            for e, name in enumerate(self.classes)
            for k, metric in enumerate(metrics.BALANCE)
        }

    def sizes(self, codes: np.ndarray) -> dict[str, int]:
        """Those with the class present."""
        return dict(zip(self.classes, self.one_hot[codes].sum(axis=0)[:, 1].tolist(), strict=True))

    def accepts(self, n_labels: pd.Series) -> pd.Series:
        """Any number of labels."""
        return n_labels >= 0

    def code(self, answer: Sequence[str]) -> int:
        """Sum of 2 ** e over the classes that are present."""
        present = set(answer)
        return (
            sum(1 << self.classes.index(name) for name in present)
            if present <= set(self.classes)
            else NO_ANSWER
        )

    def follows(self, codes: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        """Exactly what is present has a probability of 0.5 or more."""
        sign = self.one_hot[codes] @ [-1, 1]
        return (sign * (probabilities - 0.5) >= -ROUNDING).all(axis=1)


def task_of(corpus: str, scheme: str, classes: Sequence[str]) -> Task:
    """The task of a corpus under a split scheme.

    Raises:
        CorpusError: the corpus has no such scheme.
    """
    return (MultiLabel if schemes.multi_label(corpus, scheme) else MultiClass)(tuple(classes))
