"""DeepMSI-MER: text, audio and video on IEMOCAP and MELD, with visual sequence compression and contrastive fusion.

Systems, in the order of Table 3: ``text``, ``audio``, ``text_video``, ``audio_video``, ``text_audio_video`` (DeepMSI-MER itself), and
``video``, which the paper speaks of and never prints. Ours, each text_audio_video but for one thing: ``without_vsc`` keeps every token,
``without_merge`` leaves irrelevant tokens out, ``top_k`` keeps a fixed share of the tokens without merging, as the authors' code does,
``without_contrastive`` learns by cross-entropy alone.

Differences from the paper:

- After a choice of tokens there is no grid, which Swin's windows and its patch merging need, and the paper does not say what happens. Here
  the tokens keep their order and fill the smallest grid of windows, and what stays empty is masked (merflow.nn.swin).
- Figures 3 and 4 do not say where the compression stands: here between all stages. ``compress_after`` names the stages that it follows.
- A choice has no gradient, so no loss can teach the map from text and audio to G_cls, of which the paper says nothing: here it is one
  linear layer that stays as it was drawn, over both vectors, layer-normalised. Each compression has its own, for its own width.
- Equation 2 compares sigma(S), read as a softmax over the tokens, with gamma; tau, gamma and alpha are not given, nor the widths of
  tokens. Here gamma is in units of 1/N, tau of sqrt(d), and similarities are of layer-normalised tokens (merflow.nn.compression).
- Equation 3 sums over all tokens that are merged into one, which would grow with their number: here their mean is merged. For one token
  it is the same.
- Equation 4 prints x(t - d) for every k; a convolution has x(t - d k).
- Equation 5 has x_i in place of the positive x_j: read as its text says, with the pairs of the batch that share a label, the diagonal
  left out. Rows are videos, columns texts or audios; the two losses are added. With fewer than two modalities there is none.
- BERT is fine-tuned as a classifier on the train part of each fold and seed, and hands over the vector of each text; its weights then
  stay. wav2vec2 is not fine-tuned: the mean of its states, frozen, is what every fold takes. So neither has seen a test utterance. The
  authors' code reads vectors that were computed once for all folds.
- Sizes of networks and settings of training are not in the paper: the parameters say which are the authors' code's. Its batch
  normalisation is layer normalisation here, so that no logit depends on a batch. Its Swin is trained from scratch, ours starts from
  the pre-trained one (``pretrained``), as "the Swin Transformer" is read; its five settings per corpus are one.
- As published, every part of the corpus is pooled, the ten folds are drawn by utterance, and the epoch is chosen on the fold that gives
  the scores (scheme ten_folds, select test). The scores of clean are what a new speaker, or dialogue, would get.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm

from merflow.nn.compression import Compression
from merflow.nn.contrastive import contrastive_loss
from merflow.nn.temporal import TemporalConvolution
from merflow.nn.text import text_encoder, text_vectors
from merflow.systems import Batch, System, TrainingOutput

FRAMES = "frames_15"

# 3.1 Modality-specific feature extraction


class Text(nn.Module):
    """text: BERT fine-tuned on transcripts, whose vectors t_cls the other systems take."""

    def __init__(
        self,
        dims: Mapping[str, int],
        n_classes: int,
        *,
        checkpoint: Path,
        pooling: str,
        dropout: float,
    ):
        """The encoder in `checkpoint`, its first state or the mean of all (`pooling`: cls, mean), dropout, one linear layer."""
        super().__init__()
        self.encoder, self.pooling = text_encoder(checkpoint), pooling
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(self.encoder.config.hidden_size, n_classes)

    def hidden(self, batch: Batch) -> Tensor:
        """t_cls, (B, 1, H), of input ``tokens`` (B, T, 2)."""
        return text_vectors(
            self.encoder, batch.inputs["tokens"], batch.masks["tokens"], self.pooling
        )[:, None]

    def forward(self, batch: Batch) -> Tensor:
        """Logits (B, n_classes)."""
        return self.classifier(self.dropout(self.hidden(batch)[:, 0]))


class Audio(nn.Module):
    """audio: a classifier of a_cls, the sentence vector of wav2vec2."""

    def __init__(
        self, dims: Mapping[str, int], n_classes: int, hidden: Sequence[int], dropout: float
    ):
        """Layers of `hidden` activations."""
        super().__init__()
        self.classifier = _classifier(dims["audio"], hidden, n_classes, dropout)

    def forward(self, batch: Batch) -> Tensor:
        """Logits (B, n_classes) of input ``audio`` (B, 1, dim)."""
        return self.classifier(batch.inputs["audio"][:, 0])


class Video(nn.Module):
    """Frames through Swin with compressions (section 3.1.2), then through a temporal convolution (section 3.1.3)."""

    def __init__(
        self,
        checkpoint: Path,
        pretrained: bool,
        meaning_dim: int,
        compress_after: Sequence[int],
        channels: Sequence[int],
        kernel: int,
        dropout: float,
        **compression: float,
    ):
        """Swin of `checkpoint`, a compression after each stage of `compress_after`, then blocks of `channels`."""
        from merflow.nn.swin import (
            CompressedSwin,
            Pixels,
            load_swin,
        )  # transformers' models take seconds to import: not for audio

        super().__init__()
        self.pixels = Pixels(checkpoint)
        swin = load_swin(checkpoint, pretrained)
        width = swin.config.embed_dim
        compressions = {
            stage: Compression(width * 2**stage, meaning_dim, **compression)  # type: ignore[arg-type]
            for stage in compress_after
        }
        self.swin = CompressedSwin(swin, compressions)
        self.temporal = TemporalConvolution(swin.config.hidden_size, channels, kernel, dropout)

    def frames(self, pictures: Tensor, meaning: Tensor | None) -> tuple[Tensor, Tensor]:
        """Vectors of frames (B, T, dim), and how many tokens go into each stage of Swin after the first (B, T, stages - 1).

        Of pictures (B, T, H, W, 3) and what G_cls is made from (B, meaning_dim).
        """
        size, steps = pictures.shape[:2]
        each = None if meaning is None else meaning.repeat_interleave(steps, dim=0)
        vectors, kept = self.swin(self.pixels(pictures.flatten(0, 1)), each)
        return vectors.unflatten(0, (size, steps)), kept.unflatten(0, (size, steps))

    def forward(self, pictures: Tensor, meaning: Tensor | None) -> Tensor:
        """The video feature (B, channels[-1]): the last of the 15 steps, which has seen all of them."""
        return self.temporal(self.frames(pictures, meaning)[0])[:, -1]


# 3.2 Late feature fusion


class DeepMsi(nn.Module):
    """Every system with video: whatever there is of text and audio guides the compression and is fused with it."""

    def __init__(
        self,
        dims: Mapping[str, int],
        n_classes: int,
        *,
        checkpoint: Path,
        projection: int,
        hidden: Sequence[int],
        dropout: float,
        alpha_ce: float,
        beta_cl: float,
        contrast_tau: float,
        **video: int,
    ):
        """Each modality is mapped to `projection` dimensions; layers of `hidden` activations over all of them; `video`: see Video.

        Raises:
            ValueError: Swin has no stage that a compression could follow so.
        """
        super().__init__()
        self.sentences = tuple(name for name in ("text", "audio") if name in dims)
        self.alpha_ce, self.beta_cl, self.contrast_tau = alpha_ce, beta_cl, contrast_tau
        self.video = Video(
            checkpoint,
            meaning_dim=sum(dims[name] for name in self.sentences),
            dropout=dropout,
            **video,  # type: ignore[arg-type]
        )
        lengths = {name: dims[name] for name in self.sentences} | {"video": self.video.temporal.dim}
        self.projections = nn.ModuleDict(
            {name: nn.Linear(length, projection) for name, length in lengths.items()}
        )
        self.classifier = _classifier(projection * len(lengths), hidden, n_classes, dropout)

    def forward(self, batch: Batch) -> Tensor | TrainingOutput:
        """Logits (B, n_classes) of inputs ``frames_15`` (B, T, H, W, 3), ``text`` and ``audio`` (B, 1, dim); learning, with equation 7."""
        sentences = {name: batch.inputs[name][:, 0] for name in self.sentences}
        vectors = sentences | {"video": self.video(batch.inputs[FRAMES], _meaning(sentences))}
        mapped = {name: projection(vectors[name]) for name, projection in self.projections.items()}
        logits = self.classifier(torch.cat(list(mapped.values()), dim=1))
        if not self.training:
            return logits
        contrasts = [
            contrastive_loss(mapped["video"], mapped[name], batch.labels, self.contrast_tau)
            for name in self.sentences
        ]
        return TrainingOutput(
            logits, self.alpha_ce, self.beta_cl * sum(contrasts, start=logits.new_zeros(()))
        )

    def tokens(self, batch: Batch) -> Tensor:
        """How many tokens of a frame go into each stage of Swin after the first, mean over the frames (B, stages - 1)."""
        sentences = {name: batch.inputs[name][:, 0] for name in self.sentences}
        return self.video.frames(batch.inputs[FRAMES], _meaning(sentences))[1].float().mean(dim=1)


def _meaning(sentences: Mapping[str, Tensor]) -> Tensor | None:
    """What G_cls is made from."""
    normed = [layer_norm(vector, vector.shape[1:]) for vector in sentences.values()]
    return torch.cat(normed, dim=1) if normed else None


def _classifier(dim: int, hidden: Sequence[int], n_classes: int, dropout: float) -> nn.Sequential:
    layers: list[nn.Module] = []
    for out in hidden:
        layers += [nn.Linear(dim, out), nn.LayerNorm(out), nn.ReLU(), nn.Dropout(dropout)]
        dim = out
    return nn.Sequential(*layers, nn.Linear(dim, n_classes))


_ALL = System((FRAMES, "audio"), DeepMsi, pretrained=True, members=("text",), counts_tokens=True)

SYSTEMS = {
    "text": System(("tokens",), Text, pretrained=True, exports_hidden=True),
    "audio": System(("audio",), Audio),
    "video": System((FRAMES,), DeepMsi, pretrained=True, counts_tokens=True),
    "text_video": System(
        (FRAMES,), DeepMsi, pretrained=True, members=("text",), counts_tokens=True
    ),
    "audio_video": System((FRAMES, "audio"), DeepMsi, pretrained=True, counts_tokens=True),
    "text_audio_video": _ALL,
    "without_vsc": _ALL,
    "without_merge": _ALL,
    "top_k": _ALL,
    "without_contrastive": _ALL,
}
