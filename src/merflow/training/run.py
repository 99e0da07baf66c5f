"""The step ``train``: some runs of one system. A run is a fold with a seed."""

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import torch
from accelerate import PartialState
from pydantic import ValidationError
from safetensors.torch import save_file
from torch import Tensor, nn

from merflow import artifacts
from merflow.corpora.labels import MULTI_LABEL, class_of
from merflow.corpora.schemes import folds
from merflow.errors import CheckpointError, ParamsError
from merflow.papers import PAPERS
from merflow.params import Fusion as FusionSettings
from merflow.params import Protocol, explain
from merflow.params import System as SystemSettings
from merflow.progress import log
from merflow.provenance import versions
from merflow.store import read_features, read_metadata, whole, write_features, write_json, write_table
from merflow.training.batches import Batch, Examples, Fusion, System
from merflow.training.fusion import Members, fuse
from merflow.training.gather import DONE, hidden, present
from merflow.training.inputs import read, words
from merflow.training.loop import fit, predict
from merflow.training.objectives import MultiLabel, SingleLabel

STATE = "state.pt"
LIBRARIES = ("torch", "transformers", "tokenizers", "accelerate", "scikit-learn")


@dataclass(frozen=True)
class Files:
    """What the files of a stage are.

    Attributes:
        prepared: folder with utterances.parquet and splits.parquet.
        stores: feature -> its store.
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
            stores={path.stem: path for path in inputs if path.parent.parent.name == "features"},
            checkpoint=next((path.parent for path in inputs if path.name == "SOURCE.json"), None),
            members={path.parent.parent.name: path.parent for path in inputs if path.name == DONE},
            stamp=[(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats],
        )


@dataclass(frozen=True)
class Job:
    """One system on one corpus under one protocol, as params.yaml and the stage describe it.

    Attributes:
        paper, system, corpus, protocol: names.
        settings: block of the system.
        how: block of the protocol.
        features: block ``features`` of the paper: input -> feature; empty: inputs are named like features.
        n_classes: how many classes to tell apart; None: all of the corpus.
        precision: fp32 or bf16.
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


Model = TypeVar("Model", Protocol, SystemSettings, FusionSettings)
Run = Callable[[int, int, Path], tuple[dict[str, Any], pd.DataFrame]]  # fold, seed, folder -> record and predictions
Runs = tuple[dict[str, Any], list[str], Run]


def train(job: Job, part: int, parts: int, out: Path) -> None:
    """Train the runs of a system whose number is `part` modulo `parts`, and predict dev and test of each fold.

    Writes, into a folder per run in `out`, run.json, weights/<fold>-<seed>.safetensors if asked for, and predictions.parquet (metadata:
    classes). Runs are made in a folder beside `out`, which becomes `out` at the end; a job that was killed goes on from there.

    Raises:
        ParamsError: an unknown system, settings that cannot be, or the training diverged.
        CorpusError: a part of a fold has no utterance, or a label is no class of the corpus.
        CheckpointError: the checkpoint is not at hand.
        StoreError: an input cannot be read, or `out` not be written.
    """
    row, how, files = _system(job), _parsed(Protocol, job.how, job), Files.of(job.inputs)
    scheme = how.scheme[job.corpus]  # type: ignore[index]  # checked with params.yaml
    mine = list(product(range(folds(job.corpus, scheme)), how.seeds))[part::parts]
    key = _digest(job, files)
    scratch = out.with_name(f"{out.name}.unfinished")
    folders = {run: scratch / f"fold{run[0]}-seed{run[1]}-{key}" for run in mine}
    todo = [run for run, folder in folders.items() if not (folder / DONE).exists()]
    if todo:
        make = _fusion(job, row, files) if isinstance(row, Fusion) else _network(job, row, files, how.select, scheme)
        shared, classes, one = make
        shared |= {"paper": job.paper, "system": job.system, "corpus": job.corpus, "protocol": job.protocol, "scheme": scheme}
        shared |= {"source": read_metadata(files.prepared / "utterances.parquet", artifacts.UTTERANCES).get("source")}
        shared |= {"settings": job.settings, "select": how.select, "code": job.code, "versions": versions(*LIBRARIES)}
    for fold, seed in todo:
        place = f"fold {fold}, seed {seed} ({mine.index((fold, seed)) + 1} of {len(mine)})"
        log.info("%s on %s, %s: %s", job.system, job.corpus, job.protocol, place)
        folder = folders[fold, seed]
        record, predictions = one(fold, seed, folder)
        if not PartialState().is_main_process:
            continue
        write_json(folder / "run.json", shared | {"fold": fold, "seed": seed} | record)
        write_table(folder / DONE, predictions, artifacts.PREDICTIONS, {"classes": classes})
        (folder / STATE).unlink(missing_ok=True)
    if PartialState().is_main_process:
        for folder in set(scratch.iterdir()) - set(folders.values()):  # of killed jobs with other settings or inputs
            shutil.rmtree(folder)
        scratch.replace(out)


