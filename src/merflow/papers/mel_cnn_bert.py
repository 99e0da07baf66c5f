"""Emotions from Mel spectrograms (CNN) and text (BERT, GRU) with attention fusion.

Systems:

- ``speech`` and ``text``: the two modules alone.
- ``fusion``: the paper's system, by attention.
- ``concatenation``: F_s and F_t side by side in place of equations 1-3, an ablation that the paper
  lacks.
- ``fusion_n125``, ``fusion_n500``: fusion with another n, of which section 3.3 calls 250 the best.
- Ours: ``linear_*``, linear classifiers of the same features.

Sizes are parameters: maps (channels of each parallel convolution), channels (of the four further
convolutions), text_dim, gru (hidden states), n (of the fusion), dense.

Deviations from the paper: reported/mel_cnn_bert.deviations.yaml.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from merflow.systems import AnySystem, Batch, Linear, System

# 3.1 Speech module


class FrameNorm(nn.Module):
    """Batch normalisation of each channel that leaves padding out."""

    def __init__(self, channels: int):
        super().__init__()
        self.norm = nn.BatchNorm1d(channels)

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        """Normalise values (B, C, T, bands) under a mask (B, T); zero in padding."""
        frames = values.permute(0, 2, 3, 1)  # (B, T, bands, C)
        content = frames[mask]  # (frames of all, bands, C)
        normed = torch.zeros_like(frames)
        normed[mask] = self.norm(content.flatten(0, 1)).view_as(content)
        return normed.permute(0, 3, 1, 2)


class Convolution(nn.Module):
    """Convolution that keeps the size, batch normalisation, ReLU."""

    def __init__(self, channels: int, out: int, kernel: tuple[int, int]):
        """Build the layers.

        Args:
            channels, out: number of feature maps before and after.
            kernel: (bands, frames).
        """
        super().__init__()
        bands, frames = kernel
        self.pad = nn.ZeroPad2d(((bands - 1) // 2, bands // 2, (frames - 1) // 2, frames // 2))
        self.convolution = nn.Conv2d(channels, out, (frames, bands), bias=False)  # the norm has one
        self.norm = FrameNorm(out)

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        """Convolve values (B, channels, T, bands) to (B, out, T, bands), both zero in padding."""
        return self.norm(self.convolution(self.pad(values)), mask).relu()


class SpeechModule(nn.Module):
    """Two parallel convolutions, four further ones, a dense layer (Figure 2)."""

    def __init__(self, bands: int, maps: int, channels: Sequence[int], dense: int, dropout: float):
        """Build the module.

        Args:
            bands: of the spectrogram.
            maps: feature maps of each parallel convolution.
            channels: feature maps of the four further convolutions.
            dense: number of features.
            dropout: on the features.
        """
        super().__init__()
        self.bands = FrameNorm(bands)
        self.parallel = nn.ModuleList(Convolution(1, maps, kernel) for kernel in ((10, 2), (2, 8)))
        sizes = (2 * maps, *channels)
        self.further = nn.ModuleList(
            Convolution(size, out, (3, 3)) for size, out in zip(sizes[:-1], channels, strict=True)
        )
        left = -(-bands // 4)  # bands after two poolings
        linear = nn.Linear(channels[-1] * left, dense)
        self.dense = nn.Sequential(linear, nn.ReLU(), nn.Dropout(dropout))
        # the layout of values in FrameNorm: convolutions take less than half the time
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def feature_maps(self, frames: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Compute feature maps and their mask.

        Args:
            frames: spectrograms (B, T, bands).
            mask: (B, T).

        Returns:
            Feature maps (B, 80, T / 4, bands / 4), zero in padding, and their mask (B, T / 4).
        """
        values = self.bands(frames.transpose(1, 2)[..., None], mask)  # (B, bands, T, 1)
        values = values.permute(0, 3, 2, 1)  # (B, 1, T, bands)
        parallel = [convolution(values, mask) for convolution in self.parallel]
        values = torch.cat(parallel, dim=1)  # (B, 8 + 8, T, bands)
        for number, convolution in enumerate(self.further):  # channels 16 -> 32 -> 48 -> 64 -> 80
            values = convolution(values, mask)
            if number < 2:
                # after a ReLU, padding of 0 never wins over content
                values = max_pool2d(values, 2, ceil_mode=True)
                mask = mask[:, ::2]
        return values, mask

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        """Features (B, dense) of spectrograms (B, T, bands) under a mask (B, T)."""
        values, mask = self.feature_maps(frames, mask)
        mean = values.sum(dim=2) / mask.sum(dim=1)[:, None, None]  # (B, 80, bands / 4)
        return self.dense(mean.flatten(start_dim=1))


