"""Runs of an off-the-shelf system: probabilities mapped to the corpus' classes and pooled."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from merflow import artifacts
from merflow.corpora.labels import counterparts
from merflow.errors import CheckpointError
from merflow.params import OffTheShelfParams, ProtocolParams
from merflow.progress import log
from merflow.records import Run
from merflow.store import read_metadata
from merflow.systems import OffTheShelf
from merflow.training.dataset import Dataset, read, targets
from merflow.training.inputs import extraction_of, labels_of
from merflow.training.job import Job, Runs, predictions_of


def _product(frames: np.ndarray) -> np.ndarray:
    return np.exp(np.log(np.maximum(frames, np.finfo(np.float32).tiny)).mean(axis=0))


def _vote(frames: np.ndarray) -> np.ndarray:
    return np.bincount(frames.argmax(axis=1), minlength=frames.shape[1]).astype(np.float64)


def _confidence(frames: np.ndarray) -> np.ndarray:
    return frames.max(axis=1) @ frames


#: Probabilities of frames (n_frames, K) -> probabilities of the utterance (K,), up to a factor.
POOLING: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "sum": lambda frames: frames.sum(axis=0),  # weighted_late_fusion section C: "cumulative"
    "max": lambda frames: frames.max(axis=0),
    "product": _product,
    "vote": _vote,
    "confidence": _confidence,  # weighted_late_fusion section C: "weighted scores of every frame"
}
SIGNIFICANT = 0.001  # p-value below which a label mapping is reported as suspicious


def runs(job: Job, system: OffTheShelf, protocol: ProtocolParams) -> Runs:
    """Prepare the runs of an off-the-shelf system; they do not depend on the seed.

    Raises:
        ParamsError: impossible parameters, or the stage lacks the feature.
        CheckpointError: the feature's columns have no names, or a class has no counterpart.
        CorpusError, StoreError: the inputs cannot be read.
    """
    params = job.parsed(OffTheShelfParams, job.params)
    (name,) = system.inputs
    stores = job.stores(system.inputs)
    scheme = protocol.scheme[job.corpus]
    class_of = job.class_of(scheme)
    classes = list(dict.fromkeys(class_of.values()))
    dataset = read(job.inputs.corpus, job.corpus, scheme, class_of, system, {}, stores, None, {})
    columns = read_metadata(stores[name], artifacts.FEATURES)["spec"].get("columns")
    if columns is None:
        raise CheckpointError(
            f"{stores[name]}: its columns have no names; an off-the-shelf system needs a feature"
            " of class probabilities"
        )
    places = counterparts(columns, classes)
    pooled = {
        key: pool(frames[:, places], params.pooling) for key, frames in dataset.arrays[name].items()
    }
    names = [columns[place] for place in places]
    maker = _PooledRuns(stores[name], dataset, pooled, classes, names, params.prior)
    shared = {
        "input_labels": labels_of(stores, None, system),
        "left_out": dataset.left_out,
        "class_of": class_of,
        "extraction": extraction_of(stores, system),
    }
    return Runs(shared, classes, maker.make)


@dataclass(frozen=True)
class _PooledRuns:
    """Runs of a head.

    Attributes:
        store: of its probabilities, for warnings.
        dataset: utterances of the split scheme.
        pooled: probabilities (K,) of each utterance.
        classes: K names.
        columns: names that the head gives these classes.
        prior: whose class shares the predictions follow: none, those of the head, or dev.
    """

    store: Path
    dataset: Dataset
    pooled: dict[str, np.ndarray]
    classes: list[str]
    columns: list[str]
    prior: str

    def make(self, fold: int, seed: int, _folder: Path) -> tuple[Run, pd.DataFrame]:
        """Predict, check the label mapping on the dev split, and correct the prior by it."""
        start = time.monotonic()
        members = {split: self.dataset.split(fold, split) for split in self.dataset.splits[1:]}
        probabilities = {split: self._probabilities(rows) for split, rows in members.items()}
        doubt = named = None
        if "dev" in members:
            doubt = self._doubt(probabilities["dev"], targets(members["dev"]))
        if self.prior == "dev":
            factors = class_factors(probabilities["dev"], targets(members["dev"]))
            named = dict(zip(self.classes, factors.tolist(), strict=True))
            probabilities = {
                split: with_factors(values, factors) for split, values in probabilities.items()
            }
        tables = []
        for split, rows in members.items():
            labels, ids = targets(rows), rows["utterance_id"].tolist()
            of_split = probabilities[split]
            tables.append(predictions_of(of_split, labels, ids, split, self.classes, fold, seed))
        run = Run(
            fold=fold,
            seed=seed,
            class_factors=named,
            label_doubt=doubt,
            device="cpu",
            precision="fp32",
            wall_s=round(time.monotonic() - start, 1),
        )
        return run, pd.concat(tables)

    def _probabilities(self, members: pd.DataFrame) -> np.ndarray:
        return np.stack([self.pooled[key] for key in members["utterance_id"]])

    def _doubt(self, probabilities: np.ndarray, labels: np.ndarray) -> str | None:
        doubt = doubtful_mapping(probabilities, labels, self.classes, self.columns)
        if doubt:
            log.warning("%s: %s", self.store, doubt)
        return doubt


def class_factors(probabilities: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Class shares over the mean probabilities of a head: (K,), for `with_factors`.

    A head that was trained on acted speech expects other class shares than a dialogue has. Its
    posteriors times these factors are those of a head that expects the shares of the dev split
    (Saerens et al. 2002, "Adjusting the outputs of a classifier to new a priori probabilities",
    equation 2.4, with the mean output as the old prior).

    Args:
        probabilities: (N, K) on the dev split.
        targets: (N,) class indices.
    """
    shares = np.bincount(targets, minlength=probabilities.shape[1]) / len(targets)
    return shares / np.maximum(probabilities.mean(axis=0), np.finfo(np.float32).tiny)


