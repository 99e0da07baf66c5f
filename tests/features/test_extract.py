import logging

import numpy as np
import pandas as pd
import pytest
from tiny_checkpoint import WORDS, save_tiny_bert

from merflow import artifacts
from merflow.errors import CheckpointError, ParamsError, StoreError
from merflow.features.extract import extract_shard, merge_shards
from merflow.progress import log
from merflow.store import read_features, read_metadata, write_table


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    return {"checkpoint": {"folder": str(save_tiny_bert(tmp_path_factory.mktemp("bert")))}, "max_tokens": 64}


@pytest.fixture
def utterances(tmp_path):
    rng = np.random.default_rng(3)
    texts = [" ".join(rng.choice(WORDS, size=rng.integers(0, 30))) for _ in range(600)]
    rows = [
        dict.fromkeys(artifacts.UTTERANCES.names)
        | {"utterance_id": f"u{i:03}", "dialogue_id": "d", "turn": i, "speaker": "Ross", "text": text, "labels": ["joy"]}
        for i, text in enumerate(texts)
    ]
    rows[7]["text"] = None
    write_table(tmp_path / "utterances.parquet", pd.DataFrame(rows), artifacts.UTTERANCES)
    return tmp_path / "utterances.parquet"


def build(folder, utterances, spec, shards, code="c0"):
    paths = [folder / f"{k}-of-{shards}.parquet" for k in range(shards)]
    for k, path in enumerate(paths):
        extract_shard("bert", spec, code, utterances, k, shards, path)
    merge_shards(paths, folder / f"bert-{shards}.parquet")
    return folder / f"bert-{shards}.parquet"


def test_store_does_not_depend_on_the_number_of_shards(tmp_path, utterances, spec, monkeypatch, caplog):
    monkeypatch.setattr(log, "propagate", True)
    with caplog.at_level(logging.INFO, "merflow"):
        one = build(tmp_path, utterances, spec, 1)
    assert "1 of 600 utterances have no text and are not in the store" in caplog.text
    assert build(tmp_path, utterances, spec, 2).read_bytes() == one.read_bytes()
    assert build(tmp_path, utterances, spec, 5).read_bytes() == one.read_bytes()  # two of the five are empty
    arrays = read_features(one)
    assert len(arrays) == 599
    assert "u007" not in arrays
    assert {a.shape[1] for a in arrays.values()} == {16}
    assert min(len(a) for a in arrays.values()) == 2  # an empty text


def test_store_says_what_made_it(tmp_path, utterances, spec):
    extract_shard("bert", spec, "c0", utterances, 0, 3, tmp_path / "0.parquet")
    stored = read_metadata(tmp_path / "0.parquet", artifacts.FEATURES)["spec"]
    assert stored["feature"] == "bert"
    assert stored["params"] == spec
    assert stored["code"] == "c0"
    assert stored["checkpoint"] == spec["checkpoint"]["folder"]
    assert set(stored["versions"]) == {"torch", "transformers", "tokenizers"}


def test_shards_of_other_code_are_refused(tmp_path, utterances, spec):
    extract_shard("bert", spec, "c0", utterances, 0, 3, tmp_path / "0.parquet")
    extract_shard("bert", spec, "c1", utterances, 1, 3, tmp_path / "1.parquet")
    with pytest.raises(StoreError, match="made by other parameters, code or libraries"):
        merge_shards([tmp_path / "0.parquet", tmp_path / "1.parquet"], tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()


def test_wrong_parameters_and_checkpoints_are_one_line(tmp_path, utterances, spec):
    with pytest.raises(ParamsError, match=r"features\.bert: max_tokens"):
        extract_shard("bert", spec | {"max_tokens": 0}, "c0", utterances, 0, 1, tmp_path / "0.parquet")
    (tmp_path / "no model").mkdir()
    with pytest.raises(CheckpointError, match=r"lacks config.json"):
        extract_shard("bert", spec | {"checkpoint": {"folder": str(tmp_path / "no model")}}, "c0", utterances, 0, 1, tmp_path / "0.parquet")
    assert not (tmp_path / "0.parquet").exists()
