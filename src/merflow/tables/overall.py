"""Tables about all papers: their claims, leakage and protocol gaps.

merflow.tables.cross has their systems.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from merflow.tables.comparison import Comparison
from merflow.tables.measured import PROTOCOLS
from merflow.tables.measures import HEADERS, name_of, split_of, unit_of
from merflow.tables.protocols import LEAKS, NO_LEAKS, UNKNOWN
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
from merflow.tables.verdicts import counted


@dataclass(frozen=True)
class CorpusTables:
    """Tables of a paper on a corpus that tables of all papers sum up.

    Attributes:
        comparisons: one for each task.
        claims: one for each comparison.
        gap, leakage: tables of merflow.tables.protocols.
    """

    comparisons: Sequence[Comparison]
    claims: Sequence[Table]
    gap: Table
    leakage: Table


def tables(every: Sequence[CorpusTables]) -> Iterator[Table]:
    """All of them.

    Args:
        every: of each paper on each corpus.
    """
    every_comparison = [comparison for tables in every for comparison in tables.comparisons]
    demo = sorted({comparison.corpus for comparison in every_comparison if comparison.demo})
    warning = (
        f"Demo: ours of {', '.join(demo)} are figures on synthetic corpora in their layout, no"
        " results on them."
    )
    warnings = [warning] if demo else []
    yield _claims(every, warnings)
    yield _leakage(every, warnings)


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
    anchor = f"overall-{name}"
    return Table(name, title, caption, frame, tuple(columns), tuple(notes), demo, anchor=anchor)


CLAIMS_NOTES = (
    "Effect: of the comparison that decides the claim, the score that should be higher minus the"
    " other, in points (of losses as they are).",
    "Limits: of its interval; of losses the smallest and the largest difference between seeds; of"
    " two classes of one system what their intervals leave possible. The claims of a paper stand"
    " with quotations and full evidence in a table of their own.",
    f"{NOTHING}: the protocol was not run.",
)


def _claims(every: Sequence[CorpusTables], warnings: Sequence[str]) -> Table:
    frame = _claims_frame(every)
    protocols = [name for name in PROTOCOLS if f"{name}_verdict" in frame]
    columns = [
        words("paper", "paper"),
        words("corpus", "corpus"),
        prose("claim", "claim"),
        prose("its printed numbers", "print"),
    ]
    summaries = []
    for protocol in protocols:
        verdicts, group = f"{protocol}_verdict", plain(protocol)
        columns += [words("verdict", verdicts, _verdict, group), _effect(protocol)]
        summaries.append(f"{group}: {counted(frame[verdicts].dropna())}")
    columns.append(words("source", "source"))
    caption = f"{len(frame)} claims, and what ours say of them. {'; '.join(summaries)}."
    title, notes = "Claims of all papers", [*warnings, *CLAIMS_NOTES]
    return _table("claims", title, caption, frame, columns, notes)


def _claims_frame(every: Sequence[CorpusTables]) -> pd.DataFrame:
    """A row per claim and corpus, with the verdicts of all comparisons."""
    rows: dict[tuple[str, str, str], dict[str, Any]] = {}
    for tables in every:
        for comparison, table in zip(tables.comparisons, tables.claims, strict=True):
            paper, corpus = comparison.paper, comparison.corpus
            for claim in table.frame.to_dict("records"):
                named = {"paper": paper, "corpus": corpus, "kind": "system"}
                named["source"] = comparison.measured.source
                row = rows.setdefault((paper, corpus, claim["id"]), named)
                row |= {key: value for key, value in claim.items() if key not in named}
    # Without a claim on the selected corpora there are no rows, and so no columns.
    return pd.DataFrame(rows.values(), columns=None if rows else ["source"])


def _verdict(verdict: Any) -> str:
    return NOTHING if pd.isna(verdict) else verdict


def _effect(protocol: str) -> Column:
    """Column of the effect with its limits, or of the reason why there is none."""

    def cell(row: Row) -> str:
        verdict, effect, metric, evidence = (
            row[f"{protocol}_{key}"] for key in ("verdict", "effect", "metric", "evidence")
        )
        if pd.isna(verdict):
            return NOTHING
        if pd.isna(effect):
            return f"no scores of {evidence}" if verdict == "not run" else evidence
        show = unit_of(metric).difference
        limits = interval(row[f"{protocol}_low"], row[f"{protocol}_high"], show)
        return f"{name_of(metric, split_of(metric))} {show(effect)} {limits}"

    return Column("effect, or why none", cell, plain(protocol), numeric=False, prose=True)


GAP_COLUMNS = ["gap_median", "gap_lowest", "gap_highest", "gap_systems"]
LEAKAGE_NOTES = (
    "All folds together: each test row, an utterance or one of its labels, is looked up in the"
    " train split of its own fold; texts are compared letter by letter.",
    "Gap: the score of a system as published minus its score under clean, in points; the median"
    " over the systems that ran under both, then the lowest and the highest of them. Each stands"
    " with its interval in the table of the paper.",
    f"{NOTHING}: run under one protocol only, or the two have different measures.",
)


def _leakage(every: Sequence[CorpusTables], warnings: Sequence[str]) -> Table:
    rows: list[dict[str, Any]] = []
    for tables in every:
        comparison, gaps = tables.comparisons[0], _gaps(tables)
        named = {"paper": comparison.paper, "corpus": comparison.corpus}
        main = {"main": HEADERS[comparison.main_metric]}
        for place, facts in enumerate(tables.leakage.frame.to_dict("records")):
            rows.append({**named, **facts, **main, **(gaps if place == 0 else {})})
    names = ["paper", "corpus", "protocol", "kind", "n", *LEAKS, "leaks", "main"]
    frame = pd.DataFrame(rows, columns=[*names, *GAP_COLUMNS, "source"])
    caption = (
        "What the test split of each protocol has in common with its train split, and the protocol"
        " gap of the systems."
    )
    title, notes = "Leakage and its effect, all papers", [*warnings, *LEAKAGE_NOTES]
    return _table("leakage", title, caption, frame, _leakage_columns(), notes)


def _leakage_columns() -> list[Column]:
    def share(fact: str) -> Column:
        def cell(row: Row) -> str:
            return UNKNOWN if pd.isna(row[fact]) else percent(row[fact] / row["n"], 1)

        return Column(LEAKS[fact], cell, "also in train, %")

    def limits(row: Row) -> str:
        return interval(row["gap_lowest"], row["gap_highest"], points)

    def n_systems(count: float) -> str:
        return f"{count:.0f}" if count > 0 else NOTHING

    group = "as published minus clean"
    return [
        words("paper", "paper"),
        words("corpus", "corpus"),
        words("protocol", "protocol", plain),
        number("test rows", "n"),
        *map(share, LEAKS),
        words("leaks", "leaks", lambda leaks: leaks or NO_LEAKS),
        words("measure", "main", group=group),
        number("median gap", "gap_median", points, group),
        Column("lowest, highest", limits, group),
        number("systems", "gap_systems", n_systems, group),
        words("source", "source"),
    ]


def _gaps(tables: CorpusTables) -> dict[str, float]:
    """Median and range of the gap over systems; empty: no system has one."""
    frame, key = tables.gap.frame, f"{tables.comparisons[0].main_metric}_gap"
    if key not in frame:
        return {}
    gaps = frame.loc[frame["kind"] == "system", key].dropna()
    if gaps.empty:
        return {}
    values = (gaps.median(), gaps.min(), gaps.max(), len(gaps))
    return dict(zip(GAP_COLUMNS, values, strict=True))
