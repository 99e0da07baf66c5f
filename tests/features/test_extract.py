import io

import numpy as np
import pandas as pd
import pytest
import soundfile
from support.tiny_checkpoint import WORDS, save_tiny_checkpoint

from merflow import artifacts
from merflow.errors import CheckpointError, ParamsError, StoreError
from merflow.features import sources
from merflow.features.audio import mel
from merflow.features.extract import extract_shard, merge_shards
from merflow.features.extractor import Flagged
from merflow.paths import Inputs
from merflow.store import read_features, read_metadata, write_index, write_table

SPEC = {"max_tokens": 28, "output": "tokens"}
MEL = {
    "n_fft": 512,
    "win_length": 400,
    "hop_length": 160,
    "n_mels": 40,
    "fmin": 0.0,
    "fmax": 8000.0,
    "decibels": True,
}


@pytest.fixture(scope="module")
def card(tmp_path_factory):
    """SOURCE.json of a checkpoint."""
    return (
        save_tiny_checkpoint(tmp_path_factory.mktemp("data") / "checkpoints" / "bert")
        / "SOURCE.json"
    )


@pytest.fixture
def utterances(tmp_path):
    rng = np.random.default_rng(3)
    texts = [" ".join(rng.choice(WORDS, size=rng.integers(0, 30))) for _ in range(600)]
    rows = [
        dict.fromkeys(artifacts.UTTERANCES.names)
        | {
            "utterance_id": f"u{i:03}",
            "dialogue_id": "d",
            "turn": i,
            "speaker": "Ross",
            "text": text,
            "labels": ["joy"],
        }
        for i, text in enumerate(texts)
    ]
    rows[7]["text"] = None
    write_table(tmp_path / "utterances.parquet", pd.DataFrame(rows), artifacts.UTTERANCES)
    return tmp_path / "utterances.parquet"


def sounds(folder, lengths, rate=16_000):
    """A folder of decoded sound: noise of so many samples each, silence where a length is negative."""
    rng = np.random.default_rng(1)
    rows = []
    for name, length in sorted(lengths.items()):
        data = io.BytesIO()
        noise = rng.uniform(-0.1, 0.1, abs(length)) * (length > 0)
        soundfile.write(data, noise, rate, format="FLAC", subtype="PCM_16")
        rows.append({"utterance_id": name, "n_samples": abs(length), "values": data.getvalue()})
    write_table(folder / "audio" / "00000.parquet", pd.DataFrame(rows), artifacts.AUDIO)
    write_index(folder / "audio", artifacts.AUDIO, {})
    return folder / "audio" / "INDEX.json"


def build(folder, inputs, shards, code="c0", feature="bert", spec=SPEC):
    paths = [folder / f"{feature}-{k}-of-{shards}.parquet" for k in range(shards)]
    for k, path in enumerate(paths):
        extract_shard(feature, spec, code, Inputs.of(inputs), k, shards, path)
    merge_shards(paths, folder / f"{feature}-{shards}.parquet")
    return folder / f"{feature}-{shards}.parquet"


def test_store_does_not_depend_on_the_number_of_shards(tmp_path, utterances, card):
    one = build(tmp_path, [utterances, card], 1)
    assert build(tmp_path, [utterances, card], 2).read_bytes() == one.read_bytes()
    assert (
        build(tmp_path, [utterances, card], 5).read_bytes() == one.read_bytes()
    )  # two of the five are empty
    arrays = read_features(one)
    assert set(arrays) == {f"u{i:03}" for i in range(600)} - {"u007"}  # it has no text
    assert {a.shape[1] for a in arrays.values()} == {16}
    assert min(len(a) for a in arrays.values()) == 2  # an empty text
    assert max(len(a) for a in arrays.values()) == SPEC["max_tokens"]


def test_store_says_what_made_it_and_what_was_found(tmp_path, utterances, card):
    stored = read_metadata(build(tmp_path, [utterances, card], 3), artifacts.FEATURES)
    assert stored["dim"] == 16
    spec = stored["spec"]
    assert (spec["feature"], spec["params"], spec["code"]) == ("bert", SPEC, "c0")
    assert (spec["checkpoint"]["name"], len(spec["checkpoint"]["sha256"])) == ("tiny", 64)
    assert set(spec["versions"]) == {"torch", "transformers", "tokenizers"}
    arrays = read_features(tmp_path / "bert-3.parquet")
    cut = {defect["utterance_id"] for defect in stored["defects"] if defect["kind"] == "long text"}
    assert cut
    assert all(len(arrays[utterance_id]) == SPEC["max_tokens"] for utterance_id in cut)
    assert stored["defects"][0]["action"] == "cut to 28"


def test_store_says_how_its_media_were_decoded(tmp_path):
    index = sounds(tmp_path, {"a": 3200})
    decoded = {
        "params": {"short_side": 256, "jpeg_quality": 95},
        "code": "c1",
        "versions": {"av": "17.0.0"},
    }
    write_index(index.parent, artifacts.AUDIO, decoded)
    spec = read_metadata(build(tmp_path, [index], 1, feature="mel", spec=MEL), artifacts.FEATURES)[
        "spec"
    ]
    assert spec["media"] == {"audio": decoded}


