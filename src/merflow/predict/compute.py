"""Probabilities of new clips: inputs as in training, transformed by what was fitted there, through the networks that were kept."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError
from safetensors.torch import load_file
from torch import Tensor, nn

from merflow import artifacts
from merflow.corpora.labels import counterparts
from merflow.corpora.schemes import multi_label
from merflow.errors import StoreError
from merflow.params import OffTheShelfParams, SystemParams
from merflow.predict.clips import Clips
from merflow.predict.model import Model
from merflow.store import read_features, read_metadata
from merflow.systems import Batch, Fusion, OffTheShelf, System
from merflow.training.batches import Examples
from merflow.training.fitted import load
from merflow.training.fusion import softened
from merflow.training.inputs import arrays_of, dims_of, select, transformed
from merflow.training.loop import predict
from merflow.training.off_the_shelf import pool

Rows = dict[str, np.ndarray]  # by utterance


def probabilities(model: Model, clips: Clips, fold: int, seed: int) -> Rows:
    """Probabilities (K,) of each utterance that has what the model takes, by the run of this fold and seed.

    Raises:
        StoreError: the weights do not fit the network.
        CheckpointError, ParamsError: a feature cannot be extracted.
    """
    if isinstance(model.row, Fusion):
        return _fused(model, model.row, clips, fold, seed)
    if isinstance(model.row, OffTheShelf):
        return _as_it_is(model, model.row, clips)
    several = multi_label(model.record.corpus, model.record.scheme)
    return _forward(
        model,
        model.row,
        clips,
        fold,
        seed,
        lambda network: network,
        torch.sigmoid if several else partial(torch.softmax, dim=-1),
    )


def _as_it_is(model: Model, row: OffTheShelf, clips: Clips) -> Rows:
    """Probabilities of a published model, under the names of the corpus, pooled."""
    spec = model.record.extraction[row.inputs[0]]
    store = clips.feature(spec, model.checkpoint(spec.get("checkpoint")))
    places = counterparts(
        read_metadata(store, artifacts.FEATURES)["spec"]["columns"], model.classes
    )
    pooling = OffTheShelfParams.model_validate(model.record.params).pooling
    return {key: pool(frames[:, places], pooling) for key, frames in read_features(store).items()}


def _fused(model: Model, row: Fusion, clips: Clips, fold: int, seed: int) -> Rows:
    """Probabilities of the members, with the temperatures and weights that were chosen in training, of who has all of them."""
    run = model.record.run(fold, seed)
    found = {
        name: probabilities(member, clips, fold, seed) for name, member in model.members.items()
    }
    ids = sorted(set.intersection(*(set(rows) for rows in found.values())))
    if not ids:
        return {}
    stacked = {name: np.stack([rows[key] for key in ids]) for name, rows in found.items()}
    weights = run.weights or {}
    if temperatures := run.temperatures:
        stacked = {name: softened(values, temperatures[name]) for name, values in stacked.items()}
    every = np.stack([stacked[name] for name in row.members])
    fused = (
        row.combine(every, np.array([weights[name] for name in row.members]))
        if row.weighted
        else row.combine(every)
    )
    return dict(zip(ids, fused, strict=True))


def _forward(
    model: Model,
    row: System,
    clips: Clips,
    fold: int,
    seed: int,
    part: Callable[[nn.Module], Callable[[Batch], Tensor]],
    after: Callable[[Tensor], Tensor] = lambda values: values,
) -> Rows:
    """What a part of the network of a run gives, and what is done to it."""
    settings = SystemParams.model_validate(model.record.params)
    features = model.record.extraction
    checkpoint = model.checkpoint(model.record.checkpoint)
    stores = {}
    for name, spec in features.items():
        stores[name] = (
            clips.feature(spec, model.checkpoint(spec.get("checkpoint")))
            if "feature" in spec
            else clips.media(spec)[name]
        )
    arrays, _ = arrays_of(clips.utterances, clips.ids, row, settings.inputs, stores, checkpoint)
    handed = {name: _hidden(model.members[name], clips, fold, seed) for name in row.members}
    sources: dict[str, Mapping[str, np.ndarray]] = {**arrays, **handed}
    ids = sorted(set.intersection(*(set(values) for values in sources.values())))
    if not ids:
        return {}
    inputs: dict[str, Any] = {name: select(values, ids) for name, values in sources.items()}
    beside = model.weights(fold, seed).with_suffix(".inputs.safetensors")
    for name, transformer in load(beside, row.transformers, settings.inputs).items():
        inputs[name] = transformed(transformer, inputs[name])
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = _network(model, row, settings, dims_of(inputs), fold, seed).to(device)
    examples = Examples(
        ids,
        inputs,
        np.zeros(len(ids), dtype=np.int64),
        _dialogues(clips, ids) if row.by_dialogue else None,
    )
    with torch.inference_mode(), _precision(model, fold, seed, device):
        found = after(predict(part(network), examples, device)).numpy()
    return dict(zip(ids, found, strict=True))


def _hidden(member: Model, clips: Clips, fold: int, seed: int) -> Rows:
    """What a system hands over to others, (rows, H)."""
    assert isinstance(member.row, System)  # no other kind does
    return _forward(member, member.row, clips, fold, seed, lambda network: network.hidden)  # type: ignore[arg-type, return-value]


def _network(
    model: Model, row: System, settings: SystemParams, dims: dict[str, int], fold: int, seed: int
) -> nn.Module:
    """The network of a run with its weights.

    Raises:
        StoreError: they do not fit it.
    """
    path = model.weights(fold, seed)
    more = {"checkpoint": model.checkpoint(model.record.checkpoint)} if row.pretrained else {}
    try:
        network = row.build(dims, len(model.classes), **more, **settings.network)
        network.load_state_dict(load_file(path))
    except (RuntimeError, ValueError, ValidationError) as error:
        reason = " ".join(str(error).split())[:200]
        raise StoreError(
            f"{path}: these weights do not fit the network of {model.record.system} ({reason}); train it again"
        ) from error
    return network.eval()


def _precision(
    model: Model, fold: int, seed: int, device: torch.device
) -> AbstractContextManager[Any]:
    """The precision that the run computed in."""
    run = model.record.run(fold, seed)
    return torch.autocast(device.type, torch.bfloat16) if run.precision == "bf16" else nullcontext()


def _dialogues(clips: Clips, ids: list[str]) -> list[np.ndarray]:
    """Positions of the utterances of each dialogue, in the order of turns."""
    rows = (
        clips.utterances.set_index("utterance_id")
        .loc[ids]
        .assign(position=range(len(ids)))
        .sort_values("turn", kind="stable")
    )
    return [group["position"].to_numpy() for _, group in rows.groupby("dialogue_id", sort=True)]
