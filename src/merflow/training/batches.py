"""What networks and the loop hand each other: systems, examples of ragged inputs, padded batches of like length."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

CHUNK = 32  # batches that are sorted by length together: less is closer to pure chance, more saves little


@dataclass(frozen=True)
class System:
    """A row of a paper that the loop trains.

    Attributes:
        inputs: what it takes of an utterance: ``tokens`` (token ids of its text), or names of features.
        build: makes the network, whose ``forward(batch)`` gives logits (B, n_classes).
    """

    inputs: tuple[str, ...]
    build: Callable[..., nn.Module]


@dataclass(frozen=True)
class Batch:
    """Some examples, padded with zeros along time to the longest of them.

    Attributes:
        inputs: per name (B, T) or (B, T, dim).
        masks: per name (B, T), True where there is content.
        labels: (B,) class indices.
        index: (B,) positions in the Examples.
    """

    inputs: dict[str, Tensor]
    masks: dict[str, Tensor]
    labels: Tensor
    index: Tensor

    def __len__(self) -> int:
        return len(self.index)

    def to(self, device: torch.device) -> "Batch":
        """The same on `device`."""
        return Batch(
            {name: values.to(device) for name, values in self.inputs.items()},
            {name: mask.to(device) for name, mask in self.masks.items()},
            self.labels.to(device),
            self.index.to(device),
        )


@dataclass(frozen=True)
class Examples:
    """Utterances with ragged inputs.

    Attributes:
        ids: utterance ids.
        inputs: per name one array (n_frames,) or (n_frames, dim) per utterance, n_frames >= 1.
        labels: (N,) class indices.
    """

    ids: Sequence[str]
    inputs: dict[str, list[np.ndarray]]
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def lengths(self) -> np.ndarray:
        """(N,) frames of each utterance, over all inputs."""
        return np.sum([[len(values) for values in arrays] for arrays in self.inputs.values()], axis=0)

    def batch(self, index: np.ndarray) -> Batch:
        """The examples at `index`, padded."""
        inputs, masks = {}, {}
        for name, arrays in self.inputs.items():
            members = [torch.from_numpy(arrays[i]) for i in index]
            lengths = torch.tensor([len(values) for values in members])
            inputs[name] = pad_sequence(members, batch_first=True)
            masks[name] = torch.arange(int(lengths.max())) < lengths[:, None]
        return Batch(inputs, masks, torch.as_tensor(self.labels[index]), torch.as_tensor(index))


def shuffled(lengths: np.ndarray, batch_size: int, seed: Sequence[int]) -> list[np.ndarray]:
    """Batches of an epoch of training: random, yet of like lengths.

    The examples are shuffled, every CHUNK batches of them are sorted by length and cut into batches, and the batches are
    shuffled. Sizes differ by one at most, so no last batch of one example makes a noisy step.

    Returns:
        ceil(N / batch_size) arrays of positions, each position once.
    """
    rng = np.random.default_rng(list(seed))
    n_batches = -(-len(lengths) // batch_size)
    order = rng.permutation(len(lengths))
    chunks = np.array_split(order, -(-n_batches // CHUNK))
    by_length = np.concatenate([chunk[np.argsort(lengths[chunk], kind="stable")] for chunk in chunks])
    batches = np.array_split(by_length, n_batches)
    return [batches[i] for i in rng.permutation(n_batches)]


def ordered(lengths: np.ndarray, batch_size: int) -> list[np.ndarray]:
    """Batches to predict with: all positions once, sorted by length."""
    order = np.argsort(lengths, kind="stable")
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]


def batches(examples: Examples, positions: Sequence[np.ndarray], part: int = 0, parts: int = 1) -> Iterator[Batch]:
    """Pad each of `positions`; of several processes, number `part` takes every `parts`-th example of a batch."""
    for index in positions:
        yield examples.batch(index[part::parts])
