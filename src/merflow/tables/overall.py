"""Tables about all papers: their claims, and what their protocols let test share with train; merflow.tables.cross has their systems."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from merflow.tables.columns import unit_of
from merflow.tables.comparison import HEADERS, PROTOCOLS, Comparison, name_of, part_of
from merflow.tables.protocols import LEAKS
from merflow.tables.render import (
    NOTHING,
    Column,
    Table,
    interval,
    number,
    percent,
    plain,
    points,
    prose,
    words,
)
from merflow.tables.reported import Row
from merflow.tables.verdicts import VERDICTS


@dataclass(frozen=True)
class Studied:
    """A paper on a corpus, in all its views, and tables of it."""

    views: Sequence[Comparison]
    claims: Sequence[Table]
    gap: Table
    leakage: Table


def tables(studied: Sequence[Studied]) -> Iterator[Table]:
    """All of them; `studied`: each paper on each corpus."""
    demo = sorted({view.corpus for one in studied for view in one.views if view.demo})
    heads = (
        [
            f"Demo: ours of {', '.join(demo)} are figures on synthetic corpora in their layout, no results on them."
        ]
        if demo
        else []
    )
    yield _claims(studied, heads)
    yield _leakage(studied, heads)


def _table(
    name: str,
    title: str,
    caption: str,
    frame: pd.DataFrame,
    columns: Sequence[Column],
    notes: Sequence[str],
) -> Table:
    demo = "demo" in set(frame["source"])
    title = f"{title}{', demo corpora' if demo else ''}."
    return Table(
        name, title, caption, frame, tuple(columns), tuple(notes), demo, anchor=f"overall-{name}"
    )


def _claims(studied: Sequence[Studied], heads: Sequence[str]) -> Table:
    rows: dict[tuple[str, str, str], dict[str, Any]] = {}
    for one in studied:
        for view, table in zip(one.views, one.claims, strict=True):
            for claim in table.frame.to_dict("records"):
                about = {
                    "paper": view.paper,
                    "corpus": view.corpus,
                    "kind": "system",
                    "source": view.source,
                }
                row = rows.setdefault((view.paper, view.corpus, claim["id"]), about)
                row |= {key: value for key, value in claim.items() if key not in about}
    frame = pd.DataFrame(
        rows.values(), columns=None if rows else ["source"]
    )  # no claim is about what is selected
    protocols = [name for name in PROTOCOLS if f"{name}_verdict" in frame]
    columns = [
        words("paper", "paper"),
        words("corpus", "corpus"),
        prose("claim", "claim"),
        prose("its printed numbers", "print"),
    ]
    counted = []
    for protocol in protocols:
        columns += [
            words("verdict", f"{protocol}_verdict", _verdict, plain(protocol)),
            _effect(protocol),
        ]
        counts = Counter(frame[f"{protocol}_verdict"].dropna())
        told = ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS if counts[verdict])
        counted.append(f"{plain(protocol)}: {told}")
    notes = [
        *heads,
        "Effect: of the comparison that decides the claim, what is meant to be higher minus the other, in points (of losses as they are).",
        "Limits: of its interval; of losses the smallest and the largest difference between seeds; of two classes of one system what their"
        " intervals leave possible. The claims of a paper stand with quotations and full evidence in a table of their own.",
        f"{NOTHING}: the protocol was not run.",
    ]
    caption = f"{len(frame)} claims, and what ours say of them. {'; '.join(counted)}."
    return _table(
        "claims",
        "Claims of all papers",
        caption,
        frame,
        [*columns, words("source", "source")],
        notes,
    )


def _verdict(verdict: Any) -> str:
    return NOTHING if pd.isna(verdict) else verdict


def _effect(protocol: str) -> Column:
    """The effect with its limits and what it is of; why there is none."""

    def cell(row: Row) -> str:
        verdict, effect, metric = (
            row[f"{protocol}_{key}"] for key in ("verdict", "effect", "metric")
        )
        if pd.isna(verdict):
            return NOTHING
        if pd.isna(effect):
            return (
                f"no scores of {row[f'{protocol}_evidence']}"
                if verdict == "not run"
                else row[f"{protocol}_evidence"]
            )
        show = unit_of(metric).difference
        return f"{name_of(metric, part_of(metric))} {show(effect)} {interval(row[f'{protocol}_low'], row[f'{protocol}_high'], show)}"

    return Column("effect, or why none", cell, plain(protocol), numeric=False, prose=True)


def _leakage(studied: Sequence[Studied], heads: Sequence[str]) -> Table:
    rows: list[dict[str, Any]] = []
    for one in studied:
        view = one.views[0]
        gaps = _gaps(one)
        for place, shared in enumerate(one.leakage.frame.to_dict("records")):
            row = {"paper": view.paper, "corpus": view.corpus, **shared, "main": HEADERS[view.main]}
            rows.append(row | (gaps if place == 0 else {}))
    gap = ["gap_median", "gap_lowest", "gap_highest", "gap_systems"]
    frame = pd.DataFrame(
        rows,
        columns=[
            "paper",
            "corpus",
            "protocol",
            "kind",
            "n",
            *LEAKS,
            "leaks",
            "main",
            *gap,
            "source",
        ],
    )

    def share(metric: str) -> Column:
        return Column(
            LEAKS[metric], lambda row: percent(row[metric] / row["n"], 1), "also in train, %"
        )

    def against(row: Row) -> str:
        return interval(row["gap_lowest"], row["gap_highest"], points)

    group = "as published minus clean"
    columns = [
        words("paper", "paper"),
        words("corpus", "corpus"),
        words("protocol", "protocol", plain),
        number("test rows", "n"),
    ]
    columns += [
        *map(share, LEAKS),
        words("leaks", "leaks", lambda leaks: leaks or "no clip, no dialogue"),
    ]
    columns += [
        words("measure", "main", group=group),
        number("median gap", "gap_median", points, group),
        Column("lowest, highest", against, group),
    ]
    columns += [
        number(
            "systems", "gap_systems", lambda count: f"{count:.0f}" if count > 0 else NOTHING, group
        ),
        words("source", "source"),
    ]
    notes = [
        *heads,
        "All folds together: each test row, an utterance or one of its labels, is looked up in the train part of its own fold; texts are"
        " compared letter by letter.",
        "Gap: what a system scores as published minus what it scores under clean, in points; the median over the systems that ran under"
        " both, then the lowest and the highest of them. Each with its interval stands in the table of the paper.",
        f"{NOTHING}: run under one protocol only, or the two ask for different measures.",
    ]
    caption = "What the test part of each protocol has in common with its train part, and what systems score under the one and the other."
    return _table("leakage", "Leakage and its effect, all papers", caption, frame, columns, notes)


def _gaps(one: Studied) -> dict[str, float]:
    """The gap in the main measure over systems; nothing where there is none."""
    key = f"{one.views[0].main}_gap"
    if key not in one.gap.frame:
        return {}
    found = one.gap.frame.loc[one.gap.frame["kind"] == "system", key].dropna()
    if found.empty:
        return {}
    return {
        "gap_median": found.median(),
        "gap_lowest": found.min(),
        "gap_highest": found.max(),
        "gap_systems": len(found),
    }
