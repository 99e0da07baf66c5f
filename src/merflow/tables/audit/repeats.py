"""Rules about numbers that stand in more than one place, and ought to, or ought not to."""

import re
from collections.abc import Sequence
from itertools import combinations, pairwise

from merflow.evaluation.metrics import LOSS, SETTINGS
from merflow.tables.audit.case import Case, Finding, Looked, cell, in_points, place, titled
from merflow.tables.reported import PER_CLASS, SCORES, Row, grouped

MEASURED = {*SCORES, *PER_CLASS, LOSS}
CHOSEN = {*SETTINGS, "epochs", "patience"}  # of a system: numbers that nobody rounds
#: What a printed name says the metric is: the first that it has.
FAMILIES = {
    "f1": r"\bf1\b|\bw?f1\b",
    "precision": r"\bprecision\b",
    "recall": r"\brecall\b",
    "accuracy": r"\baccuracy\b",
}
CHANCE = 0.05  # of so many coincidences in a table, or more, a pair of equal cells is none too surprising
DIGITS = 4  # of two neighbours that agree by chance only now and then


def printed_twice(case: Case) -> Looked:
    """A score, or a setting, of a system has the same value wherever it is printed: in two tables, or in a table and the text.

    Only what is printed of one system: the text may give several values of a family of them.
    """
    numbers, findings = 0, []
    systems = {row["system"] for row in case.tables(*MEASURED)}
    single = [row for row in case.of(*MEASURED, *CHOSEN) if row["system"] in systems]
    for group in grouped(single, "system", "metric", "class", "split").values():
        if len(group) < 2:
            continue
        places = [(row, cell(row)) for row in group]
        numbers += len(places)
        measured = places[0][0]["metric"] in MEASURED
        unlike = [
            (a, b)
            for a, b in combinations(places, 2)
            if not (a[1].range.meets(b[1].range) if measured else a[1].value == b[1].value)
        ]
        if not unlike:
            continue
        (first, one), (last, other) = max(
            unlike, key=lambda two: abs(two[0][1].value - two[1][1].value)
        )
        about = " ".join(
            filter(None, (first["system"], titled(first["metric"]), first["class"], first["split"]))
        )
        told = "; ".join(f"{value.text} ({place(row)})" for row, value in places)
        share = measured and first["metric"] != LOSS
        off = in_points(one.value - other.value) if share else f"{one.value - other.value:+g}"
        findings.append(
            Finding(
                place(first), f"{about}: {told}", f"the same as in {place(last)}", off, "certain"
            )
        )
    return Looked(numbers, findings)


def under_another_name(case: Case) -> Looked:
    """A score that is called F1 (precision, recall, accuracy) is not another score of the same system, with its own name elsewhere."""
    scores = case.of(*SCORES)
    numbers, findings = 0, []
    for row in scores:
        called, is_ = _family(row["metric_as_printed"]), _family(row["metric"].replace("_", " "))
        if called in (None, is_) or is_ is None or _family(row["row"]) == is_:
            continue
        mine = [
            one
            for one in scores
            if all(one[key] == row[key] for key in ("system", "split", "class"))
            and one["table"] != row["table"]
        ]
        others = [one for one in mine if _family(one["metric"].replace("_", " ")) == called]
        own = [
            one
            for one in mine
            if _family(one["metric"].replace("_", " ")) == is_ and one["table"] != "text"
        ]
        if not others or not own:
            continue
        numbers += 3
        told = cell(row)
        other = min(others, key=lambda one: abs(one["x"] - told.value))
        same = next((one for one in own if told.range.meets(cell(one).range)), None)
        if same and not told.range.meets(cell(other).range):
            printed = f"{row['metric_as_printed']} of {row['system']} {told.text}; {is_} {cell(same).text} ({place(same)})"
            expected = f"{called} {cell(other).text} ({place(other)}), or the name {is_}"
            findings.append(
                Finding(
                    place(row), printed, expected, in_points(told.value - other["x"]), "certain"
                )
            )
    return Looked(numbers, findings)


