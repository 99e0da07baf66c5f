"""Table of systems with visual sequence compression: tokens kept, time of a clip, and scores.

Each stands beside the paper's own system: the one that the paper sets beside cited systems.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from merflow.evaluation.metrics import CLIP_S, TOKENS
from merflow.tables.columns import difference_cell, limits_column, measured_cell, ours_column
from merflow.tables.comparison import Comparison
from merflow.tables.measured import NAN
from merflow.tables.measures import HEADERS
from merflow.tables.render import Column, Table, decimal, number, percent, plain, points, words

METRICS = ("accuracy", "weighted_f1")
NOTES = (
    "Tokens: number of tokens of a frame that enter each stage of the network after the first; mean"
    " over frames, test clips and runs.",
    "Share: tokens of all of these stages, of the most that a system of the table has. A grid of"
    " whole windows may hold more places than tokens.",
    "ms per clip: the network alone, on the test clips in batches, on the machine of each run;"
    " without reading and decoding.",
)


def tables(comparison: Comparison) -> Iterator[Table]:
    """One table, if a system counts its tokens."""
    means = comparison.measured.means
    tokens = means[means["metric"] == TOKENS]
    if tokens.empty:
        return
    stages = list(dict.fromkeys(tokens["class"].dropna()))
    most = tokens.loc[tokens["class"].isna(), "value"].max()
    own = _own(comparison)
    rows = []
    for protocol in comparison.measured.protocols:
        systems = set(tokens.loc[tokens["protocol"] == protocol, "system"])
        for system in sorted(systems, key=comparison.rank):
            rows.append(_row(comparison, system, protocol, stages, most, own))
    yield comparison.table(
        "compression",
        "Tokens kept, time, and scores",
        "Systems with visual sequence compression, and the same without; scores on test, in"
        " percent.",
        pd.DataFrame(rows),
        _columns(comparison, stages, own),
        NOTES,
    )


def _columns(comparison: Comparison, stages: Sequence[str], own: str) -> list[Column]:
    def tokens(count: float) -> str:
        return decimal(count, decimals=1)

    group = f"{HEADERS['weighted_f1']}, minus {own}"
    return [
        words("system", "system"),
        words("protocol", "protocol", plain),
        *(number(stage, stage, tokens, "tokens") for stage in stages),
        number("share", "share", lambda share: percent(share, 1)),
        number("ms per clip", "ms", lambda ms: decimal(ms, decimals=2)),
        *(ours_column(HEADERS[metric], metric, "") for metric in METRICS),
        number("difference", "difference", points, group),
        limits_column(comparison, "difference", group, points),
        words("source", "source"),
    ]


def _own(comparison: Comparison) -> str:
    """System that the paper sets beside cited ones; otherwise the first that it prints."""
    scores, systems = comparison.printed.scores, comparison.measured.systems
    cited = {row["table"] for row in scores if comparison.kind(row["system"]) == "cited"}
    own = [row for row in scores if row["system"] in systems]
    beside = [row for row in own if row["table"] in cited]
    return (beside or own)[0]["system"] if own else systems[0]


def _row(
    comparison: Comparison,
    system: str,
    protocol: str,
    stages: Sequence[str],
    most: float,
    own: str,
) -> dict[str, Any]:
    measured = comparison.measured
    row: dict[str, Any] = {"system": system, "protocol": protocol, "kind": "system"}
    row["source"] = measured.source
    for stage in stages:
        tokens = measured.mean(system, protocol, TOKENS, stage)
        row[stage] = tokens.value if tokens else NAN
    total, seconds = (measured.mean(system, protocol, metric) for metric in (TOKENS, CLIP_S))
    row["share"] = total.value / most if total else NAN
    row["ms"] = 1000 * seconds.value if seconds else NAN
    for metric in METRICS:
        row |= measured_cell(metric, measured.mean(system, protocol, metric))
    if system == own:
        return row | difference_cell("difference", None)
    difference = measured.difference(system, own, protocol, "weighted_f1")
    return row | difference_cell("difference", difference)
