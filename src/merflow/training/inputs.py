"""What a system takes of each utterance: read once for all folds, then fitted and transformed inside each fold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from merflow import artifacts
from merflow.corpora.labels import classes_of
from merflow.corpora.schemes import find, multi_label
from merflow.errors import CorpusError, ParamsError
from merflow.progress import log
from merflow.store import read_index, read_metadata, read_table, scan_features
from merflow.systems import OffTheShelf, System, Transformer
from merflow.training.batches import Drawn, Examples
from merflow.training.pictures import Pictures

TOKENS = "tokens"  # the one input that no store holds


@dataclass(frozen=True)
class Material:
    """Utterances of a split scheme, and what a system takes of them.

    Attributes:
        members: one row per fold and utterance, or label of it, that has all inputs: utterance_id, dialogue_id, turn, fold, split, and
            answer, the class index, or (K,) 1 where a class is present; sorted by id.
        parts: that each fold has.
        arrays: per input and utterance (n_frames, dim); ``tokens`` have the columns id and segment (see Batch); pictures are made when
            they are asked for.
        left_out: per input the sorted ids of the utterances in scope without it.
        cut: per input how many utterances are longer than its longest and were cut.
        where: file that names the parts, for errors.
    """

    members: pd.DataFrame
    parts: tuple[str, ...]
    arrays: dict[str, Mapping[str, np.ndarray]]
    left_out: dict[str, list[str]]
    cut: dict[str, int]
    where: Path

    def part(self, fold: int, part: str) -> pd.DataFrame:
        """The members of a part of a fold.

        Raises:
            CorpusError: it has none.
        """
        found = self.members[(self.members["fold"] == fold) & (self.members["split"] == part)]
        if not len(found):
            missing = {name: len(absent) for name, absent in self.left_out.items() if absent}
            reason = (
                f" ({', '.join(f'{count} lack {name}' for name, count in missing.items())})"
                if missing
                else ""
            )
            raise CorpusError(
                f"{self.where}: fold {fold}: no utterance in {part}{reason}; prepare the corpus again, or do without it"
            )
        return found.reset_index(drop=True)

    def fold(
        self,
        fold: int,
        system: System,
        settings: Mapping[str, dict[str, Any]],
        handed: Mapping[str, dict[str, np.ndarray]],
    ) -> tuple[dict[str, Examples], dict[str, int], dict[str, Transformer]]:
        """The parts of a fold, with ``system.fitted`` fitted on train; the width of each feature after it; and what was fitted to which.

        Args:
            fold: from 0.
            system: says which inputs.
            settings: block ``inputs`` of the system in params.yaml.
            handed: hidden activations by utterance of each of ``system.members``.

        Raises:
            CorpusError: a part has no utterance.
        """
        members = {part: self.part(fold, part) for part in self.parts}
        ids = {part: rows["utterance_id"].tolist() for part, rows in members.items()}
        sources = {name: self.arrays[name] for name in system.inputs} | {
            name: handed[name] for name in system.members
        }
        inputs = {
            part: {name: _of(arrays, ids[part]) for name, arrays in sources.items()}
            for part in self.parts
        }
        labels = {part: np.array(rows["answer"].tolist()) for part, rows in members.items()}
        fitted = {name: make(**settings[name]) for name, make in system.fitted.items()}
        for name, transformer in fitted.items():
            train = inputs["train"][name]
            transformer.fit(
                np.concatenate(train),
                np.repeat(labels["train"], [len(values) for values in train], axis=0),
            )
            for part in self.parts:
                inputs[part][name] = transformed(transformer, inputs[part][name])
        dialogues = {
            part: _dialogues(rows) if system.by_dialogue else None for part, rows in members.items()
        }
        examples = {
            part: Examples(ids[part], inputs[part], labels[part], dialogues[part])
            for part in self.parts
        }
        return examples, dims_of(inputs["train"]), fitted


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
        settings: block ``inputs`` of the system in params.yaml; ``max_frames`` of a feature cuts off what is longer.
        stores: store of each input that is a feature or a sampling of pictures.
        checkpoint: folder of the model whose tokenizer cuts texts, for the input ``tokens``.
        given: what the system's members have left out.

    Raises:
        CorpusError: an utterance in the split has a label that the corpus does not know, or several or none where it should have one; or
            its inputs should be aligned and are not.
        ParamsError: the stage names no store for an input.
        StoreError: a store cannot be read.
    """
    utterances = read_table(
        prepared / "utterances.parquet",
        artifacts.UTTERANCES,
        ["utterance_id", "dialogue_id", "turn", "text", "labels"],
    )
    splits = read_table(prepared / "splits.parquet", artifacts.SPLITS)
    members = splits[splits["scheme"] == scheme].merge(
        utterances, on="utterance_id", validate="m:1"
    )
    members = members.sort_values(["utterance_id", "fold"], kind="stable")
    known = classes_of(corpus, read_metadata(prepared / "utterances.parquet", artifacts.UTTERANCES))
    members = members.assign(
        answer=_answers(members, multi_label(corpus, scheme), known, class_of)
    ).dropna(subset="answer")
    scope = members.drop_duplicates("utterance_id")
    arrays, cut = arrays_of(
        utterances, set(scope["utterance_id"]), system, settings, stores, checkpoint
    )
    left_out = {
        name: sorted(set(scope["utterance_id"]) - set(values)) for name, values in arrays.items()
    }
    for name, ids in left_out.items():
        if ids:
            log.info(
                "%d of %d utterances have no %s: left out (first: %s)",
                len(ids),
                len(scope),
                name,
                ids[0],
            )
    left_out |= given
    absent = {key for ids in left_out.values() for key in ids}
    if system.aligned:
        _refuse_unaligned(arrays, absent)
    members = members[~members["utterance_id"].isin(absent)]
    members = members[["utterance_id", "dialogue_id", "turn", "fold", "split", "answer"]]
    return Material(
        members, find(corpus, scheme).parts, arrays, left_out, cut, prepared / "splits.parquet"
    )


