"""Names of files in tables and on the disk: their Unicode forms, or not UTF-8.

A Mac writes a letter with an accent as two characters (decomposed), most tables as one (composed).
The two look the same, and are one name here.
"""

import os
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from pathlib import Path, PurePath

from merflow.display import printable


def mode_of(path: Path) -> int:
    """Type and rights of a file, links followed; 0 if it cannot be reached.

    `Path.exists` and the like raise on a name that is too long, or in a closed folder.
    """
    try:
        return path.stat().st_mode
    except OSError:
        return 0


def misnamed(path: PurePath) -> str | None:
    """Say why no table can name `path`; None: a table can.

    Python stands for bytes that are not UTF-8 by lone surrogates (PEP 383), which cannot be
    written. A line end would break the row of a table.
    """
    if any("\ud800" <= character <= "\udfff" for character in str(path)):
        return "its name is not UTF-8; rename it"
    return "its name has a line end; rename it" if {"\n", "\r"} & set(str(path)) else None


def same_form(name: str) -> str:
    """Give a name in the form that names are compared in: composed, without blanks around."""
    return unicodedata.normalize("NFC", name).strip()


def _any_case(name: str) -> str:
    return same_form(name).casefold()


class Files:
    """Files below a folder, found by the names that a table has for them."""

    def __init__(self, root: Path):
        """List nothing yet: mostly all files have the names of the table."""
        self._root = root

    def locate(self, name: str) -> str | None:
        """Find the file of this name, or the only one in another Unicode form."""
        if mode_of(self._root / name):
            return name
        candidates = self._in_one_form.get(same_form(name), [])
        return candidates[0] if len(candidates) == 1 else None

    def similar(self, name: str) -> list[str]:
        """Find the files whose names differ only by case or Unicode form."""
        return self._in_one_case.get(_any_case(name), [])

    @cached_property
    def _names(self) -> list[str]:
        paths = (Path(top, name) for top, _, names in os.walk(self._root) for name in names)
        return sorted(path.relative_to(self._root).as_posix() for path in paths)

    @cached_property
    def _in_one_form(self) -> Mapping[str, list[str]]:
        return _grouped(same_form, self._names)

    @cached_property
    def _in_one_case(self) -> Mapping[str, list[str]]:
        return _grouped(_any_case, self._names)


def look_alikes(names: Iterable[str]) -> str:
    """Name those that differ only by case or Unicode form; empty if there are none."""
    groups = [group for group in _grouped(_any_case, names).values() if len(group) > 1]
    if not groups:
        return ""
    first = " and ".join(map(printable, groups[0]))
    more = f" (and {len(groups) - 1} more)" if len(groups) > 1 else ""
    return f"names that differ only by case or Unicode form: {first}{more}; each is a clip"


def _grouped(key: Callable[[str], str], names: Iterable[str]) -> dict[str, list[str]]:
    groups = defaultdict(list)
    for name in names:
        groups[key(name)].append(name)
    return groups
