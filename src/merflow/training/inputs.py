"""Inputs of a system: arrays of each utterance from tokenizer, feature stores and media."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from merflow import artifacts
from merflow.paths import WAVEFORM
from merflow.progress import log
from merflow.store import read_index, read_metadata, scan_features
from merflow.systems import Linear, OffTheShelf, System, Transformer
from merflow.training.batches import LazyArrays
from merflow.training.cut import Cut, cut_of
from merflow.training.frames import DecodedFrames
from merflow.training.waveforms import read_waveforms

TOKENS = "tokens"  # the one input that no store holds

Arrays = Mapping[str, np.ndarray]  # by utterance id


def arrays_of(
    utterances: pd.DataFrame,
    scope: set[str],
    system: System | OffTheShelf | Linear,
    input_params: Mapping[str, dict[str, Any]],
    stores: Mapping[str, Path],
    checkpoint: Path | None,
) -> tuple[dict[str, Arrays], dict[str, Cut]]:
    """Read each input of a system.

    Args:
        utterances: all of the corpus: utterance_id, dialogue_id, turn, text.
        scope: ids of the utterances whose arrays are wanted.
        system: says which inputs.
        input_params: block ``inputs`` of the system in params.yaml; ``max_frames`` of a feature
            cuts off what is longer.
        stores: store of each input that is a feature, or folder of its medium.
        checkpoint: folder of the model whose tokenizer cuts texts, for the input ``tokens``.

    Returns:
        Per input the arrays of the utterances in `scope` that have it: (n_frames, dim), ``tokens``
        with the columns id and segment, ``waveform`` (n_samples,). Per input what was cut off.

    Raises:
        StoreError: a store cannot be read.
    """
    arrays: dict[str, Arrays] = {}
    cut = {}
    for name in system.inputs:
        if name == TOKENS:
            assert checkpoint is not None  # systems with tokens are pre-trained ones
            texts = utterances.dropna(subset="text")
            arrays[name] = _tokens(texts, scope, checkpoint, **input_params[name])
        elif name == WAVEFORM:
            arrays[name], cut[name] = read_waveforms(stores[name], scope, **input_params[name])
        elif stores[name].is_dir():
            arrays[name] = DecodedFrames(stores[name], scope, **input_params[name])
        else:
            arrays[name] = _feature(stores[name], scope)
            if max_frames := input_params.get(name, {}).get("max_frames"):
                arrays[name], cut[name] = _shortened(arrays[name], name, max_frames)
    return arrays, cut


def _tokens(
    texts: pd.DataFrame, scope: set[str], checkpoint: Path, max_tokens: int, context: int
) -> dict[str, np.ndarray]:
    """Tokens of utterances with up to `context` earlier turns of the dialogue, by any speaker."""
    # transformers takes seconds to import, and most systems have no tokens
    from merflow.features.text.tokens import Tokenizer

    ids, own_texts, contexts = [], [], []
    for _, dialogue in texts.sort_values("turn").groupby("dialogue_id", sort=True):
        turns = dialogue["text"].tolist()
        for place, (key, text) in enumerate(zip(dialogue["utterance_id"], turns, strict=True)):
            if key in scope:
                ids.append(key)
                own_texts.append(text)
                contexts.append(turns[max(0, place - context) : place])
    tokens, lengths = Tokenizer(checkpoint).with_context(own_texts, contexts, max_tokens)
    if cut := sum(length > max_tokens for length in lengths):
        log.info(
            "%d of %d texts are longer than %d tokens and were cut", cut, len(lengths), max_tokens
        )
    return dict(zip(ids, tokens, strict=True))


def _feature(store: Path, scope: set[str]) -> dict[str, np.ndarray]:
    ids, values, starts = scan_features(store)
    return {key: values[starts[i] : starts[i + 1]] for i, key in enumerate(ids) if key in scope}


def _shortened(arrays: Arrays, name: str, max_frames: int) -> tuple[dict[str, np.ndarray], Cut]:
    """The first `max_frames` frames of each utterance, and what was cut off."""
    lengths = [len(values) for values in arrays.values()]
    cut = cut_of(lengths, max_frames, f"{max_frames} frames of {name}")
    return {key: values[:max_frames] for key, values in arrays.items()}, cut


def select(arrays: Arrays, ids: Sequence[str]) -> Sequence[np.ndarray]:
    """Arrays of the utterances `ids`; frames stay undecoded."""
    if isinstance(arrays, DecodedFrames):
        return LazyArrays(arrays.__getitem__, ids, arrays.n_frames)
    return [arrays[key] for key in ids]


def transformed(transformer: Transformer, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Transform the frames of each utterance: (n_frames, dim) -> (n_frames, dim')."""
    values = np.asarray(transformer.transform(np.concatenate(arrays)), dtype=np.float32)
    return np.split(values, np.cumsum([len(array) for array in arrays])[:-1])


def dims_of(inputs: Mapping[str, Sequence[np.ndarray]]) -> dict[str, int]:
    """Width of each input but tokens and waveforms."""
    without = (TOKENS, WAVEFORM)
    return {name: arrays[0].shape[1] for name, arrays in inputs.items() if name not in without}


def extraction_of(
    stores: Mapping[str, Path], system: System | OffTheShelf | Linear
) -> dict[str, dict[str, Any]]:
    """Specification of each stored input, with which it can be made of other clips."""
    specifications = {}
    for name in system.inputs:
        if name != TOKENS:
            specification = _specification(stores[name])
            specification.pop("columns", None)  # thousands of names, which the extractor has too
            specifications[name] = specification
    return specifications


def labels_of(
    stores: Mapping[str, Path],
    card: Mapping[str, Any] | None,
    system: System | OffTheShelf | Linear,
) -> dict[str, str]:
    """Name of each input in tables: a feature, and the pre-trained model behind it.

    Args:
        stores: as in `arrays_of`.
        card: SOURCE.json of the checkpoint that the system starts from.
        system: says which inputs.
    """
    labels = {}
    for name in system.inputs:
        if name == TOKENS:
            labels[name] = str(card["name"]) if card else ""
        elif stores[name].is_dir():
            labels[name] = f"{name} ({card['name']})" if card else name
        else:
            specification = _specification(stores[name])
            feature = specification["feature"]
            model = (specification.get("checkpoint") or {}).get("name")
            labels[name] = f"{feature} ({model})" if model else feature
    return labels


def _specification(store: Path) -> dict[str, Any]:
    if store.is_dir():
        return dict(read_index(store)["spec"])
    return dict(read_metadata(store, artifacts.FEATURES)["spec"])
