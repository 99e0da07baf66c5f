"""What the step ``train`` is asked for, whatever kind of system it is: names, blocks of params.yaml, files; and what a kind answers."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from pydantic import BaseModel, ValidationError

from merflow import artifacts
from merflow.corpora import labels, schemes
from merflow.errors import ParamsError
from merflow.params import explain
from merflow.registry import PAPERS
from merflow.store import read_metadata
from merflow.training.gather import DONE, present

Model = TypeVar("Model", bound=BaseModel)
STATE = "state.pt"  # of a run of a network that was killed: the last epoch that it finished


@dataclass(frozen=True)
class Files:
    """What the files of a stage are.

    Attributes:
        prepared: folder with utterances.parquet and splits.parquet.
        stores: feature, or sampling of pictures, -> its store, a file, or a folder of parts.
        checkpoint: folder of a pre-trained model.
        members: system -> folder of its results.
        stamp: changes with any of the files.
    """

    prepared: Path
    stores: dict[str, Path]
    checkpoint: Path | None
    members: dict[str, Path]
    stamp: list[tuple[str, int, int]]

    @classmethod
    def of(cls, inputs: Sequence[Path]) -> "Files":
        """Sort the files of a stage by what they are."""
        for path in inputs:
            present(path)
        stats = [(str(path), path.stat()) for path in sorted(inputs)]
        return cls(
            prepared=next(path.parent for path in inputs if path.name == "utterances.parquet"),
            stores={path.stem: path for path in inputs if path.parent.parent.name == "features"}
            | {path.parent.name: path.parent for path in inputs if path.name == "INDEX.json"},
            checkpoint=next((path.parent for path in inputs if path.name == "SOURCE.json"), None),
            members={path.parent.parent.name: path.parent for path in inputs if path.name == DONE},
            stamp=[(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats],
        )

    def shared_by(self, members: Sequence[str]) -> dict[str, Any]:
        """What a system has of its members: their inputs, what they left out, and the classes that they tell apart.

        Raises:
            ParamsError: the stage does not depend on the results of a member.
        """
        if absent := [name for name in members if name not in self.members]:
            raise ParamsError(
                f"dvc.yaml: this stage does not depend on the results of {', '.join(absent)}; add them"
            )
        records = [
            json.loads(present(self.members[name] / "run.json").read_text(encoding="utf-8"))
            for name in members
        ]
        joined = {
            key: {name: value for record in records for name, value in record[key].items()}
            for key in ("inputs", "left_out")
        }
        return joined | {"classes": records[0]["classes"] if records else {}}


@dataclass(frozen=True)
class Job:
    """One system on one corpus under one protocol, as params.yaml and the stage describe it.

    Attributes:
        paper, system, corpus, protocol: names.
        settings: block of the system.
        how: block of the protocol.
        features: block ``features`` of the paper: input -> feature; empty: inputs are named like features.
        n_classes: how many classes to tell apart; None: those of the split scheme.
        precision: fp32 or bf16, of systems that start from a checkpoint; others are small, and trained in fp32.
        keep_weights: store the selected weights.
        code: digest of the code that runs.
        inputs: files of the stage.
    """

    paper: str
    system: str
    corpus: str
    protocol: str
    settings: dict[str, Any]
    how: dict[str, Any]
    features: dict[str, str]
    n_classes: int | None
    precision: str
    keep_weights: bool
    code: str
    inputs: list[Path]

    @property
    def row(self) -> Any:
        """The system as its paper defines it.

        Raises:
            ParamsError: the paper has none of this name.
        """
        systems: dict[str, Any] = import_module(PAPERS[self.paper]).SYSTEMS
        if self.system not in systems:
            raise ParamsError(
                f"{self.paper}: no system {self.system!r}; known: {', '.join(systems)}"
            )
        return systems[self.system]

    def class_of(self, scheme: str) -> dict[str, str]:
        """Label -> class, of those that the paper's block or the split scheme tells apart; see `labels.class_of`."""
        utterances = next(path for path in self.inputs if path.name == "utterances.parquet")
        own = read_metadata(utterances, artifacts.UTTERANCES).get("classes", ())
        return labels.class_of(
            self.corpus, self.n_classes or schemes.find(self.corpus, scheme).classes, own
        )

    def parsed(self, model: type[Model], block: dict[str, Any]) -> Model:
        """A block of params.yaml as its model.

        Raises:
            ParamsError: it does not fit.
        """
        try:
            return model.model_validate(block)
        except ValidationError as error:
            raise ParamsError(
                explain(error, f"papers.{self.paper}, {self.system}, {self.protocol}", model)
            ) from error


#: fold, seed, folder of the run -> what its run.json says, and its predictions (artifacts.PREDICTIONS)
Run = Callable[[int, int, Path], tuple[dict[str, Any], pd.DataFrame]]


def predictions_of(
    probabilities: np.ndarray,
    truth: np.ndarray,
    ids: Sequence[str],
    part: str,
    classes: Sequence[str],
    fold: int,
    seed: int,
) -> pd.DataFrame:
    """Rows of artifacts.PREDICTIONS.

    Args:
        probabilities: (N, K).
        truth: class indices (N,), and one class is predicted; or (N, K), 1 where a class is present, and those from 0.5 are predicted.
        ids: N utterances.
        part: dev or test.
        classes: K names.
        fold, seed: of the run.
    """
    chosen: Sequence[np.ndarray]
    true: Sequence[np.ndarray]
    if truth.ndim == 1:
        chosen, true = list(probabilities.argmax(axis=1)[:, None]), list(truth[:, None])
    else:
        chosen, true = (
            [np.flatnonzero(row >= 0.5) for row in probabilities],
            [np.flatnonzero(row) for row in truth],
        )
    return pd.DataFrame(
        {
            "utterance_id": ids,
            "fold": np.int32(fold),
            "seed": np.int32(seed),
            "split": part,
            "labels": [[classes[k] for k in row] for row in true],
            "predicted": [[classes[k] for k in row] for row in chosen],
            "probabilities": list(probabilities),
        }
    )


@dataclass(frozen=True)
class Runs:
    """What a kind of system answers: what all of its runs share in run.json, the order of its classes, and how to make one."""

    shared: dict[str, Any]
    classes: list[str]
    make: Run
