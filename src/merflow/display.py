"""A user's text on the screen: as it is, never taken for markup.

Names of clips, classes, folders and checkpoints may hold square brackets, which rich takes for
styles, and characters that no terminal can show.
"""

import unicodedata
from typing import Any

from rich.table import Column, Table
from rich.text import Text


def printable(text: str) -> str:
    """Escape controls, and bytes of a name that is not UTF-8.

    The result has one line: ``gl\\xfcck.wav``, ``two\\nlines``.
    """
    return text if text.isprintable() else "".join(map(_shown, text))


def _shown(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # a byte of a name that is not UTF-8 (PEP 383)
        return f"\\x{ord(character) - 0xDC00:02x}"
    hidden = unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")
    return ascii(character)[1:-1] if hidden else character


class TextTable(Table):
    """A table of plain text."""

    def __init__(self, *headers: str, **options: Any):
        """Make an empty table.

        Args:
            headers: one per column.
            options: of rich's Table; a title is plain text too.
        """
        super().__init__(*(Column(header=Text(printable(header))) for header in headers), **options)

    def add_row(self, *cells: str, **options: Any) -> None:  # type: ignore[override]
        """Add a row of plain text."""
        super().add_row(*(Text(printable(cell)) for cell in cells), **options)


def labelled(**values: object) -> Text:
    """Line of values, each behind its name in bold.

    A ``_`` in a name is shown as a space.
    """
    parts: list[Any] = []
    for name, value in values.items():
        parts += ["   "] if parts else []
        parts += [(name.replace("_", " "), "bold"), f" {printable(str(value))}"]
    return Text.assemble(*parts)
