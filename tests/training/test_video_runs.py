"""Step ``train`` on a system of frames, and selection on the test split."""

import json

import cv2
import numpy as np
import pandas as pd
import pytest
from support.tiny_systems import protocol, with_training
from support.tiny_vision import COMPRESSION, SIZE, save_tiny_swin

from merflow import artifacts
from merflow.errors import ParamsError, StoreError
from merflow.records import Record
from merflow.store import read_table, write_index, write_table
from merflow.training.gather import gather
from merflow.training.run import train

COLOURS = {
    "joy": (255, 0, 0),
    "sadness": (0, 255, 0),
    "anger": (0, 0, 255),
    "neutral": (255, 255, 255),
}
VIDEO = {
    "inputs": {"frames_15": {"frames": 2, "size": SIZE}},
    "network": {
        "pretrained": True,
        "compress_after": [1],
        **COMPRESSION,
        "channels": [8],
        "kernel": 2,
        "projection": 8,
        "hidden": [8],
        "dropout": 0.0,
        "alpha_ce": 1.0,
        "beta_cl": 0.5,
        "contrast_tau": 0.5,
    },
    "training": {
        "batch_size": 8,
        "learning_rate": 0.01,
        "weight_decay": 0.0,
        "epochs": 8,
        "schedule": "constant",
        "warmup": 0.0,
        "patience": None,
    },
}


@pytest.fixture
def frames(prepared, tmp_path):
    """Frames whose left half has the colour of the label; u007 and u110 have none."""
    utterances = read_table(prepared / "utterances.parquet", artifacts.UTTERANCES)
    rows = []
    for key, labels in zip(utterances["utterance_id"], utterances["labels"], strict=True):
        frame = np.zeros((20, 30, 3), np.uint8)
        frame[:, :15] = COLOURS[labels[0]]
        values = cv2.imencode(".jpg", frame[..., ::-1])[1].tobytes()
        rows += [[key, number, float(number), values] for number in range(2)]
    table = pd.DataFrame(rows, columns=["utterance_id", "frame", "time_s", "values"])
    table = table[~table["utterance_id"].isin(["u007", "u110"])]
    folder = tmp_path / "data/media/meld/frames_15"
    write_table(folder / "00000.parquet", table, artifacts.FRAMES)
    write_index(folder, artifacts.FRAMES, {"params": {}, "code": "c0", "versions": {}})
    return folder


@pytest.fixture
def video(job, prepared, frames, tmp_path):
    """Make a job of the system video that selects on the test split, with changes."""
    checkpoint = save_tiny_swin(tmp_path / "data/checkpoints/swin")
    (checkpoint / "SOURCE.json").write_text(json.dumps({"name": "tiny swin"}))
    fields = {
        "paper": "deepmsi_mer",
        "system": "video",
        "params": VIDEO,
        "protocol": "as_published",
        "protocol_params": protocol(select="test"),
        "features": {"audio": "wav2vec2_mean"},
        "keep_weights": False,
        "inputs": [
            prepared / "utterances.parquet",
            prepared / "splits.parquet",
            frames / "INDEX.json",
            checkpoint / "SOURCE.json",
        ],
    }

    def make(**changes):
        return job(**fields | changes)

    return make


def trained(job, out):
    """Record of the only run of a job."""
    train(job, 0, 1, out)
    (folder,) = out.iterdir()
    return Record.read(folder)


def test_frames_are_learnt_and_the_record_counts_tokens(video, tmp_path):
    train(video(), 0, 1, tmp_path / "shard")
    gather([tmp_path / "shard"], tmp_path / "out")
    rows = read_table(tmp_path / "out/predictions.parquet", artifacts.PREDICTIONS)
    rows = rows.query("split == 'test'")
    assert rows["utterance_id"].tolist() == [f"u{i:03}" for i in range(90, 120) if i != 110]
    pairs = zip(rows["predicted"], rows["labels"], strict=True)
    right = [predicted[0] == labels[0] for predicted, labels in pairs]
    assert np.mean(right) > 0.6  # chance: 0.25
    record = Record.read(tmp_path / "out")
    assert record.input_labels == {"frames_15": "frames_15 (tiny swin)"}
    assert record.left_out == {"frames_15": ("u007", "u110")}
    (run,) = record.runs
    assert 0 < run.clip_s < 1
    (tokens,) = run.tokens
    assert 1 <= tokens < 16  # of 4 x 4


def test_an_epoch_selected_on_test_is_the_best_on_test(video, tmp_path):
    record = trained(video(), tmp_path / "shard")
    assert (record.select, record.validation) == ("test", "test")
    (run,) = record.runs
    scores = [epoch.score for epoch in run.history]
    assert run.selected_epochs == (1 + int(np.argmax(scores)),)


def test_selection_on_dev_does_not_see_the_test_split(video, tmp_path, prepared):
    job = video(protocol_params=protocol(select="dev"))
    before = trained(job, tmp_path / "before")
    utterances = read_table(prepared / "utterances.parquet", artifacts.UTTERANCES)
    labels = utterances["labels"].tolist()
    utterances = utterances.assign(labels=labels[:90] + [["joy"]] * 30)
    path = prepared / "utterances.parquet"
    write_table(path, utterances, artifacts.UTTERANCES, {"source": "demo"})
    after = trained(job, tmp_path / "after")
    assert before.validation == after.validation == "dev"
    assert before.runs[0].history == after.runs[0].history
    assert before.runs[0].selected_epochs == after.runs[0].selected_epochs


def test_patience_without_a_dev_split_needs_select_test(video, tmp_path, prepared):
    path = prepared / "splits.parquet"
    splits = read_table(path, artifacts.SPLITS).query("split != 'dev'")
    folds = [splits.assign(scheme="ten_folds", fold=fold) for fold in range(10)]
    write_table(path, pd.concat(folds), artifacts.SPLITS)
    params = with_training(VIDEO, patience=1, epochs=1)
    on_test = video(params=params, protocol_params=protocol("ten_folds", "test"))
    train(on_test, 3, 10, tmp_path / "shard")
    assert [run.name[:5] for run in (tmp_path / "shard").iterdir()] == ["fold3"]
    last = video(params=params, protocol_params=protocol("ten_folds", "last"))
    message = (
        r"training\.patience needs a dev split,"
        r" and split scheme ten_folds of meld has none"
    )
    with pytest.raises(ParamsError, match=message):
        train(last, 3, 10, tmp_path / "other")


def test_a_broken_folder_of_frames_is_refused_in_one_line(video, frames, tmp_path):
    (frames / "00000.parquet").write_bytes(b"half")
    with pytest.raises(StoreError, match=r"00000\.parquet: not a readable Parquet file") as raised:
        train(video(), 0, 1, tmp_path / "shard")
    assert "\n" not in str(raised.value)
