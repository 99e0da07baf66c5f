"""Composition of params.yaml from params/paper.yaml and, for the demo, params/demo.yaml."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import YAMLError

from merflow.errors import ParamsError
from merflow.params import comments, yaml_text

FILTERS = ("corpora", "papers")  # keys of run that select from its lists
HEADER = """\
Parameters of merflow: the {preset} preset, composed by `{command}`.

Change values here. `snakemake`, or `dvc repro`, then makes anew what depends on them.
`merflow params {preset}` brings the preset back, `merflow params {other}` composes the other one.
Neither overwrites your changes unless you add --force."""


def compose(
    preset: str,
    folder: Path = Path("params"),
    patch: Path | None = None,
    filters: Mapping[str, Sequence[str]] | None = None,
) -> str:
    """Compose the text of params.yaml.

    params/paper.yaml, with params/demo.yaml laid over it for ``demo``, then `patch`, then
    `filters`. Patches follow RFC 7396: null removes a key. Anchors are written out, so that each
    value belongs to one system.

    Args:
        preset: ``demo`` or ``paper``.
        folder: of the presets.
        patch: file with further differences.
        filters: ``corpora`` and ``papers`` under ``run``; an empty one changes nothing.

    Raises:
        ParamsError: unknown preset, one of its files is absent, or `patch` cannot be read.
    """
    if preset not in ("paper", "demo"):
        raise ParamsError(f"{preset}: unknown preset; known: paper, demo")
    values = _read(folder / "paper.yaml")
    if preset == "demo":
        values = merged(values, _read(folder / "demo.yaml"))
    if patch:
        values = merged(values, _read(patch, "`--with` names a file that is there"))
    run = {name: list(names) for name, names in (filters or {}).items() if names}
    values = merged(values, {"run": run})
    command = f"merflow params {preset}" + (f" --with {patch.name}" if patch else "")
    other = "paper" if preset == "demo" else "demo"
    header = HEADER.format(preset=preset, command=command, other=other)
    return comments.commented(comments.laid_out(values), header)


def filters(text: str) -> dict[str, list[str]]:
    """Read ``run.corpora`` and ``run.papers`` in the text of a params.yaml; {} if it has none."""
    try:
        run = YAML(typ="safe").load(text)["run"]
        return {name: list(map(str, run[name])) for name in FILTERS}
    except (YAMLError, KeyError, TypeError):
        return {}


def merged(values: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Return `values` with a merge patch laid over them (RFC 7396)."""
    result = dict(values)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            below = result.get(key)
            result[key] = merged(below if isinstance(below, dict) else {}, value)
        else:
            result[key] = value
    return result


def _read(path: Path, if_absent: str = "run this in the project's folder") -> dict[str, Any]:
    """Read a file of parameters as plain dicts and lists, anchors written out."""
    text = yaml_text.read(path, if_absent)
    yaml_text.parse(text, str(path))
    try:
        values = _plain(comments.reader().load(text))
    except YAMLError as error:
        reason = " ".join(str(error).split())
        raise ParamsError(f"{path}: not a patch of params.yaml: {reason}") from error
    if not isinstance(values, dict):
        raise ParamsError(f"{path}: not a patch of params.yaml: expected keys with values")
    return values


def _plain(node: Any) -> Any:
    if isinstance(node, CommentedMap):
        return {key: _plain(node[key]) for key in _keys(node)}
    return [_plain(value) for value in node] if isinstance(node, list) else node


def _keys(node: CommentedMap) -> list[str]:
    """Keys in the order of the mapping that is merged in (<<), where there is one."""
    above = [key for anchor in node.merge for key in _keys(anchor)]
    return list(dict.fromkeys([*above, *node]))
