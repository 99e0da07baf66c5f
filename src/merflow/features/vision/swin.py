"""A frozen Swin Transformer (Swin or Swin V2): one pooled vector per frame.

deepmsi_mer section 3.3 puts 15 frames, uniform over the clip, through "the Swin Transformer". The
vector is the mean of the last stage's tokens after its layer norm, `pooler_output` of transformers,
without the classification head.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModel

from merflow.features.extractor import Flagged
from merflow.features.pretrained import load
from merflow.features.sources import FrameSource
from merflow.features.vision.frozen import ImageProcessor, encode_frames, require_model_type
from merflow.params import SwinParams

SOURCE = FrameSource
PARAMS = SwinParams
LIBRARIES = ("torch", "transformers", "pillow")
USES_GPU = True


def extract(
    blocks: Iterable[Sequence[np.ndarray]], params: SwinParams, checkpoint: Path
) -> Iterator[np.ndarray | Flagged]:
    """Yield the vectors (n_frames, dim) of each utterance; dim is 768 for Swin-T.

    Args:
        blocks: utterances, each uint8 RGB (n_frames, height, width, 3).
        params: number of frames computed together, and shape of a frame.
        checkpoint: folder of the model, with its image processor.

    Yields:
        float32, in the order of the utterances.

    Raises:
        CheckpointError: the checkpoint is not a Swin Transformer with an image processor.
    """
    require_model_type(checkpoint, "swin", "swinv2")
    model = load(AutoModel, checkpoint, optional=())
    processor = ImageProcessor(checkpoint, model.config.image_size, params.frame)

    def pool(pixels: torch.Tensor) -> torch.Tensor:
        return model(pixel_values=pixels.to(model.device)).pooler_output

    yield from encode_frames(blocks, processor, pool, params.batch_size)


def columns(params: SwinParams, checkpoint: Path | None) -> None:
    """Return None: dimensions of the pooled vector have no names."""
