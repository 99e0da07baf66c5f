"""Knowledge from elsewhere that belongs beside a printed table: reported/<paper>.notes.yaml.

A list of notes. Keys: ``table`` (its number in print), ``corpora`` (keys), ``note`` (what is known,
in our words), ``source`` (address where anyone can read it).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import pandas as pd
from pydantic import Field

from merflow.errors import EvaluationError
from merflow.params import validated
from merflow.params.base import Strict
from merflow.tables.comparison import Comparison
from merflow.tables.entries import read_yaml
from merflow.tables.render import Table

Text = Annotated[str, Field(min_length=1)]


class TableNote(Strict):
    """A note on a printed table."""

    table: Text
    corpora: Annotated[list[str], Field(min_length=1)]
    note: Text
    source: Annotated[str, Field(pattern="^https://")]

    def __str__(self) -> str:
        return f"Known from elsewhere: {self.note} Source: {self.source}"


def load_notes(folder: Path, paper: str, printed: pd.DataFrame) -> list[TableNote]:
    """Read the notes on the tables of a paper; none without the file.

    Args:
        folder: the folder ``reported``.
        paper: key of the paper.
        printed: the paper's printed numbers (merflow.tables.reported).

    Raises:
        EvaluationError: the file is malformed, or names a table that the paper does not print on a
            corpus.
    """
    path = folder / f"{paper}.notes.yaml"
    notes = validated(list[TableNote], read_yaml(path), str(path), EvaluationError)
    tables = set(zip(printed["table"], printed["corpus"], strict=True))
    for note in notes:
        for corpus in note.corpora:
            if (note.table, corpus) not in tables:
                on_corpus = sorted({table for table, other in tables if other == corpus})
                raise EvaluationError(
                    f"{path}: the paper prints no table {note.table!r} on {corpus!r}; known:"
                    f" {', '.join(on_corpus) or 'none'}"
                )
    return notes


def noted(
    tables: Iterable[Table], comparison: Comparison, notes: Sequence[TableNote]
) -> Iterator[Table]:
    """Add the notes of the paper to its tables.

    Args:
        tables: in the paper's shape (merflow.tables.paper_tables).
        comparison: of the paper on the corpus.
        notes: of the paper.
    """
    corpus = comparison.corpus
    for table in tables:
        added = (
            str(note)
            for note in notes
            if corpus in note.corpora and table.name.startswith(f"{corpus}-table-{note.table}-")
        )
        yield replace(table, notes=(*table.notes, *added))
