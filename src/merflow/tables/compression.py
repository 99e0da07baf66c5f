"""Systems that leave tokens of a picture out (visual sequence compression): how many are left, how long a clip takes, and what it costs.

The table sets each of them beside the paper's own system: the one of its tables that stands beside cited ones.
"""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from merflow.evaluation.metrics import CLIP_S, TOKENS
from merflow.tables.columns import ours_column
from merflow.tables.comparison import HEADERS, NAN, Comparison
from merflow.tables.render import (
    Column,
    Table,
    decimal,
    interval,
    number,
    percent,
    plain,
    points,
    words,
)

SHOWN = ("accuracy", "weighted_f1")
NOTES = (
    "Tokens: of a picture, that go into each stage of the network after the first; mean over pictures, test clips and runs.",
    "Share: of the most that one of these systems has, over all of these stages. A grid of whole windows may hold more places than tokens.",
    "ms per clip: the network alone, on the test clips in batches, on whatever machine the run was trained; reading and decoding aside.",
)


def tables(view: Comparison) -> Iterator[Table]:
    """One table, where there are such systems."""
    counted = view.means[view.means["metric"] == TOKENS]
    if counted.empty:
        return
    stages = list(dict.fromkeys(counted["class"].dropna()))
    most = counted.loc[counted["class"].isna(), "value"].max()
    own = _own(view)
    rows = [
        _row(view, system, protocol, stages, most, own)
        for protocol in view.protocols
        for system in sorted(
            set(counted.loc[counted["protocol"] == protocol, "system"]), key=view.rank
        )
    ]
    columns = [words("system", "system"), words("protocol", "protocol", plain)]
    columns += [
        number(stage, stage, lambda count: decimal(count, decimals=1), "tokens") for stage in stages
    ]
    columns += [
        number("share", "share", lambda share: percent(share, 1)),
        number("ms per clip", "ms", lambda ms: decimal(ms, decimals=2)),
    ]
    for metric in SHOWN:
        columns.append(ours_column(HEADERS[metric], metric, ""))
    group = f"{HEADERS['weighted_f1']}, minus {own}"
    columns.append(number("difference", "difference", points, group))
    columns.append(
        Column(
            view.interval,
            lambda row: interval(row["difference_low"], row["difference_high"], points),
            group,
        )
    )
    columns.append(words("source", "source"))
    title, caption = (
        "Tokens kept, time, and scores",
        "Systems with visual sequence compression, and the same without; scores on test, in percent.",
    )
    yield view.table("compression", title, caption, pd.DataFrame(rows), columns, NOTES)


def _own(view: Comparison) -> str:
    """The system that the paper sets beside cited ones; without one the first that it prints."""
    cited = {row["table"] for row in view.printed if view.kind(row["system"]) == "cited"}
    own = [row for row in view.printed if row["system"] in view.systems]
    beside = [row for row in own if row["table"] in cited]
    return (beside or own)[0]["system"] if own else view.systems[0]


def _row(
    view: Comparison, system: str, protocol: str, stages: list[str], most: float, own: str
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "system": system,
        "protocol": protocol,
        "kind": "system",
        "source": view.source,
    }
    for stage in stages:
        row[stage] = (view.mean(system, protocol, TOKENS, stage) or {}).get("value", NAN)
    total, seconds = (view.mean(system, protocol, metric) for metric in (TOKENS, CLIP_S))
    row |= {
        "share": total["value"] / most if total else NAN,
        "ms": 1000 * seconds["value"] if seconds else NAN,
    }
    for metric in SHOWN:
        row |= {
            f"{metric}{ending}": value
            for ending, value in view.figures(system, protocol, metric).items()
        }
    found = None if system == own else view.difference(system, own, protocol, "weighted_f1")
    return row | {
        f"difference{ending}": found[key] if found else NAN
        for ending, key in (("", "value"), ("_low", "low"), ("_high", "high"))
    }
