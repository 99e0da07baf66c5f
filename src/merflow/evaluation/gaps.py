"""Protocol gaps: score of a system under a protocol minus its score under another (GAPS).

A p-value is also given corrected for the number of systems: its family are all systems of a paper
on one corpus, under two protocols, in one metric.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np

from merflow.evaluation.corrections import Row, with_corrected
from merflow.evaluation.intervals import Sample, paired_difference, unpaired_difference
from merflow.evaluation.results import Result, n_utterances
from merflow.params import EvaluationParams


def gap_rows(protocols: Mapping[str, Sequence[Result]], evaluation: EvaluationParams) -> list[Row]:
    """Gaps of each system that ran under two protocols, for metrics of all classes together.

    Both tasks must be multi-class or both multi-label; their classes may differ. Under one split
    scheme the difference is paired, on the utterances that both predicted. Under two, the dialogues
    of each test split are drawn independently. Utterances in both test splits are then ignored, so
    the interval is rather too wide, and there is no test.

    Args:
        protocols: results of a paper on a corpus, by protocol.
        evaluation: parameters of the intervals.
    """
    return with_corrected(_rows(protocols, evaluation), "first", "second", "metric")


def _rows(protocols: Mapping[str, Sequence[Result]], evaluation: EvaluationParams) -> Iterator[Row]:
    for first, second in combinations(protocols.values(), 2):
        by_system = {result.record.system: result for result in second}
        for result in first:
            other = by_system.get(result.record.system)
            if other is not None and result.task.multi_label == other.task.multi_label:
                yield from _gap(result, other, evaluation)


def _gap(first: Result, second: Result, evaluation: EvaluationParams) -> Iterator[Row]:
    paired = first.record.scheme == second.record.scheme and first.classes == second.classes
    left_out = (second.left_out, first.left_out) if paired else ((), ())
    samples = [
        Sample(result.counts("test", without=ids), evaluation, result.task.measure_overall)
        for result, ids in zip((first, second), left_out, strict=True)
    ]
    if paired:
        difference, (low, high), p = paired_difference(*samples)
    else:
        difference, (low, high) = unpaired_difference(*samples)
        p = np.full(difference.shape, np.nan)
    named = {name: getattr(first.record, name) for name in ("paper", "system", "corpus", "source")}
    named |= {"first": first.record.protocol, "second": second.record.protocol, "paired": paired}
    n = n_utterances(samples[0].clusters)
    for k, metric in enumerate(first.task.overall_metrics):
        statistics = {"value": difference[k], "low": low[k], "high": high[k], "p": p[k]}
        yield {**named, "metric": metric, **statistics, "n": n}
