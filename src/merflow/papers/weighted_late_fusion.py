"""Weighted late fusion of text, audio and video on MELD.

Systems, in the paper's order:

- ``text_bert_{8,16,32}``, ``text_roberta_{8,16,32}``: a BERT or RoBERTa fine-tuned end to end on
  single utterances. The number is the batch size. Learning rate, weight decay, epochs and longest
  text (Tables 2 and 4) are parameters.
- ``audio_wav2vec2``: a published wav2vec2 that classifies emotions, off the shelf (section B).
- ``video_clip``: zero-shot CLIP on every 10th frame, probabilities summed over frames (section C).
  Ours: ``video_clip_max``, ``_product`` and ``_vote``, other ways to pool the same probabilities.
- ``late_fusion``: weighted average of the probabilities of text_roberta_16, which is its best text
  system, audio_wav2vec2 and video_clip.
- Ours: ``text_*_16_context`` also reads earlier turns of the dialogue. ``late_fusion_calibrated``
  gives each member a temperature. ``linear_*`` are linear classifiers of frozen RoBERTa and of the
  probabilities of wav2vec2 and CLIP.

Differences from the paper:

- The paper gives no weights ("text weighted most"). Ours are the best weighted F1 on dev over the
  simplex. They may leave a member out.
- The paper names no wav2vec2 classifier and prints no prompts. Ours are in params.yaml
  (checkpoints, features.clip_emotion).
- Labels of a head are mapped to the corpus's classes by name. A head that lacks a class is refused.
  The paper does not say how it maps labels.
- The paper pads every text to 512 tokens. Here a batch is padded to its longest text. Padding is
  masked, so the logits are the same.
- The paper does not say how token states become one vector. It does not give the dropout before the
  classifier or the learning-rate schedule. Ours: their mean (or [CLS]), 0.1, linear warm-up and
  decay (params.yaml: pooling, dropout, warmup).
- The paper's text gives other learning rates (2e-5, 1e-5) than its Table 2. The parameters follow
  the tables.
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
_CLIP = OffTheShelf(("clip_emotion",))
_LATE = Fusion(("text_roberta_16", "audio_wav2vec2", "video_clip"), weighted_average, weighted=True)

SYSTEMS: dict[str, AnySystem] = {
    **{
        f"text_{encoder}_{variant}": _TEXT
        for encoder in ("bert", "roberta")
        for variant in ("8", "16", "32", "16_context")
    },
    "audio_wav2vec2": OffTheShelf(("wav2vec2_emotion",)),
    "video_clip": _CLIP,
    "video_clip_max": _CLIP,
    "video_clip_product": _CLIP,
    "video_clip_vote": _CLIP,
    "late_fusion": _LATE,
    "late_fusion_calibrated": _LATE,
    "linear_text": Linear(("roberta_mean",)),
    "linear_audio": Linear(("wav2vec2_emotion",)),
    "linear_video": Linear(("clip_emotion",)),
}
