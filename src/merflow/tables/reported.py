"""Printed numbers: reported/<paper>.csv, one row per number of a paper's tables and of its text.

Rows keep the paper's order, so that each table can be rebuilt from them. Their columns:
  table              number of the table, or ``text``
  row                heading of the row in print, its cells joined by " / "
  system             key of params.yaml, a list of keys or ``all`` for systems of the paper;
                     otherwise the printed name. Of a difference or gain: "<higher> over <lower>"
  metric             our name of the measure; metric_as_printed: the paper's name. A column of print
                     may mix measures: each number has its own
  class              of a measure of one class or of an ordered pair of classes; in a multi-label
                     task other metrics may name a class too
  value              exactly as printed (in digits where the text spells it)
  note               remarks, separated by "; "
A printed cell whose value our source of the paper lacks has an empty value and the remark
`MISSING`. A number of a cited system whose measure is not known has the remark `UNSTATED`.

Numbers of the text are scores, differences and sizes, and facts of data, networks, training and the
machine, once per section and system. Left out are years, references, and numbers of tables,
figures, sections, equations and steps. Constants in formulas and digits of names (ViT-L/14, IS13,
RTX 3090) are left out too. So are facts of other papers that have no row in the tables. Stated sums
are kept, with the equation as printed name ("35+74+300 = 409", "w1 + w2 = 1").
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel

from merflow.corpora.labels import CLASSES, MULTI_LABEL
from merflow.errors import EvaluationError
from merflow.evaluation.metrics import BALANCE, BINARY_METRICS, CLASS_METRICS, METRICS, PAIR_METRICS
from merflow.params import LinearParams, PapersParams

Row = Mapping[str, Any]  # of a table: by column
COLUMNS = (
    "table",
    "row",
    "corpus",
    "system",
    "metric",
    "metric_as_printed",
    "class",
    "split",
    "value",
    "unit",
    "where",
    "note",
)
KEY = ["table", "row", "corpus", "system", "metric_as_printed", "class", "split"]

#: Units of shares, with their factor; values of other units (count, number...) are not shares.
SHARE = {"share": 1.0, "percent": 0.01}
UNITS = {
    *SHARE,
    "count",
    "gigabytes",
    "hours",
    "instances",
    "million",
    "number",
    "points",
    "utterances",
}
#: Remark of a printed cell whose value we do not have.
MISSING = "not in the source"
#: Remark of a cited number that may be of another measure than the column in which it is printed.
UNSTATED = "measure not stated"
#: Metrics of all classes, or of one class in a multi-label task.
SCORES = {*METRICS, *BINARY_METRICS}
#: Metrics of one class, or of an ordered pair "<label> as <predicted>".
PER_CLASS = {*CLASS_METRICS, *PAIR_METRICS}
#: Other numbers that are shares of 1.
SHARES = {*BALANCE, "dev_share", "part_share", "dropout"}
#: Units of whole numbers.
COUNTED = {"count", "instances", "utterances"}
#: Between the higher and the lower system of a difference.
OVER = " over "
#: Numbers that may be negative.
SIGNED = {"difference", "gain"}
#: Numbers that describe data, networks and training, and differences between scores.
DESCRIPTIVE = {
    *SHARES,
    *SIGNED,
    *("count", "classes", "imbalance", "duration", "spread"),
    *("loss", "batch_size", "learning_rate", "learning_rate_decay", "weight_decay"),
    *("epochs", "patience", "max_tokens"),
    *("frame_step", "image_size", "sampling_rate", "layers", "hidden_units", "attention_heads"),
    *("parameters", "memory", "dimension", "filters", "filter_width", "stride", "fusion_weight"),
}


def load(folder: Path, paper: str) -> pd.DataFrame:
    """Read the printed numbers of a paper.

    Args:
        folder: the folder ``reported``.
        paper: key of the paper.

    Returns:
        COLUMNS as text (empty: not stated; `MISSING`: our source lacks the value), and
        - ``number``: the value as a float
        - ``share``: the value as a share of 1, NaN for other units
        - ``decimals``: number of printed digits after the point

    Raises:
        EvaluationError: the file cannot be read or has other columns. It names an unknown corpus,
            system, metric or class, or has a value out of its range.
    """
    path = folder / f"{paper}.csv"
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise EvaluationError(f"{path}: cannot be read ({' '.join(str(error).split())})") from error
    if tuple(table.columns) != COLUMNS:
        raise EvaluationError(
            f"{path}: has columns {', '.join(table.columns)}, expected {', '.join(COLUMNS)}"
        )
    table["number"] = pd.to_numeric(table["value"], errors="coerce")
    table["share"] = table["number"] * table["unit"].map(SHARE)
    table["decimals"] = table["value"].str.partition(".")[2].str.len()
    missing = table["note"].map(lambda note: MISSING in remarks_of(note))
    for wrong, column, message in (*_value_checks(table, missing), *_name_checks(table)):
        _refuse(path, table, wrong, column, message)
    for line, system in enumerate(table["system"], 2):
        if fault := unknown_system(system, paper):
            raise EvaluationError(f"{path}, line {line}: system {fault}")
    table.loc[missing, "value"] = MISSING
    for wrong, column, message in (*_range_checks(table, missing), *_class_checks(table)):
        _refuse(path, table, wrong, column, message)
    return table


Check = tuple[pd.Series, str, str]  #: rows that are wrong, column, message


def _value_checks(table: pd.DataFrame, missing: pd.Series) -> Iterator[Check]:
    both = f"contradicts the remark {MISSING!r}; take one of them out"
    yield missing & (table["value"] != ""), "value", both
    yield ~missing & ~np.isfinite(table["number"]), "value", "is not a number"


def _name_checks(table: pd.DataFrame) -> Iterator[Check]:
    metrics = {*SCORES, *PER_CLASS, *DESCRIPTIVE}
    known_units = f"is unknown; known: {', '.join(sorted(UNITS))}"
    yield ~table["unit"].isin(UNITS), "unit", known_units
    yield ~table["metric"].isin(metrics), "metric", "is unknown to merflow.tables.reported"
    yield ~table["corpus"].isin(CLASSES), "corpus", f"is unknown; known: {', '.join(CLASSES)}"


def _range_checks(table: pd.DataFrame, missing: pd.Series) -> Iterator[Check]:
    shares = table["metric"].isin({*SCORES, *PER_CLASS, *SHARES}) & ~missing
    out_of_range = "is not a share between 0 and 1 (or percent between 0 and 100)"
    yield shares & ~table["share"].between(0, 1), "value", out_of_range
    yield ~table["metric"].isin(SIGNED) & (table["number"] < 0), "value", "is below 0"
    fractional = table["unit"].isin(COUNTED) & (table["number"] % 1 > 0)
    yield fractional, "value", "is not a whole number"


def _class_checks(table: pd.DataFrame) -> Iterator[Check]:
    cells = list(zip(table["corpus"], table["class"], strict=True))
    is_class = pd.Series([_is_class(*cell) for cell in cells], dtype=bool)
    yield ~is_class, "class", "is not a class of the corpus"
    named = table["class"] != ""
    of_a_label = [corpus in MULTI_LABEL and name in CLASSES[corpus] for corpus, name in cells]
    unnamed = table["metric"].isin(PER_CLASS) & ~named
    overall = table["metric"].isin(SCORES) & named & ~pd.Series(of_a_label, dtype=bool)
    rule = "must be named for metrics of one class, and not for metrics of all"
    yield unnamed | overall, "class", rule
    splits = ("train", "dev", "test")
    yield ~table["split"].isin({"", *splits}), "split", f"is not one of {', '.join(splits)}"
    twice = "stands twice for the same table, row, system, class and split"
    yield table.duplicated(KEY), "metric_as_printed", twice


def grouped(rows: Iterable[Row], *keys: str) -> dict[tuple[Any, ...], list[Row]]:
    """Rows by their values under `keys`, in the order of first occurrence."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in keys), []).append(row)
    return groups


