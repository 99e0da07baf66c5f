"""A system of pictures through the step train, and the choice of the epoch on the test part, which a protocol makes by name."""

import json

import cv2
import numpy as np
import pandas as pd
import pytest
from support.tiny_vision import SIZE, save_tiny_swin

from merflow import artifacts
from merflow.errors import ParamsError, StoreError
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
        "selection": "threshold",
        "gamma": 1.0,
        "keep": 0.5,
        "merge": True,
    }
    | {
        "alpha": 0.9,
        "tau": 1.0,
        "channels": [8],
        "kernel": 2,
        "projection": 8,
        "hidden": [8],
        "dropout": 0.0,
    }
    | {"alpha_ce": 1.0, "beta_cl": 0.5, "contrast_tau": 0.5},
    "training": {"batch_size": 8, "learning_rate": 0.01, "weight_decay": 0.0}
    | {"epochs": 8, "schedule": "constant", "warmup": 0.0, "patience": None},
}


@pytest.fixture
def video(job, prepared, tmp_path):
    """A job of the system video: the colour of half of each picture names the emotion; u007 and u110 have none."""
    utterances = read_table(prepared / "utterances.parquet", artifacts.UTTERANCES)
    rows = []
    for key, labels in zip(utterances["utterance_id"], utterances["labels"], strict=True):
        picture = np.zeros((20, 30, 3), np.uint8)
        picture[:, :15] = COLOURS[labels[0]]
        encoded = cv2.imencode(".jpg", picture[..., ::-1])[1].tobytes()
        rows += [
            {"utterance_id": key, "frame": k, "time_s": float(k), "values": encoded}
            for k in range(2)
        ]
    held = pd.DataFrame(rows)
    folder = tmp_path / "data/media/meld/frames_15"
    write_table(
        folder / "00000.parquet",
        held[~held["utterance_id"].isin(["u007", "u110"])],
        artifacts.FRAMES,
    )
    write_index(folder, artifacts.FRAMES, {})
    checkpoint = save_tiny_swin(tmp_path / "data/checkpoints/swin")
    (checkpoint / "SOURCE.json").write_text(json.dumps({"name": "tiny swin"}))
    inputs = [
        prepared / "utterances.parquet",
        prepared / "splits.parquet",
        folder / "INDEX.json",
        checkpoint / "SOURCE.json",
    ]

    def make(**changes):
        how = {"scheme": {"meld": "official"}, "select": "test", "seeds": [1]}
        call = {
            "paper": "deepmsi_mer",
            "system": "video",
            "settings": VIDEO,
            "protocol": "as_published",
            "how": how,
        }
        return job(
            **call
            | {"inputs": inputs, "keep_weights": False, "features": {"audio": "wav2vec2_mean"}}
            | changes
        )

    return make


def test_pictures_are_learnt_from_and_the_run_says_what_it_kept_and_how_long_a_clip_takes(
    video, tmp_path
):
    train(video(), 0, 1, tmp_path / "part")
    gather([tmp_path / "part"], tmp_path / "out")
    rows = read_table(tmp_path / "out/predictions.parquet", artifacts.PREDICTIONS).query(
        "split == 'test'"
    )
    assert rows["utterance_id"].tolist() == [f"u{i:03}" for i in range(90, 120) if i != 110]
    assert (
        np.mean(
            [
                one[0] == other[0]
                for one, other in zip(rows["predicted"], rows["labels"], strict=True)
            ]
        )
        > 0.6
    )  # chance: 0.25
    record = json.loads((tmp_path / "out/run.json").read_text())
    assert (record["inputs"], record["left_out"]) == (
        {"frames_15": "frames_15 (tiny swin)"},
        {"frames_15": ["u007", "u110"]},
    )
    (one,) = record["runs"]
    assert 0 < one["clip_s"] < 1
    (kept,) = one["tokens"]
    assert 1 <= kept < 16  # of 4 x 4


def test_an_epoch_selected_on_the_test_part_is_the_best_there_and_is_called_so(video, tmp_path):
    train(video(), 0, 1, tmp_path / "part")
    (run,) = (tmp_path / "part").iterdir()
    record = json.loads((run / "run.json").read_text())
    assert record["select"] == "test"
    scores = [epoch["test_weighted_f1"] for epoch in record["history"]]
    assert record["selected_epoch"] == 1 + int(np.argmax(scores))
    assert not [
        name
        for epoch in record["history"]
        for name in (*epoch, *epoch["tasks"])
        if name.startswith("dev")
    ]


def test_selection_on_dev_does_not_see_the_test_part(video, tmp_path, prepared):
    how = {"scheme": {"meld": "official"}, "select": "dev", "seeds": [1]}
    train(video(how=how), 0, 1, tmp_path / "one")
    utterances = read_table(prepared / "utterances.parquet", artifacts.UTTERANCES)
    utterances["labels"] = [
        ["joy"] if i >= 90 else list(labels) for i, labels in enumerate(utterances["labels"])
    ]
    write_table(
        prepared / "utterances.parquet", utterances, artifacts.UTTERANCES, {"source": "demo"}
    )
    train(video(how=how), 0, 1, tmp_path / "other")
    one, other = (
        json.loads((next((tmp_path / name).iterdir()) / "run.json").read_text())
        for name in ("one", "other")
    )
    assert one["history"] == other["history"] and one["selected_epoch"] == other["selected_epoch"]


def test_without_a_dev_part_patience_needs_selection_on_test(video, tmp_path, prepared):
    splits = read_table(prepared / "splits.parquet", artifacts.SPLITS)
    folds = [
        splits[splits["split"] != "dev"].assign(scheme="ten_folds", fold=fold) for fold in range(10)
    ]
    write_table(prepared / "splits.parquet", pd.concat(folds), artifacts.SPLITS)
    settings = VIDEO | {"training": VIDEO["training"] | {"patience": 1, "epochs": 1}}
    how = {"scheme": {"meld": "ten_folds"}, "select": "test", "seeds": [1]}
    train(video(how=how, settings=settings), 3, 10, tmp_path / "part")
    assert [run.name[:5] for run in (tmp_path / "part").iterdir()] == ["fold3"]
    with pytest.raises(
        ParamsError,
        match=r"training\.patience needs a dev part, and split scheme ten_folds of meld has none",
    ):
        train(video(how=how | {"select": "last"}, settings=settings), 3, 10, tmp_path / "other")


def test_a_broken_folder_of_pictures_is_one_line(video, tmp_path):
    (tmp_path / "data/media/meld/frames_15/00000.parquet").write_bytes(b"half")
    with pytest.raises(StoreError, match=r"00000\.parquet: not a readable Parquet file") as raised:
        train(video(), 0, 1, tmp_path / "part")
    assert "\n" not in str(raised.value)
