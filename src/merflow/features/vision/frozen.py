"""Pictures of utterances through a frozen network: prepared as its checkpoint was trained, and in batches."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path

import numpy as np
import torch
from transformers import AutoConfig, AutoImageProcessor

from merflow.errors import CheckpointError


def require(checkpoint: Path, *kinds: str) -> None:
    """Refuse a model of another kind before its weights are read.

    Args:
        checkpoint: folder of the model.
        kinds: what `model_type` of its config.json may be.

    Raises:
        CheckpointError: it is another kind, or config.json cannot be read.
    """
    try:
        kind = AutoConfig.from_pretrained(
            checkpoint, local_files_only=True, trust_remote_code=False
        ).model_type
    except (OSError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"{checkpoint}: config.json cannot be read ({' '.join(str(error).split())[:200]})"
        ) from error
    if kind not in kinds:
        raise CheckpointError(
            f"{checkpoint}: a model of type {kind}, expected {' or '.join(kinds)}; name another one in params.yaml"
        )


class Processor:
    """The image processor of a checkpoint, its PIL form: the other one needs torchvision."""

    def __init__(self, checkpoint: Path, size: int):
        """Load it from `checkpoint`, a folder, for a network of `size` x `size` pixels.

        Raises:
            CheckpointError: the checkpoint has no image processor, or one that makes pictures of another size.
        """
        try:
            self._processor = AutoImageProcessor.from_pretrained(
                checkpoint, backend="pil", local_files_only=True, trust_remote_code=False
            )
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split())[:200]
            raise CheckpointError(
                f"{checkpoint}: holds no image processor that can be loaded ({reason})"
            ) from error
        height, width = self([np.zeros((2 * size, 3 * size, 3), np.uint8)]).shape[-2:]
        if (height, width) != (size, size):
            raise CheckpointError(
                f"{checkpoint}: preprocessor_config.json makes pictures of {width} x {height}, the model takes {size} x {size}; "
                "correct one of the two"
            )

    def __call__(self, pictures: Sequence[np.ndarray]) -> torch.Tensor:
        """float32 (n, 3, size, size) of uint8 RGB pictures (height, width, 3), each of its own size."""
        return self._processor(
            images=list(pictures), input_data_format="channels_last", return_tensors="pt"
        )["pixel_values"]


def encode(
    blocks: Iterable[Sequence[np.ndarray]],
    processor: Processor,
    network: Callable[[torch.Tensor], torch.Tensor],
    batch: int,
) -> Iterator[np.ndarray]:
    """(n_pictures, dim) of float32 for each utterance: `network`'s rows for its pictures.

    Batches run over the utterances of a block. With which others a picture is computed changes its values by rounding only.

    Args:
        blocks: of utterances, each uint8 RGB (n_pictures, height, width, 3).
        processor: makes the pixels.
        network: pixels (n, 3, size, size) -> (n, dim), called without gradients.
        batch: pictures computed together.
    """
    for utterances in blocks:
        pictures = list(chain.from_iterable(utterances))  # views: nothing is copied
        rows = chain.from_iterable(
            _rows(network, processor(pictures[at : at + batch]))
            for at in range(0, len(pictures), batch)
        )
        for utterance in utterances:
            yield np.stack(list(islice(rows, len(utterance))))


@torch.inference_mode()
def _rows(network: Callable[[torch.Tensor], torch.Tensor], pixels: torch.Tensor) -> np.ndarray:
    return network(pixels).float().cpu().numpy()
