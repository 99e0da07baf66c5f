"""Rules about numbers that are printed more than once and should agree, or should not."""

import re
from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise
from typing import NamedTuple

from merflow.evaluation.metrics import LOSS, SETTINGS
from merflow.tables.audit.case import Case, Finding, RuleResult, cell, in_points, place, titled
from merflow.tables.reported import PER_CLASS, SCORES, Row, grouped

MEASURED = {*SCORES, *PER_CLASS, LOSS}
CHOSEN = {*SETTINGS, "epochs", "patience"}  # hyper-parameters, which nobody rounds
#: Family of metrics -> pattern of a printed name; the first that matches counts.
FAMILIES = {
    "f1": r"\bf1\b|\bw?f1\b",
    "precision": r"\bprecision\b",
    "recall": r"\brecall\b",
    "accuracy": r"\baccuracy\b",
}
CHANCE = 0.05  # expected coincidences in a table, from which a pair of equal cells is no surprise
DIGITS = 4  # significant digits of two neighbours that seldom agree by chance
EQUAL = "equal to the last digit"


def printed_twice(case: Case) -> RuleResult:
    """Check that a score or hyper-parameter has one value wherever it is printed.

    Only numbers of one system count, because the text may give several values of a family of
    systems.
    """
    systems = {row["system"] for row in case.tables(*MEASURED)}
    rows = [row for row in case.of(*MEASURED, *CHOSEN) if row["system"] in systems]
    groups = grouped(rows, "system", "metric", "class", "split").values()
    repeated = [group for group in groups if len(group) > 1]
    findings = [finding for group in repeated if (finding := _contradiction(group))]
    return RuleResult(sum(map(len, repeated)), findings)


def _contradiction(group: Sequence[Row]) -> Finding | None:
    """The largest difference between two rows that should agree."""
    metric = group[0]["metric"]
    different = [pair for pair in combinations(group, 2) if not _agree(*pair)]
    if not different:
        return None
    first, last = max(different, key=lambda pair: abs(_difference(*pair)))
    off = _difference(first, last)
    names = filter(None, (first["system"], titled(metric), first["class"], first["split"]))
    places = "; ".join(f"{cell(row).text} ({place(row)})" for row in group)
    return Finding(
        place(first),
        f"{' '.join(names)}: {places}",
        f"the same as in {place(last)}",
        in_points(off) if metric in MEASURED and metric != LOSS else f"{off:+g}",
        "certain",
    )


def _agree(first: Row, second: Row) -> bool:
    if first["metric"] in MEASURED:
        return cell(first).range.overlaps(cell(second).range)
    return cell(first).value == cell(second).value


def _difference(first: Row, second: Row) -> float:
    return cell(first).value - cell(second).value


def under_another_name(case: Case) -> RuleResult:
    """Check that a number called F1 (precision, recall, accuracy) is that score.

    It may be another score of the system, which is printed elsewhere under its own name.
    """
    scores = case.of(*SCORES)
    numbers, findings = 0, []
    for row in scores:
        called, family = family_of(row["metric_as_printed"]), _metric_family(row)
        if called in (None, family) or family is None or family_of(row["row"]) == family:
            continue
        elsewhere = [other for other in scores if _same_subject(row, other)]
        under_name = [other for other in elsewhere if _metric_family(other) == called]
        of_family = [
            other
            for other in elsewhere
            if _metric_family(other) == family and other["table"] != "text"
        ]
        if not under_name or not of_family:
            continue
        numbers += 3
        number = cell(row)
        nearest = min(under_name, key=lambda other: abs(_difference(row, other)))
        same = next((o for o in of_family if number.range.overlaps(cell(o).range)), None)
        if same and not number.range.overlaps(cell(nearest).range):
            printed = f"{row['metric_as_printed']} of {row['system']} {number.text}"
            printed += f"; {titled(family)} {cell(same).text} ({place(same)})"
            expected = f"{titled(called)} {cell(nearest).text} ({place(nearest)})"
            expected += f", or the name {titled(family)}"
            off = in_points(_difference(row, nearest))
            findings.append(Finding(place(row), printed, expected, off, "certain"))
    return RuleResult(numbers, findings)


def _same_subject(row: Row, other: Row) -> bool:
    """Tell whether two rows of different tables are of one system, split and class."""
    keys = ("system", "split", "class")
    return other["table"] != row["table"] and all(other[key] == row[key] for key in keys)


def family_of(name: str) -> str | None:
    """Family of metrics that a printed name belongs to."""
    words = name.lower().replace("-", " ")
    families = (family for family, pattern in FAMILIES.items() if re.search(pattern, words))
    return next(families, None)


