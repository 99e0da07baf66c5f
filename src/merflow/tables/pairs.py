"""Pairs of scores that decide a claim (merflow.tables.claims)."""

from collections.abc import Callable
from math import isnan
from typing import NamedTuple

from merflow.corpora.labels import CLASSES
from merflow.evaluation.metrics import pairs_of
from merflow.tables.claims import (
    Claim,
    ClassExtreme,
    ClassWeights,
    Order,
    Spread,
    classes_of,
    versus,
)
from merflow.tables.comparison import UNWEIGHTED, Comparison, name_of, part_of


class Score(NamedTuple):
    """A score on test, or a loss on dev; `name`: of the class, or pair of classes; none: of all."""

    system: str
    metric: str
    name: str = ""

    def __str__(self) -> str:
        return f"{name_of(self.metric, part_of(self.metric))} of {self.system}"

    @property
    def full(self) -> str:
        """With the name of the class."""
        return f"{self}{f' ({self.name})' if self.name else ''}"


class Pair(NamedTuple):
    """Two scores, the first meant to be higher, by more than `by`."""

    higher: Score
    lower: Score
    by: float = 0.0

    @property
    def scores(self) -> tuple[Score, Score]:
        """Both."""
        return self.higher, self.lower


def pairs(view: Comparison, claim: Claim, value: Callable[[Score], float]) -> list[Pair]:
    """The pairs that decide a claim; a spread is decided by none.

    `value` of a score, NaN where there is none, says in which direction two classes are confused more.
    """
    rule = claim.decided_by
    if isinstance(rule, Order):
        names, by = classes_of(rule.classes, view.corpus), (rule.by or 0) / 100
        return [
            Pair(Score(a, one, name), Score(b, one, name), by)
            for one in rule.metrics
            for name in names
            for a, b in versus(rule)
        ]
    if isinstance(rule, Spread):
        return []
    own = [
        name
        for name in dict.fromkeys(row["system"] for row in view.printed if row["split"] == "test")
        if view.kind(name) != "cited"
    ]
    found: list[Pair] = []
    for system in own if rule.systems == "all" else rule.systems:
        if isinstance(rule, ClassWeights):
            ours = [
                Score(system, one, name)
                for one in rule.metrics
                for name in classes_of(rule.classes, view.corpus)
            ]
            found += [Pair(score, score._replace(system=f"{system}{UNWEIGHTED}")) for score in ours]
        elif isinstance(rule, ClassExtreme):
            scores = {name: Score(system, rule.metric, name) for name in CLASSES[view.corpus]}
            if rule.lowest is not None:
                found += [
                    Pair(scores[name], scores[rule.lowest])
                    for name in scores
                    if name != rule.lowest
                ]
            if rule.highest is not None:
                found += [
                    Pair(scores[rule.highest], scores[name])
                    for name in scores
                    if name != rule.highest
                ]
        else:
            both = [Score(system, "confused", name) for name in pairs_of(rule.pair)]
            most = max(both, key=lambda score: -1.0 if isnan(value(score)) else value(score))
            others = (Score(system, "confused", name) for name in pairs_of(CLASSES[view.corpus]))
            found += [Pair(most, other) for other in others if other not in both]
    return list(dict.fromkeys(found))
