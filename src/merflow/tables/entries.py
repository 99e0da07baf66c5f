"""Lists of entries with an id in reported/, and the checks that they share."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

import yaml

from merflow.errors import EvaluationError
from merflow.params import validated
from merflow.params.base import Strict

Entry = TypeVar("Entry", bound=Strict)


def read_yaml(path: Path) -> Any:
    """Read a YAML file; an empty list without the file.

    Raises:
        EvaluationError: it is not YAML.
    """
    if not path.exists():
        return []
    try:
        return yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)
    except yaml.YAMLError as error:
        raise EvaluationError(f"{path}: not YAML: {' '.join(str(error).split())}") from error


def read_entries(path: Path, model: type[Entry]) -> list[Entry]:
    """Read a list of entries; empty without the file.

    Args:
        path: YAML file.
        model: of an entry, with a key ``id``.

    Raises:
        EvaluationError: the file is not a list, or an entry does not fit the model or has the id of
            another one. One line names file and id.
    """
    content = read_yaml(path)
    if not isinstance(content, list):
        raise EvaluationError(f"{path}: expected a list of entries, each with an id")
    names = [_name(entry, number) for number, entry in enumerate(content, 1)]
    for name, times in Counter(names).items():
        if times > 1:
            raise EvaluationError(
                f"{path}, {name}: stands {times} times; give each entry an id of its own"
            )
    return [
        validated(model, entry, f"{path}, {name}", EvaluationError)
        for name, entry in zip(names, content, strict=True)
    ]


def _name(entry: object, number: int) -> str:
    """Id of an entry as written, or its place from 1."""
    named = isinstance(entry, dict) and entry.get("id")
    return str(named) if named else f"entry {number}"


def check_names(where: str, what: str, names: Iterable[str], allowed: Iterable[str]) -> None:
    """Refuse names that are not allowed.

    Args:
        where: file and id.
        what: kind of the names.
        names, allowed: what is named, and what may be.
    """
    allowed = list(dict.fromkeys(allowed))
    for name in names:
        if name not in allowed:
            raise EvaluationError(f"{where}: unknown {what} {name!r}; known: {', '.join(allowed)}")
