"""Table of differences between systems on the same utterances, and their significance."""

from collections.abc import Collection
from typing import Any

import pandas as pd

from merflow.tables.comparison import Comparison
from merflow.tables.measured import NAN, Difference, McNemar
from merflow.tables.measures import HEADERS
from merflow.tables.overview import averaged_note
from merflow.tables.render import (
    Column,
    Table,
    interval,
    number,
    p_value,
    plain,
    points,
    words,
)
from merflow.tables.reported import Row

NOTES = (
    "Paired bootstrap over dialogues of the mean over seeds, on the utterances that both predicted;"
    " p: two-sided.",
    "p, corrected: by Benjamini and Hochberg, for all pairs of systems of the paper on this corpus"
    " under one protocol, in one measure (of single runs: with one seed). Pairs without a p do not"
    " count. Each interval is of its pair alone.",
    "A verdict needs an interval that leaves out 0, and a corrected p that agrees.",
)
MCNEMAR_NOTE = (
    "McNemar's exact test compares two runs with one seed: p, two-sided, and the numbers of"
    " utterances that only the first and only the second classified correctly (first : second). Of"
    " several seeds those with the smallest and with the largest p are given; a mean of p-values"
    " would mean nothing. The test takes utterances for independent draws, but utterances of a"
    " dialogue are alike, so it may find too much: the verdict is by the bootstrap."
)
COLUMNS = [
    *("first", "second", "protocol", "value", "low", "high", "p", "p_corrected", "n"),
    *("accuracy", "mcnemar_smallest", "mcnemar_largest", "mcnemar_seeds"),
    *("mcnemar", "mcnemar_corrected", "alone"),
]


def table(comparison: Comparison, claimed: Collection[frozenset[str]] = ()) -> Table:
    """Differences of all pairs of systems, in the main metric and in accuracy.

    Of many pairs readers see only some: pairs that the paper sets side by side, `claimed` ones, and
    variants and linear classifiers beside their system.

    Args:
        comparison: of the paper on the corpus.
        claimed: pairs of systems that a claim compares, or that show what a deviation changes.
    """
    frame = _frame(comparison)
    pairs = zip(frame["first"], frame["second"], strict=True)
    compared = [_compared(comparison, *pair, claimed) for pair in pairs]
    frame["shown"] = pd.Series(compared, dtype=bool) | (not any(compared))
    main = HEADERS[comparison.main_metric]
    caption = (
        f"{main} on test{averaged_note(comparison)}, in points, and whether the differences are"
        " significant."
    )
    notes, columns = list(NOTES), _columns(comparison)
    if not frame["shown"].all():
        notes.insert(
            1,
            f"{frame['shown'].sum()} of {len(frame)} pairs: those that a table of the paper sets"
            " side by side, that a claim compares, or that show what a deviation changes; also a"
            " system beside its variant and the linear classifier on its inputs. The CSV has all.",
        )
    if not comparison.measured.multi_label:
        notes.insert(-1, MCNEMAR_NOTE)
    title = "Differences between systems"
    return comparison.table("differences", title, caption, frame, columns, notes, folded=True)


def _frame(comparison: Comparison) -> pd.DataFrame:
    """A row per pair and protocol, sorted by system and protocol."""
    differences = comparison.measured.differences
    in_main = differences[differences["metric"] == comparison.main_metric]
    in_main = in_main[in_main["class"].isna()]
    rows = [_row(comparison, row) for row in in_main.to_dict("records")]
    protocols = comparison.measured.protocols
    rows.sort(
        key=lambda row: (
            comparison.rank(row["first"]),
            comparison.rank(row["second"]),
            protocols.index(row["protocol"]),
        )
    )
    frame = pd.DataFrame(rows, columns=COLUMNS)
    frame = frame.assign(source=comparison.measured.source, kind="system")
    alpha = 1 - comparison.measured.confidence
    frame["verdict"] = [_verdict(row, alpha) for row in frame.to_dict("records")]
    return frame


def _row(comparison: Comparison, row: Row) -> dict[str, Any]:
    """A difference whose first system is the one that the paper names later.

    Papers name better systems later.
    """
    first, second, protocol = row["first"], row["second"], row["protocol"]
    difference = Difference(*(row[field] for field in Difference._fields))
    if comparison.rank(first) < comparison.rank(second):
        first, second, difference = second, first, difference.swapped
    return {
        "first": first,
        "second": second,
        "protocol": protocol,
        **difference._asdict(),
        "n": row["n"],
        **_accuracy(comparison, first, second, protocol),
    }


def _accuracy(comparison: Comparison, first: str, second: str, protocol: str) -> dict[str, Any]:
    """Difference of accuracy over all seeds, and McNemar's tests of single ones."""
    tests = comparison.measured.mcnemar(first, second, protocol)
    if not tests:
        texts = dict.fromkeys(("mcnemar", "mcnemar_corrected", "alone"), "")
        return {"accuracy": NAN, "mcnemar_seeds": 0, **texts}
    difference = comparison.measured.difference(first, second, protocol, "accuracy")
    ends = list(dict.fromkeys([tests[0], tests[-1]]))
    return {
        "accuracy": difference.value if difference else NAN,
        "mcnemar_smallest": tests[0].p,
        "mcnemar_largest": tests[-1].p,
        "mcnemar_seeds": len(tests),
        "mcnemar": " to ".join(dict.fromkeys(p_value(test.p) for test in ends)),
        "mcnemar_corrected": " to ".join(dict.fromkeys(p_value(test.p_corrected) for test in ends)),
        "alone": " to ".join(map(_alone, ends)),
    }


def _alone(test: McNemar) -> str:
    return f"{test.first_alone} : {test.second_alone}"


def _limits(row: Row) -> str:
    return interval(row["low"], row["high"], points)


def _verdict(row: Row, alpha: float) -> str:
    if not row["p_corrected"] < alpha:
        return "inconclusive"
    if row["low"] > 0:
        return f"{row['first']} is better"
    return f"{row['second']} is better" if row["high"] < 0 else "inconclusive"


def _compared(
    comparison: Comparison, first: str, second: str, claimed: Collection[frozenset[str]]
) -> bool:
    """Tell whether two systems are to be compared.

    The paper compares them, or one is a variant of the other, or its linear classifier.
    """
    in_tables = [
        {row["table"] for row in comparison.printed.scores if row["system"] == system}
        for system in (first, second)
    ]
    variant_of = comparison.printed.variant_of
    variants = variant_of(second) == first or variant_of(first) == second
    linear = second in comparison.linear_of_all(first) or first in comparison.linear_of_all(second)
    claimed_pair = frozenset((first, second)) in claimed
    return bool(in_tables[0] & in_tables[1]) or variants or linear or claimed_pair


def _columns(comparison: Comparison) -> list[Column]:
    main = HEADERS[comparison.main_metric]
    columns = [
        Column("first - second", lambda row: f"{row['first']} - {row['second']}", numeric=False),
        words("protocol", "protocol", plain),
        number("difference", "value", points, main),
        Column(comparison.interval, _limits, main),
        number("p", "p", p_value, main),
        number("p, corrected", "p_corrected", p_value, main),
        words("verdict", "verdict", group=main),
    ]
    if not comparison.measured.multi_label:
        columns += [
            number("difference", "accuracy", points, "accuracy"),
            number("McNemar's p", "mcnemar", group="accuracy"),
            number("p, corrected", "mcnemar_corrected", group="accuracy"),
            number("correct alone", "alone", group="accuracy"),
        ]
    return [*columns, number("n", "n"), words("source", "source")]
