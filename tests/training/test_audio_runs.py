"""Step ``train`` on a system of waveforms."""

import io
import json

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from safetensors.torch import load_file
from support.tiny_systems import protocol
from support.tiny_wav2vec2 import save_tiny_wav2vec2

from merflow import artifacts
from merflow.errors import CheckpointError, StoreError
from merflow.papers.deepmsi_mer import SYSTEMS
from merflow.records import Record
from merflow.store import read_features, read_table, write_index, write_table
from merflow.training.batches import Examples
from merflow.training.gather import gather
from merflow.training.run import train
from merflow.training.waveforms import read_waveforms

PITCH = {"joy": 0.02, "sadness": 0.06, "anger": 0.15, "neutral": 0.3}  # cycles per sample
AUDIO = {
    "inputs": {"waveform": {"max_seconds": 1}},
    "network": {"dropout": 0.0},
    "training": {
        "batch_size": 8,
        "learning_rate": 0.01,
        "weight_decay": 0.0,
        "epochs": 3,
        "schedule": "constant",
        "warmup": 0.0,
        "patience": None,
    },
}


def write_audio(folder, waveforms):
    """Write a folder of audio: utterance -> int16 samples."""
    rows = []
    for key, samples in sorted(waveforms.items()):
        file = io.BytesIO()
        soundfile.write(file, samples, 16_000, format="FLAC", subtype="PCM_16")
        rows.append([key, len(samples), file.getvalue()])
    table = pd.DataFrame(rows, columns=["utterance_id", "n_samples", "values"])
    write_table(folder / "00000.parquet", table, artifacts.AUDIO)
    write_index(folder, artifacts.AUDIO, {"params": {}, "code": "c0", "versions": {}})
    return folder


@pytest.fixture
def audio(prepared, tmp_path):
    """Tones whose pitch tells the label; u007 has none, u010 is longer than a second."""
    utterances = read_table(prepared / "utterances.parquet", artifacts.UTTERANCES)
    waveforms = {}
    for number, (key, labels) in enumerate(
        zip(utterances["utterance_id"], utterances["labels"], strict=True)
    ):
        time = np.arange(17_000 if key == "u010" else 1600 + number)
        tone = 9000 * np.sin(2 * np.pi * PITCH[labels[0]] * time)
        waveforms[key] = tone.astype(np.int16)
    del waveforms["u007"]
    return write_audio(tmp_path / "data/media/meld/audio", waveforms)


@pytest.fixture
def audio_job(job, prepared, audio, tmp_path):
    """Make a job of the system audio, with changes."""
    checkpoint = save_tiny_wav2vec2(tmp_path / "data/checkpoints/wav2vec2")
    (checkpoint / "SOURCE.json").write_text(json.dumps({"name": "tiny wav2vec2"}))
    files = [prepared / "utterances.parquet", prepared / "splits.parquet"]
    files += [audio / "INDEX.json", checkpoint / "SOURCE.json"]
    fields = {"paper": "deepmsi_mer", "system": "audio", "params": AUDIO, "inputs": files}
    fields["features"] = {"audio": "wav2vec2_mean"}
    return lambda **changes: job(**fields | changes)


def test_audio_is_learnt_and_cut_audio_is_counted(audio_job, tmp_path):
    train(audio_job(), 0, 1, tmp_path / "shard")
    gather([tmp_path / "shard"], tmp_path / "out")
    rows = read_table(tmp_path / "out/predictions.parquet", artifacts.PREDICTIONS)
    rows = rows.query("split == 'test'")
    right = [a[0] == b[0] for a, b in zip(rows["predicted"], rows["labels"], strict=True)]
    assert np.mean(right) > 0.6  # chance: 0.25
    record = Record.read(tmp_path / "out")
    assert record.input_labels == {"waveform": "waveform (tiny wav2vec2)"}
    assert record.left_out == {"waveform": ("u007",)}
    assert record.cut == {"waveform": 1}


def test_vectors_come_from_the_model_of_their_own_fold(audio_job, audio, prepared, tmp_path):
    """Two folds that differ in their train splits, and a test utterance of both."""
    path = prepared / "splits.parquet"
    splits = read_table(path, artifacts.SPLITS)
    swapped = splits["split"].replace({"train": "test", "test": "train"})
    folds = [splits.assign(fold=0), splits.assign(fold=1, split=swapped)]
    folds += [splits.assign(fold=fold) for fold in range(2, 10)]
    write_table(path, pd.concat(folds).assign(scheme="ten_folds"), artifacts.SPLITS)
    job = audio_job(
        protocol="as_published",
        protocol_params=protocol("ten_folds", "test"),
        params=AUDIO | {"training": AUDIO["training"] | {"epochs": 1}},
    )
    waveforms, _ = read_waveforms(audio, {"u000", "u100"}, max_seconds=1)
    ids = sorted(waveforms)
    examples = Examples(ids, {"waveform": [waveforms[key] for key in ids]}, np.zeros(2, int))
    stored = []
    for fold in (0, 1):
        train(job, fold, 10, tmp_path / f"shard{fold}")
        (run,) = (tmp_path / f"shard{fold}").iterdir()
        checkpoint = tmp_path / "data/checkpoints/wav2vec2"
        network = SYSTEMS["audio"].build({}, 7, checkpoint=checkpoint, dropout=0.0).eval()
        network.load_state_dict(load_file(run / f"weights/{fold}-1.safetensors"))
        with torch.inference_mode():
            expected = network.hidden(examples.batch(np.arange(2))).numpy()
        of_fold = read_features(run / f"hidden/{fold}-1.parquet", ids)
        stored.append(np.stack([of_fold[key] for key in ids]))
        np.testing.assert_allclose(stored[-1], expected, atol=1e-5)
    assert not np.allclose(*stored, atol=1e-3)


def test_waveforms_are_the_stored_samples(tmp_path):
    rng = np.random.default_rng(0)
    samples = {
        "a": np.array([-32768, 32767, 0, 1, -1] * 400, np.int16),
        "b": rng.integers(-(2**15), 2**15, 20_000, dtype=np.int16),
        "c": np.full(100, 5, np.int16),
    }
    folder = write_audio(tmp_path / "audio", samples)
    waveforms, cut = read_waveforms(folder, {"a", "b", "c", "d"}, max_seconds=1)
    np.testing.assert_array_equal(waveforms["a"], samples["a"])
    np.testing.assert_array_equal(waveforms["b"], samples["b"][:16_000])
    # shorter audio than an encoder can take is padded with silence
    np.testing.assert_array_equal(waveforms["c"], np.pad(samples["c"], (0, 1500)))
    assert cut.utterances == 1 and all(values.dtype == np.int16 for values in waveforms.values())
    assert set(read_waveforms(folder, {"b"}, max_seconds=2)[0]) == {"b"}


def test_a_broken_folder_of_audio_is_refused_in_one_line(audio_job, audio, tmp_path):
    (audio / "00000.parquet").write_bytes(b"half")
    with pytest.raises(StoreError, match=r"00000\.parquet: not a readable Parquet file") as raised:
        train(audio_job(), 0, 1, tmp_path / "shard")
    assert "\n" not in str(raised.value)


def test_a_checkpoint_that_lacks_weights_is_refused(audio_job, tmp_path):
    job, folder = audio_job(), tmp_path / "data/checkpoints/wav2vec2"
    path = folder / "config.json"
    config = json.loads(path.read_text()) | {"num_hidden_layers": 3}
    path.write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="weights of Wav2Vec2Model are not in it"):
        train(job, 0, 1, tmp_path / "shard")
