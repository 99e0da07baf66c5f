"""Rules about scores of one system on one part: what they say of each other, and of the predictions behind them."""

from collections.abc import Iterable, Mapping, Sequence

from merflow.tables.audit.case import (
    Case,
    Cell,
    Finding,
    Looked,
    Range,
    Sure,
    cell,
    cells,
    in_points,
    in_utterances,
    place,
    titled,
)
from merflow.tables.audit.class_counts import Support
from merflow.tables.reported import Row, grouped

#: How far a printed F1 may lie below 2r/(1+r) and still be taken for it, as a share. A mean over folds does: by Jensen's inequality the
#: mean of 2r/(1+r) is below the same of the mean recall, and by more, the fewer utterances of a class a fold has.
AVERAGING = 0.025
FEWEST = 3  # cells: two that agree may be chance
SHIFT = 0.01  # of the utterances: by more than so much, means over runs do not move the sum of implied predictions
#: Metric of a class -> its means over the classes: weighted by support, and plain.
MEANS = {
    "recall": (("accuracy", True), ("weighted_recall", True), ("uar", False)),
    "f1": (("weighted_f1", True), ("macro_f1", False)),
    "precision": (("weighted_precision", True), ("macro_precision", False)),
}
#: F1, and the recall and precision whose harmonic mean it cannot exceed; weighted by support, the recall is the accuracy.
BOUNDS = (
    ("f1", ("recall",), "precision"),
    ("weighted_f1", ("weighted_recall", "accuracy"), "weighted_precision"),
    ("macro_f1", ("uar",), "macro_precision"),
)


def recall_is_accuracy(case: Case) -> Looked:
    """Recall weighted by support is the accuracy: sum of P/n x TP/P = sum of TP/n."""
    numbers, findings = 0, []
    for group in grouped(
        case.tables("accuracy", "weighted_recall"), "table", "system", "split"
    ).values():
        found = cells(group, "metric")
        if len(found) == 2:
            numbers += 2
            accuracy, recall = found["accuracy"], found["weighted_recall"]
            if not accuracy.range.meets(recall.range):
                printed = f"weighted recall {recall.text}, accuracy {accuracy.text}"
                off = in_points(recall.value - accuracy.value)
                findings.append(
                    Finding(place(group[0]), printed, "the same number twice", off, "certain")
                )
    return Looked(numbers, findings)


def means(case: Case) -> Looked:
    """A printed average is the mean of the classes that it is called: weighted by support, or plain.

    No mean lies outside the range of what it averages: that is certain. That it is none by any support that is known of the part is likely.
    """
    numbers, findings = 0, []
    for metric, averages in MEANS.items():
        for group in _rows(case, metric, *(name for name, _ in averages)):
            classes, found = _of(group, metric), _overall(group)
            if len(classes) < case.told:
                continue
            row = group[0]
            for name, weighted in averages:
                if name not in found:
                    continue
                supports = list(case.supports_of(row["split"], [*classes]))
                numbers += len(classes) + 1
                told, plain = found[name], _mean(classes, dict.fromkeys(classes, 1))
                lowest, highest = (
                    choose(one.range[end] for one in classes.values())
                    for choose, end in ((min, 0), (max, 1))
                )
                by = (
                    {str(one): _mean(classes, one.counts) for one in supports}
                    if weighted
                    else {"plain": plain}
                )
                outside = not told.range.meets(Range(lowest, highest))
                if not outside and (
                    not by or any(told.range.meets(mean.range) for mean in by.values())
                ):
                    continue
                near = min(
                    by or {"plain": plain},
                    key=lambda key: abs((by or {"plain": plain})[key].value - told.value),
                )
                nearest = (by or {"plain": plain})[near]
                values = ", ".join(f"{key} {one.text}" for key, one in classes.items())
                expected = f"{100 * nearest.value:.2f} % ({f'weighted by the support of {near}' if weighted and by else 'the plain mean'})"
                if outside:
                    expected += (
                        f", and nothing outside of {100 * lowest:.1f} to {100 * highest:.1f} %"
                    )
                elif weighted and told.range.meets(plain.range):
                    expected += "; it is the plain mean"
                printed = f"{titled(name)} {told.text}; {titled(metric)} of {values}"
                sure: Sure = "certain" if outside else "likely"
                findings.append(
                    Finding(
                        place(row), printed, expected, in_points(told.value - nearest.value), sure
                    )
                )
    return Looked(numbers, findings)


