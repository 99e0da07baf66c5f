"""Systems: the rows of a paper's tables, as papers define them and training runs them.

Papers build on this module and on `merflow.nn`, training imports it; neither imports the other.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, nn


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
