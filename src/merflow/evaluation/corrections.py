"""Correction of p-values for the number of comparisons (Benjamini & Hochberg 1995)."""

from collections.abc import Iterable
from typing import Any

import pandas as pd

Row = dict[str, Any]


def with_corrected(rows: Iterable[Row], *family: str) -> list[Row]:
    """Add ``p_corrected`` to rows of statistics.

    Among the differences whose corrected p-value is below q, a share of at most q is expected to be
    false. This holds for independent tests and for positively dependent ones.

    Args:
        rows: each with ``p``, in any order. A missing p stays missing and counts as no comparison.
        family: keys of a row. Rows with the same values under them are corrected together.
    """
    from scipy.stats import false_discovery_control  # half a second to import

    corrected = list(rows)
    families: dict[tuple[Any, ...], list[Row]] = {}
    for row in corrected:
        row["p_corrected"] = row["p"]
        if not pd.isna(row["p"]):
            families.setdefault(tuple(row.get(key) for key in family), []).append(row)
    for members in families.values():
        every = false_discovery_control([row["p"] for row in members])
        for row, p in zip(members, every, strict=True):
            row["p_corrected"] = float(p)
    return corrected
