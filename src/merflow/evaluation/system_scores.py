"""Scores of systems and trivial baselines: rows of artifacts.SCORES.

Of each system and split (dev, test):
  fold f, seed s        a run
  fold null, seed s     predictions of all folds pooled
  fold null, seed null  mean and standard deviation over seeds, interval over dialogues; and where
                        there are folds, mean and standard deviation over their scores
Of a trivial baseline rows of the last kind, on every utterance in scope. In a multi-label task a
metric has a row per class, and a row without a class for their mean. In a multi-class task a class
without an utterance in the split, all folds together, has no row of its own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from merflow.evaluation.baselines import BASELINES
from merflow.evaluation.differences import TestPredictions
from merflow.evaluation.intervals import Sample, seed_mean
from merflow.evaluation.results import Result, n_utterances, tally
from merflow.evaluation.tasks import Task
from merflow.params import EvaluationParams

Row = dict[str, Any]


def about(result: Result, **columns: Any) -> Row:
    """Columns that name the system of a row, with null fold and seed, and `columns`."""
    record = result.record
    names = ("paper", "system", "corpus", "source", "protocol")
    named = {name: getattr(record, name) for name in names}
    task = {"n_classes": len(result.classes), "multi_label": result.task.multi_label}
    return {**named, "inputs": result.inputs, **task, "fold": None, "seed": None, **columns}


def system_rows(test: TestPredictions) -> Iterator[Row]:
    """Scores of a system: runs, seeds and their mean, on each split.

    Args:
        test: its predictions on test, which differences use too.
    """
    result = test.result
    task, rows = result.task, result.predictions
    folds = [None, *sorted(rows["fold"].unique())]
    for split in sorted(rows["split"].unique()):
        of_folds = [result.counts(split, fold) for fold in folds]
        measured = task.measure(np.stack([counts.sum(axis=0) for counts in of_folds]))
        for fold, counts, of_seeds in zip(folds, of_folds, measured, strict=True):
            for seed, values in zip(result.seeds, of_seeds, strict=True):
                n = n_utterances(counts)
                named = about(result, fold=fold, seed=seed, split=split, n=n)
                yield from _metric_rows(named, task, of_folds[0], values)
        sample = test.sample()
        if split != "test":
            sample = replace(sample, clusters=result.counts(split))
        over_folds = _over_folds(task, of_folds[1:], measured[1:])
        yield from _mean_rows(about(result, split=split), task, sample, **over_folds)


def _over_folds(
    task: Task, of_folds: Sequence[np.ndarray], measured: np.ndarray
) -> dict[str, np.ndarray]:
    """Mean and standard deviation (M,) over folds of scores that are means over seeds.

    A metric that does not exist in a fold, such as the recall of a class that it lacks, is left out
    there.

    Args:
        task: of the scores.
        of_folds: counts of each fold.
        measured: metrics (folds, seeds, M).

    Returns:
        The columns ``fold_mean`` and ``fold_std``; none for a single fold.
    """
    if len(of_folds) < 2:
        return {}
    absent = np.stack([~task.defined(counts) for counts in of_folds])
    scores = np.ma.masked_array(measured.mean(axis=1), absent)
    return {
        "fold_mean": scores.mean(axis=0).filled(np.nan),
        "fold_std": scores.std(axis=0, ddof=1).filled(np.nan),
    }


def baseline_rows(
    result: Result, scope: pd.DataFrame, evaluation: EvaluationParams
) -> Iterator[Row]:
    """Scores of the trivial baselines, fitted on the train split of each fold.

    Args:
        result: of any system with the same task.
        scope: all utterances in scope, whatever inputs a system lacks.
        evaluation: parameters of the intervals.
    """
    task = result.task
    train, held_out = scope[scope["split"] == "train"], scope[scope["split"] != "train"]
    for name in task.baselines:
        of_folds = {
            fold: BASELINES[name](task.one_hot[labels].sum(axis=0))
            for fold, labels in train.groupby("fold")["label"]
        }
        for split, rows in held_out.groupby("split"):
            counts = tally(
                rows["dialogue_id"].to_numpy(),
                np.zeros(len(rows), dtype=int),
                task.one_hot[rows["label"]],
                np.stack([of_folds[fold] for fold in rows["fold"]]),
            )
            named = about(result, system=name, inputs=None, split=split)
            yield from _mean_rows(named, task, Sample(counts, evaluation, task.measure))


def _metric_rows(
    named: Row, task: Task, counts: np.ndarray, values: np.ndarray, **columns: np.ndarray
) -> Iterator[Row]:
    """A row for each metric that exists in all folds together; values are (M,)."""
    names = task.metric_names
    for k in np.flatnonzero(task.defined(counts)):
        metric, name = names[k]
        statistics = {key: column[k] for key, column in columns.items()}
        yield {**named, "metric": metric, "class": name, "value": values[k], **statistics}


def _mean_rows(named: Row, task: Task, sample: Sample, **over_folds: np.ndarray) -> Iterator[Row]:
    mean, std, (low, high) = seed_mean(sample)
    named = {**named, "n": n_utterances(sample.clusters)}
    statistics = {"std": std, "low": low, "high": high, **over_folds}
    yield from _metric_rows(named, task, sample.clusters, mean, **statistics)
