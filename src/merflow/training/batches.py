"""Examples with ragged inputs, and padded batches of like length.

A *unit* is what is batched as a whole: an example, or a dialogue.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from merflow.systems import Batch

#: Batches that are sorted by length together: fewer are closer to pure chance, more save little.
CHUNK = 32


@dataclass(frozen=True)
class LazyArrays(Sequence[np.ndarray]):
    """Arrays that are made when a batch needs them: all would not fit in memory.

    Attributes:
        make: utterance id -> its array (n_frames, ...).
        ids: of the utterances.
        n_frames: of each array.
    """

    make: Callable[[str], np.ndarray]
    ids: Sequence[str]
    n_frames: int

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
        labels: (N,) class indices, or (N, K) 1 where a class is present.
        dialogues: positions of the examples of each dialogue, in the order of turns; None: examples
            are batched one by one.
    """

    ids: Sequence[str]
    inputs: Mapping[str, Sequence[np.ndarray]]
    labels: np.ndarray
    dialogues: list[np.ndarray] | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def sizes(self) -> np.ndarray:
        """Number of examples of each unit."""
        if self.dialogues is None:
            return np.ones(len(self), dtype=int)
        return np.array([len(positions) for positions in self.dialogues])

    @property
    def lengths(self) -> np.ndarray:
        """Frames of each unit, summed over inputs; of a dialogue those of its longest example."""
        frames = np.sum([_n_frames(arrays) for arrays in self.inputs.values()], axis=0)
        if self.dialogues is None:
            return frames
        return np.array([frames[positions].max() for positions in self.dialogues])

    def batch(self, units: np.ndarray) -> Batch:
        """Pad the examples of `units`."""
        index, dialogues = units, None
        if self.dialogues is not None:
            members = [self.dialogues[unit] for unit in units]
            sizes = np.array([len(positions) for positions in members])
            index = np.concatenate(members)
            inside = np.arange(sizes.max()) < sizes[:, None]
            rows = np.full(inside.shape, -1)
            rows[inside] = np.arange(len(index))
            dialogues = torch.from_numpy(rows)
        inputs, masks = {}, {}
        for name, arrays in self.inputs.items():
            examples = [arrays[i] for i in index]
            lengths = np.array([len(values) for values in examples])
            padded = np.zeros(
                (len(index), lengths.max(), *examples[0].shape[1:]), examples[0].dtype
            )
            for row, values in zip(padded, examples, strict=True):
                row[: len(values)] = values
            inputs[name] = torch.from_numpy(padded)
            masks[name] = torch.from_numpy(np.arange(lengths.max()) < lengths[:, None])
        labels = torch.as_tensor(self.labels[index])
        return Batch(inputs, masks, labels, torch.as_tensor(index), dialogues)


def _n_frames(arrays: Sequence[np.ndarray]) -> list[int]:
    if isinstance(arrays, LazyArrays):
        return [arrays.n_frames] * len(arrays)
    return [len(values) for values in arrays]


def shuffled(examples: Examples, batch_size: int, seed: Sequence[int]) -> list[np.ndarray]:
    """Draw the batches of an epoch of training: random, yet of like lengths.

    The units are shuffled, every CHUNK batches of them are sorted by length and cut into batches,
    and the batches are shuffled. Batches of single examples differ by one at most, so that no last
    batch of one example makes a noisy step. Batches of dialogues differ by about a dialogue.

    Returns:
        ceil(N / batch_size) arrays of units, each unit once; fewer where dialogues are longer than
        a batch.
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
        units = np.array_split(by_length, n_batches)
    else:
        units = _cut(by_length, _n_before(sizes[by_length]) * n_batches // len(examples))
    return [units[i] for i in rng.permutation(len(units))]


def ordered(examples: Examples, batch_size: int) -> list[np.ndarray]:
    """Cut all units, sorted by length, into batches to predict with."""
    order = np.argsort(examples.lengths, kind="stable")
    return _cut(order, _n_before(examples.sizes[order]) // batch_size)


def _n_before(sizes: np.ndarray) -> np.ndarray:
    """Number of examples before each unit."""
    return np.cumsum(sizes) - sizes


def _cut(order: np.ndarray, numbers: np.ndarray) -> list[np.ndarray]:
    """`order` in pieces: a new piece begins wherever the number changes."""
    return np.split(order, np.flatnonzero(np.diff(numbers)) + 1)


def batches(
    examples: Examples, positions: Sequence[np.ndarray], process: int = 0, processes: int = 1
) -> Iterator[Batch]:
    """Pad each batch of `positions`; each process takes every `processes`-th unit of a batch."""
    for units in positions:
        yield examples.batch(units[process::processes])
