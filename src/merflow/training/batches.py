"""What papers, networks and the loop hand each other: systems, examples of ragged inputs, padded batches of like length."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, Protocol

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
        inputs: what it takes of an utterance: ``tokens`` (token ids of its text), ``frames_15`` (pictures of its clip), or a feature,
            under its own name or the one that papers.<paper>.features of params.yaml gives it ("text", "speech").
        build: ``build(dims, n_classes, **network)`` makes the network, whose ``forward(batch)`` gives logits (B, n_classes), or, in
            training, a `Learning`; `dims` says the width of each feature after `fitted`, `network` is the block of params.yaml.
        fitted: per input, ``fitted[name](**inputs)`` makes what is fitted to it on the train part alone.
        pretrained: it starts from the checkpoint of its stage, which `build` gets as ``checkpoint``, a folder.
        bank: of a corpus in which several classes may be present at once: `build` makes one binary network per class, and each of
            its parameters has the classes as first dimension, so that training them together is training each alone. A system that is
            no bank is one network in any case: its logits are those of one class of several, or of each being present.
        hands_over: the network has ``hidden(batch)``, (B, rows, H), that other systems take; of a bank a row is a class.
        aligned: its inputs go together word by word: an utterance has as many frames of each.
        members: such systems; each is an input under its name, (B, rows, H), made with the same fold and seed.
        by_dialogue: a batch holds whole dialogues of a part, and says which example belongs to which.
        attention: what the network weighs; its ``attention(batch)`` gives the weights (B, len(attention)), each row sums to 1.
        counts_tokens: the network has ``tokens(batch)``, (B, stages): how many tokens of a picture go into each stage that gets fewer.
    """

    inputs: tuple[str, ...]
    build: Callable[..., nn.Module]
    fitted: Mapping[str, Callable[..., Transformer]] = field(default_factory=dict)
    pretrained: bool = False
    bank: bool = False
    hands_over: bool = False
    aligned: bool = False
    members: tuple[str, ...] = ()
    by_dialogue: bool = False
    attention: tuple[str, ...] = ()
    counts_tokens: bool = False


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


class Learning(NamedTuple):
    """What a network with a loss of its own gives in training: `weight` times the loss of the logits, plus `auxiliary`, is minimised.

    Attributes:
        logits: (B, n_classes).
        weight: of their loss.
        auxiliary: (), mean over the batch; of a network that tells one class of several.
    """

    logits: Tensor
    weight: float
    auxiliary: Tensor


@dataclass(frozen=True)
class Batch:
    """Some examples, padded with zeros along time to the longest of them.

    Attributes:
        inputs: per name (B, T) or (B, T, dim). ``tokens`` (B, T, 2): token id; segment, 0 for the utterance, 1 for what was said before.
            ``frames_15`` (B, T, height, width, 3): uint8 RGB.
        masks: per name (B, T), True where there is content.
        labels: (B,) class indices.
        index: (B,) positions in the Examples.
        dialogues: (D, U) rows of the batch that belong to a dialogue, in the order of turns, then -1; None: each stands for itself.
    """

    inputs: dict[str, Tensor]
    masks: dict[str, Tensor]
    labels: Tensor
    index: Tensor
    dialogues: Tensor | None = None

    def __len__(self) -> int:
        return len(self.index)

    def to(self, device: torch.device) -> "Batch":
        """The same on `device`."""
        return Batch(
            {name: values.to(device) for name, values in self.inputs.items()},
            {name: mask.to(device) for name, mask in self.masks.items()},
            self.labels.to(device),
            self.index.to(device),
            None if self.dialogues is None else self.dialogues.to(device),
        )


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
