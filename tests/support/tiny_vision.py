"""Random CLIP and Swin models of a few small layers, the same every time."""

from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    PreTrainedTokenizerFast,
    SwinConfig,
    SwinModel,
    ViTImageProcessorPil,
)

WORDS = ("a", "photo", "of", "person", "happy", "sad", "angry", "with", "neutral", "face")
SIZE = 32  # pixels
DIM = 16
#: Parameters of merflow.nn.compression.Compression.
COMPRESSION = {
    "selection": "threshold",
    "gamma": 1.0,
    "keep": 0.5,
    "merge": True,
    "alpha": 0.9,
    "tau": 1.0,
    "guide": "learned",
    "guide_scale": 2.0,
}

_SPECIAL = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "bos_token": "[BOS]",
    "eos_token": "[EOS]",
}


def save_tiny_clip(folder: Path) -> Path:
    """Save a CLIP with embeddings of DIM.

    It takes frames of SIZE x SIZE, and prompts of WORDS up to 12 tokens.
    """
    _save_clip_tokenizer(folder)
    processor = CLIPImageProcessorPil(
        size={"shortest_edge": SIZE}, crop_size={"height": SIZE, "width": SIZE}
    )
    processor.save_pretrained(folder)
    tower = {
        "hidden_size": DIM,
        "intermediate_size": 2 * DIM,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }
    text = {
        "vocab_size": len(_SPECIAL) + len(WORDS),
        "max_position_embeddings": 12,
        "bos_token_id": 2,
        "eos_token_id": 3,
        "pad_token_id": 0,
    }
    torch.manual_seed(0)
    config = CLIPConfig(
        text_config=tower | text,
        vision_config=tower | {"image_size": SIZE, "patch_size": 8},
        projection_dim=DIM,
    )
    CLIPModel(config).save_pretrained(folder)
    return folder


def _save_clip_tokenizer(folder: Path) -> None:
    vocab = {word: i for i, word in enumerate((*_SPECIAL.values(), *WORDS))}
    tokenizer = Tokenizer(models.WordLevel(vocab, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        "[BOS] $A [EOS]", special_tokens=[("[BOS]", 2), ("[EOS]", 3)]
    )
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=12, **_SPECIAL)
    fast.save_pretrained(folder)


def save_tiny_swin(folder: Path) -> Path:
    """Save a Swin Transformer: frames of SIZE x SIZE, vectors of DIM."""
    ViTImageProcessorPil(size={"height": SIZE, "width": SIZE}).save_pretrained(folder)
    torch.manual_seed(0)
    config = SwinConfig(
        image_size=SIZE,
        patch_size=4,
        embed_dim=DIM // 2,
        depths=[2, 2],
        num_heads=[2, 2],
        window_size=4,
    )
    SwinModel(config).save_pretrained(folder)
    return folder


def blurred_noise(n_frames: int, height: int, width: int, seed: int = 0) -> np.ndarray:
    """Draw coarse random colours, so that resizing keeps differences.

    Returns:
        uint8 RGB (n_frames, height, width, 3).
    """
    rng = np.random.default_rng(seed)
    shape = (n_frames, height // 8 + 1, width // 8 + 1, 3)
    coarse = rng.integers(0, 256, shape, dtype=np.uint8)
    return coarse.repeat(8, axis=1).repeat(8, axis=2)[:, :height, :width]
