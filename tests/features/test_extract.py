"""Steps extract and merge: a store does not depend on shards, and says what made it."""

import numpy as np
import pandas as pd
import pytest
from support.feature_stores import MEL, build_store, write_noise
from support.tiny_checkpoint import WORDS, save_tiny_checkpoint

from merflow import artifacts
from merflow.errors import CheckpointError, ParamsError, StoreError
from merflow.features.audio import mel
from merflow.features.extract import extract_shard, merge_shards
from merflow.features.extractor import Flagged
from merflow.features.sources import FrameSource
from merflow.paths import Inputs
from merflow.store import read_features, read_metadata, write_index, write_table

BERT = {"max_tokens": 28, "output": "tokens"}


@pytest.fixture(scope="module")
def card(tmp_path_factory):
    """SOURCE.json of a checkpoint."""
    folder = tmp_path_factory.mktemp("data") / "checkpoints" / "bert"
    return save_tiny_checkpoint(folder) / "SOURCE.json"


@pytest.fixture
def utterances(tmp_path):
    """600 utterances; u007 has no text."""
    rng = np.random.default_rng(3)
    texts = [" ".join(rng.choice(WORDS, size=rng.integers(0, 30))) for _ in range(600)]
    texts[7] = None
    rows = [
        {
            "utterance_id": f"u{i:03}",
            "dialogue_id": "d",
            "turn": i,
            "speaker": "Ross",
            "text": text,
            "labels": ["joy"],
        }
        for i, text in enumerate(texts)
    ]
    write_table(tmp_path / "utterances.parquet", pd.DataFrame(rows), artifacts.UTTERANCES)
    return tmp_path / "utterances.parquet"


def build_bert(folder, inputs, shards):
    return build_store(folder, inputs, shards, "bert", BERT)


def build_mel(folder, inputs, shards=1):
    return build_store(folder, inputs, shards, "mel", MEL)


def defects(store):
    return read_metadata(store, artifacts.FEATURES)["defects"]


def test_a_store_does_not_depend_on_the_number_of_shards(tmp_path, utterances, card):
    inputs = [utterances, card]
    store = build_bert(tmp_path, inputs, 1)
    assert build_bert(tmp_path, inputs, 2).read_bytes() == store.read_bytes()
    # two of the five shards are empty
    assert build_bert(tmp_path, inputs, 5).read_bytes() == store.read_bytes()
    arrays = read_features(store)
    assert set(arrays) == {f"u{i:03}" for i in range(600)} - {"u007"}
    assert {array.shape[1] for array in arrays.values()} == {16}
    assert min(map(len, arrays.values())) == 2  # an empty text
    assert max(map(len, arrays.values())) == BERT["max_tokens"]


def test_a_store_names_its_provenance_and_defects(tmp_path, utterances, card):
    store = build_bert(tmp_path, [utterances, card], 3)
    metadata = read_metadata(store, artifacts.FEATURES)
    assert metadata["dim"] == 16
    spec = metadata["spec"]
    assert (spec["feature"], spec["params"], spec["code"]) == ("bert", BERT, "c0")
    assert (spec["checkpoint"]["name"], len(spec["checkpoint"]["sha256"])) == ("tiny", 64)
    assert set(spec["versions"]) == {"torch", "transformers", "tokenizers"}
    arrays = read_features(store)
    cut = {row["utterance_id"] for row in metadata["defects"] if row["kind"] == "long text"}
    assert cut
    assert all(len(arrays[utterance_id]) == BERT["max_tokens"] for utterance_id in cut)
    assert metadata["defects"][0]["action"] == "cut to 28"


def test_a_store_names_the_provenance_of_its_media(tmp_path):
    index = write_noise(tmp_path, {"a": 3200})
    media = {
        "params": {"short_side": 256, "jpeg_quality": 95},
        "code": "c1",
        "versions": {"av": "17.0.0"},
    }
    write_index(index.parent, artifacts.AUDIO, media)
    spec = read_metadata(build_mel(tmp_path, [index]), artifacts.FEATURES)["spec"]
    assert spec["media"] == {"audio": media}


