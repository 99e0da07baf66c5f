"""Runs of a linear classifier: logistic regression on pooled, standardised features.

It shows what a network adds to its inputs. Its one choice is the strength of the regularisation,
made on the dev split by the score that selects epochs of networks. Where a scheme has no dev split,
it is made by cross-validation over the dialogues of train. It is never made on test, whatever the
protocol allows networks. Nothing is random: the runs of a fold are equal.
"""

import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.preprocessing import StandardScaler

from merflow.corpora.schemes import multi_label
from merflow.params import LinearParams, ProtocolParams
from merflow.records import Run
from merflow.systems import Linear
from merflow.training.dataset import Dataset, read, targets
from merflow.training.inputs import Arrays, extraction_of, labels_of
from merflow.training.job import Job, Runs, predictions_of
from merflow.training.objectives import MultiLabelObjective, Objective, SingleLabelObjective

FOLDS = 5  # of a cross-validation inside train
#: Steps of L-BFGS for each strength, each of which starts where the next stronger one ended. Weak
#: ones may stop here before they converge, which regularises them further.
ITERATIONS = 100


def runs(job: Job, system: Linear, protocol: ProtocolParams) -> Runs:
    """Prepare the runs of a linear classifier.

    Raises:
        ParamsError: impossible parameters, or the stage lacks a feature.
        CorpusError, StoreError: the inputs cannot be read.
    """
    params = job.parsed(LinearParams, job.params)
    scheme = protocol.scheme[job.corpus]
    stores, class_of = job.stores(system.inputs), job.class_of(scheme)
    dataset = read(job.inputs.corpus, job.corpus, scheme, class_of, system, {}, stores, None, {})
    classes = list(dict.fromkeys(class_of.values()))
    vectors = [pool(arrays) for arrays in dataset.arrays.values()]
    is_multi_label = multi_label(job.corpus, scheme)
    maker = _LinearRuns(params, dataset, vectors, classes, is_multi_label)
    shared = {
        "input_labels": labels_of(stores, None, system),
        "left_out": dataset.left_out,
        "class_of": class_of,
        "extraction": extraction_of(stores, system),
    }
    return Runs(shared, classes, maker.make)


class Data(NamedTuple):
    """Examples of a split.

    Attributes:
        ids: N utterances.
        vectors: (N, dim).
        labels: class indices (N,), or (N, K) 1 where a class is present.
        dialogues: (N,) names.
    """

    ids: list[str]
    vectors: np.ndarray
    labels: np.ndarray
    dialogues: np.ndarray


class Choice(NamedTuple):
    """Classifiers of a fold with their chosen strengths.

    Attributes:
        strengths: of each class where several may be present, else one.
        chosen_on: dev, or train by cross-validation.
        probabilities: split -> (N, K), of every split but train.
    """

    strengths: tuple[float, ...]
    chosen_on: Literal["dev", "train"]
    probabilities: dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class _LinearRuns:
    """Runs of a classifier on pooled inputs."""

    params: LinearParams
    dataset: Dataset
    vectors: list[dict[str, np.ndarray]]
    classes: list[str]
    multi_label: bool

    def make(self, fold: int, seed: int, _folder: Path) -> tuple[Run, pd.DataFrame]:
        """Predict dev and test; seeds share the classifiers of their fold."""
        start = time.monotonic()
        splits, choice = self._chosen(fold)
        tables = [
            predictions_of(
                values, splits[name].labels, splits[name].ids, name, self.classes, fold, seed
            )
            for name, values in choice.probabilities.items()
        ]
        run = Run(
            fold=fold,
            seed=seed,
            strengths=choice.strengths,
            strengths_chosen_on=choice.chosen_on,
            device="cpu",
            precision="fp32",
            wall_s=round(time.monotonic() - start, 1),
        )
        return run, pd.concat(tables)

    @cache  # noqa: B019  (lives as long as the job)
    def _chosen(self, fold: int) -> tuple[dict[str, Data], Choice]:
        splits = {split: self._data(fold, split) for split in self.dataset.splits}
        return splits, choose(splits, self.params, len(self.classes), self.multi_label)

    def _data(self, fold: int, split: str) -> Data:
        members = self.dataset.split(fold, split)
        ids = members["utterance_id"].tolist()
        vectors = [np.stack([of_input[key] for key in ids]) for of_input in self.vectors]
        dialogues = members["dialogue_id"].to_numpy()
        return Data(ids, np.concatenate(vectors, axis=1), targets(members), dialogues)


def pool(arrays: Arrays) -> dict[str, np.ndarray]:
    """Pool the frames (n_frames, dim) of each utterance to their mean and standard deviation.

    Returns:
        (2 x dim,) of each utterance; (dim,), unchanged, if each has one frame.
    """
    if all(len(frames) == 1 for frames in arrays.values()):
        return {key: frames[0] for key, frames in arrays.items()}
    return {
        key: np.concatenate(
            [frames.mean(axis=0, dtype=np.float64), frames.std(axis=0, dtype=np.float64)]
        ).astype(np.float32)
        for key, frames in arrays.items()
    }


