"""Differences between the protocols of a paper: gaps between scores, and leakage."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import pandas as pd

from merflow.evaluation.leakage import SHARED
from merflow.tables.columns import difference_cell, limits_column, measured_cell, ours_column
from merflow.tables.comparison import Comparison
from merflow.tables.measured import NAN, Difference
from merflow.tables.measures import HEADERS
from merflow.tables.render import NOTHING, Column, Table, number, percent, plain, points, words
from merflow.tables.reported import Row

GAP_NOTES = (
    "Paired: under one split scheme, on the utterances that both predicted, over the same"
    " dialogues.",
    "Unpaired: under two split schemes, with the dialogues of each test split drawn independently."
    " Utterances in both test splits are ignored, so the interval is rather too wide. The classes"
    " may differ in number.",
    "Two measures: one protocol is multi-class and the other multi-label, so that one name stands"
    " for two measures; not subtracted.",
    "An interval is over dialogues, with these trained networks; few seeds say little of others.",
)
#: Facts of leakage -> what test rows share with train.
LEAKS = {
    "shares_clip": "clip",
    "shares_origin": "span of the recording",
    "shares_text": "text",
    "shares_dialogue": "dialogue",
    "shares_speaker": "speaker",
}
#: Facts that a split scheme is expected to avoid.
SEVERE = ("shares_clip", "shares_dialogue")
NO_LEAKS = "no clip, no dialogue"
UNKNOWN = "unknown"  # a custom corpus that names no speaker


def gap(comparisons: Sequence[Comparison]) -> Table:
    """Each system under two protocols, and its protocol gap.

    Args:
        comparisons: of a paper on a corpus, one for each task.
    """
    under = {
        protocol: comparison
        for comparison in comparisons
        for protocol in comparison.measured.protocols
    }
    in_all = set.intersection(
        *(set(comparison.measured.means["metric"]) for comparison in comparisons)
    )
    metrics = [metric for metric in comparisons[0].metrics if metric in in_all]
    gaps = _gaps(comparisons[0].measured.scores.gaps)
    rows = []
    for first, second in combinations(under, 2):
        pair = (under[first], under[second])
        for system in sorted({*pair[0].measured.systems, "majority"}, key=pair[0].rank):
            ran = (
                pair[0].measured.mean(system, first, "accuracy"),
                pair[1].measured.mean(system, second, "accuracy"),
            )
            if all(ran):
                rows.append(_gap_row(system, (first, second), pair, gaps, metrics))
    caption = (
        "Test split, in percent: scores of each system under each protocol; gap: the first minus"
        " the second, in points."
    )
    columns = _gap_columns(comparisons[0], list(under), metrics)
    return comparisons[0].table(
        "gap", "Protocol gap", caption, pd.DataFrame(rows), columns, GAP_NOTES, all_protocols=True
    )


Gaps = dict[tuple[str, str, str], dict[str, tuple[bool, Difference]]]


def _gaps(rows: pd.DataFrame) -> Gaps:
    """System and two protocols -> metric -> whether it is paired, and the gap."""
    gaps: Gaps = {}
    columns = ["system", "first", "second", "metric", "paired", *Difference._fields]
    for system, first, second, metric, paired, *figures in rows[columns].itertuples(
        index=False, name=None
    ):
        of_system = gaps.setdefault((system, first, second), {})
        of_system[metric] = (bool(paired), Difference(*figures))
    return gaps


def _gap_row(
    system: str,
    protocols: tuple[str, str],
    comparisons: tuple[Comparison, Comparison],
    gaps: Gaps,
    metrics: Sequence[str],
) -> dict[str, Any]:
    of_system = gaps.get((system, *protocols), {})
    kind = comparisons[0].kind(system)
    if of_system:
        paired, _ = next(iter(of_system.values()))
        pairing = "paired" if paired else "unpaired"
    else:
        pairing = NOTHING if kind == "baseline" else "two measures"
    row: dict[str, Any] = {
        "system": system,
        "kind": kind,
        "first": protocols[0],
        "second": protocols[1],
        "gap": pairing,
    }
    for metric in metrics:
        for key, comparison, protocol in zip(
            ("first", "second"), comparisons, protocols, strict=True
        ):
            mean = comparison.measured.mean(system, protocol, metric)
            row |= measured_cell(f"{metric}_{key}", mean)
        _, difference = of_system.get(metric, (False, None))
        row |= difference_cell(f"{metric}_gap", difference)
    return row


def _gap_columns(
    comparison: Comparison, protocols: Sequence[str], metrics: Sequence[str]
) -> list[Column]:
    """Columns of the gap table; with more than two protocols each row names its own."""
    many = len(protocols) > 2
    columns = [words("system", "system")]
    if many:
        columns += [words("first", "first", plain), words("second", "second", plain)]
    heads = ("first", "second") if many else tuple(map(plain, protocols))
    for metric in metrics:
        group = HEADERS[metric]
        columns += [
            ours_column(head, f"{metric}_{key}", group)
            for head, key in zip(heads, ("first", "second"), strict=False)
        ]
        columns.append(number("gap", f"{metric}_gap", points, group))
        columns.append(limits_column(comparison, f"{metric}_gap", group, points))
    return [*columns, words("difference", "gap")]


def leakage(comparisons: Sequence[Comparison]) -> Table:
    """Number of test rows with a counterpart in train, under each protocol.

    Args:
        comparisons: of a paper on a corpus, one for each task.
    """
    rows = []
    for comparison in comparisons:
        facts = comparison.measured.scores.corpora
        for protocol, of_protocol in facts[facts["fact"].isin(SHARED)].groupby("protocol"):
            counts = of_protocol.set_index("fact")["value"].to_dict()
            row: dict[str, Any] = {"protocol": protocol, "kind": "system"}
            row |= {"n": int(of_protocol["n"].iloc[0])}
            row |= {fact: int(counts[fact]) if fact in counts else NAN for fact in LEAKS}
            row["leaks"] = ", ".join(f"{LEAKS[fact]}s" for fact in SEVERE if counts[fact])
            rows.append(row | {"source": comparison.measured.source})

    def share(fact: str) -> Column:
        def cell(row: Row) -> str:
            if pd.isna(row[fact]):
                return UNKNOWN
            return f"{row[fact]:.0f} ({percent(row[fact] / row['n'], 1)} %)"

        return Column(LEAKS[fact], cell, "also in train")

    columns = [words("protocol", "protocol", plain), number("test rows", "n"), *map(share, LEAKS)]
    columns += [words("leaks", "leaks", lambda leaks: leaks or NO_LEAKS), words("source", "source")]
    caption = (
        "Number of rows of the test split that have something in common with the train split; a row"
        " is an utterance, or one of its labels."
    )
    notes = [
        "All folds together: each test row is looked up in the train split of its own fold; texts"
        " are compared letter by letter."
    ]
    title, frame = "What test shares with train", pd.DataFrame(rows)
    return comparisons[0].table(
        "leakage", title, caption, frame, columns, notes, all_protocols=True
    )
