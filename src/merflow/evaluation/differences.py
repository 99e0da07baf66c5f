"""Differences between systems of a paper under one protocol: rows of DIFFERENCES.

Over all seeds, of each pair of systems: the difference of their means, with its paired interval and
test over dialogues. In a multi-class task also of each common seed: the difference of accuracy
between the two runs, with McNemar's test.

A p-value is also given corrected for the number of pairs. Its family are all pairs of systems of a
paper, on one corpus under one protocol, in one metric. A metric of one class has a family of its
own. So have the tests of one seed.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np

from merflow.evaluation.corrections import Row, with_corrected
from merflow.evaluation.intervals import Sample, mcnemar, paired_difference
from merflow.evaluation.results import Result, n_utterances
from merflow.params import EvaluationParams

#: Keys of rows whose p-values are corrected together, for each paper, corpus and protocol.
FAMILY = ("seed", "metric", "class")


class TestPredictions:
    """Predictions of a system on test, without the utterances that another system lacks.

    Few inputs are ever lacking, so each distinct subset is counted once.
    """

    def __init__(self, result: Result, evaluation: EvaluationParams) -> None:
        """Count nothing yet."""
        self.result, self._evaluation = result, evaluation
        rows = result.predictions
        self._ids = set(rows.loc[rows["split"] == "test", "utterance_id"])
        self._samples: dict[frozenset[str], Sample] = {}
        self._correct: dict[frozenset[str], Mapping[int, np.ndarray]] = {}

    def sample(self, left_out: Collection[str] = ()) -> Sample:
        """Counts without the utterances `left_out`."""
        absent = self._absent(left_out)
        if absent not in self._samples:
            counts = self.result.counts("test", without=absent)
            self._samples[absent] = Sample(counts, self._evaluation, self.result.task.measure)
        return self._samples[absent]

    def correct(self, left_out: Collection[str] = ()) -> Mapping[int, np.ndarray]:
        """Correct predictions of each seed without the utterances `left_out`."""
        absent = self._absent(left_out)
        if absent not in self._correct:
            self._correct[absent] = self.result.correct("test", absent)
        return self._correct[absent]

    def _absent(self, left_out: Collection[str]) -> frozenset[str]:
        return frozenset(self._ids.intersection(left_out))


def difference_rows(systems: Sequence[TestPredictions]) -> list[Row]:
    """Differences of each pair of systems, on the test utterances that both predicted.

    A pair without a common utterance has none.

    Args:
        systems: of a paper on one corpus under one protocol.
    """
    return with_corrected(_rows(systems), *FAMILY)


def _rows(systems: Sequence[TestPredictions]) -> Iterator[Row]:
    for first, second in combinations(systems, 2):
        left_out = first.result.left_out, second.result.left_out
        samples = first.sample(left_out[1]), second.sample(left_out[0])
        if not len(samples[0].clusters):
            continue
        record, other = first.result.record, second.result.record
        named = {name: getattr(record, name) for name in ("paper", "corpus", "source", "protocol")}
        named |= {"first": record.system, "second": other.system}
        yield from _mean_rows(named, first.result, samples)
        if not first.result.task.multi_label:
            correct = first.correct(left_out[1]), second.correct(left_out[0])
            yield from _seed_rows(named, *correct)


def _mean_rows(named: Row, result: Result, samples: tuple[Sample, Sample]) -> Iterator[Row]:
    """Differences of the means over seeds, of each metric that exists."""
    difference, (low, high), p = paired_difference(*samples)
    counts, names = samples[0].clusters, result.task.metric_names
    n = n_utterances(counts)
    for k in np.flatnonzero(result.task.defined(counts)):
        metric, name = names[k]
        statistics = {"value": difference[k], "low": low[k], "high": high[k], "p": p[k]}
        yield {**named, "seed": None, "metric": metric, "class": name, **statistics, "n": n}


def _seed_rows(
    named: Row, first: Mapping[int, np.ndarray], second: Mapping[int, np.ndarray]
) -> Iterator[Row]:
    """Differences of accuracy between the two runs of each common seed."""
    for seed in sorted(first.keys() & second.keys()):
        first_alone, second_alone, p = mcnemar(first[seed], second[seed])
        n = len(first[seed])
        yield {
            **named,
            "seed": seed,
            "metric": "accuracy",
            "value": (first_alone - second_alone) / n,
            "p": p,
            "first_alone": first_alone,
            "second_alone": second_alone,
            "n": n,
        }
