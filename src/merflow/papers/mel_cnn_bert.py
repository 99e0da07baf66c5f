"""Emotions from speech and text, by a CNN over Mel spectrograms, BERT with a GRU over the dialogue, and an attention between the two.

Systems: ``speech`` and ``text``, the two modules by themselves; ``fusion``, the paper's one, by attention; ``concatenation``, the same with
F_s and F_t side by side in place of equations 1-3, the ablation that the paper lacks. Sizes are parameters: maps (channels of each
parallel convolution), channels (of the four further ones), text_dim, gru (hidden states), n (of the fusion), dense.

Differences from the paper:

- Which axis of a kernel is time is not said: (bands, frames), as librosa lays a spectrogram out. Convolutions are padded to keep the size.
- How sounds of different lengths become one vector is not said: the mean over frames of the last feature maps, (channels, bands), goes
  into the dense layer. Bands are normalised first, each over the frames of a batch; batch normalisation leaves padding out, and
  pooling keeps an odd last row, so that no sound is too short and padding changes nothing. Spectrograms longer than
  ``max_frames`` are cut: memory grows with it (docs/performance.md).
- BERT is frozen: its token states, averaged, are a feature (``bert_mean``). Which vector of a sentence the paper takes, and whether BERT
  is trained on, is not said.
- The GRU walks over the utterances of a dialogue that are in the same part of the split, in the order of turns; where a segment has a row
  per label, each row is a step.
- The text module ends with as many values as there are emotions, and these are "channeled into the fusion module": so F_t is made
  from them. The speech module ends with a dense layer of a size that is not given (``dense``, with ReLU); alone, a layer with a
  logit per emotion follows. The dense layer after the fusion has the same size and a ReLU.
- Dropout is said of the text module only: here it acts on each module's features and before the last layer.
- "Decayed at a rate of 0.0001" is read as Keras' ``decay``: learning rate / (1 + decay x steps). L2 is a penalty on weights, not on biases.
- Batches are whole dialogues of about ``batch_size`` utterances; the speech module alone has batches of utterances.
- With several emotions at once (CMU-MOSEI under ``clean``) the softmax is a sigmoid per emotion. The paper has one label per instance.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from merflow.systems import Batch, System

# 3.1 Speech module


class FrameNorm(nn.Module):
    """Batch normalisation of each channel over what is no padding."""

    def __init__(self, channels: int):
        """Of `channels`."""
        super().__init__()
        self.norm = nn.BatchNorm1d(channels)

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        """(B, C, T, bands) and where there is content (B, T) -> the same shape, zero in padding."""
        frames = values.permute(0, 2, 3, 1)  # (B, T, bands, C)
        content = frames[mask]  # (frames of all, bands, C)
        normed = torch.zeros_like(frames)
        normed[mask] = self.norm(content.flatten(0, 1)).view_as(content)
        return normed.permute(0, 3, 1, 2)


class Convolution(nn.Module):
    """Convolution, batch normalisation, ReLU; the size stays."""

    def __init__(self, channels: int, out: int, kernel: tuple[int, int]):
        """From `channels` to `out`, with a kernel of (bands, frames)."""
        super().__init__()
        bands, frames = kernel
        self.pad = nn.ZeroPad2d(((bands - 1) // 2, bands // 2, (frames - 1) // 2, frames // 2))
        self.convolution = nn.Conv2d(channels, out, (frames, bands), bias=False)  # the norm has one
        self.norm = FrameNorm(out)

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        """(B, channels, T, bands), zero in padding -> (B, out, T, bands), zero in padding."""
        return self.norm(self.convolution(self.pad(values)), mask).relu()


class SpeechModule(nn.Module):
    """Two parallel convolutions, four further ones, a dense layer (Figure 2)."""

    def __init__(self, bands: int, maps: int, channels: Sequence[int], dense: int, dropout: float):
        """`maps` channels of each parallel convolution, `channels` of the four further ones, `dense` features."""
        super().__init__()
        self.bands = FrameNorm(bands)
        self.parallel = nn.ModuleList(Convolution(1, maps, kernel) for kernel in ((10, 2), (2, 8)))
        sizes = (2 * maps, *channels)
        self.further = nn.ModuleList(
            Convolution(size, out, (3, 3)) for size, out in zip(sizes[:-1], channels, strict=True)
        )
        left = -(-bands // 4)  # bands after two poolings
        self.dense = nn.Sequential(
            nn.Linear(channels[-1] * left, dense), nn.ReLU(), nn.Dropout(dropout)
        )
        # as FrameNorm lays values out: convolutions take less than half the time
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def feature_maps(self, frames: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Spectrograms (B, T, bands) -> feature maps (B, 80, T / 4, bands / 4), zero in padding, and where there is content (B, T / 4)."""
        values = self.bands(frames.transpose(1, 2)[..., None], mask).permute(
            0, 3, 2, 1
        )  # (B, 1, T, bands)
        values = torch.cat(
            [convolution(values, mask) for convolution in self.parallel], dim=1
        )  # (B, 8 + 8, T, bands)
        for number, convolution in enumerate(self.further):  # channels 16 -> 32 -> 48 -> 64 -> 80
            values = convolution(values, mask)
            if number < 2:
                values = max_pool2d(
                    values, 2, ceil_mode=True
                )  # after a ReLU, padding of 0 never wins over content
                mask = mask[:, ::2]
        return values, mask

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        """Spectrograms (B, T, bands) and where there is content (B, T) -> features (B, dense)."""
        values, mask = self.feature_maps(frames, mask)
        mean = values.sum(dim=2) / mask.sum(dim=1)[:, None, None]  # (B, 80, bands / 4)
        return self.dense(mean.flatten(start_dim=1))


