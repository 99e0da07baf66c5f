"""Everything measured of a paper on a corpus: all systems, every class, every seed.

merflow.tables.differences has every pair of systems.
"""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import pandas as pd

from merflow.corpora.labels import CLASSES
from merflow.evaluation.metrics import BINARY_METRICS, SELECTED_EPOCH
from merflow.tables.columns import (
    closing_columns,
    difference_cell,
    folds_cell,
    folds_columns,
    folds_notes,
    limits_column,
    measured_cell,
    note_column,
    ours_column,
    printed_cell,
    printed_column,
    seeds_column,
)
from merflow.tables.comparison import Comparison
from merflow.tables.measured import NAN
from merflow.tables.measures import ALL_NEGATIVE, HEADERS, formulas_note
from merflow.tables.render import (
    Column,
    Table,
    interval,
    number,
    percent,
    plain,
    points,
    words,
)
from merflow.tables.reported import Row, grouped

LINEAR_NOTE = (
    "Linear classifier: regularised, on features pooled over frames; its strength is chosen on dev,"
    " or by cross-validation inside train, and never on test. Its seeds are equal, because nothing"
    " of it is random. Minus linear: {main} of a system minus that of the linear classifier on the"
    " same features, in points, with its paired interval; the system beats it where the interval is"
    " above 0."
)
#: Split -> consequence for a class that has no utterance in it.
LACKING = {"train": "so no system can predict it", "test": "so it has no F1"}


def tables(comparison: Comparison) -> Iterator[Table]:
    """All of them, the most important first."""
    yield test(comparison)
    yield dev(comparison)
    yield classes(comparison)
    yield seeds(comparison)


def test(comparison: Comparison) -> Table:
    """Test results in the paper's order, cited systems and trivial baselines included."""
    frame = rows_of(comparison, "test", comparison.metrics)
    printed = {row["metric"] for row in comparison.printed.scores}
    columns = _row_columns(comparison)
    columns += [
        printed_column(HEADERS[metric], metric, "printed")
        for metric in comparison.metrics
        if metric in printed
    ]
    for protocol in comparison.measured.protocols:
        columns += _protocol_columns(comparison, protocol, frame)
    column, remarks = note_column(frame)
    columns += [*closing_columns(), column]
    printed_and = "" if comparison.extra else "printed, and "
    averaged = averaged_note(comparison)
    caption = f"In percent{averaged}: {printed_and}ours under each protocol."
    notes = [*_test_notes(comparison), *folds_notes(columns), *remarks]
    return comparison.table("test", "Test results", caption, frame, columns, notes)


def _row_columns(comparison: Comparison) -> list[Column]:
    """Columns that head a row: its label, and the number of the printed table."""
    label = words("row", "label")
    return [label] if comparison.extra else [label, number("table", "table")]


def _protocol_columns(comparison: Comparison, protocol: str, frame: pd.DataFrame) -> list[Column]:
    main = f"{protocol}_{comparison.main_metric}"
    group = f"{plain(protocol)}{', demo corpus' if comparison.demo else ''}"
    columns = [
        ours_column(HEADERS[metric], f"{protocol}_{metric}", group) for metric in comparison.metrics
    ]
    columns.append(limits_column(comparison, main, group))
    columns += folds_columns(frame, main, group, HEADERS[comparison.main_metric])
    if not comparison.extra:
        columns.append(number("difference", f"{protocol}_difference", points, group))
    if comparison.has_linear:
        columns.append(_linear_column(f"{protocol}_linear", group))
    return [*columns, seeds_column(f"{protocol}_seeds", group)]


def _linear_column(key: str, group: str) -> Column:
    """Difference from the linear classifier of the same inputs; empty without one."""

    def cell(row: Row) -> str:
        value, low, high = (row[f"{key}{limit}"] for limit in ("", "_low", "_high"))
        return "" if pd.isna(value) else f"{points(value)} {interval(low, high, points)}"

    return Column("minus linear", cell, group)


