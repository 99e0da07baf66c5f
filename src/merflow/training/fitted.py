"""What was fitted to the inputs of a run, kept beside its weights: arrays by name, so that a prediction does the same to other clips.

scikit-learn keeps what an estimator learns in attributes whose names end in an underscore. Those that are numbers are stored, and set
again on an estimator that was made with the same parameters; what that does is then the same to the last bit. Nothing is unpickled.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from merflow.store import whole
from merflow.systems import Transformer


def save(fitted: Mapping[str, Transformer], path: Path) -> None:
    """Write what was fitted to each input; nothing, where nothing was."""
    if fitted:
        with whole(path) as target:
            save_file(
                {
                    f"{name}/{key}": value
                    for name, one in fitted.items()
                    for key, value in state(one).items()
                },
                target,
            )


def load(
    path: Path,
    makers: Mapping[str, Callable[..., Transformer]],
    settings: Mapping[str, Mapping[str, Any]],
) -> dict[str, Transformer]:
    """What `save` wrote, on transformers that are made anew.

    Args:
        path: file.
        makers: input -> what makes its transformer (``System.fitted``).
        settings: block ``inputs`` of the system in params.yaml.
    """
    stored = load_file(path) if makers else {}
    made = {name: make(**settings[name]) for name, make in makers.items()}
    for name, one in made.items():
        restore(
            one,
            {
                key.removeprefix(f"{name}/"): value
                for key, value in stored.items()
                if key.startswith(f"{name}/")
            },
        )
    return made


def state(fitted: Any) -> dict[str, np.ndarray]:
    """The numbers that a fitted estimator has learned, by attribute; those of an estimator inside it by both names with a slash."""
    found: dict[str, np.ndarray] = {}
    for name, value in _learned(fitted).items():
        if hasattr(value, "get_params"):
            found |= {f"{name}/{key}": inner for key, inner in state(value).items()}
        elif value is not None and np.asarray(value).dtype.kind in "biuf":
            found[name] = np.ascontiguousarray(value).reshape(np.shape(value))
    return found


def restore(made: Any, learned: Mapping[str, np.ndarray]) -> None:
    """Give an estimator that was made with the parameters of the fitted one what that had learned (see `state`)."""
    inside: dict[str, dict[str, np.ndarray]] = {}
    for name, value in learned.items():
        first, _, rest = name.partition("/")
        if rest:
            inside.setdefault(first, {})[rest] = value
        else:
            setattr(made, name, value if value.ndim else value.item())
    for name, inner in inside.items():
        if name not in _learned(made):  # what it fits a copy of
            from sklearn.base import clone  # seconds to import: not where nothing is fitted

            setattr(made, name, clone(getattr(made, name.removesuffix("_"))))
        restore(_learned(made)[name], inner)


def _learned(estimator: Any) -> dict[str, Any]:
    """Attributes that fitting sets, and the steps of a pipeline."""
    steps: dict[str, Any] = dict(getattr(estimator, "steps", ()))
    return steps | {
        name: value
        for name, value in vars(estimator).items()
        if name.endswith("_") and not name.startswith("_")
    }
