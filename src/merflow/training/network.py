"""Runs of a system that the loop trains: its inputs read and fitted, the network trained, dev and test predicted."""

import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from accelerate import PartialState
from safetensors.torch import save_file
from torch import Tensor, nn

from merflow.corpora.schemes import multi_label
from merflow.errors import CheckpointError, ParamsError
from merflow.params import Protocol
from merflow.params import System as Settings
from merflow.progress import log
from merflow.store import read_features, whole, write_features
from merflow.systems import Batch, System
from merflow.training.batches import Examples
from merflow.training.fitted import save
from merflow.training.gather import hidden, present
from merflow.training.inputs import read, specs, words
from merflow.training.job import STATE, Files, Job, Runs, predictions_of
from merflow.training.loop import fit, predict
from merflow.training.objectives import MultiLabel, SingleLabel


def runs(job: Job, row: System, files: Files, how: Protocol) -> Runs:
    """The runs of a trained system.

    Raises:
        ParamsError: settings that cannot be, an input that the stage lacks; when made, the training diverged.
        CorpusError: a label is no class of the corpus; when made, a part of the fold has no utterance.
        CheckpointError: the checkpoint is not at hand.
    """
    # without a GPU, accelerate takes the processes of a launcher for unrelated ones unless it is told
    PartialState(cpu=not torch.cuda.is_available())
    scheme = how.scheme[job.corpus]  # type: ignore[index]  # checked with params.yaml
    several = multi_label(job.corpus, scheme)
    if row.bank and not several:
        raise ParamsError(
            f"{job.corpus}: its utterances carry one label, {job.system} takes several; take it out of run.{job.paper}"
        )
    settings = job.parsed(Settings, job.settings)
    card = _card(files.checkpoint) if row.pretrained else None
    stores = {
        name: files.stores[feature]
        for name, feature in _features(job, row).items()
        if feature in files.stores
    }
    mapping = job.class_of(scheme)
    classes = list(dict.fromkeys(mapping.values()))
    shared = files.shared_by(row.members)
    material = read(
        files.prepared,
        job.corpus,
        scheme,
        mapping,
        row,
        settings.inputs,
        stores,
        files.checkpoint,
        shared["left_out"],
    )
    shared |= {
        "inputs": shared["inputs"] | words(stores, card, row),
        "left_out": material.left_out,
        "classes": mapping,
    }
    shared |= {
        "cut": material.cut,
        "attention": list(row.attention),
        "features": specs(stores, row),
        "checkpoint": card,
    }
    build = partial(row.build, checkpoint=files.checkpoint) if row.pretrained else row.build

    def one(fold: int, seed: int, folder: Path) -> tuple[dict[str, Any], pd.DataFrame]:
        mine = material.members.loc[material.members["fold"] == fold, "utterance_id"].tolist()
        handed = {
            name: read_features(hidden(files.members[name], fold, seed), mine)
            for name in row.members
        }
        examples, dims, transformers = material.fold(fold, row, settings.inputs, handed)
        log.info(", ".join(f"{len(examples[name])} {name}" for name in examples))

        def network() -> nn.Module:
            try:
                return build(dims, len(classes), **settings.network)
            except ValueError as error:  # papers know no errors of ours
                raise ParamsError(f"papers.{job.paper}.systems.{job.system}: {error}") from error

        train, watched = examples["train"], examples.get("test" if how.select == "test" else "dev")
        objective = (
            MultiLabel.of(train.labels, settings.training.class_weights, row.bank)
            if several
            else SingleLabel()
        )
        precision = job.precision if row.pretrained else "fp32"
        select: Literal["last", "dev"] = "last" if how.select == "last" else "dev"
        fitted = fit(
            network,
            train,
            watched,
            settings.training,
            objective,  # type: ignore[arg-type]
            select,
            seed,
            precision,  # type: ignore[arg-type]
            folder / STATE,
        )
        model = fitted.model.eval()
        tables = []
        for part in material.parts[1:]:
            clock = _Clock(model)
            probabilities = objective.probabilities(
                predict(clock, examples[part], fitted.device)
            ).numpy()
            table = predictions_of(
                probabilities, examples[part].labels, examples[part].ids, part, classes, fold, seed
            )
            if row.attention:
                table["attention"] = list(
                    predict(model.attention, examples[part], fitted.device).numpy()  # type: ignore[arg-type]
                )
            tables.append(table)
        if PartialState().is_main_process and row.hands_over:
            spec = {"system": job.system, "fold": fold, "seed": seed}
            found = _hidden(model.hidden, examples, fitted.device)  # type: ignore[arg-type]  # a method of these networks
            write_features(hidden(folder, fold, seed), found, spec)
        if PartialState().is_main_process and job.keep_weights:
            with whole(folder / "weights" / f"{fold}-{seed}.safetensors") as target:
                save_file(
                    {name: value.contiguous() for name, value in model.state_dict().items()},
                    target,
                    {"format": "pt"},
                )
            save(transformers, folder / "weights" / f"{fold}-{seed}.inputs.safetensors")
        selected = fitted.selected_epochs if row.bank else fitted.selected_epochs[0]
        history = (
            [_of_test(epoch) for epoch in fitted.history]
            if how.select == "test"
            else fitted.history
        )
        record: dict[str, Any] = {"selected_epoch": selected, "history": history, "weights": None}
        record |= {
            "device": _device(fitted.device),
            "precision": fitted.precision,
            "wall_s": round(fitted.wall_s, 1),
        }
        record |= {"clip_s": round(clock.seconds / len(examples["test"]), 6)}
        if row.counts_tokens:
            counts = predict(model.tokens, examples["test"], fitted.device)  # type: ignore[arg-type]  # a method of these networks
            record |= {"tokens": counts.mean(dim=0).tolist()}
        return record, pd.concat(tables)

    return Runs(shared, classes, one)


class _Clock:
    """A network, and for how many seconds it has computed; reading and decoding its inputs do not count."""

    def __init__(self, network: nn.Module):
        self.network, self.seconds = network, 0.0

    def __call__(self, batch: Batch) -> Tensor:
        start = time.perf_counter()
        found: Tensor = self.network(
            batch
        ).cpu()  # a device is asked for the values, so it has computed them
        self.seconds += time.perf_counter() - start
        return found


def _of_test(epoch: dict[str, Any]) -> dict[str, Any]:
    """An epoch of the history of a run that was selected on the test part, under its name."""
    renamed = {name.replace("dev_", "test_"): value for name, value in epoch.items()}
    return renamed | {
        "tasks": {name.replace("dev_", "test_"): value for name, value in epoch["tasks"].items()}
    }


def _features(job: Job, row: System) -> dict[str, str]:
    """The feature that stands for each input."""
    return {name: job.features.get(name, name) for name in row.inputs}


def _card(checkpoint: Path | None) -> dict[str, Any]:
    """SOURCE.json of the checkpoint: its name and digests."""
    if checkpoint is None:
        raise CheckpointError(
            "dvc.yaml: the stage of this system names no checkpoint in data/checkpoints/; add one to its dependencies"
        )
    card: dict[str, Any] = json.loads(
        present(checkpoint / "SOURCE.json").read_text(encoding="utf-8")
    )
    return card


def _hidden(
    forward: Callable[[Batch], Tensor], examples: dict[str, Examples], device: torch.device
) -> Iterator[tuple[str, np.ndarray]]:
    """Hidden activations (rows, H) of every utterance of a fold, in the order of their ids."""
    found = {
        key: row
        for part in examples.values()
        for key, row in zip(part.ids, predict(forward, part, device).numpy(), strict=True)
    }
    return iter(sorted(found.items()))


def _device(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
