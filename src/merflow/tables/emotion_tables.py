"""Tables of the paper with one row per emotion: class balance, and systems side by side.

In the second kind a system of the paper is a group of columns: printed, ours, and where it also ran without the class weights, ours
without them and the effect of the weights, a paired difference. Below the printed measure stands the F1 of "present", which an
answer that is always "absent" leaves at 0 while its accuracy is high; beside the systems stand ours that the paper prints nowhere,
and the trivial baselines.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pandas as pd

from merflow.evaluation.baselines import BASELINES
from merflow.evaluation.metrics import CORPUS
from merflow.tables.comparison import HEADERS, NAN, NEGATIVE, UNWEIGHTED, Comparison, ours_column, printed_cell, printed_column
from merflow.tables.render import NOTHING, Column, Table, interval, number, p_value, percent, plain, points, words
from merflow.tables.reported import MISSING, remarks_of

PRESENT = "positive_f1"
WEIGHTS = (
    "Without: ours, the same system without class weights; the paper prints none. Effect: with minus without, in points,"
    " with its paired interval over dialogues; p: two-sided. Neither is corrected for the number of comparisons."
)


def balance(view: Comparison) -> Iterator[Table]:
    """Shares of the emotions in the parts of the corpus, beside those of our splits."""
    splits = _splits(view)
    for name, lines in view.balance.groupby("table", sort=False):
        heads = list(dict.fromkeys(lines["metric_as_printed"]))
        rows = []
        for label, cells in lines.groupby("row", sort=False):
            row: dict[str, Any] = {"label": label, "class": cells["class"].iloc[0]}
            by_head = cells.set_index("metric_as_printed").to_dict("index")
            for head in heads:
                row |= printed_cell(head, by_head.get(head)) | _shares(view, head, by_head.get(head), splits)
            rows.append(row)
        columns = [words("row", "label")]
        for head in heads:
            columns.append(printed_column("printed", head, head))
            for protocol, of in splits.items():
                columns.append(number(f"ours{of}", f"{head}_{protocol}", percent, head))
                columns.append(number(f"difference{of}", f"{head}_{protocol}_difference", points, head))
        caption = "Share of the utterances of a part, in percent."
        notes = ["Difference: ours minus printed, in points."] if splits else []
        for protocol, of in splits.items():
            sizes = view.shares[view.shares["protocol"] == protocol].groupby("split")["n"].first().to_dict()
            told = [f"{sizes[split]} in {split}" for split in dict.fromkeys(lines["split"]) if split in sizes]
            notes.append(f"Ours{of}: n = {', '.join(told)}; utterances without an emotion count.")
        notes += _remarks(lines)
        yield view.table(f"table-{name}", f"Table {name} of the paper", caption, pd.DataFrame(rows), columns, notes)


def _splits(view: Comparison) -> dict[str, str]:
    """Protocols whose parts of the corpus differ, each with what to add to "ours": nothing where there is only one such split."""
    alike: dict[tuple[float, ...], list[str]] = {}
    for protocol in view.protocols:
        alike.setdefault(tuple(view.shares.loc[view.shares["protocol"] == protocol, "value"]), []).append(protocol)
    return {same[0]: "" if len(alike) == 1 else f", {' and '.join(map(plain, same))}" for same in alike.values()}


def _shares(view: Comparison, head: str, cell: Mapping[str, Any] | None, protocols: Iterable[str]) -> dict[str, float]:
    """Ours of a printed share, and the difference."""
    row = {}
    for protocol in protocols:
        found = view.mean(CORPUS, protocol, cell["metric"], cell["class"], cell["split"]) if cell else None
        row[f"{head}_{protocol}"] = found["value"] if found else NAN
        row[f"{head}_{protocol}_difference"] = found["value"] - cell["share"] if found and cell and view.comparable else NAN
    return row


def side_by_side(view: Comparison, name: str, lines: pd.DataFrame, more: list[str], protocol: str) -> Table:
    """A printed table in which systems stand side by side.

    Args:
        view: what to compare.
        name: of the table in the paper.
        lines: its rows in `view.printed`.
        more: systems that the paper does not print, baselines included.
        protocol: of ours.
    """
    printed = list(dict.fromkeys(lines["system"]))
    unweighted = {system: f"{system}{UNWEIGHTED}" for system in printed if f"{system}{UNWEIGHTED}" in view.systems}
    others = [system for system in more if system.removesuffix(UNWEIGHTED) not in view.printed["system"].values]
    rows = [_row(view, head, lines, [*printed, *others], unweighted, protocol) for head in _heads(lines, view.multi_label)]
    columns = [words("row", "label"), words("measure", "measure")]
    for system in printed:
        columns.append(printed_column("printed", system, system))
        if view.kind(system) != "cited":
            columns.append(ours_column("with weights" if system in unweighted else "ours", system, system))
        if system in unweighted:
            columns += [ours_column("without", unweighted[system], system), _effect_column(system)]
            columns.append(number("p", f"{system}_effect_p", p_value, system))
    columns += [ours_column("ours", system, system) for system in others]
    title = f"Table {name} of the paper, {plain(protocol)}"
    notes = ["Ours: mean ± standard deviation over seeds.", *([WEIGHTS] if unweighted else [])]
    if set(others) & set(BASELINES):
        notes += ["Majority and chance see the train part only, of each emotion by itself: the majority of a rare one is absent.", NEGATIVE]
    notes += [*_inputs(view, [*printed, *others], protocol), *_remarks(lines)]
    caption = "Test part, in percent; in parentheses what the paper's measure is in our names."
    return view.table(f"table-{name}-{protocol}", title, caption, pd.DataFrame(rows), columns, notes)


def _heads(lines: pd.DataFrame, multi_label: bool) -> list[dict[str, str]]:
    """The printed rows, each with its measure, then the F1 of "present" of each."""
    heads = lines[["row", "metric", "metric_as_printed", "class"]].drop_duplicates()
    more = heads.drop_duplicates(["row", "class"]).assign(metric=PRESENT, metric_as_printed="")
    return [*heads.to_dict("records"), *(more.to_dict("records") if multi_label and PRESENT not in set(lines["metric"]) else [])]


def _row(
    view: Comparison, head: dict[str, str], lines: pd.DataFrame, systems: list[str], unweighted: dict[str, str], protocol: str
) -> dict[str, Any]:
    metric, emotion, ours = head["metric"], head["class"], HEADERS.get(head["metric"], head["metric"])
    measure = f"{head['metric_as_printed']} ({ours})" if head["metric_as_printed"] else ours
    row: dict[str, Any] = {"label": head["row"], "measure": measure, "metric": metric, "class": emotion, "kind": "system"}
    here = lines[(lines[list(head)] == pd.Series(head)).all(axis=1)].set_index("system").to_dict("index")
    for system in systems:
        row |= printed_cell(system, here.get(system))
        row |= {f"{system}{ending}": value for ending, value in view.figures(system, protocol, metric, emotion).items()}
        if system in unweighted:
            other = unweighted[system]
            row |= {f"{other}{ending}": value for ending, value in view.figures(other, protocol, metric, emotion).items()}
            found = view.difference(system, other, protocol, metric, emotion) or {}
            row |= {f"{system}_effect_{key}": found.get(key, NAN) for key in ("value", "low", "high", "p")}
    return row


def _effect_column(system: str) -> Column:
    def cell(row: pd.Series) -> str:
        value, low, high = (row[f"{system}_effect_{key}"] for key in ("value", "low", "high"))
        return NOTHING if pd.isna(value) else f"{points(value)} {interval(low, high, points)}"

    return Column("effect", cell, system)


def _inputs(view: Comparison, systems: list[str], protocol: str) -> list[str]:
    """One note per system of ours: utterances and inputs, or why it has no scores."""
    notes = []
    for system in systems:
        about = view.about(system, view.printed.iloc[:0], "test", [protocol])
        if about["kind"] == "absent":
            notes.append(f"{system}: {about['note']}.")
        elif about["n"]:
            notes.append(f"{system}: n = {about['n']}{', from ' if about['inputs'] else ''}{about['inputs']}.")
    return notes


def _remarks(lines: pd.DataFrame) -> list[str]:
    """Each remark of the printed rows once; it names the systems, where it is not of all."""
    notes = []
    if (lines["value"] == MISSING).any():
        notes.append(f"{MISSING.capitalize()}: the paper prints this cell, but the text of it that we have does not hold its value.")
    for remark in dict.fromkeys(remark for note in lines["note"] for remark in remarks_of(note) if remark != MISSING):
        told = lines[[remark in remarks_of(note) for note in lines["note"]]]
        of = "" if len(told) == len(lines) else f"{', '.join(dict.fromkeys(filter(None, told['system'])))}: "
        notes.append(f"{of}{remark}.")
    return notes