def f1_bounds(case: Case) -> Looked:
    """F1 is the harmonic mean of precision and recall, so it is at most 2r/(1+r), which precision 1 gives.

    The harmonic mean is concave: a mean of F1 over classes, runs or folds is at most that of the means of precision and recall.
    """
    numbers, findings = 0, []
    for name, recalls, precision in BOUNDS:
        scores = case.tables(name, precision, *recalls)
        for group in grouped(scores, "table", "system", "split", "class").values():
            found = cells(group, "metric")
            recall = next((found[one] for one in recalls if one in found), None)
            if name not in found or (recall is None and precision not in found):
                continue
            perfect = Cell(1.0, Range(1.0, 1.0), "1")
            r, p, f1 = recall or perfect, found.get(precision, perfect), found[name]
            numbers += 1 + (recall is not None) + (precision in found)
            most = _harmonic(r.range.high, p.range.high)
            if f1.range.low > most + 1e-9:
                row = next(row for row in group if row["metric"] == name)
                known = [
                    f"{titled(one)} {found[one].text}"
                    for one in (*recalls, precision)
                    if one in found
                ]
                about = f" ({row['class']})" if row["class"] else ""
                printed = f"F1 {f1.text}, {', '.join(known)}{about}"
                expected = f"F1 of at most {100 * most:.2f} %"
                findings.append(
                    Finding(
                        place(row),
                        printed,
                        expected,
                        in_points(f1.value - _harmonic(r.value, p.value)),
                        "certain",
                    )
                )
    return Looked(numbers, findings)


def precision_of_one(case: Case) -> Looked:
    """The F1 of a row's classes are not all 2r/(1+r) of their recall r, as if each precision were 1.

    Nobody's precision is 1 in every class, unless recall is: the other classes' errors go somewhere. It comes out so where the F1 of a
    class is computed on the utterances of that class alone, among which there are no false positives. A class with recall 0 has F1 0 under
    any precision and is no evidence.
    """
    numbers, findings = 0, []
    for group in _rows(case, "recall", "f1"):
        recalls, f1s = (_of(group, name) for name in ("recall", "f1"))
        both = [name for name in recalls if name in f1s and recalls[name].value > 0]
        numbers += 2 * len(both)
        implied = {name: _harmonic(recalls[name].value, 1.0) for name in both}
        fit = [
            _harmonic(recalls[name].range.low, 1.0) - AVERAGING <= f1s[name].range.high
            and f1s[name].range.low <= _harmonic(recalls[name].range.high, 1.0)
            for name in both
        ]
        if len(both) >= FEWEST and all(fit):
            printed = "recall and F1 of " + ", ".join(
                f"{name} {recalls[name].text} and {f1s[name].text}" for name in both
            )
            told = ", ".join(f"{name} {100 * implied[name]:.1f} %" for name in both)
            gaps = [f1s[name].value - implied[name] for name in both]
            off = f"{in_points(min(gaps))} to {in_points(max(gaps))} from 2r/(1+r)"
            expected = f"F1 below 2r/(1+r) of recall r, which is {told}: precision counts as 1 here"
            findings.append(Finding(place(group[0]), printed, expected, off, "likely"))
    return Looked(numbers, findings)


def implied_predictions(case: Case) -> Looked:
    """The predictions that recall and F1 imply, s (2r/F1 - 1) of a class with support s and at least its hits, add up to the utterances."""
    numbers, findings = 0, []
    for group in _rows(case, "recall", "f1"):
        recalls, f1s = (_of(group, name) for name in ("recall", "f1"))
        supports = (
            list(case.supports_of(group[0]["split"], [*recalls]))
            if set(recalls) == set(f1s)
            else []
        )
        if not supports or len(recalls) < case.told:
            continue
        numbers += 2 * len(recalls)
        totals = [(one, _predictions(recalls, f1s, one)) for one in supports]
        if any(one.size in total.range for one, total in totals):
            continue
        near, total = min(totals, key=lambda pair: abs(pair[1].value - pair[0].size) / pair[0].size)
        printed = "recall and F1 of " + ", ".join(
            f"{name} {recalls[name].text} and {f1s[name].text}" for name in recalls
        )
        expected = f"{near.size} predictions ({near}), not {total.value:.0f} ({total.range.low:.0f} to {total.range.high:.0f} by the digits)"
        beyond = max(total.range.low - near.size, near.size - total.range.high)
        sure: Sure = "likely" if beyond > SHIFT * near.size else "hint"
        findings.append(
            Finding(
                place(group[0]), printed, expected, in_utterances(total.value - near.size), sure
            )
        )
    return Looked(numbers, findings)


def whole_utterances(case: Case) -> Looked:
    """Recall times support, and accuracy times n, are whole numbers of utterances, where the digits tell these apart.

    Only supports by which the row's averages are right count, if there are any.
    """
    numbers, findings = 0, []
    for group in _rows(
        case, *MEANS, *(name for averages in MEANS.values() for name, _ in averages)
    ):
        recalls, row = _of(group, "recall"), group[0]
        overall = {name: told for name, told in _overall(group).items() if name == "accuracy"}
        if recalls:
            supports = list(case.supports_of(row["split"], [*recalls]))
            fitting = [one for one in supports if _fits(one, group)]
            sizes = {
                str(one): [(name, told, one.counts[name]) for name, told in recalls.items()]
                for one in fitting or supports
            }
        else:
            parts = [one for one in case.supports if one.split in case.tested(row["split"])]
            sizes = {
                str(one): [(name, told, one.size) for name, told in overall.items()]
                for one in parts
            }
            sizes |= {
                f"n = {size}": [(name, told, size) for name, told in overall.items()]
                for size in _printed_sizes(case, row["split"])
            }
        sharp = {
            key: [one for one in lines if (one[1].range.high - one[1].range.low) * one[2] < 1]
            for key, lines in sizes.items()
        }
        numbers += max(map(len, sharp.values()), default=0)
        wrong = {
            key: [one for one in lines if not _whole(one[1], one[2])]
            for key, lines in sharp.items()
        }
        if not wrong or not all(wrong.values()):
            continue
        near = min(wrong, key=lambda key: len(wrong[key]))
        printed = ", ".join(f"{titled(name)} {told.text}" for name, told, _ in wrong[near])
        expected = ", ".join(f"{_nearest(told, size)} of {size}" for _, told, size in wrong[near])
        off = max((_nearest_share(told, size) for _, told, size in wrong[near]), key=abs)
        findings.append(
            Finding(
                place(row),
                printed,
                f"a share of whole utterances: {expected} ({near})",
                in_points(off),
                "hint",
            )
        )
    return Looked(numbers, findings)


