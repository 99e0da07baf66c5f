"""Tables in the paper's own shape: its rows and columns, each printed figure beside ours under one protocol.

One table for each printed table of scores, on test or on dev, in which a system of ours ran. A column of the paper becomes a group:
printed, ours, and where there is one, difference and interval. Below the printed rows stand ours that the paper prints nowhere, and the
trivial baselines: a variant of a printed system (``<system>_<...>``) in the tables of that system, any other in all. A classification
report, one system with several rows, is repeated for each of them. A column that mixes measures is followed by each of these in full.

Tables in which systems stand side by side are set by merflow.tables.emotion_tables, those of the corpus itself by
merflow.tables.corpus_tables.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import pandas as pd

from merflow.evaluation.metrics import LOSS, SETTINGS
from merflow.tables import corpus_tables, emotion_tables
from merflow.tables.columns import (
    closing_columns,
    limits_column,
    note_column,
    ours_column,
    printed_cell,
    printed_column,
    unit_of,
)
from merflow.tables.comparison import NAN, Comparison, formulas, name_of
from merflow.tables.render import Column, Table, number, plain, words
from merflow.tables.reported import PER_CLASS, SCORES, Row, grouped

Cells = dict[str, list[Row]]  #: by the name of a column in the CSV: its printed cells


def tables(view: Comparison) -> Iterator[Table]:
    """In the paper's order, each under every protocol."""
    yield from corpus_tables.tables(view)
    measures = {*SCORES, *PER_CLASS, LOSS, *SETTINGS}
    for (name,), lines in grouped(
        (row for row in view.lines if row["metric"] in measures), "table"
    ).items():
        split = _part(lines)
        for protocol in view.protocols:
            if not any(
                view.ran(system, protocol, split) for system in {row["system"] for row in lines}
            ):
                continue
            more = view.unprinted(split, view.printed)
            if name in view.across:
                yield emotion_tables.side_by_side(view, name, lines, more, protocol)
            else:
                yield _table(view, name, lines, split, more, protocol)


def _part(lines: Sequence[Row]) -> str:
    """The part of the corpus that a table is about; empty: it prints no score."""
    splits = {
        row["split"] for row in lines if row["metric"] in SCORES or row["metric"] in PER_CLASS
    }
    return next((split for split in ("test", "dev") if split in splits), "")


def _table(
    view: Comparison, name: str, lines: list[Row], split: str, more: list[str], protocol: str
) -> Table:
    length = Counter(row["row"] for row in lines)
    fullest = sorted(
        lines, key=lambda row: -length[row["row"]]
    )  # a row may lack cells: the fullest has the paper's order
    printed_as = grouped(lines, "metric_as_printed", "class")
    cells = {
        "_".join(filter(None, head)): printed_as[head]
        for head in grouped(fullest, "metric_as_printed", "class")
    }
    groups = list(grouped(lines, "row", "system").values())
    report = len(groups) > 1 and len({row["system"] for row in lines}) == 1
    rows = [_row(view, rows[0]["system"], rows, rows, cells, split, protocol) for rows in groups]
    for system in more:
        for like in _like(view, system, groups if report else [lines]):
            row = _row(view, system, [], like, cells, split, protocol)
            rows.append(row | {"label": f"{like[0]['row']} ({system})"} if report else row)
    mixed = (
        {}
        if report
        else {
            f"{key}_{metric}": metric
            for key, printed in cells.items()
            for metric in _mixed(printed)
        }
    )
    for row, (key, metric) in product(rows, mixed.items()):
        row |= {
            f"{key}{ending}": value
            for ending, value in view.figures(row["system"], protocol, metric, split=split).items()
        }
    frame = pd.DataFrame(rows)
    columns = [words("row", "label")]
    for key, printed in cells.items():
        columns += _group(view, key, printed, split)
    columns += [ours_column("ours", key, name_of(metric, split)) for key, metric in mixed.items()]
    column, remarks = note_column(frame)
    title, caption = (
        f"Table {name} of the paper, {plain(protocol)}",
        "in parentheses what the paper's measure is in our names.",
    )
    metrics = [row["metric"] for row in lines]
    notes = [*_notes(set(metrics), split), formulas(metrics, view.multi_label), *remarks]
    columns += [*closing_columns(), column]
    return view.table(
        f"table-{name}-{protocol}",
        title,
        f"{split.capitalize()} part, scores in percent; {caption}",
        frame,
        columns,
        notes,
    )


def _like(view: Comparison, system: str, groups: list[list[Row]]) -> list[list[Row]]:
    """Rows of the paper whose measures a row of `system` has; none, where it is a variant of a system of other tables."""
    of = view.variant_of(system)
    own = [[row for row in rows if of in (None, row["system"])] for rows in groups]
    return [rows for rows in own if rows]


def _mixed(cells: Sequence[Row]) -> list[str]:
    """The measures of a column that has several."""
    measures = list(dict.fromkeys(row["metric"] for row in cells))
    return measures if len(measures) > 1 else []


def _group(view: Comparison, key: str, cells: Sequence[Row], split: str) -> Iterator[Column]:
    """The columns that stand for one of the paper."""
    head, unit = _heading(cells), unit_of(cells[0]["metric"])
    yield printed_column("printed", key, head, unit)
    yield ours_column("ours", key, head, unit)
    if not any(row["metric"] in SETTINGS for row in cells):
        yield number("difference", f"{key}_difference", unit.difference, head)
    if split == "test":  # on dev the epoch was chosen
        yield limits_column(view, key, head)


def _heading(cells: Sequence[Row]) -> str:
    """What the paper calls a column, and in parentheses what we do; several of ours where its rows are different measures."""
    first = cells[0]
    printed = " ".join(filter(None, (first["metric_as_printed"], first["class"])))
    ours = list(dict.fromkeys(name_of(row["metric"], row["split"]) for row in cells))
    return (
        printed
        if [printed.lower()] == [name.lower() for name in ours]
        else f"{printed} ({', '.join(ours)})"
    )


def _notes(metrics: set[str], split: str) -> Iterator[str]:
    interval = "; interval: of that mean, bootstrap over dialogues" if split == "test" else ""
    yield f"Ours: mean ± standard deviation over seeds{interval}."
    yield "Difference: ours minus printed; of scores in points."
    if LOSS in metrics:
        yield "Loss of ours: in the epoch that is scored, on train the mean while that epoch trained, on dev after it."


def _row(
    view: Comparison,
    system: str,
    lines: list[Row],
    like: list[Row],
    cells: Cells,
    split: str,
    protocol: str,
) -> dict[str, Any]:
    """Figures of `system`: printed ones of `lines`, and ours of the measures of `like`, where a column has one measure there."""
    about = view.about(system, lines, split, [protocol])
    row: dict[str, Any] = {"label": about.pop("label"), **about}
    note = row.pop("note")
    mine, alike = (set(map(id, rows)) for rows in (lines, like))
    for key, column in cells.items():
        cell = next((one for one in column if id(one) in mine), None)
        measures = {
            (one["metric"], one["class"], one["split"]) for one in column if id(one) in alike
        }
        metric, name, of = measures.pop() if len(measures) == 1 else ("", "", "")
        row[f"{key}_metric"] = metric
        row |= printed_cell(key, cell)
        row |= {
            f"{key}{ending}": value
            for ending, value in view.figures(system, protocol, metric, name, of or "train").items()
        }
        row[f"{key}_difference"] = row[key] - row[f"printed_{key}"] if view.comparable else NAN
    return row | {"note": note}
