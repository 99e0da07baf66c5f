"""What a system takes of each utterance: read once for all folds, then fitted and transformed inside each fold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from merflow import artifacts
from merflow.corpora.labels import CLASSES, MULTI_LABEL
from merflow.errors import CorpusError, ParamsError
from merflow.progress import log
from merflow.store import read_metadata, read_table, scan_features
from merflow.training.batches import Examples, OffTheShelf, System

PARTS = ("train", "dev", "test")
TOKENS = "tokens"  # the one input that is no feature


@dataclass(frozen=True)
class Material:
    """Utterances of a split scheme, and what a system takes of them.

    Attributes:
        members: one row per fold and utterance that has all inputs: utterance_id, fold, split, sorted by id.
        labels: by utterance the class index, or (K,) 1 where a class is present.
        arrays: per input and utterance (n_frames, dim); ``tokens`` have the columns id and segment (see Batch).
        left_out: per input the sorted ids of the utterances in scope without it.
        where: file that names the parts, for errors.
    """

    members: pd.DataFrame
    labels: dict[str, Any]
    arrays: dict[str, dict[str, np.ndarray]]
    left_out: dict[str, list[str]]
    where: Path

    def fold(
        self, fold: int, system: System, settings: Mapping[str, dict[str, Any]], handed: Mapping[str, dict[str, np.ndarray]]
    ) -> tuple[dict[str, Examples], dict[str, int]]:
        """Train, dev and test of a fold, with ``system.fitted`` fitted on train; and the width of each feature after it.

        Args:
            fold: from 0.
            system: says which inputs.
            settings: block ``inputs`` of the system in params.yaml.
            handed: hidden activations by utterance of each of ``system.members``.

        Raises:
            CorpusError: a part has no utterance.
        """
        members = self.members[self.members["fold"] == fold]
        ids = {part: members.loc[members["split"] == part, "utterance_id"].tolist() for part in PARTS}
        for part, found in ids.items():
            if not found:
                missing = {name: len(absent) for name, absent in self.left_out.items() if absent}
                reason = f" ({', '.join(f'{count} lack {name}' for name, count in missing.items())})" if missing else ""
                raise CorpusError(f"{self.where}: fold {fold}: no utterance in {part}{reason}; prepare the corpus again, or do without it")
        sources = {name: self.arrays[name] for name in system.inputs} | {name: handed[name] for name in system.members}
        inputs = {part: {name: [arrays[key] for key in ids[part]] for name, arrays in sources.items()} for part in PARTS}
        labels = {part: np.array([self.labels[key] for key in ids[part]]) for part in PARTS}
        for name, make in system.fitted.items():
            fitted = make(**settings[name])
            train = inputs["train"][name]
            fitted.fit(np.concatenate(train), np.repeat(labels["train"], [len(values) for values in train], axis=0))
            for part in PARTS:
                inputs[part][name] = _transformed(fitted, inputs[part][name])
        examples = {part: Examples(ids[part], inputs[part], labels[part]) for part in PARTS}
        dims = {name: arrays[0].shape[1] for name, arrays in inputs["train"].items() if name != TOKENS}
        return examples, dims


def read(
    prepared: Path,
    corpus: str,
    scheme: str,
    class_of: Mapping[str, str],
    system: System | OffTheShelf,
    settings: Mapping[str, dict[str, Any]],
    stores: Mapping[str, Path],
    checkpoint: Path | None,
    given: Mapping[str, list[str]],
) -> Material:
    """Read the inputs of every utterance in scope.

    Args:
        prepared: folder with utterances.parquet and splits.parquet.
        corpus: its name.
        scheme: a split scheme of it.
        class_of: label -> class; an utterance with another label is out of scope.
        system: says which inputs.
        settings: block ``inputs`` of the system in params.yaml.
        stores: feature store of each input that is a feature.
        checkpoint: folder of the model whose tokenizer cuts texts, for the input ``tokens``.
        given: what the system's members have left out.

    Raises:
        CorpusError: an utterance in the split has a label that the corpus does not know, or, of a single-label corpus, not one; or its
            inputs should be aligned and are not.
        ParamsError: the stage names no store for an input.
        StoreError: a store cannot be read.
    """
    utterances = read_table(
        prepared / "utterances.parquet", artifacts.UTTERANCES, ["utterance_id", "dialogue_id", "turn", "text", "labels"]
    )
    splits = read_table(prepared / "splits.parquet", artifacts.SPLITS)
    members = splits[splits["scheme"] == scheme].merge(utterances, on="utterance_id", validate="m:1").sort_values(["utterance_id", "fold"])
    scope = members.drop_duplicates("utterance_id")
    labels = _labels(scope, corpus, class_of)
    scope = scope[scope["utterance_id"].isin(labels)]
    arrays = {}
    for name in system.inputs:
        if name == TOKENS:
            assert checkpoint is not None  # the paper's systems that take tokens are pre-trained ones
            arrays[name] = _tokens(utterances.dropna(subset="text"), set(scope["utterance_id"]), checkpoint, **settings[name])
        else:
            arrays[name] = _feature(stores, name, set(scope["utterance_id"]))
    left_out = {name: sorted(set(scope["utterance_id"]) - set(values)) for name, values in arrays.items()}
    for name, ids in left_out.items():
        if ids:
            log.info("%d of %d utterances have no %s: left out (first: %s)", len(ids), len(scope), name, ids[0])
    left_out |= given
    absent = {key for ids in left_out.values() for key in ids}
    if system.aligned:
        _refuse_unaligned(arrays, absent)
    members = members[members["utterance_id"].isin(labels) & ~members["utterance_id"].isin(absent)]
    return Material(members[["utterance_id", "fold", "split"]], labels, arrays, left_out, prepared / "splits.parquet")


def words(stores: Mapping[str, Path], card: Mapping[str, Any] | None, system: System | OffTheShelf) -> dict[str, str]:
    """What stands behind each input, for tables: a feature with the model that made it, or the model that a system starts from."""
    found = {}
    for name in system.inputs:
        if name == TOKENS:
            found[name] = str(card["name"]) if card else ""
        else:
            spec = read_metadata(stores[name], artifacts.FEATURES)["spec"]
            made_by = (spec.get("checkpoint") or {}).get("name")
            found[name] = f"{spec['feature']} ({made_by})" if made_by else spec["feature"]
    return found


def _labels(scope: pd.DataFrame, corpus: str, class_of: Mapping[str, str]) -> dict[str, Any]:
    """Labels of the utterances in scope; see Material."""
    several = corpus in MULTI_LABEL
    classes = list(dict.fromkeys(class_of.values()))
    found: dict[str, Any] = {}
    for utterance_id, labels in scope[["utterance_id", "labels"]].itertuples(index=False):
        if not set(labels) <= set(CLASSES[corpus]) or (len(labels) != 1 and not several):
            wanted, there = ", ".join(CLASSES[corpus]), ", ".join(labels) or "none"
            raise CorpusError(
                f"{utterance_id}: expected {'labels' if several else 'one label'} of {wanted}, found {there}; prepare it again"
            )
        if several:
            found[utterance_id] = np.isin(classes, [class_of[label] for label in labels]).astype(np.float32)
        elif labels[0] in class_of:
            found[utterance_id] = classes.index(class_of[labels[0]])
    return found


def _refuse_unaligned(arrays: Mapping[str, dict[str, np.ndarray]], absent: set[str]) -> None:
    for key in sorted(set.intersection(*(set(values) for values in arrays.values())) - absent):
        frames = {name: len(values[key]) for name, values in arrays.items()}
        if len(set(frames.values())) > 1:
            found = ", ".join(f"{name} {count}" for name, count in frames.items())
            raise CorpusError(
                f"{key}: frames of {found}; a system that joins them word by word needs as many of each: choose aligned features"
            )


def _tokens(said: pd.DataFrame, scope: set[str], checkpoint: Path, max_tokens: int, context: int) -> dict[str, np.ndarray]:
    """Tokens of the utterances in scope that have a text, with up to `context` turns of the dialogue before them, whoever spoke."""
    from merflow.features.text.tokens import Tokenizer  # transformers takes seconds to import, and most systems have no such input

    ids, texts, before = [], [], []
    for _, dialogue in said.sort_values("turn").groupby("dialogue_id", sort=True):
        turns = dialogue["text"].tolist()
        for place, (key, text) in enumerate(zip(dialogue["utterance_id"], turns, strict=True)):
            if key in scope:
                ids.append(key)
                texts.append(text)
                before.append(turns[max(0, place - context) : place])
    tokens, lengths = Tokenizer(checkpoint).with_context(texts, before, max_tokens)
    if cut := sum(length > max_tokens for length in lengths):
        log.info("%d of %d texts are longer than %d tokens and were cut", cut, len(lengths), max_tokens)
    return dict(zip(ids, tokens, strict=True))


def _feature(stores: Mapping[str, Path], name: str, scope: set[str]) -> dict[str, np.ndarray]:
    if name not in stores:
        raise ParamsError(f"dvc.yaml: the stage of this system has no feature store for its input {name!r}; add one to its dependencies")
    ids, values, starts = scan_features(stores[name])
    return {key: values[starts[i] : starts[i + 1]] for i, key in enumerate(ids) if key in scope}


def _transformed(fitted: Any, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    values = np.asarray(fitted.transform(np.concatenate(arrays)), dtype=np.float32)
    return np.split(values, np.cumsum([len(array) for array in arrays])[:-1])