# 3.2 Text module


class DialogueGru(nn.Module):
    """Bidirectional GRU over the utterances of each dialogue, `hidden` states per direction."""

    def __init__(self, dim: int, hidden: int):
        super().__init__()
        self.gru = nn.GRU(dim, hidden, batch_first=True, bidirectional=True)

    def forward(self, utterances: Tensor, dialogues: Tensor) -> Tensor:
        """States (B, 2 * hidden) of every utterance.

        Args:
            utterances: (B, dim).
            dialogues: (D, U) rows of each dialogue in the order of turns, then -1.
        """
        inside = dialogues >= 0
        turns = utterances[dialogues.clamp(min=0)]  # (D, U, dim)
        lengths = inside.sum(dim=1).cpu()
        packed = pack_padded_sequence(turns, lengths, batch_first=True, enforce_sorted=False)
        packed_states, _ = self.gru(packed)
        states, _ = pad_packed_sequence(
            packed_states, batch_first=True, total_length=dialogues.shape[1]
        )  # (D, U, 2 * hidden)
        return states[inside][torch.argsort(dialogues[inside])]


class TextModule(nn.Module):
    """Dense layer over BERT's vector, GRU over the dialogue, dense layer (Figure 3)."""

    def __init__(self, dim: int, n_classes: int, text_dim: int, gru: int, dropout: float):
        """Build the module.

        Args:
            dim: length of BERT's vector.
            n_classes: number of emotions.
            text_dim: number of features of an utterance.
            gru: hidden states in each direction.
            dropout: on the features and before the last layer.
        """
        super().__init__()
        self.utterance = nn.Linear(dim, text_dim)
        self.dropout = nn.Dropout(dropout)
        self.dialogue = DialogueGru(text_dim, gru)
        self.emotions = nn.Linear(2 * gru, n_classes)

    def forward(self, batch: Batch) -> Tensor:
        """Value per emotion (B, K) of input ``text`` (B, T, dim).

        The input is one vector of BERT, or its tokens, which are averaged.
        """
        mask = batch.masks["text"][..., None]
        total = (batch.inputs["text"] * mask).sum(dim=1)  # padding is zero
        utterances = total / mask.sum(dim=1)  # (B, dim)
        features = self.dropout(self.utterance(utterances))  # (B, 100)
        assert batch.dialogues is not None  # these systems are batched by dialogue
        return self.emotions(self.dropout(self.dialogue(features, batch.dialogues)))


# 3.3 Fusion module and classification


class AttentionFusion(nn.Module):
    """Sum M_f of the modalities, weighted for every utterance (equations 1-3)."""

    def __init__(self, n: int):
        """Build P (n, n) and w (n), without biases."""
        super().__init__()
        self.P = nn.Linear(n, n, bias=False)
        self.w = nn.Linear(n, 1, bias=False)

    def forward(self, F: Tensor) -> tuple[Tensor, Tensor]:
        """Pool F = [F_s, F_t] (B, n, 2) into M_f with attention.

        Returns:
            M_f (B, n) and the weights v (B, 2), which sum to 1.
        """
        L = torch.tanh(self.P.weight @ F)  # equation 1
        v = (self.w.weight @ L).squeeze(1).softmax(dim=1)  # (B, 2), equation 2
        return (F @ v[:, :, None]).squeeze(2), v  # equation 3


class Speech(nn.Module):
    """speech: the speech module and a logit per emotion."""

    def __init__(
        self,
        dims: Mapping[str, int],
        n_classes: int,
        maps: int,
        channels: Sequence[int],
        dense: int,
        dropout: float,
    ):
        """Build a `SpeechModule`, which describes the arguments, and a linear layer."""
        super().__init__()
        self.module = SpeechModule(dims["speech"], maps, channels, dense, dropout)
        self.emotions = nn.Linear(dense, n_classes)

    def forward(self, batch: Batch) -> Tensor:
        """Logits (B, K) of input ``speech`` (B, T, bands)."""
        return self.emotions(self.module(batch.inputs["speech"], batch.masks["speech"]))


