"""Files in workflow/params: parameters of stages and digests of code, as JSON that DVC compares.

DVC reads a stage's file of parameters anew for each of 160 stages, and takes 20 ms to parse YAML.
So dvc.yaml takes its parameters from small files of JSON instead of params.yaml.
"""

import json
from collections.abc import Iterator, Mapping
from functools import reduce
from pathlib import Path
from typing import Any

from merflow.errors import ParamsError

FOLDER = Path("workflow/params")
CODE = "code."  # beginning of the key of a digest of code


def write(root: Path, files: Mapping[Path, Mapping[str, Any]]) -> None:
    """Bring the files up to date, and remove others.

    Args:
        root: the checkout.
        files: path of a file -> dotted key -> value.

    Raises:
        ParamsError: a key lies below another key of its file.
    """
    for path, values in files.items():
        text = json.dumps(_nested(values), indent=1, sort_keys=True) + "\n"
        file = root / path
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.parent.mkdir(exist_ok=True)
            file.unlink(missing_ok=True)  # it may be a read-only link into DVC's cache
            file.write_text(text, encoding="utf-8")
    for file in set((root / FOLDER).glob("*")) - {root / path for path in files}:
        file.unlink()


def digests(root: Path) -> dict[str, str]:
    """Read the digests of code that were written last: key without CODE -> digest."""
    return {
        key.removeprefix(CODE): value
        for values in _contents(root)
        for key, value in _flat(values)
        if key.startswith(CODE)
    }


def keep_weights(root: Path) -> dict[str, Any]:
    """Read the values that were written last (merflow.kept_weights)."""
    papers = [values.get("keep_weights", {}) for values in _contents(root)]
    return {paper: systems for of_file in papers for paper, systems in of_file.items()}


def _contents(root: Path) -> list[dict[str, Any]]:
    files = sorted((root / FOLDER).glob("*.json"))
    return [json.loads(file.read_text(encoding="utf-8")) for file in files]


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Nest values at dotted keys, as DVC looks them up.

    A value that is nested itself is one line. dvc.lock holds these values for each stage, and `dvc
    repro` writes it anew after each stage.
    """
    nested: dict[str, Any] = {}
    for key, value in flat.items():
        *above, last = key.split(".")
        if any(".".join(above[:depth]) in flat for depth in range(1, len(above) + 1)):
            raise ParamsError(
                f"dvc.yaml: {key}: another stage takes the parameters above it from the same file;"
                " take one of the two from another file"
            )
        one_line = json.dumps(value, sort_keys=True) if isinstance(value, dict | list) else value
        reduce(lambda node, name: node.setdefault(name, {}), above, nested)[last] = one_line
    return nested


def _flat(nested: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys with their values."""
    for key, value in nested.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value
