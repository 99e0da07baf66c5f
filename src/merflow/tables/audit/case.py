"""What a rule looks at, and what it finds.

A printed number stands for all that it may have been before it was rounded or cut: half a unit of its last digit below it, a whole unit
above. Two numbers contradict each other only if these ranges do. Three zeros or more at the end of a whole number count as no digits.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from math import isnan
from typing import Literal, NamedTuple

import pandas as pd

from merflow.corpora.labels import CLASSES
from merflow.tables.audit.class_counts import Support
from merflow.tables.claims import Claim
from merflow.tables.comparison import HEADERS, Comparison
from merflow.tables.render import plain
from merflow.tables.reported import SHARE, Row, grouped

Sure = Literal["certain", "likely", "hint"]
SURE: tuple[Sure, ...] = ("certain", "likely", "hint")


class Range(NamedTuple):
    """All that a number may have been, limits included."""

    low: float
    high: float

    def __contains__(self, value: object) -> bool:
        return isinstance(value, float | int) and self.low <= value <= self.high

    def meets(self, other: "Range") -> bool:
        """Whether one number may be both."""
        return self.low <= other.high and other.low <= self.high


class Cell(NamedTuple):
    """A printed number: `value` as a share where it is one, `text` as it is printed, with its unit."""

    value: float
    range: Range
    text: str


@dataclass(frozen=True)
class Finding:
    """One finding.

    Attributes:
        where: table or section, and row.
        printed: the numbers, as printed.
        expected: what they should have been, and why.
        off: by how much they are off.
        sure: how sure it is that something is wrong.
    """

    where: str
    printed: str
    expected: str
    off: str
    sure: Sure


@dataclass(frozen=True)
class Looked:
    """What a rule did: how many printed numbers it could use, and what it found."""

    numbers: int
    findings: list[Finding] = field(default_factory=list)


@dataclass(frozen=True)
class Case:
    """What one paper prints on one corpus.

    Attributes:
        rows: of merflow.tables.reported.load, those with a value, and of each ``x``, a share of 1 where it is one, ``low`` and ``high``,
            what it may have been (see above), and all of this as a ``cell``.
        supports: what is known of the corpus' parts (merflow.tables.audit.class_counts), and what the paper prints of them.
        told: how many classes the paper tells apart.
        view, claims: of the same paper and corpus; no claims without a view.
    """

    rows: Sequence[Row]
    supports: Sequence[Support]
    told: int
    view: Comparison | None = None
    claims: Sequence[Claim] = ()

    def of(self, *metrics: str) -> list[Row]:
        """Rows of these metrics."""
        return [row for row in self.rows if row["metric"] in metrics]

    def tables(self, *metrics: str) -> list[Row]:
        """Rows of these metrics in the paper's tables."""
        return [row for row in self.of(*metrics) if row["table"] != "text"]

    def tested(self, split: str) -> set[str]:
        """Splits of `supports` that scores of a part may be of: for test all of the corpus too, which cross-validation tests."""
        return {split, ""} if split == "test" else {split}

    def supports_of(self, split: str, classes: Sequence[str]) -> Iterator[Support]:
        """Counts of just these classes in what scores of a part may be of."""
        yield from (
            one
            for one in self.supports
            if set(one.counts) == set(classes) and one.split in self.tested(split)
        )


@dataclass(frozen=True)
class Rule:
    """A rule: `checks` says what holds of numbers that belong together, `sure` what makes its findings sure or not, in a sentence each."""

    name: str
    checks: str
    sure: str
    look: Callable[[Case], Looked]


def case_of(
    printed: pd.DataFrame,
    supports: Sequence[Support],
    view: Comparison | None = None,
    claims: Sequence[Claim] = (),
) -> Case:
    """The case of rows of merflow.tables.reported.load, all of one corpus."""
    rows = [_measured(row) for row in printed.to_dict("records") if not isnan(row["number"])]
    said = next((row["number"] for row in rows if row["metric"] == "classes"), None)
    corpus = rows[0]["corpus"] if rows else ""
    told = int(said) if said is not None else len(CLASSES.get(corpus, ()))
    return Case(rows, [*supports, *_printed_supports(rows)], told, view, claims)


def _measured(row: Row) -> Row:
    """Add ``x``, ``low``, ``high`` and ``cell`` to a row (see `Case`)."""
    scale = SHARE.get(row["unit"], 1.0)
    x, unit = row["number"] * scale, _unit(row["value"]) * scale
    text = row["value"] + {"percent": " %", "points": " points"}.get(row["unit"], "")
    low, high = x - unit / 2, x + unit
    return {**row, "x": x, "low": low, "high": high, "cell": Cell(x, Range(low, high), text)}


def cell(row: Row) -> Cell:
    """The number of a row."""
    found: Cell = row["cell"]
    return found


def cells(rows: Iterable[Row], key: str = "class") -> dict[str, Cell]:
    """The numbers of rows by what stands under `key`."""
    return {row[key]: row["cell"] for row in rows}


def total(rows: Iterable[Row], key: str = "x") -> float:
    """The sum of what stands under `key`."""
    return sum(row[key] for row in rows)


def place(row: Row) -> str:
    """Table or section, and row."""
    return f"{row['where'] if row['table'] == 'text' else 'Table ' + row['table']}: {row['row']}"


def titled(metric: str) -> str:
    """A metric in words."""
    return "F1" if metric == "f1" else HEADERS.get(metric, plain(metric))


def in_points(difference: float) -> str:
    """A difference of shares."""
    return f"{100 * difference:+.2f} points".replace("-", "\N{MINUS SIGN}")


def in_utterances(difference: float) -> str:
    """A difference of counts."""
    return f"{difference:+.0f} utterances".replace("-", "\N{MINUS SIGN}")


def _unit(value: str) -> float:
    """Of the last digit: 0.62 -> 0.01, 2e-4 -> 1e-4, 5810 -> 1, 16000 -> 1000."""
    exponent = Decimal(value).as_tuple().exponent
    zeros = len(value) - len(value.rstrip("0")) if value.isdigit() else 0
    return 10.0 ** (zeros if zeros >= 3 else int(exponent))


def _printed_supports(rows: Iterable[Row]) -> Iterator[Support]:
    """Counts of the classes of a part that the paper itself prints."""
    counts = (
        row
        for row in rows
        if (row["metric"], row["unit"]) == ("count", "utterances") and row["split"] and row["class"]
    )
    for (table, split), found in grouped(
        (row for row in counts if row["table"] != "text"), "table", "split"
    ).items():
        yield Support(f"Table {table}", split, {row["class"]: int(row["number"]) for row in found})