def _network(job: Job, row: System, files: Files, select: str, scheme: str) -> Runs:
    """What all runs of a trained system share, its classes, and how to make a run."""
    if row.multi_label != (job.corpus in MULTI_LABEL):
        carry, takes = ("one label", "several") if row.multi_label else ("several labels", "one")
        raise ParamsError(f"{job.corpus}: its utterances carry {carry}, {job.system} takes {takes}; take it out of run.{job.paper}")
    settings = _parsed(SystemSettings, job.settings, job)
    card = _card(files.checkpoint) if row.pretrained else None
    stores = {name: files.stores[feature] for name, feature in _features(job, row).items() if feature in files.stores}
    mapping = class_of(job.corpus, job.n_classes)
    classes = list(dict.fromkeys(mapping.values()))
    shared = _shared(files, row.members)
    material = read(files.prepared, job.corpus, scheme, mapping, row, settings.inputs, stores, files.checkpoint, shared["left_out"])
    shared |= {"inputs": shared["inputs"] | words(stores, card, row), "left_out": material.left_out, "classes": mapping}
    build = partial(row.build, checkpoint=files.checkpoint) if row.pretrained else row.build

    def one(fold: int, seed: int, folder: Path) -> tuple[dict[str, Any], pd.DataFrame]:
        handed = {name: read_features(hidden(files.members[name], fold, seed)) for name in row.members}
        examples, dims = material.fold(fold, row, settings.inputs, handed)
        log.info(", ".join(f"{len(examples[name])} {name}" for name in examples))

        def network() -> nn.Module:
            try:
                return build(dims, len(classes), **settings.network)
            except ValueError as error:  # papers know no errors of ours
                raise ParamsError(f"papers.{job.paper}.systems.{job.system}: {error}") from error

        train, dev = examples["train"], examples["dev"]
        objective = MultiLabel.of(train.labels, settings.training.class_weights) if row.multi_label else SingleLabel()
        fitted = fit(network, train, dev, settings.training, objective, select, seed, job.precision, folder / STATE)  # type: ignore[arg-type]
        model = fitted.model.eval()
        tables = []
        for part in ("dev", "test"):
            probabilities = objective.probabilities(predict(model, examples[part], fitted.device)).numpy()
            tables.append(_predictions(probabilities, part, examples[part], classes, fold, seed))
        if PartialState().is_main_process and row.hands_over:
            spec = {"system": job.system, "fold": fold, "seed": seed}
            write_features(hidden(folder, fold, seed), _hidden(model.hidden, examples, fitted.device), spec)  # type: ignore[arg-type]  # a method of these networks
        if PartialState().is_main_process and job.keep_weights:
            with whole(folder / "weights" / f"{fold}-{seed}.safetensors") as target:
                save_file({name: value.contiguous() for name, value in model.state_dict().items()}, target, {"format": "pt"})
        selected = fitted.selected_epochs if row.multi_label else fitted.selected_epochs[0]
        record: dict[str, Any] = {"selected_epoch": selected, "history": fitted.history, "weights": None}
        record |= {"device": _device(fitted.device), "precision": fitted.precision, "wall_s": round(fitted.wall_s, 1)}
        return record, pd.concat(tables)

    return shared, classes, one


