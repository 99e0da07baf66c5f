import librosa
import numpy as np
import pytest

from merflow.errors import ParamsError
from merflow.features.audio import mel
from merflow.params import MelParams

BLOCK = {
    "n_fft": 512,
    "win_length": 400,
    "hop_length": 160,
    "n_mels": 80,
    "fmin": 0.0,
    "fmax": 8000.0,
    "decibels": True,
}


def parameters(**changes):
    return MelParams(**BLOCK | changes)


def features(sounds, **changes):
    return list(mel.extract([sounds], parameters(**changes), None))


def tone(frequency, seconds=1.0):
    return np.sin(2 * np.pi * frequency * np.arange(round(16_000 * seconds)) / 16_000).astype(
        np.float32
    )


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {
            "n_fft": 1024,
            "win_length": 1024,
            "hop_length": 256,
            "n_mels": 128,
            "fmin": 50.0,
            "fmax": 7600.0,
        },
    ],
)
def test_values_are_those_of_librosa(changes):
    sound = np.random.default_rng(0).normal(0, 0.1, 20_000).astype(np.float32)
    asked = BLOCK | changes
    del asked["decibels"]
    power = librosa.feature.melspectrogram(y=sound, sr=16_000, **asked)
    (ours,) = features([sound], decibels=False, **changes)
    np.testing.assert_allclose(ours, power.T, rtol=1e-5)
    (decibels,) = features([sound], **changes)
    np.testing.assert_allclose(
        decibels, librosa.power_to_db(power, ref=1.0, top_db=None).T, atol=1e-4
    )
    assert ours.dtype == decibels.dtype == np.float32
    assert ours.shape == (20_000 // asked["hop_length"] + 1, asked["n_mels"])


def test_a_tone_is_loudest_in_the_band_of_its_name():
    for frequency in (200, 1000, 4000):
        (values,) = features([tone(frequency)])
        centre = mel.columns(parameters())[values[50].argmax()]
        assert float(centre.removesuffix(" Hz")) == pytest.approx(frequency, rel=0.1)
    assert len(set(mel.columns(parameters()))) == 80


def test_decibels_of_half_the_amplitude_are_6_lower_whatever_else_is_in_the_sound():
    loud = tone(1000)
    quiet_then_loud = np.concatenate([1e-4 * loud, loud])
    (a,), (b,), (c,) = (features([sound]) for sound in (loud, 0.5 * loud, quiet_then_loud))
    assert a[50].max() - b[50].max() == pytest.approx(6.02, abs=0.01)
    assert a[50].max() - c[50].max() == pytest.approx(80, abs=0.1)


def test_short_sounds_and_silence_have_finite_values():
    found = features([np.zeros(1600, np.float32), np.ones(1600, np.float32), tone(300, 0.1)])
    assert [values.shape for values in found] == [(11, 80)] * 3
    assert all(np.isfinite(values).all() for values in found)
    np.testing.assert_allclose(found[0], -100, rtol=1e-6)


def test_five_minutes_are_a_row_per_10_ms():
    (values,) = features([np.zeros(300 * 16_000, np.float32)])
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
def test_impossible_spectrograms_are_refused_in_one_line(changes, message):
    with pytest.raises(ParamsError, match=message):
        features([tone(300)], **changes)
