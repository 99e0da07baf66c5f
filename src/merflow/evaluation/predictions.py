"""Read the predictions of a system, checked against the corpus, its split scheme and run.json.

Every utterance in scope (merflow.evaluation.prepared) of the dev and test splits has exactly one
prediction per run. Utterances that lack an input (``left_out`` of run.json) have none.
"""

from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from merflow import artifacts
from merflow.corpora.schemes import find
from merflow.errors import EvaluationError
from merflow.evaluation.prepared import KEY, WHOLE, Expected, Prepared, tuples
from merflow.evaluation.results import Result
from merflow.evaluation.tasks import INVALID, ROUNDING, Task, task_of
from merflow.paths import PREDICTIONS, RECORD
from merflow.records import Record, Run
from merflow.store import read_metadata, read_table

#: Tolerance of sums of weights or probabilities, which are stored as 32-bit floats.
SUM_TOLERANCE = 1e-3


def read_result(folder: Path, corpora: Mapping[str, Prepared]) -> Result:
    """Read a system's predictions, checked against its corpus and split scheme.

    Args:
        folder: results/<paper>/<system>/<corpus>-<protocol>.
        corpora: prepared corpora by name.

    Raises:
        StoreError: run.json or the predictions cannot be read.
        EvaluationError: run.json leaves out an unknown utterance, or disagrees with the predictions
            about runs or classes. An utterance in scope has no prediction, or two in a run. An
            utterance out of scope or left out has a prediction. Labels differ from the corpus. A
            prediction is invalid or does not follow from its probabilities.
    """
    path, record = folder / PREDICTIONS, Record.read(folder)
    if record.corpus not in corpora:
        raise EvaluationError(
            f"{path}: corpus {record.corpus} is not among {', '.join(corpora) or 'none'};"
            " prepare it first"
        )
    corpus = corpora[record.corpus]
    _check_left_out(folder / RECORD, record, corpus)
    task = task_of(corpus.name, record.scheme, _classes(path, record))
    rows = read_table(path, artifacts.PREDICTIONS)
    one_label_each = find(corpus.name, record.scheme).instances
    rows["instance"] = rows["labels"].str[0] if one_label_each else WHOLE
    run_and_instance = ["fold", "seed", "utterance_id", "instance"]
    if len(set(tuples(rows, run_and_instance))) < len(rows):
        first = rows[rows.duplicated(run_and_instance)].iloc[0]
        raise EvaluationError(f"{path}: two predictions for {_place(first)}; train it again")
    rows = _matched(path, rows, corpus, record, task)
    for run in record.runs:
        _check_epochs(folder / RECORD, run, task)
    _check_labels(path, rows, corpus, task)
    predicted = _predicted(path, rows, task)
    _check_attention(path, rows, len(record.attention))
    columns = [*KEY, "dialogue_id", "label", "attention"]
    return Result(record, task, rows[columns].assign(predicted=predicted))


def _check_left_out(path: Path, record: Record, corpus: Prepared) -> None:
    """Refuse to leave out an utterance that the corpus does not have."""
    for name, ids in record.left_out.items():
        if unknown := set(ids) - set(corpus.utterances.index):
            raise EvaluationError(
                f"{path}: left out for want of {name}, but not in {corpus.name}: {min(unknown)};"
                " train it again"
            )


def _classes(path: Path, record: Record) -> tuple[str, ...]:
    """Classes in the order of the probabilities; run.json has the same in another order."""
    classes = tuple(read_metadata(path, artifacts.PREDICTIONS).get("classes", ()))
    if sorted(classes) != sorted(set(record.class_of.values())):
        expected = ", ".join(dict.fromkeys(record.class_of.values()))
        raise EvaluationError(
            f"{path}: has classes {', '.join(classes) or 'without names'}, expected {expected} of"
            f" {RECORD}; train it again"
        )
    return classes


def _matched(
    path: Path, rows: pd.DataFrame, corpus: Prepared, record: Record, task: Task
) -> pd.DataFrame:
    """Predictions with dialogue_id and label of the corpus, sorted by KEY, none missing."""
    scope = corpus.scope(record.scheme, record.class_of, task)
    splits = {(fold, split) for fold, split in tuples(scope, ["fold", "split"]) if split != "train"}
    _check_runs(path, rows, record, {fold for fold, _ in splits})
    expected = corpus.expected(record, task)
    if empty := splits - {(fold, split) for fold, _, split, *_ in expected.places}:
        fold, split = min(empty)
        raise EvaluationError(
            f"{path}: {RECORD} leaves out all of {split} in fold {fold}; there is nothing to score"
        )
    keys = list(tuples(rows, KEY))
    places = np.array([expected.places.get(key, -1) for key in keys])
    if (extra := places < 0).any():
        first = rows[extra].sort_values(KEY).iloc[0]
        raise EvaluationError(
            f"{path}: {_place(first)} {_why_unexpected(first, corpus, record)}; train it again"
        )
    _check_complete(path, keys, expected)
    rows = rows.iloc[np.argsort(places)].reset_index(drop=True)
    return rows.assign(dialogue_id=expected.dialogue_ids, label=expected.labels)