def arrays_of(
    utterances: pd.DataFrame,
    scope: set[str],
    system: System | OffTheShelf,
    settings: Mapping[str, dict[str, Any]],
    stores: Mapping[str, Path],
    checkpoint: Path | None,
) -> tuple[dict[str, Mapping[str, np.ndarray]], dict[str, int]]:
    """Per input the arrays of the utterances in `scope` that have it, and how many were cut; see `read`."""
    arrays: dict[str, Mapping[str, np.ndarray]] = {}
    cut = {}
    for name in system.inputs:
        if name == TOKENS:
            assert (
                checkpoint is not None
            )  # the paper's systems that take tokens are pre-trained ones
            arrays[name] = _tokens(
                utterances.dropna(subset="text"), scope, checkpoint, **settings[name]
            )
        elif name in stores and stores[name].is_dir():
            arrays[name] = Pictures(stores[name], scope, **settings[name])
        else:
            arrays[name] = _feature(stores, name, scope)
            if longest := settings.get(name, {}).get("max_frames"):
                arrays[name], cut[name] = _shortened(arrays[name], name, longest)
    return arrays, cut


def dims_of(inputs: Mapping[str, Sequence[np.ndarray]]) -> dict[str, int]:
    """Width of each input but tokens."""
    return {name: arrays[0].shape[1] for name, arrays in inputs.items() if name != TOKENS}


def specs(stores: Mapping[str, Path], system: System | OffTheShelf) -> dict[str, dict[str, Any]]:
    """What made each input that is a feature or a sampling of pictures: with it the same can be made of other clips (merflow.predict)."""
    found = {}
    for name in system.inputs:
        if name != TOKENS:
            path = stores[name]
            spec = (
                read_index(path)["spec"]
                if path.is_dir()
                else read_metadata(path, artifacts.FEATURES)["spec"]
            )
            found[name] = {
                key: value for key, value in spec.items() if key != "columns"
            }  # thousands of names, which the extractor knows
    return found


def words(
    stores: Mapping[str, Path], card: Mapping[str, Any] | None, system: System | OffTheShelf
) -> dict[str, str]:
    """What stands behind each input, for tables: a feature with the model that made it, or the model that a system starts from."""
    found = {}
    for name in system.inputs:
        if name == TOKENS:
            found[name] = str(card["name"]) if card else ""
        elif stores[name].is_dir():
            found[name] = f"{name} ({card['name']})" if card else name
        else:
            spec = read_metadata(stores[name], artifacts.FEATURES)["spec"]
            made_by = (spec.get("checkpoint") or {}).get("name")
            found[name] = f"{spec['feature']} ({made_by})" if made_by else spec["feature"]
    return found


