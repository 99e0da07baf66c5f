"""DeepMSI-MER on IEMOCAP and MELD: visual sequence compression and contrastive fusion.

Systems, in the order of Table 3: ``text``, ``audio``, ``text_video``, ``audio_video``,
``text_audio_video`` (DeepMSI-MER itself), and ``video``, which the paper mentions and never prints.
``audio_frozen`` and ``text_audio_video_frozen`` take the vectors of a wav2vec2 that is not
fine-tuned. Ours are variants of text_audio_video. Each changes one thing, but for the last two:

- ``without_vsc`` keeps every token.
- ``without_merge`` drops irrelevant tokens.
- ``random_guide`` does not learn G_cls.
- ``without_contrastive`` learns by cross-entropy alone.
- ``frames_5`` and ``frames_30`` have fewer and more frames.
- ``top_k`` keeps a fixed share of the tokens of each frame, and merges none: without_merge, but
  for the choice of tokens.
- ``authors_video`` has the video network of the authors' code (merflow.nn.shedding). It merges
  nothing either, and its guide is not learned.

``linear_text`` and ``linear_audio`` are ours too: linear classifiers of frozen BERT and wav2vec2.

Deviations from the paper: reported/deepmsi_mer.deviations.yaml.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from merflow.nn.audio import AudioEncoder
from merflow.nn.compression import Standardised
from merflow.nn.contrastive import contrastive_loss
from merflow.nn.text import text_encoder, text_vectors
from merflow.nn.video import Video, compressed_swin, shedding_swin
from merflow.systems import AnySystem, Batch, Linear, System, TrainingOutput

FRAMES = "frames_15"

# 3.1 Modality-specific feature extraction


class Text(nn.Module):
    """text: BERT fine-tuned on transcripts; its vectors t_cls are inputs of other systems."""

    def __init__(
        self,
        dims: Mapping[str, int],
        n_classes: int,
        *,
        checkpoint: Path,
        pooling: str,
        dropout: float,
    ):
        """Load the encoder.

        Args:
            dims: empty.
            n_classes: number of classes.
            checkpoint: folder of the encoder.
            pooling: cls, the first state of the encoder, or mean, of all states.
            dropout: before the linear layer.
        """
        super().__init__()
        self.encoder, self.pooling = text_encoder(checkpoint), pooling
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(self.encoder.config.hidden_size, n_classes)

    def hidden(self, batch: Batch) -> Tensor:
        """Vectors t_cls (B, 1, H) of input ``tokens`` (B, T, 2)."""
        tokens, mask = batch.inputs["tokens"], batch.masks["tokens"]
        return text_vectors(self.encoder, tokens, mask, self.pooling)[:, None]

    def forward(self, batch: Batch) -> Tensor:
        """Logits (B, K)."""
        return self.classifier(self.dropout(self.hidden(batch)[:, 0]))


class Audio(nn.Module):
    """audio: wav2vec2 fine-tuned on clips; its vectors a_cls are inputs of other systems."""

    def __init__(
        self, dims: Mapping[str, int], n_classes: int, *, checkpoint: Path, dropout: float
    ):
        """Load the encoder.

        Args:
            dims: empty.
            n_classes: number of classes.
            checkpoint: folder of the encoder.
            dropout: before the linear layer.
        """
        super().__init__()
        self.encoder = AudioEncoder(checkpoint)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(self.encoder.dim, n_classes)

    def hidden(self, batch: Batch) -> Tensor:
        """Vectors a_cls (B, 1, H) of input ``waveform`` (B, T)."""
        waveforms, mask = batch.inputs["waveform"], batch.masks["waveform"]
        vectors: Tensor = self.encoder(waveforms, mask)
        return vectors[:, None]

    def forward(self, batch: Batch) -> Tensor:
        """Logits (B, K)."""
        return self.classifier(self.dropout(self.hidden(batch)[:, 0]))


class FrozenAudio(nn.Module):
    """audio_frozen: a classifier of the vector of a wav2vec2 that is not fine-tuned."""

    def __init__(
        self, dims: Mapping[str, int], n_classes: int, hidden: Sequence[int], dropout: float
    ):
        """Build a classifier with layers of `hidden` activations."""
        super().__init__()
        self.classifier = _classifier(dims["audio"], hidden, n_classes, dropout)

    def forward(self, batch: Batch) -> Tensor:
        """Logits (B, K) of input ``audio`` (B, 1, dim)."""
        return self.classifier(batch.inputs["audio"][:, 0])


# 3.2 Late feature fusion


class DeepMsi(nn.Module):
    """Every system with video; text and audio guide the compression and join the fusion."""

    def __init__(
        self,
        dims: Mapping[str, int],
        n_classes: int,
        *,
        make_video: Callable[..., Video] = compressed_swin,
        projection: int,
        hidden: Sequence[int],
        dropout: float,
        alpha_ce: float,
        beta_cl: float,
        contrast_tau: float,
        **video: Any,
    ):
        """Build the network.

        Args:
            dims: length of the sentence vectors ``text`` and ``audio``, where the system has them,
                and side of its frames.
            n_classes: number of classes.
            make_video: builds the video network.
            projection: width to which each modality is mapped.
            hidden: widths of the layers over all modalities.
            dropout: of these layers and of the temporal convolution.
            alpha_ce, beta_cl: weights of cross-entropy and contrastive loss (equation 7).
            contrast_tau: temperature of the contrastive loss.
            video: other parameters of `make_video`.

        Raises:
            CheckpointError: the checkpoint of `video` is not a Swin Transformer, or lacks weights.
            ValueError: the parameters `video` do not fit together.
        """
        super().__init__()
        self.sentences = tuple(name for name in ("text", "audio") if name in dims)
        self.alpha_ce, self.beta_cl, self.contrast_tau = alpha_ce, beta_cl, contrast_tau
        self.frames = next(name for name in dims if name.startswith("frames_"))
        meaning_dim = sum(dims[name] for name in self.sentences)
        self.standardised = Standardised(meaning_dim) if meaning_dim else None
        self.video = make_video(dims[self.frames], meaning_dim, dropout=dropout, **video)
        lengths = {name: dims[name] for name in self.sentences} | {"video": self.video.temporal.dim}
        self.projections = nn.ModuleDict(
            {name: nn.Linear(length, projection) for name, length in lengths.items()}
        )
        self.classifier = _classifier(projection * len(lengths), hidden, n_classes, dropout)

    def forward(self, batch: Batch) -> Tensor | TrainingOutput:
        """Logits (B, K), in training with the loss terms of equation 7.

        Inputs are frames (B, T, H, W, 3), ``text`` and ``audio`` (B, 1, dim).
        """
        sentences = {name: batch.inputs[name][:, 0] for name in self.sentences}
        video = self.video(batch.inputs[self.frames], self._meaning(sentences))
        vectors = sentences | {"video": video}
        mapped = {name: projection(vectors[name]) for name, projection in self.projections.items()}
        logits = self.classifier(torch.cat(list(mapped.values()), dim=1))
        if not self.training:
            return logits
        contrasts = [
            contrastive_loss(mapped["video"], mapped[name], batch.labels, self.contrast_tau)
            for name in self.sentences
        ]
        contrast = torch.stack(contrasts).mean() if contrasts else logits.new_zeros(())
        return TrainingOutput(logits, self.alpha_ce, self.beta_cl * contrast)

    def tokens(self, batch: Batch) -> Tensor:
        """Number of tokens that enter each stage of Swin after the first (B, stages - 1).

        It is a mean over the frames.
        """
        sentences = {name: batch.inputs[name][:, 0] for name in self.sentences}
        _, n_tokens = self.video.of_frames(batch.inputs[self.frames], self._meaning(sentences))
        return n_tokens.float().mean(dim=1)

    def _meaning(self, sentences: Mapping[str, Tensor]) -> Tensor | None:
        """Vector that G_cls is made from (B, meaning_dim)."""
        if self.standardised is None:
            return None
        return self.standardised(torch.cat(list(sentences.values()), dim=1))


def _classifier(dim: int, hidden: Sequence[int], n_classes: int, dropout: float) -> nn.Sequential:
    layers: list[nn.Module] = []
    for out in hidden:
        layers += [nn.Linear(dim, out), nn.LayerNorm(out), nn.ReLU(), nn.Dropout(dropout)]
        dim = out
    return nn.Sequential(*layers, nn.Linear(dim, n_classes))


_ALL = System((FRAMES,), DeepMsi, pretrained=True, members=("text", "audio"), counts_tokens=True)
_AUTHORS = partial(DeepMsi, make_video=shedding_swin)

SYSTEMS: dict[str, AnySystem] = {
    "text": System(("tokens",), Text, pretrained=True, exports_hidden=True),
    "audio": System(("waveform",), Audio, pretrained=True, exports_hidden=True),
    "video": System((FRAMES,), DeepMsi, pretrained=True, counts_tokens=True),
    "text_video": System(
        (FRAMES,), DeepMsi, pretrained=True, members=("text",), counts_tokens=True
    ),
    "audio_video": System(
        (FRAMES,), DeepMsi, pretrained=True, members=("audio",), counts_tokens=True
    ),
    "text_audio_video": _ALL,
    "audio_frozen": System(("audio",), FrozenAudio),
    "text_audio_video_frozen": System(
        (FRAMES, "audio"), DeepMsi, pretrained=True, members=("text",), counts_tokens=True
    ),
    "without_vsc": _ALL,
    "without_merge": _ALL,
    "random_guide": _ALL,
    "top_k": _ALL,
    "without_contrastive": _ALL,
    "frames_5": _ALL,
    "frames_30": replace(_ALL, inputs=("frames_dense",)),
    "authors_video": replace(_ALL, build=_AUTHORS),
    "linear_text": Linear(("bert_mean",)),
    "linear_audio": Linear(("audio",)),
}
