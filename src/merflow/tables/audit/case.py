"""Printed numbers of a paper on a corpus, rules about them, and findings.

A printed number stands for every value that rounds or is cut to its digits. The range begins half a
unit of the last digit below the number and ends a whole unit above. Two numbers contradict each
other only if these ranges do not overlap. Three or more zeros at the end of a whole number do not
count as digits.
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
from merflow.tables.comparison import Comparison
from merflow.tables.measures import HEADERS
from merflow.tables.render import plain
from merflow.tables.reported import SHARE, Row, grouped

Confidence = Literal["certain", "likely", "hint"]
CONFIDENCES: tuple[Confidence, ...] = ("certain", "likely", "hint")
SUFFIXES = {"percent": " %", "points": " points"}


class Range(NamedTuple):
    """Values that a number may have had, limits included."""

    low: float
    high: float

    def __contains__(self, value: object) -> bool:
        return isinstance(value, float | int) and self.low <= value <= self.high

    def overlaps(self, other: "Range") -> bool:
        """Tell whether one number may be both."""
        return self.low <= other.high and other.low <= self.high


class Cell(NamedTuple):
    """A printed number: its value, range, and text with unit. Percentages are shares of 1."""

    value: float
    range: Range
    text: str


@dataclass(frozen=True)
class Finding:
    """A contradiction between printed numbers.

    Attributes:
        where: table or section, and row.
        printed: the numbers, as printed.
        expected: the expected numbers, and why.
        off: difference of the two.
        confidence: confidence that something is wrong.
    """

    where: str
    printed: str
    expected: str
    off: str
    confidence: Confidence


@dataclass(frozen=True)
class RuleResult:
    """Number of printed numbers that a rule could check, and its findings."""

    numbers: int
    findings: list[Finding] = field(default_factory=list)


@dataclass(frozen=True)
class Case:
    """Numbers that a paper prints on a corpus.

    Attributes:
        rows: of merflow.tables.reported.load, those with a value, each with its ``cell``.
        supports: known class counts of the corpus (merflow.tables.audit.class_counts), and the
            counts that the paper prints.
        n_classes: number of classes in the paper.
        comparison, claims: of the same paper and corpus. Claims need a comparison.
    """

    rows: Sequence[Row]
    supports: Sequence[Support]
    n_classes: int
    comparison: Comparison | None = None
    claims: Sequence[Claim] = ()

    def of(self, *metrics: str) -> list[Row]:
        """Rows of these metrics."""
        return [row for row in self.rows if row["metric"] in metrics]

    def tables(self, *metrics: str) -> list[Row]:
        """Rows of these metrics in the paper's tables."""
        return [row for row in self.of(*metrics) if row["table"] != "text"]

    def supports_of(self, split: str, classes: Sequence[str] | None = None) -> list[Support]:
        """Supports that scores of a split may be of.

        Args:
            split: of the scores. Cross-validation tests the whole corpus, so scores of test may
                be of all splits.
            classes: exactly these classes. None: any.
        """
        splits = {split, ""} if split == "test" else {split}
        return [
            support
            for support in self.supports
            if support.split in splits
            and support.unit == "utterances"
            and (classes is None or set(support.counts) == set(classes))
        ]


@dataclass(frozen=True)
class Rule:
    """A rule of the audit.

    Attributes:
        name: of the rule.
        statement: sentence that holds for consistent numbers.
        confidence: sentence on how certain its findings are, and why.
        check: applies it.
    """

    name: str
    statement: str
    confidence: str
    check: Callable[[Case], RuleResult]


def case_of(
    printed: pd.DataFrame,
    supports: Sequence[Support],
    comparison: Comparison | None = None,
    claims: Sequence[Claim] = (),
) -> Case:
    """Make a case from rows of merflow.tables.reported.load, all of one corpus."""
    rows = [_with_cell(row) for row in printed.to_dict("records") if not isnan(row["number"])]
    stated = next((int(row["number"]) for row in rows if row["metric"] == "classes"), None)
    corpus = rows[0]["corpus"] if rows else ""
    n_classes = len(CLASSES.get(corpus, ())) if stated is None else stated
    return Case(rows, [*supports, *_printed_supports(rows)], n_classes, comparison, claims)


def _with_cell(row: Row) -> Row:
    scale = SHARE.get(row["unit"], 1.0)
    value, unit = row["number"] * scale, _last_digit(row["value"]) * scale
    text = row["value"] + SUFFIXES.get(row["unit"], "")
    return {**row, "cell": Cell(value, Range(value - unit / 2, value + unit), text)}


def cell(row: Row) -> Cell:
    """Number of a row."""
    number: Cell = row["cell"]
    return number


def cells(rows: Iterable[Row], key: str = "class") -> dict[str, Cell]:
    """Numbers of rows by their value under `key`."""
    return {row[key]: row["cell"] for row in rows}


def total(rows: Iterable[Row]) -> float:
    """Sum of the numbers of rows."""
    return sum(cell(row).value for row in rows)


def total_range(rows: Iterable[Row]) -> Range:
    """Range of the sum of rows."""
    ranges = [cell(row).range for row in rows]
    return Range(sum(each.low for each in ranges), sum(each.high for each in ranges))


def place(row: Row) -> str:
    """Table or section, and row."""
    return f"{row['where'] if row['table'] == 'text' else 'Table ' + row['table']}: {row['row']}"


def titled(metric: str) -> str:
    """A metric in words."""
    return "F1" if metric == "f1" else HEADERS.get(metric, plain(metric))


def listed(*words: str) -> str:
    """Words in brackets after a number, or nothing where all are empty."""
    text = " ".join(filter(None, words))
    return f" ({text})" if text else ""


def in_points(difference: float) -> str:
    """A difference of shares in percentage points."""
    return f"{100 * difference:+.2f} points".replace("-", "\N{MINUS SIGN}")


def in_utterances(difference: float) -> str:
    """A difference of counts."""
    return f"{difference:+.0f} utterances".replace("-", "\N{MINUS SIGN}")


def _last_digit(value: str) -> float:
    """Unit of the last digit: 0.62 -> 0.01, 2e-4 -> 1e-4, 16000 -> 1000."""
    exponent = Decimal(value).as_tuple().exponent
    zeros = len(value) - len(value.rstrip("0")) if value.isdigit() else 0
    return 10.0 ** (zeros if zeros >= 3 else int(exponent))


def _printed_supports(rows: Iterable[Row]) -> Iterator[Support]:
    """Counts of the classes of a split that the paper itself prints."""
    counts = [
        row
        for row in rows
        if (row["metric"], row["unit"]) == ("count", "utterances")
        and row["split"]
        and row["class"]
        and row["table"] != "text"
    ]
    for (table, split), group in grouped(counts, "table", "split").items():
        sizes = {row["class"]: int(row["number"]) for row in group}
        yield Support(f"Table {table}", split, sizes)
