"""Emotions of CMU-MOSEI by LSTMs with a class weight: three modalities and four fusions, each emotion a binary task of its own.

Systems, in the order of Tables II and III: ``acoustic``, ``visual``, ``language``; ``early_fusion``, ``late_fusion``, ``deep_fusion``,
``tensor_fusion``. Each has a twin ``*_unweighted``, trained without the class weight, which the paper never prints. The networks of the
six emotions are banks (merflow.nn.bank): separate networks, computed together. The class weight is the training loop's.

Differences from the paper:

- Width of the LSTMs, optimiser, learning rate, epochs, batch size, dropout and choice of the epoch are not given: parameters. Dropout
  acts on the output of each LSTM layer.
- The equations of section III.C let the gates see the cell (W_ci, W_cf, W_co: peepholes), which the usual implementations do not:
  here, as in torch.nn.LSTM, they see input and hidden state. Weights start as torch draws them.
- What goes into the dense layer is not said: the state at the last word. Its 32 activations pass a ReLU, as do those of late fusion's.
- Scaling of features is not mentioned. A pitch in Hz would saturate the gates: ``scale: standard`` brings each acoustic and visual
  feature to mean 0 and variance 1 over the words of the train part; ``none`` takes them as they are.
- Whether the second stage goes on training the unimodal networks is not said. Here they are frozen at their selected epoch, and late,
  deep and tensor fusion learn on the same train part.
- The outer product is of the 32 activations; the paper calls them "the pre-trained unimodal" z_l, z_v, z_a and gives no length.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from merflow.nn.bank import LinearBank, LstmBank
from merflow.systems import Batch, System, Transformer


def scaling(scale: str) -> Transformer:
    """What is done to each acoustic or visual feature before the network: standard or none, see the module's docstring."""
    from sklearn.preprocessing import (
        FunctionTransformer,
        StandardScaler,
    )  # seconds to import: not for the second stage

    return StandardScaler() if scale == "standard" else FunctionTransformer()


# IV.A Unimodal, and early fusion (IV.B), which is the same network over concatenated features


class Lstm(nn.Module):
    """LSTM + CW: three stacked LSTM layers, one dense layer, prediction (Figures 2 and 3)."""

    def __init__(
        self,
        dims: Mapping[str, int],
        n_classes: int,
        layers: int,
        units: int,
        dense: int,
        dropout: float,
    ):
        """`layers` of `units` over all features of `dims`, concatenated in that order; then `dense` activations and a logit."""
        super().__init__()
        self.inputs = tuple(dims)
        self.lstm = LstmBank(n_classes, sum(dims.values()), units, layers, dropout)
        self.dropout = nn.Dropout(dropout)
        self.dense = LinearBank(n_classes, units, dense)
        self.output = LinearBank(n_classes, dense, 1)

    def hidden(self, batch: Batch) -> Tensor:
        """For each emotion the activations of the dense layer, and the logit: (B, n_classes, dense + 1).

        Raises:
            ValueError: the modalities of an example have different numbers of words.
        """
        _aligned(batch, self.inputs)
        words = torch.cat(
            [batch.inputs[name] for name in self.inputs], dim=2
        )  # (B, T, 35 + 74 + 300 = 409)
        states = self.lstm(words, batch.masks[self.inputs[0]])  # (n_classes, B, units)
        activations = self.dense(self.dropout(states)).relu()  # (n_classes, B, 32)
        return torch.cat([activations, self.output(activations)], dim=2).transpose(0, 1)

    def forward(self, batch: Batch) -> Tensor:
        """Logits (B, n_classes) of inputs (B, T, dim), one row per word."""
        return self.hidden(batch)[..., -1]


def _aligned(batch: Batch, names: Sequence[str]) -> None:
    """Refuse modalities that are not aligned to the same words."""
    counts = torch.stack([batch.masks[name].sum(dim=1) for name in names])  # (modalities, B)
    if (unequal := (counts != counts[0]).any(dim=0)).any():
        row = int(unequal.nonzero()[0])
        found = ", ".join(
            f"{count} of {name}" for name, count in zip(names, counts[:, row].tolist(), strict=True)
        )
        raise ValueError(
            f"early fusion takes one row per word of every modality, but example {int(batch.index[row])} has {found}"
        )


# IV.B Fusion of pre-trained unimodal networks


