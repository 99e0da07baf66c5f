"""Class probabilities of clips by one run: models one after the other, members first."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from merflow import paths
from merflow.corpora.labels import counterparts
from merflow.errors import StoreError
from merflow.params import OffTheShelfParams, SystemParams
from merflow.predict.inputs import ModelInputs
from merflow.predict.models import Model, RunKey
from merflow.records import Run
from merflow.systems import Fusion, OffTheShelf, System
from merflow.training import fitted
from merflow.training.batches import Examples
from merflow.training.dataset import dialogues_of
from merflow.training.fusion import softened
from merflow.training.inputs import Arrays, dims_of, select, transformed
from merflow.training.loop import predict
from merflow.training.off_the_shelf import pool, with_factors


def probabilities(
    models: Sequence[Model], inputs: Mapping[str, ModelInputs], run: RunKey
) -> Arrays:
    """Compute class probabilities (K,) of each utterance that has all inputs of the last model.

    Args:
        models: members before the systems that take them.
        inputs: of each model that has any, by system.
        run: fold and seed.

    Raises:
        StoreError: weights do not fit their network.
    """
    outputs: dict[str, Arrays] = {}  # system -> class probabilities
    hidden: dict[str, Arrays] = {}
    networks = [model.system for model in models if isinstance(model.system, System)]
    exporting = {member for network in networks for member in network.members}
    for model in models:
        name, system, record = model.name, model.system, model.record.run(run.fold, run.seed)
        if isinstance(system, Fusion):
            members = [outputs[member] for member in system.members]
            outputs[name] = _fuse(system, record, members)
        elif isinstance(system, OffTheShelf):
            outputs[name] = _pool(model, inputs[name], record)
        elif isinstance(system, System):
            activations = {member: hidden[member] for member in system.members}
            network = _Network(model, system, inputs[name], record)
            outputs[name], hidden[name] = network.forward(activations, name in exporting)
    return outputs[models[-1].name]


def _fuse(fusion: Fusion, run: Run, members: Sequence[Arrays]) -> Arrays:
    """Combine probabilities (K,) of members as the run did, for utterances that all have."""
    ids = _common(members)
    if not ids:
        return {}
    stacked = np.stack([[member[key] for key in ids] for member in members])
    if run.temperatures:
        temperatures = [run.temperatures[name] for name in fusion.members]
        stacked = np.stack([softened(*pair) for pair in zip(stacked, temperatures, strict=True)])
    weights = run.weights or {}
    fused = (
        fusion.combine(stacked, np.array([weights[name] for name in fusion.members]))
        if fusion.weighted
        else fusion.combine(stacked)
    )
    return dict(zip(ids, fused, strict=True))


def _pool(model: Model, inputs: ModelInputs, run: Run) -> Arrays:
    """Pool the probabilities of an off-the-shelf head, whose columns get the names of classes."""
    (frames,) = inputs.arrays.values()
    places = counterparts(inputs.columns, model.classes)
    pooling = OffTheShelfParams.model_validate(model.record.params).pooling
    pooled = {key: pool(values[:, places], pooling) for key, values in frames.items()}
    if run.class_factors is None:
        return pooled
    factors = np.array([run.class_factors[name] for name in model.classes])
    return {key: with_factors(values, factors) for key, values in pooled.items()}


def _common(arrays: Iterable[Arrays]) -> list[str]:
    """List the utterances of all `arrays`, sorted."""
    return sorted(set.intersection(*map(set, arrays)))


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn the error of a damaged or foreign file into one line."""
    try:
        yield
    except (SafetensorError, OSError) as error:
        raise StoreError(
            f"{path}: not a whole file of weights ({error}); delete {path.parent.parent} and run"
            " snakemake again"
        ) from error


@dataclass(frozen=True)
class _Network:
    """Network of a run.

    Attributes:
        model: system with its record.
        system: its definition.
        inputs: of all clips.
        run: in the record.
    """

    model: Model
    system: System
    inputs: ModelInputs
    run: Run

    def forward(
        self, activations: Mapping[str, Arrays], with_hidden: bool
    ) -> tuple[Arrays, Arrays]:
        """Apply the network to the utterances that have all inputs.

        Args:
            activations: hidden activations (rows, H) of each member.
            with_hidden: another system takes the hidden activations of this one.

        Returns:
            Probabilities (K,), and hidden activations (rows, H) or nothing.

        Raises:
            StoreError: the weights do not fit.
        """
        examples = self._examples({**self.inputs.arrays, **activations})
        if not examples.ids:
            return {}, {}
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        network = self._load(dims_of(examples.inputs)).to(device)
        hidden = {}
        with torch.autocast(device.type, torch.bfloat16, enabled=self.run.precision == "bf16"):
            logits = predict(network, examples, device)
            if with_hidden:
                values = predict(network.hidden, examples, device)  # type: ignore[arg-type]
                hidden = dict(zip(examples.ids, values.numpy(), strict=True))
        probabilities = logits.sigmoid() if self.model.multi_label else logits.softmax(dim=-1)
        return dict(zip(examples.ids, probabilities.numpy(), strict=True)), hidden

    def _examples(self, arrays: Mapping[str, Arrays]) -> Examples:
        """Transform the inputs of the utterances that have all, as in training; labels are 0."""
        ids = _common(arrays.values())
        values: dict[str, Any] = {name: select(of_input, ids) for name, of_input in arrays.items()}
        if ids:
            path = paths.transformers(self.model.folder, self.run.fold, self.run.seed)
            with _readable(path):
                transformers = fitted.load(path, self.system.transformers, self._params.inputs)
            for name, transformer in transformers.items():
                values[name] = transformed(transformer, values[name])
        members = self.inputs.utterances.set_index("utterance_id").loc[ids].reset_index()
        dialogues = dialogues_of(members) if self.system.by_dialogue else None
        return Examples(ids, values, np.zeros(len(ids), dtype=np.int64), dialogues)

    def _load(self, dims: dict[str, int]) -> nn.Module:
        """Build the network with its weights, in mode eval.

        Raises:
            StoreError: the weights do not fit.
        """
        path = paths.weights(self.model.folder, self.run.fold, self.run.seed)
        checkpoint = {"checkpoint": self.inputs.checkpoint} if self.system.pretrained else {}
        n_classes, params = len(self.model.classes), self._params.network
        try:
            network = self.system.build(dims, n_classes, **checkpoint, **params)
            with _readable(path):
                network.load_state_dict(load_file(path))
        except (RuntimeError, ValueError, ValidationError) as error:
            reason = " ".join(str(error).split())[:200]
            raise StoreError(
                f"{path}: weights do not fit the network of {self.model.name} ({reason});"
                " train it again"
            ) from error
        return network.eval()

    @property
    def _params(self) -> SystemParams:
        return SystemParams.model_validate(self.model.record.params)
