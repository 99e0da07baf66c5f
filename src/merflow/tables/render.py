"""One description of a table, four forms: Markdown, CSV (full precision), HTML fragment, LaTeX (booktabs).

Numbers are rounded in the cells of a `Column` and nowhere before; the CSV holds what the cells were made from.
"""

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any

import jinja2
import pandas as pd

from merflow.evaluation.metrics import VERSUS
from merflow.tables.reported import Row

NOTHING = "–"
TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("merflow.tables"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)


@dataclass(frozen=True)
class Column:
    """A column as people read it: `cell` turns a row of the frame into its text."""

    header: str
    cell: Callable[[Row], str]
    group: str = ""  # header above neighbouring columns of one group
    numeric: bool = True
    prose: bool = False  # sentences: the cell breaks its lines


def number(header: str, key: str, show: Callable[[Any], str] = str, group: str = "") -> Column:
    """A column of numbers, set to the right: `show` of what stands under `key`."""
    return Column(header, lambda row: show(row[key]), group)


def words(header: str, key: str, show: Callable[[Any], str] = str, group: str = "") -> Column:
    """A column of words, set to the left."""
    return Column(header, lambda row: show(row[key]), group, numeric=False)


@dataclass(frozen=True)
class Table:
    """A table before rendering.

    Attributes:
        name: file name without suffix, also the fragment's id.
        frame: one row per row, full precision; a column ``kind`` (system, cited, baseline, absent) sets the row's looks, a column
            ``shown`` says which rows stand in the CSV only.
        columns: the first one heads the rows.
        demo: whether a figure in it comes from a demo corpus.
        folded: long, so that a page shows its title first and the rest on demand.
        anchor: id in a page with tables of several papers; empty: `name`.
        paper, corpus: of all rows; of a row, what stands in columns of these names. In HTML a row of ours says where its runs are told.
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
    def cells(self) -> list[list[str]]:
        """The texts of all cells, row by row."""
        return [[column.cell(row) for column in self.columns] for row in self.rows]

    @cached_property
    def rows(self) -> list[Row]:
        """Rows of `frame` that people see; the CSV has them all."""
        return (self.frame[self.frame["shown"]] if "shown" in self.frame else self.frame).to_dict(
            "records"
        )


def prose(header: str, key: str, group: str = "") -> Column:
    """A column of sentences."""
    return Column(header, lambda row: str(row[key]), group, numeric=False, prose=True)


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
    """A difference with its sign; what rounds to 0 has none."""
    if math.isnan(difference):
        return NOTHING
    shown = f"{difference:+.{decimals}f}"
    return shown.replace("-", "\N{MINUS SIGN}") if float(shown) else shown[1:]


def decimal(value: float, decimals: int = 4) -> str:
    """1.13721 -> 1.1372."""
    return NOTHING if math.isnan(value) else f"{value:.{decimals}f}"


def setting(value: float) -> str:
    """As papers print what they set: 8, 0.01, 2e-4."""
    if math.isnan(value):
        return NOTHING
    mantissa, _, exponent = f"{value:.2e}".partition("e")
    return f"{value:g}" if value == 0 or value >= 1e-3 else f"{float(mantissa):g}e{int(exponent)}"


def p_value(p: float) -> str:
    """A p value to three digits."""
    return NOTHING if math.isnan(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"


def spread(value: float, std: float, show: Callable[[float], str] = percent) -> str:
    """Mean ± standard deviation; the mean alone where there is one run."""
    return show(value) if math.isnan(std) else f"{show(value)} ± {show(std)}"


def interval(low: float, high: float, show: Callable[[float], str] = percent) -> str:
    """Limits in brackets."""
    return NOTHING if math.isnan(low) else f"[{show(low)}, {show(high)}]"


def render(table: Table) -> dict[str, str]:
    """All forms of a table: file name -> content."""
    return {
        f"{table.name}.md": markdown(table),
        f"{table.name}.csv": table.frame.to_csv(index=False, lineterminator="\n"),
        f"{table.name}.html": html(table),
        f"{table.name}.tex": latex(table),
    }


def markdown(table: Table) -> str:
    """A pipe table with its title, caption and notes."""
    headers = [
        f"{column.group}: {column.header}" if column.group else column.header
        for column in table.columns
    ]
    rule = ["--:" if column.numeric else "---" for column in table.columns]
    lines = [
        "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"
        for row in [headers, rule, *table.cells]
    ]
    return (
        "\n\n".join(
            [
                f"## {table.title}",
                table.caption,
                "\n".join(lines),
                *(f"- {note}" for note in table.notes),
            ]
        )
        + "\n"
    )


def html(table: Table) -> str:
    """A ``<figure>`` with the table in a region that scrolls sideways by touch and by keyboard."""
    kinds = [row.get("kind", "system") for row in table.rows]
    links = [
        _links(table, row) if kind == "system" else []
        for kind, row in zip(kinds, table.rows, strict=True)
    ]
    rows = list(zip(kinds, table.cells, links, strict=True))
    return (
        TEMPLATES.get_template("table.html.j2").render(
            table=table, groups=_groups(table), rows=rows
        )
        + "\n"
    )


def page(title: str, tables: Sequence[str]) -> str:
    """A page of its own with these fragments."""
    return TEMPLATES.get_template("tables.html.j2").render(title=title, tables=tables) + "\n"


def runs_page(paper: str) -> str:
    """File name of the page about a paper's runs, beside that of the paper."""
    return f"{paper}-runs.html"


