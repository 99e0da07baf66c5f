"""Rules about scores of one system on one split: averages, bounds, and the largest class."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from merflow.tables.audit.case import (
    Case,
    Cell,
    Finding,
    Range,
    RuleResult,
    cell,
    cells,
    in_points,
    listed,
    place,
    titled,
)
from merflow.tables.audit.class_counts import Support
from merflow.tables.reported import Row, grouped

#: Metric of a class -> its means over the classes, and whether they are weighted by support.
MEANS = {
    "recall": (("accuracy", True), ("weighted_recall", True), ("uar", False)),
    "f1": (("weighted_f1", True), ("macro_f1", False)),
    "precision": (("weighted_precision", True), ("macro_precision", False)),
}
#: F1, and the recall and precision whose harmonic mean it cannot exceed. Recall weighted by
#: support is the accuracy.
BOUNDS = (
    ("f1", ("recall",), "precision"),
    ("weighted_f1", ("weighted_recall", "accuracy"), "weighted_precision"),
    ("macro_f1", ("uar",), "macro_precision"),
)
PERFECT = Cell(1.0, Range(1.0, 1.0), "1")


def rows_of(case: Case, *metrics: str) -> list[list[Row]]:
    """Rows of tables with any of these metrics, each with all its cells of them."""
    return list(grouped(case.tables(*metrics), "table", "row", "system", "split").values())


def per_class(group: Sequence[Row], metric: str) -> dict[str, Cell]:
    """A metric of each class."""
    return cells(row for row in group if row["metric"] == metric)


def over_classes(group: Sequence[Row]) -> dict[str, Cell]:
    """Each metric over all classes."""
    return cells((row for row in group if not row["class"]), "metric")


def harmonic(recall: float, precision: float) -> float:
    """Harmonic mean, which is F1."""
    return 2 * recall * precision / (recall + precision) if recall + precision else 0.0


def mean_of(classes: Mapping[str, Cell], weights: Mapping[str, int]) -> Cell:
    """Weighted mean of classes, and its range."""
    total = sum(weights[name] for name in classes)
    terms = [(weights[name], number) for name, number in classes.items()]
    value = sum(weight * number.value / total for weight, number in terms)
    low = sum(weight * number.range.low / total for weight, number in terms)
    high = sum(weight * number.range.high / total for weight, number in terms)
    return Cell(value, Range(low, high), f"{100 * value:.2f} %")


def recall_is_accuracy(case: Case) -> RuleResult:
    """Check that weighted recall is the accuracy.

    Both are the sum of TP/n over the classes.
    """
    numbers, findings = 0, []
    rows = case.tables("accuracy", "weighted_recall")
    for group in grouped(rows, "table", "system", "split").values():
        scores = cells(group, "metric")
        if len(scores) < 2:
            continue
        numbers += 2
        accuracy, recall = scores["accuracy"], scores["weighted_recall"]
        if not accuracy.range.overlaps(recall.range):
            printed = f"weighted recall {recall.text}, accuracy {accuracy.text}"
            off = in_points(recall.value - accuracy.value)
            findings.append(Finding(place(group[0]), printed, "two equal numbers", off, "certain"))
    return RuleResult(numbers, findings)


class Average(NamedTuple):
    """A printed average of a metric over classes.

    Attributes:
        row: in which it stands.
        metric: of the classes.
        name: of the average, such as UAR for recall.
        weighted: by support, not a plain mean.
        classes: number of each class.
        number: the average.
        supports: supports of the split.
    """

    row: Row
    metric: str
    name: str
    weighted: bool
    classes: dict[str, Cell]
    number: Cell
    supports: Sequence[Support]


def averages(case: Case) -> RuleResult:
    """Check that an average is the weighted or plain mean over its classes.

    An average outside the range of its classes is certain to be wrong. An average that no known
    support of the split gives is likely to be wrong.
    """
    every = list(_averages(case))
    findings = [finding for average in every if (finding := _wrong_average(average))]
    return RuleResult(sum(len(average.classes) + 1 for average in every), findings)


def _averages(case: Case) -> Iterator[Average]:
    for metric, means in MEANS.items():
        for group in rows_of(case, metric, *(name for name, _ in means)):
            classes, scores, row = per_class(group, metric), over_classes(group), group[0]
            if len(classes) < case.n_classes:
                continue
            supports = case.supports_of(row["split"], [*classes])
            for name, weighted in means:
                if name in scores:
                    number = scores[name]
                    yield Average(row, metric, name, weighted, classes, number, supports)


def _wrong_average(average: Average) -> Finding | None:
    classes, number = average.classes, average.number
    plain = mean_of(classes, dict.fromkeys(classes, 1))
    weighted = {str(each): mean_of(classes, each.counts) for each in average.supports}
    means = weighted if average.weighted else {"plain": plain}
    limits = Range(
        min(each.range.low for each in classes.values()),
        max(each.range.high for each in classes.values()),
    )
    outside = not number.range.overlaps(limits)
    fits = not means or any(number.range.overlaps(mean.range) for mean in means.values())
    if fits and not outside:
        return None
    means = means or {"plain": plain}
    nearest = min(means, key=lambda key: abs(means[key].value - number.value))
    kind = "the plain mean" if nearest == "plain" else f"weighted by the support of {nearest}"
    expected = f"{100 * means[nearest].value:.2f} % ({kind})"
    if outside:
        expected += f", and nothing outside {100 * limits.low:.1f} to {100 * limits.high:.1f} %"
    elif average.weighted and number.range.overlaps(plain.range):
        expected += "; it is the plain mean"
    values = ", ".join(f"{name} {each.text}" for name, each in classes.items())
    return Finding(
        place(average.row),
        f"{titled(average.name)} {number.text}; {titled(average.metric)} of {values}",
        expected,
        in_points(number.value - means[nearest].value),
        "certain" if outside else "likely",
    )


def f1_bounds(case: Case) -> RuleResult:
    """Check that F1 is at most the harmonic mean of precision and recall.

    Without a printed precision the bound is 2r/(1+r). The harmonic mean is concave, so the bound
    also holds for means over classes, runs or folds.
    """
    numbers, findings = 0, []
    for f1, recalls, precision in BOUNDS:
        rows = case.tables(f1, *recalls, precision)
        for group in grouped(rows, "table", "system", "split", "class").values():
            scores = cells(group, "metric")
            factor_metrics = [metric for metric in (*recalls, precision) if metric in scores]
            if f1 not in scores or not factor_metrics:
                continue
            recall = next((scores[metric] for metric in recalls if metric in scores), None)
            numbers += 1 + (recall is not None) + (precision in scores)
            factors = recall or PERFECT, scores.get(precision, PERFECT)
            if finding := _above_bound(group, f1, factor_metrics, factors):
                findings.append(finding)
    return RuleResult(numbers, findings)


def _above_bound(
    group: Sequence[Row], f1: str, factor_metrics: Sequence[str], factors: tuple[Cell, Cell]
) -> Finding | None:
    """Finding where F1 exceeds its bound.

    Args:
        group: scores of one row, of one class or of all.
        f1: metric of the F1.
        factor_metrics: metrics of the recalls and of the precision that are printed.
        factors: recall and precision.
    """
    scores = cells(group, "metric")
    number, bound = scores[f1], harmonic(*(factor.range.high for factor in factors))
    if number.range.low <= bound + 1e-9:
        return None
    row = next(row for row in group if row["metric"] == f1)
    texts = ", ".join(f"{titled(metric)} {scores[metric].text}" for metric in factor_metrics)
    printed = f"F1 {number.text}, {texts}{listed(row['class'])}"
    off = in_points(number.value - harmonic(*(factor.value for factor in factors)))
    return Finding(place(row), printed, f"F1 of at most {100 * bound:.2f} %", off, "certain")


def below_majority(case: Case) -> RuleResult:
    """Check that accuracy is at least the share of the largest class."""
    numbers, findings = 0, []
    for row in case.tables("accuracy"):
        supports = [each for each in case.supports_of(row["split"]) if len(each.counts) > 1]
        if not supports:
            continue
        numbers += 1
        number = cell(row)
        support = min(supports, key=lambda each: max(each.counts.values()) / each.size)
        largest = max(support.counts, key=support.counts.__getitem__)
        share = support.counts[largest] / support.size
        if number.range.high < share:
            expected = f"at least {100 * share:.2f} %, the share of {largest} ({support})"
            off = in_points(number.value - share)
            printed = f"accuracy {number.text}"
            findings.append(Finding(place(row), printed, expected, off, "certain"))
    return RuleResult(numbers, findings)