def _fusion(job: Job, row: Fusion, files: Files) -> Runs:
    """What all runs of a fusion share, its classes, and how to make a run."""
    settings = _parsed(FusionSettings, job.settings, job)
    shared = _shared(files, row.members)
    members = Members.read([files.members[name] for name in row.members])

    def one(fold: int, seed: int, _folder: Path) -> tuple[dict[str, Any], pd.DataFrame]:
        start = time.monotonic()
        predictions, weights = fuse(row, settings, members, fold, seed)
        record: dict[str, Any] = {"selected_epoch": None, "history": [], "weights": weights}
        return record | {"device": "cpu", "precision": "fp64", "wall_s": round(time.monotonic() - start, 1)}, predictions

    return shared, members.classes, one


def _shared(files: Files, members: Sequence[str]) -> dict[str, Any]:
    """What a system has of its members: their inputs, what they left out, and the classes that they tell apart."""
    if absent := [name for name in members if name not in files.members]:
        raise ParamsError(f"dvc.yaml: this stage does not depend on the results of {', '.join(absent)}; add them")
    records = [json.loads(present(files.members[name] / "run.json").read_text(encoding="utf-8")) for name in members]
    joined = {key: {name: value for record in records for name, value in record[key].items()} for key in ("inputs", "left_out")}
    return joined | {"classes": records[0]["classes"] if records else {}}


def _system(job: Job) -> System | Fusion:
    systems: dict[str, System | Fusion] = import_module(PAPERS[job.paper]).SYSTEMS
    if job.system not in systems:
        raise ParamsError(f"{job.paper}: no system {job.system!r}; known: {', '.join(systems)}")
    return systems[job.system]


def _parsed(model: type[Model], block: dict[str, Any], job: Job) -> Model:
    try:
        return model.model_validate(block)
    except ValidationError as error:
        raise ParamsError(explain(error, f"papers.{job.paper}, {job.system}, {job.protocol}", model)) from error


def _features(job: Job, row: System) -> dict[str, str]:
    """The feature that stands for each input."""
    return {name: job.features.get(name, name) for name in row.inputs}


def _card(checkpoint: Path | None) -> dict[str, Any]:
    """SOURCE.json of the checkpoint: its name and digests."""
    if checkpoint is None:
        raise CheckpointError("dvc.yaml: the stage of this system names no checkpoint in data/checkpoints/; add one to its dependencies")
    card: dict[str, Any] = json.loads(present(checkpoint / "SOURCE.json").read_text(encoding="utf-8"))
    return card


def _digest(job: Job, files: Files) -> str:
    """Digest of all that decides the results: runs of other settings or inputs are not taken up."""
    decisive = [job.system, job.settings, job.how, job.features, job.n_classes, job.precision, job.keep_weights, job.code, files.stamp]
    return hashlib.sha256(json.dumps([decisive, versions(*LIBRARIES)], sort_keys=True).encode()).hexdigest()[:16]


def _predictions(probabilities: np.ndarray, part: str, examples: Examples, classes: list[str], fold: int, seed: int) -> pd.DataFrame:
    chosen: Sequence[np.ndarray]
    truth: Sequence[np.ndarray]
    if examples.labels.ndim == 1:  # one class each
        chosen, truth = list(probabilities.argmax(axis=1)[:, None]), list(examples.labels[:, None])
    else:
        chosen, truth = [np.flatnonzero(row >= 0.5) for row in probabilities], [np.flatnonzero(row) for row in examples.labels]
    return pd.DataFrame(
        {
            "utterance_id": examples.ids,
            "fold": np.int32(fold),
            "seed": np.int32(seed),
            "split": part,
            "labels": [[classes[k] for k in row] for row in truth],
            "predicted": [[classes[k] for k in row] for row in chosen],
            "probabilities": list(probabilities),
        }
    )


def _hidden(forward: Callable[[Batch], Tensor], examples: dict[str, Examples], device: torch.device) -> Iterator[tuple[str, np.ndarray]]:
    """Hidden activations (n_classes, H) of every utterance of a fold, in the order of their ids."""
    found = {key: row for part in examples.values() for key, row in zip(part.ids, predict(forward, part, device).numpy(), strict=True)}
    return iter(sorted(found.items()))


def _device(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
