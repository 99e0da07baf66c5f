"""Step score, run on made results, and pieces of its tables."""

import pandas as pd

from merflow import artifacts
from merflow.corpora.labels import CLASSES
from merflow.evaluation.score import score
from merflow.evaluation.scored import Scores
from merflow.params import EvaluationParams
from merflow.store import read_table, write_table

MELD = CLASSES["meld"]
#: Label -> class; other labels are out of scope.
FEWER = {"neutral": "neutral", "joy": "high", "surprise": "high", "anger": "high"}
EVALUATION = EvaluationParams(resamples=200, confidence=0.95, seed=1)


def scored(tmp_path, results, corpus):
    score(results, [corpus], EVALUATION, tmp_path / "results" / "scores")
    return Scores.read(tmp_path / "results" / "scores")


def only(table, **where):
    """The only row with these values; None: null."""
    for column, value in where.items():
        table = table[table[column].isna() if value is None else table[column] == value]
    assert len(table) == 1, table
    return table.iloc[0]


def mean_of(scores, system, metric, split="test", **where):
    """Mean over all seeds and folds."""
    where = {"system": system, "metric": metric, "split": split, **where}
    return only(scores.scores, fold=None, seed=None, **where)


def predictions(folder, split="test"):
    rows = pd.read_parquet(folder / "predictions.parquet")
    return rows[rows["split"] == split]


def correct(rows):
    return rows["labels"].str[0] == rows["predicted"].str[0]


def with_second_fold(corpus, **splits):
    """Add fold 1, in which the splits of fold 0 are others."""
    path = corpus / "splits.parquet"
    rows = read_table(path, artifacts.SPLITS)
    second = rows.assign(fold=1, split=rows["split"].replace(splits))
    write_table(path, pd.concat([rows, second]), artifacts.SPLITS)