# 3.2 Text module


class DialogueGru(nn.Module):
    """A bidirectional GRU over the utterances of each dialogue."""

    def __init__(self, dim: int, hidden: int):
        """Of `hidden` states in each direction."""
        super().__init__()
        self.gru = nn.GRU(dim, hidden, batch_first=True, bidirectional=True)

    def forward(self, utterances: Tensor, dialogues: Tensor) -> Tensor:
        """Utterances (B, dim) and the rows of each dialogue in the order of turns (D, U), then -1 -> (B, 2 * hidden)."""
        inside = dialogues >= 0
        turns = utterances[dialogues.clamp(min=0)]  # (D, U, dim)
        packed = pack_padded_sequence(
            turns, inside.sum(dim=1).cpu(), batch_first=True, enforce_sorted=False
        )
        states, _ = pad_packed_sequence(
            self.gru(packed)[0], batch_first=True, total_length=dialogues.shape[1]
        )  # (D, U, 2 * hidden)
        return states[inside][torch.argsort(dialogues[inside])]


class TextModule(nn.Module):
    """BERT's vector of an utterance, a dense layer, a GRU over the dialogue, a dense layer (Figure 3)."""

    def __init__(self, dim: int, n_classes: int, text_dim: int, gru: int, dropout: float):
        """`text_dim` features of an utterance; `gru` hidden states."""
        super().__init__()
        self.utterance = nn.Linear(dim, text_dim)
        self.dropout = nn.Dropout(dropout)
        self.dialogue = DialogueGru(text_dim, gru)
        self.emotions = nn.Linear(2 * gru, n_classes)

    def forward(self, batch: Batch) -> Tensor:
        """A value per emotion (B, n_classes) of input ``text`` (B, T, dim): BERT's one vector, or its tokens, which are averaged."""
        mask = batch.masks["text"][..., None]
        utterances = (batch.inputs["text"] * mask).sum(dim=1) / mask.sum(
            dim=1
        )  # (B, dim); padding is zero
        features = self.dropout(self.utterance(utterances))  # (B, 100)
        assert batch.dialogues is not None  # these systems are batched by dialogue
        return self.emotions(self.dropout(self.dialogue(features, batch.dialogues)))


# 3.3 Fusion module and classification


