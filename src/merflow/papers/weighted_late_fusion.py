"""Weighted late fusion of text, audio and video on MELD.

Systems, in the paper's order:

- ``text_bert_{8,16,32}``, ``text_roberta_{8,16,32}``: a BERT or RoBERTa fine-tuned end to end on
  single utterances. The number is the batch size. Learning rate, weight decay, epochs and longest
  text (Tables 2 and 4) are parameters.
- ``audio_wav2vec2``: a published wav2vec2 that classifies emotions, off the shelf (section B).
- ``video_clip``: zero-shot CLIP on every 10th frame, probabilities summed over frames (section C).
  Ours: ``video_clip_max``, ``_product``, ``_vote`` and ``_confidence``, other ways to pool the same
  probabilities, and ``video_clip_crop`` on the centre of each frame.
- ``late_fusion``: weighted average of the probabilities of text_roberta_16, which is its best text
  system, audio_wav2vec2 and video_clip.
- Ours: ``text_*_16_context`` also reads earlier turns of the dialogue. ``text_roberta_16_low_rate``
  has half the learning rate. ``audio_wav2vec2_prior`` and ``video_clip_prior`` follow the class
  shares of dev. ``late_fusion_calibrated`` gives each member a temperature. ``linear_*`` are linear
  classifiers of frozen RoBERTa and of the probabilities of wav2vec2 and CLIP.

Deviations from the paper: reported/weighted_late_fusion.deviations.yaml.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from torch import Tensor, nn

from merflow.nn.text import text_encoder, text_vectors
from merflow.systems import AnySystem, Batch, Fusion, Linear, OffTheShelf, System


class TextClassifier(nn.Module):
    """A pre-trained encoder, one vector per text, dropout, one linear layer."""

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
            checkpoint: folder in the Hub's format.
            pooling: mean of the token states, or cls.
            dropout: before the linear layer.
        """
        super().__init__()
        self.encoder = text_encoder(checkpoint)
        self.pooling = pooling
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(self.encoder.config.hidden_size, n_classes)

    def forward(self, batch: Batch) -> Tensor:
        """Logits (B, K) of input ``tokens`` (B, T, 2)."""
        tokens, mask = batch.inputs["tokens"], batch.masks["tokens"]
        vectors = text_vectors(self.encoder, tokens, mask, self.pooling)
        return self.classifier(self.dropout(vectors))


def weighted_average(probabilities: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Average probabilities (M, N, K) with weights (M,) to (N, K), "Multi-Modal Fusion Model"."""
    return np.einsum("m,mnk->nk", weights, probabilities)


_TEXT = System(inputs=("tokens",), build=TextClassifier, pretrained=True)
_WAV2VEC2 = OffTheShelf(("wav2vec2_emotion",))
_CLIP = OffTheShelf(("clip_emotion",))
_LATE = Fusion(("text_roberta_16", "audio_wav2vec2", "video_clip"), weighted_average, weighted=True)

SYSTEMS: dict[str, AnySystem] = {
    **{
        f"text_{encoder}_{variant}": _TEXT
        for encoder in ("bert", "roberta")
        for variant in ("8", "16", "32", "16_context")
    },
    "text_roberta_16_low_rate": _TEXT,
    "audio_wav2vec2": _WAV2VEC2,
    "audio_wav2vec2_prior": _WAV2VEC2,
    "video_clip": _CLIP,
    "video_clip_max": _CLIP,
    "video_clip_product": _CLIP,
    "video_clip_vote": _CLIP,
    "video_clip_confidence": _CLIP,
    "video_clip_prior": _CLIP,
    "video_clip_crop": OffTheShelf(("clip_emotion_crop",)),
    "late_fusion": _LATE,
    "late_fusion_calibrated": _LATE,
    "linear_text": Linear(("roberta_mean",)),
    "linear_audio": Linear(("wav2vec2_emotion",)),
    "linear_video": Linear(("clip_emotion",)),
}
