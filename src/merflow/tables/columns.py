"""Cells and columns that several tables share."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import isnan
from typing import Any

import pandas as pd

from merflow.tables.comparison import Comparison
from merflow.tables.measured import NAN, Difference, Estimate, OverFolds
from merflow.tables.measures import SHARE, Unit
from merflow.tables.render import (
    NOTHING,
    Column,
    interval,
    number,
    percent,
    spread,
    words,
)
from merflow.tables.reported import MISSING, Row, remarks_of

OVER_FOLDS = "mean over folds"
FOLDS_NOTE = (
    "Mean over folds: mean of the scores of each fold ± standard deviation over folds, as a paper"
    " prints it that averages its rounds. Ours, interval and difference are of all folds pooled."
)


def percent_decimals(cell: Mapping[str, Any]) -> int:
    """Decimals of a printed number when shown in percent: 0 for 0.34, 2 for 0.6204."""
    decimals = int(cell["decimals"])
    return decimals if cell["unit"] == "percent" else max(decimals - 2, 0)


def as_printed(cell: Mapping[str, Any]) -> str:
    """A printed number with its digits, shares in percent; MISSING: our source lacks it."""
    return cell["value"] if isnan(cell["share"]) else percent(cell["share"], percent_decimals(cell))


def figure(cell: Mapping[str, Any] | None) -> float:
    """A printed number, or share of 1; NaN: not printed, or not in our source."""
    if cell is None:
        return NAN
    return cell["number"] if isnan(cell["share"]) else cell["share"]


def printed_cell(key: str, cell: Mapping[str, Any] | None) -> dict[str, Any]:
    """Columns of a printed number for `printed_column`; None: not printed."""
    return {
        f"printed_{key}": figure(cell),
        f"printed_{key}_as": cell["value"] if cell else "",
        f"printed_{key}_decimals": percent_decimals(cell) if cell else 0,
    }


def measured_cell(key: str, mean: Estimate | None) -> dict[str, float]:
    """Columns of a mean over seeds for `ours_column` and `limits_column`; NaN: not run."""
    value, std, low, high = mean or (NAN, NAN, NAN, NAN)
    return {key: value, f"{key}_std": std, f"{key}_low": low, f"{key}_high": high}


def difference_cell(key: str, difference: Difference | None) -> dict[str, float]:
    """Columns of a difference for `limits_column`; NaN: none."""
    value, low, high, *_ = difference or (NAN, NAN, NAN)
    return {key: value, f"{key}_low": low, f"{key}_high": high}


def ours_column(header: str, key: str, group: str, unit: Unit = SHARE) -> Column:
    """Mean ± standard deviation under `key`, or that it was not run.

    The cell is empty where there can be no figure:
    - a cited system
    - a row that names no metric (``<key>_metric``)
    - a scored system or baseline without the metric, such as the loss of a baseline
    """

    def cell(row: Row) -> str:
        if not pd.isna(row[key]):
            return spread(row[key], row[f"{key}_std"], unit.show)
        without_metric = unit is not SHARE and row.get("n", "")
        impossible = row["kind"] == "cited" or without_metric or not row.get(f"{key}_metric", True)
        return NOTHING if impossible else "not run"

    return Column(header, cell, group)


def folds_cell(key: str, over_folds: OverFolds) -> dict[str, float]:
    """Columns of a mean over folds for `folds_columns`; NaN: a single fold, or not run."""
    return {f"{key}_folds": over_folds.fold_mean, f"{key}_folds_std": over_folds.fold_std}


def folds_columns(frame: pd.DataFrame, key: str, group: str, measure: str = "") -> list[Column]:
    """Column of the mean over folds ± its standard deviation; none where nothing has folds.

    Args:
        frame: of the table.
        key: of the mean over seeds.
        group: of the column.
        measure: name in the header, where the group has several measures.
    """

    def cell(row: Row) -> str:
        mean = row[f"{key}_folds"]
        return NOTHING if pd.isna(mean) else spread(mean, row[f"{key}_folds_std"], percent)

    if f"{key}_folds" not in frame or frame[f"{key}_folds"].isna().all():
        return []
    header = f"{OVER_FOLDS}{f', {measure}' if measure else ''}"
    return [Column(header, cell, group)]


def folds_notes(columns: Iterable[Column]) -> list[str]:
    """Note on means over folds, if one of `columns` has them."""
    return [FOLDS_NOTE] if any(each.header.startswith(OVER_FOLDS) for each in columns) else []


def limits_column(
    comparison: Comparison, key: str, group: str, show: Callable[[float], str] = percent
) -> Column:
    """Interval of the mean or the difference under `key`."""

    def cell(row: Row) -> str:
        return interval(row[f"{key}_low"], row[f"{key}_high"], show)

    return Column(comparison.interval, cell, group)


def printed_column(header: str, key: str, group: str, unit: Unit = SHARE) -> Column:
    """Printed figure under `key`, a share in percent, or that our source lacks it."""

    def cell(row: Row) -> str:
        text = row[f"printed_{key}_as"]
        if text == MISSING or unit is not SHARE:
            return text or NOTHING
        return percent(row[f"printed_{key}"], int(row[f"printed_{key}_decimals"]))

    return Column(header, cell, group)


def seeds_column(key: str, group: str = "") -> Column:
    """Number of seeds; empty for baselines and where nothing was run."""
    return number("seeds", key, lambda count: f"{count:.0f}" if count > 0 else "", group)


def note_column(frame: pd.DataFrame) -> tuple[Column, list[str]]:
    """Column with the numbers of each row's remarks, and the numbered remarks.

    A remark on every printed row has no number.
    """
    printed = [set(remarks_of(note)) for note in frame.loc[frame["printed"], "note"]]
    common = set.intersection(*printed) if len(printed) > 1 else set()
    every = list(dict.fromkeys(remark for note in frame["note"] for remark in remarks_of(note)))
    numbers = {
        remark: number
        for number, remark in enumerate((remark for remark in every if remark not in common), 1)
    }

    def cell(note: str) -> str:
        return " ".join(f"({numbers[remark]})" for remark in remarks_of(note) if remark in numbers)

    unnumbered = [f"{remark}." for remark in every if remark in common]
    return words("notes", "note", cell), [
        *unnumbered,
        *(f"({number}) {remark}." for remark, number in numbers.items()),
    ]


def remarks(lines: Sequence[Row]) -> list[str]:
    """Each remark of printed rows once, with the systems or columns that it concerns."""
    notes = []
    if any(row["value"] == MISSING for row in lines):
        notes.append(
            f"{MISSING.capitalize()}: the paper prints this cell, but our text of the paper lacks"
            " its value."
        )
    every = (remark for row in lines for remark in remarks_of(row["note"]) if remark != MISSING)
    for remark in dict.fromkeys(every):
        about = [row for row in lines if remark in remarks_of(row["note"])]
        names = dict.fromkeys(row["system"] or row["metric_as_printed"] for row in about)
        prefix = "" if len(about) == len(lines) else f"{', '.join(names)}: "
        notes.append(f"{prefix}{remark}.")
    return notes


def closing_columns() -> list[Column]:
    """Columns n, source and inputs."""
    return [number("n", "n"), words("source", "source"), words("inputs", "inputs")]
