"""Runs of a fusion: probabilities of its members, calibrated if asked for, and combined."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import softmax

from merflow import artifacts
from merflow.corpora.schemes import multi_label
from merflow.errors import ParamsError, StoreError
from merflow.evaluation.confusion import count, weighted_f1
from merflow.params import FusionParams, ProtocolParams
from merflow.paths import PREDICTIONS
from merflow.progress import track
from merflow.records import Run
from merflow.store import read_metadata, read_table
from merflow.systems import Fusion
from merflow.training.job import Job, Runs

TEMPERATURES = (0.05, 20.0)  # range of the search
KEY = ["fold", "seed", "split", "utterance_id", "label"]  # single-label: one per utterance


@dataclass(frozen=True)
class MemberPredictions:
    """Predictions of a fusion's members on the utterances that all of them predicted.

    Attributes:
        classes: names of the columns of probabilities.
        rows: KEY and labels, sorted by KEY.
        probabilities: (M, N, K), the rows of each member.
    """

    classes: list[str]
    rows: pd.DataFrame
    probabilities: np.ndarray

    @classmethod
    def read(cls, folders: Sequence[Path]) -> "MemberPredictions":
        """Read predictions.parquet of each member's folder.

        Raises:
            StoreError: a file cannot be read, or the classes of two members differ.
        """
        paths = [folder / PREDICTIONS for folder in folders]
        classes = [read_metadata(path, artifacts.PREDICTIONS)["classes"] for path in paths]
        for path, names in zip(paths, classes, strict=True):
            if names != classes[0]:
                raise StoreError(f"{paths[0]} and {path} differ in their classes; train both again")
        tables = [read_table(path, artifacts.PREDICTIONS) for path in paths]
        tables = [table.assign(label=table["labels"].str[0]).set_index(KEY) for table in tables]
        index = tables[0].index
        for table in tables[1:]:
            index = index.intersection(table.index)
        tables = [table.loc[index.sort_values()] for table in tables]
        probabilities = np.stack([np.stack(table["probabilities"]) for table in tables])
        return cls(classes[0], tables[0]["labels"].reset_index(), probabilities)


@dataclass(frozen=True)
class Chosen:
    """Choices of a fusion in one run.

    Attributes:
        weights, temperatures: of each member; None: the fusion has none.
    """

    weights: dict[str, float] | None
    temperatures: dict[str, float] | None


def runs(job: Job, fusion: Fusion, protocol: ProtocolParams) -> Runs:
    """Prepare the runs of a fusion.

    Raises:
        ParamsError: parameters that do not fit it, or the stage lacks a member.
        StoreError: a member's predictions cannot be read, or lack a run.
    """
    params = job.parsed(FusionParams, job.params)
    scheme = protocol.scheme[job.corpus]
    if multi_label(job.corpus, scheme):
        raise ParamsError(
            f"{job.corpus}: multi-label under scheme {scheme}, but {job.system} is single-label;"
            f" take it out of run.{job.paper}"
        )
    records = job.records(fusion.members)
    members = MemberPredictions.read([job.inputs.members[name] for name in fusion.members])

    def make(fold: int, seed: int, _folder: Path) -> tuple[Run, pd.DataFrame]:
        start = time.monotonic()
        predictions, chosen = fuse(fusion, params, members, fold, seed)
        run = Run(
            fold=fold,
            seed=seed,
            weights=chosen.weights,
            temperatures=chosen.temperatures,
            device="cpu",
            precision="fp64",
            wall_s=round(time.monotonic() - start, 1),
        )
        return run, predictions

    shared = {
        "input_labels": _joined(record.input_labels for record in records),
        "left_out": _joined(record.left_out for record in records),
        "class_of": records[0].class_of,
    }
    return Runs(shared, members.classes, make)


def _joined(mappings: Iterator[dict[str, Any]]) -> dict[str, Any]:
    return {name: value for mapping in mappings for name, value in mapping.items()}


def fuse(
    fusion: Fusion, params: FusionParams, members: MemberPredictions, fold: int, seed: int
) -> tuple[pd.DataFrame, Chosen]:
    """Combine the members in one run.

    Weights are those of `params`, or have the best weighted F1 on the dev split; of equals, the
    most even. Temperatures have the lowest loss of each member on the dev split. The test split is
    not in scope of these choices.

    Returns:
        Predictions (artifacts.PREDICTIONS), and the choices.

    Raises:
        ParamsError: fusion weights where the fusion takes none, or not one per member.
        StoreError: a member has no predictions of this run.
    """
    fixed = params.weights if isinstance(params.weights, list) else None
    _check_weights(fusion, params, fixed)
    of_run = ((members.rows["fold"] == fold) & (members.rows["seed"] == seed)).to_numpy()
    if not of_run.any():
        raise StoreError(
            f"fold {fold}, seed {seed} is not in the predictions of all of"
            f" {', '.join(fusion.members)}; train them again"
        )
    rows, probabilities = members.rows[of_run], members.probabilities[:, of_run]
    dev = (rows["split"] == "dev").to_numpy()
    targets = [members.classes.index(labels[0]) for labels in rows.loc[dev, "labels"]]
    weights = temperatures = None
    if params.calibration == "temperature":
        values = [temperature(of_member[dev], targets) for of_member in probabilities]
        calibrated = zip(probabilities, values, strict=True)
        probabilities = np.stack([softened(*member) for member in calibrated])
        temperatures = dict(zip(fusion.members, values, strict=True))
    if fusion.weighted:
        chosen = fixed or best_weights(fusion, probabilities[:, dev], targets, params.step)
        weights = dict(zip(fusion.members, map(float, chosen), strict=True))
        fused = fusion.combine(probabilities, np.array(list(weights.values())))
    else:
        fused = fusion.combine(probabilities)
    predicted = [[members.classes[k]] for k in fused.argmax(axis=1)]
    predictions = rows.assign(predicted=predicted, probabilities=list(fused.astype(np.float32)))
    return predictions, Chosen(weights, temperatures)


def _check_weights(fusion: Fusion, params: FusionParams, fixed: list[float] | None) -> None:
    n_wrong = fixed is not None and len(fixed) != len(fusion.members)
    if fusion.weighted != (params.weights is not None) or n_wrong:
        members = ", ".join(fusion.members)
        expected = f"dev, or one weight for each of {members}" if fusion.weighted else "none"
        raise ParamsError(f"weights: {params.weights}: this fusion takes {expected}")


def softened(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Apply a temperature T to probabilities (N, K): softmax(log p / T).

    T > 1 makes them more even, T < 1 less. The largest stays the largest.
    """
    floor = np.finfo(np.float32).tiny
    return softmax(np.log(np.maximum(probabilities, floor, dtype=float)) / temperature, axis=1)


