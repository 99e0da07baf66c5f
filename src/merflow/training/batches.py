"""Examples with ragged inputs, and padded batches of like length."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from merflow.systems import Batch

CHUNK = 32  # batches that are sorted by length together: less is closer to pure chance, more saves little


@dataclass(frozen=True)
class Drawn(Sequence[np.ndarray]):
    """Arrays that are made when a batch asks for them: what would not fit in memory.

    Attributes:
        make: utterance id -> its array (frames, ...).
        ids: of the utterances.
        frames: of each array.
    """

    make: Callable[[str], np.ndarray]
    ids: Sequence[str]
    frames: int

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, position: Any) -> Any:
        return self.make(self.ids[position])


@dataclass(frozen=True)
class Examples:
    """Utterances with ragged inputs.

    Attributes:
        ids: utterance ids.
        inputs: per name one array (n_frames,) or (n_frames, dim, ...) per utterance, n_frames >= 1.
        labels: (N,) class indices.
        dialogues: positions of the examples of each dialogue, in the order of turns; None: examples are batched one by one. What is
            batched as a whole, an example or a dialogue, is a unit below.
    """

    ids: Sequence[str]
    inputs: Mapping[str, Sequence[np.ndarray]]
    labels: np.ndarray
    dialogues: list[np.ndarray] | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def sizes(self) -> np.ndarray:
        """Examples of each unit."""
        return (
            np.ones(len(self), dtype=int)
            if self.dialogues is None
            else np.array([len(one) for one in self.dialogues])
        )

    @property
    def lengths(self) -> np.ndarray:
        """Frames of each unit, over all inputs; of a dialogue those of its longest example."""
        each = np.sum([_frames(arrays) for arrays in self.inputs.values()], axis=0)
        return (
            each
            if self.dialogues is None
            else np.array([each[one].max() for one in self.dialogues])
        )

    def batch(self, units: np.ndarray) -> Batch:
        """The examples of `units`, padded."""
        index, dialogues = units, None
        if self.dialogues is not None:
            members = [self.dialogues[unit] for unit in units]
            index, sizes = np.concatenate(members), np.array([len(one) for one in members])
            inside = np.arange(sizes.max()) < sizes[:, None]
            dialogues = np.full(inside.shape, -1)
            dialogues[inside] = np.arange(len(index))
        inputs, masks = {}, {}
        for name, arrays in self.inputs.items():
            members = [arrays[i] for i in index]
            lengths = np.array([len(values) for values in members])
            padded = np.zeros((len(index), lengths.max(), *members[0].shape[1:]), members[0].dtype)
            for row, values in zip(padded, members, strict=True):
                row[: len(values)] = values
            inputs[name] = torch.from_numpy(padded)
            masks[name] = torch.from_numpy(np.arange(lengths.max()) < lengths[:, None])
        rows = None if dialogues is None else torch.from_numpy(dialogues)
        return Batch(
            inputs, masks, torch.as_tensor(self.labels[index]), torch.as_tensor(index), rows
        )


def _frames(arrays: Sequence[np.ndarray]) -> list[int]:
    return (
        [arrays.frames] * len(arrays)
        if isinstance(arrays, Drawn)
        else [len(values) for values in arrays]
    )


def shuffled(examples: Examples, batch_size: int, seed: Sequence[int]) -> list[np.ndarray]:
    """Batches of an epoch of training: random, yet of like lengths.

    The units are shuffled, every CHUNK batches of them are sorted by length and cut into batches, and the batches are
    shuffled. Batches of single examples differ by one at most, so no last batch of one example makes a noisy step; those of dialogues
    by about a dialogue.

    Returns:
        ceil(N / batch_size) arrays of units, each unit once; fewer where dialogues are longer than a batch.
    """
    rng = np.random.default_rng(list(seed))
    n_batches = -(-len(examples) // batch_size)
    lengths, sizes = examples.lengths, examples.sizes
    order = rng.permutation(len(sizes))
    chunks = np.array_split(order, -(-n_batches // CHUNK))
    by_length = np.concatenate(
        [chunk[np.argsort(lengths[chunk], kind="stable")] for chunk in chunks]
    )
    if examples.dialogues is None:
        found = np.array_split(by_length, n_batches)
    else:
        found = _cut(by_length, _before(sizes[by_length]) * n_batches // len(examples))
    return [found[i] for i in rng.permutation(len(found))]


def ordered(examples: Examples, batch_size: int) -> list[np.ndarray]:
    """Batches to predict with: all units once, sorted by length."""
    order = np.argsort(examples.lengths, kind="stable")
    return _cut(order, _before(examples.sizes[order]) // batch_size)


def _before(sizes: np.ndarray) -> np.ndarray:
    """How many examples stand before each unit."""
    return np.cumsum(sizes) - sizes


def _cut(order: np.ndarray, numbers: np.ndarray) -> list[np.ndarray]:
    """`order` in pieces, a new one wherever the number changes."""
    return np.split(order, np.flatnonzero(np.diff(numbers)) + 1)


def batches(
    examples: Examples, positions: Sequence[np.ndarray], part: int = 0, parts: int = 1
) -> Iterator[Batch]:
    """Pad each of `positions`; of several processes, number `part` takes every `parts`-th unit of a batch."""
    for index in positions:
        yield examples.batch(index[part::parts])
