"""Rules about sizes of splits and shares of classes."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from merflow.evaluation.metrics import BALANCE
from merflow.tables.audit.case import (
    Case,
    Cell,
    Finding,
    Range,
    RuleResult,
    cell,
    cells,
    in_points,
    in_utterances,
    listed,
    place,
    total,
    total_range,
)
from merflow.tables.audit.class_counts import Support
from merflow.tables.reported import Row, grouped

SIZES = ("utterances", "instances")  # units of the sizes of splits and classes


class Sum(NamedTuple):
    """Sizes of classes (`over` is class) or splits (`over` is split) that make a whole.

    `complete`: all classes of the paper, or all three splits, are among them.
    """

    whole: Row
    rows: Sequence[Row]
    over: str
    complete: bool


def sums(case: Case) -> RuleResult:
    """Check that classes add up to their split, and splits to the whole.

    Classes are added where all classes of the paper are printed. Where a split is not named, a sum
    that is too large is certain, and a sum that is too small is a hint.
    """
    sizes = _sizes(case)
    every = [each for whole in sizes for each in _sums_of(case, sizes, whole)]
    numbers = {_key(row) for each in every for row in (each.whole, *each.rows)}
    findings = [finding for each in every if (finding := _wrong_sum(each))]
    return RuleResult(len(numbers), findings)


def _sums_of(case: Case, sizes: Sequence[Row], whole: Row) -> Iterator[Sum]:
    for over, fixed in (("class", "split"), ("split", "class")):
        if whole[over]:
            continue
        same = {key: whole[key] for key in (fixed, "unit")}
        rows = [row for row in sizes if row[over] and {key: row[key] for key in same} == same]
        for group in grouped(rows, "table").values():
            if over == "class":
                complete = len(group) >= case.n_classes
            else:
                complete = {"train", "dev", "test"} <= {row["split"] for row in group}
            if len(group) >= 2 and (complete or over == "split"):
                yield Sum(whole, group, over, complete)


def _wrong_sum(sizes: Sum) -> Finding | None:
    whole, added = cell(sizes.whole), total(sizes.rows)
    names = {row[sizes.over] for row in sizes.rows}
    rest_unnamed = not sizes.complete and added < whole.range.low and "dev" in names
    if added in whole.range or rest_unnamed:
        return None
    terms = " + ".join(f"{row['value']} ({row[sizes.over]})" for row in sizes.rows)
    subject = listed(sizes.whole["split" if sizes.over == "class" else "class"])
    rest = "" if sizes.complete else ", unless the rest is in splits that are not named"
    return Finding(
        place(sizes.whole),
        f"{terms}, and {whole.text}{subject} in all",
        f"a sum of {whole.text}, not {added:.0f}{rest}",
        in_utterances(added - whole.value),
        "certain" if sizes.complete or added > whole.range.high else "hint",
    )


class Quotient(NamedTuple):
    """Size of a split, size of all splits, and the number of printed sizes."""

    size: float
    every: float
    numbers: int


def split_shares(case: Case) -> RuleResult:
    """Check that the share of a split is its size over all sizes.

    It holds in each class. One utterance more or less does not count.
    """
    sizes, numbers, findings = _sizes(case), 0, []
    for row in case.of("part_share"):
        same_table = [size for size in sizes if size["table"] == row["table"] and size["split"]]
        quotients, share = _quotients(same_table, row["split"]), cell(row)
        numbers += bool(same_table) + sum(quotient.numbers for quotient in quotients.values())
        wrong = {
            name: (size, every)
            for name, (size, every, _) in quotients.items()
            if not share.range.overlaps(Range((size - 1) / every, (size + 1) / every))
        }
        if wrong:
            texts = [f"{size:.0f} of {n:.0f}{listed(name)}" for name, (size, n) in wrong.items()]
            printed = f"{share.text}, and {', '.join(texts)}"
            off = max((size / every - share.value for size, every in wrong.values()), key=abs)
            expected = f"{share.text} of the utterances"
            findings.append(Finding(place(row), printed, expected, in_points(off), "certain"))
    return RuleResult(numbers, findings)


def _quotients(sizes: Sequence[Row], split: str) -> dict[str, Quotient]:
    """Quotient of a split by class, where the split and another one are printed."""
    quotients = {}
    for (name,), group in grouped(sizes, "class").items():
        size = total(row for row in group if row["split"] == split)
        if size and len(group) > 1:
            quotients[name] = Quotient(size, total(group), len(group))
    return quotients


def hundred(case: Case) -> RuleResult:
    """Check that shares of one whole add up to 100 %.

    They are present and absent, all splits, or all kinds of speakers.
    """
    percentages = [row for row in case.of("count") if row["unit"] == "percent"]
    groups = [
        *grouped(case.of(*BALANCE), "table", "class", "split").values(),
        *grouped(case.of("part_share"), "table").values(),
        *grouped(percentages, "table", "row").values(),
    ]
    numbers, findings = 0, []
    for group in groups:
        if len(group) < 2:
            continue
        numbers += len(group)
        low, high = total_range(group)
        if 1.0 not in Range(low - 1e-9, high + 1e-9):
            terms = " + ".join(cell(row).text for row in group)
            printed = f"{terms}{listed(group[0]['class'], group[0]['split'])}"
            off = in_points(total(group) - 1)
            findings.append(Finding(place(group[0]), printed, "a sum of 100 %", off, "certain"))
    return RuleResult(numbers, findings)


def imbalance(case: Case) -> RuleResult:
    """Check ratios of absent to present utterances against the shares in tables."""
    numbers, findings = 0, []
    for row in case.of("imbalance"):
        printed, ratios = cell(row), _ratios(case, row["class"])
        numbers += bool(ratios) + 2 * len(ratios)
        if not ratios or any(printed.range.overlaps(ratio.range) for ratio in ratios):
            continue
        nearest = min(ratios, key=lambda ratio: abs(ratio.value - printed.value))
        expected = " and ".join(f"{ratio.text} = {ratio.value:.1f}" for ratio in ratios)
        findings.append(
            Finding(
                place(row),
                f"1:{printed.text} ({row['class']})",
                f"a ratio of {expected}",
                f"{printed.value - nearest.value:+.1f}",
                "likely",
            )
        )
    return RuleResult(numbers, findings)


def _ratios(case: Case, name: str) -> list[Cell]:
    """Ratios of absent to present utterances of a class, one per split."""
    shares = [row for row in case.of(*BALANCE) if row["class"] == name]
    ratios = []
    for (split,), group in grouped(shares, "split").items():
        by_metric = cells(group, "metric")
        present, absent = (by_metric.get(metric) for metric in ("present_share", "absent_share"))
        if present and absent and present.range.low > 0:
            low = absent.range.low / present.range.high
            high = absent.range.high / present.range.low
            text = f"{absent.text} / {present.text} ({split})"
            ratios.append(Cell(absent.value / present.value, Range(low, high), text))
    return ratios


def known_sizes(case: Case) -> RuleResult:
    """Check sizes of splits against releases of the corpus.

    Papers may split a corpus anew, so all splits together may have the size of the corpus instead.
    """
    every = [_known_sizes(case, unit) for unit in SIZES]
    findings = [finding for each in every for finding in each.findings]
    return RuleResult(sum(each.numbers for each in every), findings)


def _known_sizes(case: Case, unit: str) -> RuleResult:
    sizes = [row for row in _sizes(case) if row["unit"] == unit and row["split"]]
    releases = [
        support
        for support in case.supports
        if support.unit == unit and not support.release.startswith("Table")
    ]
    classes = {row["class"] for row in sizes} - {""}
    numbers, findings = 0, []
    for (_, name), group in grouped(sizes, "table", "class").items():
        numbers += len(group) if releases else 0
        whole = [_size(support, name, classes) for support in releases if not support.split]
        if any(size is not None and size in total_range(group) for size in whole):
            continue
        findings += [finding for row in group if (finding := _unknown_size(row, name, releases))]
    return RuleResult(numbers, findings)


def _unknown_size(row: Row, name: str, releases: Sequence[Support]) -> Finding | None:
    supports = [support for support in releases if support.split == row["split"]] or releases
    sizes = {str(support): _size(support, name, set()) for support in supports}
    sizes_in = {release: size for release, size in sizes.items() if size is not None}
    printed = cell(row)
    if not sizes_in or any(size in printed.range for size in sizes_in.values()):
        return None
    nearest = min(sizes_in, key=lambda release: abs(sizes_in[release] - printed.value))
    return Finding(
        place(row),
        f"{printed.text}{listed(row['split'], name)}",
        f"{sizes_in[nearest]} ({nearest}), or splits that make up the whole corpus",
        in_utterances(printed.value - sizes_in[nearest]),
        "likely",
    )


def _size(support: Support, name: str, classes: set[str]) -> int | None:
    """Utterances of a class, or of all. None: not known.

    Args:
        support: of a release.
        name: class. Empty: all.
        classes: classes that count as all. Empty: every class of the support.
    """
    counts: Mapping[str, int] = support.counts
    if name:
        return counts.get(name)
    if classes and set(counts) != {""}:
        return sum(counts[each] for each in classes) if classes <= set(counts) else None
    return support.size


def _sizes(case: Case) -> list[Row]:
    return [row for row in case.of("count") if row["unit"] in SIZES]


def _key(row: Row) -> tuple[str, ...]:
    return tuple(row[key] for key in ("table", "row", "metric_as_printed", "class", "split"))


def confusions(case: Case) -> RuleResult:
    """Check that misclassified utterances are at most support x (1 - recall).

    The largest known support counts.
    """
    pairs = [
        {**row, "label": row["class"].partition(" as ")[0]}
        for row in case.of("count")
        if " as " in row["class"]
    ]
    recalls = grouped(case.tables("recall"), "system", "split", "class")
    numbers, findings = 0, []
    for (system, split, label), group in grouped(pairs, "system", "split", "label").items():
        sizes = [
            support.counts[label]
            for support in case.supports
            if support.split in (split, "") and label in support.counts
        ]
        if (system, split, label) not in recalls or not sizes:
            continue
        numbers += len(group) + 1
        recall = cell(recalls[system, split, label][0])
        most = max(size * (1 - recall.range.low) for size in sizes)
        if total_range(group).low > most:
            terms = " + ".join(row["value"] for row in group)
            printed = f"{terms} {label} misclassified, recall {recall.text}"
            expected = f"at most {most:.0f} misclassified"
            off = in_utterances(total(group) - most)
            findings.append(Finding(place(group[0]), printed, expected, off, "likely"))
    return RuleResult(numbers, findings)
