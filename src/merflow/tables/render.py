"""Tables before rendering: rows in full precision, and columns that turn rows into text.

Numbers are rounded in the cells of a `Column` and nowhere before. A table has five forms: Markdown,
CSV in full precision, HTML, LaTeX, and JSON, which the report reads.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from merflow.tables.html import fragment
from merflow.tables.latex import latex
from merflow.tables.rendered import RenderedColumn, RenderedRow, RenderedTable, SystemRuns
from merflow.tables.reported import Row

NOTHING = "–"
#: Signs that Markdown takes for markup: emphasis, code, links, tags, entities, borders of a cell.
MARKUP = re.compile(
    r"[\\`|~$]|\*(?=\S)|(?<![^\W_])_(?=\S)|<(?=[A-Za-z/!?])|&(?=#?\w+;)|\](?=[(\[:])"
)


@dataclass(frozen=True)
class Column:
    """A column as people read it.

    Attributes:
        header: its name.
        cell: turns a row of the frame into text.
        group: header above neighbouring columns of one group.
        numeric: numbers, aligned right.
        prose: sentences, whose lines break.
    """

    header: str
    cell: Callable[[Row], str]
    group: str = ""
    numeric: bool = True
    prose: bool = False


def number(header: str, key: str, show: Callable[[Any], str] = str, group: str = "") -> Column:
    """Column of numbers, aligned right: `show` of the value under `key`."""
    return Column(header, lambda row: show(row[key]), group)


def words(header: str, key: str, show: Callable[[Any], str] = str, group: str = "") -> Column:
    """Column of words, aligned left."""
    return Column(header, lambda row: show(row[key]), group, numeric=False)


def prose(header: str, key: str, group: str = "") -> Column:
    """Column of sentences."""
    return Column(header, lambda row: str(row[key]), group, numeric=False, prose=True)


@dataclass(frozen=True)
class Table:
    """A table before rendering.

    Attributes:
        name: file name without suffix.
        title, caption, notes: sentences. Notes stand below the table.
        frame: one row per row, in full precision. Column ``kind`` (system, cited, baseline, absent)
            sets the looks of a row. Rows with a false ``shown`` stand in the CSV only. Columns
            ``system`` (of a difference ``first`` and ``second``), ``paper``, ``corpus`` and
            ``protocol`` say which runs are behind a row.
        columns: the first one heads the rows.
        demo: a figure in it comes from a demo corpus.
        folded: long, so that a page shows its title first and the rest on demand.
        anchor: id on a page with tables of several papers. Empty: `name`.
        paper, corpus: of all rows, where the frame has no such column.
    """

    name: str
    title: str
    caption: str
    frame: pd.DataFrame
    columns: tuple[Column, ...]
    notes: tuple[str, ...] = ()
    demo: bool = False
    folded: bool = False
    anchor: str = ""
    paper: str = ""
    corpus: str = ""

    @cached_property
    def rows(self) -> list[Row]:
        """Rows that readers see. The CSV has all of `frame`."""
        frame = self.frame[self.frame["shown"]] if "shown" in self.frame else self.frame
        return frame.to_dict("records")

    @cached_property
    def cells(self) -> list[list[str]]:
        """Text of all cells, row by row."""
        return [[column.cell(row) for column in self.columns] for row in self.rows]

    def runs(self, row: Row) -> tuple[SystemRuns, ...]:
        """Runs behind a row: of its system, or of the two systems of a difference.

        Cited and absent systems, baselines and rows about anything else have none.
        """
        paper, corpus, protocol = (
            text if isinstance(text := row.get(key, default), str) else ""
            for key, default in (
                ("paper", self.paper),
                ("corpus", self.corpus),
                ("protocol", ""),
            )
        )
        if not paper or row.get("kind", "system") not in ("system", "linear"):
            return ()
        keys = ("system",) if isinstance(row.get("system"), str) else ("first", "second")
        systems = [name for name in map(row.get, keys) if isinstance(name, str)]
        return tuple(
            SystemRuns(paper=paper, system=system, corpus=corpus, protocol=protocol)
            for system in systems
        )

    @cached_property
    def rendered(self) -> RenderedTable:
        """The table with every cell as text."""
        label = self.name.removeprefix(f"{self.corpus}-")
        rows = zip(self.rows, self.cells, strict=True)
        return RenderedTable(
            name=self.name,
            label=label.replace("-", " ").replace("_", " "),
            anchor=self.anchor or self.name,
            title=self.title,
            caption=self.caption,
            notes=self.notes,
            demo=self.demo,
            folded=self.folded,
            columns=tuple(
                RenderedColumn(
                    header=column.header,
                    group=column.group,
                    numeric=column.numeric,
                    prose=column.prose,
                )
                for column in self.columns
            ),
            rows=tuple(
                RenderedRow(kind=row.get("kind", "system"), cells=tuple(cells), runs=self.runs(row))
                for row, cells in rows
            ),
        )


def plain(key: str) -> str:
    """as_published -> as published."""
    return key.replace("_", " ")


def percent(share: float, decimals: int = 2) -> str:
    """0.6204 -> 62.04."""
    return NOTHING if math.isnan(share) else f"{100 * share:.{decimals}f}"


def points(difference: float) -> str:
    """Difference of two shares in percentage points, with its sign."""
    return signed(100 * difference, 2)


def signed(difference: float, decimals: int = 4) -> str:
    """A difference with its sign, or without where it rounds to 0."""
    if math.isnan(difference):
        return NOTHING
    text = f"{difference:+.{decimals}f}"
    return text.replace("-", "\N{MINUS SIGN}") if float(text) else text[1:]


def decimal(value: float, decimals: int = 4) -> str:
    """1.13721 -> 1.1372."""
    return NOTHING if math.isnan(value) else f"{value:.{decimals}f}"


def setting(value: float) -> str:
    """A hyper-parameter as papers print it: 8, 0.01, 2e-4."""
    if math.isnan(value):
        return NOTHING
    mantissa, _, exponent = f"{value:.2e}".partition("e")
    return f"{value:g}" if value == 0 or value >= 1e-3 else f"{float(mantissa):g}e{int(exponent)}"


def p_value(p: float) -> str:
    """A p value to three digits."""
    return NOTHING if math.isnan(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"


def spread(value: float, std: float, show: Callable[[float], str] = percent) -> str:
    """Mean ± standard deviation, or the mean alone where there is one run."""
    return show(value) if math.isnan(std) else f"{show(value)} ± {show(std)}"


def interval(low: float, high: float, show: Callable[[float], str] = percent) -> str:
    """Limits in brackets."""
    return NOTHING if math.isnan(low) else f"[{show(low)}, {show(high)}]"


def render(table: Table) -> dict[str, str]:
    """All forms of a table: file name -> content."""
    rendered = table.rendered
    return {
        f"{table.name}.md": markdown(rendered),
        f"{table.name}.csv": table.frame.to_csv(index=False, lineterminator="\n"),
        f"{table.name}.html": fragment(rendered),
        f"{table.name}.tex": latex(rendered),
        f"{table.name}.json": rendered.model_dump_json(indent=1) + "\n",
    }


def markdown(table: RenderedTable) -> str:
    """Pipe table with its title, caption and notes."""
    headers = [
        f"{column.group}: {column.header}" if column.group else column.header
        for column in table.columns
    ]
    rule = ["--:" if column.numeric else "---" for column in table.columns]
    lines = [
        "| " + " | ".join(map(escaped, cells)) + " |"
        for cells in [headers, rule, *(row.cells for row in table.rows)]
    ]
    notes = [f"- {note}" for note in table.notes]
    blocks = [f"## {table.title}", table.caption, "\n".join(lines), *notes]
    return "\n\n".join(blocks) + "\n"


def escaped(text: str) -> str:
    """Text on one line of Markdown, without markup."""
    return MARKUP.sub(r"\\\g<0>", " ".join(text.splitlines()))
