"""Runs of a system that nobody trains here: a published model's probabilities, put under the names of the corpus and pooled over frames."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from merflow import artifacts
from merflow.corpora.labels import counterparts
from merflow.errors import CheckpointError
from merflow.params import OffTheShelf as Settings
from merflow.params import Protocol
from merflow.progress import log
from merflow.store import read_metadata
from merflow.systems import OffTheShelf
from merflow.training.inputs import read, specs, words
from merflow.training.job import Files, Job, Runs, predictions_of

#: Probabilities of the frames of an utterance (n, K) -> those of the utterance, up to a factor (K,).
POOLING: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "sum": lambda frames: frames.sum(axis=0),  # weighted_late_fusion section C: "cumulative"
    "max": lambda frames: frames.max(axis=0),
    "product": lambda frames: np.exp(
        np.log(np.maximum(frames, np.finfo(np.float32).tiny)).mean(axis=0)
    ),
    "vote": lambda frames: np.bincount(frames.argmax(axis=1), minlength=frames.shape[1]).astype(
        np.float64
    ),
}
SURE = 0.001  # the names of a head are doubted below this p-value


def runs(job: Job, row: OffTheShelf, files: Files, how: Protocol) -> Runs:
    """The runs of an off-the-shelf system; it has no seed, so the runs of a fold are the same.

    Raises:
        ParamsError: settings that cannot be, or the stage lacks the feature.
        CheckpointError: the feature does not say what its columns are, or a class has no counterpart among them.
        CorpusError, StoreError: the inputs cannot be read.
    """
    settings = job.parsed(Settings, job.settings)
    (name,) = row.inputs
    stores = (
        {name: files.stores[job.features.get(name, name)]}
        if job.features.get(name, name) in files.stores
        else {}
    )
    scheme = how.scheme[job.corpus]  # type: ignore[index]  # checked with params.yaml
    mapping = job.class_of(scheme)
    classes = list(dict.fromkeys(mapping.values()))
    material = read(files.prepared, job.corpus, scheme, mapping, row, {}, stores, None, {})
    columns = read_metadata(stores[name], artifacts.FEATURES)["spec"].get("columns")
    if columns is None:
        raise CheckpointError(
            f"{stores[name]}: its columns have no names; an off-the-shelf system needs a feature of probabilities"
        )
    places = counterparts(columns, classes)
    pooled = {
        key: pool(frames[:, places], settings.pooling)
        for key, frames in material.arrays[name].items()
    }

    def one(fold: int, seed: int, _folder: Path) -> tuple[dict[str, Any], pd.DataFrame]:
        start = time.monotonic()
        tables, names = [], None
        for part in material.parts[1:]:
            members = material.part(fold, part)
            ids, truth = members["utterance_id"].tolist(), np.array(members["answer"].tolist())
            probabilities = np.stack([pooled[key] for key in ids])
            tables.append(predictions_of(probabilities, truth, ids, part, classes, fold, seed))
            if part == "dev":
                names = doubted(probabilities, truth, classes, [columns[place] for place in places])
                if names:
                    log.warning("%s: %s", stores[name], names)
        record: dict[str, Any] = {
            "selected_epoch": None,
            "history": [],
            "weights": None,
            "names": names,
        }
        return record | {
            "device": "cpu",
            "precision": "fp32",
            "wall_s": round(time.monotonic() - start, 1),
        }, pd.concat(tables)

    shared = {
        "inputs": words(stores, None, row),
        "left_out": material.left_out,
        "classes": mapping,
        "features": specs(stores, row),
    }
    return Runs(shared, classes, one)


def pool(frames: np.ndarray, how: str) -> np.ndarray:
    """Probabilities of an utterance (K,) from those of its frames (n, K), which need not sum to one."""
    pooled = POOLING[how](frames / frames.sum(axis=1, keepdims=True))
    return (pooled / pooled.sum()).astype(np.float32)


def doubted(
    probabilities: np.ndarray, truth: np.ndarray, classes: list[str], columns: list[str]
) -> str | None:
    """What speaks against the names that a head gives its columns: another assignment that fits the utterances better; None: nothing.

    A head with its names in another order than its weights still finds a counterpart for each class, and scores below chance. Here
    the first half of the utterances proposes the assignment of columns to classes under which each class raises its column most,
    whatever the shares of classes and columns, and the second half decides, by a one-sided t-test, whether it fits better than the names.

    Args:
        probabilities: (N, K), columns in the order of `classes`, by name.
        truth: (N,) class indices.
        classes: K names.
        columns: K names that the head gives them.
    """
    from scipy.optimize import linear_sum_assignment  # a second to import, these two
    from scipy.stats import ttest_1samp

    spread = probabilities.std(axis=0)
    standard = (probabilities - probabilities.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    half = len(truth) // 2
    raised = np.stack(
        [
            standard[:half][truth[:half] == k].sum(axis=0) / max(1, (truth[:half] == k).sum())
            for k in range(len(classes))
        ]
    )
    _, fits = linear_sum_assignment(raised, maximize=True)
    index = np.arange(half, len(truth))
    gain = standard[index, fits[truth[half:]]] - standard[index, truth[half:]]
    if not gain.any() or not ttest_1samp(gain, 0, alternative="greater").pvalue < SURE:
        return None
    other = ", ".join(
        f"{columns[fits[k]]!r} means {name}" for k, name in enumerate(classes) if fits[k] != k
    )
    return f"the names of its columns fit the dev part worse than others do ({other}): check id2label of the model, or the prompts"
