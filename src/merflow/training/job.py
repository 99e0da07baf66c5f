"""Job of the step ``train``, and the interface of the kinds of systems."""

from collections.abc import Callable, Iterable, Mapping, Sequence
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
from merflow.paths import Inputs
from merflow.records import Record, Run
from merflow.registry import PAPERS
from merflow.store import read_metadata
from merflow.systems import AnySystem

Model = TypeVar("Model", bound=BaseModel)
STATE = "state.pt"  # last finished epoch of a run of a network that was killed


@dataclass(frozen=True)
class Job:
    """One system on one corpus under one protocol, as params.yaml and the stage describe it.

    Attributes:
        paper, system, corpus, protocol: names.
        params: block of the system, with the settings of the corpus.
        protocol_params: block of the protocol.
        features: input -> feature, block ``features`` of the paper; empty: inputs are features.
        n_classes: number of classes; None: those of the split scheme.
        precision: fp32 or bf16, of pre-trained systems; others are small and trained in fp32.
        keep_weights: store the selected weights.
        code: digest of the code that runs.
        inputs: of the stage.
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
    inputs: Inputs

    @property
    def definition(self) -> AnySystem:
        """System as its paper defines it.

        Raises:
            ParamsError: the paper has no system of this name.
        """
        systems: dict[str, Any] = import_module(PAPERS[self.paper]).SYSTEMS
        if self.system not in systems:
            raise ParamsError(
                f"{self.paper}: no system {self.system!r}; known: {', '.join(systems)}"
            )
        definition: AnySystem = systems[self.system]
        return definition

    def class_of(self, scheme: str) -> dict[str, str]:
        """Map labels to the classes of the paper's block, or of the split scheme."""
        metadata = read_metadata(self.inputs.utterances, artifacts.UTTERANCES)
        own_classes = metadata.get("classes", ())
        n_classes = self.n_classes or schemes.find(self.corpus, scheme).classes
        return labels.class_of(self.corpus, n_classes, own_classes)

    def stores(self, names: Iterable[str]) -> dict[str, Path]:
        """Store of each input that is a feature, or folder of its medium.

        Raises:
            ParamsError: the stage does not depend on one of them.
        """
        return {name: self.inputs.store(self.features.get(name, name)) for name in names}

    def records(self, members: Sequence[str]) -> list[Record]:
        """Records of the member systems of a system.

        Raises:
            ParamsError: the stage does not depend on the results of a member.
        """
        return [Record.read(self.inputs.members[name]) for name in members]

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


def of_corpus(system: Mapping[str, Any], corpus: str) -> dict[str, Any]:
    """Merge the settings of one corpus into the others of a system.

    Args:
        system: block of the system; its block ``corpora`` holds the settings of each corpus.
        corpus: name.
    """
    common = {name: value for name, value in system.items() if name != "corpora"}
    changes = system.get("corpora", {}).get(corpus, {})
    return common | {name: {**common[name], **values} for name, values in changes.items()}


#: Kind of a system: job, its system and protocol -> runs.
Kind = Callable[[Job, Any, ProtocolParams], Runs]


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