def remarks_of(note: str) -> list[str]:
    """Remarks of a printed number."""
    return [remark for remark in note.split("; ") if remark]


def beside(rows: Iterable[Row], system: str, metric: str, name: str = "") -> Row | None:
    """First number of a system in a printed column that holds a metric of others.

    Args:
        rows: lines of a paper's tables.
        system: key or printed name. None is returned where it stands in no such column.
        metric, name: of any system in the column; `name` is a class, or empty.
    """
    rows = [row for row in rows if row["class"] == name]
    columns = {(row["table"], row["metric_as_printed"]) for row in rows if row["metric"] == metric}
    of_system = (row for row in rows if row["system"] == system)
    return next(
        (row for row in of_system if (row["table"], row["metric_as_printed"]) in columns), None
    )


def is_key(system: str) -> bool:
    """Tell whether a name is a key of params.yaml, not a printed name."""
    return re.fullmatch(r"[a-z][a-z0-9_]*", system) is not None


def systems_of(paper: str) -> list[str]:
    """Systems in the parameters of a paper, printed or not; none without parameters."""
    block = PapersParams.model_fields.get(paper)
    systems = block.annotation.model_fields["systems"].annotation if block else None  # type: ignore[union-attr]
    if isinstance(systems, type) and issubclass(systems, BaseModel):
        return list(systems.model_fields)
    return []


@cache
def linear_systems(paper: str) -> frozenset[str]:
    """Linear classifiers among the systems of a paper."""
    block = PapersParams.model_fields.get(paper)
    systems = block.annotation.model_fields["systems"].annotation if block else None  # type: ignore[union-attr]
    fields = getattr(systems, "model_fields", {})
    return frozenset(name for name, field in fields.items() if field.annotation is LinearParams)


def unknown_system(system: str, paper: str) -> str:
    """Fault of a ``system``, or an empty text.

    A name or a member of a list is wrong if it looks like a key and is not a system of the paper. A
    printed name is wrong if it is a key of the paper but for its spelling.
    """
    if OVER in system:
        faults = (unknown_system(side, paper) for side in system.split(OVER))
        return next(filter(None, faults), "")
    systems = systems_of(paper)
    members = re.split(r", | and ", system)
    for name in members if all(map(is_key, members)) else [system]:
        as_key = re.sub(r"[^a-z0-9]+", "_", name.lower())
        misspelt = get_close_matches(as_key, systems, n=1, cutoff=0.9)
        if systems and name and name not in (*systems, "all") and (is_key(name) or misspelt):
            near = misspelt or get_close_matches(name, systems, n=1)
            hint = f"is it {near[0]!r}? " if near else ""
            return f"{name!r} is not a system of {paper}; {hint}known: {', '.join(systems)}"
    return ""


def _is_class(corpus: str, name: str) -> bool:
    """Tell whether a name is empty, a class of the corpus or a pair."""
    return not name or all(member in CLASSES[corpus] for member in name.split(" as "))


def _refuse(path: Path, table: pd.DataFrame, wrong: pd.Series, column: str, message: str) -> None:
    if any(wrong):
        line = int(np.argmax(wrong))
        raise EvaluationError(
            f"{path}, line {line + 2}: {column} {table[column].iloc[line]!r} {message}"
        )
