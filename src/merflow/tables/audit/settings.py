"""Rules about settings and facts that a paper prints several times.

A number that is printed of a list of keys, or of ``all``, is of each of these systems. A printed
name whose words are among the words of keys is of a family: BERT is text_bert_8 and text_bert_16,
which may have different values. Places are sections and tables.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

from merflow.evaluation.metrics import LOSS
from merflow.tables.audit.case import (
    Case,
    Cell,
    Confidence,
    Finding,
    RuleResult,
    cell,
    listed,
    names_of,
    place,
    titled,
)
from merflow.tables.audit.repeats import CHOSEN
from merflow.tables.reported import PER_CLASS, SCORES, SIGNED, Row, grouped, is_key

#: Settings of which a system has one value.
SINGLE = (
    *sorted(CHOSEN),
    *("learning_rate_decay", "dropout", "max_tokens", "frame_step", "image_size"),
    *("sampling_rate", "attention_heads", "parameters"),
)
#: Numbers that are no facts of their own: other rules compare them.
COMPARED = {*SCORES, *PER_CLASS, LOSS, *SIGNED, "spread", *SINGLE}


class Setting(NamedTuple):
    """Printed values of a setting.

    Attributes:
        name: metric.
        each: key of a system -> rows that print it of exactly this system, or of each of a list.
        families: printed name -> its keys and its rows.
    """

    name: str
    each: Mapping[str, Sequence[Row]]
    families: Mapping[str, tuple[Sequence[str], Sequence[Row]]]


def of_several_systems(case: Case) -> RuleResult:
    """Check that a setting has one value, in all places and in related systems.

    - Two places give a system the same value.
    - A value of a family is the value of its systems.
    - Two systems that no place contrasts have the same value.
    """
    numbers, findings = 0, []
    for setting in _settings(case):
        rows = {_key(row): row for each in setting.each.values() for row in each}
        rows |= {_key(row): row for _, each in setting.families.values() for row in each}
        if len(rows) < 2:
            continue
        numbers += len(rows)
        scored = {row["system"] for row in case.tables(*SCORES)}
        findings += [*_two_places(setting, scored), *_unlike_family(setting), *_unlike(setting)]
    return RuleResult(numbers, findings)


def _settings(case: Case) -> Iterator[Setting]:
    keys = list(dict.fromkeys(name for row in case.rows for name in names_of(row["system"])))
    keys = [name for name in keys if is_key(name) and name != "all"]
    for name in SINGLE:
        each: dict[str, list[Row]] = {}
        families: dict[str, tuple[list[str], list[Row]]] = {}
        for row in case.of(name):
            names = names_of(row["system"])
            if all(map(is_key, names)):
                for key in keys if names == ["all"] else names:
                    each.setdefault(key, []).append(row)
            else:
                members = [key for key in keys if any(_is_member(key, each) for each in names)]
                families.setdefault(row["system"], (members, []))[1].append(row)
        yield Setting(name, each, families)


def _is_member(key: str, family: str) -> bool:
    words = set(re.findall(r"[a-z0-9]+", family.lower()))
    return bool(words) and words <= set(key.split("_"))


def _two_places(setting: Setting, scored: set[str]) -> Iterator[Finding]:
    """Contradictions between two places on one system, but those that "printed twice" finds."""
    for key, rows in setting.each.items():
        places = grouped(rows, "where").values()
        disagree = any(not _agree(*map(_values, pair)) for pair in combinations(places, 2))
        if disagree and not all(row["system"] in scored for row in rows):
            yield _finding(setting, {key: rows}, "one value", "certain")


def _unlike_family(setting: Setting) -> Iterator[Finding]:
    """Values of a family that none, or not all, of its systems have."""
    for family, (keys, rows) in setting.families.items():
        members = {key: setting.each[key] for key in keys if key in setting.each}
        theirs = {key: _values(each) for key, each in members.items()}
        values = _values(rows)
        if not members:
            continue
        nobodys = [value for value in values if not any(value in each for each in theirs.values())]
        some = [key for key, each in theirs.items() if not values & each]
        printed = {family: rows, **members}
        if nobodys and len(members) == len(keys):
            expected = f"values of {', '.join(members)}"
            yield _finding(setting, printed, expected, "likely")
        elif nobodys or (len(values) == 1 and some):
            expected = "; ".join(_value_of(key, members[key]) for key in some or members)
            yield _finding(setting, printed, expected, "hint")


def _value_of(system: str, rows: Sequence[Row]) -> str:
    """The printed values of a system, as what is expected of its family."""
    return f"the value of {system}: {', '.join(dict.fromkeys(cell(row).text for row in rows))}"


def _unlike(setting: Setting) -> Iterator[Finding]:
    """Two systems with different values that stand side by side nowhere."""
    beside = {key: {row["where"] for row in _all_rows(setting, key)} for key in setting.each}
    for first, second in combinations(setting.each, 2):
        rows = {key: setting.each[key] for key in (first, second)}
        values = [_values(each) for each in rows.values()]
        if _agree(*values) or beside[first] & beside[second]:
            continue
        yield _finding(setting, rows, "one value, unless the two are trained differently", "hint")


def _all_rows(setting: Setting, key: str) -> list[Row]:
    of_families = (rows for keys, rows in setting.families.values() if key in keys)
    return [*setting.each[key], *(row for rows in of_families for row in rows)]


def _values(rows: Iterable[Row]) -> set[float]:
    return {cell(row).value for row in rows}


def _agree(first: set[float], second: set[float]) -> bool:
    """Tell whether one of two sets of values is among the other."""
    return first <= second or second <= first


def _finding(
    setting: Setting, rows: Mapping[str, Sequence[Row]], expected: str, confidence: Confidence
) -> Finding:
    first = next(row for each in rows.values() for row in each)
    texts = (
        f"{name} {', '.join(f'{cell(row).text} ({place(row)})' for row in each)}"
        for name, each in rows.items()
    )
    values = _values(row for each in rows.values() for row in each)
    return Finding(
        place(first),
        f"{titled(setting.name)} of {'; of '.join(texts)}",
        expected,
        f"{max(values) - min(values):+g}",
        confidence,
    )


def in_two_places(case: Case) -> RuleResult:
    """Check that a fact of the text has the same value in each section.

    A fact is what the heading of a row says before its first comma, of one system, class and split.
    """
    facts = [row for row in case.rows if row["table"] == "text" and row["metric"] not in COMPARED]
    facts = [{**row, "fact": row["row"].partition(", ")[0]} for row in facts]
    numbers, findings = 0, []
    keys = ("fact", "system", "metric", "class", "split", "unit")
    for group in grouped(facts, *keys).values():
        sections = list(grouped(group, "where").values())
        if len(sections) < 2:
            continue
        numbers += len(group)
        for first, second in combinations(sections, 2):
            if not _overlap(first, second):
                findings.append(_two_values(first, second))
                break
    return RuleResult(numbers, findings)


def _overlap(first: Sequence[Row], second: Sequence[Row]) -> bool:
    """Tell whether all numbers of the shorter list may be in the longer one."""
    fewer, more = sorted((first, second), key=len)
    return all(any(_may_equal(cell(row), cell(other)) for other in more) for row in fewer)


def _may_equal(first: Cell, second: Cell) -> bool:
    """Tell whether two numbers may be one. Whole numbers are exact unless they end in zeros."""
    rounded = "." in first.text + second.text or max(map(_unit, (first, second))) > 1
    return first.range.overlaps(second.range) if rounded else first.value == second.value


def _unit(number: Cell) -> float:
    """Unit of the last printed digit."""
    return number.range.high - number.value


def _two_values(first: Sequence[Row], second: Sequence[Row]) -> Finding:
    texts = [", ".join(cell(row).text for row in rows) for rows in (first, second)]
    row = first[0]
    off = cell(second[0]).value - cell(row).value
    return Finding(
        place(row),
        f"{row['fact']}{listed(row['system'], row['class'], row['split'])}: {texts[0]};"
        f" {texts[1]} ({place(second[0])})",
        f"the same as in {place(second[0])}",
        f"{off:+g}",
        "certain",
    )


def _key(row: Row) -> tuple[str, ...]:
    columns = ("table", "row", "system", "metric", "metric_as_printed", "class", "split")
    return tuple(row[column] for column in columns)
