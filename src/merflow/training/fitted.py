"""Fitted transformers of a run, stored beside its weights for predictions on new clips.

scikit-learn keeps what an estimator learns in attributes whose names end in an underscore. Numeric
ones are stored, and set again on an estimator that was made with the same parameters. Its output is
then the same to the last bit. Nothing is unpickled.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from merflow.store import whole
from merflow.systems import Transformer


def save(transformers: Mapping[str, Transformer], path: Path) -> None:
    """Write the fitted transformer of each input; no file if there is none."""
    if not transformers:
        return
    arrays = {
        f"{name}/{key}": value
        for name, transformer in transformers.items()
        for key, value in state(transformer).items()
    }
    with whole(path) as partial_path:
        save_file(arrays, partial_path)


def load(
    path: Path,
    makers: Mapping[str, Callable[..., Transformer]],
    input_params: Mapping[str, Mapping[str, Any]],
) -> dict[str, Transformer]:
    """Read what `save` wrote into transformers that are made anew.

    Args:
        path: file.
        makers: input -> function that makes its transformer (``System.transformers``).
        input_params: block ``inputs`` of the system in params.yaml.
    """
    stored = load_file(path) if makers else {}
    transformers = {name: make(**input_params[name]) for name, make in makers.items()}
    for name, transformer in transformers.items():
        prefix = f"{name}/"
        restore(
            transformer,
            {
                key.removeprefix(prefix): value
                for key, value in stored.items()
                if key.startswith(prefix)
            },
        )
    return transformers


def state(estimator: Any) -> dict[str, np.ndarray]:
    """Numbers that a fitted estimator has learned, by attribute.

    Attributes of an estimator inside it carry both names, joined by a slash.
    """
    arrays: dict[str, np.ndarray] = {}
    for name, value in _learned(estimator).items():
        if hasattr(value, "get_params"):
            arrays |= {f"{name}/{key}": inner for key, inner in state(value).items()}
        elif value is not None and np.asarray(value).dtype.kind in "biuf":
            arrays[name] = np.ascontiguousarray(value).reshape(np.shape(value))
    return arrays


def restore(estimator: Any, learned: Mapping[str, np.ndarray]) -> None:
    """Set what `state` returned on an unfitted estimator with the same parameters."""
    nested: dict[str, dict[str, np.ndarray]] = {}
    for name, value in learned.items():
        first, _, rest = name.partition("/")
        if rest:
            nested.setdefault(first, {})[rest] = value
        else:
            setattr(estimator, name, value if value.ndim else value.item())
    for name, inner in nested.items():
        if name not in _learned(estimator):  # an estimator that fits a copy of its parameter
            from sklearn.base import clone  # seconds to import: not where nothing is fitted

            setattr(estimator, name, clone(getattr(estimator, name.removesuffix("_"))))
        restore(_learned(estimator)[name], inner)


def _learned(estimator: Any) -> dict[str, Any]:
    """Attributes that fitting sets, and the steps of a pipeline."""
    steps: dict[str, Any] = dict(getattr(estimator, "steps", ()))
    return steps | {
        name: value
        for name, value in vars(estimator).items()
        if name.endswith("_") and not name.startswith("_")
    }