def of_another_row(case: Case) -> Looked:
    """What the text prints of a system stands in a table as that system's, not as another one's."""
    tables = grouped(case.tables(*SCORES), "metric", "class", "split")
    numbers, findings = 0, []
    for row in (row for row in case.of(*SCORES) if row["table"] == "text" and row["system"]):
        alike = tables.get((row["metric"], row["class"], row["split"]), [])
        if (
            row["system"] in {one["system"] for one in alike}
            or not alike
            or _digits(row["value"]) < DIGITS
        ):
            continue
        numbers += 1 + len(alike)
        if other := next(
            (one for one in alike if (one["value"], one["unit"]) == (row["value"], row["unit"])),
            None,
        ):
            printed = f"{titled(row['metric'])} of {row['system']} {cell(row).text}"
            expected = f"a row of {row['system']}; the number is the one of {other['system']} ({place(other)})"
            findings.append(
                Finding(place(row), printed, expected, "equal to the last digit", "likely")
            )
    return Looked(numbers, findings)


def copied_pair(case: Case) -> Looked:
    """Two classes of a row do not agree in each of two scores or more to the last digit, unless by chance one pair of the table would."""
    numbers, findings = 0, []
    scores = [row for row in case.tables(*PER_CLASS) if " as " not in row["class"]]
    for table in grouped(scores, "table").values():
        chance = {metric: _chance(group) for (metric,), group in grouped(table, "metric").items()}
        rows = [
            (group, _by_class(group)) for group in grouped(table, "row", "system", "split").values()
        ]
        compared = [
            (group, a, b, by[a], by[b])
            for group, by in rows
            for a, b in combinations(by, 2)
            if by[a].keys() == by[b].keys()
        ]
        numbers += len(table)
        for group, a, b, mine, other in compared:
            values = {
                metric: one for metric, one in mine.items() if one == other[metric] and float(one)
            }
            expected = float(len(compared))
            for metric in values:
                expected *= chance[metric]
            if len(values) < 2 or len(values) < len(mine) or expected > CHANCE:
                continue
            told = ", ".join(f"{titled(metric)} {value}" for metric, value in values.items())
            by_chance = f"two different pairs; by chance {expected:.1g} of them agree in a table of {len(compared)} pairs"
            findings.append(
                Finding(
                    place(group[0]),
                    f"{a} and {b}: {told}, both",
                    by_chance,
                    "equal to the last digit",
                    "likely",
                )
            )
    return Looked(numbers, findings)


def copied_cell(case: Case) -> Looked:
    """Neighbours in a row that are two different scores of four digits do not agree to the last one; accuracy and weighted recall must."""
    numbers, findings = 0, []
    for group in grouped(case.tables(*SCORES), "table", "row", "system", "split").values():
        for left, right in pairwise(group):
            if {left["metric"], right["metric"]} == {"accuracy", "weighted_recall"} or left[
                "metric"
            ] == right["metric"]:
                continue
            if min(_digits(left["value"]), _digits(right["value"])) < DIGITS:
                continue
            numbers += 2
            if (left["value"], left["unit"]) == (right["value"], right["unit"]):
                printed = " and ".join(
                    f"{row['metric_as_printed']} {cell(row).text}" for row in (left, right)
                )
                findings.append(
                    Finding(
                        place(left),
                        printed,
                        "two different numbers, if near ones",
                        "equal to the last digit",
                        "hint",
                    )
                )
    return Looked(numbers, findings)


def _family(name: str) -> str | None:
    found = [
        family
        for family, pattern in FAMILIES.items()
        if re.search(pattern, name.lower().replace("-", " "))
    ]
    return found[0] if found else None


def _digits(value: str) -> int:
    """Significant digits."""
    return len(value.replace(".", "").lstrip("0"))


def _chance(group: Sequence[Row]) -> float:
    """That two cells of these agree: the unit of the last digit over the range of the values."""
    values, unit = [row["x"] for row in group], max(row["high"] - row["x"] for row in group)
    return min(unit / max(max(values) - min(values), unit), 1.0)


def _by_class(group: Sequence[Row]) -> dict[str, dict[str, str]]:
    """Values as printed, by class and metric."""
    return {
        name: {row["metric"]: row["value"] for row in rows}
        for (name,), rows in grouped(group, "class").items()
    }