def test_shards_of_other_code_are_refused(tmp_path, utterances, card):
    paths = [tmp_path / "0.parquet", tmp_path / "1.parquet"]
    extract_shard("bert", BERT, "c0", Inputs.of([utterances, card]), 0, 3, paths[0])
    extract_shard("bert", BERT, "c1", Inputs.of([utterances, card]), 1, 3, paths[1])
    with pytest.raises(StoreError, match="made by other parameters, code or libraries"):
        merge_shards(paths, tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()


def test_wrong_params_are_one_line(tmp_path, utterances, card):
    params, out = BERT | {"max_tokens": 0}, tmp_path / "0.parquet"
    with pytest.raises(ParamsError, match=r"features\.bert: max_tokens"):
        extract_shard("bert", params, "c0", Inputs.of([utterances, card]), 0, 1, out)
    assert not out.exists()


def test_an_absent_modality_is_one_line(tmp_path, utterances):
    message = "this stage has no data/media/<corpus>/audio; add it to its dependencies"
    with pytest.raises(ParamsError, match=message):
        extract_shard("mel", MEL, "c0", Inputs.of([utterances]), 0, 1, tmp_path / "0.parquet")
    assert not (tmp_path / "0.parquet").exists()


def test_a_checkpoint_without_a_model_is_one_line(tmp_path, utterances):
    card = tmp_path / "checkpoints" / "no model" / "SOURCE.json"
    card.parent.mkdir(parents=True)
    card.write_text("{}")
    with pytest.raises(CheckpointError, match=r"no model: cannot be loaded as AutoModel"):
        extract_shard(
            "bert", BERT, "c0", Inputs.of([utterances, card]), 0, 1, tmp_path / "0.parquet"
        )
    assert not (tmp_path / "0.parquet").exists()


def test_short_audio_is_padded_and_counted(tmp_path):
    index = write_noise(tmp_path, {"long": 16_000, "short": 960, "silent": -8_000})
    store = build_mel(tmp_path, [index])
    shapes = {utterance_id: array.shape for utterance_id, array in read_features(store).items()}
    assert shapes == {"long": (101, 40), "short": (11, 40), "silent": (51, 40)}
    assert defects(store) == [
        {
            "utterance_id": "short",
            "kind": "short sound",
            "detail": "0.060 s of sound",
            "action": "silence added up to 0.1 s",
        }
    ]


def test_values_that_are_not_finite_are_counted_not_stored(tmp_path, monkeypatch):
    def extract(blocks, params, checkpoint):
        for _ in [item for block in blocks for item in block][:1]:
            yield np.array([[1.0, np.nan]], np.float32)
            yield Flagged(None, "no voice", "silence only", "not in the store")
            yield np.ones((1, 2), np.float32)

    monkeypatch.setattr(mel, "extract", extract)
    store = build_mel(tmp_path, [write_noise(tmp_path, {"a": 3200, "b": 3200, "c": 3200})])
    assert set(read_features(store)) == {"c"}
    rows = [(row["utterance_id"], row["kind"], row["detail"]) for row in defects(store)]
    assert rows == [("a", "not finite", "1 of 2 values"), ("b", "no voice", "silence only")]


def test_audio_of_another_rate_is_one_line(tmp_path):
    index = write_noise(tmp_path, {"a": 3200}, 8_000)
    with pytest.raises(StoreError, match="8000 Hz, 1 channels, expected 16000 Hz mono"):
        build_mel(tmp_path, [index])


def test_broken_audio_is_one_line(tmp_path):
    index = write_noise(tmp_path, {"a": 3200})
    path = index.parent / "00000.parquet"
    rows = pd.read_parquet(path)
    rows["values"] = [data[:60] for data in rows["values"]]
    write_table(path, rows, artifacts.AUDIO)
    with pytest.raises(StoreError, match="not readable as FLAC"):
        build_mel(tmp_path, [index])


def test_a_broken_frame_is_one_line(tmp_path):
    folder = tmp_path / "frames_15"
    rows = {"utterance_id": ["a"], "frame": [0], "time_s": [0.0], "values": [b"\xff\xd8 no image"]}
    write_table(folder / "00000.parquet", pd.DataFrame(rows), artifacts.FRAMES)
    write_index(folder, artifacts.FRAMES, {})
    with pytest.raises(StoreError, match="frames_15: a: a frame is not readable as JPEG"):
        FrameSource(folder).read(["a"])


def test_a_corpus_without_the_modality_gives_an_empty_store(tmp_path):
    index = write_noise(tmp_path, {})
    assert read_features(build_mel(tmp_path, [index], 2)) == {}
