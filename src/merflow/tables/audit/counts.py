"""Rules about sizes of parts and shares of classes."""

from collections.abc import Mapping

from merflow.evaluation.metrics import BALANCE
from merflow.tables.audit.case import (
    Case,
    Finding,
    Looked,
    Range,
    Sure,
    cell,
    cells,
    in_points,
    in_utterances,
    place,
    total,
)
from merflow.tables.reported import Row, grouped

SIZES = ("utterances", "instances")  # units of the sizes of parts and classes


def sums(case: Case) -> Looked:
    """Sizes of classes add up to their part, sizes of parts to the whole.

    Classes are added where all that the paper tells apart are printed. Where a part is not named, the others may only be too large; that
    they are too small is a hint.
    """
    sizes = _sizes(case)
    numbers, findings = set(), []
    for whole in sizes:
        for over, fixed in (("class", "split"), ("split", "class")):
            if whole[over]:
                continue
            parts = [
                row
                for row in sizes
                if row[over] and row[fixed] == whole[fixed] and row["unit"] == whole["unit"]
            ]
            for group in grouped(parts, "table").values():
                names = {row[over] for row in group}
                complete = (
                    len(group) >= case.told
                    if over == "class"
                    else {"train", "dev", "test"} <= names
                )
                if len(group) < 2 or not (complete or over == "split"):
                    continue
                numbers |= {_key(whole), *map(_key, group)}
                added_up, told = total(group), cell(whole)
                if added_up in told.range or (
                    over == "split"
                    and not complete
                    and added_up < told.range.low
                    and "dev" in names
                ):
                    continue
                sure: Sure = "certain" if complete or added_up > told.range.high else "hint"
                added = " + ".join(f"{row['value']} ({row[over]})" for row in group)
                printed = (
                    f"{added}, and {told.text}{f' ({whole[fixed]})' if whole[fixed] else ''} in all"
                )
                expected = f"a sum of {told.text}, not {added_up:.0f}" + (
                    "" if complete else "; unless the rest is in parts that are not named"
                )
                findings.append(
                    Finding(
                        place(whole), printed, expected, in_utterances(added_up - told.value), sure
                    )
                )
    return Looked(len(numbers), findings)


def part_shares(case: Case) -> Looked:
    """The share of a part is its size divided by that of all parts, in each class; one utterance more or less is not counted."""
    sizes, numbers, findings = _sizes(case), 0, []
    for row in case.of("part_share"):
        here = [size for size in sizes if size["table"] == row["table"] and size["split"]]
        wrong = []
        share = cell(row)
        for (name,), group in grouped(here, "class").items():
            mine, every = (
                total(size for size in group if size["split"] == row["split"]),
                total(group),
            )
            if not mine or len(group) < 2:
                continue
            numbers += len(group)
            if not share.range.meets(Range((mine - 1) / every, (mine + 1) / every)):
                wrong.append(
                    (
                        mine / every - share.value,
                        f"{mine:.0f} of {every:.0f}{f' ({name})' if name else ''}",
                    )
                )
        numbers += bool(len(here))
        if wrong:
            off, _ = max(wrong, key=lambda one: abs(one[0]))
            printed = f"{share.text}, and {', '.join(told for _, told in wrong)}"
            findings.append(
                Finding(
                    place(row),
                    printed,
                    f"{share.text} of the utterances",
                    in_points(off),
                    "certain",
                )
            )
    return Looked(numbers, findings)


def hundred(case: Case) -> Looked:
    """Shares of which each utterance or speaker has one add up to 100 %: present and absent, all parts, all sorts of speakers."""
    counted = [row for row in case.of("count") if row["unit"] == "percent"]
    groups = [
        *grouped(case.of(*BALANCE), "table", "class", "split").values(),
        *grouped(case.of("part_share"), "table").values(),
        *grouped(counted, "table", "row").values(),
    ]
    numbers, findings = 0, []
    for group in groups:
        if len(group) < 2:
            continue
        numbers += len(group)
        if 1.0 not in Range(total(group, "low") - 1e-9, total(group, "high") + 1e-9):
            row = group[0]
            about = " ".join(filter(None, (row["class"], row["split"])))
            printed = " + ".join(cell(one).text for one in group) + (f" ({about})" if about else "")
            findings.append(
                Finding(
                    place(row), printed, "a sum of 100 %", in_points(total(group) - 1), "certain"
                )
            )
    return Looked(numbers, findings)