def choose(
    splits: Mapping[str, Data], params: LinearParams, n_classes: int, is_multi_label: bool
) -> Choice:
    """Fit classifiers of each strength to train, and choose among them.

    Test has no part in the choice. Of equal scores the strongest regularisation wins.

    Args:
        splits: train, test and maybe dev.
        params: strengths, and class weights.
        n_classes: K.
        is_multi_label: each class is a classifier of its own, with its own strength.
    """
    train, strengths = splits["train"], sorted(set(params.strengths), reverse=True)
    objective: Objective = SingleLabelObjective()
    if is_multi_label:
        objective = MultiLabelObjective.of(train.labels, params.class_weights)
    path = _Path(strengths, n_classes, params.class_weights)
    vectors = {name: data.vectors for name, data in splits.items() if name != "train"}
    logits = dict(zip(vectors, path.logits(train, list(vectors.values())), strict=True))
    if "dev" in splits:
        judged, labels = logits["dev"], splits["dev"].labels
    else:
        judged, labels = _cross_validated(path, train), train.labels
    scores = [objective.scores(torch.from_numpy(values), labels) for values in judged]
    best = np.argmax(scores, axis=0)  # (components,), the first of equals
    probabilities = {}
    for name, values in logits.items():
        # a component is a class, or all of them
        chosen = np.take_along_axis(values, np.broadcast_to(best, values.shape[1:])[None], 0)[0]
        probabilities[name] = objective.probabilities(torch.from_numpy(chosen)).numpy()
    chosen_on: Literal["dev", "train"] = "dev" if "dev" in splits else "train"
    return Choice(tuple(strengths[k] for k in best), chosen_on, probabilities)


def _cross_validated(path: "_Path", train: Data) -> np.ndarray:
    """Logits (S, N, K) of train, each dialogue by classifiers that have not seen it."""
    groups = train.dialogues
    if len(set(groups)) < 2:
        groups = np.arange(len(groups))
    splitter = GroupKFold(min(FOLDS, len(set(groups))))
    logits = np.empty((len(path.strengths), len(groups), path.n_classes), np.float32)
    for seen, held_out in splitter.split(train.vectors, groups=groups):
        part = train._replace(vectors=train.vectors[seen], labels=train.labels[seen])
        (logits[:, held_out],) = path.logits(part, [train.vectors[held_out]])
    return logits


def _rotated(seen: np.ndarray, judged: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rotate (n, dim) and (m, dim) to the n dimensions that `seen` spans.

    Where n is not small, both stay as they are. Coefficients with the smallest norm lie in this
    span, and a rotation changes no norm. So the classifier is the same.
    """
    if 4 * len(seen) > seen.shape[1]:  # a rotation would cost more than it saves
        return seen, judged
    basis, _ = np.linalg.qr(seen.T)
    return seen @ basis, judged @ basis


@dataclass(frozen=True)
class _Path:
    """Classifiers along a path of strengths.

    Attributes:
        strengths: S weights of half the squared L2 norm of the coefficients, beside the mean loss;
            the strongest first.
        n_classes: K.
        class_weights: weights w_i = n / (k n_i) of the losses.
    """

    strengths: Sequence[float]
    n_classes: int
    class_weights: bool

    def logits(self, train: Data, vectors: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Compute the logits (S, N, K) of each of `vectors` (N, dim).

        They are standardised as train is. A constant column of train has no influence.
        """
        scaler = StandardScaler().fit(train.vectors)
        seen = scaler.transform(train.vectors)
        judged = np.concatenate([scaler.transform(values) for values in vectors])
        seen, judged = _rotated(seen, judged)
        if train.labels.ndim == 1:
            logits = self._fitted(seen, train.labels, judged, self.n_classes)
        else:
            of_classes = [
                self._fitted(seen, labels.astype(int), judged, 2) for labels in train.labels.T
            ]
            logits = np.stack([values[..., 1] - values[..., 0] for values in of_classes], axis=-1)
        ends = np.cumsum([0, *map(len, vectors)])
        return [logits[:, start:end] for start, end in pairwise(ends)]

    def _fitted(
        self, train: np.ndarray, labels: np.ndarray, judged: np.ndarray, n_classes: int
    ) -> np.ndarray:
        """Logits (S, N, n_classes), minus infinity for a class that train lacks."""
        values = np.full((len(self.strengths), len(judged), n_classes), -np.inf, np.float32)
        present = np.unique(labels)
        if len(present) == 1:
            values[:, :, present] = 0.0
            return values
        classifier = LogisticRegression(
            class_weight="balanced" if self.class_weights else None,
            max_iter=ITERATIONS,
            warm_start=True,
        )
        for place, strength in enumerate(self.strengths):
            classifier.set_params(C=1 / (strength * len(labels)))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                classifier.fit(train, labels)
            decision = classifier.decision_function(judged)
            if decision.ndim == 1:  # of two classes, the log-odds of the second
                decision = np.stack([np.zeros_like(decision), decision], axis=1)
            values[place][:, present] = decision
        return values
