import numpy as np
import pandas as pd
import pytest
from support.tiny_systems import protocol

from merflow import artifacts
from merflow.corpora.labels import CLASSES
from merflow.errors import CheckpointError, ParamsError
from merflow.records import Record
from merflow.store import read_metadata, read_table, write_features
from merflow.training.off_the_shelf import class_factors, doubtful_mapping, pool, with_factors
from merflow.training.run import train

MELD = list(CLASSES["meld"])
# other names than MELD's, in another order, and one more
HEAD = ["calm", "angry", "disgust", "fearful", "happy", "neutral", "sad", "surprised"]
COUNTERPARTS = {"joy": "happy", "anger": "angry", "sadness": "sad", "neutral": "neutral"}


@pytest.fixture
def head(prepared):
    """Write probabilities of a head, highest for the counterpart of each label; returns the store.

    u100 has none.
    """
    utterances = read_table(prepared / "utterances.parquet", artifacts.UTTERANCES)
    labels = utterances.set_index("utterance_id")["labels"].str[0]
    path = prepared.parents[1] / "features/meld/wav2vec2_emotion.parquet"

    def write(columns):
        rng = np.random.default_rng(3)
        probabilities = {}
        for key, label in labels.items():
            of_key = rng.dirichlet(np.ones(len(HEAD)), size=1).astype("float32")
            of_key[0, HEAD.index(COUNTERPARTS[label])] += 1.5
            probabilities[key] = of_key / of_key.sum()
        del probabilities["u100"]
        specification = {
            "feature": "wav2vec2_emotion",
            "params": {},
            "code": "c0",
            "versions": {},
            "checkpoint": {"name": "head"},
        }
        if columns:
            specification["columns"] = columns
        write_features(path, sorted(probabilities.items()), specification)
        return path

    return write


@pytest.fixture
def run(job, prepared, head, tmp_path):
    """Run the system on a head with these columns; returns its predictions and its record."""

    def make(columns=HEAD, **changes):
        inputs = [prepared / "utterances.parquet", prepared / "splits.parquet", head(columns)]
        changes = {"params": {"pooling": "sum"}, **changes}
        of_head = job(system="audio_wav2vec2", inputs=inputs, **changes)
        train(of_head, 0, 1, tmp_path / "out")
        (folder,) = (tmp_path / "out").iterdir()
        rows = read_table(folder / "predictions.parquet", artifacts.PREDICTIONS)
        return rows, Record.read(folder)

    return make


def accuracy(rows):
    pairs = zip(rows["predicted"], rows["labels"], strict=True)
    return np.mean([predicted[0] == labels[0] for predicted, labels in pairs])


def test_columns_go_to_classes_by_name(run, tmp_path):
    rows, record = run()
    assert accuracy(rows) > 0.9
    np.testing.assert_allclose(np.stack(rows["probabilities"]).sum(axis=1), 1, rtol=1e-5)
    assert "u100" not in set(rows["utterance_id"])
    assert record.left_out == {"wav2vec2_emotion": ("u100",)}
    assert record.input_labels == {"wav2vec2_emotion": "wav2vec2_emotion (head)"}
    (one,) = record.runs
    assert (one.label_doubt, one.history, one.selected_epochs) == (None, (), ())
    (path,) = (tmp_path / "out").glob("*/predictions.parquet")
    assert read_metadata(path, artifacts.PREDICTIONS)["classes"] == MELD