class Text(nn.Module):
    """text: the text module, whose values are logits."""

    def __init__(
        self, dims: Mapping[str, int], n_classes: int, text_dim: int, gru: int, dropout: float
    ):
        """Build a `TextModule`, which describes the arguments."""
        super().__init__()
        self.module = TextModule(dims["text"], n_classes, text_dim, gru, dropout)

    def forward(self, batch: Batch) -> Tensor:
        """Logits (B, K) of input ``text`` (B, T, dim)."""
        return self.module(batch)


class Bimodal(nn.Module):
    """Layers that fusion and concatenation share: up to F_s and F_t, and behind the fusion."""

    def __init__(
        self,
        dims: Mapping[str, int],
        n_classes: int,
        maps: int,
        channels: Sequence[int],
        dense: int,
        text_dim: int,
        gru: int,
        n: int,
        dropout: float,
        joined: int = 1,
    ):
        """Build both modules, a layer of `n` for each, and the layers behind the fusion.

        Args:
            dims: width of the inputs ``speech`` and ``text``.
            n_classes: number of emotions.
            maps, channels, dense: of `SpeechModule`; `dense` also of the layer behind the fusion.
            text_dim, gru: of `TextModule`.
            n: length of F_s and F_t.
            dropout: of both modules and before the last layer.
            joined: length of the fused vector, in units of `n`.
        """
        super().__init__()
        self.speech = SpeechModule(dims["speech"], maps, channels, dense, dropout)
        self.text = TextModule(dims["text"], n_classes, text_dim, gru, dropout)
        self.to_speech = nn.Linear(dense, n)
        self.to_text = nn.Linear(n_classes, n)
        self.dense = nn.Sequential(nn.Linear(joined * n, dense), nn.ReLU(), nn.Dropout(dropout))
        self.emotions = nn.Linear(dense, n_classes)

    def modalities(self, batch: Batch) -> Tensor:
        """Compute F = [F_s, F_t] (B, n, 2)."""
        speech = self.to_speech(self.speech(batch.inputs["speech"], batch.masks["speech"]))
        return torch.stack([speech, self.to_text(self.text(batch))], dim=2)


class Fusion(Bimodal):
    """fusion: attention between F_s and F_t."""

    def __init__(self, dims: Mapping[str, int], n_classes: int, n: int, **sizes: Any):
        """Build the network; `Bimodal` describes the arguments."""
        super().__init__(dims, n_classes, n=n, **sizes)
        self.fusion = AttentionFusion(n)

    def attention(self, batch: Batch) -> Tensor:
        """Weights of speech and text (B, 2)."""
        return self.fusion(self.modalities(batch))[1]

    def forward(self, batch: Batch) -> Tensor:
        """Logits (B, K) of inputs ``speech`` (B, T, bands) and ``text`` (B, T, dim)."""
        return self.emotions(self.dense(self.fusion(self.modalities(batch))[0]))


class Concatenation(Bimodal):
    """concatenation: F_s and F_t side by side."""

    def __init__(self, dims: Mapping[str, int], n_classes: int, **sizes: Any):
        """Build the network; `Bimodal` describes the arguments."""
        super().__init__(dims, n_classes, joined=2, **sizes)

    def forward(self, batch: Batch) -> Tensor:
        """Logits (B, K) of inputs ``speech`` (B, T, bands) and ``text`` (B, T, dim)."""
        return self.emotions(self.dense(self.modalities(batch).flatten(start_dim=1)))


ATTENTION = System(("speech", "text"), Fusion, by_dialogue=True, attention=("speech", "text"))

SYSTEMS: dict[str, AnySystem] = {
    "speech": System(("speech",), Speech),
    "text": System(("text",), Text, by_dialogue=True),
    "fusion": ATTENTION,
    "concatenation": System(("speech", "text"), Concatenation, by_dialogue=True),
    **dict.fromkeys(("fusion_n125", "fusion_n500"), ATTENTION),
    "linear_speech": Linear(("speech",)),
    "linear_text": Linear(("text",)),
    "linear_fusion": Linear(("speech", "text")),
}
