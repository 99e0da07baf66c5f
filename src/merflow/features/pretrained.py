"""Pre-trained models from a local folder: safetensors only, and every weight of the model found in them."""

from pathlib import Path
from typing import Any

import torch
from transformers.utils import logging

from merflow.errors import CheckpointError

logging.disable_progress_bar()
logging.set_verbosity_error()  # what it warns of, many lines, is an error here or of no account


def load(kind: Any, folder: Path, optional: tuple[str, ...] = ("pooler.",)) -> Any:
    """The model in `folder`, in evaluation mode, float32, on the GPU where there is one.

    transformers fills weights that a file lacks with random numbers and only warns: a classification head may thus be
    noise. Here that is an error.

    Args:
        kind: an Auto class or model class of transformers.
        folder: of config.json and *.safetensors.
        optional: beginnings of names (anywhere in them) of weights that may be absent, because they are not used.

    Raises:
        CheckpointError: not a model of that kind, or weights are missing.
    """
    try:
        model, found = kind.from_pretrained(
            folder,
            local_files_only=True,
            use_safetensors=True,
            dtype=torch.float32,
            output_loading_info=True,
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise CheckpointError(
            f"{folder}: cannot be loaded as {kind.__name__} ({' '.join(str(error).split())[:200]})"
        ) from error
    missing = sorted(
        name for name in found["missing_keys"] if not any(part in name for part in optional)
    )
    if missing:
        raise CheckpointError(
            f"{folder}: {len(missing)} weights of {type(model).__name__} are not in it, the first is {missing[0]}; they would be random "
            "numbers. Name a checkpoint that has them"
        )
    return model.eval().to("cuda" if torch.cuda.is_available() else "cpu")
