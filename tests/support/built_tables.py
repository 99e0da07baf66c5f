"""Readers of results/tables as the step ``tables`` built it."""

import pandas as pd

from merflow.tables.index import Index


def read_csv(path):
    """A table; only empty cells are null."""
    return pd.read_csv(path, keep_default_na=False, na_values=[""])


def entry_of(tables, paper, corpus):
    """Entry of a paper on a corpus in index.json."""
    entries = {(entry.paper, entry.corpus): entry for entry in Index.read(tables).sections}
    return entries[paper, corpus]


def header_of(path):
    """Line of a Markdown table with its headers."""
    lines = path.read_text().splitlines()
    return next(line for line in lines if line.startswith(("| row", "| system")))


def line_of(path, start):
    """Line of a Markdown table by its beginning."""
    return next(line for line in path.read_text().splitlines() if line.startswith(start))


def cells_of(table):
    """Cells of a table before rendering: label -> header (with its group) -> text."""
    heads = [
        f"{column.group}: {column.header}" if column.group else column.header
        for column in table.columns
    ]
    return {cells[0]: dict(zip(heads, cells, strict=True)) for cells in table.cells}
