"""The step ``score``: every score is recomputed here from predictions, after these were checked against the corpus.

Rows of results/scores.parquet for each system, corpus, protocol and split (dev, test):
  fold f, seed s        one run
  fold null, seed s     predictions of all folds pooled
  fold null, seed null  mean and standard deviation over seeds, interval over dialogues
Rows of the last kind stand for the trivial baselines too (merflow.evaluation.baselines), on every utterance in scope, and for
each pair of systems on test as ``<first> - <second>``: the difference of their means with its paired interval and test, on the
utterances that both predicted. Where each utterance has one class, rows with a seed stand beside them: the difference of accuracy
between the two runs with this seed, p of McNemar's test, and how many utterances one of the two alone got right (``first_alone``,
``second_alone``).

What predictions do not hold comes from run.json; fusions and systems off the shelf have none of it. Per network that a run trained
the epoch that was scored (``selected_epoch``; of a class, where each has a network of its own). Where one network tells all classes
apart, its ``loss`` in that epoch (split train: the mean while the epoch trained; dev: after it): of each run, of each seed (mean of
folds by their utterances), and over seeds with standard deviation. Per system and protocol, on split train, its ``batch_size``,
``learning_rate`` and ``weight_decay``. A system that ran under two protocols has rows under protocol ``<first> - <second>``
(merflow.evaluation.gap). Of networks that leave tokens of a picture out, on test, how many go into each later stage and into all of
them (``tokens``), and for how many seconds the network computes for a clip (``clip_s``): means over all runs.

Rows of the "system" ``corpus`` come from the corpus and its split alone: how many utterances of the train, dev and test part are in
scope (``count``, of all and of each class; where there are several folds, their mean), how many of them have a clip (``clips``), and how
many of the test parts share something with the train part of their fold (merflow.evaluation.leakage; all folds together).

Where several classes may be present at once, a metric has a row per class and one, without a class, for their mean. There, rows of
``corpus`` also say in which share of a part (of all folds together) each class is present, and in which absent.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from merflow import artifacts
from merflow.errors import EvaluationError, StoreError
from merflow.evaluation.baselines import BASELINES
from merflow.evaluation.gap import gaps
from merflow.evaluation.intervals import Sample, mcnemar, paired_difference, seed_mean
from merflow.evaluation.leakage import shared
from merflow.evaluation.metrics import ALONE, CLIP_S, CORPUS, LOSS, SETTINGS, SIZES, TOKENS, VERSUS
from merflow.evaluation.predictions import Prepared, Result, name_of, read_result, tally
from merflow.evaluation.tasks import Task
from merflow.params import EvaluationParams
from merflow.progress import log
from merflow.records import Epoch, Run
from merflow.store import write_table

Row = dict[str, Any]
Right = Mapping[int, np.ndarray]
#: Split -> its loss in an epoch of the history.
LOSS_OF: dict[str, Callable[[Epoch], float | None]] = {
    "train": lambda epoch: epoch.train_loss,
    "dev": lambda epoch: epoch.loss,
}


def score(
    results: Sequence[Path],
    prepared: Sequence[Path],
    evaluation: EvaluationParams,
    out: Path,
    asked: Mapping[str, list[int]] | None = None,
) -> None:
    """Check all predictions and write results/scores.parquet.

    Its metadata holds `evaluation` and, as ``missing``, a line for each result that is absent or refused, by its name; none may be, unless
    `evaluation` allows it.

    Args:
        results: folders results/<paper>/<system>/<corpus>-<protocol>.
        prepared: folders data/corpora/<corpus>.
        evaluation: the parameters of the intervals, and ``allow_missing``.
        out: the file to write.
        asked: results that must be there, with their seeds (merflow.params.expected_results); None: those that are.

    Raises:
        EvaluationError: predictions do not fit the corpus or its split (see `read_result`), a result that was asked for is absent or has
            other seeds, or systems of one paper, corpus and protocol do not tell the same classes apart, in the same order, on the same
            split.
    """
    corpora = {folder.name: Prepared.read(folder) for folder in sorted(prepared)}
    groups: dict[tuple[str, str, str], list[Result]] = {}
    found, missing = _checked(results, corpora, evaluation, asked or {})
    for result in found:
        groups.setdefault(
            (result.record.paper, result.record.corpus, result.record.protocol), []
        ).append(result)
    rows: list[Row] = []
    for (paper, corpus, protocol), members in groups.items():
        _refuse_strangers(members)
        log.info("score %s on %s, %s: %d systems", paper, corpus, protocol, len(members))
        scope = corpora[corpus].scope(
            members[0].record.scheme, members[0].record.class_of, members[0].task
        )
        tested = [Tested(result, evaluation) for result in members]
        for one in tested:
            rows += _system_rows(one)
            rows += _trained_rows(one.result, scope)
        rows += _corpus_rows(members[0], scope, corpora[corpus].utterances)
        rows += _baseline_rows(members[0], scope, evaluation)
        rows += _difference_rows(tested)
    for paper, corpus in dict.fromkeys((paper, corpus) for paper, corpus, _ in groups):
        protocols = {
            protocol: members
            for (p, c, protocol), members in groups.items()
            if (p, c) == (paper, corpus)
        }
        rows += gaps(protocols, evaluation)
    table = pd.DataFrame(rows, columns=artifacts.SCORES.names).astype(
        {"fold": "Int32", "seed": "Int32"}
    )
    order = ["paper", "corpus", "protocol", "system", "split", "fold", "seed"]
    table = table.sort_values(order, kind="stable", na_position="first")
    write_table(
        out, table, artifacts.SCORES, {"evaluation": evaluation.model_dump(), "missing": missing}
    )


def _checked(
    results: Sequence[Path],
    corpora: Mapping[str, Prepared],
    evaluation: EvaluationParams,
    asked: Mapping[str, list[int]],
) -> tuple[list[Result], dict[str, str]]:
    """The results that can be scored; name of each other one -> what is wrong with it, in one line."""
    found, missing = [], {}
    folders = {name_of(folder): folder for folder in sorted(results)}
    for name in sorted({*folders, *asked}):
        try:
            if name not in folders:
                raise EvaluationError(
                    f"{name}: absent, though run.{name.split('/')[1]} asks for it; train it"
                )
            result = read_result(folders[name], corpora)
            if result.seeds != (seeds := asked.get(name, result.seeds)):
                told = ["/".join(map(str, some)) for some in (result.seeds, seeds)]
                raise EvaluationError(
                    f"{folders[name]}: has seeds {told[0]}, params.yaml asks for {told[1]}; train it again"
                )
            found.append(result)
        except (EvaluationError, StoreError) as error:
            if not evaluation.allow_missing:
                raise type(error)(
                    f"{error} (or score the rest: evaluation.allow_missing: true)"
                ) from error
            log.warning("score goes on without %s: %s", name, error)
            missing[name] = (
                str(error) if str(error).startswith(f"{name}: ") else f"{name}: refused ({error})"
            )
    return found, missing


def _refuse_strangers(members: Sequence[Result]) -> None:
    """Systems of a group share their baselines and are compared in pairs."""
    first, *others = members
    for other in others:
        different = [
            name
            for name in ("source", "scheme", "class_of")
            if getattr(first.record, name) != getattr(other.record, name)
        ]
        if different or first.classes != other.classes:
            what = ", ".join(different) or "order of classes"
            raise EvaluationError(
                f"{first.record.name} and {other.record.name} differ in {what};"
                " delete both and train again"
            )


def _rows(about: Row, task: Task, values: np.ndarray, **columns: np.ndarray) -> Iterator[Row]:
    for k, (metric, name) in enumerate(task.names):
        yield {
            **about,
            "metric": metric,
            "class": name,
            "value": values[k],
            **{key: column[k] for key, column in columns.items()},
        }


def _about(result: Result, **changes: Any) -> Row:
    record = result.record
    names = ("paper", "system", "corpus", "source", "protocol")
    shared = {name: getattr(record, name) for name in names}
    inputs = ", ".join(dict.fromkeys(record.input_labels.values()))
    return {
        **shared,
        "inputs": inputs,
        "classes": len(result.classes),
        "fold": None,
        "seed": None,
        **changes,
    }


def _n(counts: np.ndarray) -> int:
    """Utterances in counts (D, S, ..., true, predicted): each seed, and each class that may be present, counts all of them."""
    return round(float(counts.sum(axis=(0, -2, -1)).mean()))


class Tested:
    """A system on test, as it is compared with others: on the utterances that both predicted."""

    def __init__(self, result: Result, evaluation: EvaluationParams) -> None:
        """Nothing is counted yet."""
        self.result, self.evaluation = result, evaluation
        self._ids = set(
            result.predictions.loc[result.predictions["split"] == "test", "utterance_id"]
        )
        self._kept: dict[
            frozenset[str], tuple[Sample, Right | None]
        ] = {}  # few inputs are ever lacking

    def without(self, left_out: Collection[str] = ()) -> tuple[Sample, Right | None]:
        """Counts of the system, and what it got right (see `Result.right`; None for multi-label systems).

        Args:
            left_out: utterances that do not count.
        """
        gone = frozenset(self._ids.intersection(left_out))
        if gone not in self._kept:
            sample = Sample(
                self.result.counts("test", without=gone), self.evaluation, self.result.task.measure
            )
            self._kept[gone] = (
                sample,
                self.result.right("test", gone) if self.result.task.single else None,
            )
        return self._kept[gone]


def _system_rows(tested: Tested) -> Iterator[Row]:
    result, (test, _) = tested.result, tested.without()
    rows, task = result.predictions, result.task
    folds = [None, *sorted(rows["fold"].unique())]
    for split in sorted(rows["split"].unique()):
        of_folds = [result.counts(split, fold) for fold in folds]
        measured = task.measure(np.stack([counts.sum(axis=0) for counts in of_folds]))
        for fold, counts, of_seeds in zip(folds, of_folds, measured, strict=True):
            for seed, values in zip(result.seeds, of_seeds, strict=True):
                yield from _rows(
                    _about(result, split=split, fold=fold, seed=seed, n=_n(counts)), task, values
                )
        yield from _mean_rows(
            _about(result, split=split),
            task,
            test if split == "test" else replace(test, clusters=result.counts(split)),
        )


def _trained_rows(result: Result, scope: pd.DataFrame) -> Iterator[Row]:
    """What run.json says of the training of `result`; nothing, where nothing was trained."""
    for metric, value in result.record.params.get("training", {}).items():
        if metric in SETTINGS:
            yield _about(result, split="train", metric=metric, value=value, n=1)
    runs = [run for run in result.record.runs if run.selected_epochs]
    for run in runs:
        about = _about(
            result, fold=run.fold, seed=run.seed, split="dev", metric="selected_epoch", n=1
        )
        components = result.task.trained(len(run.selected_epochs))
        for name, epoch in zip(components, run.selected_epochs, strict=True):
            yield {**about, "class": name, "value": epoch}
    yield from _compression_rows(result, runs)
    if runs and result.task.single:
        sizes = (
            scope[~scope["utterance_id"].isin(result.left_out)].groupby(["split", "fold"]).size()
        )
        for split in dict.fromkeys(split for split, _ in sizes.index if split != "test"):
            about = _about(result, split=split, metric=LOSS)
            yield from _loss_rows(about, runs, LOSS_OF[split], sizes[split])


def _compression_rows(result: Result, runs: Sequence[Run]) -> Iterator[Row]:
    """Tokens of a network that leaves some out, and how long it computes: means over all runs, of which each stands for as much."""
    tokens = [run.tokens for run in runs if run.tokens is not None]
    if not tokens:
        return
    stages = np.mean(tokens, axis=0)
    about = _about(result, split="test", n=_n(result.counts("test")))
    yield {**about, "metric": TOKENS, "value": stages.sum()}
    for number, value in enumerate(stages, 2):
        yield {**about, "metric": TOKENS, "class": f"stage {number}", "value": value}
    yield {
        **about,
        "metric": CLIP_S,
        "value": np.mean([run.clip_s for run in runs if run.clip_s is not None]),
    }


def _loss_rows(
    about: Row, runs: Sequence[Run], loss: Callable[[Epoch], float | None], sizes: pd.Series
) -> Iterator[Row]:
    """Rows of `loss` of each run in its scored epoch; `sizes`: utterances of each fold."""
    losses: dict[int, list[tuple[float | None, int]]] = {}
    for run in runs:
        (selected,) = run.selected_epochs
        value = next(loss(epoch) for epoch in run.history if epoch.epoch == selected)
        losses.setdefault(run.seed, []).append((value, sizes[run.fold]))
        place = {"fold": run.fold, "seed": run.seed}
        yield {**about, **place, "value": value, "n": sizes[run.fold]}
    means = []
    for seed in sorted(losses):
        values, n = zip(*losses[seed], strict=True)
        means.append(np.average(values, weights=n))
        yield {**about, "fold": None, "seed": seed, "value": means[-1], "n": sum(n)}
    yield {
        **about,
        "value": np.mean(means),
        "std": np.std(means, ddof=1) if len(means) > 1 else np.nan,
        "n": sum(n),
    }


def _mean_rows(about: Row, task: Task, sample: Sample) -> Iterable[Row]:
    mean, std, (low, high) = seed_mean(sample)
    return _rows({**about, "n": _n(sample.clusters)}, task, mean, std=std, low=low, high=high)


def _corpus_rows(result: Result, scope: pd.DataFrame, utterances: pd.DataFrame) -> Iterator[Row]:
    """Sizes of parts and classes, and what test shares with train, of what is in scope of `result`, from the corpus and its split alone."""
    scope = scope.assign(clip=scope["utterance_id"].isin(utterances["clip"].dropna().index))
    about = _about(
        result, system=CORPUS, inputs=None, split="test", n=int((scope["split"] == "test").sum())
    )
    for metric, count in shared(
        scope.join(utterances[["origin", "text", "speaker"]], on="utterance_id")
    ).items():
        yield {**about, "metric": metric, "value": count}
    for split, rows in scope.groupby("split"):
        about = _about(result, system=CORPUS, inputs=None, split=split, n=len(rows))
        sizes = (len(rows), rows["clip"].sum())
        for metric, size in zip(SIZES, sizes, strict=True):
            yield {**about, "metric": metric, "value": size / rows["fold"].nunique()}
        for name, size in result.task.sizes(rows["true"].to_numpy()).items():
            yield {
                **about,
                "metric": SIZES[0],
                "class": name,
                "value": size / rows["fold"].nunique(),
            }
        for (metric, name), share in result.task.balance(rows["true"].to_numpy()).items():
            yield {**about, "metric": metric, "class": name, "value": share}


def _baseline_rows(
    result: Result, scope: pd.DataFrame, evaluation: EvaluationParams
) -> Iterator[Row]:
    """Baselines on every utterance that is in scope of `result`, also where it lacks an input; fitted on each fold's train split."""
    task = result.task
    train = scope[scope["split"] == "train"]
    for name in task.baselines:
        shares = {
            fold: BASELINES[name](task.one_hot[true].sum(axis=0))
            for fold, true in train.groupby("fold")["true"]
        }
        for split, rows in scope[scope["split"] != "train"].groupby("split"):
            predicted = np.stack([shares[fold] for fold in rows["fold"]])
            counts = tally(
                rows["dialogue_id"].to_numpy(),
                np.zeros(len(rows), dtype=int),
                task.one_hot[rows["true"]],
                predicted,
            )
            yield from _mean_rows(
                _about(result, system=name, inputs=None, split=split),
                task,
                Sample(counts, evaluation, task.measure),
            )


def _difference_rows(tested: Sequence[Tested]) -> Iterator[Row]:
    for first, second in combinations(tested, 2):
        one, mine = first.without(second.result.left_out)
        two, others = second.without(first.result.left_out)
        if not len(one.clusters):
            continue  # no utterance has what both take
        name = f"{first.result.record.system}{VERSUS}{second.result.record.system}"
        about = _about(first.result, system=name, inputs=None, split="test", n=_n(one.clusters))
        difference, (low, high), p = paired_difference(one, two)
        yield from _rows(about, first.result.task, difference, low=low, high=high, p=p)
        if mine is not None and others is not None:
            yield from _seed_rows(about, mine, others)


def _seed_rows(about: Row, first: Right, second: Right) -> Iterator[Row]:
    """The runs of two systems against each other, seed by seed, on the same utterances (see `Result.right`)."""
    for seed in sorted(first.keys() & second.keys()):
        *alone, p = mcnemar(first[seed], second[seed])
        row = {**about, "seed": seed, "n": len(first[seed])}
        yield {**row, "metric": "accuracy", "value": (alone[0] - alone[1]) / row["n"], "p": p}
        for metric, count in zip(ALONE, alone, strict=True):
            yield {**row, "metric": metric, "value": count}
