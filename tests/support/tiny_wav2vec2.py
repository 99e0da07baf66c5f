"""A random wav2vec2 of two small layers in the Hub's format, the same every time."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from transformers import (
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForSequenceClassification,
    Wav2Vec2Model,
)


def save_tiny_wav2vec2(
    folder: Path, labels: Sequence[str] | None = None, norm: Literal["group", "layer"] = "group"
) -> Path:
    """Save a wav2vec2.

    Args:
        folder: folder to write.
        labels: classes of a classification head; None saves none.
        norm: normalisation of wav2vec2-base (group) or of the large models (layer).
    """
    torch.manual_seed(0)
    config = Wav2Vec2Config(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        conv_dim=(8,) * 7,  # kernels and strides of the published models: a frame per 320 samples
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
        classifier_proj_size=8,
        feat_extract_norm=norm,
        do_stable_layer_norm=norm == "layer",
        id2label=dict(enumerate(labels)) if labels else {0: "LABEL_0", 1: "LABEL_1"},
    )
    model = Wav2Vec2ForSequenceClassification(config) if labels else Wav2Vec2Model(config)
    with torch.no_grad():
        # with the initial weights, states hardly depend on the audio
        for weights in model.parameters():
            weights.add_(0.1 * torch.randn_like(weights))
    model.save_pretrained(folder)
    Wav2Vec2FeatureExtractor(return_attention_mask=norm == "layer").save_pretrained(folder)
    return folder
