"""What papers, networks and the loop hand each other: systems, examples of ragged inputs, padded batches of like length."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor, nn

CHUNK = 32  # batches that are sorted by length together: less is closer to pure chance, more saves little


class Transformer(Protocol):
    """What is fitted to an input on the train part; scikit-learn's transformers and pipelines are such."""

    def fit(self, values: np.ndarray, labels: np.ndarray) -> Any:
        """Learn from the frames of the train part (n, dim) and the class index of each (n,)."""

    def transform(self, values: np.ndarray) -> np.ndarray:
        """Frames (n, dim) of any part -> (n, dim')."""


@dataclass(frozen=True)
class System:
    """A row of a paper that the loop trains.

    Attributes:
        inputs: what it takes of an utterance: ``tokens`` (token ids of its text), or a feature, under its own name or the one that
            papers.<paper>.features of params.yaml gives it ("text", "speech").
        build: ``build(dims, n_classes, **network)`` makes the network, whose ``forward(batch)`` gives logits (B, n_classes); `dims` says
            the width of each feature after `fitted`, `network` is the block of params.yaml.
        fitted: per input, ``fitted[name](**inputs)`` makes what is fitted to it on the train part alone.
        pretrained: it starts from the checkpoint of its stage, which `build` gets as ``checkpoint``, a folder.
        multi_label: of a corpus in which several classes may be present at once: `build` makes one binary network per class, and each of
            its parameters has the classes as first dimension, so that training them together is training each alone.
        hands_over: the network has ``hidden(batch)``, (B, n_classes, H), that other systems take.
        aligned: its inputs go together word by word: an utterance has as many frames of each.
        members: such systems; each is an input under its name, (B, n_classes, H), made with the same fold and seed.
    """

    inputs: tuple[str, ...]
    build: Callable[..., nn.Module]
    fitted: Mapping[str, Callable[..., Transformer]] = field(default_factory=dict)
    pretrained: bool = False
    multi_label: bool = False
    hands_over: bool = False
    aligned: bool = False
    members: tuple[str, ...] = ()


@dataclass(frozen=True)
class OffTheShelf:
    """A row of a paper that nobody trains here: a published model as it is.

    Attributes:
        inputs: the feature that holds its probabilities, with the names of emotions as columns.
    """

    inputs: tuple[str]
    members: ClassVar[tuple[str, ...]] = ()
    pretrained: ClassVar = False
    aligned: ClassVar = False


@dataclass(frozen=True)
class Fusion:
    """A row of a paper that combines the probabilities of other rows.

    Attributes:
        members: names of the rows.
        combine: probabilities (M, N, K) of the members, and weights (M,) where `weighted`, -> probabilities (N, K).
        weighted: takes weights, one per member, not negative, sum 1.
    """

    members: tuple[str, ...]
    combine: Callable[..., np.ndarray]
    weighted: bool = False


@dataclass(frozen=True)
class Batch:
    """Some examples, padded with zeros along time to the longest of them.

    Attributes:
        inputs: per name (B, T) or (B, T, dim). ``tokens`` (B, T, 2): token id; segment, 0 for the utterance, 1 for what was said before.
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
            members = [arrays[i] for i in index]
            lengths = np.array([len(values) for values in members])
            padded = np.zeros((len(index), lengths.max(), *members[0].shape[1:]), members[0].dtype)
            for row, values in zip(padded, members, strict=True):
                row[: len(values)] = values
            inputs[name] = torch.from_numpy(padded)
            masks[name] = torch.from_numpy(np.arange(lengths.max()) < lengths[:, None])
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