class AttentionFusion(nn.Module):
    """M_f, the sum of the modalities, each with a weight of its own for every utterance (equations 1-3)."""

    def __init__(self, n: int):
        """P (n, n) and w (n), without biases."""
        super().__init__()
        self.P = nn.Linear(n, n, bias=False)
        self.w = nn.Linear(n, 1, bias=False)

    def forward(self, F: Tensor) -> tuple[Tensor, Tensor]:
        """F = [F_s, F_t] (B, n, 2) -> M_f (B, n), and the weights v (B, 2), which sum to 1."""
        L = torch.tanh(self.P.weight @ F)
        v = (self.w.weight @ L).squeeze(1).softmax(dim=1)  # (B, 2), equation 2
        return (F @ v[:, :, None]).squeeze(2), v  # equation 3


class Speech(nn.Module):
    """speech."""

    def __init__(
        self,
        dims: Mapping[str, int],
        n_classes: int,
        maps: int,
        channels: Sequence[int],
        dense: int,
        dropout: float,
    ):
        """The speech module and a logit per emotion; see SpeechModule."""
        super().__init__()
        self.module = SpeechModule(dims["speech"], maps, channels, dense, dropout)
        self.emotions = nn.Linear(dense, n_classes)

    def forward(self, batch: Batch) -> Tensor:
        """Logits (B, n_classes) of input ``speech`` (B, T, bands)."""
        return self.emotions(self.module(batch.inputs["speech"], batch.masks["speech"]))


class Text(nn.Module):
    """text."""

    def __init__(
        self, dims: Mapping[str, int], n_classes: int, text_dim: int, gru: int, dropout: float
    ):
        """The text module, whose values are logits; see TextModule."""
        super().__init__()
        self.module = TextModule(dims["text"], n_classes, text_dim, gru, dropout)

    def forward(self, batch: Batch) -> Tensor:
        """Logits (B, n_classes) of input ``text`` (B, T, dim)."""
        return self.module(batch)


class Bimodal(nn.Module):
    """What fusion and concatenation share: F_s and F_t, and the layers behind the fusion."""

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
        """Both modules, a layer of `n` for each; then `dense` features of `joined` x n values, and a logit per emotion."""
        super().__init__()
        self.speech = SpeechModule(dims["speech"], maps, channels, dense, dropout)
        self.text = TextModule(dims["text"], n_classes, text_dim, gru, dropout)
        self.to_speech = nn.Linear(dense, n)
        self.to_text = nn.Linear(n_classes, n)
        self.dense = nn.Sequential(nn.Linear(joined * n, dense), nn.ReLU(), nn.Dropout(dropout))
        self.emotions = nn.Linear(dense, n_classes)

    def modalities(self, batch: Batch) -> Tensor:
        """F = [F_s, F_t] (B, n, 2)."""
        speech = self.to_speech(self.speech(batch.inputs["speech"], batch.masks["speech"]))
        return torch.stack([speech, self.to_text(self.text(batch))], dim=2)


class Fusion(Bimodal):
    """fusion."""

    def __init__(self, dims: Mapping[str, int], n_classes: int, n: int, **sizes: Any):
        """Attention between F_s and F_t; see Bimodal."""
        super().__init__(dims, n_classes, n=n, **sizes)
        self.fusion = AttentionFusion(n)

    def attention(self, batch: Batch) -> Tensor:
        """How much speech and text weigh (B, 2)."""
        return self.fusion(self.modalities(batch))[1]

    def forward(self, batch: Batch) -> Tensor:
        """Logits (B, n_classes) of inputs ``speech`` (B, T, bands) and ``text`` (B, T, dim)."""
        return self.emotions(self.dense(self.fusion(self.modalities(batch))[0]))


class Concatenation(Bimodal):
    """concatenation."""

    def __init__(self, dims: Mapping[str, int], n_classes: int, **sizes: Any):
        """F_s and F_t side by side; see Bimodal."""
        super().__init__(dims, n_classes, joined=2, **sizes)

    def forward(self, batch: Batch) -> Tensor:
        """Logits (B, n_classes) of inputs ``speech`` (B, T, bands) and ``text`` (B, T, dim)."""
        return self.emotions(self.dense(self.modalities(batch).flatten(start_dim=1)))


SYSTEMS = {
    "speech": System(("speech",), Speech),
    "text": System(("text",), Text, by_dialogue=True),
    "fusion": System(("speech", "text"), Fusion, by_dialogue=True, attention=("speech", "text")),
    "concatenation": System(("speech", "text"), Concatenation, by_dialogue=True),
}
