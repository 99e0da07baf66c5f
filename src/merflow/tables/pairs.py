"""Pairs of scores that decide a claim (merflow.tables.claims)."""

from collections.abc import Callable, Iterator
from math import isnan
from typing import NamedTuple

from merflow.corpora.labels import CLASSES
from merflow.evaluation.metrics import EPOCH_SCORE, FIRST_EPOCH, LAST_EPOCH, pairs_of
from merflow.tables.claims import (
    Claim,
    ClassExtreme,
    ClassWeights,
    Confusion,
    MostConfused,
    Order,
    OverEpochs,
    classes_of,
)
from merflow.tables.comparison import UNWEIGHTED, Comparison
from merflow.tables.measures import name_of, split_of


class Score(NamedTuple):
    """A score on the split on which its metric is compared.

    Attributes:
        system, metric: keys.
        name: class or pair of classes; empty: all.
    """

    system: str
    metric: str
    name: str = ""

    def __str__(self) -> str:
        return f"{name_of(self.metric, split_of(self.metric))} of {self.system}"

    @property
    def full(self) -> str:
        """With the name of the class."""
        return f"{self}{self._of_name}"

    @property
    def named(self) -> str:
        """The system with the name of the class."""
        return f"{self.system}{self._of_name}"

    @property
    def _of_name(self) -> str:
        return f" ({self.name})" if self.name else ""


class Pair(NamedTuple):
    """Two scores, of which the first should be higher by more than `by`."""

    higher: Score
    lower: Score
    by: float = 0.0

    @property
    def scores(self) -> tuple[Score, Score]:
        """Both."""
        return self.higher, self.lower


def pairs(comparison: Comparison, claim: Claim, value: Callable[[Score], float]) -> list[Pair]:
    """Pairs that decide a claim; none if no pair does.

    Args:
        comparison: of the paper on the corpus.
        claim: of the paper.
        value: of a score, NaN if there is none; tells in which direction two classes are confused
            more.
    """
    rule, corpus = claim.decided_by, comparison.corpus
    if isinstance(rule, Order):
        every = _of_order(rule, corpus)
    elif isinstance(rule, ClassWeights):
        every = _of_weights(rule, _systems(comparison, rule.systems), corpus)
    elif isinstance(rule, OverEpochs):
        every = _over_epochs(rule)
    elif isinstance(rule, ClassExtreme):
        every = _of_extreme(rule, _systems(comparison, rule.systems), corpus)
    elif isinstance(rule, MostConfused):
        every = _of_confusion(rule, _systems(comparison, rule.systems), corpus, value)
    else:
        return []
    return list(dict.fromkeys(every))


def confusions(comparison: Comparison, rule: Confusion) -> list[Score]:
    """Confusions of two classes in each system, in both directions."""
    systems = _systems(comparison, rule.systems)
    return [Score(name, "confused", pair) for name in systems for pair in pairs_of(rule.pair)]


def _systems(comparison: Comparison, systems: str | list[str]) -> list[str]:
    """Systems of a rule; "all": printed ones with a test score, without cited ones."""
    if not isinstance(systems, str):
        return systems
    on_test = (row["system"] for row in comparison.printed.scores if row["split"] == "test")
    return [name for name in dict.fromkeys(on_test) if comparison.kind(name) != "cited"]


def _of_order(rule: Order, corpus: str) -> Iterator[Pair]:
    for metric in rule.metrics:
        for name in classes_of(rule.classes, corpus):
            for better, worse in rule.versus:
                higher, lower = Score(better, metric, name), Score(worse, metric, name)
                yield Pair(higher, lower, (rule.by or 0) / 100)


def _of_weights(rule: ClassWeights, systems: list[str], corpus: str) -> Iterator[Pair]:
    for system in systems:
        for metric in rule.metrics:
            for name in classes_of(rule.classes, corpus):
                score = Score(system, metric, name)
                yield Pair(score, score._replace(system=f"{system}{UNWEIGHTED}"))


def _over_epochs(rule: OverEpochs) -> Iterator[Pair]:
    for system in rule.systems:
        last, first = (Score(system, EPOCH_SCORE, name) for name in (LAST_EPOCH, FIRST_EPOCH))
        yield Pair(last, first)


def _of_extreme(rule: ClassExtreme, systems: list[str], corpus: str) -> Iterator[Pair]:
    for system in systems:
        scores = {name: Score(system, rule.metric, name) for name in CLASSES[corpus]}
        if rule.lowest is not None:
            lowest = scores[rule.lowest]
            yield from (Pair(score, lowest) for score in scores.values() if score != lowest)
        if rule.highest is not None:
            highest = scores[rule.highest]
            yield from (Pair(highest, score) for score in scores.values() if score != highest)


def _of_confusion(
    rule: MostConfused, systems: list[str], corpus: str, value: Callable[[Score], float]
) -> Iterator[Pair]:
    for system in systems:
        directions = [Score(system, "confused", name) for name in pairs_of(rule.pair)]
        most = max(directions, key=lambda score: -1.0 if isnan(value(score)) else value(score))
        every = (Score(system, "confused", name) for name in pairs_of(CLASSES[corpus]))
        yield from (Pair(most, score) for score in every if score not in directions)