def _metric_family(row: Row) -> str | None:
    return family_of(row["metric"].replace("_", " "))


def of_another_row(case: Case) -> RuleResult:
    """Check that a number in the text is not from the row of another system."""
    tables = grouped(case.tables(*SCORES), "metric", "class", "split")
    numbers, findings = 0, []
    for row in (row for row in case.of(*SCORES) if row["table"] == "text" and row["system"]):
        alike = tables.get((row["metric"], row["class"], row["split"]), [])
        in_table = row["system"] in {other["system"] for other in alike}
        if in_table or not alike or _digits(row["value"]) < DIGITS:
            continue
        numbers += 1 + len(alike)
        other = next((other for other in alike if _equal(row, other)), None)
        if other:
            printed = f"{titled(row['metric'])} of {row['system']} {cell(row).text}"
            expected = f"a table row of {row['system']}; the number is in the row of"
            expected += f" {other['system']} ({place(other)})"
            findings.append(Finding(place(row), printed, expected, EQUAL, "likely"))
    return RuleResult(numbers, findings)


def _equal(first: Row, second: Row) -> bool:
    """Tell whether two numbers are printed alike."""
    return (first["value"], first["unit"]) == (second["value"], second["unit"])


def _digits(value: str) -> int:
    """Number of significant digits."""
    return len(value.replace(".", "").lstrip("0"))


class ClassPair(NamedTuple):
    """Two classes of a row with the same metrics: their values as printed, by metric."""

    row: Row
    first: str
    second: str
    first_values: dict[str, str]
    second_values: dict[str, str]

    @property
    def equal(self) -> dict[str, str]:
        """Equal values that are not 0."""
        return {
            metric: value
            for metric, value in self.first_values.items()
            if value == self.second_values[metric] and float(value)
        }


def copied_pair(case: Case) -> RuleResult:
    """Check that two classes of a row do not agree in two or more scores.

    They may where chance would make such a pair in the table.
    """
    numbers, findings = 0, []
    scores = [row for row in case.tables(*PER_CLASS) if " as " not in row["class"]]
    for table in grouped(scores, "table").values():
        chance = {metric: _chance(group) for (metric,), group in grouped(table, "metric").items()}
        pairs = list(_class_pairs(table))
        numbers += len(table)
        for pair in pairs:
            expected = float(len(pairs))
            for metric in pair.equal:
                expected *= chance[metric]
            if len(pair.equal) < max(2, len(pair.first_values)) or expected > CHANCE:
                continue
            equal = ", ".join(f"{titled(metric)} {value}" for metric, value in pair.equal.items())
            printed = f"{pair.first} and {pair.second}: {equal}, both"
            by_chance = f"by chance {expected:.1g} of {len(pairs)} pairs in this table agree"
            different = f"two different pairs; {by_chance}"
            findings.append(Finding(place(pair.row), printed, different, EQUAL, "likely"))
    return RuleResult(numbers, findings)


def _chance(group: Sequence[Row]) -> float:
    """Probability of two equal cells: unit of the last digit over the range of values."""
    values = [cell(row).value for row in group]
    unit = max(cell(row).range.high - cell(row).value for row in group)
    return min(unit / max(max(values) - min(values), unit), 1.0)


def _class_pairs(table: Sequence[Row]) -> Iterator[ClassPair]:
    for group in grouped(table, "row", "system", "split").values():
        by_class = {
            name: {row["metric"]: row["value"] for row in rows}
            for (name,), rows in grouped(group, "class").items()
        }
        for first, second in combinations(by_class, 2):
            if by_class[first].keys() == by_class[second].keys():
                yield ClassPair(group[0], first, second, by_class[first], by_class[second])


def copied_cell(case: Case) -> RuleResult:
    """Check that neighbouring scores of a row do not agree in all four digits.

    Accuracy and weighted recall must agree.
    """
    numbers, findings = 0, []
    for group in grouped(case.tables(*SCORES), "table", "row", "system", "split").values():
        for pair in pairwise(group):
            metrics = {row["metric"] for row in pair}
            if len(metrics) < 2 or metrics == {"accuracy", "weighted_recall"}:
                continue
            if min(_digits(row["value"]) for row in pair) < DIGITS:
                continue
            numbers += 2
            if _equal(*pair):
                printed = " and ".join(
                    f"{row['metric_as_printed']} {cell(row).text}" for row in pair
                )
                expected = "two different numbers, even if close"
                findings.append(Finding(place(pair[0]), printed, expected, EQUAL, "hint"))
    return RuleResult(numbers, findings)
