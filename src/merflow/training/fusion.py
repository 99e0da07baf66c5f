"""A fusion of systems: their probabilities, calibrated if asked for, combined with weights chosen on the dev part."""

import time
from collections.abc import Iterator
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
from merflow.evaluation.formulas import count, weighted_f1
from merflow.params import Fusion as Settings
from merflow.params import Protocol
from merflow.progress import track
from merflow.store import read_metadata, read_table
from merflow.systems import Fusion
from merflow.training.job import Files, Job, Runs

TEMPERATURES = (0.05, 20.0)  # tried
KEY = ["fold", "seed", "split", "utterance_id", "label"]  # label: of which each utterance has one


@dataclass(frozen=True)
class Members:
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
    def read(cls, folders: list[Path]) -> "Members":
        """Read predictions.parquet of each member's folder.

        Raises:
            StoreError: a file cannot be read, or the members tell other classes apart.
        """
        paths = [folder / "predictions.parquet" for folder in folders]
        classes = [read_metadata(path, artifacts.PREDICTIONS)["classes"] for path in paths]
        if any(one != classes[0] for one in classes):
            raise StoreError(
                f"{paths[0]} and {paths[1]} tell other classes apart; train both again"
            )
        tables = [read_table(path, artifacts.PREDICTIONS) for path in paths]
        tables = [table.assign(label=table["labels"].str[0]).set_index(KEY) for table in tables]
        index = tables[0].index
        for table in tables[1:]:
            index = index.intersection(table.index)
        tables = [table.loc[index.sort_values()] for table in tables]
        return cls(
            classes[0],
            tables[0]["labels"].reset_index(),
            np.stack([np.stack(table["probabilities"]) for table in tables]),
        )


def runs(job: Job, row: Fusion, files: Files, how: Protocol) -> Runs:
    """The runs of a fusion.

    Raises:
        ParamsError: settings that do not fit it, or the stage lacks a member.
        StoreError: a member's predictions cannot be read, or lack a run.
    """
    settings = job.parsed(Settings, job.settings)
    if multi_label(job.corpus, how.scheme[job.corpus]):  # type: ignore[index]  # checked with params.yaml
        raise ParamsError(
            f"{job.corpus}: its utterances carry several labels, {job.system} takes one; take it out of run.{job.paper}"
        )
    shared = files.shared_by(row.members)
    members = Members.read([files.members[name] for name in row.members])

    def one(fold: int, seed: int, _folder: Path) -> tuple[dict[str, Any], pd.DataFrame]:
        start = time.monotonic()
        predictions, chosen = fuse(row, settings, members, fold, seed)
        record: dict[str, Any] = {"selected_epoch": None, "history": [], **chosen}
        return record | {
            "device": "cpu",
            "precision": "fp64",
            "wall_s": round(time.monotonic() - start, 1),
        }, predictions

    return Runs(shared, members.classes, one)


def fuse(
    fusion: Fusion, settings: Settings, members: Members, fold: int, seed: int
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Predictions (artifacts.PREDICTIONS) of the fusion in one run, and its ``weights`` and ``temperatures`` by member, or None.

    Weights are those of `settings`, or those with the best weighted F1 on the dev part; of equals, the most even ones. Temperatures are
    those with the lowest loss of each member on the dev part. The test part is not in scope of these choices.

    Raises:
        ParamsError: the settings have weights and the fusion takes none, or not one per member.
        StoreError: a member has no predictions of this run.
    """
    fixed = settings.weights if isinstance(settings.weights, list) else None
    if fusion.weighted != (settings.weights is not None) or (
        fixed is not None and len(fixed) != len(fusion.members)
    ):
        needs = (
            f"one weight for each of {', '.join(fusion.members)}, or dev"
            if fusion.weighted
            else "none"
        )
        raise ParamsError(f"weights: {settings.weights}: this fusion takes {needs}")
    here = ((members.rows["fold"] == fold) & (members.rows["seed"] == seed)).to_numpy()
    if not here.any():
        raise StoreError(
            f"fold {fold}, seed {seed} is not in the predictions of all of {', '.join(fusion.members)}; train them again"
        )
    rows, probabilities = members.rows[here], members.probabilities[:, here]
    dev = (rows["split"] == "dev").to_numpy()
    truth = [members.classes.index(labels[0]) for labels in rows.loc[dev, "labels"]]
    weights = temperatures = None
    if settings.calibration == "temperature":
        found = [temperature(one[dev], truth) for one in probabilities]
        probabilities = np.stack(
            [softened(one, value) for one, value in zip(probabilities, found, strict=True)]
        )
        temperatures = dict(zip(fusion.members, found, strict=True))
    if fusion.weighted:
        chosen = (
            tuple(fixed)
            if fixed
            else best_weights(fusion, probabilities[:, dev], truth, settings.step)
        )
        weights = dict(zip(fusion.members, map(float, chosen), strict=True))
    fused = (
        fusion.combine(probabilities, np.array(list(weights.values())))
        if weights
        else fusion.combine(probabilities)
    )
    predicted = [[members.classes[k]] for k in fused.argmax(axis=1)]
    predictions = rows.assign(predicted=predicted, probabilities=list(fused.astype(np.float32)))
    return predictions, {"weights": weights, "temperatures": temperatures}


def softened(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """softmax(log p / T) of probabilities (N, K): T > 1 makes them more even, T < 1 more sure; which is the largest stays."""
    return softmax(
        np.log(np.maximum(probabilities, np.finfo(np.float32).tiny, dtype=float)) / temperature,
        axis=1,
    )


def temperature(probabilities: np.ndarray, truth: list[int]) -> float:
    """The one with the lowest cross-entropy of probabilities (N, K); Guo et al. 2017, "On Calibration of Modern Neural Networks"."""
    from scipy.optimize import minimize_scalar  # half a second to import, and few fusions calibrate

    def loss(log_temperature: float) -> float:
        right = softened(probabilities, np.exp(log_temperature))[np.arange(len(truth)), truth]
        return float(-np.log(np.maximum(right, np.finfo(float).tiny)).mean())

    return float(np.exp(minimize_scalar(loss, bounds=np.log(TEMPERATURES), method="bounded").x))


def best_weights(
    fusion: Fusion, probabilities: np.ndarray, truth: list[int], step: float
) -> tuple[float, ...]:
    """The weights on a grid over the simplex with the best weighted F1; of equals, the most even ones."""

    def score(weights: tuple[float, ...]) -> tuple[float, float]:
        predicted = fusion.combine(probabilities, np.array(weights)).argmax(axis=1)
        return float(weighted_f1(count(np.array(truth), predicted, probabilities.shape[-1]))), min(
            weights
        )

    grid = list(simplex(len(probabilities), round(1 / step)))
    return max(track(grid, "weights", len(grid)), key=score)


def simplex(members: int, steps: int) -> Iterator[tuple[float, ...]]:
    """All weights k / `steps` that sum to one."""
    for bars in combinations(range(steps + members - 1), members - 1):
        edges = (-1, *bars, steps + members - 1)
        yield tuple((after - before - 1) / steps for before, after in pairwise(edges))
