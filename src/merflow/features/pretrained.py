"""Pre-trained models from a local folder: safetensors only, and no weight missing."""

from pathlib import Path
from typing import Any

import torch
from transformers.utils import logging

from merflow.errors import CheckpointError, reason

logging.disable_progress_bar()
# its warnings take many lines; those that matter are errors below
logging.set_verbosity_error()


def load(model_class: Any, folder: Path, optional: tuple[str, ...] = ("pooler.",)) -> Any:
    """Load a model in evaluation mode, on the GPU where there is one.

    Args:
        model_class, folder, optional: see `load_to_train`.

    Raises:
        CheckpointError: as in `load_to_train`.
    """
    model = load_to_train(model_class, folder, optional)
    return model.eval().to("cuda" if torch.cuda.is_available() else "cpu")


def load_to_train(model_class: Any, folder: Path, optional: tuple[str, ...] = ("pooler.",)) -> Any:
    """Load a model in float32 on the CPU.

    transformers fills weights that a file lacks with random numbers and only warns, so layers and
    heads may be noise. Here a missing weight is an error, and so is one of another shape.

    Args:
        model_class: an Auto class or model class of transformers.
        folder: folder of config.json and *.safetensors.
        optional: parts of names of weights that may be missing, because no output depends on them.

    Raises:
        CheckpointError: `folder` holds another kind of model, or weights are missing or have
            another shape.
    """
    try:
        model, report = model_class.from_pretrained(
            folder,
            local_files_only=True,
            use_safetensors=True,
            dtype=torch.float32,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # refused below, by name
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise CheckpointError(
            f"{folder}: cannot be loaded as {model_class.__name__} ({reason(error)})"
        ) from error
    mismatched = [name for name, *_ in report["mismatched_keys"]]
    for names, problem in (
        (report["missing_keys"], "not in it"),
        (mismatched, "of another shape in it"),
    ):
        needed = sorted(name for name in names if not any(text in name for text in optional))
        if needed:
            raise CheckpointError(
                f"{folder}: {len(needed)} weights of {type(model).__name__} are {problem}, the"
                f" first is {needed[0]}; they would be random numbers. Name a checkpoint that has"
                " them"
            )
    return model
