"""Runs of a trained network: inputs read and fitted, network trained, dev and test predicted."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from accelerate import PartialState
from safetensors.torch import save_file
from torch import Tensor, nn

from merflow import paths
from merflow.corpora.schemes import multi_label
from merflow.errors import ParamsError
from merflow.params import ProtocolParams, SystemParams
from merflow.progress import log
from merflow.records import Run
from merflow.store import read_features, whole, write_features
from merflow.systems import Batch, System
from merflow.training import fitted
from merflow.training.batches import Examples
from merflow.training.dataset import Dataset, read
from merflow.training.gather import present
from merflow.training.inputs import TOKENS, extraction_of, labels_of
from merflow.training.job import STATE, Job, Runs, predictions_of
from merflow.training.loop import Fitted, Recipe, fit, predict
from merflow.training.objectives import MultiLabelObjective, Objective, SingleLabelObjective


def runs(job: Job, system: System, protocol: ProtocolParams) -> Runs:
    """Prepare the runs of a trained system.

    Raises:
        ParamsError: impossible parameters, or an input that the stage lacks; when a run is made,
            the training diverged.
        CorpusError: a label is not a class of the corpus; when a run is made, a split of the fold
            has no utterance.
        CheckpointError: the checkpoint is not at hand.
    """
    # without a GPU, accelerate takes the processes of a launcher for unrelated ones unless told
    PartialState(cpu=not torch.cuda.is_available())
    scheme = protocol.scheme[job.corpus]
    is_multi_label = multi_label(job.corpus, scheme)
    if system.bank and not is_multi_label:
        raise ParamsError(
            f"{job.corpus}: single-label under scheme {scheme}, but {job.system} is multi-label;"
            f" take it out of run.{job.paper}"
        )
    params = job.parsed(SystemParams, job.params)
    if system.bank and params.training.clip is not None:
        raise ParamsError(
            f"papers.{job.paper}.systems.{job.system}.training.clip: expected null, because the"
            " networks of a bank have one gradient together and are trained as if each was alone"
        )
    checkpoint = job.inputs.checkpoint if system.pretrained else None
    card = _card(checkpoint) if checkpoint else None
    stores = job.stores(name for name in system.inputs if name != TOKENS)
    members = job.records(system.members)
    class_of = job.class_of(scheme)
    dataset = read(
        job.inputs.corpus,
        job.corpus,
        scheme,
        class_of,
        system,
        params.inputs,
        stores,
        checkpoint,
        {name: ids for member in members for name, ids in member.left_out.items()},
    )
    of_members = {name: text for member in members for name, text in member.input_labels.items()}
    shared = {
        "input_labels": of_members | labels_of(stores, card, system),
        "left_out": dataset.left_out,
        "cut": {name: cut.utterances for name, cut in dataset.cut.items()},
        "cut_share": {name: cut.share for name, cut in dataset.cut.items()},
        "class_of": class_of,
        "attention": system.attention,
        "extraction": extraction_of(stores, system),
        "checkpoint": card,
        "selection_metric": "uar" if is_multi_label else "weighted_f1",
    }
    classes = list(dict.fromkeys(class_of.values()))
    maker = _NetworkRuns(job, system, params, protocol, dataset, classes, is_multi_label)
    return Runs(shared, classes, maker.make)


@dataclass(frozen=True)
class _NetworkRuns:
    """Runs of a network on a dataset."""

    job: Job
    system: System
    params: SystemParams
    protocol: ProtocolParams
    dataset: Dataset
    classes: list[str]
    multi_label: bool

    def make(self, fold: int, seed: int, folder: Path) -> tuple[Run, pd.DataFrame]:
        """Train, predict, and store in `folder` what other steps take of the run."""
        data = self.dataset.fold(
            fold, self.system, self.params.inputs, self._activations(fold, seed)
        )
        examples = data.examples
        log.info(", ".join(f"{len(of_split)} {split}" for split, of_split in examples.items()))
        recipe = self._recipe(examples["train"], seed)
        validation = examples.get("test" if self.protocol.select == "test" else "dev")
        build = partial(self._build, data.dims)
        trained = fit(build, examples["train"], validation, recipe, folder / STATE)
        model = trained.model.eval()
        tables = []
        for split in self.dataset.splits[1:]:
            clock = _Clock(model)
            tables.append(self._predict(split, examples[split], trained, recipe, clock, fold))
        if PartialState().is_main_process:
            if self.system.exports_hidden:
                self._export_hidden(examples, trained, fold, seed, folder)
            if self.job.keep_weights:
                _save_weights(model, paths.weights(folder, fold, seed))
                fitted.save(data.transformers, paths.transformers(folder, fold, seed))
        tokens = None
        if self.system.counts_tokens:
            counts = predict(model.tokens, examples["test"], trained.device)  # type: ignore[arg-type]
            tokens = tuple(counts.mean(dim=0).tolist())
        run = Run(
            fold=fold,
            seed=seed,
            selected_epochs=trained.selected_epochs,
            history=trained.history,
            device=_name(trained.device),
            precision=trained.precision,
            wall_s=round(trained.wall_s, 1),
            clip_s=round(clock.seconds / len(examples["test"]), 6),  # test is the last split
            tokens=tokens,
        )
        return run, pd.concat(tables)

    def _activations(self, fold: int, seed: int) -> dict[str, dict[str, np.ndarray]]:
        """Hidden activations of the members, of this fold and seed."""
        members = self.dataset.members
        ids = members.loc[members["fold"] == fold, "utterance_id"].tolist()
        return {
            name: read_features(paths.hidden(self.job.inputs.members[name], fold, seed), ids)
            for name in self.system.members
        }

    def _recipe(self, train: Examples, seed: int) -> Recipe:
        training = self.params.training
        objective: Objective = SingleLabelObjective()
        if self.multi_label:
            class_weights, bank = training.class_weights, self.system.bank
            objective = MultiLabelObjective.of(train.labels, class_weights, bank)
        bf16 = self.system.pretrained and self.job.precision == "bf16"
        return Recipe(
            training,
            objective,
            "last" if self.protocol.select == "last" else "best",
            seed,
            "bf16" if bf16 else "fp32",
        )

    def _build(self, dims: dict[str, int]) -> nn.Module:
        checkpoint = {"checkpoint": self.job.inputs.checkpoint} if self.system.pretrained else {}
        try:
            return self.system.build(dims, len(self.classes), **checkpoint, **self.params.network)
        except ValueError as error:  # papers raise no errors of ours
            place = f"papers.{self.job.paper}.systems.{self.job.system}"
            raise ParamsError(f"{place}: {error}") from error

    def _predict(
        self,
        split: str,
        examples: Examples,
        trained: Fitted,
        recipe: Recipe,
        clock: "_Clock",
        fold: int,
    ) -> pd.DataFrame:
        logits = predict(clock, examples, trained.device)
        probabilities = recipe.objective.probabilities(logits).numpy()
        labels, ids, seed = examples.labels, examples.ids, recipe.seed
        table = predictions_of(probabilities, labels, ids, split, self.classes, fold, seed)
        if self.system.attention:
            weights = predict(trained.model.attention, examples, trained.device)  # type: ignore[arg-type]
            table["attention"] = list(weights.numpy())
        return table

    def _export_hidden(
        self, examples: dict[str, Examples], trained: Fitted, fold: int, seed: int, folder: Path
    ) -> None:
        activations = _hidden(trained.model.hidden, examples, trained.device)  # type: ignore[arg-type]
        specification = {"system": self.job.system, "fold": fold, "seed": seed}
        write_features(paths.hidden(folder, fold, seed), activations, specification)


class _Clock:
    """A network that counts the seconds in which it computes, without reading its inputs."""

    def __init__(self, network: nn.Module):
        self.network, self.seconds = network, 0.0

    def __call__(self, batch: Batch) -> Tensor:
        start = time.perf_counter()
        output: Tensor = self.network(batch).cpu()  # waits until a device has computed
        self.seconds += time.perf_counter() - start
        return output


def _save_weights(model: nn.Module, path: Path) -> None:
    weights = {name: value.contiguous() for name, value in model.state_dict().items()}
    with whole(path) as partial_path:
        save_file(weights, partial_path, {"format": "pt"})


def _card(checkpoint: Path) -> dict[str, Any]:
    """Read the name and the digests of a checkpoint."""
    path = present(checkpoint / paths.SOURCE)
    card: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return card


def _hidden(
    forward: Callable[[Batch], Tensor], examples: dict[str, Examples], device: torch.device
) -> Iterator[tuple[str, np.ndarray]]:
    """Hidden activations (rows, H) of every utterance of a fold, in the order of ids."""
    activations: dict[str, np.ndarray] = {}
    for of_split in examples.values():
        values = predict(forward, of_split, device).numpy()
        activations |= dict(zip(of_split.ids, values, strict=True))
    return iter(sorted(activations.items()))


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
