"""LSTMs with class weights on CMU-MOSEI: three modalities, four fusions, a binary task per emotion.

Systems, in the order of Tables II and III: ``acoustic``, ``visual``, ``language``;
``early_fusion``, ``late_fusion``, ``deep_fusion``, ``tensor_fusion``. Each has a twin
``*_unweighted``, trained without class weights, which the paper never prints. Ours are
``deep_fusion_one_layer``, another reading of deep fusion, and ``linear_*``, linear classifiers of
the same features, pooled over words, with class weights. The networks of the six emotions are banks
(merflow.nn.bank): separate networks, computed together. The training loop applies the class
weights.

Deviations from the paper: reported/class_weight_lstm.deviations.yaml.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from merflow.nn.bank import LinearBank, LstmBank
from merflow.systems import AnySystem, Batch, Linear, System, Transformer


def scaling(scale: str) -> Transformer:
    """Scaling of acoustic or visual features before the network.

    Args:
        scale: standard, mean 0 and variance 1 over the words of the train split, or none.
    """
    # seconds to import: not for the second stage
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

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
        """Build the bank.

        Args:
            dims: width of each modality; modalities are concatenated in this order.
            n_classes: number of emotions.
            layers, units: number and width of the LSTM layers.
            dense: number of activations of the dense layer.
            dropout: after each LSTM layer.
        """
        super().__init__()
        self.inputs = tuple(dims)
        self.lstm = LstmBank(n_classes, sum(dims.values()), units, layers, dropout)
        self.dropout = nn.Dropout(dropout)
        self.dense = LinearBank(n_classes, units, dense)
        self.output = LinearBank(n_classes, dense, 1)

    def hidden(self, batch: Batch) -> Tensor:
        """Dense activations and the logit of each emotion: (B, K, dense + 1).

        Raises:
            ValueError: the modalities of an example have different numbers of words.
        """
        _refuse_unaligned(batch, self.inputs)
        inputs = [batch.inputs[name] for name in self.inputs]
        words = torch.cat(inputs, dim=2)  # (B, T, 35 + 74 + 300 = 409)
        states = self.lstm(words, batch.masks[self.inputs[0]])  # (K, B, units)
        activations = self.dense(self.dropout(states)).relu()  # (K, B, 32)
        return torch.cat([activations, self.output(activations)], dim=2).transpose(0, 1)

    def forward(self, batch: Batch) -> Tensor:
        """Logits (B, K) of inputs (B, T, dim), a row per word."""
        return self.hidden(batch)[..., -1]


def _refuse_unaligned(batch: Batch, names: Sequence[str]) -> None:
    """Refuse modalities that are not aligned to the same words."""
    counts = torch.stack([batch.masks[name].sum(dim=1) for name in names])  # (modalities, B)
    if not (unequal := (counts != counts[0]).any(dim=0)).any():
        return
    row = int(unequal.nonzero()[0])
    of_row = zip(names, counts[:, row].tolist(), strict=True)
    raise ValueError(
        f"early fusion takes one row per word of every modality, but example"
        f" {int(batch.index[row])} has {', '.join(f'{count} of {name}' for name, count in of_row)}"
    )


# IV.B Fusion of pre-trained unimodal networks


class LateFusion(nn.Module):
    """late_fusion: two dense layers over the activations of all members (Figure 4)."""

    def __init__(self, dims: Mapping[str, int], n_classes: int, dense: int):
        """Build the bank.

        Args:
            dims: length of each member's activations and logit, 32 + 1.
            n_classes: number of emotions.
            dense: number of activations of the first layer; the second gives the logit.
        """
        super().__init__()
        self.members = tuple(dims)
        self.dense = LinearBank(n_classes, sum(dim - 1 for dim in dims.values()), dense)
        self.output = LinearBank(n_classes, dense, 1)

    def forward(self, batch: Batch) -> Tensor:
        """Logits (B, K) of members (B, K, 32 + 1)."""
        of_members = [batch.inputs[name][..., :-1] for name in self.members]
        activations = torch.cat(of_members, dim=2)  # (B, K, 3 * 32 = 96)
        return _logits(self.output, self.dense(activations.transpose(0, 1)).relu())


class DeepFusion(nn.Module):
    """deep_fusion: two layers over A, V, L, 1-A, 1-V, 1-L (Figure 5)."""

    def __init__(self, dims: Mapping[str, int], n_classes: int, dense: int):
        """Build the bank.

        Args:
            dims: length of each member's activations and logit, 32 + 1.
            n_classes: number of emotions.
            dense: number of activations of the dense layer; the second layer gives the logit.
        """
        super().__init__()
        self.members = tuple(dims)
        self.dense = LinearBank(n_classes, 2 * len(self.members), dense)
        self.output = LinearBank(n_classes, dense, 1)

    def forward(self, batch: Batch) -> Tensor:
        """Logits (B, K) of members (B, K, 32 + 1)."""
        values = _confidences_of(batch, self.members)
        return _logits(self.output, self.dense(values).relu())


class DeepFusionOneLayer(nn.Module):
    """deep_fusion_one_layer: the dense layer is itself the classifier."""

    def __init__(self, dims: Mapping[str, int], n_classes: int):
        """Build the bank.

        Args:
            dims: length of each member's activations and logit, 32 + 1.
            n_classes: number of emotions.
        """
        super().__init__()
        self.members = tuple(dims)
        self.output = LinearBank(n_classes, 2 * len(self.members), 1)

    def forward(self, batch: Batch) -> Tensor:
        """Logits (B, K) of members (B, K, 32 + 1)."""
        return _logits(self.output, _confidences_of(batch, self.members))


def _confidences_of(batch: Batch, members: Sequence[str]) -> Tensor:
    """Confidences of the members and their complements: (K, B, 2 * M)."""
    logits = torch.stack([batch.inputs[name][..., -1] for name in members], dim=2)  # (B, K, M)
    return confidences(logits).transpose(0, 1)


def confidences(logits: Tensor) -> Tensor:
    """Confidence of each member, then the complement of each: (..., M) -> (..., 2 * M)."""
    return torch.cat([logits.sigmoid(), (-logits).sigmoid()], dim=-1)


class TensorFusion(nn.Module):
    """tensor_fusion: a dense layer over the outer product of the activations (Figure 6)."""

    def __init__(self, dims: Mapping[str, int], n_classes: int):
        """Build the bank; the flattened product of three members has 33^3 values.

        Args:
            dims: length of each member's activations and logit, 32 + 1.
            n_classes: number of emotions.
        """
        super().__init__()
        self.members = tuple(dims)
        length = math.prod(dims.values())  # [z; 1] is as long as z and the logit
        self.output = LinearBank(n_classes, length, 1)

    def forward(self, batch: Batch) -> Tensor:
        """Logits (B, K) of members (B, K, 32 + 1)."""
        activations = [batch.inputs[name][..., :-1] for name in self.members]
        z_m = tensor_product(activations)  # (B, K, 33 * 33 * 33)
        return _logits(self.output, z_m.transpose(0, 1))


def tensor_product(vectors: Sequence[Tensor]) -> Tensor:
    """Compute z_m = [z_l; 1] x [z_v; 1] x [z_a; 1], flattened, the last varying fastest.

    Args:
        vectors: (..., H) each.

    Returns:
        (..., product of all H + 1).
    """
    z_m, *factors = (pad(vector, (0, 1), value=1.0) for vector in vectors)
    for factor in factors:
        z_m = (z_m[..., :, None] * factor[..., None, :]).flatten(-2)
    return z_m


def _logits(output: LinearBank, values: Tensor) -> Tensor:
    """(K, B, dim) -> (B, K)."""
    return output(values).squeeze(2).T


_UNIMODAL = ("acoustic", "visual", "language")


def _systems(suffix: str) -> dict[str, AnySystem]:
    """Seven systems; the members of the second stage have the same suffix."""
    acoustic, visual, language = members = tuple(name + suffix for name in _UNIMODAL)
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
        f"late_fusion{suffix}": System((), LateFusion, bank=True, members=members),
        f"deep_fusion{suffix}": System((), DeepFusion, bank=True, members=members),
        f"tensor_fusion{suffix}": System(
            (), TensorFusion, bank=True, members=(language, visual, acoustic)
        ),
    }


_LINEAR = {
    "linear_acoustic": Linear(("acoustic",)),
    "linear_visual": Linear(("visual",)),
    "linear_language": Linear(("language",)),
    "linear_early": Linear(("visual", "acoustic", "language")),
}
SYSTEMS: dict[str, AnySystem] = {
    **_systems(""),
    "deep_fusion_one_layer": System((), DeepFusionOneLayer, bank=True, members=_UNIMODAL),
    **_systems("_unweighted"),
    **_LINEAR,
}
