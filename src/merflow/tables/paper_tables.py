"""Tables in the paper's own shape: each printed figure beside ours under one protocol.

Of each printed table of scores, on test or on dev, in which a system of ours ran. A column of the
paper becomes a group: printed, ours, and where it applies difference and interval. Below the
printed rows stand ours that the paper prints nowhere, and the trivial baselines. A variant of a
printed system (``<system>_<...>``) stands in the tables of that system, any other system in all. A
classification report, one system with several rows, is repeated for each of them. A column that
mixes measures is followed by each of these in full, and one of an unusual measure by the usual
ones.

merflow.tables.emotion_tables has tables in which systems stand side by side,
merflow.tables.corpus_tables tables of the corpus.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain, product
from typing import Any

import pandas as pd

from merflow.evaluation.metrics import LOSS, SETTINGS
from merflow.tables import corpus_tables, emotion_tables
from merflow.tables.columns import (
    closing_columns,
    folds_cell,
    folds_columns,
    folds_notes,
    limits_column,
    measured_cell,
    note_column,
    ours_column,
    printed_cell,
    printed_column,
)
from merflow.tables.comparison import Comparison
from merflow.tables.measured import NAN
from merflow.tables.measures import USUAL, formulas_note, name_of, unit_of
from merflow.tables.render import Column, Table, number, plain, words
from merflow.tables.reported import PER_CLASS, SCORES, Row, grouped

Cells = dict[str, list[Row]]  #: name of a column in the CSV -> its printed cells


def tables(comparison: Comparison) -> Iterator[Table]:
    """All of them in the paper's order, each under every protocol."""
    yield from corpus_tables.tables(comparison)
    measures = {*SCORES, *PER_CLASS, LOSS, *SETTINGS}
    lines_of = grouped(
        (row for row in comparison.printed.lines if row["metric"] in measures), "table"
    )
    for (name,), lines in lines_of.items():
        split, systems = _split(lines), {row["system"] for row in lines}
        for protocol in comparison.measured.protocols:
            if not any(comparison.measured.scored(system, split, [protocol]) for system in systems):
                continue
            unprinted = _unprinted(comparison, split, systems, protocol)
            if name in comparison.printed.side_by_side:
                yield emotion_tables.side_by_side(comparison, name, lines, unprinted, protocol)
            else:
                yield _table(comparison, name, lines, split, unprinted, protocol)


def _unprinted(
    comparison: Comparison, split: str, systems: Collection[str], protocol: str
) -> list[str]:
    """Ours below a printed table; linear classifiers only on inputs of its `systems`."""
    variants = {
        name
        for name in comparison.measured.systems
        if comparison.printed.variant_of(name) in systems
    }
    linear = {comparison.linear_of(name, protocol) for name in {*systems, *variants}}
    return [
        name
        for name in comparison.unprinted(split, comparison.printed.scores)
        if comparison.kind(name) != "linear" or name in linear
    ]


def _split(lines: Sequence[Row]) -> str:
    """Split of the scores in a table; empty: it prints no score."""
    scores = SCORES | PER_CLASS
    splits = {row["split"] for row in lines if row["metric"] in scores}
    return next((split for split in ("test", "dev") if split in splits), "")


def _table(
    comparison: Comparison,
    name: str,
    lines: list[Row],
    split: str,
    unprinted: list[str],
    protocol: str,
) -> Table:
    cells, groups = _cells(lines), list(grouped(lines, "row", "system").values())
    report = len(groups) > 1 and len({row["system"] for row in lines}) == 1
    rows = [
        _row(comparison, group[0]["system"], group, group, cells, split, protocol)
        for group in groups
    ]
    for system in unprinted:
        for like in _like(comparison, system, groups if report else [lines]):
            row = _row(comparison, system, [], like, cells, split, protocol)
            rows.append(row | {"label": f"{like[0]['row']} ({row['label']})"} if report else row)
    further = {} if report else _further(cells, comparison.measured.multi_label)
    for row, (key, metric) in product(rows, further.items()):
        mean = comparison.measured.mean(row["system"], protocol, metric, split=split)
        row |= measured_cell(key, mean)
    frame = pd.DataFrame(rows)
    columns = [words("row", "label")]
    for key, printed in cells.items():
        columns += _group(comparison, key, printed, split, frame)
    columns += [ours_column("ours", key, name_of(metric, split)) for key, metric in further.items()]
    column, remarks = note_column(frame)
    columns += [*closing_columns(), column]
    metrics = [*(row["metric"] for row in lines), *further.values()]
    formulas = formulas_note(metrics, comparison.measured.multi_label)
    return comparison.table(
        f"table-{name}-{protocol}",
        f"Table {name} of the paper, {plain(protocol)}",
        f"{split.capitalize()} split, scores in percent; in parentheses our name of the paper's"
        " measure.",
        frame,
        columns,
        [*_notes(set(metrics), split), *folds_notes(columns), formulas, *remarks],
    )


