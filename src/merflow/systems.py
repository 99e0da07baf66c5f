"""Systems: the rows of a paper's tables, as papers define them and training runs them.

Papers build on this module and on `merflow.nn`, training imports it. Neither imports the other.
Letters of shapes, also in papers, nn and training:

- B: examples of a batch.
- D: dialogues of a batch; U: utterances of a dialogue.
- T: frames or tokens.
- K: classes.
- M: members of a fusion.
- N: examples.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, nn


class Transformer(Protocol):
    """Estimator that is fitted to an input on the train split, as scikit-learn's are."""

    def fit(self, values: np.ndarray, labels: np.ndarray) -> Any:
        """Learn from frames (n, dim) of the train split and their class indices (n,)."""

    def transform(self, values: np.ndarray) -> np.ndarray:
        """Transform frames (n, dim) of any split to (n, dim')."""


@dataclass(frozen=True)
class System:
    """A network that the loop trains.

    Attributes:
        inputs: of an utterance: ``tokens`` (token ids of its text), ``frames_15`` or
            ``frames_dense`` (frames of its clip), ``waveform`` (its audio), or a feature. A feature
            has its own name, or the name that papers.<paper>.features of params.yaml gives it
            ("text", "speech").
        build: ``build(dims, n_classes, **network)`` makes the network. Its ``forward(batch)`` gives
            logits (B, K), or a `TrainingOutput` in training. `dims` holds the width of each feature
            after `transformers`, `network` is the block of params.yaml.
        transformers: ``transformers[input](**input_settings)`` makes the estimator that is fitted
            to an input on the train split alone.
        pretrained: `build` gets ``checkpoint``, the folder of the pre-trained model to start from.
        bank: on a multi-label corpus, `build` makes one binary network per class. Each parameter
            has the classes as first dimension, so training them together is training each alone.
            Without a bank one network has a logit per class.
        exports_hidden: the network has ``hidden(batch)`` (B, rows, H) for systems that have this
            one as a member; a row of a bank is a class.
        aligned: the inputs are aligned to words: an utterance has equally many frames of each.
        members: systems whose hidden activations (B, rows, H) are inputs, under their names and of
            the same fold and seed.
        by_dialogue: a batch holds whole dialogues of a split.
        attention: names of what the network weighs. Its ``attention(batch)`` gives the weights
            (B, len(attention)); each row sums to 1.
        counts_tokens: the network has ``tokens(batch)`` (B, stages): number of tokens of a frame
            that enter each stage after a compression.
    """

    inputs: tuple[str, ...]
    build: Callable[..., nn.Module]
    transformers: Mapping[str, Callable[..., Transformer]] = field(default_factory=dict)
    pretrained: bool = False
    bank: bool = False
    exports_hidden: bool = False
    aligned: bool = False
    members: tuple[str, ...] = ()
    by_dialogue: bool = False
    attention: tuple[str, ...] = ()
    counts_tokens: bool = False


@dataclass(frozen=True)
class OffTheShelf:
    """A published model that is not trained here.

    Attributes:
        inputs: the feature that holds its class probabilities, with class names as columns.
    """

    inputs: tuple[str]
    members: ClassVar[tuple[str, ...]] = ()
    pretrained: ClassVar = False
    aligned: ClassVar = False


@dataclass(frozen=True)
class Linear:
    """A regularised linear classifier of features, to compare networks on the same inputs with.

    Attributes:
        inputs: features; their frames are pooled, and the inputs stand side by side.
    """

    inputs: tuple[str, ...]
    members: ClassVar[tuple[str, ...]] = ()
    pretrained: ClassVar = False
    aligned: ClassVar = False


@dataclass(frozen=True)
class Fusion:
    """A combination of the class probabilities of other systems.

    Attributes:
        members: names of the systems.
        combine: probabilities (M, N, K), and weights (M,) where `weighted`, -> (N, K).
        weighted: takes a fusion weight per member, none negative, sum 1.
    """

    members: tuple[str, ...]
    combine: Callable[..., np.ndarray]
    weighted: bool = False


#: A system of any kind.
AnySystem = System | Fusion | OffTheShelf | Linear


class TrainingOutput(NamedTuple):
    """Output in training of a network with a loss term of its own.

    The loop minimises `weight` times the loss of the logits, plus `auxiliary`.

    Attributes:
        logits: (B, K).
        weight: of the loss of the logits.
        auxiliary: scalar, mean over the batch; for single-label networks.
    """

    logits: Tensor
    weight: float
    auxiliary: Tensor


@dataclass(frozen=True)
class Batch:
    """Examples, padded with zeros along time to the longest of them.

    Attributes:
        inputs: (B, T) or (B, T, dim) per name. ``tokens`` (B, T, 2): token id; segment, 0 for the
            utterance, 1 for the context before it. Frames (B, T, height, width, 3): uint8 RGB.
            ``waveform`` (B, T): 16-bit samples at 16 kHz.
        masks: (B, T) per name, True where there is content.
        labels: (B,) class indices, or (B, K) 1 where a class is present (multi-label).
        index: (B,) positions in the `Examples`.
        dialogues: (D, U) rows of the batch of each dialogue, in the order of turns, then -1; None:
            no dialogues.
    """

    inputs: dict[str, Tensor]
    masks: dict[str, Tensor]
    labels: Tensor
    index: Tensor
    dialogues: Tensor | None = None

    def __len__(self) -> int:
        return len(self.index)

    def to(self, device: torch.device) -> "Batch":
        """Copy to `device`."""
        return Batch(
            {name: values.to(device) for name, values in self.inputs.items()},
            {name: mask.to(device) for name, mask in self.masks.items()},
            self.labels.to(device),
            self.index.to(device),
            None if self.dialogues is None else self.dialogues.to(device),
        )
