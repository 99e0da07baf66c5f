"""A small prepared corpus whose texts and sounds name the emotion, and a job that trains on it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.tiny_checkpoint import save_tiny_checkpoint
from support.tiny_systems import SPEECH_SYSTEM, TEXT_SYSTEM

from merflow import artifacts
from merflow.store import write_features, write_table
from merflow.training.job import Job
from merflow.training.run import train

WORDS = {"joy": "great", "sadness": "sad", "anger": "angry", "neutral": "oh"}


def stored(path: Path, sounds: dict[str, np.ndarray]) -> None:
    write_features(
        path,
        sorted(sounds.items()),
        {"feature": path.stem, "params": {}, "code": "c0", "versions": {}},
    )


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory) -> Path:
    return save_tiny_checkpoint(tmp_path_factory.mktemp("checkpoints") / "bert")


@pytest.fixture
def prepared(tmp_path, checkpoint) -> Path:
    """120 utterances: the first half train, then a quarter dev, a quarter test; u003 has no text, u005 and u100 no sound."""
    rng, noise = np.random.default_rng(5), np.random.default_rng(6)
    rows, splits, sounds = [], [], {}
    for i in range(120):
        label = str(rng.choice(list(WORDS)))
        row = {
            "utterance_id": f"u{i:03}",
            "dialogue_id": f"d{i // 5}",
            "turn": i,
            "speaker": "Joey",
            "labels": [label],
        }
        rows.append(
            dict.fromkeys(artifacts.UTTERANCES.names)
            | row
            | {"text": f"you are so {WORDS[label]} !" if i != 3 else None}
        )
        splits.append(
            {
                "utterance_id": f"u{i:03}",
                "scheme": "official",
                "fold": 0,
                "split": ("train", "train", "dev", "test")[i // 30],
            }
        )
        if i not in (5, 100):
            sounds[f"u{i:03}"] = noise.normal(size=(1, 40)).astype("float32")
            sounds[f"u{i:03}"][0, list(WORDS).index(label)] += 8
    folder = tmp_path / "data" / "corpora" / "meld"
    write_table(
        folder / "utterances.parquet", pd.DataFrame(rows), artifacts.UTTERANCES, {"source": "demo"}
    )
    write_table(folder / "splits.parquet", pd.DataFrame(splits), artifacts.SPLITS)
    stored(tmp_path / "data/features/meld/is13.parquet", sounds)
    (tmp_path / "data/checkpoints").mkdir()
    (tmp_path / "data/checkpoints/bert").symlink_to(checkpoint)
    return folder


@pytest.fixture
def job(prepared) -> Callable[..., Job]:
    """Makes a job of a text system (the default) or, with ``speech=True``, of a speech system; any part of it can be changed."""
    data = prepared.parents[1]

    def make(speech: bool = False, **changes) -> Job:
        inputs = [prepared / "utterances.parquet", prepared / "splits.parquet"]
        call = {
            "corpus": "meld",
            "protocol": "clean",
            "n_classes": None,
            "precision": "fp32",
            "keep_weights": True,
            "code": "c0",
        }
        call |= {"how": {"scheme": {"meld": "official"}, "select": "dev", "seeds": [1]}}
        if speech:
            call |= {
                "paper": "joint_cnn",
                "system": "speech_cnn",
                "settings": SPEECH_SYSTEM,
                "features": {"text": "bert", "speech": "is13"},
            }
            inputs.append(data / "features/meld/is13.parquet")
        else:
            call |= {
                "paper": "weighted_late_fusion",
                "system": "text_bert_8",
                "settings": TEXT_SYSTEM,
                "features": {},
            }
            inputs.append(data / "checkpoints/bert/SOURCE.json")
        return Job(**call | {"inputs": inputs} | changes)

    return make


@pytest.fixture
def trained(job) -> Callable[..., Path]:
    """Trains the one run of a job (fold 0, seed 1) into `out`; returns the run's folder."""

    def make(out: Path, **changes) -> Path:
        train(job(**changes), 0, 1, out)
        (run,) = out.iterdir()
        return run

    return make