def _test_notes(comparison: Comparison) -> Iterator[str]:
    main = HEADERS[comparison.main_metric]
    yield (
        "Ours: mean ± standard deviation over seeds; [ ]: bootstrap interval of the mean"
        f" {main} over dialogues."
    )
    yield "n: utterances scored, the same for every seed."
    yield "Majority and chance know the classes of the train split only."
    if comparison.has_linear:
        yield LINEAR_NOTE.format(main=main)
    yield formulas_note(comparison.metrics, comparison.measured.multi_label)
    if comparison.measured.multi_label:
        yield ALL_NEGATIVE
    if not comparison.extra:
        yield "Printed rows stand in the paper's order."
        yield f"Difference: our {main} minus the printed one, in points."


def dev(comparison: Comparison) -> Table:
    """Dev results (a paper's "training and validation results")."""
    on_dev = (row for row in comparison.printed.scores if row["split"] == "dev")
    printed = {row["metric"] for row in on_dev}
    metrics = [metric for metric in HEADERS if metric in {*comparison.metrics, *printed}]
    columns = _row_columns(comparison)
    for metric in metrics:
        group = HEADERS[metric]
        if metric in printed:
            columns.append(printed_column("printed", metric, group))
        columns += [
            ours_column(plain(protocol), f"{protocol}_{metric}", group)
            for protocol in comparison.measured.protocols
        ]
    columns.append(words("source", "source"))
    averaged = averaged_note(comparison)
    caption = f"In percent{averaged}. Ours: mean ± standard deviation over seeds."
    frame = rows_of(comparison, "dev", metrics)
    return comparison.table("dev", "Dev results", caption, frame, columns, folded=True)


def classes(comparison: Comparison) -> Table:
    """F1 of every class on test; in a multi-label task every metric of every class."""
    multi_label, means = comparison.measured.multi_label, comparison.measured.means
    metrics = list(BINARY_METRICS) if multi_label else ["f1"]
    on_test = means[(means["split"] == "test") & means["metric"].isin(metrics)]
    rows = on_test[on_test["class"].notna()]
    sizes = comparison.measured.class_sizes
    names = dict.fromkeys([*(name for _, _, name in sizes), *rows["class"]])
    keys = {
        f"{metric}_{name}" if multi_label else name: (metric, name)
        for metric, name in product(metrics, names)
    }
    rows = rows.assign(key=rows["metric"] + "_" + rows["class"] if multi_label else rows["class"])
    wide = rows.pivot(index=["system", "protocol"], columns="key", values="value")
    frame = _per_protocol(comparison, wide.reindex(columns=list(keys)).reset_index())
    columns = [
        *_name_columns(),
        *(
            number(name, key, percent, HEADERS[metric] if multi_label else "")
            for key, (metric, name) in keys.items()
        ),
        words("source", "source"),
    ]
    title = "Each class" if multi_label else "F1 of each class"
    caption = "Test split, in percent, mean over seeds."
    if multi_label:
        caption += " Each class by itself: present or absent."
    notes = [
        f"{name}: no {split} utterance ({plain(protocol)}), {LACKING[split]}."
        for (protocol, split, name), size in sizes.items()
        if split in LACKING and not size
    ]
    return comparison.table("classes", title, caption, frame, columns, notes, folded=True)


def seeds(comparison: Comparison) -> Table:
    """Test results of every seed."""
    runs, multi_label = comparison.measured.runs, comparison.measured.multi_label
    pooled = runs[runs["fold"].isna() & (runs["split"] == "test") & runs["class"].isna()]
    key = ["system", "protocol", "seed"]
    frame = pooled.pivot(index=key, columns="metric", values="value").reset_index()
    frame = frame.merge(_epochs(comparison), on=key, how="left").fillna({SELECTED_EPOCH: ""})
    metrics = dict.fromkeys([*comparison.metrics, *(() if multi_label else ("macro_f1", "uar"))])
    columns = [
        *_name_columns(),
        number("seed", "seed"),
        *(number(HEADERS[metric], metric, percent) for metric in metrics),
        number("epoch scored", SELECTED_EPOCH),
        words("source", "source"),
    ]
    names = "/".join(CLASSES[comparison.corpus]) if multi_label else ""
    each = f", and per class where each class has a network of its own: {names}" if names else ""
    caption = (
        f"Test split, in percent{averaged_note(comparison)}. Epoch scored: one number per"
        f" fold{each}; counted from 1; fusions have none."
    )
    frame = _per_protocol(comparison, frame)
    return comparison.table("seeds", "Every seed", caption, frame, columns, folded=True)


