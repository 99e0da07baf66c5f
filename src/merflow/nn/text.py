"""Pre-trained text encoders to fine-tune: loaded, and one vector per text (weighted_late_fusion section A, deepmsi_mer section 3.1)."""

from pathlib import Path
from typing import Any

from torch import Tensor, float32


def text_encoder(checkpoint: Path) -> Any:
    """The encoder in `checkpoint`, a folder in the Hub's format."""
    from transformers import (
        AutoModel,
    )  # seconds to import: not where a paper's other systems are computed

    encoder = AutoModel.from_pretrained(
        checkpoint, local_files_only=True, use_safetensors=True, dtype=float32
    )
    encoder.pooler = None  # next-sentence head: not used, and weights without a gradient stop distributed training
    return encoder


def text_vectors(encoder: Any, tokens: Tensor, mask: Tensor, pooling: str) -> Tensor:
    """One vector per text (B, H) of ``tokens`` (B, T, 2) and their mask (B, T); see merflow.training.batches.Batch.

    `pooling` is cls, the first state, or mean, which is one over the utterance, not over its context.
    """
    ids, segments = tokens.unbind(dim=-1)
    types = segments.clamp(max=encoder.config.type_vocab_size - 1)  # RoBERTa has one type only
    states: Tensor = encoder(
        input_ids=ids, attention_mask=mask, token_type_ids=types
    ).last_hidden_state
    if pooling == "cls":
        return states[:, 0]
    weights = (mask & (segments == 0))[..., None].to(states.dtype)
    return (states * weights).sum(dim=1) / weights.sum(dim=1)
