"""The step ``score``: every score is recomputed here from predictions, after these were checked against the corpus.

Rows of results/scores.parquet for each system, corpus, protocol and split (dev, test):
  fold f, seed s        one run
  fold null, seed s     predictions of all folds pooled
  fold null, seed null  mean and standard deviation over seeds, interval over dialogues
The same rows stand for the systems ``majority`` and ``chance``, and for each pair of systems on test as
``<first> - <second>`` (fold and seed null): the difference of their means with its paired interval.
One row per run comes from its run.json, not from predictions: the epoch that was scored (metric ``selected_epoch``).
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from merflow import artifacts
from merflow.errors import EvaluationError
from merflow.evaluation.baselines import BASELINES
from merflow.evaluation.intervals import paired_difference, pool, seed_mean
from merflow.evaluation.metrics import VERSUS, names
from merflow.params import Evaluation
from merflow.progress import log
from merflow.store import read_metadata, read_table, write_table

Row = dict[str, Any]


@dataclass(frozen=True)
class Prepared:
    """A corpus as prepared: utterances by id (dialogue_id, labels) and who is in which split."""

    name: str
    utterances: pd.DataFrame
    splits: pd.DataFrame

    @classmethod
    def read(cls, folder: Path) -> "Prepared":
        """Read data/corpora/<corpus>."""
        utterances = read_table(folder / "utterances.parquet", artifacts.UTTERANCES)
        return cls(folder.name, utterances.set_index("utterance_id"), read_table(folder / "splits.parquet", artifacts.SPLITS))


@dataclass(frozen=True)
class Result:
    """A system's checked predictions on a corpus under a protocol.

    Attributes:
        run: run.json as written by training.
        classes: names of the classes.
        predictions: utterance_id, dialogue_id, fold, seed, split, true, predicted (the last two: index in `classes`).
    """

    run: dict[str, Any]
    classes: tuple[str, ...]
    predictions: pd.DataFrame

    @property
    def seeds(self) -> list[int]:
        """Seeds, sorted."""
        return sorted(int(seed) for seed in self.predictions["seed"].unique())

    def counts(self, split: str, fold: int | None = None) -> np.ndarray:
        """Counts (D, S, K, K) of a split: dialogues in the order of their ids, seeds in the order of `seeds`."""
        rows = self.predictions[self.predictions["split"] == split]
        rows = rows if fold is None else rows[rows["fold"] == fold]
        dialogues, names_ = pd.factorize(rows["dialogue_id"], sort=True)
        counts = np.zeros((len(names_), len(self.seeds), len(self.classes), len(self.classes)), dtype=np.int64)
        np.add.at(counts, (dialogues, np.searchsorted(self.seeds, rows["seed"]), rows["true"], rows["predicted"]), 1)
        return counts


def score(results: Sequence[Path], prepared: Sequence[Path], evaluation: Evaluation, out: Path) -> None:
    """Check all predictions and write results/scores.parquet (its metadata holds `evaluation`).

    Args:
        results: folders results/<paper>/<system>/<corpus>-<protocol>.
        prepared: folders data/corpora/<corpus>.
        evaluation: the parameters of the intervals.
        out: the file to write.

    Raises:
        EvaluationError: predictions do not fit the corpus, its split or each other (see `read_result`).
    """
    corpora = {folder.name: Prepared.read(folder) for folder in sorted(prepared)}
    groups: dict[tuple[str, str, str], list[Result]] = {}
    for folder in sorted(results):
        result = read_result(folder, corpora)
        groups.setdefault((result.run["paper"], result.run["corpus"], result.run["protocol"]), []).append(result)
    rows: list[Row] = []
    for (paper, corpus, protocol), members in groups.items():
        log.info("score %s on %s, %s: %d systems", paper, corpus, protocol, len(members))
        for result in members:
            rows += _system_rows(result, evaluation)
        rows += _baseline_rows(members[0], corpora[corpus], evaluation)
        rows += _difference_rows(members, evaluation)
    table = pd.DataFrame(rows, columns=artifacts.SCORES.names).astype({"fold": "Int32", "seed": "Int32"})
    order = ["paper", "corpus", "protocol", "system", "split", "fold", "seed"]
    table = table.sort_values(order, kind="stable", na_position="first")
    write_table(out, table, artifacts.SCORES, {"evaluation": evaluation.model_dump()})


def read_result(folder: Path, corpora: dict[str, Prepared]) -> Result:
    """A system's predictions, checked against its corpus and split.

    Raises:
        EvaluationError: an utterance that the split does not know, a label that differs from the corpus, a test
            utterance without a prediction, or two predictions for one utterance, fold and seed.
    """
    path = folder / "predictions.parquet"
    run = _run(folder)
    if run["corpus"] not in corpora:
        raise EvaluationError(
            f"{path}: its corpus {run['corpus']} was not handed in; prepare it first (have: {', '.join(corpora) or 'none'})"
        )
    corpus = corpora[run["corpus"]]
    classes = tuple(read_metadata(path, artifacts.PREDICTIONS).get("classes", ()))
    if not classes:
        raise EvaluationError(f"{path}: names no classes in its metadata; delete it and train again")
    rows = read_table(path, artifacts.PREDICTIONS).drop(columns="probabilities")
    key = ["fold", "seed", "utterance_id"]
    if rows.duplicated(key).any():
        raise EvaluationError(f"{path}: two predictions for {_say(rows[rows.duplicated(key)].iloc[0])}")

    split = corpus.splits[corpus.splits["scheme"] == run["scheme"]]
    place = ["utterance_id", "fold", "split"]
    unknown = ~pd.MultiIndex.from_frame(rows[place]).isin(pd.MultiIndex.from_frame(split[place]))
    if unknown.any():
        first = rows[unknown].iloc[0]
        raise EvaluationError(f"{path}: {_say(first)} is not in {first['split']} of {corpus.name}'s split {run['scheme']}")
    truth = corpus.utterances.loc[rows["utterance_id"]]
    wrong = [list(a) != list(b) for a, b in zip(rows["labels"], truth["labels"], strict=True)]
    if any(wrong):
        first = rows[wrong].iloc[0]
        expected = list(corpus.utterances.loc[first["utterance_id"], "labels"])
        raise EvaluationError(f"{path}: {_say(first)} is labelled {list(first['labels'])}, the corpus says {expected}")
    _complete(path, rows, split, {(one["fold"], one["seed"]) for one in run["runs"]})

    rows["dialogue_id"] = truth["dialogue_id"].to_numpy()
    rows["true"] = _codes(path, rows, "labels", classes)
    rows["predicted"] = _codes(path, rows, "predicted", classes)
    return Result(run, classes, rows.drop(columns="labels"))


def _run(folder: Path) -> dict[str, Any]:
    path = folder / "run.json"
    try:
        run: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EvaluationError(f"{path}: cannot be read ({error}); delete {folder} and train again") from error
    if missing := {"paper", "system", "corpus", "source", "protocol", "scheme", "checkpoint", "runs"} - set(run):
        raise EvaluationError(f"{path}: lacks {', '.join(sorted(missing))}; delete {folder} and train again")
    return run


def _say(row: pd.Series) -> str:
    return f"{row['utterance_id']} (fold {row['fold']}, seed {row['seed']})"


def _complete(path: Path, rows: pd.DataFrame, split: pd.DataFrame, runs: set[tuple[int, int]]) -> None:
    """Every run of every fold predicts the whole test part, and the whole dev part where it predicts dev."""
    found = set(rows[["fold", "seed"]].drop_duplicates().itertuples(index=False, name=None))
    wanted = {(fold, seed) for fold in split["fold"].unique() for _, seed in runs}
    if found != wanted or runs != wanted:
        fold, seed = min((wanted - found) | (found ^ runs) | (runs - wanted))
        raise EvaluationError(f"{path}: fold {fold}, seed {seed} is not in predictions, run.json and split alike; train it again")
    for part in sorted({"test", *rows["split"]}):
        members = split[split["split"] == part]
        for fold, seed in sorted(wanted):
            predicted = rows.loc[(rows["fold"] == fold) & (rows["seed"] == seed) & (rows["split"] == part), "utterance_id"]
            if missing := set(members.loc[members["fold"] == fold, "utterance_id"]) - set(predicted):
                raise EvaluationError(
                    f"{path}: no prediction for {len(missing)} {part} utterances (fold {fold}, seed {seed}), first {min(missing)}"
                )


def _codes(path: Path, rows: pd.DataFrame, column: str, classes: Sequence[str]) -> np.ndarray:
    """Index of the one class in a column of lists."""
    index = {name: code for code, name in enumerate(classes)}
    codes = np.array([index.get(names_[0], -1) if len(names_) == 1 else -1 for names_ in rows[column]], dtype=np.int64)
    if (codes < 0).any():
        first = rows[codes < 0].iloc[0]
        raise EvaluationError(f"{path}: {column} of {_say(first)} is {list(first[column])}, expected exactly one of {', '.join(classes)}")
    return codes


def _rows(about: Row, classes: tuple[str, ...], values: np.ndarray, **columns: np.ndarray) -> Iterator[Row]:
    for k, (metric, name) in enumerate(names(classes)):
        yield {**about, "metric": metric, "class": name, "value": values[k], **{key: column[k] for key, column in columns.items()}}


def _about(run: dict[str, Any], **changes: Any) -> Row:
    keys = ("paper", "system", "corpus", "source", "protocol", "checkpoint")
    return {**{key: run[key] for key in keys}, "fold": None, "seed": None, **changes}


def _system_rows(result: Result, evaluation: Evaluation) -> Iterator[Row]:
    rows = result.predictions
    for split in sorted(rows["split"].unique()):
        for fold in [None, *sorted(rows["fold"].unique())]:
            counts = result.counts(split, fold)
            for seed, one, values in zip(result.seeds, counts.sum(axis=0), pool(counts), strict=True):
                yield from _rows(_about(result.run, split=split, fold=fold, seed=seed, n=int(one.sum())), result.classes, values)
        yield from _mean_rows(_about(result.run, split=split), result.classes, result.counts(split), evaluation)
    for one in result.run["runs"]:
        about = _about(result.run, fold=one["fold"], seed=one["seed"])
        yield {**about, "split": "dev", "metric": "selected_epoch", "value": one["selected_epoch"], "n": 1}


def _mean_rows(about: Row, classes: tuple[str, ...], counts: np.ndarray, evaluation: Evaluation) -> Iterable[Row]:
    mean, std, (low, high) = seed_mean(counts, evaluation)
    n = round(float(counts.sum()) / counts.shape[1])  # all seeds score the same utterances
    return _rows({**about, "n": n}, classes, mean, std=std, low=low, high=high)


def _baseline_rows(result: Result, corpus: Prepared, evaluation: Evaluation) -> Iterator[Row]:
    """Baselines on the utterances that `result` was scored on, fitted on each fold's train split."""
    one_seed = result.predictions[result.predictions["seed"] == result.seeds[0]]
    splits = corpus.splits[(corpus.splits["scheme"] == result.run["scheme"]) & (corpus.splits["split"] == "train")]
    train = splits.assign(label=[labels[0] for labels in corpus.utterances.loc[splits["utterance_id"], "labels"]])
    for name, baseline in BASELINES.items():
        for split in sorted(one_seed["split"].unique()):
            rows = one_seed[one_seed["split"] == split]
            dialogues, names_ = pd.factorize(rows["dialogue_id"], sort=True)
            counts = np.zeros((len(names_), 1, len(result.classes), len(result.classes)))
            for fold, labels in train.groupby("fold")["label"]:
                shares = baseline(labels.value_counts().reindex(result.classes, fill_value=0).to_numpy())
                here = (rows["fold"] == fold).to_numpy()
                np.add.at(counts, (dialogues[here], 0, rows["true"].to_numpy()[here]), shares)
            yield from _mean_rows(_about(result.run, system=name, checkpoint=None, split=split), result.classes, counts, evaluation)


def _difference_rows(members: Sequence[Result], evaluation: Evaluation) -> Iterator[Row]:
    for first, second in combinations(members, 2):
        about = _about(first.run, system=f"{first.run['system']}{VERSUS}{second.run['system']}", checkpoint=None, split="test")
        difference, (low, high) = paired_difference(first.counts("test"), second.counts("test"), evaluation)
        n = int(first.counts("test")[:, 0].sum())
        yield from _rows({**about, "n": n}, first.classes, difference, low=low, high=high)
