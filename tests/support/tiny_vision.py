"""Random CLIP and Swin models of a few small layers, saved in the Hub's format with what belongs to them; the same every time."""

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


def save_tiny_clip(folder: Path) -> Path:
    """Pictures of SIZE x SIZE, prompts of WORDS with up to 12 tokens; embeddings of DIM."""
    vocab = {word: i for i, word in enumerate(("[PAD]", "[UNK]", "[BOS]", "[EOS]", *WORDS))}
    tokenizer = Tokenizer(models.WordLevel(vocab, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        "[BOS] $A [EOS]", special_tokens=[("[BOS]", 2), ("[EOS]", 3)]
    )
    special = {
        "pad_token": "[PAD]",
        "unk_token": "[UNK]",
        "bos_token": "[BOS]",
        "eos_token": "[EOS]",
    }
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=12, **special
    ).save_pretrained(folder)
    CLIPImageProcessorPil(
        size={"shortest_edge": SIZE}, crop_size={"height": SIZE, "width": SIZE}
    ).save_pretrained(folder)
    tower = {
        "hidden_size": DIM,
        "intermediate_size": 2 * DIM,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }
    text = tower | {
        "vocab_size": len(vocab),
        "max_position_embeddings": 12,
        "bos_token_id": 2,
        "eos_token_id": 3,
        "pad_token_id": 0,
    }
    torch.manual_seed(0)
    config = CLIPConfig(
        text_config=text,
        vision_config=tower | {"image_size": SIZE, "patch_size": 8},
        projection_dim=DIM,
    )
    CLIPModel(config).save_pretrained(folder)
    return folder


def save_tiny_swin(folder: Path) -> Path:
    """Pictures of SIZE x SIZE, vectors of DIM."""
    ViTImageProcessorPil(size={"height": SIZE, "width": SIZE}).save_pretrained(folder)
    torch.manual_seed(0)
    SwinModel(
        SwinConfig(
            image_size=SIZE,
            patch_size=4,
            embed_dim=DIM // 2,
            depths=[2, 2],
            num_heads=[2, 2],
            window_size=4,
        )
    ).save_pretrained(folder)
    return folder


def blurred_noise(n_pictures: int, height: int, width: int, seed: int = 0) -> np.ndarray:
    """uint8 RGB (n_pictures, height, width, 3): coarse random colours, so that resizing keeps differences."""
    coarse = np.random.default_rng(seed).integers(
        0, 256, (n_pictures, height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8
    )
    return coarse.repeat(8, axis=1).repeat(8, axis=2)[:, :height, :width]
