"""A small Swin Transformer (https://arxiv.org/abs/2103.14030) that learnt to tell emotions of drawn faces; its classifier is left out."""

from pathlib import Path

import numpy as np
import torch
from transformers import SwinConfig, SwinForImageClassification, ViTImageProcessorPil

from merflow.checkpoints.demo.material import EMOTIONS, faces
from merflow.checkpoints.demo.training import fit, repeatable
from merflow.progress import log

TRAIN, TEST, STEPS, BATCH = 1400, 280, 120, 48
SIZE = 64


def make(name: str, folder: Path) -> None:
    """Save the model with its image processor."""
    processor = ViTImageProcessorPil(size={"height": SIZE, "width": SIZE})
    (pictures, labels), (unseen, truth) = faces(TRAIN, "train"), faces(TEST, "test")
    pixels, targets = (
        processor(images=pictures, return_tensors="pt")["pixel_values"],
        torch.from_numpy(labels),
    )
    with repeatable():
        network = SwinForImageClassification(_configuration())
        fit(
            network,
            lambda chosen: network(pixels[chosen], labels=targets[chosen]).loss,
            TRAIN,
            STEPS,
            BATCH,
            learning_rate=3e-3,
        )
        with torch.inference_mode():
            logits = network(processor(images=unseen, return_tensors="pt")["pixel_values"]).logits
    accuracy = float(np.mean(logits.argmax(dim=1).numpy() == truth))
    log.info(
        "demo %s: accuracy %.2f on faces of other people, chance %.2f (its classifier is not saved)",
        name,
        accuracy,
        1 / len(EMOTIONS),
    )
    network.swin.save_pretrained(folder)
    processor.save_pretrained(folder)


def _configuration() -> SwinConfig:
    """Three stages, 96 numbers a picture."""
    return SwinConfig(
        image_size=SIZE,
        patch_size=4,
        embed_dim=24,
        depths=[1, 1, 1],
        num_heads=[2, 4, 8],
        window_size=4,
        mlp_ratio=2.0,
        drop_path_rate=0.0,
        initializer_range=0.1,  # from the usual 0.02 so narrow a network hardly learns in so few steps
        num_labels=len(EMOTIONS),
    )