def with_factors(probabilities: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Multiply probabilities (..., K) by factors (K,); they sum to one again."""
    weighted = probabilities * factors
    return (weighted / weighted.sum(axis=-1, keepdims=True)).astype(np.float32)


def pool(frames: np.ndarray, pooling: str) -> np.ndarray:
    """Pool probabilities of frames (n_frames, K), which need not sum to one, to (K,)."""
    pooled = POOLING[pooling](frames / frames.sum(axis=1, keepdims=True))
    return (pooled / pooled.sum()).astype(np.float32)


def doubtful_mapping(
    probabilities: np.ndarray, targets: np.ndarray, classes: list[str], columns: list[str]
) -> str | None:
    """Sentence about a suspicious label mapping; None if the names of the head hold.

    A head whose names stand in another order than its weights still finds a counterpart for each
    class, and scores below chance. The first half of the utterances proposes an assignment of
    columns to classes: each class raises its own column most. Shares of classes and columns do not
    matter. The second half decides, by a one-sided t-test, if the assignment fits better.

    Args:
        probabilities: (N, K), columns in the order of `classes`, by name.
        targets: (N,) class indices.
        classes: K names.
        columns: K names that the head gives its columns.
    """
    from scipy.optimize import linear_sum_assignment  # these two take a second to import
    from scipy.stats import ttest_1samp

    spread = probabilities.std(axis=0)
    standard = (probabilities - probabilities.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    half = len(targets) // 2
    proposing, of_proposing = standard[:half], targets[:half]
    raised = np.stack(
        [
            proposing[of_proposing == k].sum(axis=0) / max(1, (of_proposing == k).sum())
            for k in range(len(classes))
        ]
    )
    _, assigned = linear_sum_assignment(raised, maximize=True)
    index = np.arange(half, len(targets))
    gain = standard[index, assigned[targets[half:]]] - standard[index, targets[half:]]
    if not gain.any() or not ttest_1samp(gain, 0, alternative="greater").pvalue < SIGNIFICANT:
        return None
    changes = ", ".join(
        f"{columns[assigned[k]]!r} means {name}"
        for k, name in enumerate(classes)
        if assigned[k] != k
    )
    return (
        f"suspicious label mapping: another one fits the dev split better ({changes});"
        " check id2label of the model, or the prompts"
    )
