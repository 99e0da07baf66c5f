"""Tables of the paper about the corpus itself: sizes of its parts, and how the classes are shared among them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from merflow.evaluation.metrics import BALANCE, CORPUS, SIZES
from merflow.tables.columns import figure, printed_cell, printed_column, remarks, unit_of
from merflow.tables.comparison import NAN, Comparison
from merflow.tables.render import Table, number, plain, words
from merflow.tables.reported import Row, grouped


def tables(view: Comparison) -> Iterator[Table]:
    """Printed figures beside those of our splits."""
    splits = _splits(view)
    about_corpus = (
        row for row in view.lines if not row["system"] and row["metric"] in (*BALANCE, *SIZES)
    )
    for (name,), lines in grouped(about_corpus, "table").items():
        units = {row["metric_as_printed"]: unit_of(row["metric"]) for row in lines}
        rows = []
        for (label,), cells in grouped(lines, "row").items():
            row: dict[str, Any] = {"label": label, "class": cells[0]["class"]}
            by_head = {cell["metric_as_printed"]: cell for cell in cells}
            for head in units:
                row |= printed_cell(head, by_head.get(head))
                for protocol in splits:
                    row |= _ours(view, f"{head}_{protocol}", by_head.get(head), protocol)
            rows.append(row)
        columns = [words("row", "label")]
        for head, unit in units.items():
            columns.append(printed_column("printed", head, head, unit))
            for protocol, of in splits.items():
                columns.append(number(f"ours{of}", f"{head}_{protocol}", unit.show, head))
                columns.append(
                    number(
                        f"difference{of}", f"{head}_{protocol}_difference", unit.difference, head
                    )
                )
        shares = any(row["metric"] in BALANCE for row in lines)
        caption = (
            "Share of the utterances of a part, in percent." if shares else "Utterances of a part."
        )
        difference = f"Difference: ours minus printed{', in points' if shares else ''}."
        notes = [
            *([difference] if splits else []),
            *(_sizes(view, lines, splits) if shares else []),
            *remarks(lines),
        ]
        yield view.table(
            f"table-{name}",
            f"Table {name} of the paper",
            caption,
            pd.DataFrame(rows),
            columns,
            notes,
        )


def _splits(view: Comparison) -> dict[str, str]:
    """Protocols whose parts of the corpus differ, each with what to add to "ours": nothing where there is only one such split."""
    alike: dict[tuple[float, ...], list[str]] = {}
    for protocol in view.protocols:
        alike.setdefault(
            tuple(view.parts.loc[view.parts["protocol"] == protocol, "value"]), []
        ).append(protocol)
    return {
        same[0]: "" if len(alike) == 1 else f", {' and '.join(map(plain, same))}"
        for same in alike.values()
    }


def _ours(
    view: Comparison, key: str, cell: Mapping[str, Any] | None, protocol: str
) -> dict[str, float]:
    """Ours of a printed figure, and the difference."""
    found = (
        view.mean(CORPUS, protocol, cell["metric"], cell["class"], cell["split"]) if cell else None
    )
    value = found["value"] if found else NAN
    return {key: value, f"{key}_difference": value - figure(cell) if view.comparable else NAN}


def _sizes(view: Comparison, lines: Sequence[Row], splits: Mapping[str, str]) -> Iterator[str]:
    """Of how many utterances our shares are."""
    for protocol, of in splits.items():
        sizes = (
            view.parts[view.parts["protocol"] == protocol].groupby("split")["n"].first().to_dict()
        )
        told = [
            f"{sizes[split]} in {split}"
            for split in dict.fromkeys(row["split"] for row in lines)
            if split in sizes
        ]
        yield f"Ours{of}: n = {', '.join(told)}; utterances without an emotion count."
