"""Pre-trained text encoders for fine-tuning, and their pooling to one vector per text.

weighted_late_fusion section A and deepmsi_mer section 3.1 fine-tune them.
"""

from pathlib import Path
from typing import Any

from torch import Tensor


def text_encoder(checkpoint: Path) -> Any:
    """Load the encoder in `checkpoint`, a folder in the Hub's format.

    Raises:
        CheckpointError: it is no encoder, or lacks weights.
    """
    # imported here: it takes seconds, and other systems of the papers do not need it
    from transformers import AutoModel

    from merflow.features.pretrained import load_to_train

    encoder = load_to_train(AutoModel, checkpoint)
    # The head for next-sentence prediction is not used, and parameters without a gradient stop
    # distributed training.
    encoder.pooler = None
    return encoder


def text_vectors(encoder: Any, tokens: Tensor, mask: Tensor, pooling: str) -> Tensor:
    """Compute one vector per text.

    Args:
        encoder: result of `text_encoder`.
        tokens: (B, T, 2), token id and segment; see merflow.systems.Batch.
        mask: (B, T), True for tokens.
        pooling: ``cls``, the first state, or ``mean``, over the utterance without its context.

    Returns:
        (B, H).
    """
    ids, segments = tokens.unbind(dim=-1)
    types = segments.clamp(max=encoder.config.type_vocab_size - 1)  # RoBERTa has one type only
    output = encoder(input_ids=ids, attention_mask=mask, token_type_ids=types)
    states: Tensor = output.last_hidden_state
    if pooling == "cls":
        return states[:, 0]
    weights = (mask & (segments == 0))[..., None].to(states.dtype)
    return (states * weights).sum(dim=1) / weights.sum(dim=1)
