"""Rules about the predictions that printed scores imply: their number, and whole utterances."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from merflow.tables.audit.case import (
    Case,
    Cell,
    Finding,
    Range,
    RuleResult,
    in_points,
    in_utterances,
    place,
    titled,
)
from merflow.tables.audit.class_counts import Support
from merflow.tables.audit.scores import (
    MEANS,
    harmonic,
    mean_of,
    over_classes,
    per_class,
    rows_of,
)
from merflow.tables.reported import Row

#: How far, as a share, a printed F1 may lie below 2r/(1+r) and still be taken for it. A mean over
#: folds does: by Jensen's inequality the mean of 2r/(1+r) is below 2r/(1+r) of the mean recall,
#: and by more where a class has few utterances per fold.
AVERAGING = 0.025
FEWEST = 3  # classes: two that agree may be chance
SHIFT = 0.01  # share of the utterances by which means over runs may move implied predictions


def precision_of_one(case: Case) -> RuleResult:
    """Check that F1 is not 2r/(1+r) of recall r in every class.

    It would mean that precision is 1. No system has precision 1 in every class, unless recall is
    1, because errors of the other classes are false positives somewhere. F1 is 2r/(1+r) where it
    is computed on the utterances of one class alone, which have no false positives. A class with
    recall 0 has F1 0 with any precision and is no evidence.
    """
    numbers, findings = 0, []
    for group in rows_of(case, "recall", "f1"):
        recalls, f1s = (per_class(group, metric) for metric in ("recall", "f1"))
        names = [name for name in recalls if name in f1s and recalls[name].value > 0]
        numbers += 2 * len(names)
        if len(names) < FEWEST or not all(_precision_one(recalls[k], f1s[k]) for k in names):
            continue
        implied = {name: harmonic(recalls[name].value, 1.0) for name in names}
        bounds = ", ".join(f"{name} {100 * bound:.1f} %" for name, bound in implied.items())
        gaps = [f1s[name].value - implied[name] for name in names]
        findings.append(
            Finding(
                place(group[0]),
                _recalls_and_f1s(recalls, f1s, names),
                f"F1 below 2r/(1+r) of recall r: {bounds}. Precision counts as 1 here",
                f"{in_points(min(gaps))} to {in_points(max(gaps))} from 2r/(1+r)",
                "likely",
            )
        )
    return RuleResult(numbers, findings)


def _precision_one(recall: Cell, f1: Cell) -> bool:
    """Tell whether F1 may be 2r/(1+r) of recall r, or its mean over folds."""
    lowest, highest = (harmonic(limit, 1.0) for limit in recall.range)
    return lowest - AVERAGING <= f1.range.high and f1.range.low <= highest


def _recalls_and_f1s(
    recalls: Mapping[str, Cell], f1s: Mapping[str, Cell], names: Sequence[str]
) -> str:
    pairs = (f"{name} {recalls[name].text} and {f1s[name].text}" for name in names)
    return f"recall and F1 of {', '.join(pairs)}"


def implied_predictions(case: Case) -> RuleResult:
    """Check that the predictions that recall and F1 imply add up.

    A class with support s has s (2r/F1 - 1) predictions, and at least its hits.
    """
    numbers, findings = 0, []
    for group in rows_of(case, "recall", "f1"):
        recalls, f1s = (per_class(group, metric) for metric in ("recall", "f1"))
        supports = case.supports_of(group[0]["split"], [*recalls])
        if set(recalls) != set(f1s) or not supports or len(recalls) < case.n_classes:
            continue
        numbers += 2 * len(recalls)
        totals = [(support, _predictions(recalls, f1s, support)) for support in supports]
        if any(support.size in total.range for support, total in totals):
            continue
        support, total = min(
            totals, key=lambda pair: abs(pair[1].value - pair[0].size) / pair[0].size
        )
        low, high = total.range
        beyond = max(low - support.size, support.size - high)
        findings.append(
            Finding(
                place(group[0]),
                _recalls_and_f1s(recalls, f1s, list(recalls)),
                f"{support.size} predictions ({support}), not {total.value:.0f}"
                f" ({low:.0f} to {high:.0f} by the digits)",
                in_utterances(total.value - support.size),
                "likely" if beyond > SHIFT * support.size else "hint",
            )
        )
    return RuleResult(numbers, findings)


def _predictions(recalls: Mapping[str, Cell], f1s: Mapping[str, Cell], support: Support) -> Cell:
    """Number of predictions that recall and F1 imply, all classes together."""
    total = low = high = 0.0
    for name, size in support.counts.items():
        recall, f1 = recalls[name], f1s[name]
        hits = max(recall.range.low, 0.0) * size
        low += max(_implied(size, recall.range.low, f1.range.high, 0.0), hits)
        high += max(_implied(size, recall.range.high, f1.range.low, support.size), hits)
        if f1.value > 0:
            total += max(_implied(size, recall.value, f1.value, 0.0), recall.value * size)
    return Cell(total, Range(low, high), f"{total:.0f}")


def _implied(size: int, recall: float, f1: float, otherwise: float) -> float:
    """Predictions s (2r/F1 - 1) of a class, or `otherwise` where F1 is 0."""
    return size * (2 * recall / f1 - 1) if f1 > 0 else otherwise


class Share(NamedTuple):
    """A printed share of a number of utterances, which should be whole."""

    metric: str
    number: Cell
    size: int

    @property
    def sharp(self) -> bool:
        """Tell whether the digits distinguish whole numbers."""
        return (self.number.range.high - self.number.range.low) * self.size < 1

    @property
    def whole(self) -> bool:
        """Tell whether a whole number of utterances has this share."""
        first = int(-(-self.number.range.low * self.size // 1))  # rounded up
        return first <= self.number.range.high * self.size

    @property
    def neighbours(self) -> str:
        """Whole numbers below and above."""
        below = int(self.number.value * self.size)
        return f"{below} or {below + 1} of {self.size}"

    @property
    def off(self) -> float:
        """The printed share minus the nearest share of whole utterances."""
        return self.number.value - round(self.number.value * self.size) / self.size


def whole_utterances(case: Case) -> RuleResult:
    """Check that recall x support and accuracy x n are whole numbers.

    If the averages of the row fit some of the known supports, only these count.
    """
    numbers, findings = 0, []
    averages = [name for means in MEANS.values() for name, _ in means]
    for group in rows_of(case, *MEANS, *averages):
        sharp = {
            support: [share for share in shares if share.sharp]
            for support, shares in _shares(case, group).items()
        }
        numbers += max(map(len, sharp.values()), default=0)
        wrong = {
            support: [share for share in shares if not share.whole]
            for support, shares in sharp.items()
        }
        if not wrong or not all(wrong.values()):
            continue
        nearest = min(wrong, key=lambda support: len(wrong[support]))
        shares = wrong[nearest]
        neighbours = ", ".join(share.neighbours for share in shares)
        findings.append(
            Finding(
                place(group[0]),
                ", ".join(f"{titled(share.metric)} {share.number.text}" for share in shares),
                f"a share of whole utterances: {neighbours} ({nearest})",
                in_points(max((share.off for share in shares), key=abs)),
                "hint",
            )
        )
    return RuleResult(numbers, findings)


def _shares(case: Case, group: Sequence[Row]) -> dict[str, list[Share]]:
    """Support -> its shares in a row: recalls, or the accuracy where none are printed."""
    split, recalls = group[0]["split"], per_class(group, "recall")
    if recalls:
        supports = case.supports_of(split, [*recalls])
        fitting = [support for support in supports if _fits(support, group)]
        return {
            str(support): [Share(k, each, support.counts[k]) for k, each in recalls.items()]
            for support in fitting or supports
        }
    accuracy = over_classes(group).get("accuracy")
    sizes = {str(support): support.size for support in case.supports_of(split)}
    sizes |= {f"n = {size}": size for size in _printed_sizes(case, split)}
    return {
        support: [Share("accuracy", accuracy, size)] if accuracy else []
        for support, size in sizes.items()
    }


def _fits(support: Support, group: Sequence[Row]) -> bool:
    """Tell whether the averages of a row may be means with this support."""
    scores = over_classes(group)
    for metric, means in MEANS.items():
        classes = per_class(group, metric)
        if set(classes) != set(support.counts):
            continue
        mean = mean_of(classes, support.counts)
        weighted = [scores[name] for name, by_support in means if by_support and name in scores]
        if any(not number.range.overlaps(mean.range) for number in weighted):
            return False
    return True


def _printed_sizes(case: Case, split: str) -> list[int]:
    """Sizes of a split that the paper prints."""
    return [
        int(row["cell"].value)
        for row in case.of("count")
        if row["unit"] == "utterances" and not row["class"] and row["split"] == split
    ]
