"""Tables of the paper with systems side by side and emotions below each other.

A system is a group of columns: printed and ours. If it also ran without the paper's class weights,
ours without them and their effect follow, a paired difference. Below the rows of the printed
measure stand rows of the F1 of "present", which is 0 for a system that always predicts "absent".
Beside the printed systems stand ours that the paper prints nowhere, and the trivial baselines.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from merflow.evaluation.baselines import BASELINES
from merflow.tables.columns import (
    measured_cell,
    ours_column,
    printed_cell,
    printed_column,
    remarks,
)
from merflow.tables.comparison import UNWEIGHTED, Comparison
from merflow.tables.measured import NAN
from merflow.tables.measures import ALL_NEGATIVE, HEADERS
from merflow.tables.render import (
    NOTHING,
    Column,
    Table,
    interval,
    number,
    p_value,
    plain,
    points,
    words,
)
from merflow.tables.reported import Row, grouped

PRESENT = "positive_f1"
#: Columns of a printed line that make a row of the table.
HEAD = ("row", "metric", "metric_as_printed", "class")
WEIGHTS_NOTE = (
    "Without: ours, the same system without class weights; the paper prints none. Effect: with"
    " minus without, in points, with its paired interval over dialogues; p: two-sided; p,"
    " corrected: for the number of pairs, as in the table of differences."
)
BASELINES_NOTE = (
    "Majority and chance know the train split only, of each emotion by itself: the majority of a"
    " rare emotion is absent."
)


def side_by_side(
    comparison: Comparison, name: str, lines: list[Row], unprinted: list[str], protocol: str
) -> Table:
    """A printed table in which systems stand side by side.

    Args:
        comparison: of the paper on the corpus.
        name: of the table in the paper.
        lines: its printed lines.
        unprinted: systems that the paper does not print, baselines included.
        protocol: of ours.
    """
    printed = list(dict.fromkeys(row["system"] for row in lines))
    unweighted = {
        system: f"{system}{UNWEIGHTED}"
        for system in printed
        if f"{system}{UNWEIGHTED}" in comparison.measured.systems
    }
    ours = [
        system
        for system in unprinted
        if system.removesuffix(UNWEIGHTED) not in comparison.printed.systems
    ]
    systems = [*printed, *ours]
    rows = [
        _row(comparison, head, lines, systems, unweighted, protocol)
        for head in _heads(lines, comparison.measured.multi_label)
    ]
    columns = [words("row", "label"), words("measure", "measure")]
    for system in printed:
        cited = comparison.kind(system) == "cited"
        columns += _columns(system, cited, unweighted.get(system))
    for system in ours:
        label = comparison.about(system, [], "test", [protocol])["label"]
        columns.append(ours_column("ours", system, label))
    notes = ["Ours: mean ± standard deviation over seeds.", *([WEIGHTS_NOTE] if unweighted else [])]
    if set(ours) & set(BASELINES):
        notes += [BASELINES_NOTE, ALL_NEGATIVE]
    notes += [*_inputs(comparison, systems, protocol), *remarks(lines)]
    caption = "Test split, in percent; in parentheses our name of the paper's measure."
    title, frame = f"Table {name} of the paper, {plain(protocol)}", pd.DataFrame(rows)
    return comparison.table(f"table-{name}-{protocol}", title, caption, frame, columns, notes)


def _heads(lines: list[Row], multi_label: bool) -> list[dict[str, str]]:
    """HEAD of each row: the printed measures, then the F1 of "present" (multi-label)."""
    heads = [dict(zip(HEAD, key, strict=True)) for key in grouped(lines, *HEAD)]
    if not multi_label or any(head["metric"] == PRESENT for head in heads):
        return heads
    first = [rows[0] for rows in grouped(heads, "row", "class").values()]
    return [*heads, *({**head, "metric": PRESENT, "metric_as_printed": ""} for head in first)]


def _row(
    comparison: Comparison,
    head: Mapping[str, str],
    lines: Sequence[Row],
    systems: Sequence[str],
    unweighted: Mapping[str, str],
    protocol: str,
) -> dict[str, Any]:
    metric, emotion = head["metric"], head["class"]
    ours, as_printed = HEADERS.get(metric, metric), head["metric_as_printed"]
    row: dict[str, Any] = {
        "label": head["row"],
        "measure": f"{as_printed} ({ours})" if as_printed else ours,
        "metric": metric,
        "class": emotion,
        "kind": "system",
    }
    cells = {
        line["system"]: line
        for line in lines
        if all(line[key] == value for key, value in head.items())
    }
    for system in systems:
        row |= printed_cell(system, cells.get(system))
        row |= measured_cell(system, comparison.measured.mean(system, protocol, metric, emotion))
        if system in unweighted:
            row |= _weights(comparison, system, unweighted[system], protocol, metric, emotion)
    return row


def _weights(
    comparison: Comparison, system: str, without: str, protocol: str, metric: str, emotion: str
) -> dict[str, float]:
    """Score of a system without class weights, and the effect of the weights."""
    measured = comparison.measured
    effect = measured.difference(system, without, protocol, metric, emotion)
    value, low, high, p, p_corrected = effect or (NAN,) * 5
    return {
        **measured_cell(without, measured.mean(without, protocol, metric, emotion)),
        f"{system}_effect_value": value,
        f"{system}_effect_low": low,
        f"{system}_effect_high": high,
        f"{system}_effect_p": p,
        f"{system}_effect_p_corrected": p_corrected,
    }


def _columns(system: str, cited: bool, without: str | None) -> list[Column]:
    """Columns of a printed system; `without`: the same system without class weights."""
    columns = [printed_column("printed", system, system)]
    if not cited:
        columns.append(ours_column("with weights" if without else "ours", system, system))
    if without:
        columns += [ours_column("without", without, system), _effect_column(system)]
        columns += [
            number("p", f"{system}_effect_p", p_value, system),
            number("p, corrected", f"{system}_effect_p_corrected", p_value, system),
        ]
    return columns


def _effect_column(system: str) -> Column:
    def cell(row: Row) -> str:
        value, low, high = (row[f"{system}_effect_{key}"] for key in ("value", "low", "high"))
        return NOTHING if pd.isna(value) else f"{points(value)} {interval(low, high, points)}"

    return Column("effect", cell, system)


def _inputs(comparison: Comparison, systems: Sequence[str], protocol: str) -> list[str]:
    """Note for each system of ours: utterances and inputs, or why it has no scores."""
    notes = []
    for system in systems:
        about = comparison.about(system, [], "test", [protocol])
        if about["kind"] == "absent":
            notes.append(f"{system}: {about['note']}.")
        elif about["n"]:
            inputs = f", from {about['inputs']}" if about["inputs"] else ""
            notes.append(f"{system}: n = {about['n']}{inputs}.")
    return notes
