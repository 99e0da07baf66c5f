"""Rules about sizes of parts and shares of classes."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from merflow.evaluation.metrics import BALANCE
from merflow.tables.audit.case import Case, Cell, Finding, Looked, Range, Sure, cell, cells, in_points, in_utterances, place

SIZES = ("utterances", "instances")  # units of the sizes of parts and classes


def sums(case: Case) -> Looked:
    """Sizes of classes add up to their part, sizes of parts to the whole.

    Classes are added where all that the paper tells apart are printed. Where a part is not named, the others may only be too large; that
    they are too small is a hint.
    """
    sizes = _sizes(case)
    numbers, findings = set(), []
    for whole in sizes.to_dict("records"):
        for over, fixed in (("class", "split"), ("split", "class")):
            if whole[over]:
                continue
            parts = sizes[(sizes[over] != "") & (sizes[fixed] == whole[fixed]) & (sizes["unit"] == whole["unit"])]
            for _, group in parts.groupby("table", sort=False):
                complete = len(group) >= case.told if over == "class" else {"train", "dev", "test"} <= set(group[over])
                if len(group) < 2 or not (complete or over == "split"):
                    continue
                numbers |= {_key(whole), *map(_key, group.to_dict("records"))}
                total, told = group["x"].sum(), cell(whole)
                if total in told.range or (over == "split" and not complete and total < told.range.low and "dev" in set(group[over])):
                    continue
                sure: Sure = "certain" if complete or total > told.range.high else "hint"
                added = " + ".join(f"{row['value']} ({row[over]})" for row in group.to_dict("records"))
                printed = f"{added}, and {told.text}{f' ({whole[fixed]})' if whole[fixed] else ''} in all"
                expected = f"a sum of {told.text}, not {total:.0f}" + (
                    "" if complete else "; unless the rest is in parts that are not named"
                )
                findings.append(Finding(place(whole), printed, expected, in_utterances(total - told.value), sure))
    return Looked(len(numbers), findings)


def part_shares(case: Case) -> Looked:
    """The share of a part is its size divided by that of all parts, in each class; one utterance more or less is not counted."""
    sizes, numbers, findings = _sizes(case), 0, []
    shares = case.of("part_share")
    for row in shares.to_dict("records"):
        here = sizes[(sizes["table"] == row["table"]) & (sizes["split"] != "")]
        wrong = []
        share = cell(row)
        for name, group in here.groupby("class", sort=False):
            mine, total = group.loc[group["split"] == row["split"], "x"].sum(), group["x"].sum()
            if not mine or len(group) < 2:
                continue
            numbers += len(group)
            if not share.range.meets(Range((mine - 1) / total, (mine + 1) / total)):
                wrong.append((mine / total - share.value, f"{mine:.0f} of {total:.0f}{f' ({name})' if name else ''}"))
        numbers += bool(len(here))
        if wrong:
            off, _ = max(wrong, key=lambda one: abs(one[0]))
            printed = f"{share.text}, and {', '.join(told for _, told in wrong)}"
            findings.append(Finding(place(row), printed, f"{share.text} of the utterances", in_points(off), "certain"))
    return Looked(numbers, findings)


def hundred(case: Case) -> Looked:
    """Shares of which each utterance or speaker has one add up to 100 %: present and absent, all parts, all sorts of speakers."""
    groups = [*case.of(*BALANCE).groupby(["table", "class", "split"], sort=False)]
    groups += [*case.of("part_share").groupby(["table"], sort=False)]
    counted = case.of("count")
    groups += [*counted[counted["unit"] == "percent"].groupby(["table", "row"], sort=False)]
    numbers, findings = 0, []
    for _, group in groups:
        if len(group) < 2:
            continue
        numbers += len(group)
        if 1.0 not in Range(group["low"].sum() - 1e-9, group["high"].sum() + 1e-9):
            row = group.iloc[0]
            about = " ".join(filter(None, (row["class"], row["split"])))
            printed = " + ".join(cell(one).text for one in group.to_dict("records")) + (f" ({about})" if about else "")
            findings.append(Finding(place(row), printed, "a sum of 100 %", in_points(group["x"].sum() - 1), "certain"))
    return Looked(numbers, findings)


def imbalance(case: Case) -> Looked:
    """A ratio of absent to present that the text gives of a class is the one of the shares that a table prints of it."""
    numbers, findings = 0, []
    for row in case.of("imbalance").to_dict("records"):
        told, ratios = cell(row), {}
        shares = case.of(*BALANCE)
        for split, group in shares[shares["class"] == row["class"]].groupby("split", sort=False):
            present, absent = (cells(group, "metric").get(name) for name in ("present_share", "absent_share"))
            if present and absent and present.range.low > 0:
                ratios[f"{absent.text} / {present.text} ({split})"] = (
                    absent.value / present.value,
                    Range(absent.range.low / present.range.high, absent.range.high / present.range.low),
                )
        numbers += bool(ratios) + 2 * len(ratios)
        if ratios and not any(told.range.meets(limits) for _, limits in ratios.values()):
            near = min((ratio for ratio, _ in ratios.values()), key=lambda ratio: abs(ratio - told.value))
            found = " and ".join(f"{words} = {ratio:.1f}" for words, (ratio, _) in ratios.items())
            expected = f"a ratio of {found}"
            off = f"{told.value - near:+.1f}"
            findings.append(Finding(place(row), f"1:{told.text} ({row['class']})", expected, off, "likely"))
    return Looked(numbers, findings)


def known_sizes(case: Case) -> Looked:
    """A part has the size that it has in a release of the corpus, or all parts together have: papers may split a corpus anew."""
    sizes = _sizes(case)
    sizes = sizes[(sizes["unit"] == "utterances") & (sizes["split"] != "")]
    releases = [one for one in case.supports if not one.release.startswith("Table")]
    classes = set(sizes["class"]) - {""}
    numbers, findings = 0, []
    for (_, name), group in sizes.groupby(["table", "class"], sort=False):
        numbers += len(group) if releases else 0
        whole = [size for one in releases if not one.split and (size := _size(one.counts, name, classes)) is not None]
        if any(size in Range(group["low"].sum(), group["high"].sum()) for size in whole):
            continue
        for row in group.to_dict("records"):
            parts = [(str(one), _size(one.counts, name, set())) for one in releases if one.split == row["split"]]
            has = {release: size for release, size in parts if size is not None}
            told = cell(row)
            if has and not any(size in told.range for size in has.values()):
                near = min(has, key=lambda release: abs(has[release] - told.value))
                about = " ".join(filter(None, (row["split"], name)))
                expected = f"{has[near]} ({near}), or parts that make up the whole corpus"
                findings.append(
                    Finding(place(row), f"{told.text} ({about})", expected, in_utterances(told.value - has[near]), "likely"),
                )
    return Looked(numbers, findings)


def _size(counts: Mapping[str, int], name: str, classes: set[str]) -> int | None:
    """Utterances of a class; of all for the name "", or of `classes` alone where any are given. None: not known."""
    if name:
        return counts.get(name)
    if classes and set(counts) != {""}:
        return sum(counts[one] for one in classes) if classes <= set(counts) else None
    return sum(counts.values())


def _sizes(case: Case) -> pd.DataFrame:
    found = case.of("count")
    return found[found["unit"].isin(SIZES)]


def _key(row: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(row[key] for key in ("table", "row", "metric_as_printed", "class", "split"))


def confusions(case: Case) -> Looked:
    """Of a class no more utterances are told wrong than its recall leaves, of any size that it is known to have."""
    counts = case.of("count")
    pairs = counts[counts["class"].str.contains(" as ", regex=False)]
    recalls = case.tables("recall")
    numbers, findings = 0, []
    for (system, split), group in pairs.groupby(["system", "split"], sort=False):
        for true, wrong in group.groupby(group["class"].str.partition(" as ")[0], sort=False):
            mine = recalls[(recalls["system"] == system) & (recalls["split"] == split) & (recalls["class"] == true)]
            sizes = [one.counts[true] for one in case.supports if one.split in (split, "") and true in one.counts]
            if mine.empty or not sizes:
                continue
            numbers += len(wrong) + 1
            recall: Cell = cell(mine.iloc[0])
            most = max(size * (1 - recall.range.low) for size in sizes)
            if wrong["low"].sum() > most:
                printed = f"{' + '.join(wrong['value'])} {true} told wrong, recall {recall.text}"
                off = in_utterances(wrong["x"].sum() - most)
                findings.append(Finding(place(wrong.iloc[0]), printed, f"at most {most:.0f} told wrong", off, "likely"))
    return Looked(numbers, findings)
