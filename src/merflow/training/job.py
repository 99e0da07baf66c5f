"""Job of the step ``train``, and the interface of the kinds of systems."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from pydantic import BaseModel

from merflow import artifacts
from merflow.corpora import labels, schemes
from merflow.errors import ParamsError
from merflow.params import ProtocolParams, validated
from merflow.records import Record, Run
from merflow.registry import PAPERS
from merflow.store import read_metadata
from merflow.systems import Fusion, OffTheShelf, System
from merflow.training.gather import DONE, present

Model = TypeVar("Model", bound=BaseModel)
STATE = "state.pt"  # last finished epoch of a run of a network that was killed


@dataclass(frozen=True)
class Files:
    """Files of a stage.

    Attributes:
        prepared: folder with utterances.parquet and splits.parquet.
        stores: feature, or sampling of frames -> its store, a file, or a folder of parts.
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
        """Sort the files of a stage by kind."""
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

    def records(self, members: Sequence[str]) -> list[Record]:
        """Records of the member systems of a system.

        Raises:
            ParamsError: the stage does not depend on the results of a member.
        """
        if absent := [name for name in members if name not in self.members]:
            raise ParamsError(
                f"dvc.yaml: this stage does not depend on the results of {', '.join(absent)};"
                " add them to its dependencies"
            )
        return [Record.read(self.members[name]) for name in members]


@dataclass(frozen=True)
class Job:
    """One system on one corpus under one protocol, as params.yaml and the stage describe it.

    Attributes:
        paper, system, corpus, protocol: names.
        params: block of the system.
        protocol_params: block of the protocol.
        features: input -> feature, block ``features`` of the paper; empty: inputs are features.
        n_classes: number of classes; None: those of the split scheme.
        precision: fp32 or bf16, of pre-trained systems; others are small and trained in fp32.
        keep_weights: store the selected weights.
        code: digest of the code that runs.
        inputs: files of the stage.
    """

    paper: str
    system: str
    corpus: str
    protocol: str
    params: dict[str, Any]
    protocol_params: dict[str, Any]
    features: dict[str, str]
    n_classes: int | None
    precision: str
    keep_weights: bool
    code: str
    inputs: list[Path]

    @property
    def definition(self) -> System | Fusion | OffTheShelf:
        """System as its paper defines it.

        Raises:
            ParamsError: the paper has no system of this name.
        """
        systems: dict[str, Any] = import_module(PAPERS[self.paper]).SYSTEMS
        if self.system not in systems:
            raise ParamsError(
                f"{self.paper}: no system {self.system!r}; known: {', '.join(systems)}"
            )
        definition: System | Fusion | OffTheShelf = systems[self.system]
        return definition

    def class_of(self, scheme: str) -> dict[str, str]:
        """Map labels to the classes of the paper's block, or of the split scheme."""
        utterances = next(path for path in self.inputs if path.name == "utterances.parquet")
        own_classes = read_metadata(utterances, artifacts.UTTERANCES).get("classes", ())
        n_classes = self.n_classes or schemes.find(self.corpus, scheme).classes
        return labels.class_of(self.corpus, n_classes, own_classes)

    def stores(self, inputs: Sequence[str], files: Files) -> dict[str, Path]:
        """Store of each input that the stage has a feature or frames for."""
        features = {name: self.features.get(name, name) for name in inputs}
        return {
            name: files.stores[feature]
            for name, feature in features.items()
            if feature in files.stores
        }

    def parsed(self, model: type[Model], block: dict[str, Any]) -> Model:
        """Parse a block of params.yaml.

        Raises:
            ParamsError: it does not fit its model.
        """
        place = f"papers.{self.paper}, {self.system}, {self.protocol}"
        return validated(model, block, place)


@dataclass(frozen=True)
class Runs:
    """Runs of a system, ready to be made.

    Attributes:
        shared: fields of the `Record` that all runs share.
        classes: in the order of probabilities.
        make: (fold, seed, folder of the run) -> the run, and its predictions
            (artifacts.PREDICTIONS).
    """

    shared: dict[str, Any]
    classes: list[str]
    make: Callable[[int, int, Path], tuple[Run, pd.DataFrame]]


#: Kind of a system: job, its system, files and protocol -> runs.
Kind = Callable[[Job, Any, Files, ProtocolParams], Runs]


def predictions_of(
    probabilities: np.ndarray,
    targets: np.ndarray,
    ids: Sequence[str],
    split: str,
    classes: Sequence[str],
    fold: int,
    seed: int,
) -> pd.DataFrame:
    """Build rows of artifacts.PREDICTIONS.

    Args:
        probabilities: (N, K).
        targets: class indices (N,), the likeliest class is predicted; or (N, K), 1 where a class
            is present, classes from 0.5 are predicted.
        ids: N utterances.
        split: dev or test.
        classes: K names.
        fold, seed: of the run.
    """
    predicted: Sequence[np.ndarray]
    labelled: Sequence[np.ndarray]
    if targets.ndim == 1:
        predicted = list(probabilities.argmax(axis=1)[:, None])
        labelled = list(targets[:, None])
    else:
        predicted = [np.flatnonzero(row >= 0.5) for row in probabilities]
        labelled = [np.flatnonzero(row) for row in targets]
    return pd.DataFrame(
        {
            "utterance_id": ids,
            "fold": np.int32(fold),
            "seed": np.int32(seed),
            "split": split,
            "labels": [[classes[k] for k in row] for row in labelled],
            "predicted": [[classes[k] for k in row] for row in predicted],
            "probabilities": list(probabilities),
        }
    )