def test_shards_of_other_code_are_refused(tmp_path, utterances, card):
    extract_shard("bert", SPEC, "c0", Inputs.of([utterances, card]), 0, 3, tmp_path / "0.parquet")
    extract_shard("bert", SPEC, "c1", Inputs.of([utterances, card]), 1, 3, tmp_path / "1.parquet")
    with pytest.raises(StoreError, match="made by other parameters, code or libraries"):
        merge_shards([tmp_path / "0.parquet", tmp_path / "1.parquet"], tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()


def test_wrong_parameters_inputs_and_checkpoints_are_one_line(tmp_path, utterances, card):
    with pytest.raises(ParamsError, match=r"features\.bert: max_tokens"):
        extract_shard(
            "bert", SPEC | {"max_tokens": 0}, "c0", Inputs.of([]), 0, 1, tmp_path / "0.parquet"
        )
    text_only = Inputs.of([utterances])
    with pytest.raises(
        ParamsError, match=r"^dvc\.yaml: this stage has no data/media/<corpus>/audio"
    ):
        extract_shard("mel", MEL, "c0", text_only, 0, 1, tmp_path / "0.parquet")
    empty = tmp_path / "checkpoints" / "no model" / "SOURCE.json"
    empty.parent.mkdir(parents=True)
    empty.write_text("{}")
    with pytest.raises(CheckpointError, match=r"no model: cannot be loaded as AutoModel"):
        inputs = Inputs.of([utterances, empty])
        extract_shard("bert", SPEC, "c0", inputs, 0, 1, tmp_path / "0.parquet")
    assert not (tmp_path / "0.parquet").exists()


def test_short_and_silent_sounds_are_stored_and_the_short_one_is_counted(tmp_path):
    index = sounds(tmp_path, {"long": 16_000, "short": 960, "silent": -8_000})
    stored = build(tmp_path, [index], 1, feature="mel", spec=MEL)
    assert {name: array.shape for name, array in read_features(stored).items()} == {
        "long": (101, 40),
        "short": (11, 40),
        "silent": (51, 40),
    }
    assert read_metadata(stored, artifacts.FEATURES)["defects"] == [
        {
            "utterance_id": "short",
            "kind": "short sound",
            "detail": "0.060 s of sound",
            "action": "silence added up to 0.1 s",
        }
    ]


def test_what_is_not_finite_or_not_there_is_counted_and_not_stored(tmp_path, monkeypatch):
    def extract(blocks, params, checkpoint):
        for _ in [item for block in blocks for item in block][:1]:
            yield np.array([[1.0, np.nan]], np.float32)
            yield Flagged(None, "no voice", "silence only", "not in the store")
            yield np.ones((1, 2), np.float32)

    monkeypatch.setattr(mel, "extract", extract)
    index = sounds(tmp_path, {"a": 3200, "b": 3200, "c": 3200})
    stored = build(tmp_path, [index], 1, feature="mel", spec=MEL)
    assert set(read_features(stored)) == {"c"}
    found = [
        (d["utterance_id"], d["kind"], d["detail"])
        for d in read_metadata(stored, artifacts.FEATURES)["defects"]
    ]
    assert found == [("a", "not finite", "1 of 2 values"), ("b", "no voice", "silence only")]


@pytest.mark.parametrize(
    ("rate", "cut", "says"),
    [
        (8_000, None, "8000 Hz, 1 channels, expected 16000 Hz mono"),
        (16_000, 60, "not readable as FLAC"),
    ],
)
def test_a_foreign_or_broken_sound_in_a_store_is_one_line(tmp_path, rate, cut, says):
    index = sounds(tmp_path, {"a": 3200}, rate)
    if cut:
        rows = pd.read_parquet(index.parent / "00000.parquet")
        rows["values"] = [data[:cut] for data in rows["values"]]
        write_table(index.parent / "00000.parquet", rows, artifacts.AUDIO)
    with pytest.raises(StoreError, match=says):
        build(tmp_path, [index], 1, feature="mel", spec=MEL)


def test_a_broken_picture_in_a_store_is_one_line(tmp_path):
    rows = pd.DataFrame(
        {"utterance_id": ["a"], "frame": [0], "time_s": [0.0], "values": [b"\xff\xd8 no picture"]}
    )
    write_table(tmp_path / "frames_15" / "00000.parquet", rows, artifacts.FRAMES)
    write_index(tmp_path / "frames_15", artifacts.FRAMES, {})
    with pytest.raises(StoreError, match="frames_15: a: a picture is not readable as JPEG"):
        sources.Pictures(tmp_path / "frames_15").read(["a"])


def test_a_corpus_without_the_modality_gives_an_empty_store(tmp_path):
    (tmp_path / "audio").mkdir()
    write_index(tmp_path / "audio", artifacts.AUDIO, {})
    assert (
        read_features(
            build(tmp_path, [tmp_path / "audio" / "INDEX.json"], 2, feature="mel", spec=MEL)
        )
        == {}
    )
