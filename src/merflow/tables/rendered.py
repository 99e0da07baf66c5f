"""Tables with every cell as text, from which all forms and the report are made."""

from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import Literal, Self

from merflow.documents import Document, read_document

#: System with scores, linear classifier with scores, system of another paper that the paper cites,
#: trivial baseline, or system without scores.
RowKind = Literal["system", "linear", "cited", "baseline", "absent"]


class SystemRuns(Document):
    """Runs of a system. Empty: of all corpora, under all protocols."""

    paper: str
    system: str
    corpus: str = ""
    protocol: str = ""


class RenderedColumn(Document):
    """Column of a rendered table.

    Attributes:
        header: its name.
        group: header above neighbouring columns. Empty: none.
        numeric: numbers, aligned right.
        prose: sentences, whose lines break.
    """

    header: str
    group: str = ""
    numeric: bool = True
    prose: bool = False


class RenderedRow(Document):
    """Row of a rendered table.

    Attributes:
        kind: sets its looks.
        cells: one text per column.
        runs: runs behind the row, named by its first cell: of one system, of the two systems of a
            difference, or of none.
    """

    kind: RowKind
    cells: tuple[str, ...]
    runs: tuple[SystemRuns, ...] = ()


class RenderedTable(Document):
    """Table as readers see it, with the attributes of merflow.tables.render.Table.

    Attributes:
        label: short name for a list of tables, without the corpus.
    """

    name: str
    label: str
    anchor: str
    title: str
    caption: str
    notes: tuple[str, ...]
    demo: bool
    folded: bool
    columns: tuple[RenderedColumn, ...]
    rows: tuple[RenderedRow, ...]

    @property
    def groups(self) -> list[tuple[str, int]]:
        """Headers above the columns, each with the number of its columns."""
        headers: Iterable[tuple[str, Iterable[RenderedColumn]]] = groupby(
            self.columns, key=lambda column: column.group
        )
        return [(header, len(list(columns))) for header, columns in headers]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a table that the step ``tables`` wrote as JSON.

        Raises:
            StoreError: the file is absent, unreadable or not a table.
        """
        return read_document(path, cls, f"delete {path.parents[1]} and build it anew")
