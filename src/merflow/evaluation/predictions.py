"""Predictions, checked: those of a system against the corpus, its split and the classes that the system tells apart.

In scope is an utterance of the split scheme whose label counts as a class (run.json, ``classes``); where several classes may be
present at once (merflow.evaluation.tasks), each utterance of the scheme is, whatever its labels; where the scheme has a row per label,
each of these. Each one of the dev and test parts has one prediction per run, but those that lack an input (run.json, ``left_out``),
which have none: nothing is dropped in silence, nothing made up.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from merflow import artifacts
from merflow.corpora.schemes import find
from merflow.errors import EvaluationError
from merflow.evaluation.tasks import NO_ANSWER, ROUNDING, Task, task_of
from merflow.paths import PREDICTIONS, RECORD, SPLITS, UTTERANCES
from merflow.records import Record, Run
from merflow.store import read_metadata, read_table

KEY = ["fold", "seed", "split", "utterance_id", "label"]
SUM = 1e-3  # how far weights or probabilities may be from a sum of 1: they are stored as 32-bit floats
WHOLE = ""  # as a label: of a prediction that is about an utterance with all that it has


class Expected(NamedTuple):
    """Predictions that there must be, sorted by KEY: at which place each stands, the dialogue of each, and its true code."""

    places: dict[tuple[Any, ...], int]
    dialogue_ids: list[str]
    true: list[int]


@dataclass(frozen=True)
class Prepared:
    """A corpus as prepared: utterances by id (dialogue_id, labels, clip) and who is in which split."""

    name: str
    utterances: pd.DataFrame
    splits: pd.DataFrame
    _kept: dict[Any, Any] = field(
        default_factory=dict, repr=False
    )  # systems of a paper ask for the same

    @classmethod
    def read(cls, folder: Path) -> "Prepared":
        """Read data/corpora/<corpus>."""
        utterances = read_table(folder / UTTERANCES, artifacts.UTTERANCES)
        return cls(
            folder.name,
            utterances.set_index("utterance_id"),
            read_table(folder / SPLITS, artifacts.SPLITS),
        )

    def scope(self, scheme: str, class_of: Mapping[str, str], task: Task) -> pd.DataFrame:
        """Utterances of a split scheme, or labels of them, that are in scope: utterance_id, label, fold, split, dialogue_id, true.

        `true` is a code of the task; `label` is the one that a row is about, or WHOLE.

        Args:
            scheme: name of the split scheme.
            class_of: label -> class.
            task: with these classes.

        Raises:
            EvaluationError: an utterance carries several labels, or none, and the task is to tell the one.
        """
        key = (scheme, tuple(class_of.items()), task)
        if key not in self._kept:
            self._kept[key] = self._scope(scheme, class_of, task)
        return self._kept[key]

    def _scope(self, scheme: str, class_of: Mapping[str, str], task: Task) -> pd.DataFrame:
        members = self.splits[self.splits["scheme"] == scheme].join(
            self.utterances[["dialogue_id", "labels"]], on="utterance_id"
        )
        members["label"] = members["label"].fillna(WHOLE)
        members["labels"] = [
            every if label == WHOLE else [label]
            for every, label in zip(members["labels"], members["label"], strict=True)
        ]
        if not (accepted := task.accepts(members["labels"].str.len())).all():
            first = members[~accepted].iloc[0]
            raise EvaluationError(
                f"{self.name}: {first['utterance_id']} is labelled {list(first['labels'])}; only utterances with one label can be scored"
            )
        members = members.assign(true=task.encode_labels(members["labels"], class_of)).drop(
            columns=["scheme", "labels"]
        )
        return members[members["true"] != NO_ANSWER]

    def expected(self, record: Record, task: Task) -> Expected:
        """Predictions that a system must make: all in scope but the train part and what it lacks, in each run.

        Args:
            record: of the system.
            task: with its classes.
        """
        runs, lacking = {(run.fold, run.seed) for run in record.runs}, record.missing_inputs
        key = (record.scheme, tuple(record.class_of.items()), task, frozenset(runs), lacking)
        if key not in self._kept:
            scope = _tuples(
                self.scope(record.scheme, record.class_of, task),
                [*KEY[:1], *KEY[2:], "dialogue_id", "true"],
            )
            rows = sorted(
                (fold, seed, split, utterance_id, *rest)
                for fold, split, utterance_id, *rest in scope
                if split != "train" and utterance_id not in lacking
                for seed in (seed for run_fold, seed in runs if run_fold == fold)
            )
            places = {tuple(row[: len(KEY)]): place for place, row in enumerate(rows)}
            self._kept[key] = Expected(places, [row[-2] for row in rows], [row[-1] for row in rows])
        return self._kept[key]


@dataclass(frozen=True)
class Result:
    """A system's checked predictions on a corpus under a protocol.

    Attributes:
        record: of its runs.
        task: what the system tells.
        predictions: sorted by KEY; utterance_id, label (WHOLE: all that it has), dialogue_id, fold, seed, split, true, predicted (these
            two: codes of the task), and attention (weights of run.json's ``attention``, or None).
    """

    record: Record
    task: Task
    predictions: pd.DataFrame

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        return self.task.classes

    @cached_property
    def seeds(self) -> list[int]:
        """Seeds, sorted."""
        return sorted(int(seed) for seed in self.predictions["seed"].unique())

    @cached_property
    def left_out(self) -> frozenset[str]:
        """Ids of the utterances that lack an input."""
        return self.record.missing_inputs

    def right(self, split: str, without: Collection[str] = ()) -> dict[int, np.ndarray]:
        """Seed -> whether each was answered right, in the order of fold, utterance_id and label: (N,).

        Args:
            split: dev or test.
            without: utterances that do not count.
        """
        columns, counted = self._columns, self._counted(split, without)
        right = columns["true"] == columns["predicted"]
        return {seed: right[counted & (columns["seed"] == k)] for k, seed in enumerate(self.seeds)}

    def counts(
        self, split: str, fold: int | None = None, without: Collection[str] = ()
    ) -> np.ndarray:
        """Counts (D, S, K, K) or (D, S, E, 2, 2) of a split: dialogues in the order of their ids, seeds in the order of `seeds`.

        Args:
            split: dev or test.
            fold: one fold; None: all.
            without: utterances that do not count; a dialogue of which nothing is left is none of the D.
        """
        columns, counted = self._columns, self._counted(split, without)
        if fold is not None:
            counted &= columns["fold"] == fold
        true, predicted = (
            self.task.one_hot[columns[name][counted]] for name in ("true", "predicted")
        )
        return tally(columns["dialogue_id"][counted], columns["seed"][counted], true, predicted)

    def _counted(self, split: str, without: Collection[str]) -> np.ndarray:
        counted: np.ndarray = self._columns["split"] == split
        return (
            counted & ~self.predictions["utterance_id"].isin(without).to_numpy()
            if without
            else counted
        )

    @cached_property
    def _columns(self) -> dict[str, np.ndarray]:
        """Columns of `predictions` as arrays: of dialogues and seeds the numbers, in their order."""
        arrays = {name: self.predictions[name].to_numpy() for name in ("fold", "true", "predicted")}
        arrays["split"] = self.predictions["split"].to_numpy(dtype=object)
        arrays["seed"] = np.searchsorted(self.seeds, self.predictions["seed"])
        return arrays | {"dialogue_id": pd.factorize(self.predictions["dialogue_id"], sort=True)[0]}


def tally(
    dialogues: np.ndarray, seeds: np.ndarray, true: np.ndarray, predicted: np.ndarray
) -> np.ndarray:
    """Count predictions by dialogue and seed.

    Args:
        dialogues: id of the dialogue of each of N predictions, or its number.
        seeds: numbers from 0, (N,).
        true: what each utterance counts as, one-hot: (N, K) or (N, E, 2).
        predicted: the same, or shares that sum to 1.

    Returns:
        Counts (D, S, K, K) or (D, S, E, 2, 2), dialogues in the order of their ids.
    """
    ids, numbers = np.unique(dialogues, return_inverse=True)
    counts = np.zeros(
        (len(ids), seeds.max(initial=0) + 1, *true.shape[1:], true.shape[-1]), predicted.dtype
    )
    np.add.at(counts, (numbers, seeds), true[..., :, None] * predicted[..., None, :])
    return counts


def name_of(folder: Path) -> str:
    """``results/<paper>/<system>/<corpus>-<protocol>`` of a folder, wherever the checkout lies."""
    return "/".join(("results", *folder.parts[-3:]))


def read_result(folder: Path, corpora: Mapping[str, Prepared]) -> Result:
    """A system's predictions, checked against its corpus and split.

    Args:
        folder: results/<paper>/<system>/<corpus>-<protocol>.
        corpora: prepared corpora by name.

    Raises:
        EvaluationError: run.json cannot be read, or leaves out what the corpus does not have; it and the predictions disagree
            about runs or classes; an utterance in scope without a prediction, or with two in a run; a prediction for one that
            is out of scope or left out; labels that differ from the corpus; a prediction that is no answer to the task, or that does
            not follow from its probabilities.
    """
    path, record = folder / PREDICTIONS, Record.read(folder)
    if record.corpus not in corpora:
        raise EvaluationError(
            f"{path}: its corpus {record.corpus} was not handed in; prepare it first (have: {', '.join(corpora) or 'none'})"
        )
    corpus = corpora[record.corpus]
    for name, ids in record.left_out.items():
        if unknown := set(ids) - set(corpus.utterances.index):
            raise EvaluationError(
                f"{folder / RECORD}: {min(unknown)} (left out, no {name}) is not in {corpus.name}; train it again"
            )
    classes = tuple(read_metadata(path, artifacts.PREDICTIONS).get("classes", ()))
    if sorted(classes) != sorted(
        set(record.class_of.values())
    ):  # the order is that of probabilities: run.json sorts its keys
        known = ", ".join(dict.fromkeys(record.class_of.values()))
        raise EvaluationError(
            f"{path}: its classes are {', '.join(classes) or 'not named'}, those of run.json {known}; train it again"
        )
    scheme = find(corpus.name, record.scheme)
    task = task_of(corpus.name, record.scheme, classes)
    rows = read_table(path, artifacts.PREDICTIONS)
    rows["label"] = rows["labels"].str[0] if scheme.instances else WHOLE
    if len(set(_tuples(rows, run_and_id := ["fold", "seed", "utterance_id", "label"]))) < len(rows):
        raise EvaluationError(
            f"{path}: two predictions for {_say(rows[rows.duplicated(run_and_id)].iloc[0])}"
        )
    rows = _matched(path, rows, corpus, record, task)
    for run in record.runs:
        _check_epochs(
            f"{folder / RECORD}: selected_epochs of fold {run.fold}, seed {run.seed}", run, task
        )
    if (wrong := task.encode(rows["labels"]) != rows["true"]).any():
        first = rows[wrong].iloc[0]
        own = list(corpus.utterances.loc[first["utterance_id"], "labels"])
        raise EvaluationError(
            f"{path}: {_say(first)} is labelled {list(first['labels'])}, the corpus says {own}"
        )
    predicted = _answers(path, rows, task)
    _check_attention(path, rows, len(record.attention))
    return Result(
        record, task, rows[[*KEY, "dialogue_id", "true", "attention"]].assign(predicted=predicted)
    )


def _check_epochs(place: str, run: Run, task: Task) -> None:
    """Refuse selected epochs that are not one for each component, or not in the history."""
    epochs = run.selected_epochs
    try:
        task.trained(max(1, len(epochs)))
    except ValueError as error:
        raise EvaluationError(
            f"{place} are {list(epochs)}, expected {error} of them; train it again"
        ) from error
    if epochs and task.single and epochs[0] not in [epoch.epoch for epoch in run.history]:
        raise EvaluationError(f"{place} are {list(epochs)}, not in its history; train it again")


def _check_attention(path: Path, rows: pd.DataFrame, weighed: int) -> None:
    """Refuse weights that are not one for each of what run.json says is weighed, with sum 1."""
    wrong = (
        rows["attention"].map(lambda weights: 0 if weights is None else len(weights)).to_numpy()
        != weighed
    )
    if weighed and not wrong.any():
        weights = np.stack(rows["attention"].to_list()).astype(float)
        wrong = ~((weights.min(axis=1) >= 0) & (np.abs(weights.sum(axis=1) - 1) <= SUM))
    if wrong.any():
        first = rows[wrong].iloc[0]
        weights = (
            np.array([] if first["attention"] is None else first["attention"], dtype=float)
            .round(4)
            .tolist()
        )
        raise EvaluationError(
            f"{path}: {_say(first)} has attention {weights}, expected {weighed} weights with sum 1"
        )


def _answers(path: Path, rows: pd.DataFrame, task: Task) -> np.ndarray:
    """Codes of what is predicted (N,), each of which follows from its probabilities."""

    def refuse(wrong: np.ndarray, column: str, expected: str) -> None:
        if wrong.any():
            first = rows[wrong].iloc[0]
            shown = [
                value if isinstance(value, str) else round(float(value), 4)
                for value in first[column]
            ]
            raise EvaluationError(
                f"{path}: {_say(first)} has {column} {shown}, expected {expected} of {', '.join(task.classes)}"
            )

    predicted = task.encode(rows["predicted"])
    refuse(predicted == NO_ANSWER, "predicted", task.labels)
    refuse(
        rows["probabilities"].str.len().to_numpy() != len(task.classes),
        "probabilities",
        "one, from 0 to 1, for each",
    )
    probabilities = np.stack(rows["probabilities"].to_list()).astype(float)
    outside = ~((probabilities >= -ROUNDING) & (probabilities <= 1 + ROUNDING))  # NaN too
    refuse(np.any(outside, axis=1), "probabilities", "one, from 0 to 1, for each")
    refuse(~task.follows(predicted, probabilities), "predicted", task.rule)
    if (
        task.single
    ):  # where several classes may be present at once, each probability is of its own question
        refuse(
            np.abs(probabilities.sum(axis=1) - 1) > SUM, "probabilities", "a sum of 1 over those"
        )
    return predicted


def _matched(
    path: Path, rows: pd.DataFrame, corpus: Prepared, record: Record, task: Task
) -> pd.DataFrame:
    """Predictions beside dialogue_id and true code of the corpus, sorted by KEY; refused where one has no counterpart in the other."""
    scope = corpus.scope(record.scheme, record.class_of, task)
    parts = {(fold, split) for fold, split in _tuples(scope, ["fold", "split"]) if split != "train"}
    runs = {(run.fold, run.seed) for run in record.runs}
    predicted_runs = set(_tuples(rows, ["fold", "seed"]))
    wanted = set(product({fold for fold, _ in parts}, {seed for _, seed in runs}))
    if not predicted_runs == runs == wanted:
        fold, seed = min((predicted_runs | runs | wanted) - (predicted_runs & runs & wanted))
        raise EvaluationError(
            f"{path}: fold {fold}, seed {seed} is not in predictions, run.json and split alike; train it again"
        )

    lacking = {key: name for name, ids in record.left_out.items() for key in ids}
    expected = corpus.expected(record, task)
    if gone := parts - {(fold, split) for fold, _, split, *_ in expected.places}:
        fold, split = min(gone)
        raise EvaluationError(
            f"{path}: run.json leaves out all of {split} in fold {fold}; there is nothing to score"
        )
    keys = list(_tuples(rows, KEY))
    places = np.array([expected.places.get(key, -1) for key in keys])
    if (extra := places < 0).any():
        first = rows[extra].sort_values(KEY).iloc[0]
        reason = f"is not in {first['split']} of {corpus.name}'s split {record.scheme}, labels {', '.join(record.class_of)}"
        if first["utterance_id"] in lacking:
            reason = f"has a prediction, though run.json leaves it out for want of {lacking[first['utterance_id']]}"
        raise EvaluationError(f"{path}: {_say(first)} {reason}; train it again")
    if missing := sorted(expected.places.keys() - keys):
        fold, seed, split, first, _ = missing[0]
        part = [key for key in missing if key[:3] == (fold, seed, split)]
        raise EvaluationError(
            f"{path}: no prediction for {len(part)} {split} utterances (fold {fold}, seed {seed}), first {first}"
        )
    return (
        rows.iloc[np.argsort(places)]
        .reset_index(drop=True)
        .assign(dialogue_id=expected.dialogue_ids, true=expected.true)
    )


def _tuples(rows: pd.DataFrame, columns: list[str]) -> Iterator[tuple[Any, ...]]:
    """These columns, row by row."""
    return zip(*(rows[name].tolist() for name in columns), strict=True)


def _say(row: Mapping[str, Any] | pd.Series) -> str:
    return f"{row['utterance_id']} (fold {row['fold']}, seed {row['seed']})"
