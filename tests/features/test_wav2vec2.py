"""wav2vec2 features equal plain transformers, one waveform at a time."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from support.tiny_wav2vec2 import save_tiny_wav2vec2
from transformers import (
    AutoFeatureExtractor,
    AutoModel,
    AutoModelForAudioClassification,
    HubertConfig,
    HubertModel,
    WavLMConfig,
    WavLMModel,
)

from merflow.errors import CheckpointError
from merflow.features.audio import wav2vec2
from merflow.features.extractor import Flagged
from merflow.params import Wav2vec2Params

LABELS = ("angry", "Disgust", "fear", "happy", "neutral", "sad", "surprised")
EMOTIONS = ["anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise"]
OUTPUTS = ("frames", "mean", "probabilities")


def noise(n_samples, seed=0):
    return np.random.default_rng(seed).normal(0, 0.1, n_samples).astype(np.float32)


WAVEFORMS = [
    noise(16_000, 1),
    noise(1600, 2),
    noise(8123, 3),
    np.zeros(1600, np.float32),
    noise(16_000, 4),
]


@pytest.fixture(scope="module", params=["group", "layer"])
def tiny(request, tmp_path_factory):
    return save_tiny_wav2vec2(tmp_path_factory.mktemp("wav2vec2"), LABELS, request.param)


def extract(waveforms, output, folder):
    blocks = [waveforms[:2], waveforms[2:]]
    return list(wav2vec2.extract(blocks, Wav2vec2Params(output=output), folder))


@torch.no_grad()
def encode(waveform, output, folder):
    """Encode one waveform as the documentation of transformers does."""
    model_class = AutoModelForAudioClassification if output == "probabilities" else AutoModel
    preprocess = AutoFeatureExtractor.from_pretrained(folder)
    batch = preprocess(waveform, sampling_rate=16_000, return_tensors="pt")
    result = model_class.from_pretrained(folder).eval()(batch["input_values"])
    if output == "probabilities":
        return torch.softmax(result.logits, dim=-1).numpy()
    states = result.last_hidden_state
    return (states[0] if output == "frames" else states.mean(dim=1)).numpy()


@pytest.mark.parametrize("output", OUTPUTS)
def test_values_equal_the_model_s_in_order(tiny, output):
    results = extract(WAVEFORMS, output, tiny)
    n_rows = [49, 4, 25, 4, 49] if output == "frames" else [1] * 5
    dim = 7 if output == "probabilities" else 16
    assert [values.shape for values in results] == [(n, dim) for n in n_rows]
    for waveform, values in zip(WAVEFORMS, results, strict=True):
        assert values.dtype == np.float32
        assert np.isfinite(values).all()  # silence too
        np.testing.assert_allclose(values, encode(waveform, output, tiny), atol=1e-4)
    # waveforms differ by more than the tolerance
    assert np.abs(results[0].mean(axis=0) - results[1].mean(axis=0)).max() > 1e-3


def test_padding_would_change_the_values(tmp_path):
    """Models of this kind normalise over the padding, so waveforms are never padded."""
    folder = save_tiny_wav2vec2(tmp_path)
    model = AutoModel.from_pretrained(folder).eval()
    alone = torch.from_numpy(WAVEFORMS[2])[None]
    with torch.no_grad():
        padded = model(torch.nn.functional.pad(alone, (0, 8000))).last_hidden_state[0, :25]
        assert (padded - model(alone).last_hidden_state[0]).abs().max() > 1e-2


@pytest.mark.parametrize(
    ("config_class", "model_class"), [(HubertConfig, HubertModel), (WavLMConfig, WavLMModel)]
)
def test_hubert_and_wavlm_load_the_same_way(tmp_path, config_class, model_class):
    folder = save_tiny_wav2vec2(tmp_path)
    config = config_class(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        conv_dim=(8,) * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
    )
    model_class(config).save_pretrained(folder)
    results = extract(WAVEFORMS, "frames", folder)
    np.testing.assert_allclose(results[2], encode(WAVEFORMS[2], "frames", folder), atol=1e-4)


def test_probabilities_are_named_by_emotion_in_the_head_s_order(tiny):
    assert wav2vec2.columns(Wav2vec2Params(output="probabilities"), tiny) == EMOTIONS
    assert wav2vec2.columns(Wav2vec2Params(output="mean"), tiny) is None
    for row in extract(WAVEFORMS, "probabilities", tiny):
        assert row.sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (
            ("LABEL_0", "LABEL_1"),
            "a label of its classifier: 'LABEL_0' is not a known name of an emotion",
        ),
        (("happy", "joy", "sad"), "two labels of its classifier mean the same: happy, joy, sad"),
    ],
)
def test_labels_that_are_not_emotions_are_refused(tmp_path, labels, message):
    folder = save_tiny_wav2vec2(tmp_path, labels)
    with pytest.raises(CheckpointError, match=message):
        extract(WAVEFORMS, "probabilities", folder)
    assert len(extract(WAVEFORMS, "mean", folder)) == 5  # needs no labels


def test_a_classifier_without_weights_is_refused(tmp_path):
    folder = save_tiny_wav2vec2(tmp_path, LABELS)
    path = folder / "model.safetensors"
    weights = {name: value for name, value in load_file(path).items() if "classifier" not in name}
    save_file(weights, path, {"format": "pt"})
    message = r"2 weights of Wav2Vec2ForSequenceClassification are not in it, the first is classif"
    with pytest.raises(CheckpointError, match=message):
        extract(WAVEFORMS, "probabilities", folder)


def test_the_vector_of_masked_frames_may_be_absent(tmp_path):
    folder = save_tiny_wav2vec2(tmp_path)
    before = extract(WAVEFORMS, "mean", folder)
    weights = load_file(folder / "model.safetensors")
    del weights["masked_spec_embed"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    for expected, values in zip(before, extract(WAVEFORMS, "mean", folder), strict=True):
        assert np.array_equal(values, expected)


def test_another_sampling_rate_is_refused(tmp_path):
    path = save_tiny_wav2vec2(tmp_path) / "preprocessor_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"sampling_rate": 8000}))
    with pytest.raises(CheckpointError, match="its model takes 8000 Hz, the audio has 16000 Hz"):
        extract(WAVEFORMS, "frames", tmp_path)


def test_another_preprocessor_is_refused(tmp_path):
    path = save_tiny_wav2vec2(tmp_path) / "preprocessor_config.json"
    path.write_text(json.dumps({"feature_extractor_type": "WhisperFeatureExtractor"}))
    message = "takes the output of WhisperFeatureExtractor, expected samples"
    with pytest.raises(CheckpointError, match=message):
        extract(WAVEFORMS, "frames", tmp_path)
    path.write_text("{")
    with pytest.raises(CheckpointError, match="cannot be read by AutoFeatureExtractor"):
        extract(WAVEFORMS, "frames", tmp_path)


@pytest.mark.parametrize("output", OUTPUTS)
def test_a_folder_without_a_model_is_refused_in_one_line(tmp_path, output):
    with pytest.raises(CheckpointError, match="cannot be read by Auto"):
        extract(WAVEFORMS, output, tmp_path)
    shutil.copy(save_tiny_wav2vec2(tmp_path / "whole", LABELS) / "config.json", tmp_path)
    with pytest.raises(CheckpointError, match="cannot be read by AutoFeatureExtractor") as error:
        extract(WAVEFORMS, output, tmp_path)
    assert "\n" not in str(error.value)


def test_audio_of_five_minutes_is_cut_and_flagged(tmp_path):
    folder = save_tiny_wav2vec2(tmp_path)
    (result,) = extract([noise(300 * 16_000)], "frames", folder)
    assert isinstance(result, Flagged)
    assert result.values.shape == ((60 * 16_000 - 400) // 320 + 1, 16)
    assert (result.kind, result.detail, result.action) == ("long sound", "300.0 s", "cut to 60 s")


def test_cut_audio_has_the_values_of_its_beginning(tmp_path, monkeypatch):
    folder = save_tiny_wav2vec2(tmp_path)
    monkeypatch.setattr(wav2vec2, "LONGEST_S", 1)
    kept, cut = extract([noise(16_000), noise(16_001)], "frames", folder)
    assert isinstance(kept, np.ndarray)
    assert isinstance(cut, Flagged)
    assert np.abs(cut.values - kept).max() < 1e-5