def runs_anchor(system: str, corpus: str = "", protocol: str = "") -> str:
    """Id on that page: of a system, of it on a corpus, of one result."""
    return "-".join(filter(None, (system, corpus, protocol)))


def _links(table: Table, row: Row) -> list[tuple[str, str]]:
    """Systems that a row is about, one or the two of a difference, each with where in the report its runs are told.

    There it becomes a link; a fragment that stands elsewhere has none that leads nowhere. None: the row is about something else.
    """
    paper, corpus, protocol, system = (
        value if isinstance(value := row.get(key, default), str) else ""
        for key, default in (
            ("paper", table.paper),
            ("corpus", table.corpus),
            ("protocol", ""),
            ("system", ""),
        )
    )
    if not paper or not system:
        return []
    return [
        (name, f"{runs_page(paper)}#{runs_anchor(name, corpus, protocol)}")
        for name in system.split(VERSUS)
    ]


def _groups(table: Table) -> list[tuple[str, int]]:
    """Headers of groups, each with the number of its columns; neighbours of one group are joined."""
    return [
        (group, len(list(columns)))
        for group, columns in groupby(table.columns, key=lambda column: column.group)
    ]


#: Signs that mean something to LaTeX, and those that it sets in mathematics; it takes quotation marks, dashes and accents as they are.
ESCAPED = {sign: f"\\{sign}" for sign in "&%$#_{}"}
ESCAPED |= {"\\": "\\textbackslash ", "~": "\\textasciitilde ", "^": "\\textasciicircum "}
ESCAPED |= {
    f"{sign} ": f"{ESCAPED[sign]}\\space " for sign in "\\~^"
}  # a command swallows the space that ends it
ESCAPED |= {
    "\N{MINUS SIGN}": "$-$",
    "±": "$\\pm$",
    "×": "$\\times$",
    "≥": "$\\geq$",
    "≤": "$\\leq$",
    "→": "$\\to$",
    "∞": "$\\infty$",
}
SIGNS = re.compile("|".join(map(re.escape, sorted(ESCAPED, key=len, reverse=True))))
LANDSCAPE = "\\usepackage{pdflscape} \\begin{landscape}\\footnotesize ... \\end{landscape}"
SHRINK = "\\usepackage{adjustbox} \\begin{adjustbox}{max width=\\linewidth} ... \\end{adjustbox}"
LONG = 45  # rows; a table with more, or with sentences, may break over pages


def latex(table: Table) -> str:
    """A booktabs table, to be \\input in a paper; its first line says which packages that loads, and what to do where it is too wide.

    A table that may need several pages is a longtable, any other a tabular.
    """
    long = len(table.rows) > LONG or any(column.prose for column in table.columns)
    groups, count = _groups(table), len(table.columns)
    width = min(
        4.0, 12.5 / max(sum(column.prose for column in table.columns), 1)
    )  # cm, so that they fit a landscape page together
    align = "".join(
        f"p{{{width:g}cm}}" if column.prose else "r" if column.numeric else "l"
        for column in table.columns
    )
    head = [_line(column.header for column in table.columns)]
    if any(group for group, _ in groups):
        spans = (
            _escaped(group) if span == 1 else f"\\multicolumn{{{span}}}{{c}}{{{_escaped(group)}}}"
            for group, span in groups
        )
        head.insert(0, " & ".join(spans) + " \\\\")
    head = ["\\toprule", *head, "\\midrule"]
    if long:
        more = [
            "\\midrule",
            f"\\multicolumn{{{count}}}{{r}}{{Continued on next page}} \\\\",
            "\\midrule",
        ]
        head = [
            *head,
            "\\endfirsthead",
            *head,
            "\\endhead",
            *more,
            "\\endfoot",
            "\\bottomrule",
            "\\endlastfoot",
        ]
    environment, packages, fit = (
        ("longtable", "booktabs,longtable", LANDSCAPE) if long else ("tabular", "booktabs", SHRINK)
    )
    lines = [
        f"% \\usepackage{{{packages}}} \\usepackage[T1]{{fontenc}}; {count} columns, too wide? {fit}"
    ]
    lines += [
        f"\\begin{{{environment}}}{{{align}}}",
        *head,
        *map(_line, table.cells),
        *([] if long else ["\\bottomrule"]),
    ]
    return "\n".join([*lines, f"\\end{{{environment}}}"]) + "\n"


def _line(cells: Iterable[str]) -> str:
    text = " & ".join(map(_escaped, cells)) + " \\\\"
    return (
        f"{{[}}{text[1:]}" if text.startswith("[") else text
    )  # what begins with a bracket would be an argument of the row before it


def _escaped(text: str) -> str:
    return SIGNS.sub(lambda sign: ESCAPED[sign[0]], text)
