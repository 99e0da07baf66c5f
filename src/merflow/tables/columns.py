"""Columns that several tables share, and how figures are shown by what they measure.

Scores are shares: shown in percent, their differences in points. Losses, counts of utterances and settings are none.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import isnan
from typing import Any, NamedTuple

import pandas as pd

from merflow.evaluation.metrics import LOSS, SETTINGS, SIZES
from merflow.tables.comparison import NAN, Comparison
from merflow.tables.render import (
    NOTHING,
    Column,
    decimal,
    interval,
    number,
    percent,
    points,
    setting,
    signed,
    spread,
    words,
)
from merflow.tables.reported import MISSING, Row, remarks_of


class Unit(NamedTuple):
    """How figures of ours are shown, and their differences from printed ones."""

    show: Callable[[float], str]
    difference: Callable[[float], str]


SHARE = Unit(percent, points)
UNITS = {
    LOSS: Unit(decimal, signed),
    **dict.fromkeys(SIZES, Unit(partial(decimal, decimals=0), partial(signed, decimals=0))),
    **dict.fromkeys(SETTINGS, Unit(setting, signed)),
}


def unit_of(metric: str) -> Unit:
    """The unit of a metric."""
    return UNITS.get(metric, SHARE)


def percent_decimals(cell: Mapping[str, Any]) -> int:
    """Digits that a printed number keeps when it is shown in percent: 0.34 -> 34, 0.6204 -> 62.04."""
    return int(cell["decimals"]) if cell["unit"] == "percent" else max(int(cell["decimals"]) - 2, 0)


def as_printed(cell: Mapping[str, Any]) -> str:
    """A printed number with the digits that it is printed with, a share in percent; or that it is not in our source."""
    return cell["value"] if isnan(cell["share"]) else percent(cell["share"], percent_decimals(cell))


def figure(cell: Mapping[str, Any] | None) -> float:
    """A printed number, as a share where it is one; NaN: not printed, or not in our source."""
    return NAN if cell is None else cell["number"] if isnan(cell["share"]) else cell["share"]


def printed_cell(key: str, cell: Mapping[str, Any] | None) -> dict[str, Any]:
    """What `printed_column` shows: the printed `figure` of `key`, as it is printed, and its decimals in percent; None: none."""
    text, decimals = (cell["value"], percent_decimals(cell)) if cell else ("", 0)
    return {
        f"printed_{key}": figure(cell),
        f"printed_{key}_as": text,
        f"printed_{key}_decimals": decimals,
    }


def ours_column(header: str, key: str, group: str, unit: Unit = SHARE) -> Column:
    """Mean ± standard deviation under `key`, or that it was not run; nothing where there can be none.

    That is of cited systems, where the row names no metric, and of what was scored (it has an n) but has no such figure: no baseline has
    a loss.
    """

    def cell(row: Row) -> str:
        if pd.isna(row[key]):
            scored = unit is not SHARE and row.get("n", "")
            return (
                NOTHING
                if row["kind"] == "cited" or scored or not row.get(f"{key}_metric", True)
                else "not run"
            )
        return spread(row[key], row[f"{key}_std"], unit.show)

    return Column(header, cell, group)


def limits_column(
    view: Comparison, key: str, group: str, show: Callable[[float], str] = percent
) -> Column:
    """The interval of the mean, or the difference, under `key`."""
    return Column(
        view.interval, lambda row: interval(row[f"{key}_low"], row[f"{key}_high"], show), group
    )


def printed_column(header: str, key: str, group: str, unit: Unit = SHARE) -> Column:
    """The printed figure of `key`, a share in percent, or that it is not in our source."""

    def cell(row: Row) -> str:
        text = row[f"printed_{key}_as"]
        if text == MISSING or unit is not SHARE:
            return text or NOTHING
        return percent(row[f"printed_{key}"], int(row[f"printed_{key}_decimals"]))

    return Column(header, cell, group)


def note_column(frame: pd.DataFrame) -> tuple[Column, list[str]]:
    """Remarks of the rows as numbers, and the remarks, numbered. What is said of every printed row has no number."""
    noted = [set(remarks_of(note)) for note in frame.loc[frame["printed"], "note"]]
    common = set.intersection(*noted) if len(noted) > 1 else set()
    remarks = list(dict.fromkeys(remark for note in frame["note"] for remark in remarks_of(note)))
    numbered = [remark for remark in remarks if remark not in common]
    cell = lambda note: " ".join(
        f"({numbered.index(remark) + 1})" for remark in remarks_of(note) if remark not in common
    )
    listed = [f"{remark}." for remark in remarks if remark in common] + [
        f"({k}) {remark}." for k, remark in enumerate(numbered, 1)
    ]
    return words("notes", "note", cell), listed


def remarks(lines: Sequence[Row]) -> list[str]:
    """Each remark of printed rows once; where it is not of all, it names their systems, or columns."""
    notes = []
    if any(row["value"] == MISSING for row in lines):
        notes.append(
            f"{MISSING.capitalize()}: the paper prints this cell, but the text of it that we have does not hold its value."
        )
    for remark in dict.fromkeys(
        remark for row in lines for remark in remarks_of(row["note"]) if remark != MISSING
    ):
        told = [row for row in lines if remark in remarks_of(row["note"])]
        names = dict.fromkeys(row["system"] or row["metric_as_printed"] for row in told)
        notes.append(f"{remark}." if len(told) == len(lines) else f"{', '.join(names)}: {remark}.")
    return notes


def closing_columns() -> list[Column]:
    """n, source and inputs."""
    return [number("n", "n"), words("source", "source"), words("inputs", "inputs")]
