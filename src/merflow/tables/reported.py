"""Printed numbers: reported/<paper>.csv, one row per number of the paper's tables (and, as table ``text``, of its text).

``value`` is the number exactly as printed (in digits where the text spells it); ``metric`` says what it is in our names,
``metric_as_printed`` what the paper calls it. ``row`` is what heads the row in print, its cells joined by " / ". ``system`` is a
key of params.yaml where the row is a system of the paper, the printed name otherwise. ``note``: remarks, separated by "; ".
The file keeps the paper's order, so that each table can be rebuilt from it. A cell that the paper has, but our source of it does not,
is a row with an empty value and the remark `MISSING`. Where several emotions may be present at once, a metric that is otherwise of all
classes may name one of them, and is then of its two answers, present and absent.
"""

from pathlib import Path

import pandas as pd

from merflow.corpora.labels import CLASSES, MULTI_LABEL
from merflow.errors import EvaluationError
from merflow.evaluation.metrics import BALANCE, BINARY_METRICS, CLASS_METRICS, METRICS, PAIR_METRICS

COLUMNS = ("table", "row", "corpus", "system", "metric", "metric_as_printed", "class", "split", "value", "unit", "where", "note")
KEY = ["table", "row", "corpus", "system", "metric_as_printed", "class", "split"]

#: What a share is of these units; others (count, number...) are no share.
SHARE = {"share": 1.0, "percent": 0.01}
UNITS = {*SHARE, "count", "hours", "instances", "million", "number", "points", "utterances"}
#: Remark of a printed cell whose value we do not have.
MISSING = "not in the source"
#: Metrics of all classes, or of one emotion of those of which several may be present.
SCORES = {*METRICS, *BINARY_METRICS}
#: Metrics of one class, or of an ordered pair "<true> as <predicted>".
PER_CLASS = {*CLASS_METRICS, *PAIR_METRICS}
#: Numbers that describe data, networks and training, and differences between scores.
DESCRIPTIVE = {
    *BALANCE,
    *("count", "classes", "dev_share", "part_share", "imbalance", "duration", "difference", "gain", "spread"),
    *("loss", "batch_size", "learning_rate", "learning_rate_decay", "weight_decay", "epochs", "patience", "dropout", "max_tokens"),
    *("frame_step", "image_size", "sampling_rate", "layers", "hidden_units", "attention_heads", "parameters"),
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
        EvaluationError: the file is absent or not such a table; one line naming the row.
    """
    path = folder / f"{paper}.csv"
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise EvaluationError(f"{path}: cannot be read ({' '.join(str(error).split())})") from error
    if tuple(table.columns) != COLUMNS:
        raise EvaluationError(f"{path}: its columns are {', '.join(table.columns)}; expected {', '.join(COLUMNS)}")

    table["number"] = pd.to_numeric(table["value"], errors="coerce")
    table["share"] = table["number"] * table["unit"].map(SHARE)
    table["decimals"] = table["value"].str.partition(".")[2].str.len()
    missing = table["note"].map(lambda note: MISSING in remarks_of(note))
    _refuse(path, table, missing & (table["value"] != ""), "value", f"stands beside the remark {MISSING!r}; take one of them out")
    _refuse(path, table, ~missing & table["number"].isna(), "value", "is no number")
    table.loc[missing, "value"] = MISSING
    _refuse(path, table, ~table["unit"].isin(UNITS), "unit", f"is unknown; known: {', '.join(sorted(UNITS))}")
    known = {*SCORES, *PER_CLASS, *DESCRIPTIVE}
    _refuse(path, table, ~table["metric"].isin(known), "metric", "is unknown to merflow.evaluation.metrics")
    shares = table["metric"].isin({*SCORES, *PER_CLASS, *BALANCE}) & ~missing
    _refuse(path, table, shares & ~table["share"].between(0, 1), "value", "is no share between 0 and 1 (or percent between 0 and 100)")
    named = table["class"] != ""
    binary = [corpus in MULTI_LABEL and name in CLASSES[corpus] for corpus, name in zip(table["corpus"], table["class"], strict=True)]
    wrong = (table["metric"].isin(PER_CLASS) & ~named) | (table["metric"].isin(SCORES) & named & ~pd.Series(binary, dtype=bool))
    _refuse(path, table, wrong, "class", "must be named for metrics of one class, and not for metrics of all")
    _refuse(path, table, ~table["split"].isin({"", "train", "dev", "test"}), "split", "is none of train, dev, test")
    _refuse(path, table, table.duplicated(KEY), "metric_as_printed", "stands twice for the same table, row, system, class and split")
    return table


def remarks_of(note: str) -> list[str]:
    """The remarks of a printed number."""
    return [remark for remark in note.split("; ") if remark]


def _refuse(path: Path, table: pd.DataFrame, wrong: pd.Series, column: str, message: str) -> None:
    if wrong.any():
        line = int(wrong.to_numpy().argmax())
        raise EvaluationError(f"{path}, line {line + 2}: {column} {table[column].iloc[line]!r} {message}")
