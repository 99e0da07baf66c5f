"""Small corpus whose texts and speech features name the emotion, and jobs on it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.tiny_checkpoint import save_tiny_checkpoint
from support.tiny_systems import SPEECH_SYSTEM, TEXT_SYSTEM, protocol

from merflow import artifacts
from merflow.paths import Inputs
from merflow.store import write_features, write_table
from merflow.training.job import Job
from merflow.training.run import train

WORDS = {"joy": "great", "sadness": "sad", "anger": "angry", "neutral": "oh"}
SPLITS = ("train", "train", "dev", "test")  # of each 30 utterances
WITHOUT_TEXT, WITHOUT_SPEECH = 3, (5, 100)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory) -> Path:
    return save_tiny_checkpoint(tmp_path_factory.mktemp("checkpoints") / "bert")


@pytest.fixture
def prepared(tmp_path, checkpoint) -> Path:
    """120 utterances: the first half train, then a quarter dev and a quarter test.

    u003 has no text, u005 and u100 have no speech feature.
    """
    rng, noise = np.random.default_rng(5), np.random.default_rng(6)
    utterances, splits, speech = [], [], {}
    for i in range(120):
        key, label = f"u{i:03}", str(rng.choice(list(WORDS)))
        utterance = dict.fromkeys(artifacts.UTTERANCES.names) | {
            "utterance_id": key,
            "dialogue_id": f"d{i // 5}",
            "turn": i,
            "speaker": "Joey",
            "labels": [label],
        }
        if i != WITHOUT_TEXT:
            utterance["text"] = f"you are so {WORDS[label]} !"
        utterances.append(utterance)
        splits.append([key, "official", 0, SPLITS[i // 30]])
        if i not in WITHOUT_SPEECH:
            speech[key] = noise.normal(size=(1, 40)).astype("float32")
            speech[key][0, list(WORDS).index(label)] += 8
    folder = tmp_path / "data/corpora/meld"
    table = pd.DataFrame(utterances)
    write_table(folder / "utterances.parquet", table, artifacts.UTTERANCES, {"source": "demo"})
    columns = ["utterance_id", "scheme", "fold", "split"]
    table = pd.DataFrame(splits, columns=columns)
    write_table(folder / "splits.parquet", table, artifacts.SPLITS)
    specification = {"feature": "is13", "params": {}, "code": "c0", "versions": {}}
    path = tmp_path / "data/features/meld/is13.parquet"
    write_features(path, sorted(speech.items()), specification)
    (tmp_path / "data/checkpoints").mkdir()
    (tmp_path / "data/checkpoints/bert").symlink_to(checkpoint)
    return folder


@pytest.fixture
def job(prepared) -> Callable[..., Job]:
    """Make a job of a text system, or with ``speech=True`` of a speech system."""
    data = prepared.parents[1]
    corpus_files = [prepared / "utterances.parquet", prepared / "splits.parquet"]
    shared = {
        "corpus": "meld",
        "protocol": "clean",
        "protocol_params": protocol(),
        "n_classes": None,
        "precision": "fp32",
        "keep_weights": True,
        "code": "c0",
    }
    text = {
        "paper": "weighted_late_fusion",
        "system": "text_bert_8",
        "params": TEXT_SYSTEM,
        "features": {},
        "inputs": [*corpus_files, data / "checkpoints/bert/SOURCE.json"],
    }
    with_speech = {
        "paper": "joint_cnn",
        "system": "speech_cnn",
        "params": SPEECH_SYSTEM,
        "features": {"text": "bert", "speech": "is13"},
        "inputs": [*corpus_files, data / "features/meld/is13.parquet"],
    }

    def make(speech: bool = False, **changes) -> Job:
        call = shared | (with_speech if speech else text) | changes
        return Job(**call | {"inputs": Inputs.of(call["inputs"])})

    return make


@pytest.fixture
def trained(job) -> Callable[..., Path]:
    """Train the only run of a job (fold 0, seed 1); returns its folder."""

    def make(out: Path, **changes) -> Path:
        train(job(**changes), 0, 1, out)
        (run,) = out.iterdir()
        return run

    return make
