"""Mel spectrograms equal librosa's, and do not depend on the rest of the audio."""

import librosa
import numpy as np
import pytest
from support.feature_stores import MEL

from merflow.errors import ParamsError
from merflow.features.audio import mel
from merflow.params import MelParams

PARAMS = MEL | {"n_mels": 80}
OTHER = {
    "n_fft": 1024,
    "win_length": 1024,
    "hop_length": 256,
    "n_mels": 128,
    "fmin": 50.0,
    "fmax": 7600.0,
}


def extract(waveforms, **changes):
    return list(mel.extract([waveforms], MelParams(**PARAMS | changes), None))


def tone(frequency, seconds=1.0):
    time_s = np.arange(round(16_000 * seconds)) / 16_000
    return np.sin(2 * np.pi * frequency * time_s).astype(np.float32)


@pytest.mark.parametrize("changes", [{}, OTHER])
def test_values_equal_librosa_s(changes):
    waveform = np.random.default_rng(0).normal(0, 0.1, 20_000).astype(np.float32)
    params = PARAMS | changes
    del params["decibels"]
    expected = librosa.feature.melspectrogram(y=waveform, sr=16_000, **params)
    (power,) = extract([waveform], decibels=False, **changes)
    np.testing.assert_allclose(power, expected.T, rtol=1e-5)
    expected = librosa.power_to_db(expected, ref=1.0, top_db=None)
    (decibels,) = extract([waveform], **changes)
    np.testing.assert_allclose(decibels, expected.T, atol=1e-4)
    assert power.dtype == decibels.dtype == np.float32
    assert power.shape == (20_000 // params["hop_length"] + 1, params["n_mels"])


def test_a_tone_is_loudest_in_the_band_of_its_name():
    names = mel.columns(MelParams(**PARAMS))
    assert len(set(names)) == 80
    for frequency in (200, 1000, 4000):
        (values,) = extract([tone(frequency)])
        centre = names[values[50].argmax()]
        assert float(centre.removesuffix(" Hz")) == pytest.approx(frequency, rel=0.1)


def test_half_the_amplitude_is_6_decibels_less():
    loud = tone(1000)
    quiet_then_loud = np.concatenate([1e-4 * loud, loud])
    full, half, quiet = extract([loud, 0.5 * loud, quiet_then_loud])
    assert full[50].max() - half[50].max() == pytest.approx(6.02, abs=0.01)
    # the quiet part does not depend on the loud one after it
    assert full[50].max() - quiet[50].max() == pytest.approx(80, abs=0.1)


def test_short_audio_and_silence_have_finite_values():
    spectrograms = extract([np.zeros(1600, np.float32), np.ones(1600, np.float32), tone(300, 0.1)])
    for values in spectrograms:
        assert values.shape == (11, 80)
        assert np.isfinite(values).all()
    np.testing.assert_allclose(spectrograms[0], -100, rtol=1e-6)


def test_five_minutes_have_a_row_per_10_ms():
    (values,) = extract([np.zeros(300 * 16_000, np.float32)])
    assert values.shape == (30_001, 80)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fmin": 4000.0, "fmax": 4000.0}, "mel: fmin 4000.0 is not below fmax 4000.0"),
        ({"win_length": 600}, "mel: win_length 600 is longer than n_fft 512"),
        (
            {"n_mels": 256},
            r"mel: \d+ of 256 bands hold no bin of n_fft 512; lower n_mels or raise n_fft",
        ),
    ],
)
def test_contradicting_params_are_one_line(changes, message):
    with pytest.raises(ParamsError, match=message):
        extract([tone(300)], **changes)