def _cells(lines: Sequence[Row]) -> Cells:
    """Printed cells of each column, in the order of the row with most cells."""
    n_cells = Counter(row["row"] for row in lines)
    fullest_first = sorted(lines, key=lambda row: -n_cells[row["row"]])
    cells = grouped(lines, "metric_as_printed", "class")
    heads = grouped(fullest_first, "metric_as_printed", "class")
    return {"_".join(filter(None, head)): cells[head] for head in heads}


def _like(comparison: Comparison, system: str, groups: list[list[Row]]) -> list[list[Row]]:
    """Lines whose measures a row of `system` has; a variant has its system's."""
    base = comparison.printed.variant_of(system)
    groups = [[row for row in rows if base in (None, row["system"])] for rows in groups]
    return [rows for rows in groups if rows]


def _further(cells: Cells, multi_label: bool) -> dict[str, str]:
    """Key of each further column -> its metric: of columns of mixed or unusual measures."""
    further: dict[str, str] = {}
    for key, printed in cells.items():
        metrics = list(dict.fromkeys(row["metric"] for row in printed))
        usual = () if multi_label else chain.from_iterable(USUAL.get(name, ()) for name in metrics)
        shown = [*(metrics if len(metrics) > 1 else ()), *usual]
        further |= {f"{key}_{metric}": metric for metric in shown}
    return further


def _group(
    comparison: Comparison, key: str, cells: Sequence[Row], split: str, frame: pd.DataFrame
) -> Iterator[Column]:
    """Columns that stand for one of the paper."""
    head, unit = _heading(cells), unit_of(cells[0]["metric"])
    yield printed_column("printed", key, head, unit)
    yield ours_column("ours", key, head, unit)
    if not any(row["metric"] in SETTINGS for row in cells):
        yield number("difference", f"{key}_difference", unit.difference, head)
    if split == "test":  # the epoch was chosen on dev
        yield limits_column(comparison, key, head)
        yield from folds_columns(frame, key, head)


def _heading(cells: Sequence[Row]) -> str:
    """The paper's name of a column, with our names of its measures in parentheses."""
    first = cells[0]
    printed = " ".join(filter(None, (first["metric_as_printed"], first["class"])))
    ours = list(dict.fromkeys(name_of(row["metric"], row["split"]) for row in cells))
    measure = first["metric_as_printed"].rpartition(" / ")[2]
    same = [measure.lower()] == [name.lower() for name in ours]
    return printed if same else f"{printed} ({', '.join(ours)})"


def _notes(metrics: set[str], split: str) -> Iterator[str]:
    interval = "; interval: of that mean, bootstrap over dialogues" if split == "test" else ""
    yield f"Ours: mean ± standard deviation over seeds{interval}."
    yield "Difference: ours minus printed; of scores in points."
    if LOSS in metrics:
        yield (
            "Loss of ours: in the scored epoch; on train the mean while that epoch trained, on dev"
            " after it."
        )


def _row(
    comparison: Comparison,
    system: str,
    lines: Sequence[Row],
    like: Sequence[Row],
    cells: Mapping[str, Sequence[Row]],
    split: str,
    protocol: str,
) -> dict[str, Any]:
    """Row of a system.

    Args:
        comparison: of the paper on the corpus.
        system: key or printed name.
        lines: its printed cells in the row.
        like: lines whose measures the row has, in columns where they have one measure.
        cells: all cells of the table by column.
        split, protocol: of ours.
    """
    about = comparison.about(system, lines, split, [protocol])
    row: dict[str, Any] = {"label": about.pop("label"), **about}
    note = row.pop("note")
    of_row, alike = ({id(line) for line in chosen} for chosen in (lines, like))
    for key, column in cells.items():
        cell = next((line for line in column if id(line) in of_row), None)
        measures = {
            (line["metric"], line["class"], line["split"]) for line in column if id(line) in alike
        }
        metric, name, cell_split = measures.pop() if len(measures) == 1 else ("", "", "")
        of_label = (protocol, cell_split, name.partition(" as ")[0])
        size = comparison.measured.class_sizes.get(of_label)  # None: of all classes, or not run
        row[f"{key}_metric"] = "" if size == 0 else metric
        row |= printed_cell(key, cell)
        # A setting has no split in print: ours stand under train.
        mean = comparison.measured.mean(system, protocol, metric, name, cell_split or "train")
        row |= measured_cell(key, mean)
        if split == "test" and metric in SCORES and not name:
            row |= folds_cell(key, comparison.measured.over_folds(system, protocol, metric))
        difference = row[key] - row[f"printed_{key}"]
        row[f"{key}_difference"] = difference if comparison.comparable else NAN
    return row | {"note": note}