def imbalance(case: Case) -> Looked:
    """A ratio of absent to present that the text gives of a class is the one of the shares that a table prints of it."""
    numbers, findings = 0, []
    for row in case.of("imbalance"):
        told, ratios = cell(row), {}
        shares = [share for share in case.of(*BALANCE) if share["class"] == row["class"]]
        for (split,), group in grouped(shares, "split").items():
            present, absent = (
                cells(group, "metric").get(name) for name in ("present_share", "absent_share")
            )
            if present and absent and present.range.low > 0:
                ratios[f"{absent.text} / {present.text} ({split})"] = (
                    absent.value / present.value,
                    Range(
                        absent.range.low / present.range.high, absent.range.high / present.range.low
                    ),
                )
        numbers += bool(ratios) + 2 * len(ratios)
        if ratios and not any(told.range.meets(limits) for _, limits in ratios.values()):
            near = min(
                (ratio for ratio, _ in ratios.values()), key=lambda ratio: abs(ratio - told.value)
            )
            found = " and ".join(f"{words} = {ratio:.1f}" for words, (ratio, _) in ratios.items())
            expected = f"a ratio of {found}"
            off = f"{told.value - near:+.1f}"
            findings.append(
                Finding(place(row), f"1:{told.text} ({row['class']})", expected, off, "likely")
            )
    return Looked(numbers, findings)


def known_sizes(case: Case) -> Looked:
    """A part has the size that it has in a release of the corpus, or all parts together have: papers may split a corpus anew."""
    sizes = [row for row in _sizes(case) if row["unit"] == "utterances" and row["split"]]
    releases = [one for one in case.supports if not one.release.startswith("Table")]
    classes = {row["class"] for row in sizes} - {""}
    numbers, findings = 0, []
    for (_, name), group in grouped(sizes, "table", "class").items():
        numbers += len(group) if releases else 0
        whole = [
            size
            for one in releases
            if not one.split and (size := _size(one.counts, name, classes)) is not None
        ]
        if any(size in Range(total(group, "low"), total(group, "high")) for size in whole):
            continue
        for row in group:
            parts = [
                (str(one), _size(one.counts, name, set()))
                for one in releases
                if one.split == row["split"]
            ]
            has = {release: size for release, size in parts if size is not None}
            told = cell(row)
            if has and not any(size in told.range for size in has.values()):
                near = min(has, key=lambda release: abs(has[release] - told.value))
                about = " ".join(filter(None, (row["split"], name)))
                expected = f"{has[near]} ({near}), or parts that make up the whole corpus"
                findings.append(
                    Finding(
                        place(row),
                        f"{told.text} ({about})",
                        expected,
                        in_utterances(told.value - has[near]),
                        "likely",
                    ),
                )
    return Looked(numbers, findings)


def _size(counts: Mapping[str, int], name: str, classes: set[str]) -> int | None:
    """Utterances of a class; of all for the name "", or of `classes` alone where any are given. None: not known."""
    if name:
        return counts.get(name)
    if classes and set(counts) != {""}:
        return sum(counts[one] for one in classes) if classes <= set(counts) else None
    return sum(counts.values())


def _sizes(case: Case) -> list[Row]:
    return [row for row in case.of("count") if row["unit"] in SIZES]


def _key(row: Row) -> tuple[str, ...]:
    return tuple(row[key] for key in ("table", "row", "metric_as_printed", "class", "split"))


def confusions(case: Case) -> Looked:
    """Of a class no more utterances are told wrong than its recall leaves, of any size that it is known to have."""
    pairs = [
        {**row, "true": row["class"].partition(" as ")[0]}
        for row in case.of("count")
        if " as " in row["class"]
    ]
    recalls = grouped(case.tables("recall"), "system", "split", "class")
    numbers, findings = 0, []
    for (system, split, true), wrong in grouped(pairs, "system", "split", "true").items():
        mine = recalls.get((system, split, true))
        sizes = [
            one.counts[true]
            for one in case.supports
            if one.split in (split, "") and true in one.counts
        ]
        if not mine or not sizes:
            continue
        numbers += len(wrong) + 1
        recall = cell(mine[0])
        most = max(size * (1 - recall.range.low) for size in sizes)
        if total(wrong, "low") > most:
            printed = f"{' + '.join(row['value'] for row in wrong)} {true} told wrong, recall {recall.text}"
            off = in_utterances(total(wrong) - most)
            findings.append(
                Finding(place(wrong[0]), printed, f"at most {most:.0f} told wrong", off, "likely")
            )
    return Looked(numbers, findings)
