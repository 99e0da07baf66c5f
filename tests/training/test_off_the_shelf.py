import json

import numpy as np
import pandas as pd
import pytest

from merflow import artifacts
from merflow.corpora.labels import CLASSES
from merflow.errors import CheckpointError
from merflow.store import read_metadata, read_table, write_features
from merflow.training.off_the_shelf import doubted, pool
from merflow.training.run import train

MELD = list(CLASSES["meld"])
HEAD = [
    "calm",
    "angry",
    "disgust",
    "fearful",
    "happy",
    "neutral",
    "sad",
    "surprised",
]  # other names, another order, one more
MEANS = {"joy": "happy", "anger": "angry", "sadness": "sad", "neutral": "neutral"}


@pytest.fixture
def head(prepared):
    """Writes probabilities of `columns` for each utterance, most for what the head calls its label, and gives their store."""
    truth = (
        read_table(prepared / "utterances.parquet", artifacts.UTTERANCES)
        .set_index("utterance_id")["labels"]
        .str[0]
    )
    path = prepared.parents[1] / "features/meld/wav2vec2_emotion.parquet"

    def write(columns):
        rng = np.random.default_rng(3)
        rows = {}
        for key, label in truth.items():
            rows[key] = rng.dirichlet(np.ones(len(HEAD)), size=1).astype("float32")
            rows[key][0, HEAD.index(MEANS[label])] += 1.5
            rows[key] /= rows[key].sum()
        del rows["u100"]
        spec = {
            "feature": "wav2vec2_emotion",
            "params": {},
            "code": "c0",
            "versions": {},
            "checkpoint": {"name": "head"},
        }
        write_features(path, sorted(rows.items()), spec | ({"columns": columns} if columns else {}))
        return path

    return write


@pytest.fixture
def run(job, prepared, head, tmp_path):
    def make(columns=HEAD):
        inputs = [prepared / "utterances.parquet", prepared / "splits.parquet", head(columns)]
        train(
            job(system="audio_wav2vec2", settings={"pooling": "sum"}, inputs=inputs),
            0,
            1,
            tmp_path / "out",
        )
        (folder,) = (tmp_path / "out").iterdir()
        return read_table(folder / "predictions.parquet", artifacts.PREDICTIONS), json.loads(
            (folder / "run.json").read_text()
        )

    return make


def right(rows):
    return np.mean([p[0] == y[0] for p, y in zip(rows["predicted"], rows["labels"], strict=True)])


def test_columns_go_to_classes_by_name_and_others_are_left_aside(run, tmp_path):
    rows, record = run()
    assert right(rows) > 0.9
    np.testing.assert_allclose(np.stack(rows["probabilities"]).sum(axis=1), 1, rtol=1e-5)
    assert "u100" not in set(rows["utterance_id"]) and record["left_out"] == {
        "wav2vec2_emotion": ["u100"]
    }
    assert (
        record["names"] is None
        and record["history"] == []
        and record["inputs"] == {"wav2vec2_emotion": "wav2vec2_emotion (head)"}
    )
    (predictions,) = (tmp_path / "out").glob("*/predictions.parquet")
    assert read_metadata(predictions, artifacts.PREDICTIONS)["classes"] == MELD


def test_a_permuted_label_map_is_caught(run):
    rows, record = run(
        ["angry", "calm", "fearful", "disgust", "sad", "surprised", "happy", "neutral"]
    )
    assert right(rows) < 0.1
    assert "fit the dev part worse than others do" in record["names"]
    assert "'sad' means joy" in record["names"] and "'happy' means sadness" in record["names"]


def test_a_head_without_a_counterpart_is_refused(run):
    with pytest.raises(CheckpointError, match="no column means 'fear'"):
        run(["calm", "angry", "disgust", "excited", "happy", "neutral", "sad", "surprised"])


def test_a_feature_without_names_is_refused(run):
    with pytest.raises(
        CheckpointError, match=r"wav2vec2_emotion.parquet: its columns have no names"
    ):
        run(None)


def test_frames_are_pooled_whatever_they_sum_to():
    frames = np.array([[0.9, 0.05, 0.05], [0.2, 0.55, 0.25], [0.05, 0.55, 0.4]])
    expected = {
        "sum": frames.sum(axis=0) / 3,
        "max": np.array([0.9, 0.55, 0.4]) / 1.85,
        "vote": [1 / 3, 2 / 3, 0],
    }
    for how, pooled in expected.items():
        np.testing.assert_allclose(pool(2 * frames, how), pooled, rtol=1e-6)


def test_product_is_the_geometric_mean_and_a_zero_does_no_harm():
    frames = np.array([[0.9, 0.1], [0.4, 0.6]])
    expected = np.sqrt(frames.prod(axis=0))
    np.testing.assert_allclose(pool(frames, "product"), expected / expected.sum(), rtol=1e-6)
    assert np.isfinite(pool(np.array([[1.0, 0.0], [0.0, 1.0]]), "product")).all()


def test_names_of_a_head_that_knows_nothing_or_favours_a_class_are_not_doubted():
    truth = np.random.default_rng(0).choice(7, 1000, p=[0.47, 0.17, 0.11, 0.11, 0.08, 0.03, 0.03])
    doubts = []
    for seed in range(20):
        probabilities = np.random.default_rng(seed).dirichlet(
            [0.2, 3, 1, 1, 1, 1, 1], 1000
        )  # nearly always "joy"
        doubts.append(doubted(probabilities, truth, MELD, MELD))
    assert doubts == [None] * 20


def test_runs_of_a_fold_are_the_same_for_every_seed(job, prepared, head, tmp_path):
    inputs = [prepared / "utterances.parquet", prepared / "splits.parquet", head(HEAD)]
    how = {"scheme": {"meld": "official"}, "select": "dev", "seeds": [1, 2]}
    train(
        job(system="audio_wav2vec2", settings={"pooling": "vote"}, inputs=inputs, how=how),
        0,
        1,
        tmp_path / "out",
    )
    one, two = (
        read_table(path, artifacts.PREDICTIONS)
        for path in sorted((tmp_path / "out").glob("*/predictions.parquet"))
    )
    assert (set(one["seed"]), set(two["seed"])) == ({1}, {2})
    pd.testing.assert_frame_equal(one.drop(columns="seed"), two.drop(columns="seed"))