def _epochs(comparison: Comparison) -> pd.Series:
    """Selected epochs of each seed: "/" between components, ", " between folds."""
    runs = comparison.measured.runs
    epochs = runs[runs["metric"] == SELECTED_EPOCH].sort_values("fold", kind="stable")
    key = ["system", "protocol", "seed"]
    of_folds = epochs.groupby([*key, "fold"])["value"].agg(
        lambda values: "/".join(f"{value:.0f}" for value in values)
    )
    return of_folds.groupby(key).agg(", ".join).astype(object).rename(SELECTED_EPOCH)


def rows_of(comparison: Comparison, split: str, metrics: Sequence[str]) -> pd.DataFrame:
    """A row per printed (table, system), then our systems that no table prints, then baselines."""
    printed = [
        row
        for row in comparison.printed.scores
        if row["split"] == split and row["metric"] in metrics and not row["class"]
    ]
    rows = [
        _row(comparison, split, metrics, system, lines)
        for (_, system), lines in grouped(printed, "table", "system").items()
    ]
    unprinted = comparison.unprinted(split, printed)
    return pd.DataFrame(
        [*rows, *(_row(comparison, split, metrics, system, []) for system in unprinted)]
    )


def _row(
    comparison: Comparison, split: str, metrics: Sequence[str], system: str, lines: list[Row]
) -> dict[str, Any]:
    measured, main_metric = comparison.measured, comparison.main_metric
    about = comparison.about(system, lines, split, measured.protocols)
    row: dict[str, Any] = {
        "label": about.pop("label"),
        "table": lines[0]["table"] if lines else "",
        **about,
    }
    note = row.pop("note")
    for metric in metrics:
        cell = next((line for line in lines if line["metric"] == metric), None)
        row |= printed_cell(metric, cell)
    for protocol in measured.protocols:
        for metric in metrics:
            mean = measured.mean(system, protocol, metric, split=split)
            row |= measured_cell(f"{protocol}_{metric}", mean)
        over_folds = measured.over_folds(system, protocol, main_metric, split=split)
        row |= folds_cell(f"{protocol}_{main_metric}", over_folds)
        row[f"{protocol}_seeds"] = measured.n_seeds(system, protocol, split)
        if main_metric in metrics:
            difference = row[f"{protocol}_{main_metric}"] - row[f"printed_{main_metric}"]
            row[f"{protocol}_difference"] = difference if comparison.comparable else NAN
        if split == "test" and comparison.has_linear:
            row |= _against_linear(comparison, system, protocol)
    return row | {"note": note}


def _against_linear(comparison: Comparison, system: str, protocol: str) -> dict[str, float]:
    """Difference of a system from the linear classifier of its inputs."""
    linear, difference = comparison.linear_of(system, protocol), None
    if linear:
        metric = comparison.main_metric
        difference = comparison.measured.difference(system, linear, protocol, metric)
    return difference_cell(f"{protocol}_linear", difference)


def averaged_note(comparison: Comparison) -> str:
    """Part of a caption: in a multi-label task overall scores are means over the classes."""
    return ", mean over the classes" if comparison.measured.multi_label else ""


def _per_protocol(comparison: Comparison, frame: pd.DataFrame) -> pd.DataFrame:
    """Sort rows by system and protocol, and add source and kind."""
    kinds = [comparison.kind(name) for name in frame["system"]]
    frame = frame.assign(source=comparison.measured.source, kind=kinds)
    protocols = comparison.measured.protocols
    places = [
        (comparison.rank(system), protocols.index(protocol))
        for system, protocol in zip(frame["system"], frame["protocol"], strict=True)
    ]
    order = sorted(range(len(frame)), key=places.__getitem__)
    return frame.iloc[order].reset_index(drop=True)


def _name_columns() -> list[Column]:
    return [words("system", "system"), words("protocol", "protocol", plain)]
