"""Headlines of a paper on a corpus: a sentence for each of its main systems."""

from collections.abc import Iterator

import pandas as pd

from merflow.tables.comparison import Comparison
from merflow.tables.measures import HEADERS
from merflow.tables.overview import rows_of
from merflow.tables.render import interval, percent, plain, points, spread
from merflow.tables.reported import MISSING, Row


def headlines(comparison: Comparison) -> Iterator[str]:
    """A sentence per protocol for each system that the paper sets beside cited ones.

    If none of these ran, for each system that did.
    """
    frame = rows_of(comparison, "test", comparison.metrics)
    if frame.empty:
        return
    with_cited = set(frame.loc[frame["kind"] == "cited", "table"])
    majority = frame[frame["system"] == "majority"]
    ran = frame[frame["kind"] == "system"]
    chosen = ran[ran["table"].isin(with_cited)]
    for row in (chosen if len(chosen) else ran.drop_duplicates("system")).to_dict("records"):
        for protocol in comparison.measured.protocols:
            main = f"{protocol}_{comparison.main_metric}"
            if pd.isna(row[main]):
                continue
            baseline = percent(majority[main].iloc[0])
            ours = _ours(row, protocol, comparison.main_metric)
            beside = _beside(comparison, row, protocol)
            linear = _linear(comparison, protocol)
            yield f"{ours}; majority class {baseline}{linear}. {beside}"


def _ours(row: Row, protocol: str, metric: str) -> str:
    """Score of a system; its inputs need not be the paper's."""
    main, n_seeds = f"{protocol}_{metric}", row[f"{protocol}_seeds"]
    inputs = f" from {row['inputs']}" if row["inputs"] else ""
    score = spread(row[main], row[f"{main}_std"])
    limits = interval(row[f"{main}_low"], row[f"{main}_high"])
    seeds = f"{n_seeds:.0f} seed{'s' if n_seeds > 1 else ''}"
    name = f"{row['system']}{inputs}, {plain(protocol)}"
    return f"{name}: {HEADERS[metric]} {score} {limits}, {seeds}"


def _linear(comparison: Comparison, protocol: str) -> str:
    """Score of the best linear classifier; empty: none ran."""
    measured, metric = comparison.measured, comparison.main_metric
    names = [name for name in measured.systems if comparison.kind(name) == "linear"]
    means = [mean.value for name in names if (mean := measured.mean(name, protocol, metric))]
    return f"; linear classifier {percent(max(means))}" if means else ""


def _beside(comparison: Comparison, row: Row, protocol: str) -> str:
    """The printed score, and the difference where it may be compared."""
    metric = comparison.main_metric
    if comparison.extra:
        return f"The paper has no figure on {comparison.corpus}."
    if row[f"printed_{metric}_as"] == MISSING:
        return "The printed figure is not in our source of the paper."
    if pd.isna(row[f"printed_{metric}"]):
        if row["printed"]:
            return f"The paper prints no {HEADERS[metric]} of it."
        return "The paper prints no such system."
    printed = percent(row[f"printed_{metric}"], row[f"printed_{metric}_decimals"])
    if comparison.demo:
        return f"The paper prints {printed} (on the real corpus: no comparison)."
    if comparison.mismatch:
        return f"The paper prints {printed} ({comparison.mismatch}: no comparison)."
    difference = points(row[f"{protocol}_difference"])
    return f"The paper prints {printed}, a difference of {difference}."
