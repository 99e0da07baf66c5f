"""Composition of params.yaml from params/paper.yaml, complete, and params/demo.yaml, what differs."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from merflow.errors import ParamsError

FILTERS = ("corpora", "papers")  # under run: what of the lists there is run


def compose(
    preset: str,
    folder: Path = Path("params"),
    patch: Path | None = None,
    filters: Mapping[str, Sequence[str]] | None = None,
) -> str:
    """The text of params.yaml for `preset`.

    params/paper.yaml, with params/demo.yaml laid over it for ``demo``, then `patch`, then `filters`. Patches follow RFC 7396 (null removes
    a key); comments and anchors of paper.yaml survive.

    Args:
        preset: ``demo`` or ``paper``.
        folder: of the presets.
        patch: file of what else differs.
        filters: ``corpora`` and ``papers`` under ``run``; an absent or empty one leaves what is there.

    Raises:
        ParamsError: unknown preset, a file of it is absent, or `patch` cannot be read.
    """
    if preset not in ("paper", "demo"):
        raise ParamsError(f"{preset}: unknown preset; known: paper, demo")
    yaml_files = YAML()
    yaml_files.width = 1000  # keep one line per system
    yaml_files.preserve_quotes = True
    try:
        tree = yaml_files.load((folder / "paper.yaml").read_text(encoding="utf-8"))
        if preset == "demo":
            _patch(tree, yaml_files.load((folder / "demo.yaml").read_text(encoding="utf-8")))
        if patch:
            _patch(tree, yaml_files.load(patch.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise ParamsError(
            f"{error.filename}: no such file; run this in the project's folder"
        ) from error
    except (YAMLError, AttributeError, UnicodeDecodeError) as error:
        raise ParamsError(
            f"{patch}: no patch of params.yaml ({' '.join(str(error).split())})"
        ) from error
    _patch(
        tree, {"run": {name: list(values) for name, values in (filters or {}).items() if values}}
    )
    text = io.StringIO()
    yaml_files.dump(tree, text)
    return text.getvalue()


def filters(text: str) -> dict[str, list[str]]:
    """Values of ``run.corpora`` and ``run.papers`` in the text of a params.yaml; none if it has none."""
    try:
        run = YAML(typ="safe").load(text)["run"]
        return {name: list(map(str, run[name])) for name in FILTERS}
    except (YAMLError, KeyError, TypeError):
        return {}


def _patch(target: Any, patch: Any) -> None:
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict) and isinstance(target.get(key), dict):
            _patch(target[key], value)
        elif isinstance(value, list) and isinstance(target.get(key), list):
            target[key][:] = value  # in place: the list keeps its comments and its layout
        else:
            target[key] = value
