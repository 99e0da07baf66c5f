"""Prepared corpora, and the predictions that a system must make on them.

In scope of a multi-class task is an utterance of the split scheme whose label counts as a class
(``class_of`` of run.json). In a multi-label task every utterance of the scheme is in scope. Where
the scheme has a row per label of an utterance, each row is an instance of its own.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Self

import pandas as pd

from merflow import artifacts
from merflow.errors import EvaluationError
from merflow.evaluation.tasks import INVALID, Task
from merflow.paths import SPLITS, UTTERANCES
from merflow.records import Record
from merflow.store import read_table

#: Columns that identify a prediction.
KEY = ["fold", "seed", "split", "utterance_id", "instance"]
#: Instance of a row that is about an utterance with all its labels.
WHOLE = ""


class Expected(NamedTuple):
    """Predictions that a system must make, sorted by KEY.

    Attributes:
        places: key -> position.
        dialogue_ids: dialogue of each prediction.
        labels: code of the labels of each prediction.
    """

    places: dict[tuple[Any, ...], int]
    dialogue_ids: list[str]
    labels: list[int]


@dataclass(frozen=True)
class Prepared:
    """A corpus as prepared.

    Attributes:
        name: of the corpus.
        utterances: rows of artifacts.UTTERANCES by utterance_id.
        splits: rows of artifacts.SPLITS.
    """

    name: str
    utterances: pd.DataFrame
    splits: pd.DataFrame
    # Systems of a paper ask for the same.
    _cache: dict[Any, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read data/corpora/<corpus>."""
        utterances = read_table(folder / UTTERANCES, artifacts.UTTERANCES)
        splits = read_table(folder / SPLITS, artifacts.SPLITS)
        return cls(folder.name, utterances.set_index("utterance_id"), splits)

    def scope(self, scheme: str, class_of: Mapping[str, str], task: Task) -> pd.DataFrame:
        """Rows of a split scheme that are in scope.

        Args:
            scheme: name of the split scheme.
            class_of: label -> class.
            task: with these classes.

        Returns:
            utterance_id, fold, split, dialogue_id, instance (the label that a row is about, or
            WHOLE) and label (a code of the task).

        Raises:
            EvaluationError: an utterance does not have exactly one label in a multi-class task.
        """
        key = (scheme, tuple(class_of.items()), task)
        if key not in self._cache:
            self._cache[key] = self._scope(scheme, class_of, task)
        return self._cache[key]

    def _scope(self, scheme: str, class_of: Mapping[str, str], task: Task) -> pd.DataFrame:
        of_utterance = self.utterances[["dialogue_id", "labels"]]
        members = self.splits[self.splits["scheme"] == scheme].join(of_utterance, on="utterance_id")
        members["instance"] = members["label"].fillna(WHOLE)
        members["labels"] = [
            labels if instance == WHOLE else [instance]
            for labels, instance in zip(members["labels"], members["instance"], strict=True)
        ]
        can_score = task.can_score(members["labels"].str.len())
        if not can_score.all():
            first = members[~can_score].iloc[0]
            raise EvaluationError(
                f"{self.name}: {first['utterance_id']} has labels {list(first['labels'])}, expected"
                " exactly one; prepare the corpus again"
            )
        members["label"] = task.encode_labels(members["labels"], class_of)
        return members[members["label"] != INVALID].drop(columns=["scheme", "labels"])

    def expected(self, record: Record, task: Task) -> Expected:
        """Predictions that a system must make in its runs.

        They are on dev and test, of the utterances that have all inputs.

        Args:
            record: of the system.
            task: with its classes.
        """
        runs, lacking = {(run.fold, run.seed) for run in record.runs}, record.missing_inputs
        key = (record.scheme, tuple(record.class_of.items()), task, frozenset(runs), lacking)
        if key not in self._cache:
            scope = self.scope(record.scheme, record.class_of, task)
            columns = ["fold", "split", "utterance_id", "instance", "dialogue_id", "label"]
            rows = sorted(
                (fold, seed, split, utterance_id, *rest)
                for fold, split, utterance_id, *rest in tuples(scope, columns)
                if split != "train" and utterance_id not in lacking
                for seed in (seed for run_fold, seed in runs if run_fold == fold)
            )
            places = {tuple(row[: len(KEY)]): place for place, row in enumerate(rows)}
            expected = Expected(places, [row[-2] for row in rows], [row[-1] for row in rows])
            self._cache[key] = expected
        return self._cache[key]


def tuples(rows: pd.DataFrame, columns: list[str]) -> Iterator[tuple[Any, ...]]:
    """Values of these columns, row by row."""
    return zip(*(rows[name].tolist() for name in columns), strict=True)