def test_a_prior_of_dev_corrects_a_head_that_is_never_neutral():
    """Its ranking within a class is sound, its class shares are those of acted speech."""
    rng = np.random.default_rng(0)
    targets = rng.choice(2, 4000, p=[0.8, 0.2])
    logits = 2 * np.eye(2)[targets] + rng.normal(size=(4000, 2)) - [4, 0]
    plain = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert (plain.argmax(axis=1) == targets).mean() < 0.3
    factors = class_factors(plain, targets)
    corrected = with_factors(plain, factors)
    assert (corrected.argmax(axis=1) == targets).mean() > 0.8
    np.testing.assert_allclose(corrected.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(factors, np.bincount(targets) / 4000 / plain.mean(axis=0))


def test_factors_of_a_prior_come_from_dev_and_are_recorded(run):
    plain, record = run()
    assert record.runs[0].class_factors is None
    corrected, record = run(params={"pooling": "sum", "prior": "dev"})
    factors = [record.runs[0].class_factors[name] for name in MELD]
    dev = plain[plain["split"] == "dev"]
    shares = dev["labels"].str[0].value_counts(normalize=True).reindex(MELD, fill_value=0)
    expected = shares / np.stack(dev["probabilities"]).mean(axis=0)
    np.testing.assert_allclose(factors, expected, rtol=1e-5)
    for name in ("dev", "test"):
        before, after = (
            np.stack(rows.loc[rows["split"] == name, "probabilities"])
            for rows in (plain, corrected)
        )
        np.testing.assert_allclose(after, with_factors(before, expected.to_numpy()), rtol=1e-4)


def test_a_prior_without_a_dev_split_is_one_line(run):
    pooled = protocol("pooled", "last")
    message = r"systems\.audio_wav2vec2\.prior: dev needs a dev split, and split scheme pooled"
    with pytest.raises(ParamsError, match=message):
        run(params={"pooling": "sum", "prior": "dev"}, protocol_params=pooled)


def test_a_permuted_label_mapping_is_reported(run):
    permuted = ["angry", "calm", "fearful", "disgust", "sad", "surprised", "happy", "neutral"]
    rows, record = run(permuted)
    assert accuracy(rows) < 0.1
    (one,) = record.runs
    assert one.label_doubt.startswith("suspicious label mapping: ")
    assert "'sad' means joy" in one.label_doubt and "'happy' means sadness" in one.label_doubt


def test_a_head_without_a_counterpart_is_refused(run):
    without_fear = [name.replace("fearful", "excited") for name in HEAD]
    with pytest.raises(CheckpointError, match="no column means 'fear'"):
        run(without_fear)


def test_a_feature_without_column_names_is_refused(run):
    message = r"wav2vec2_emotion.parquet: its columns have no names"
    with pytest.raises(CheckpointError, match=message):
        run(None)


def test_frames_are_pooled_whatever_they_sum_to():
    frames = np.array([[0.9, 0.05, 0.05], [0.2, 0.55, 0.25], [0.05, 0.55, 0.4]])
    expected = {
        "sum": frames.sum(axis=0) / 3,
        "max": np.array([0.9, 0.55, 0.4]) / 1.85,
        "vote": [1 / 3, 2 / 3, 0],
        "confidence": (0.9 * frames[0] + 0.55 * frames[1] + 0.55 * frames[2]) / 2,
    }
    for pooling, pooled in expected.items():
        of_any_sum = np.array([[0.3], [1], [20]]) * frames
        np.testing.assert_allclose(pool(of_any_sum, pooling), pooled, rtol=1e-6)


def test_each_frame_counts_alike_whatever_it_sums_to():
    frames = np.array([[0.9, 0.05, 0.05], [0.2, 0.55, 0.25], [0.05, 0.55, 0.4]])
    scales = np.array([[5.0], [1.0], [0.2]])
    for pooling in ("sum", "max", "product", "vote"):
        np.testing.assert_allclose(pool(scales * frames, pooling), pool(frames, pooling), rtol=1e-6)


def test_product_is_the_geometric_mean_even_of_zeros():
    frames = np.array([[0.9, 0.1], [0.4, 0.6]])
    expected = np.sqrt(frames.prod(axis=0))
    np.testing.assert_allclose(pool(frames, "product"), expected / expected.sum(), rtol=1e-6)
    assert np.isfinite(pool(np.array([[1.0, 0.0], [0.0, 1.0]]), "product")).all()


def test_a_head_at_chance_or_of_one_class_is_not_suspicious():
    rng = np.random.default_rng(0)
    targets = rng.choice(7, 1000, p=[0.47, 0.17, 0.11, 0.11, 0.08, 0.03, 0.03])
    for seed in range(20):
        mostly_joy = [0.2, 3, 1, 1, 1, 1, 1]
        probabilities = np.random.default_rng(seed).dirichlet(mostly_joy, 1000)
        assert doubtful_mapping(probabilities, targets, MELD, MELD) is None


def test_runs_of_a_fold_are_the_same_for_every_seed(job, prepared, head, tmp_path):
    inputs = [prepared / "utterances.parquet", prepared / "splits.parquet", head(HEAD)]
    changes = {"params": {"pooling": "vote"}, "protocol_params": protocol(seeds=(1, 2))}
    train(job(system="audio_wav2vec2", inputs=inputs, **changes), 0, 1, tmp_path / "out")
    paths = sorted((tmp_path / "out").glob("*/predictions.parquet"))
    first, second = (read_table(path, artifacts.PREDICTIONS) for path in paths)
    assert (set(first["seed"]), set(second["seed"])) == ({1}, {2})
    pd.testing.assert_frame_equal(first.drop(columns="seed"), second.drop(columns="seed"))