class LateFusion(nn.Module):
    """late_fusion (Figure 4)."""

    def __init__(self, dims: Mapping[str, int], n_classes: int, dense: int):
        """Two dense layers, of `dense` and 1, over the activations of all members."""
        super().__init__()
        self.members = tuple(dims)
        self.dense = LinearBank(n_classes, sum(dim - 1 for dim in dims.values()), dense)
        self.output = LinearBank(n_classes, dense, 1)

    def forward(self, batch: Batch) -> Tensor:
        """Logits (B, n_classes) of members (B, n_classes, 32 + 1)."""
        activations = torch.cat(
            [batch.inputs[name][..., :-1] for name in self.members], dim=2
        )  # (B, n_classes, 3 * 32 = 96)
        return _logits(self.output, self.dense(activations.transpose(0, 1)).relu())


class DeepFusion(nn.Module):
    """deep_fusion (Figure 5)."""

    def __init__(self, dims: Mapping[str, int], n_classes: int):
        """A dense layer over A, V, L, 1-A, 1-V, 1-L."""
        super().__init__()
        self.members = tuple(dims)
        self.output = LinearBank(n_classes, 2 * len(self.members), 1)

    def forward(self, batch: Batch) -> Tensor:
        """Logits (B, n_classes) of members (B, n_classes, 32 + 1)."""
        logits = torch.stack(
            [batch.inputs[name][..., -1] for name in self.members], dim=2
        )  # (B, n_classes, 3)
        return _logits(self.output, confidences(logits).transpose(0, 1))


def confidences(logits: Tensor) -> Tensor:
    """Confidence of each member, then the complement of each: (..., M) -> (..., 2 * M)."""
    return torch.cat([logits.sigmoid(), (-logits).sigmoid()], dim=-1)


class TensorFusion(nn.Module):
    """tensor_fusion (Figure 6)."""

    def __init__(self, dims: Mapping[str, int], n_classes: int):
        """A dense layer over the flattened outer product of the members' activations: 33^3 for three of 32."""
        super().__init__()
        self.members = tuple(dims)
        self.output = LinearBank(
            n_classes, math.prod(dims.values()), 1
        )  # [z; 1] is as long as z and the logit

    def forward(self, batch: Batch) -> Tensor:
        """Logits (B, n_classes) of members (B, n_classes, 32 + 1)."""
        z_m = tensor_product(
            [batch.inputs[name][..., :-1] for name in self.members]
        )  # (B, n_classes, 33 * 33 * 33)
        return _logits(self.output, z_m.transpose(0, 1))


def tensor_product(vectors: Sequence[Tensor]) -> Tensor:
    """z_m = [z_l; 1] x [z_v; 1] x [z_a; 1], flattened, the last varying fastest: (..., H) each -> (..., product of all H + 1)."""
    first, *others = (pad(vector, (0, 1), value=1.0) for vector in vectors)
    for other in others:
        first = (first[..., :, None] * other[..., None, :]).flatten(-2)
    return first


def _logits(output: LinearBank, values: Tensor) -> Tensor:
    """(n_classes, B, dim) -> (B, n_classes)."""
    return output(values).squeeze(2).T


_UNIMODAL = ("acoustic", "visual", "language")


def _systems(suffix: str) -> dict[str, System]:
    """The seven systems; those of the second stage stand on the unimodal ones of the same suffix."""
    acoustic, visual, language = members = [name + suffix for name in _UNIMODAL]
    scaled = {"acoustic": scaling, "visual": scaling}
    return {
        acoustic: System(
            ("acoustic",), Lstm, {"acoustic": scaling}, bank=True, exports_hidden=True
        ),
        visual: System(("visual",), Lstm, {"visual": scaling}, bank=True, exports_hidden=True),
        language: System(("language",), Lstm, bank=True, exports_hidden=True),
        f"early_fusion{suffix}": System(
            ("visual", "acoustic", "language"), Lstm, scaled, bank=True, aligned=True
        ),
        f"late_fusion{suffix}": System((), LateFusion, bank=True, members=tuple(members)),
        f"deep_fusion{suffix}": System((), DeepFusion, bank=True, members=tuple(members)),
        f"tensor_fusion{suffix}": System(
            (), TensorFusion, bank=True, members=(language, visual, acoustic)
        ),
    }


SYSTEMS = _systems("") | _systems("_unweighted")