def _of(arrays: Mapping[str, np.ndarray], ids: Sequence[str]) -> Sequence[np.ndarray]:
    if isinstance(arrays, Pictures):
        return Drawn(arrays.__getitem__, ids, arrays.frames)
    return [arrays[key] for key in ids]


def _answers(
    members: pd.DataFrame, several: bool, known: Sequence[str], class_of: Mapping[str, str]
) -> pd.Series:
    """Answer of each row, see Material; None: out of scope. Where the split names a label, that is the only one."""
    classes = list(dict.fromkeys(class_of.values()))
    found: list[Any] = []
    for utterance_id, every, label in members[["utterance_id", "labels", "label"]].itertuples(
        index=False
    ):
        labels = every if pd.isna(label) else [label]
        if not set(labels) <= set(known) or (len(labels) != 1 and not several):
            wanted, there = ", ".join(known), ", ".join(labels) or "none"
            raise CorpusError(
                f"{utterance_id}: expected {'labels' if several else 'one label'} of {wanted}, found {there}; prepare it again"
            )
        if several:
            found.append(np.isin(classes, [class_of[label] for label in labels]).astype(np.float32))
        else:
            found.append(classes.index(class_of[labels[0]]) if labels[0] in class_of else None)
    return pd.Series(found, members.index, dtype=object)


def _dialogues(members: pd.DataFrame) -> list[np.ndarray]:
    """Positions of the members of each dialogue, in the order of turns, and of ids where several have one turn."""
    return [
        np.asarray(rows.index)
        for _, rows in members.sort_values("turn", kind="stable").groupby("dialogue_id", sort=True)
    ]


def _shortened(
    arrays: Mapping[str, np.ndarray], name: str, longest: int
) -> tuple[dict[str, np.ndarray], int]:
    """The first `longest` frames of each utterance, and how many had more."""
    cut = sum(len(values) > longest for values in arrays.values())
    if cut:
        log.info(
            "%d of %d utterances have more than %d frames of %s and were cut",
            cut,
            len(arrays),
            longest,
            name,
        )
    return {key: values[:longest] for key, values in arrays.items()}, cut


def _refuse_unaligned(arrays: Mapping[str, Mapping[str, np.ndarray]], absent: set[str]) -> None:
    for key in sorted(set.intersection(*(set(values) for values in arrays.values())) - absent):
        frames = {name: len(values[key]) for name, values in arrays.items()}
        if len(set(frames.values())) > 1:
            found = ", ".join(f"{name} {count}" for name, count in frames.items())
            raise CorpusError(
                f"{key}: frames of {found}; a system that joins them word by word needs as many of each: choose aligned features"
            )


def _tokens(
    said: pd.DataFrame, scope: set[str], checkpoint: Path, max_tokens: int, context: int
) -> dict[str, np.ndarray]:
    """Tokens of the utterances in scope that have a text, with up to `context` turns of the dialogue before them, whoever spoke."""
    from merflow.features.text.tokens import (
        Tokenizer,
    )  # transformers takes seconds to import, and most systems have no such input

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
        log.info(
            "%d of %d texts are longer than %d tokens and were cut", cut, len(lengths), max_tokens
        )
    return dict(zip(ids, tokens, strict=True))


def _feature(stores: Mapping[str, Path], name: str, scope: set[str]) -> dict[str, np.ndarray]:
    if name not in stores:
        raise ParamsError(
            f"dvc.yaml: the stage of this system has no feature store for its input {name!r}; add one to its dependencies"
        )
    ids, values, starts = scan_features(stores[name])
    return {key: values[starts[i] : starts[i + 1]] for i, key in enumerate(ids) if key in scope}


def transformed(fitted: Transformer, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """What was fitted to an input, done to the frames of utterances: (n_frames, dim) each -> (n_frames, dim')."""
    values = np.asarray(fitted.transform(np.concatenate(arrays)), dtype=np.float32)
    return np.split(values, np.cumsum([len(array) for array in arrays])[:-1])
