"""The protocol gap: what a system scores under one protocol minus what it scores under another."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np

from merflow.evaluation.intervals import Sample, paired_difference, unpaired_difference
from merflow.evaluation.metrics import VERSUS
from merflow.evaluation.predictions import Result
from merflow.evaluation.tasks import Task
from merflow.params import EvaluationParams

PAIRED, UNPAIRED = "paired", "unpaired"  # in place of a split: of one test part, or of two


def gaps(
    protocols: Mapping[str, Sequence[Result]], evaluation: EvaluationParams
) -> Iterator[dict[str, Any]]:
    """Rows of artifacts.SCORES without seed, of protocol ``<first> - <second>``, for each system that ran under both.

    Both must tell the one class of several, or both any number of them; their classes may differ, and only metrics of all classes are
    compared. On one split scheme it is a paired difference, on the utterances that both predicted. On two, the dialogues of each test part
    are drawn by themselves: what the parts have in common counts for nothing, so the interval is rather too wide, and there is no test.

    Args:
        protocols: results of a paper on a corpus, by protocol.
        evaluation: parameters of the intervals.
    """
    for (one, first), (other, second) in combinations(protocols.items(), 2):
        by_name = {result.record.system: result for result in second}
        for mine in first:
            theirs = by_name.get(mine.record.system)
            if theirs is not None and mine.task.single == theirs.task.single:
                yield from _gap(mine, theirs, f"{one}{VERSUS}{other}", evaluation)


def _gap(
    mine: Result, theirs: Result, protocol: str, evaluation: EvaluationParams
) -> Iterator[dict[str, Any]]:
    paired = mine.record.scheme == theirs.record.scheme and mine.classes == theirs.classes
    left_out = [theirs.left_out, mine.left_out] if paired else [(), ()]
    first, second = (
        Sample(
            result.counts("test", without=without), evaluation, partial(_overall, task=result.task)
        )
        for result, without in zip((mine, theirs), left_out, strict=True)
    )
    if paired:
        difference, (low, high), p = paired_difference(first, second)
    else:
        difference, (low, high) = unpaired_difference(first, second)
        p = np.full(difference.shape, np.nan)
    about = {name: getattr(mine.record, name) for name in ("paper", "system", "corpus", "source")}
    about |= {
        "protocol": protocol,
        "classes": len(mine.classes),
        "split": PAIRED if paired else UNPAIRED,
    }
    about |= {"n": round(float(first.clusters.sum(axis=(0, -2, -1)).mean()))}
    for k, metric in enumerate(metric for metric, name in mine.task.names if name is None):
        yield about | {
            "metric": metric,
            "value": difference[k],
            "low": low[k],
            "high": high[k],
            "p": p[k],
        }


def _overall(counts: np.ndarray, task: Task) -> np.ndarray:
    """The metrics of all classes: counts (..., K, K) or (..., E, 2, 2) -> (..., M)."""
    return task.measure(counts)[..., [k for k, (_, name) in enumerate(task.names) if name is None]]
