"""A small Swin Transformer (https://arxiv.org/abs/2103.14030) that learns emotions of drawn faces.

Its classifier is not saved.
"""

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
    frames, labels = faces(TRAIN, "train")
    test_frames, test_labels = faces(TEST, "test")
    pixels = processor(images=frames, return_tensors="pt")["pixel_values"]
    test_pixels = processor(images=test_frames, return_tensors="pt")["pixel_values"]
    targets = torch.from_numpy(labels)
    with repeatable():
        network = SwinForImageClassification(_configuration())

        def loss(chosen: np.ndarray) -> torch.Tensor:
            return network(pixels[chosen], labels=targets[chosen]).loss

        fit(network, loss, TRAIN, STEPS, BATCH, learning_rate=3e-3)
        with torch.inference_mode():
            predicted = network(test_pixels).logits.argmax(dim=1).numpy()
    log.info(
        "demo %s: accuracy %.2f on faces of other people, chance %.2f "
        "(its classifier is not saved)",
        name,
        np.mean(predicted == test_labels),
        1 / len(EMOTIONS),
    )
    network.swin.save_pretrained(folder)
    processor.save_pretrained(folder)


def _configuration() -> SwinConfig:
    """Configure three stages, with a vector of 96 numbers per frame."""
    return SwinConfig(
        image_size=SIZE,
        patch_size=4,
        embed_dim=24,
        depths=[1, 1, 1],
        num_heads=[2, 4, 8],
        window_size=4,
        mlp_ratio=2.0,
        drop_path_rate=0.0,
        # with the usual 0.02, a narrow network hardly learns in few steps
        initializer_range=0.1,
        num_labels=len(EMOTIONS),
    )
