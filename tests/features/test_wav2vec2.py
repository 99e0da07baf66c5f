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
OUTPUTS = ("frames", "mean", "probabilities")


def sound(n_samples, seed=0):
    return np.random.default_rng(seed).normal(0, 0.1, n_samples).astype(np.float32)


SOUNDS = [
    sound(16_000, 1),
    sound(1600, 2),
    sound(8123, 3),
    np.zeros(1600, np.float32),
    sound(16_000, 4),
]


@pytest.fixture(scope="module", params=["group", "layer"])
def tiny(request, tmp_path_factory):
    return save_tiny_wav2vec2(tmp_path_factory.mktemp("wav2vec2"), LABELS, request.param)


def features(sounds, output, folder):
    return list(wav2vec2.extract([sounds[:2], sounds[2:]], Wav2vec2Params(output=output), folder))


@torch.no_grad()
def plain(one, output, folder):
    """As the documentation of transformers does it, for one sound."""
    kind = AutoModelForAudioClassification if output == "probabilities" else AutoModel
    prepared = AutoFeatureExtractor.from_pretrained(folder)(
        one, sampling_rate=16_000, return_tensors="pt"
    )
    found = kind.from_pretrained(folder).eval()(prepared["input_values"])
    if output == "probabilities":
        return torch.softmax(found.logits, dim=-1).numpy()
    states = found.last_hidden_state
    return (states[0] if output == "frames" else states.mean(dim=1)).numpy()


@pytest.mark.parametrize("output", OUTPUTS)
def test_values_are_the_model_s_own_in_the_order_of_the_sounds(tiny, output):
    found = features(SOUNDS, output, tiny)
    rows = {"frames": [49, 4, 25, 4, 49], "mean": [1] * 5, "probabilities": [1] * 5}[output]
    assert [values.shape for values in found] == [
        (n, 7 if output == "probabilities" else 16) for n in rows
    ]
    for one, values in zip(SOUNDS, found, strict=True):
        assert values.dtype == np.float32
        assert np.isfinite(values).all()  # silence too
        np.testing.assert_allclose(values, plain(one, output, tiny), atol=1e-4)
    assert (
        np.abs(found[0].mean(axis=0) - found[1].mean(axis=0)).max() > 1e-3
    )  # sounds differ by more than that


def test_padding_would_have_changed_the_values(tmp_path):
    """Why sounds are not padded: in models of this kind it changes all frames."""
    folder = save_tiny_wav2vec2(tmp_path)
    model = AutoModel.from_pretrained(folder).eval()
    alone = torch.from_numpy(SOUNDS[2])[None]
    with torch.no_grad():
        padded = model(torch.nn.functional.pad(alone, (0, 8000))).last_hidden_state[0, :25]
        assert (padded - model(alone).last_hidden_state[0]).abs().max() > 1e-2


@pytest.mark.parametrize(
    ("config", "kind"), [(HubertConfig, HubertModel), (WavLMConfig, WavLMModel)]
)
def test_relatives_of_wav2vec2_load_the_same_way(tmp_path, config, kind):
    folder = save_tiny_wav2vec2(tmp_path)
    small = {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "conv_dim": (8,) * 7,
    }
    kind(
        config(**small, num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=2)
    ).save_pretrained(folder)
    found = features(SOUNDS, "frames", folder)
    np.testing.assert_allclose(found[2], plain(SOUNDS[2], "frames", folder), atol=1e-4)


def test_probabilities_are_named_by_the_emotions_of_the_head_in_its_order(tiny):
    params = Wav2vec2Params(output="probabilities")
    assert wav2vec2.columns(params, tiny) == [
        "anger",
        "disgust",
        "fear",
        "joy",
        "neutral",
        "sadness",
        "surprise",
    ]
    assert wav2vec2.columns(Wav2vec2Params(output="mean"), tiny) is None
    for row in features(SOUNDS, "probabilities", tiny):
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
def test_labels_that_cannot_be_mapped_by_name_are_refused(tmp_path, labels, message):
    folder = save_tiny_wav2vec2(tmp_path, labels)
    with pytest.raises(CheckpointError, match=message):
        features(SOUNDS, "probabilities", folder)
    assert len(features(SOUNDS, "mean", folder)) == 5  # which asks for no labels


def test_a_classifier_whose_weights_are_absent_is_refused(tmp_path):
    folder = save_tiny_wav2vec2(tmp_path, LABELS)
    weights = load_file(folder / "model.safetensors")
    save_file(
        {name: value for name, value in weights.items() if "classifier" not in name},
        folder / "model.safetensors",
        {"format": "pt"},
    )
    with pytest.raises(
        CheckpointError,
        match=r"2 weights of Wav2Vec2ForSequenceClassification are not in it, the first is classifier",
    ):
        features(SOUNDS, "probabilities", folder)


def test_the_vector_of_masked_frames_may_be_absent(tmp_path):
    folder = save_tiny_wav2vec2(tmp_path)
    before = features(SOUNDS, "mean", folder)
    weights = load_file(folder / "model.safetensors")
    del weights["masked_spec_embed"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    assert all(
        np.array_equal(a, b) for a, b in zip(before, features(SOUNDS, "mean", folder), strict=True)
    )


def test_another_sampling_rate_or_preprocessor_is_refused(tmp_path):
    folder = save_tiny_wav2vec2(tmp_path)
    card = folder / "preprocessor_config.json"
    card.write_text(json.dumps(json.loads(card.read_text()) | {"sampling_rate": 8000}))
    with pytest.raises(CheckpointError, match="its model takes 8000 Hz, the sounds have 16000 Hz"):
        features(SOUNDS, "frames", folder)
    card.write_text(json.dumps({"feature_extractor_type": "WhisperFeatureExtractor"}))
    with pytest.raises(
        CheckpointError, match="does not take samples but what WhisperFeatureExtractor makes"
    ):
        features(SOUNDS, "frames", folder)
    card.write_text("{")
    with pytest.raises(CheckpointError, match="cannot be read by AutoFeatureExtractor"):
        features(SOUNDS, "frames", folder)


@pytest.mark.parametrize("output", OUTPUTS)
def test_a_folder_without_a_model_is_refused_in_one_line(tmp_path, output):
    with pytest.raises(CheckpointError, match="cannot be read by Auto"):
        features(SOUNDS, output, tmp_path)
    shutil.copy(save_tiny_wav2vec2(tmp_path / "whole", LABELS) / "config.json", tmp_path)
    with pytest.raises(CheckpointError, match="cannot be read by AutoFeatureExtractor") as error:
        features(SOUNDS, output, tmp_path)
    assert "\n" not in str(error.value)


def test_a_sound_of_five_minutes_is_cut_and_flagged(tmp_path, monkeypatch):
    folder = save_tiny_wav2vec2(tmp_path)
    (row,) = features([sound(300 * 16_000)], "frames", folder)
    assert isinstance(row, Flagged)
    assert row.values.shape == ((60 * 16_000 - 400) // 320 + 1, 16)
    assert (row.kind, row.detail, row.action) == ("long sound", "300.0 s", "cut to 60 s")
    monkeypatch.setattr(wav2vec2, "LONGEST_S", 1)
    kept, cut = features([sound(16_000), sound(16_001)], "frames", folder)
    assert isinstance(kept, np.ndarray) and isinstance(cut, Flagged)
    assert np.abs(cut.values - kept).max() < 1e-5  # its first second
