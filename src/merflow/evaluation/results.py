"""Results: the checked predictions of a system, and their counts by dialogue and seed."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from merflow.evaluation.tasks import Task
from merflow.records import Record


@dataclass(frozen=True)
class Result:
    """Checked predictions of a system on a corpus under a protocol.

    Attributes:
        record: of its runs.
        task: multi-class or multi-label, with its classes.
        predictions: sorted by prepared.KEY: utterance_id, instance, dialogue_id, fold, seed, split,
            label and predicted (codes of the task), and attention (weights, or None).
    """

    record: Record
    task: Task
    predictions: pd.DataFrame

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        return self.task.classes

    @cached_property
    def seeds(self) -> list[int]:
        """Seeds, sorted."""
        return sorted(int(seed) for seed in self.predictions["seed"].unique())

    @cached_property
    def left_out(self) -> frozenset[str]:
        """Ids of the utterances that lack an input."""
        return self.record.missing_inputs

    @property
    def inputs(self) -> str:
        """Features and pre-trained models behind the inputs, each once."""
        return ", ".join(dict.fromkeys(self.record.input_labels.values()))

    def correct(self, split: str, without: Collection[str] = ()) -> dict[int, np.ndarray]:
        """Tell which predictions of each seed are correct, sorted by fold, utterance, instance.

        Args:
            split: dev or test.
            without: utterances that do not count.

        Returns:
            Seed -> (N,) of bool.
        """
        columns, counted = self._columns, self._counted(split, without)
        correct = columns["label"] == columns["predicted"]
        of_seed = {seed: columns["seed"] == k for k, seed in enumerate(self.seeds)}
        return {seed: correct[counted & rows] for seed, rows in of_seed.items()}

    def counts(
        self, split: str, fold: int | None = None, without: Collection[str] = ()
    ) -> np.ndarray:
        """Count the predictions of a split by dialogue and seed.

        Args:
            split: dev or test.
            fold: a fold; None: all.
            without: utterances that do not count.

        Returns:
            (D, S, K, K) or (D, S, E, 2, 2): dialogues in the order of their ids, seeds in the order
            of `seeds`. A dialogue without a counted utterance is not among the D.
        """
        columns, counted = self._columns, self._counted(split, without)
        if fold is not None:
            counted &= columns["fold"] == fold
        labels = self.task.one_hot[columns["label"][counted]]
        predicted = self.task.one_hot[columns["predicted"][counted]]
        return tally(columns["dialogue"][counted], columns["seed"][counted], labels, predicted)

    def _counted(self, split: str, without: Collection[str]) -> np.ndarray:
        counted: np.ndarray = self._columns["split"] == split
        if without:
            counted &= ~self.predictions["utterance_id"].isin(without).to_numpy()
        return counted

    @cached_property
    def _columns(self) -> dict[str, np.ndarray]:
        """Columns of `predictions` as arrays; dialogues and seeds as numbers in their order."""
        rows = self.predictions
        return {
            "fold": rows["fold"].to_numpy(),
            "split": rows["split"].to_numpy(dtype=object),
            "seed": np.searchsorted(self.seeds, rows["seed"]),
            "dialogue": pd.factorize(rows["dialogue_id"], sort=True)[0],
            "label": rows["label"].to_numpy(),
            "predicted": rows["predicted"].to_numpy(),
        }


def tally(
    dialogues: np.ndarray, seeds: np.ndarray, labels: np.ndarray, predicted: np.ndarray
) -> np.ndarray:
    """Count predictions by dialogue and seed.

    Args:
        dialogues: id or number of the dialogue of each of N predictions.
        seeds: numbers from 0, (N,).
        labels: one-hot rows (N, K) or (N, E, 2).
        predicted: one-hot rows of the same shape, or shares that sum to 1.

    Returns:
        Counts (D, S, K, K) or (D, S, E, 2, 2), dialogues in the order of their ids.
    """
    ids, numbers = np.unique(dialogues, return_inverse=True)
    shape = (len(ids), seeds.max(initial=0) + 1, *labels.shape[1:], labels.shape[-1])
    counts = np.zeros(shape, predicted.dtype)
    np.add.at(counts, (numbers, seeds), labels[..., :, None] * predicted[..., None, :])
    return counts


def n_utterances(counts: np.ndarray) -> int:
    """Number of utterances in counts (D, S, ..., label, predicted).

    Each seed, and in a multi-label task each class, counts all of them.
    """
    return round(float(counts.sum(axis=(0, -2, -1)).mean()))
