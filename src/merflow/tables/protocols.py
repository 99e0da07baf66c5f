"""What the protocols of a paper differ in: the gap between the scores of a system, and what their test parts share with train."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import pandas as pd

from merflow.evaluation.leakage import SHARED
from merflow.evaluation.metrics import VERSUS
from merflow.tables.columns import limits_column, ours_column
from merflow.tables.comparison import HEADERS, NAN, Comparison
from merflow.tables.render import NOTHING, Column, Table, number, percent, plain, points, words

GAP_NOTES = (
    "Paired: of the same split, on the utterances that both predicted, over the same dialogues.",
    "Unpaired: of two splits, whose dialogues are drawn each by itself; utterances that are in both test parts count for nothing, so the"
    " interval is rather too wide, and the classes may differ in number.",
    "Where one protocol asks for one class and the other for any number of them, the same name stands for two measures: not subtracted.",
    "An interval is over dialogues, with these trained networks; few seeds say little of others.",
)
LEAKS = {
    "shares_clip": "clip",
    "shares_origin": "span of the recording",
    "shares_text": "text",
    "shares_dialogue": "dialogue",
}
LEAKS |= {"shares_speaker": "speaker"}
SEVERE = ("shares_clip", "shares_dialogue")  # what a split is expected to keep apart


def gap(views: Sequence[Comparison], gaps: pd.DataFrame) -> Table:
    """Each system under two protocols, and the difference.

    Args:
        views: of a paper on a corpus.
        gaps: rows of scores.parquet whose protocol is ``<first> - <second>``.
    """
    view_of = {protocol: view for view in views for protocol in view.protocols}
    known = gaps.set_index(["protocol", "system", "metric"]).to_dict("index")
    kinds = (
        gaps.drop_duplicates(["protocol", "system"])
        .set_index(["protocol", "system"])["split"]
        .to_dict()
    )
    common = set.intersection(*(set(view.means["metric"]) for view in views))
    metrics = [metric for metric in views[0].metrics if metric in common]
    rows = []
    for one, other in combinations(view_of, 2):
        first, second = view_of[one], view_of[other]
        for system in sorted({*first.systems, "majority"}, key=first.rank):
            if not (first.mean(system, one, "accuracy") and second.mean(system, other, "accuracy")):
                continue
            kind = kinds.get(
                (f"{one}{VERSUS}{other}", system),
                NOTHING if first.kind(system) == "baseline" else "two measures",
            )
            row: dict[str, Any] = {
                "system": system,
                "kind": first.kind(system),
                "first": one,
                "second": other,
                "gap": kind,
            }
            for metric in metrics:
                row |= {
                    f"{metric}_first{ending}": value
                    for ending, value in first.figures(system, one, metric).items()
                }
                row |= {
                    f"{metric}_second{ending}": value
                    for ending, value in second.figures(system, other, metric).items()
                }
                found = known.get((f"{one}{VERSUS}{other}", system, metric), {})
                row |= {f"{metric}_gap": found.get("value", NAN)}
                row |= {f"{metric}_gap_{end}": found.get(end, NAN) for end in ("low", "high")}
            rows.append(row)
    several = len(view_of) > 2
    columns = [
        words("system", "system"),
        *([words("first", "first", plain), words("second", "second", plain)] if several else []),
    ]
    heads = ("first", "second") if several else tuple(map(plain, view_of))
    for metric in metrics:
        columns += [
            ours_column(head, f"{metric}_{key}", HEADERS[metric])
            for head, key in zip(heads, ("first", "second"), strict=False)
        ]
        columns += [number("gap", f"{metric}_gap", points, HEADERS[metric])]
        columns.append(limits_column(views[0], f"{metric}_gap", HEADERS[metric], points))
    columns.append(words("how", "gap"))
    caption = "Test part, in percent: what each system scores under each protocol; gap: the first minus the second, in points."
    return (
        views[0]
        .of_all()
        .table("gap", "Protocol gap", caption, pd.DataFrame(rows), columns, GAP_NOTES)
    )


def leakage(views: Sequence[Comparison]) -> Table:
    """Per protocol how many test utterances have a counterpart in train."""
    rows = []
    for view in views:
        for protocol, parts in view.parts[view.parts["metric"].isin(SHARED)].groupby("protocol"):
            counts = parts.set_index("metric")["value"].to_dict()
            row: dict[str, Any] = {
                "protocol": protocol,
                "kind": "system",
                "n": int(parts["n"].iloc[0]),
            }
            row |= {metric: int(counts[metric]) for metric in LEAKS}
            row["leaks"] = ", ".join(f"{LEAKS[metric]}s" for metric in SEVERE if counts[metric])
            rows.append(row | {"source": view.source})

    def share(metric: str) -> Column:
        return Column(
            LEAKS[metric],
            lambda row: f"{row[metric]} ({percent(row[metric] / row['n'], 1)} %)",
            "also in train",
        )

    columns = [words("protocol", "protocol", plain), number("test rows", "n"), *map(share, LEAKS)]
    columns += [
        words("leaks", "leaks", lambda leaks: leaks or "no clip, no dialogue"),
        words("source", "source"),
    ]
    notes = [
        "All folds together: each test row is looked up in the train part of its own fold; texts are compared letter by letter."
    ]
    caption = "How many rows of the test part have something in common with the train part; a row is an utterance, or one of its labels."
    return (
        views[0]
        .of_all()
        .table(
            "leakage", "What test shares with train", caption, pd.DataFrame(rows), columns, notes
        )
    )
