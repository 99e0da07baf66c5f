"""Printed numbers: reported/<paper>.csv, one row per number of the paper's tables (and, as table ``text``, of its text).

``value`` is the number exactly as printed (in digits where the text spells it); ``metric`` says what it is in our names,
``metric_as_printed`` what the paper calls it. ``row`` is what heads the row in print, its cells joined by " / ". ``system`` is a
key of params.yaml where the row is a system of the paper (or a list of such, or ``all``), the printed name otherwise. ``note``: remarks,
separated by "; ". The file keeps the paper's order, so that each table can be rebuilt from it. A cell that the paper has, but our source
of it does not, is a row with an empty value and the remark `MISSING`. Where several emotions may be present at once, a metric that is
otherwise of all classes may name one of them, and is then of its two answers, present and absent.

Numbers of the text are scores, differences and sizes, and what says how data, networks, training or the machine are, in digits or in
words, once per section and system. Left out are years and references; numbers of tables, figures, sections, equations and steps;
constants in formulas; digits that are part of a name (ViT-L/14, IS13, RTX 3090); and what a paper says of others' work that has no row in
its tables.
"""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel

from merflow.corpora.labels import CLASSES, MULTI_LABEL
from merflow.errors import EvaluationError
from merflow.evaluation.metrics import BALANCE, BINARY_METRICS, CLASS_METRICS, METRICS, PAIR_METRICS
from merflow.params import PapersParams

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

#: What a share is of these units; others (count, number...) are no share.
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
#: Metrics of all classes, or of one emotion of those of which several may be present.
SCORES = {*METRICS, *BINARY_METRICS}
#: Metrics of one class, or of an ordered pair "<true> as <predicted>".
PER_CLASS = {*CLASS_METRICS, *PAIR_METRICS}
#: Other numbers that are shares of 1.
SHARES = {*BALANCE, "dev_share", "part_share", "dropout"}
#: Units of what is counted.
COUNTED = {"count", "instances", "utterances"}
#: Numbers that describe data, networks and training, and differences between scores.
DESCRIPTIVE = {
    *SHARES,
    *("count", "classes", "imbalance", "duration", "difference", "gain", "spread"),
    *(
        "loss",
        "batch_size",
        "learning_rate",
        "learning_rate_decay",
        "weight_decay",
        "epochs",
        "patience",
        "max_tokens",
    ),
    *(
        "frame_step",
        "image_size",
        "sampling_rate",
        "layers",
        "hidden_units",
        "attention_heads",
        "parameters",
        "memory",
    ),
    *("dimension", "filters", "filter_width", "stride", "fusion_weight"),
}


