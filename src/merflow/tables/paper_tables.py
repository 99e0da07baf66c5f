"""Tables in the paper's own shape: its rows and columns, each printed score beside ours under one protocol.

One table for each printed table with scores on test in which a system of ours ran. A column of the paper becomes a group: printed, ours,
difference, interval. Below the printed rows stand ours that the paper prints nowhere, and the trivial baselines. Tables in which systems
stand side by side, and tables of the corpus itself, are set by merflow.tables.emotion_tables.
"""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from merflow.tables import emotion_tables
from merflow.tables.comparison import (
    HEADERS,
    NAN,
    Comparison,
    closing_columns,
    limits_column,
    note_column,
    ours_column,
    printed_cell,
    printed_column,
)
from merflow.tables.render import Table, number, plain, points, words


def tables(view: Comparison) -> Iterator[Table]:
    """In the paper's order, each under every protocol."""
    yield from emotion_tables.balance(view)
    printed = view.printed[view.printed["split"] == "test"]
    for name, lines in printed.groupby("table", sort=False):
        for protocol in view.protocols:
            ran = view.means[(view.means["protocol"] == protocol) & (view.means["split"] == "test")]
            if set(lines["system"]) & set(ran["system"]):
                table = emotion_tables.side_by_side if name in view.across else _table
                yield table(view, str(name), lines, view.unprinted("test", printed), protocol)


def _table(view: Comparison, name: str, lines: pd.DataFrame, more: list[str], protocol: str) -> Table:
    heads = lines[["metric_as_printed", "class"]].drop_duplicates()
    columns_of_paper = {_key(line): lines[(heads.loc[k] == lines[heads.columns]).all(axis=1)] for k, line in heads.iterrows()}
    rows = [_row(view, group, system, columns_of_paper, protocol) for (_, system), group in lines.groupby(["row", "system"], sort=False)]
    rows += [_row(view, lines.iloc[:0], system, columns_of_paper, protocol) for system in more]
    frame = pd.DataFrame([row for row in rows if any(row[f"{key}_metric"] for key in columns_of_paper)])
    columns = [words("row", "label")]
    for key, cells in columns_of_paper.items():
        group = _heading(cells)
        columns += [printed_column("printed", key, group), ours_column("ours", key, group)]
        columns.append(number("difference", f"{key}_difference", points, group))
        columns.append(limits_column(view, key, group))
    column, remarks = note_column(frame)
    notes = ["Ours: mean ± standard deviation over seeds; interval: of that mean, bootstrap over dialogues."]
    notes += ["Difference: ours minus printed, in points.", *remarks]
    title = f"Table {name} of the paper, {plain(protocol)}"
    caption = "In percent; in parentheses what the paper's measure is in our names."
    return view.table(f"table-{name}-{protocol}", title, caption, frame, [*columns, *closing_columns(), column], notes)


def _key(head: pd.Series) -> str:
    """Name of a column of the paper in the CSV."""
    return "_".join(filter(None, (head["metric_as_printed"], head["class"])))


def _heading(cells: pd.DataFrame) -> str:
    """What the paper calls a column, and in parentheses what we do; several of ours where its rows are different measures."""
    first = cells.iloc[0]
    printed = " ".join(filter(None, (first["metric_as_printed"], first["class"])))
    ours = list(dict.fromkeys(HEADERS.get(metric, metric) for metric in cells["metric"]))
    return printed if [printed.lower()] == [name.lower() for name in ours] else f"{printed} ({', '.join(ours)})"


def _row(view: Comparison, lines: pd.DataFrame, system: str, columns: dict[str, pd.DataFrame], protocol: str) -> dict[str, Any]:
    """Printed cells and ours; a row that the paper does not print has ours where all rows of the column are the same measure."""
    about = view.about(system, lines, "test", [protocol])
    row: dict[str, Any] = {"label": about.pop("label"), **about}
    note = row.pop("note")
    for key, cells in columns.items():
        cell = next(iter(cells[cells.index.isin(lines.index)].to_dict("records")), None)
        measures = list(cells[["metric", "class"]].drop_duplicates().itertuples(index=False, name=None))
        metric, name = (cell["metric"], cell["class"]) if cell else measures[0] if lines.empty and len(measures) == 1 else ("", "")
        row[f"{key}_metric"] = metric
        row |= printed_cell(key, cell)
        row |= {f"{key}{ending}": value for ending, value in view.figures(system, protocol, metric, name).items()}
        row[f"{key}_difference"] = row[key] - row[f"printed_{key}"] if view.comparable else NAN
    return row | {"note": note}
