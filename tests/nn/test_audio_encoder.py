"""Fine-tuned wav2vec2: pooling, padding, and what is frozen."""

import numpy as np
import pytest
import torch
from support.tiny_wav2vec2 import save_tiny_wav2vec2
from transformers import AutoFeatureExtractor, AutoModel

from merflow.nn.audio import FULL_SCALE, AudioEncoder

LENGTHS = (4000, 900, 2533)


@pytest.fixture(scope="module", params=["group", "layer"])
def checkpoint(request, tmp_path_factory):
    return save_tiny_wav2vec2(tmp_path_factory.mktemp("w") / request.param, norm=request.param)


@pytest.fixture
def encoder(checkpoint):
    return AudioEncoder(checkpoint).eval()


def waveforms():
    rng = np.random.default_rng(0)
    return [rng.integers(-9000, 9000, n, dtype=np.int16) for n in LENGTHS]


def padded(arrays):
    longest = max(map(len, arrays))
    values = np.stack([np.pad(array, (0, longest - len(array))) for array in arrays])
    lengths = np.array([len(array) for array in arrays])
    return torch.from_numpy(values), torch.from_numpy(np.arange(longest) < lengths[:, None])


def test_a_vector_is_the_mean_of_the_published_models_states(encoder, checkpoint):
    model = AutoModel.from_pretrained(checkpoint).eval()
    preprocess = AutoFeatureExtractor.from_pretrained(checkpoint)
    expected = []
    with torch.inference_mode():
        for samples in waveforms():
            scaled = samples.astype(np.float32) / FULL_SCALE
            batch = preprocess(scaled, sampling_rate=16_000, return_tensors="pt")
            expected.append(model(batch["input_values"]).last_hidden_state[0].mean(dim=0))
        vectors = encoder(*padded(waveforms()))
    torch.testing.assert_close(vectors, torch.stack(expected), rtol=1e-4, atol=1e-5)


def test_padding_does_not_change_a_vector(encoder):
    with torch.inference_mode():
        together = encoder(*padded(waveforms()))
        alone = torch.cat([encoder(*padded([samples])) for samples in waveforms()])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


def test_frames_are_counted_as_the_front_makes_them(encoder):
    frames, inside = encoder.frames(*padded(waveforms()))
    # a frame per 320 samples, of windows of 400
    assert inside.sum(dim=1).tolist() == [(n - 400) // 320 + 1 for n in LENGTHS]
    assert frames.shape[:2] == inside.shape


def test_the_front_is_frozen_and_every_other_weight_is_trained(encoder):
    encoder.train()(*padded(waveforms())).square().sum().backward()
    without = {name for name, weight in encoder.named_parameters() if weight.grad is None}
    front = {name for name, _ in encoder.named_parameters() if "feature_extractor" in name}
    assert front and without == front
    assert not any(
        weight.requires_grad for weight in encoder.encoder.feature_extractor.parameters()
    )


def test_no_layer_is_dropped_in_training(checkpoint):
    encoder = AudioEncoder(checkpoint)
    assert encoder.encoder.config.layerdrop == 0
    assert encoder.encoder.masked_spec_embed is None


def test_samples_are_normalised_only_where_the_checkpoint_asks(encoder):
    samples = torch.from_numpy(waveforms()[0])
    scaled = encoder._scaled(samples)
    assert scaled.mean().abs() < 1e-5 and abs(scaled.std(correction=0) - 1) < 1e-3
    encoder.normalises = False
    torch.testing.assert_close(encoder._scaled(samples), samples / FULL_SCALE)
