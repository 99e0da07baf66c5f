"""Tables of the paper in which systems stand side by side, and emotions below each other.

A system of the paper is a group of columns: printed, ours, and where it also ran without the class weights, ours without them and
the effect of the weights, a paired difference. Below the printed measure stands the F1 of "present", which an answer that is always
"absent" leaves at 0 while its accuracy is high; beside the systems stand ours that the paper prints nowhere, and the trivial
baselines.
"""

from typing import Any

import pandas as pd

from merflow.evaluation.baselines import BASELINES
from merflow.tables.columns import ours_column, printed_cell, printed_column, remarks
from merflow.tables.comparison import HEADERS, NAN, NEGATIVE, UNWEIGHTED, Comparison
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
HEAD = ("row", "metric", "metric_as_printed", "class")  # of a printed row
WEIGHTS = (
    "Without: ours, the same system without class weights; the paper prints none. Effect: with minus without, in points,"
    " with its paired interval over dialogues; p: two-sided. Neither is corrected for the number of comparisons."
)


def side_by_side(
    view: Comparison, name: str, lines: list[Row], more: list[str], protocol: str
) -> Table:
    """A printed table in which systems stand side by side.

    Args:
        view: what to compare.
        name: of the table in the paper.
        lines: its rows in `view.printed`.
        more: systems that the paper does not print, baselines included.
        protocol: of ours.
    """
    printed = list(dict.fromkeys(row["system"] for row in lines))
    unweighted = {
        system: f"{system}{UNWEIGHTED}"
        for system in printed
        if f"{system}{UNWEIGHTED}" in view.systems
    }
    others = [system for system in more if system.removesuffix(UNWEIGHTED) not in view.names]
    rows = [
        _row(view, head, lines, [*printed, *others], unweighted, protocol)
        for head in _heads(lines, view.multi_label)
    ]
    columns = [words("row", "label"), words("measure", "measure")]
    for system in printed:
        columns.append(printed_column("printed", system, system))
        if view.kind(system) != "cited":
            columns.append(
                ours_column("with weights" if system in unweighted else "ours", system, system)
            )
        if system in unweighted:
            columns += [ours_column("without", unweighted[system], system), _effect_column(system)]
            columns.append(number("p", f"{system}_effect_p", p_value, system))
    columns += [ours_column("ours", system, system) for system in others]
    title = f"Table {name} of the paper, {plain(protocol)}"
    notes = ["Ours: mean ± standard deviation over seeds.", *([WEIGHTS] if unweighted else [])]
    if set(others) & set(BASELINES):
        notes += [
            "Majority and chance see the train part only, of each emotion by itself: the majority of a rare one is absent.",
            NEGATIVE,
        ]
    notes += [*_inputs(view, [*printed, *others], protocol), *remarks(lines)]
    caption = "Test part, in percent; in parentheses what the paper's measure is in our names."
    return view.table(
        f"table-{name}-{protocol}", title, caption, pd.DataFrame(rows), columns, notes
    )


def _heads(lines: list[Row], multi_label: bool) -> list[dict[str, str]]:
    """The printed rows, each with its measure, then the F1 of "present" of each."""
    heads = [dict(zip(HEAD, key, strict=True)) for key in grouped(lines, *HEAD)]
    if not multi_label or any(head["metric"] == PRESENT for head in heads):
        return heads
    more = [rows[0] for rows in grouped(heads, "row", "class").values()]
    return [*heads, *({**head, "metric": PRESENT, "metric_as_printed": ""} for head in more)]


def _row(
    view: Comparison,
    head: dict[str, str],
    lines: list[Row],
    systems: list[str],
    unweighted: dict[str, str],
    protocol: str,
) -> dict[str, Any]:
    metric, emotion, ours = (
        head["metric"],
        head["class"],
        HEADERS.get(head["metric"], head["metric"]),
    )
    measure = f"{head['metric_as_printed']} ({ours})" if head["metric_as_printed"] else ours
    row: dict[str, Any] = {
        "label": head["row"],
        "measure": measure,
        "metric": metric,
        "class": emotion,
        "kind": "system",
    }
    here = {
        line["system"]: line
        for line in lines
        if all(line[key] == value for key, value in head.items())
    }
    for system in systems:
        row |= printed_cell(system, here.get(system))
        row |= {
            f"{system}{ending}": value
            for ending, value in view.figures(system, protocol, metric, emotion).items()
        }
        if system in unweighted:
            other = unweighted[system]
            row |= {
                f"{other}{ending}": value
                for ending, value in view.figures(other, protocol, metric, emotion).items()
            }
            found = view.difference(system, other, protocol, metric, emotion) or {}
            row |= {
                f"{system}_effect_{key}": found.get(key, NAN)
                for key in ("value", "low", "high", "p")
            }
    return row


def _effect_column(system: str) -> Column:
    def cell(row: Row) -> str:
        value, low, high = (row[f"{system}_effect_{key}"] for key in ("value", "low", "high"))
        return NOTHING if pd.isna(value) else f"{points(value)} {interval(low, high, points)}"

    return Column("effect", cell, system)


def _inputs(view: Comparison, systems: list[str], protocol: str) -> list[str]:
    """One note per system of ours: utterances and inputs, or why it has no scores."""
    notes = []
    for system in systems:
        about = view.about(system, [], "test", [protocol])
        if about["kind"] == "absent":
            notes.append(f"{system}: {about['note']}.")
        elif about["n"]:
            notes.append(
                f"{system}: n = {about['n']}{', from ' if about['inputs'] else ''}{about['inputs']}."
            )
    return notes
