"""YAML files of a user, refused unless both tools read the same values in them.

Snakemake reads YAML 1.1 and DVC reads YAML 1.2, and some values differ: ``yes`` is true in one and
a text in the other. Of a repeated key Snakemake takes the last value, and DVC refuses the file.
"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from merflow.errors import ParamsError, os_reason

#: Plain scalars that both versions surely read alike: words and ordinary numbers.
_ALIKE = re.compile(
    r"(?!(?:yes|no|on|off)$)[a-z_/$][^:]*|[-+]?(?:0|[1-9]\d*)(?:\.\d+(?:e[-+]\d+)?)?|",
    re.IGNORECASE,
)
_MARKER = re.compile(r"^(?:<{7}|>{7}|\|{7})(?: |$)", re.MULTILINE)


def read(path: Path, if_absent: str) -> str:
    """Read the text of a file.

    Args:
        path: file to read.
        if_absent: advice if the file does not exist.

    Raises:
        ParamsError: the file is absent, cannot be read, or is not UTF-8; names the line.
    """
    try:
        return decoded(path.read_bytes(), str(path))
    except FileNotFoundError as error:
        raise ParamsError(f"{path}: no such file; {if_absent}") from error
    except OSError as error:
        raise ParamsError(f"{path}: cannot be read: {os_reason(error)}") from error


def decoded(content: bytes, place: str) -> str:
    """Decode UTF-8, with or without a byte-order mark.

    Raises:
        ParamsError: names the line and the byte that is not UTF-8.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ParamsError(
            f"{place}, line {line}: byte {content[error.start]:02X} is not UTF-8;"
            " save the file as UTF-8"
        ) from error


def check_conflict(text: str, place: str) -> None:
    """Refuse text with conflict markers of git.

    Raises:
        ParamsError: names the line of the first marker.
    """
    if marker := _MARKER.search(text):
        line = text.count("\n", 0, marker.start()) + 1
        raise ParamsError(
            f"{place}, line {line}: has conflict markers of git; settle the conflict, or take one"
            f" side as a whole: `git checkout --ours {place}` or `--theirs`"
        )


def parse(text: str, place: str) -> Any:
    """Parse YAML; messages begin with `place`.

    Raises:
        ParamsError: it has conflict markers, is not YAML, repeats a key, or has a value that the
            versions of YAML read differently. The message names the line.
    """
    check_conflict(text, place)
    try:
        loader = yaml.CSafeLoader(text)
        node = loader.get_single_node()
        for key, inner in _nodes(node, (), set(), place):
            _check_scalar(inner, key, place)
        return None if node is None else loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise ParamsError(f"{place}{line}: not YAML: {error.problem or error.context}") from error
    except (yaml.YAMLError, ValueError, LookupError, RecursionError) as error:
        raise ParamsError(f"{place}: not YAML: {' '.join(str(error).split())}") from error


def _nodes(
    node: yaml.Node | None, key: tuple[str, ...], seen: set[int], place: str
) -> Iterator[tuple[str, yaml.ScalarNode]]:
    """Scalars below a node with their dotted keys.

    A key is itself a scalar of its mapping.
    """
    if id(node) in seen:  # an alias
        return
    seen.add(id(node))
    if isinstance(node, yaml.ScalarNode):
        yield ".".join(key), node
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _nodes(item, key, seen, place)
    elif isinstance(node, yaml.MappingNode):
        _check_repeated(node, key, place)
        for name, value in node.value:
            yield from _nodes(name, key, seen, place)
            yield from _nodes(value, (*key, str(name.value)), seen, place)


def _check_repeated(node: yaml.MappingNode, above: tuple[str, ...], place: str) -> None:
    lines: dict[str, int] = {}
    for name, _ in node.value:
        line = name.start_mark.line + 1
        if isinstance(name, yaml.ScalarNode) and lines.setdefault(name.value, line) != line:
            raise ParamsError(
                f"{place}, line {line}: {'.'.join((*above, name.value))} is in line"
                f" {lines[name.value]} already; remove one of the two"
            )


def _check_scalar(node: yaml.ScalarNode, key: str, place: str) -> None:
    if node.style or node.tag == "tag:yaml.org,2002:merge" or _ALIKE.fullmatch(node.value):
        return
    if readings := _readings(node.value):
        first, second = readings
        raise ParamsError(
            f"{place}, line {node.start_mark.line + 1}: {key + ': ' if key else ''}{node.value} is"
            f" {first} in YAML 1.1 (Snakemake) and {second} in YAML 1.2 (DVC); write {first} or"
            f" {second}, whichever you mean"
        )


@cache
def _readings(token: str) -> tuple[str, str] | None:
    """Plain scalar as Snakemake and DVC read it, in a form that both read alike.

    None if they agree.
    """
    from ruamel.yaml import YAML

    first, second = yaml.load(token, yaml.CSafeLoader), YAML(typ="safe").load(token)
    if first == second or repr(first) == repr(second):  # nan is not equal to itself
        return None
    return _written(first), _written(second)


def _written(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        text = repr(value)
        return text if "." in text or "e" not in text else text.replace("e", ".0e")
    return f'"{value}"' if isinstance(value, str) else str(value)
