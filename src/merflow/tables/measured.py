"""Our scores of a paper on one corpus, as tables ask for them."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Self

import pandas as pd

from merflow.corpora.labels import CLASSES, MULTI_LABEL
from merflow.evaluation.baselines import BASELINES
from merflow.evaluation.metrics import CLIPS, COUNT, ONE_VS_REST
from merflow.evaluation.scored import Scores
from merflow.tables.measures import split_of
from merflow.tables.reported import Row, grouped

#: Protocols in the order of tables; others follow by name.
PROTOCOLS = ("as_published", "clean")
NAN = float("nan")


class Estimate(NamedTuple):
    """Mean over seeds, its standard deviation, and its interval over dialogues."""

    value: float
    std: float
    low: float
    high: float


class OverFolds(NamedTuple):
    """Mean and standard deviation over the scores of the folds."""

    fold_mean: float
    fold_std: float


class Difference(NamedTuple):
    """Difference of two means over seeds, its interval over dialogues, and its p-values."""

    value: float
    low: float
    high: float
    p: float
    p_corrected: float

    @property
    def swapped(self) -> "Difference":
        """The second system minus the first."""
        return Difference(-self.value, -self.high, -self.low, self.p, self.p_corrected)


class McNemar(NamedTuple):
    """McNemar's test of two runs with one seed.

    Attributes:
        p: two-sided.
        first_alone, second_alone: number of utterances that only one run classified correctly.
        p_corrected: p, corrected for the number of pairs.
    """

    p: float
    first_alone: int
    second_alone: int
    p_corrected: float

    @property
    def swapped(self) -> "McNemar":
        """The second run against the first."""
        return McNemar(self.p, self.second_alone, self.first_alone, self.p_corrected)


Key = tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Measured:
    """Scores of a paper on a corpus under protocols with the same task.

    Attributes:
        scores: rows of merflow.evaluation.scored of the paper, the corpus and `protocols`.
        protocols: in the order of tables.
        n_classes: number of classes.
        multi_label: an utterance may have any number of classes.
    """

    scores: Scores
    protocols: tuple[str, ...]
    n_classes: int
    multi_label: bool

    @classmethod
    def by_task(cls, corpus: str, scores: Scores) -> list[Self]:
        """Group the protocols by task, in the order of their first protocol.

        Args:
            corpus: key.
            scores: of a paper on the corpus; without rows there is one group without protocols.
        """
        columns = scores.scores[["protocol", "n_classes", "multi_label"]].drop_duplicates(
            "protocol"
        )
        tasks = {protocol: (n, multi) for protocol, n, multi in columns.itertuples(index=False)}
        groups: dict[tuple[int, bool], list[str]] = {}
        for protocol in sorted(tasks, key=_protocol_order):
            groups.setdefault(tasks[protocol], []).append(protocol)
        if not groups:
            return [cls(scores, (), len(CLASSES[corpus]), corpus in MULTI_LABEL)]
        return [
            cls(_under(scores, protocols), tuple(protocols), int(n_classes), bool(multi_label))
            for (n_classes, multi_label), protocols in groups.items()
        ]

    @property
    def confidence(self) -> float:
        """Confidence of the intervals."""
        return self.scores.evaluation.confidence

    @cached_property
    def means(self) -> pd.DataFrame:
        """Rows of artifacts.SCORES over all seeds."""
        return self.scores.scores[self.scores.scores["seed"].isna()]

    @cached_property
    def runs(self) -> pd.DataFrame:
        """Rows of artifacts.SCORES of single seeds."""
        rows = self.scores.scores
        return rows[rows["seed"].notna()].astype({"seed": "int64"})

    @cached_property
    def systems(self) -> list[str]:
        """Systems with scores, without the trivial baselines."""
        return [name for name in dict.fromkeys(self.means["system"]) if name not in BASELINES]

    @cached_property
    def source(self) -> str:
        """Origin of the corpus (demo, official or folder), or "not run"."""
        return "/".join(sorted(set(self.scores.scores["source"]))) or "not run"

    @cached_property
    def demo(self) -> bool:
        """The scores are of a demo corpus, which is never compared with printed numbers."""
        return "demo" in set(self.scores.scores["source"])

    @cached_property
    def has_no_clips(self) -> bool:
        """The corpus is prepared, and no utterance has a clip."""
        facts = self.scores.corpora
        clips = facts.loc[facts["fact"] == CLIPS, "value"]
        return len(clips) > 0 and not clips.any()

    def mean(
        self, system: str, protocol: str, metric: str, name: str = "", split: str | None = None
    ) -> Estimate | None:
        """Mean over seeds; None: not run, or without the metric.

        Chance has no interval: its score is an expectation, not of one prediction.

        Args:
            system, protocol, metric: keys.
            name: class, pair of classes or stage; empty: all of them.
            split: None: the split on which the metric is compared.
        """
        key = (system, protocol, self._own(metric), name, split or split_of(metric))
        return self._means.get(key)

    def _own(self, metric: str) -> str:
        """Name of a measure in this task."""
        return ONE_VS_REST.get(metric, metric) if self.multi_label else metric

    @cached_property
    def _means(self) -> dict[Key, Estimate]:
        names = ("system", "protocol", "metric", "class", "split")
        values = _values(self.means, names, Estimate._fields)
        means = {key: Estimate(*fields) for key, fields in values}
        of_chance = {key: mean for key, mean in means.items() if key[0] == "chance"}
        no_limits = {"low": NAN, "high": NAN}
        return means | {key: mean._replace(**no_limits) for key, mean in of_chance.items()}

    def over_folds(
        self, system: str, protocol: str, metric: str, name: str = "", split: str = "test"
    ) -> OverFolds:
        """Mean over folds; NaN: not run, or a single fold. Arguments as of `mean`."""
        return self._over_folds.get((system, protocol, metric, name, split), OverFolds(NAN, NAN))

    @cached_property
    def _over_folds(self) -> dict[Key, OverFolds]:
        names = ("system", "protocol", "metric", "class", "split")
        values = _values(self.means, names, OverFolds._fields)
        return {key: OverFolds(*fields) for key, fields in values}

    def difference(
        self, first: str, second: str, protocol: str, metric: str, name: str = ""
    ) -> Difference | None:
        """`first` minus `second` on the test utterances that both predicted; None: not both run."""
        key = (protocol, self._own(metric), name)
        if difference := self._differences.get((first, second, *key)):
            return difference
        swapped = self._differences.get((second, first, *key))
        return swapped.swapped if swapped else None

    @cached_property
    def differences(self) -> pd.DataFrame:
        """Rows of artifacts.DIFFERENCES over all seeds."""
        return self.scores.differences[self.scores.differences["seed"].isna()]

    @cached_property
    def _differences(self) -> dict[Key, Difference]:
        names = ("first", "second", "protocol", "metric", "class")
        values = _values(self.differences, names, Difference._fields)
        return {key: Difference(*fields) for key, fields in values}

    def mcnemar(self, first: str, second: str, protocol: str) -> list[McNemar]:
        """Tests of each common seed, smallest p first; none in a multi-label task."""
        tests = self._mcnemar.get((first, second, protocol), [])
        swapped = self._mcnemar.get((second, first, protocol), [])
        return sorted([*tests, *(test.swapped for test in swapped)])

    @cached_property
    def _mcnemar(self) -> dict[Key, list[McNemar]]:
        rows = self.scores.differences[self.scores.differences["seed"].notna()]
        tests = grouped(rows.to_dict("records"), "first", "second", "protocol")
        return {key: list(map(_mcnemar, of_seeds)) for key, of_seeds in tests.items()}

    def of_seeds(self, system: str, protocol: str, metric: str, name: str = "") -> list[float]:
        """A fact of training (loss or epoch_score) of each seed, on its split."""
        runs = self.runs
        facts = runs[
            (runs["metric"] == metric)
            & (runs["split"] == split_of(metric))
            & (runs["class"].fillna("") == name)
            & runs["fold"].isna()
        ]
        of_system = (facts["system"] == system) & (facts["protocol"] == protocol)
        return facts.loc[of_system, "value"].tolist()

    def n_seeds(self, system: str, protocol: str, split: str) -> float:
        """Number of seeds with scores on a split; NaN: not run."""
        return self._n_seeds.get((system, protocol, split), NAN)

    @cached_property
    def _n_seeds(self) -> Counter[Key]:
        runs = self.runs[["system", "protocol", "split", "seed"]].drop_duplicates()
        return Counter(runs[["system", "protocol", "split"]].itertuples(index=False, name=None))

    def scored(self, system: str, split: str, protocols: Iterable[str]) -> list[Row]:
        """Protocols of a system's means on a split, each with ``n``, ``source`` and ``inputs``."""
        rows = self._scored.get((system, split), [])
        return [row for row in rows if row["protocol"] in protocols]

    @cached_property
    def _scored(self) -> dict[tuple[Any, ...], list[Row]]:
        columns = ["system", "split", "protocol", "n", "source", "inputs"]
        rows = self.means[columns].drop_duplicates().to_dict("records")
        return grouped(rows, "system", "split")

    def fact(self, protocol: str, fact: str, name: str, split: str) -> float:
        """Fact of the corpus (artifacts.CORPORA) under a protocol; NaN: unknown.

        Args:
            protocol, fact, split: keys.
            name: class; empty: all of them.
        """
        return self._facts.get((protocol, fact, name, split), NAN)

    @cached_property
    def class_sizes(self) -> dict[Key, float]:
        """Number of utterances by protocol, split and class, in the order of the classes."""
        rows = self.scores.corpora
        of_classes = rows[(rows["fact"] == COUNT) & rows["class"].notna()]
        columns = (of_classes[name].tolist() for name in ("protocol", "split", "class", "value"))
        return {(*key, name): size for *key, name, size in zip(*columns, strict=True)}

    @cached_property
    def _facts(self) -> dict[Key, float]:
        rows = self.scores.corpora.fillna({"class": ""})
        columns = (rows[name].tolist() for name in ("protocol", "fact", "class", "split", "value"))
        return {(protocol, *key): value for protocol, *key, value in zip(*columns, strict=True)}


def _mcnemar(test: Row) -> McNemar:
    first, second = (int(test[f"{which}_alone"]) for which in ("first", "second"))
    return McNemar(test["p"], first, second, test["p_corrected"])


def _protocol_order(protocol: str) -> tuple[int, str]:
    place = PROTOCOLS.index(protocol) if protocol in PROTOCOLS else len(PROTOCOLS)
    return place, protocol


def _under(scores: Scores, protocols: list[str]) -> Scores:
    """The rows under some protocols; gaps, which are between protocols, stay."""
    rows = {
        name: table[table["protocol"].isin(protocols)]
        for name, table in scores.tables.items()
        if "protocol" in table
    }
    return Scores(**rows, gaps=scores.gaps, evaluation=scores.evaluation, missing=scores.missing)


def _values(
    rows: pd.DataFrame, names: Iterable[str], fields: Iterable[str]
) -> Iterator[tuple[Key, tuple[float, ...]]]:
    """Text columns `names` of each row, null as an empty text, and its figures `fields`."""
    keys = zip(*(rows[name].fillna("").tolist() for name in names), strict=True)
    figures = zip(*(rows[field].tolist() for field in fields), strict=True)
    return zip(keys, figures, strict=True)
