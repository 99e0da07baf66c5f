"""Rules about differences and sums that a sentence states.

A difference of scores may be meant in points or relative to the lower score: from 60 to 62 % are 2
points, or 3.3 %. Either reading will do, and any score that both systems have in print.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from merflow.tables.audit.case import (
    Case,
    Cell,
    Finding,
    Range,
    RuleResult,
    cell,
    cell_of,
    listed,
    names_of,
    place,
    titled,
)
from merflow.tables.audit.repeats import family_of
from merflow.tables.reported import OVER, PER_CLASS, SCORES, SHARE, SIGNED, Row, grouped

MINUS = "\N{MINUS SIGN}"
TERM = re.compile(rf"([+{MINUS}-]?)\s*([^+{MINUS}=\s-]+)\s*")


class Pair(NamedTuple):
    """Two printed scores of a metric, of which the first should be higher."""

    metric: str
    high: Cell
    low: Cell

    @property
    def points(self) -> Range:
        """Difference in percentage points."""
        high, low = self.high.range, self.low.range
        return Range(100 * (high.low - low.high), 100 * (high.high - low.low))

    @property
    def relative(self) -> Range | None:
        """Difference in percent of the lower score, if this is not 0."""
        high, low = self.high.range, self.low.range
        if low.low <= 0:
            return None
        return Range(100 * (high.low / low.high - 1), 100 * (high.high / low.low - 1))

    def __str__(self) -> str:
        text = f"{self.high.text} {MINUS} {self.low.text} = {self.gap:.2f} points"
        if self.low.value > 0:
            text += f" or {100 * (self.high.value / self.low.value - 1):.2f} %"
        return f"{text} ({titled(self.metric)})"

    @property
    def gap(self) -> float:
        """Difference of the printed values in percentage points."""
        return 100 * (self.high.value - self.low.value)


def differences(case: Case) -> RuleResult:
    """Check stated differences and spreads of scores against the printed scores.

    A difference of several systems lies between the smallest and the largest of theirs. Of two
    stated numbers ("2-3 %") anything between them fits.
    """
    numbers, findings = 0, []
    rows = case.of(*SIGNED, "spread")
    for group in grouped(rows, "table", "row", "system", "class", "split").values():
        pairs = list(_pairs(group[0], _scores(case, group[0])))
        if not pairs:
            continue
        numbers += len(group) + len({number for pair in pairs for number in (pair.high, pair.low)})
        stated = _hull([_in_points(row) for row in group])
        if not any(stated.overlaps(reading) for reading in _readings(pairs)):
            findings.append(_wrong_difference(group, pairs))
    return RuleResult(numbers, findings)


def _in_points(row: Row) -> Range:
    scale = 100 if row["unit"] in SHARE else 1
    return Range(*(scale * limit for limit in cell(row).range))


def _hull(ranges: Sequence[Range]) -> Range:
    return Range(min(each.low for each in ranges), max(each.high for each in ranges))


def _scores(case: Case, row: Row) -> dict[str, dict[str, Cell]]:
    """Metric -> system -> score in a table, of what a difference is of."""
    family = family_of(row["metric_as_printed"])
    scores: dict[str, dict[str, Cell]] = {}
    for each in case.tables(*SCORES, *PER_CLASS):
        same = (each["class"], each["split"]) == (row["class"], row["split"])
        if same and family in (None, family_of(each["metric"].replace("_", " "))):
            scores.setdefault(each["metric"], {})[each["system"]] = cell(each)
    return scores


def _pairs(row: Row, scores: Mapping[str, Mapping[str, Cell]]) -> Iterator[Pair]:
    """Pairs of scores whose difference a row states, of each metric."""
    subjects, _, other = row["system"].partition(OVER)
    for metric, of_metric in scores.items():
        higher = _side(subjects, of_metric)
        if row["metric"] == "spread":
            ranked = sorted((of_metric[name] for name in higher), reverse=True)
            names = [(ranked[0], ranked[-1])] if len(ranked) > 1 else []
        else:
            names = [
                (of_metric[name], of_metric[lower])
                for name in higher
                for lower in _side(f"{other} ({name})", of_metric) or _side(other, of_metric)
            ]
        yield from (Pair(metric, *pair) for pair in names)


def _side(side: str, scores: Mapping[str, Cell]) -> list[str]:
    """Systems of one side of a difference. None if one is not in print.

    A printed name may have a comma in it.
    """
    names = [side] if side in scores else names_of(side)
    return names if all(name in scores for name in names) else []


def _readings(pairs: Sequence[Pair]) -> Iterator[Range]:
    """Differences from least to largest, by metric, in points and relative."""
    for metric in dict.fromkeys(pair.metric for pair in pairs):
        of_metric = [pair for pair in pairs if pair.metric == metric]
        yield _hull([pair.points for pair in of_metric])
        relative = [pair.relative for pair in of_metric if pair.relative]
        if relative:
            yield _hull(relative)


def _wrong_difference(group: Sequence[Row], pairs: Sequence[Pair]) -> Finding:
    row = group[0]
    stated = " to ".join(cell(each).text for each in group)
    scale = 100 if row["unit"] in SHARE else 1
    values = [scale * cell(each).value for each in group]
    off = min((value - pair.gap for value in values for pair in pairs), key=abs)
    return Finding(
        place(row),
        f"{row['system']}: {stated}{listed(row['class'], row['split'])}",
        "; ".join(map(str, pairs)),
        f"{off:+.2f} points".replace("-", MINUS),
        "likely",
    )


def sums(case: Case) -> RuleResult:
    """Check equations of the text: "35+74+300 = 409".

    A term is a number, or the printed name of another number of the same system and metric.
    """
    numbers, findings = 0, []
    for row in case.rows:
        terms = _terms(case, row)
        if not terms:
            continue
        numbers += 1 + len(terms)
        stated = _exact(cell(row))
        value = sum(sign * term.value for sign, term in terms)
        ends = [sorted(sign * limit for limit in _exact(term)) for sign, term in terms]
        low, high = (sum(limits) for limits in zip(*ends, strict=True))
        if not Range(low - 1e-9, high + 1e-9).overlaps(stated):
            printed = f"{row['metric_as_printed']}{listed(row['system'])}"
            off = f"{cell(row).value - value:+g}".replace("-", MINUS)
            findings.append(Finding(place(row), printed, f"{value:g}", off, "certain"))
    return RuleResult(numbers, findings)


def _exact(number: Cell) -> Range:
    """Range of a number in a sum, where only decimals are rounded."""
    return number.range if "." in number.text else Range(number.value, number.value)


def _terms(case: Case, row: Row) -> list[tuple[int, Cell]]:
    """Signs and numbers of the left side of a row. Empty: it is no equation."""
    left, equals, _ = row["metric_as_printed"].rpartition("=")
    matches = TERM.findall(left)
    if not equals or len(matches) < 2:
        return []
    named = {
        other["metric_as_printed"]: cell(other)
        for other in case.of(row["metric"])
        if other["system"] == row["system"]
    }
    numbers = [
        cell_of(term) if re.fullmatch(r"\d+(\.\d+)?", term) else named.get(term)
        for _, term in matches
    ]
    signs = [1 if sign in ("", "+") else -1 for sign, _ in matches]
    known = [(sign, number) for sign, number in zip(signs, numbers, strict=True) if number]
    return known if len(known) == len(matches) else []
