"""DeepMSI-MER on IEMOCAP and MELD: visual sequence compression and contrastive fusion.

Systems, in the order of Table 3: ``text``, ``audio``, ``text_video``, ``audio_video``,
``text_audio_video`` (DeepMSI-MER itself), and ``video``, which the paper mentions and never prints.
Ours are four ablations, each of which changes one thing of text_audio_video:

- ``without_vsc`` keeps every token.
- ``without_merge`` drops irrelevant tokens.
- ``top_k`` keeps a fixed share of the tokens without merging, as the authors' code does.
- ``without_contrastive`` learns by cross-entropy alone.

Differences from the paper:

- After a selection of tokens there is no grid, which Swin's windows and its patch merging need. The
  paper does not say what happens. Here the tokens keep their order and fill the smallest grid of
  windows. Empty places are masked (merflow.nn.swin).
- Figures 3 and 4 do not say where the compression takes place. Here it is between all stages.
  ``compress_after`` names the stages that it follows.
- A selection has no gradient, so no loss can train the map from text and audio to G_cls. The paper
  says nothing about this map. Here it is a linear layer over both vectors, layer-normalised, which
  keeps its random initial weights. Each compression has its own map, for its own width.
- Equation 2 compares sigma(S) with gamma. Here sigma is a softmax over the tokens. The paper gives
  neither tau, gamma and alpha nor the widths of tokens. Here gamma is in units of 1/N, tau in units
  of sqrt(d), and similarities are of layer-normalised tokens (merflow.nn.compression).
- Equation 3 sums over all tokens that are merged into one, and the sum would grow with their
  number. Here their mean is merged. For one token it is the same.
- Equation 4 prints x(t - d) for every k. A convolution has x(t - d k).
- Equation 5 has x_i in place of the positive x_j. Here it is read as its text says, with the pairs
  of the batch that share a label, the diagonal left out. Rows are videos, columns texts or audios.
  The two losses are added. With fewer than two modalities there is no contrastive loss.
- BERT is fine-tuned as a classifier on the train split of each fold and seed, and exports the
  vector of each text. Its weights are then frozen. wav2vec2 is not fine-tuned: every fold takes the
  mean of its frozen states. So neither of them has seen a test utterance. The authors' code reads
  vectors that were computed once for all folds.
- The paper gives no sizes of networks and no settings of training. The comments in params.yaml say
  which of them come from the authors' code. Its batch normalisation is layer normalisation here, so
  that no logit depends on a batch. Its Swin is trained from scratch. Ours starts from the
  pre-trained one (``pretrained``), as "the Swin Transformer" is read. Its five settings per corpus
  are one setting here.
- As published, all splits of the corpus are pooled and the ten folds are drawn by utterance (scheme
  ten_folds). The epoch is selected on the fold that gives the scores (select test). The scores
  under clean are what a new speaker, or dialogue, would get.
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
    """audio: a classifier of a_cls, the sentence vector of wav2vec2."""

    def __init__(
        self, dims: Mapping[str, int], n_classes: int, hidden: Sequence[int], dropout: float
    ):
        """Build a classifier with layers of `hidden` activations."""
        super().__init__()
        self.classifier = _classifier(dims["audio"], hidden, n_classes, dropout)

    def forward(self, batch: Batch) -> Tensor:
        """Logits (B, K) of input ``audio`` (B, 1, dim)."""
        return self.classifier(batch.inputs["audio"][:, 0])


class Video(nn.Module):
    """Swin with compressions (section 3.1.2), then a temporal convolution (section 3.1.3)."""

    def __init__(
        self,
        checkpoint: Path,
        pretrained: bool,
        meaning_dim: int,
        compress_after: Sequence[int],
        channels: Sequence[int],
        kernel: int,
        dropout: float,
        **compression: float | str,
    ):
        """Build both.

        Args:
            checkpoint: folder of Swin.
            pretrained: start from its weights, not from random ones.
            meaning_dim: length of the vector that G_cls is made from.
            compress_after: stages, from 1, that a compression follows.
            channels, kernel, dropout: of the blocks of the temporal convolution.
            compression: parameters of each compression.
        """
        # transformers' models take seconds to import: not for audio
        from merflow.nn.swin import CompressedSwin, Pixels, load_swin

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

    def of_frames(self, frames: Tensor, meaning: Tensor | None) -> tuple[Tensor, Tensor]:
        """Encode every frame alone.

        Args:
            frames: (B, T, H, W, 3).
            meaning: (B, meaning_dim), vector that G_cls is made from.

        Returns:
            Vectors of frames (B, T, dim), and the number of tokens that enter each stage of Swin
            after the first (B, T, stages - 1).
        """
        size, steps = frames.shape[:2]
        of_frames = None if meaning is None else meaning.repeat_interleave(steps, dim=0)
        vectors, n_tokens = self.swin(self.pixels(frames.flatten(0, 1)), of_frames)
        return vectors.unflatten(0, (size, steps)), n_tokens.unflatten(0, (size, steps))

    def forward(self, frames: Tensor, meaning: Tensor | None) -> Tensor:
        """Video feature (B, channels[-1]): the last of the 15 steps, which has seen all steps."""
        return self.temporal(self.of_frames(frames, meaning)[0])[:, -1]


# 3.2 Late feature fusion


class DeepMsi(nn.Module):
    """Every system with video; text and audio guide the compression and join the fusion."""

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
        **video: int | str,
    ):
        """Build the network.

        Args:
            dims: length of the sentence vectors ``text`` and ``audio``, where the system has them.
            n_classes: number of classes.
            checkpoint: folder of Swin.
            projection: width to which each modality is mapped.
            hidden: widths of the layers over all modalities.
            dropout: of these layers and of the temporal convolution.
            alpha_ce, beta_cl: weights of cross-entropy and contrastive loss (equation 7).
            contrast_tau: temperature of the contrastive loss.
            video: other parameters of `Video`.

        Raises:
            ValueError: no compression can follow a stage that `video` names.
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
        """Logits (B, K), in training with the loss terms of equation 7.

        Inputs are ``frames_15`` (B, T, H, W, 3), ``text`` and ``audio`` (B, 1, dim).
        """
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
        contrast = sum(contrasts, start=logits.new_zeros(()))
        return TrainingOutput(logits, self.alpha_ce, self.beta_cl * contrast)

    def tokens(self, batch: Batch) -> Tensor:
        """Number of tokens that enter each stage of Swin after the first (B, stages - 1).

        It is a mean over the frames.
        """
        sentences = {name: batch.inputs[name][:, 0] for name in self.sentences}
        _, n_tokens = self.video.of_frames(batch.inputs[FRAMES], _meaning(sentences))
        return n_tokens.float().mean(dim=1)


def _meaning(sentences: Mapping[str, Tensor]) -> Tensor | None:
    """Vector that G_cls is made from (B, meaning_dim)."""
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