def _check_runs(path: Path, rows: pd.DataFrame, record: Record, folds: set[int]) -> None:
    """Refuse runs that are not in predictions, run.json and split scheme alike."""
    recorded = {(run.fold, run.seed) for run in record.runs}
    predicted = set(tuples(rows, ["fold", "seed"]))
    expected = set(product(folds, {seed for _, seed in recorded}))
    if not predicted == recorded == expected:
        fold, seed = min((predicted | recorded | expected) - (predicted & recorded & expected))
        raise EvaluationError(
            f"{path}: fold {fold}, seed {seed} is not in predictions, {RECORD} and split scheme"
            " alike; train it again"
        )


def _why_unexpected(row: pd.Series, corpus: Prepared, record: Record) -> str:
    """Reason why a prediction should not be there."""
    for name, ids in record.left_out.items():
        if row["utterance_id"] in ids:
            return f"has a prediction, though {RECORD} leaves it out for want of {name}"
    return (
        f"is not in {row['split']} of {corpus.name}'s split scheme {record.scheme} with labels"
        f" {', '.join(record.class_of)}"
    )


def _check_complete(path: Path, keys: list[tuple[Any, ...]], expected: Expected) -> None:
    """Refuse predictions that lack an utterance."""
    if missing := sorted(expected.places.keys() - keys):
        fold, seed, split, first, _ = missing[0]
        of_split = [key for key in missing if key[:3] == (fold, seed, split)]
        raise EvaluationError(
            f"{path}: no prediction for {len(of_split)} {split} utterances (fold {fold}, seed"
            f" {seed}), first {first}; train it again"
        )


def _check_epochs(path: Path, run: Run, task: Task) -> None:
    """Refuse selected epochs that are not one for each component, or not in the history."""
    epochs, place = run.selected_epochs, f"fold {run.fold}, seed {run.seed}"
    if not epochs:
        return
    try:
        task.component_classes(len(epochs))
    except ValueError as error:
        raise EvaluationError(
            f"{path}: selected_epochs of {place} are {list(epochs)}, expected {error} of them;"
            " train it again"
        ) from error
    if not task.multi_label and epochs[0] not in [epoch.epoch for epoch in run.history]:
        raise EvaluationError(
            f"{path}: selected_epochs of {place} are {list(epochs)}, not in its history;"
            " train it again"
        )


def _check_labels(path: Path, rows: pd.DataFrame, corpus: Prepared, task: Task) -> None:
    """Refuse labels that differ from the corpus."""
    differ = task.encode(rows["labels"]) != rows["label"]
    if differ.any():
        first = rows[differ].iloc[0]
        expected = list(corpus.utterances.loc[first["utterance_id"], "labels"])
        raise EvaluationError(
            f"{path}: {_place(first)} has labels {list(first['labels'])}, expected {expected} of"
            " the corpus; train it again"
        )


def _predicted(path: Path, rows: pd.DataFrame, task: Task) -> np.ndarray:
    """Codes of the predictions (N,), which follow from their probabilities."""

    def refuse(wrong: np.ndarray, column: str, expected: str) -> None:
        if not wrong.any():
            return
        first = rows[wrong].iloc[0]
        values = [
            value if isinstance(value, str) else round(float(value), 4) for value in first[column]
        ]
        raise EvaluationError(
            f"{path}: {_place(first)} has {column} {values}, expected {expected} of"
            f" {', '.join(task.classes)}; train it again"
        )

    predicted = task.encode(rows["predicted"])
    refuse(predicted == INVALID, "predicted", task.n_labels)
    lengths = rows["probabilities"].str.len().to_numpy()
    in_range = "one from 0 to 1 for each"
    refuse(lengths != len(task.classes), "probabilities", in_range)
    probabilities = np.stack(rows["probabilities"].to_list()).astype(float)
    outside = ~((probabilities >= -ROUNDING) & (probabilities <= 1 + ROUNDING))  # NaN too
    refuse(np.any(outside, axis=1), "probabilities", in_range)
    refuse(~task.follows(predicted, probabilities), "predicted", task.decision_rule)
    if not task.multi_label:
        off = np.abs(probabilities.sum(axis=1) - 1)
        refuse(off > SUM_TOLERANCE, "probabilities", "a sum of 1 over the probabilities")
    return predicted


def _check_attention(path: Path, rows: pd.DataFrame, n_weights: int) -> None:
    """Refuse attention weights that are not `n_weights` with sum 1."""
    lengths = rows["attention"].map(lambda weights: 0 if weights is None else len(weights))
    wrong = lengths.to_numpy() != n_weights
    if n_weights and not wrong.any():
        weights = np.stack(rows["attention"].to_list()).astype(float)
        off = np.abs(weights.sum(axis=1) - 1)
        wrong = ~((weights.min(axis=1) >= 0) & (off <= SUM_TOLERANCE))
    if wrong.any():
        first = rows[wrong].iloc[0]
        values = np.array(() if first["attention"] is None else first["attention"], dtype=float)
        raise EvaluationError(
            f"{path}: {_place(first)} has attention {values.round(4).tolist()}, expected"
            f" {n_weights} weights with sum 1; train it again"
        )


def _place(row: Mapping[str, Any] | pd.Series) -> str:
    """Utterance and run of a prediction, for errors."""
    return f"{row['utterance_id']} (fold {row['fold']}, seed {row['seed']})"
