"""Dataset of a system: utterances of a split scheme with their inputs, for all folds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from merflow import artifacts
from merflow.corpora.labels import classes_of
from merflow.corpora.schemes import find, multi_label
from merflow.errors import CorpusError
from merflow.paths import SPLITS, UTTERANCES
from merflow.progress import log
from merflow.store import read_metadata, read_table
from merflow.systems import Linear, OffTheShelf, System, Transformer
from merflow.training.batches import Examples
from merflow.training.cut import Cut
from merflow.training.inputs import Arrays, arrays_of, dims_of, select, transformed


@dataclass(frozen=True)
class Fold:
    """Examples of a fold, transformed.

    Attributes:
        examples: of each split.
        dims: width of each feature.
        transformers: fitted transformer of each input that has one.
    """

    examples: dict[str, Examples]
    dims: dict[str, int]
    transformers: dict[str, Transformer]


@dataclass(frozen=True)
class Dataset:
    """Utterances of a split scheme with the inputs of a system.

    Attributes:
        members: a row per fold and utterance (or label of it) that has all inputs, sorted by id.
            Columns: utterance_id, dialogue_id, turn, fold, split, target. The target is the class
            index, or (K,) 1 where a class is present.
        splits: names, train first.
        arrays: per input and utterance (n_frames, dim), see `arrays_of`.
        left_out: per input the sorted ids of the utterances in scope without it.
        cut: per input what was longer than its longest and was cut off.
        path: file of the split scheme, for errors.
    """

    members: pd.DataFrame
    splits: tuple[str, ...]
    arrays: dict[str, Arrays]
    left_out: dict[str, list[str]]
    cut: dict[str, Cut]
    path: Path

    def split(self, fold: int, split: str) -> pd.DataFrame:
        """Members of a split of a fold.

        Raises:
            CorpusError: there is none.
        """
        of_fold = self.members["fold"] == fold
        rows = self.members[of_fold & (self.members["split"] == split)]
        if not len(rows):
            lacking = {name: len(ids) for name, ids in self.left_out.items() if ids}
            reasons = ", ".join(f"{count} lack {name}" for name, count in lacking.items())
            raise CorpusError(
                f"{self.path}: fold {fold}: no utterance in {split}"
                f"{f' ({reasons})' if reasons else ''}; prepare the corpus again, or run without it"
            )
        return rows.reset_index(drop=True)

    def fold(
        self,
        fold: int,
        system: System,
        input_params: Mapping[str, dict[str, Any]],
        member_activations: Mapping[str, dict[str, np.ndarray]],
    ) -> Fold:
        """Build the examples of a fold, with transformers fitted on its train split.

        Args:
            fold: number, from 0.
            system: says which inputs and transformers.
            input_params: block ``inputs`` of the system in params.yaml.
            member_activations: hidden activations by utterance of each of ``system.members``.

        Raises:
            CorpusError: a split has no utterance.
        """
        rows = {split: self.split(fold, split) for split in self.splits}
        ids = {split: members["utterance_id"].tolist() for split, members in rows.items()}
        labels = {split: targets(members) for split, members in rows.items()}
        sources: dict[str, Arrays] = {name: self.arrays[name] for name in system.inputs}
        sources |= {name: member_activations[name] for name in system.members}
        inputs = {
            split: {name: select(arrays, ids[split]) for name, arrays in sources.items()}
            for split in self.splits
        }
        transformers = {
            name: make(**input_params[name]) for name, make in system.transformers.items()
        }
        for name, transformer in transformers.items():
            train = inputs["train"][name]
            repeated = np.repeat(labels["train"], [len(values) for values in train], axis=0)
            transformer.fit(np.concatenate(train), repeated)
            for split in self.splits:
                inputs[split][name] = transformed(transformer, inputs[split][name])
        examples = {
            split: Examples(
                ids[split],
                inputs[split],
                labels[split],
                dialogues_of(rows[split]) if system.by_dialogue else None,
            )
            for split in self.splits
        }
        return Fold(examples, dims_of(inputs["train"]), transformers)


def read(
    prepared: Path,
    corpus: str,
    scheme: str,
    class_of: Mapping[str, str],
    system: System | OffTheShelf | Linear,
    input_params: Mapping[str, dict[str, Any]],
    stores: Mapping[str, Path],
    checkpoint: Path | None,
    left_out_by_members: Mapping[str, Sequence[str]],
) -> Dataset:
    """Read the inputs of every utterance in scope.

    Args:
        prepared: folder of the prepared corpus.
        corpus: its name.
        scheme: a split scheme of it.
        class_of: label -> class; an utterance with another label is out of scope.
        system, input_params, stores, checkpoint: see `arrays_of`.
        left_out_by_members: per input the utterances that the system's members lack.

    Raises:
        CorpusError: an utterance has an unknown label, has several labels on a single-label
            corpus, or lacks one. Or its inputs should be aligned and are not.
        ParamsError: the stage has no store for an input.
        StoreError: a store cannot be read.
    """
    columns = ["utterance_id", "dialogue_id", "turn", "text", "labels"]
    utterances = read_table(prepared / UTTERANCES, artifacts.UTTERANCES, columns)
    metadata = read_metadata(prepared / UTTERANCES, artifacts.UTTERANCES)
    splits = read_table(prepared / SPLITS, artifacts.SPLITS)
    members = splits[splits["scheme"] == scheme].merge(
        utterances, on="utterance_id", validate="m:1"
    )
    members = members.sort_values(["utterance_id", "fold"], kind="stable")
    corpus_labels = classes_of(corpus, metadata)
    target = _targets(members, multi_label(corpus, scheme), corpus_labels, class_of)
    members = members.assign(target=target).dropna(subset="target")
    scope = set(members["utterance_id"])
    arrays, cut = arrays_of(utterances, scope, system, input_params, stores, checkpoint)
    left_out = _lacking(arrays, scope)
    left_out |= {name: list(ids) for name, ids in left_out_by_members.items()}
    absent = {key for ids in left_out.values() for key in ids}
    if system.aligned:
        _refuse_unaligned(arrays, absent)
    members = members[~members["utterance_id"].isin(absent)]
    members = members[["utterance_id", "dialogue_id", "turn", "fold", "split", "target"]]
    split_names = find(corpus, scheme).splits
    return Dataset(members, split_names, arrays, left_out, cut, prepared / SPLITS)


def _lacking(arrays: Mapping[str, Arrays], scope: set[str]) -> dict[str, list[str]]:
    """Find the sorted ids of the utterances in scope that lack each input."""
    lacking = {name: sorted(scope - set(values)) for name, values in arrays.items()}
    for name, ids in lacking.items():
        if ids:
            log.info(
                "%d of %d utterances have no %s and are left out (first: %s)",
                *(len(ids), len(scope), name, ids[0]),
            )
    return lacking


def targets(members: pd.DataFrame) -> np.ndarray:
    """Class indices (N,), or (N, K) 1 where a class is present."""
    return np.array(members["target"].tolist())


def dialogues_of(members: pd.DataFrame) -> list[np.ndarray]:
    """Positions of the members of each dialogue, in the order of turns, then of rows."""
    by_turn = members.sort_values("turn", kind="stable")
    return [np.asarray(rows.index) for _, rows in by_turn.groupby("dialogue_id", sort=True)]


def _targets(
    members: pd.DataFrame,
    multi_label: bool,
    corpus_labels: Sequence[str],
    class_of: Mapping[str, str],
) -> pd.Series:
    """Target of each row, see `Dataset`; None: out of scope.

    A split that names a label takes it as the only label of the utterance.
    """
    classes = list(dict.fromkeys(class_of.values()))
    values: list[Any] = []
    columns = members[["utterance_id", "labels", "label"]]
    for utterance_id, all_labels, label in columns.itertuples(index=False):
        labels = all_labels if pd.isna(label) else [label]
        if not set(labels) <= set(corpus_labels) or (len(labels) != 1 and not multi_label):
            raise CorpusError(
                f"{utterance_id}: expected {'labels' if multi_label else 'one label'} of"
                f" {', '.join(corpus_labels)}, found {', '.join(labels) or 'none'};"
                " prepare it again"
            )
        if multi_label:
            present = np.isin(classes, [class_of[label] for label in labels])
            values.append(present.astype(np.float32))
        else:
            values.append(classes.index(class_of[labels[0]]) if labels[0] in class_of else None)
    return pd.Series(values, members.index, dtype=object)


def _refuse_unaligned(arrays: Mapping[str, Arrays], absent: set[str]) -> None:
    complete = set.intersection(*(set(values) for values in arrays.values())) - absent
    for key in sorted(complete):
        frames = {name: len(values[key]) for name, values in arrays.items()}
        if len(set(frames.values())) > 1:
            counts = ", ".join(f"{name} {count}" for name, count in frames.items())
            raise CorpusError(
                f"{key}: number of frames differs ({counts}); a system that joins inputs word by"
                " word needs equally many of each: choose aligned features"
            )