def below_majority(case: Case) -> Looked:
    """Accuracy is at least the share of the largest class, which naming that class always would give."""
    numbers, findings = 0, []
    for row in case.tables("accuracy"):
        known = [
            one
            for one in case.supports
            if len(one.counts) > 1 and one.split in case.tested(row["split"])
        ]
        largest = {
            str(one): (
                max(one.counts, key=one.counts.__getitem__),
                one.size,
                max(one.counts.values()),
            )
            for one in known
        }
        shares = {key: (name, count / size) for key, (name, size, count) in largest.items()}
        if not shares:
            continue
        numbers += 1
        told = cell(row)
        near = min(shares, key=lambda key: shares[key][1])
        if told.range.high < shares[near][1]:
            expected = (
                f"at least {100 * shares[near][1]:.2f} %, the share of {shares[near][0]} ({near})"
            )
            off = in_points(told.value - shares[near][1])
            findings.append(Finding(place(row), f"accuracy {told.text}", expected, off, "certain"))
    return Looked(numbers, findings)


def _rows(case: Case, *metrics: str) -> Iterable[list[Row]]:
    """Rows of tables with any of these metrics, each with all of its cells of them."""
    return grouped(case.tables(*metrics), "table", "row", "system", "split").values()


def _of(group: Sequence[Row], metric: str) -> dict[str, Cell]:
    """A metric of each class."""
    return cells(row for row in group if row["metric"] == metric)


def _overall(group: Sequence[Row]) -> dict[str, Cell]:
    """Each metric of all classes."""
    return cells((row for row in group if not row["class"]), "metric")


def _harmonic(recall: float, precision: float) -> float:
    return 2 * recall * precision / (recall + precision) if recall + precision else 0.0


def _mean(classes: Mapping[str, Cell], weights: Mapping[str, int]) -> Cell:
    """The weighted mean of classes, and its range."""
    total = sum(weights[name] for name in classes)
    low, value, high = (
        sum(weights[name] * number / total for name, number in ends)
        for ends in zip(
            *(
                [(name, one.range.low), (name, one.value), (name, one.range.high)]
                for name, one in classes.items()
            ),
            strict=True,
        )
    )
    return Cell(value, Range(low, high), f"{100 * value:.2f} %")


def _predictions(recalls: Mapping[str, Cell], f1s: Mapping[str, Cell], support: Support) -> Cell:
    """How many predictions recall and F1 imply, all classes together."""
    total, low, high = 0.0, 0.0, 0.0
    for name, size in support.counts.items():
        r, f1 = recalls[name], f1s[name]
        hits = max(r.range.low, 0.0) * size
        low += (
            max(size * (2 * r.range.low / f1.range.high - 1), hits) if f1.range.high > 0 else hits
        )
        high += (
            max(size * (2 * r.range.high / f1.range.low - 1), hits)
            if f1.range.low > 0
            else support.size
        )
        total += max(size * (2 * r.value / f1.value - 1), r.value * size) if f1.value > 0 else 0.0
    return Cell(total, Range(low, high), f"{total:.0f}")


def _fits(support: Support, group: Sequence[Row]) -> bool:
    """Whether the averages of a row are the means of its classes by this support."""
    found = _overall(group)
    for metric, averages in MEANS.items():
        classes = _of(group, metric)
        for name, weighted in averages:
            known = weighted and name in found and set(classes) == set(support.counts)
            if known and not found[name].range.meets(_mean(classes, support.counts).range):
                return False
    return True


def _printed_sizes(case: Case, split: str) -> Sequence[int]:
    """Sizes of a part that the paper prints."""
    sizes = (row for row in case.of("count") if row["unit"] == "utterances" and not row["class"])
    return [int(row["x"]) for row in sizes if row["split"] == split]


def _whole(told: Cell, size: int) -> bool:
    """Whether a whole number of `size` utterances has this share."""
    first = int(-(-told.range.low * size // 1))  # rounded up
    return first <= told.range.high * size


def _nearest(told: Cell, size: int) -> str:
    below = int(told.value * size)
    return f"{below} or {below + 1}"


def _nearest_share(told: Cell, size: int) -> float:
    """The printed share minus the nearest one of whole utterances."""
    return told.value - round(told.value * size) / size
