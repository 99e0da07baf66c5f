"""Text of a params file, with the description of each key as a comment.

The comment stands above the key where a reader first meets it. The descriptions are those of the
models (merflow.params.whole). A description that several keys share, such as ``learning_rate`` of
30 systems, is written once.

After a change of a description or of params/paper.yaml, write both files anew::

    python -m merflow.params.comments    # the comments of params/paper.yaml
    merflow params demo --force          # params.yaml; or paper

tests/test_params.py compares the committed files with what these commands write.
"""

import io
import re
import textwrap
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.representer import RoundTripRepresenter
from ruamel.yaml.scalarstring import ScalarString

from merflow.params.whole import PapersParams, Params

PRESET = Path("params/paper.yaml")
HEADER = """\
merflow at paper scale: every parameter. `merflow params paper` makes params.yaml from this file,
`merflow params demo` from this file with params/demo.yaml laid over it.

Change values here, and their descriptions in src/merflow/params. The comments are written by
`python -m merflow.params.comments`. Values that several systems share have an anchor (&name)."""
WIDTH = 100
INDENT = 2


class _Representer(RoundTripRepresenter):
    """Writes null as such; ruamel.yaml leaves it out."""


_Representer.add_representer(
    type(None), lambda writer, _: writer.represent_scalar("tag:yaml.org,2002:null", "null")
)


def reader() -> YAML:
    """Return a YAML reader and writer that keeps anchors, layout and the form of numbers."""
    yaml = YAML()
    yaml.Representer = _Representer
    yaml.width = 10_000  # a value is never broken; `_wrapped` breaks a long mapping at a comma
    yaml.preserve_quotes = True
    return yaml


def commented(tree: CommentedMap, header: str) -> str:
    """Write `tree`, a whole params file, as text with `header` and comments.

    A mapping with a comment inside stands in block style; others keep their style. Comments that
    `tree` has are replaced.
    """
    _strip(tree)
    _Comments().add(tree, Params, 0)
    text = io.StringIO()
    reader().dump(tree, text)
    head = [f"# {line}".rstrip() for line in header.splitlines()]
    body = [_wrapped(line) for line in text.getvalue().splitlines()]
    return "\n".join([*head, *body, ""])


def laid_out(values: dict[str, Any], column: int = 0) -> CommentedMap:
    """Turn plain values into a tree, short mappings in flow style.

    A short mapping fits into a line, or, where no other one is in it, into two.

    Args:
        values: dicts and lists with scalars, which keep their form.
        column: indentation of the keys.
    """
    tree = CommentedMap()
    for key, value in values.items():
        if isinstance(value, dict):
            tree[key] = laid_out(value, column + INDENT)
            breaks = len(value) > 1 and not any(isinstance(each, dict) for each in value.values())
            lines = 2 if breaks else 1
            if column + len(f"{key}: ") + _length(value) <= lines * (WIDTH - column):
                tree[key].fa.set_flow_style()
        elif isinstance(value, list):
            tree[key] = CommentedSeq(value)
            tree[key].fa.set_flow_style()
        else:
            tree[key] = value
    return tree


class _Comments:
    """Adds comments to a tree and knows which ones it has added."""

    def __init__(self) -> None:
        self.written: set[str] = set()  # descriptions
        self.visited: set[int] = set()  # nodes: an alias is the node of its anchor

    def add(self, node: CommentedMap, model: Any, column: int) -> bool:
        """Comment the keys of `node` and of the mappings in it.

        Returns whether there was a comment.

        Args:
            node: values of `model`.
            model: a model, or another type whose keys have no descriptions.
            column: indentation of the keys.
        """
        self.visited.add(id(node))
        added = False
        for key, value in node.items():
            if self._comment(node, key, model, column):
                added = True
            if isinstance(value, CommentedMap) and id(value) not in self.visited:
                added |= self.add(value, _model_of(model, key), column + INDENT)
        if added:
            node.fa.set_block_style()
        return added

    def _comment(self, node: CommentedMap, key: str, model: Any, column: int) -> bool:
        field = model.model_fields.get(key) if _is_model(model) else None
        description = field.description if field else None
        if not description or description in self.written:
            return False
        self.written.add(description)
        text = textwrap.fill(description, WIDTH - column - len("# "))
        gap = "\n" if model in (Params, PapersParams) else ""
        node.yaml_set_comment_before_after_key(key, before=gap + text, indent=column)
        return True


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _model_of(kind: Any, key: str) -> Any:
    """Type of the value at `key` of a model or a dict."""
    if _is_model(kind):
        field = kind.model_fields.get(key)
        return field.annotation if field else None
    return get_args(kind)[1] if get_origin(kind) is dict else None


def _strip(node: Any) -> None:
    """Remove all comments."""
    if isinstance(node, CommentedMap | CommentedSeq):
        node.ca.items.clear()
        node.ca.comment, node.ca.end = None, []
        for value in node.values() if isinstance(node, CommentedMap) else node:
            _strip(value)


def _length(value: Any) -> int:
    """Number of characters of a value in flow style, about."""
    if isinstance(value, dict):
        return sum(_length(key) + _length(inner) + 4 for key, inner in value.items())
    if isinstance(value, list):
        return sum(_length(inner) + 2 for inner in value)
    return len(str(value)) + 2 * isinstance(value, ScalarString)  # its quotes


def _wrapped(line: str) -> str:
    """Break a line that is too long after commas."""
    if len(line) <= WIDTH or line.lstrip().startswith("#"):
        return line
    indent = " " * (len(line) - len(line.lstrip()) + INDENT)
    lines = [""]
    for piece in re.split(r"(?<=,) ", line):
        if lines[-1] and len(f"{lines[-1]} {piece}") > WIDTH:
            lines.append(indent + piece)
        else:
            lines[-1] = f"{lines[-1]} {piece}" if lines[-1] else piece
    return "\n".join(lines)


if __name__ == "__main__":
    PRESET.write_text(commented(reader().load(PRESET), HEADER), encoding="utf-8")
