"""Rules about labels, the utterances that have them, and the number of classes.

In a multi-label corpus an utterance counts for each of its labels, so labels may exceed utterances.
Elsewhere they cannot.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import pi, prod, sqrt
from typing import NamedTuple

from merflow.evaluation.metrics import BALANCE
from merflow.tables.audit.case import (
    Case,
    Cell,
    Finding,
    RuleResult,
    cell,
    in_points,
    listed,
    place,
    total,
    total_range,
)
from merflow.tables.audit.class_counts import Support
from merflow.tables.audit.counts import sizes_of
from merflow.tables.reported import PER_CLASS, Row, grouped

CHANCE = 0.05  # probability by chance, from which equally divided classes are no surprise


class Labels(NamedTuple):
    """Printed labels of a split: `rows` have a class each. An empty split: of all splits."""

    split: str
    rows: Sequence[Row]


class Limit(NamedTuple):
    """Printed number of utterances, the largest that it stands for, and its source."""

    size: float
    most: float
    source: str


def within_utterances(case: Case) -> RuleResult:
    """Check that labels do not exceed the utterances that they are of.

    In a multi-label corpus they may. Then sizes of splits that are sums of labels are no numbers of
    utterances.
    """
    numbers, findings = 0, dict[str, Finding]()
    for labels in _labels(case):
        limit = _limit(case, labels.split)
        if limit is None:
            continue
        samples = _samples(case, labels) if case.multi_label else []
        numbers += len(labels.rows) + len(samples)
        if total_range(labels.rows).low <= limit.most or (case.multi_label and not samples):
            continue
        if case.multi_label:
            finding = _counted_labels(case, labels, limit, samples)
        else:
            finding = _too_many(labels, limit)
        findings.setdefault(finding.where, finding)  # the text may repeat a table
    shares = _shares(case)
    return RuleResult(numbers + shares.numbers, [*findings.values(), *shares.findings])


def _labels(case: Case) -> Iterator[Labels]:
    """Labels of each split, and of all splits, of each table."""
    rows = [row for row in sizes_of(case) if row["class"]]
    for of_table in grouped(rows, "table").values():
        splits = grouped(of_table, "split")
        for (split,), group in splits.items():
            # where all classes of a split are printed, the rule of sums checks them
            if split and not case.multi_label and len(group) < case.n_classes:
                yield Labels(split, group)
        yield Labels("", splits.get(("",), of_table))


def _limit(case: Case, split: str) -> Limit | None:
    """The printed number of utterances of a split, or the size of the largest release."""
    printed = [
        row
        for row in sizes_of(case)
        if (row["unit"], row["class"], row["split"]) == ("utterances", "", split)
    ]
    if printed:
        most = max(printed, key=lambda row: cell(row).range.high)
        number = cell(most)
        return Limit(number.value, number.range.high, f"{number.text} utterances ({place(most)})")
    releases = [each for each in case.supports if not each.split and "Table" not in each.release]
    if not releases:
        return None
    largest = max(releases, key=lambda support: support.size)
    return Limit(largest.size, largest.size, f"{largest.size} utterances ({largest})")


def _samples(case: Case, labels: Labels) -> list[Row]:
    """Sizes of splits, without a class, that add up to the labels."""
    sizes = [row for row in sizes_of(case) if row["split"] and not row["class"]]
    for group in grouped(sizes, "table", "unit").values():
        if total_range(labels.rows).overlaps(total_range(group)):
            return group
    return []


def _too_many(labels: Labels, limit: Limit) -> Finding:
    terms = " + ".join(f"{row['value']} ({row['class']})" for row in labels.rows)
    return Finding(
        place(labels.rows[0]),
        f"{terms}{listed(labels.split)}",
        f"at most one label per utterance, of {limit.source}",
        f"+{total(labels.rows) - limit.size:.0f} labels",
        "certain",
    )


def _counted_labels(case: Case, labels: Labels, limit: Limit, samples: Sequence[Row]) -> Finding:
    terms = " + ".join(f"{row['value']} ({row['split']})" for row in samples)
    table = labels.rows[0]["table"]
    expected = f"at most {limit.source}; these are sums of labels ({place(labels.rows[0])})"
    if fitting := _fitting_release(case, labels.rows):
        n_fitting, release = fitting
        n_classes = len({row["class"] for row in labels.rows})
        expected += (
            f". The labels of {n_fitting} of {n_classes} classes are those of the {release},"
            f" {release.size} utterances"
        )
    return Finding(
        place(samples[0]),
        f"{terms} samples, the labels of {'the text' if table == 'text' else 'Table ' + table}",
        expected,
        f"+{total(samples) - limit.size:.0f} samples",
        "certain",
    )


def _fitting_release(case: Case, rows: Sequence[Row]) -> tuple[int, Support] | None:
    """Release with the labels of most classes, and the number of these classes."""
    sums = {name: total_range(group) for (name,), group in grouped(rows, "class").items()}
    known = [support for support in case.supports if support.labels and not support.split]
    fitting = {
        sum(support.labels.get(name, -1) in number for name, number in sums.items()): support
        for support in known
    }
    most = max(fitting, default=0)
    return (most, fitting[most]) if most else None


def _shares(case: Case) -> RuleResult:
    """Check that shares of single-label classes are at most 100 % in all."""
    numbers, findings = 0, []
    present = [] if case.multi_label else case.of(BALANCE[1])
    for group in grouped(present, "table", "split").values():
        numbers += len(group)
        if total_range(group).low > 1 + 1e-9:
            terms = " + ".join(f"{cell(row).text} ({row['class']})" for row in group)
            off = in_points(total(group) - 1)
            expected = "at most 100 %, because an utterance has one label"
            findings.append(Finding(place(group[0]), terms, expected, off, "certain"))
    return RuleResult(numbers, findings)


class Division(NamedTuple):
    """Labels of each class in the first split of a table, and in all splits."""

    rows: Sequence[Row]
    classes: Mapping[str, tuple[float, float]]

    @property
    def share(self) -> float:
        """Share of the first split."""
        return sum(size for size, _ in self.classes.values()) / total(self.rows)

    @property
    def gap(self) -> float:
        """Labels by which the class that is divided least evenly is off."""
        return max(abs(size - self.share * every) for size, every in self.classes.values())

    @property
    def chance(self) -> float:
        """Probability that a random split divides each class to the label.

        A class then has one of two numbers, whose probability is at most twice the normal density.
        """
        variances = [every * self.share * (1 - self.share) for _, every in self.classes.values()]
        return prod(min(1.0, 2 / sqrt(2 * pi * each)) if each else 1.0 for each in variances)


def split_by_label(case: Case) -> RuleResult:
    """Check that utterances with several labels are on one side of a split.

    Where labels exceed utterances, a split of utterances divides the classes only roughly alike.
    Classes that are all divided alike to the label were split one by one. Then an utterance with
    two labels is drawn twice, and may be on both sides.
    """
    numbers, findings = 0, []
    rows = [row for row in sizes_of(case) if row["class"] and row["split"]]
    for group in grouped(rows if case.multi_label else [], "table").values():
        limit, division = _limit(case, ""), Division(group, _divided(group))
        if limit is None or len(division.classes) < 2 or total_range(group).low <= limit.most:
            continue
        numbers += len(group)
        if division.gap < 1 and division.chance < CHANCE:
            findings.append(_divided_alike(division, limit))
    return RuleResult(numbers, findings)


def _divided(rows: Sequence[Row]) -> Mapping[str, tuple[float, float]]:
    """Class -> labels in the first split and in all, of several printed splits."""
    first = rows[0]["split"]
    return {
        name: (total(row for row in group if row["split"] == first), total(group))
        for (name,), group in grouped(rows, "class").items()
        if len(group) > 1
    }


def _divided_alike(division: Division, limit: Limit) -> Finding:
    quotients = (f"{size:.0f} of {n:.0f} ({name})" for name, (size, n) in division.classes.items())
    return Finding(
        place(division.rows[0]),
        f"{100 * division.share:.2f} % of each class to the label: {', '.join(quotients)}",
        f"classes that are divided roughly alike, because {total(division.rows):.0f} labels belong"
        f" to at most {limit.source}: {division.chance:.1g} of random splits are so even. If each"
        " class was split by itself, utterances with several labels may be on both sides",
        f"at most {division.gap:.2f} labels from an equal share",
        "likely",
    )


def number_of_classes(case: Case) -> RuleResult:
    """Check that no table has more classes than the paper says that there are."""
    numbers, findings = 0, []
    stated = case.of("classes")
    for group in grouped(case.tables(*PER_CLASS, "count", *BALANCE), "table").values():
        classes = [row for row in group if row["class"] and " as " not in row["class"]]
        names = list(dict.fromkeys(row["class"] for row in classes))
        if not names or not stated:
            continue
        numbers += 1 + len(names)
        most = max(stated, key=lambda row: cell(row).value)
        if len(names) > cell(most).value:
            findings.append(_more_classes(classes[0], names, most))
    return RuleResult(numbers, findings)


def _more_classes(row: Row, names: Sequence[str], stated: Row) -> Finding:
    number: Cell = cell(stated)
    return Finding(
        place(stated),
        f"{number.text} classes",
        f"{len(names)}, as in Table {row['table']}: {', '.join(names)}",
        f"{number.value - len(names):+.0f} classes".replace("-", "\N{MINUS SIGN}"),
        "certain",
    )