def load(folder: Path, paper: str) -> pd.DataFrame:
    """The printed numbers of a paper, in the paper's order.

    Args:
        folder: the folder ``reported``.
        paper: key of the paper.

    Returns:
        COLUMNS as text (empty: not stated; `MISSING` for a value that is not in our source), and per row ``number`` (the value as a
        float), ``share`` (the value as a share of 1; NaN for what is no share) and ``decimals`` (printed digits after the point).

    Raises:
        EvaluationError: the file is absent or not such a table, names a corpus, system, metric or class that does not exist, or a value
            outside of its range; one line naming file and line.
    """
    path = folder / f"{paper}.csv"
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise EvaluationError(f"{path}: cannot be read ({' '.join(str(error).split())})") from error
    if tuple(table.columns) != COLUMNS:
        raise EvaluationError(
            f"{path}: its columns are {', '.join(table.columns)}; expected {', '.join(COLUMNS)}"
        )

    table["number"] = pd.to_numeric(table["value"], errors="coerce")
    table["share"] = table["number"] * table["unit"].map(SHARE)
    table["decimals"] = table["value"].str.partition(".")[2].str.len()
    missing = table["note"].map(lambda note: MISSING in remarks_of(note))
    _refuse(
        path,
        table,
        missing & (table["value"] != ""),
        "value",
        f"stands beside the remark {MISSING!r}; take one of them out",
    )
    _refuse(path, table, ~missing & ~np.isfinite(table["number"]), "value", "is no number")
    table.loc[missing, "value"] = MISSING
    _refuse(
        path,
        table,
        ~table["unit"].isin(UNITS),
        "unit",
        f"is unknown; known: {', '.join(sorted(UNITS))}",
    )
    known = {*SCORES, *PER_CLASS, *DESCRIPTIVE}
    _refuse(
        path,
        table,
        ~table["metric"].isin(known),
        "metric",
        "is unknown to merflow.evaluation.metrics",
    )
    _refuse(
        path,
        table,
        ~table["corpus"].isin(CLASSES),
        "corpus",
        f"is unknown; known: {', '.join(CLASSES)}",
    )
    for line, system in enumerate(table["system"]):
        if wrong := unknown_system(system, paper):
            raise EvaluationError(f"{path}, line {line + 2}: system {wrong}")
    _refuse(
        path,
        table,
        [not _is_class(*cell) for cell in zip(table["corpus"], table["class"], strict=True)],
        "class",
        "is none of the corpus",
    )
    shares = table["metric"].isin({*SCORES, *PER_CLASS, *SHARES}) & ~missing
    _refuse(
        path,
        table,
        shares & ~table["share"].between(0, 1),
        "value",
        "is no share between 0 and 1 (or percent between 0 and 100)",
    )
    signed = table["metric"].isin({"difference", "gain"})
    _refuse(path, table, ~signed & (table["number"] < 0), "value", "is below 0")
    _refuse(
        path,
        table,
        table["unit"].isin(COUNTED) & (table["number"] % 1 > 0),
        "value",
        "is no whole number",
    )
    named = table["class"] != ""
    binary = [
        corpus in MULTI_LABEL and name in CLASSES[corpus]
        for corpus, name in zip(table["corpus"], table["class"], strict=True)
    ]
    wrong = (table["metric"].isin(PER_CLASS) & ~named) | (
        table["metric"].isin(SCORES) & named & ~pd.Series(binary, dtype=bool)
    )
    _refuse(
        path,
        table,
        wrong,
        "class",
        "must be named for metrics of one class, and not for metrics of all",
    )
    _refuse(
        path,
        table,
        ~table["split"].isin({"", "train", "dev", "test"}),
        "split",
        "is none of train, dev, test",
    )
    _refuse(
        path,
        table,
        table.duplicated(KEY),
        "metric_as_printed",
        "stands twice for the same table, row, system, class and split",
    )
    return table


def grouped(rows: Iterable[Row], *keys: str) -> dict[tuple[Any, ...], list[Row]]:
    """Rows by what stands under `keys`, in the order in which it occurs first."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in keys), []).append(row)
    return groups


def remarks_of(note: str) -> list[str]:
    """The remarks of a printed number."""
    return [remark for remark in note.split("; ") if remark]


def is_key(system: str) -> bool:
    """Whether the name is a key of params.yaml; printed names of cited systems are none."""
    return re.fullmatch(r"[a-z][a-z0-9_]*", system) is not None


def systems_of(paper: str) -> list[str]:
    """Systems that the parameters of the paper name, printed or not; none where there are no parameters of it."""
    block = PapersParams.model_fields.get(paper)
    systems = block.annotation.model_fields["systems"].annotation if block else None  # type: ignore[union-attr]
    return (
        list(systems.model_fields)
        if isinstance(systems, type) and issubclass(systems, BaseModel)
        else []
    )


def unknown_system(system: str, paper: str) -> str:
    """What is wrong with a ``system``; empty: nothing.

    Wrong is a name, or one of a list, that looks like a key and is none of the paper's, and a printed name that is a key but for spelling.
    """
    known = systems_of(paper)
    parts = re.split(r", | and ", system)
    for name in parts if all(map(is_key, parts)) else [system]:
        alike = get_close_matches(re.sub(r"[^a-z0-9]+", "_", name.lower()), known, n=1, cutoff=0.9)
        if known and name and name not in (*known, "all") and (is_key(name) or alike):
            near = alike or get_close_matches(name, known, n=1)
            return f"{name!r} is no system of {paper}; {f'is it {near[0]!r}? ' if near else ''}known: {', '.join(known)}"
    return ""


def _is_class(corpus: str, name: str) -> bool:
    """Whether a cell of the column class names a class, a pair of them, or none."""
    return not name or all(part in CLASSES[corpus] for part in name.split(" as "))


def _refuse(
    path: Path, table: pd.DataFrame, wrong: pd.Series | list[bool], column: str, message: str
) -> None:
    if any(wrong):
        line = int(np.argmax(wrong))
        raise EvaluationError(
            f"{path}, line {line + 2}: {column} {table[column].iloc[line]!r} {message}"
        )