def temperature(probabilities: np.ndarray, targets: list[int]) -> float:
    """Find the temperature with the lowest cross-entropy of probabilities (N, K).

    Guo et al. 2017, "On Calibration of Modern Neural Networks".
    """
    from scipy.optimize import minimize_scalar  # half a second to import; few fusions calibrate

    def loss(log_temperature: float) -> float:
        calibrated = softened(probabilities, np.exp(log_temperature))
        of_targets = calibrated[np.arange(len(targets)), targets]
        return float(-np.log(np.maximum(of_targets, np.finfo(float).tiny)).mean())

    return float(np.exp(minimize_scalar(loss, bounds=np.log(TEMPERATURES), method="bounded").x))


def best_weights(
    fusion: Fusion, probabilities: np.ndarray, targets: list[int], step: float
) -> tuple[float, ...]:
    """Find the weights on a grid over the simplex with the best weighted F1.

    Of equals, the most even weights win.
    """
    n_classes = probabilities.shape[-1]

    def score(weights: tuple[float, ...]) -> tuple[float, float]:
        predicted = fusion.combine(probabilities, np.array(weights)).argmax(axis=1)
        f1 = float(weighted_f1(count(np.array(targets), predicted, n_classes)))
        return f1, min(weights)

    grid = list(simplex(len(probabilities), round(1 / step)))
    return max(track(grid, "weights", len(grid)), key=score)


def simplex(members: int, steps: int) -> Iterator[tuple[float, ...]]:
    """All weights k / `steps` that sum to one."""
    for bars in combinations(range(steps + members - 1), members - 1):
        edges = (-1, *bars, steps + members - 1)
        yield tuple((after - before - 1) / steps for before, after in pairwise(edges))
