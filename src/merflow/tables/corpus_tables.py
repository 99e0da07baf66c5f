"""Tables of the paper about the corpus: sizes of its splits, and class balance."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from merflow.evaluation.metrics import BALANCE, SIZES
from merflow.tables.columns import figure, printed_cell, printed_column, remarks
from merflow.tables.comparison import Comparison
from merflow.tables.measured import NAN
from merflow.tables.measures import Unit, unit_of
from merflow.tables.render import Column, Table, number, plain, words
from merflow.tables.reported import Row, grouped


def tables(comparison: Comparison) -> Iterator[Table]:
    """Printed facts of the corpus beside facts of our splits."""
    facts = (*BALANCE, *SIZES)
    about_corpus = (
        row for row in comparison.printed.lines if not row["system"] and row["metric"] in facts
    )
    for (name,), lines in grouped(about_corpus, "table").items():
        yield _table(comparison, name, lines)


def _table(comparison: Comparison, name: str, lines: list[Row]) -> Table:
    splits = _splits(comparison)
    units = {row["metric_as_printed"]: unit_of(row["metric"]) for row in lines}
    rows = []
    for (label,), cells in grouped(lines, "row").items():
        row: dict[str, Any] = {"label": label, "class": cells[0]["class"]}
        by_head = {cell["metric_as_printed"]: cell for cell in cells}
        for head in units:
            row |= printed_cell(head, by_head.get(head))
            for protocol in splits:
                row |= _ours(comparison, f"{head}_{protocol}", by_head.get(head), protocol)
        rows.append(row)
    balance = any(row["metric"] in BALANCE for row in lines)
    caption = (
        "Share of the utterances of a split, in percent." if balance else "Utterances of a split."
    )
    difference = f"Difference: ours minus printed{', in points' if balance else ''}."
    notes = [
        *([difference] if splits else []),
        *(_sizes(comparison, lines, splits) if balance else []),
        *remarks(lines),
    ]
    title, frame = f"Table {name} of the paper", pd.DataFrame(rows)
    return comparison.table(f"table-{name}", title, caption, frame, _columns(units, splits), notes)


def _columns(units: Mapping[str, Unit], splits: Mapping[str, str]) -> list[Column]:
    """Columns that stand for the paper's: printed, then ours and difference of each split."""
    columns = [words("row", "label")]
    for head, unit in units.items():
        columns.append(printed_column("printed", head, head, unit))
        for protocol, ending in splits.items():
            key = f"{head}_{protocol}"
            columns.append(number(f"ours{ending}", key, unit.show, head))
            columns.append(
                number(f"difference{ending}", f"{key}_difference", unit.difference, head)
            )
    return columns


def _splits(comparison: Comparison) -> dict[str, str]:
    """First protocol with each distinct split -> ending of its headers."""
    facts = comparison.measured.scores.corpora
    alike: dict[tuple[float, ...], list[str]] = {}
    for protocol in comparison.measured.protocols:
        values = tuple(facts.loc[facts["protocol"] == protocol, "value"])
        alike.setdefault(values, []).append(protocol)
    return {
        protocols[0]: "" if len(alike) == 1 else f", {' and '.join(map(plain, protocols))}"
        for protocols in alike.values()
    }


def _ours(
    comparison: Comparison, key: str, cell: Mapping[str, Any] | None, protocol: str
) -> dict[str, float]:
    """Our value of a printed fact, and the difference."""
    value = NAN
    if cell:
        of_cell = (cell["metric"], cell["class"], cell["split"])
        value = comparison.measured.fact(protocol, *of_cell)
    difference = value - figure(cell) if comparison.comparable else NAN
    return {key: value, f"{key}_difference": difference}


def _sizes(
    comparison: Comparison, lines: Sequence[Row], splits: Mapping[str, str]
) -> Iterator[str]:
    """Note for each split of the corpus: numbers of utterances behind our shares."""
    facts = comparison.measured.scores.corpora
    for protocol, ending in splits.items():
        n = facts[facts["protocol"] == protocol].groupby("split")["n"].first().to_dict()
        printed = dict.fromkeys(row["split"] for row in lines)
        sizes = ", ".join(f"{n[split]} in {split}" for split in printed if split in n)
        yield f"Ours{ending}: n = {sizes}; utterances without an emotion count."
