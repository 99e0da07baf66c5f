"""Frames of utterances through a frozen network, prepared as its checkpoint was trained."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoConfig, AutoImageProcessor

from merflow.errors import CheckpointError, reason


def require_model_type(checkpoint: Path, *model_types: str) -> None:
    """Refuse a model of another type before its weights are read.

    Args:
        checkpoint: folder of the model.
        model_types: accepted values of `model_type` in its config.json.

    Raises:
        CheckpointError: the model has another type, or config.json cannot be read.
    """
    try:
        config = AutoConfig.from_pretrained(
            checkpoint, local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"{checkpoint}: config.json cannot be read ({reason(error)})"
        ) from error
    if config.model_type not in model_types:
        raise CheckpointError(
            f"{checkpoint}: a model of type {config.model_type}, expected "
            f"{' or '.join(model_types)}; name another checkpoint in params.yaml"
        )


class ImageProcessor:
    """The image processor of a checkpoint in its PIL form; the other form needs torchvision.

    Checkpoints of CLIP crop the centre of a frame, checkpoints of Swin squash the frame. Here
    `frame` decides; filter, mean and standard deviation are the checkpoint's.
    """

    def __init__(self, checkpoint: Path, size: int, frame: str):
        """Load the image processor.

        Args:
            checkpoint: folder of the model.
            size: height and width in pixels that the model takes.
            frame: squash resizes the whole frame to the square; crop resizes its short side and
                keeps the centre.

        Raises:
            CheckpointError: the checkpoint has no image processor, or its images have another size.
        """
        try:
            self._processor = AutoImageProcessor.from_pretrained(
                checkpoint, backend="pil", local_files_only=True, trust_remote_code=False
            )
        except (OSError, ValueError) as error:
            raise CheckpointError(
                f"{checkpoint}: holds no image processor that can be loaded ({reason(error)})"
            ) from error
        self._options: dict[str, Any] = {}
        height, width = self([np.zeros((2 * size, 3 * size, 3), np.uint8)]).shape[-2:]
        if (height, width) != (size, size):
            raise CheckpointError(
                f"{checkpoint}: preprocessor_config.json makes images of {width} x {height}, "
                f"the model takes {size} x {size}; correct one of the two"
            )
        square, short_side = {"height": size, "width": size}, {"shortest_edge": size}
        self._options = {
            "do_resize": True,
            "size": square if frame == "squash" else short_side,
            "do_center_crop": frame == "crop",
            "crop_size": square,
        }

    def __call__(self, frames: Sequence[np.ndarray]) -> torch.Tensor:
        """Prepare frames, uint8 RGB (height, width, 3) of any size, as (n, 3, size, size)."""
        prepared = self._processor(
            images=list(frames),
            input_data_format="channels_last",
            return_tensors="pt",
            **self._options,
        )
        return prepared["pixel_values"]


def encode_frames(
    blocks: Iterable[Sequence[np.ndarray]],
    processor: ImageProcessor,
    network: Callable[[torch.Tensor], torch.Tensor],
    batch: int,
) -> Iterator[np.ndarray]:
    """Yield the vectors (n_frames, dim) of each utterance, float32.

    Batches cross the utterances of a block. The batch of a frame changes its values by rounding
    only.

    Args:
        blocks: utterances, each uint8 RGB (n_frames, height, width, 3).
        processor: prepares the frames.
        network: pixels (n, 3, size, size) -> (n, dim), called without gradients.
        batch: number of frames computed together.
    """
    for utterances in blocks:
        frames = list(chain.from_iterable(utterances))  # views: nothing is copied
        vectors = chain.from_iterable(
            _apply(network, processor(frames[start : start + batch]))
            for start in range(0, len(frames), batch)
        )
        for utterance in utterances:
            yield np.stack(list(islice(vectors, len(utterance))))


@torch.inference_mode()
def _apply(network: Callable[[torch.Tensor], torch.Tensor], pixels: torch.Tensor) -> np.ndarray:
    return network(pixels).float().cpu().numpy()
