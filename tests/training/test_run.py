import json

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file
from tiny_checkpoint import save_tiny_checkpoint

from merflow import artifacts
from merflow.corpora.labels import CLASSES
from merflow.errors import CorpusError, ParamsError, StoreError
from merflow.store import read_metadata, read_table, write_table
from merflow.training import loop, run

WORDS = {"joy": "great", "sadness": "sad", "anger": "angry", "neutral": "oh"}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return save_tiny_checkpoint(tmp_path_factory.mktemp("checkpoints") / "bert")


@pytest.fixture(scope="module")
def settings():
    return {"batch_size": 8, "learning_rate": 0.01, "weight_decay": 0.01, "epochs": 4} | {
        "max_tokens": 64,
        "pooling": "mean",
        "dropout": 0.1,
        "warmup": 0.1,
    }


@pytest.fixture
def prepared(tmp_path, checkpoint):
    """120 utterances whose text names the emotion; the first half train, then a quarter dev, a quarter test; one without text."""
    rng = np.random.default_rng(5)
    rows, splits = [], []
    for i in range(120):
        label = str(rng.choice(list(WORDS)))
        row = {"utterance_id": f"u{i:03}", "dialogue_id": f"d{i // 5}", "turn": i, "speaker": "Joey", "labels": [label]}
        rows.append(dict.fromkeys(artifacts.UTTERANCES.names) | row | {"text": f"you are so {WORDS[label]} !" if i != 3 else None})
        splits.append({"utterance_id": f"u{i:03}", "scheme": "official", "fold": 0, "split": ("train", "train", "dev", "test")[i // 30]})
    folder = tmp_path / "data" / "corpora" / "meld"
    write_table(folder / "utterances.parquet", pd.DataFrame(rows), artifacts.UTTERANCES, {"source": "demo"})
    write_table(folder / "splits.parquet", pd.DataFrame(splits), artifacts.SPLITS)
    (folder / "checkpoint").symlink_to(checkpoint)
    return folder


def train(prepared, settings, out, **changes):
    call = {"paper": "weighted_late_fusion", "system": "text_bert_8", "corpus": "meld", "protocol": "clean", "settings": settings}
    call |= {"protocol_settings": {"scheme": "official", "select": "dev", "seeds": [1, 2]}, "precision": "fp32", "keep_weights": True}
    call |= {"checkpoint": prepared / "checkpoint", "code": "c0", "prepared": prepared, "fold": 0, "seed": 1, "out": out, "scratch": out}
    run.train(**call | changes)
    return out


def test_train_writes_predictions_run_and_weights(prepared, settings, tmp_path):
    out = train(prepared, settings, tmp_path / "run")
    assert sorted(str(file.relative_to(out)) for file in out.rglob("*") if file.is_file()) == [
        "predictions.parquet",
        "run.json",
        "weights/0-1.safetensors",
    ]
    rows = read_table(out / "predictions.parquet", artifacts.PREDICTIONS)
    assert rows["split"].tolist() == ["dev"] * 30 + ["test"] * 30
    assert rows["utterance_id"].tolist() == [f"u{i:03}" for i in range(60, 120)]
    assert set(rows["fold"]) == {0}
    assert set(rows["seed"]) == {1}
    classes = read_metadata(out / "predictions.parquet", artifacts.PREDICTIONS)["classes"]
    assert classes == list(CLASSES["meld"])
    probabilities = np.stack(rows["probabilities"])
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert [classes[i] for i in probabilities.argmax(axis=1)] == [p[0] for p in rows["predicted"]]
    assert np.mean([p[0] == y[0] for p, y in zip(rows["predicted"], rows["labels"], strict=True)]) > 0.7  # chance: 0.25

    record = json.loads((out / "run.json").read_text())
    assert {
        key: record[key] for key in ("paper", "system", "corpus", "source", "protocol", "scheme", "fold", "seed", "device", "code")
    } == {
        "paper": "weighted_late_fusion",
        "system": "text_bert_8",
        "corpus": "meld",
        "source": "demo",
        "protocol": "clean",
        "scheme": "official",
        "fold": 0,
        "seed": 1,
        "device": "cpu",
        "code": "c0",
    }
    assert record["checkpoint"] == "tiny"
    assert record["settings"] == settings
    assert [one["epoch"] for one in record["history"]] == [1, 2, 3, 4]
    assert record["selected_epoch"] in (1, 2, 3, 4)
    weights = load_file(out / "weights" / "0-1.safetensors")
    assert weights["classifier.weight"].shape == (7, 16)


def test_test_part_is_not_in_scope_of_fitting(prepared, settings, tmp_path, monkeypatch):
    seen = []

    def spy(build, train, dev, *rest):
        seen.extend([train.ids, dev.ids, *(value for value in rest if hasattr(value, "ids"))])
        return loop.fit(build, train, dev, *rest)

    monkeypatch.setattr(run, "fit", spy)
    train(prepared, settings, tmp_path / "run")
    assert seen == [[f"u{i:03}" for i in range(60) if i != 3], [f"u{i:03}" for i in range(60, 90)]]


def test_labels_and_texts_of_the_test_part_do_not_change_the_network(prepared, settings, tmp_path):
    one = train(prepared, settings, tmp_path / "one")
    utterances = read_table(prepared / "utterances.parquet", artifacts.UTTERANCES)
    utterances.loc[90:, "text"] = "what ?"
    utterances["labels"] = [["fear"] if i >= 90 else list(labels) for i, labels in enumerate(utterances["labels"])]
    write_table(prepared / "utterances.parquet", utterances, artifacts.UTTERANCES, {"source": "demo"})
    other = train(prepared, settings, tmp_path / "other")
    assert (one / "weights/0-1.safetensors").read_bytes() == (other / "weights/0-1.safetensors").read_bytes()


def test_killed_run_leaves_no_result_and_goes_on_to_the_same_bytes(prepared, settings, tmp_path, monkeypatch):
    unbroken = train(prepared, settings, tmp_path / "a")
    monkeypatch.setattr(run, "predict", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        train(prepared, settings, tmp_path / "b")
    assert [file.suffix for file in (tmp_path / "b").iterdir()] == [".pt"]
    monkeypatch.undo()
    train(prepared, settings, tmp_path / "b")
    for name in ("predictions.parquet", "weights/0-1.safetensors"):
        assert (tmp_path / "b" / name).read_bytes() == (unbroken / name).read_bytes()


def test_state_of_other_settings_is_not_taken_up(prepared, settings, tmp_path, monkeypatch):
    longer = settings | {"learning_rate": 0.002}
    alone = train(prepared, longer, tmp_path / "a")
    monkeypatch.setattr(run, "predict", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        train(prepared, settings, tmp_path / "b")
    monkeypatch.undo()
    train(prepared, longer, tmp_path / "b")
    assert (tmp_path / "b/predictions.parquet").read_bytes() == (alone / "predictions.parquet").read_bytes()
    assert not list((tmp_path / "b").glob("*.pt"))


def test_gather_joins_runs_and_drops_what_was_there(prepared, settings, tmp_path):
    runs = [train(prepared, settings, tmp_path / f"seed{seed}", seed=seed) for seed in (2, 1)]
    out = tmp_path / "results"
    (out / "weights").mkdir(parents=True)
    (out / "weights" / "0-9.safetensors").touch()
    run.gather(runs, out)
    assert sorted(file.name for file in (out / "weights").iterdir()) == ["0-1.safetensors", "0-2.safetensors"]
    rows = read_table(out / "predictions.parquet", artifacts.PREDICTIONS)
    assert rows.groupby("seed", sort=False).size().to_dict() == {1: 60, 2: 60}
    assert read_metadata(out / "predictions.parquet", artifacts.PREDICTIONS)["classes"] == list(CLASSES["meld"])
    record = json.loads((out / "run.json").read_text())
    assert [one["seed"] for one in record["runs"]] == [1, 2]
    assert all({"fold", "selected_epoch", "history", "device", "wall_s"} <= set(one) for one in record["runs"])
    assert {"paper", "system", "corpus", "source", "protocol", "scheme", "checkpoint", "versions", "settings"} <= set(record)
    assert "seed" not in record
    run.gather(runs, out)  # a repeated call finds its sources whole


def test_gather_refuses_runs_that_do_not_belong_together(prepared, settings, tmp_path):
    runs = [train(prepared, settings, tmp_path / code, code=code, keep_weights=False) for code in ("c0", "c1")]
    assert not list(runs[0].glob("weights/*"))
    with pytest.raises(StoreError, match=r"c1: its code differ"):
        run.gather(runs, tmp_path / "results")
    with pytest.raises(StoreError, match=r"no such file"):
        run.gather([tmp_path / "nowhere"], tmp_path / "results")


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"system": "text_gpt"}, ParamsError, "no system 'text_gpt'; known: text_bert_8"),
        ({"corpus": "mosei"}, ParamsError, "several labels"),
        ({"fold": 4}, CorpusError, "scheme official, fold 4: no utterance in train"),
        ({"corpus": "ravdess"}, CorpusError, r"u\d+: expected one label of neutral, calm, .*, found \w+;"),
        ({"protocol_settings": {"scheme": "official", "select": "test", "seeds": [1]}}, ParamsError, "select"),
    ],
)
def test_what_cannot_be_is_one_line(prepared, settings, tmp_path, changes, error, says):
    with pytest.raises(error, match=says) as raised:
        train(prepared, settings, tmp_path / "run", **changes)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "run").exists()
