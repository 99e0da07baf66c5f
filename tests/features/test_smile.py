"""openSMILE features equal the package's own, for any audio."""

import os
import warnings
from pathlib import Path

import numpy as np
import opensmile
import pytest
import soundfile
from support.feature_stores import write_waveforms

from merflow.errors import StoreError
from merflow.features.audio import smile
from merflow.features.sources import AudioSource
from merflow.params import SmileParams

REAL = Path(os.environ.get("MERFLOW_REAL_DATA", "absent")) / "ravdess"
IS13 = SmileParams(feature_set="IS13_ComParE", level="functionals")
ALL = [SmileParams(feature_set=name, level=level) for name in smile.SETS for level in smile.LEVELS]
DIM = {
    ("IS13_ComParE", "functionals"): 6373,
    ("ComParE_2016", "functionals"): 6373,
    ("eGeMAPSv02", "functionals"): 88,
    ("IS13_ComParE", "lld"): 65,
    ("ComParE_2016", "lld"): 65,
    ("eGeMAPSv02", "lld"): 25,
}


def voice(seconds, seed=0):
    """Make a buzz with a gliding pitch and noise, in steps of a 16-bit file."""
    t = np.arange(round(16_000 * seconds)) / 16_000
    buzz = sum(np.sin(2 * np.pi * n * (120 * t + 10 * t**2)) / n for n in range(1, 20))
    waveform = 0.1 * buzz + np.random.default_rng(seed).normal(0, 0.005, len(t))
    return (np.round(waveform * 32768) / 32768).astype(np.float32)


def extract(waveforms, params):
    return list(smile.extract([waveforms], params, None))


def label(params):
    return f"{params.feature_set} {params.level}"


@pytest.mark.parametrize("params", ALL, ids=label)
def test_values_equal_the_package_s_of_signal_and_file(params, tmp_path):
    package = opensmile.Smile(smile.SETS[params.feature_set], smile.LEVELS[params.level])
    waveform, path = voice(0.8), tmp_path / "voice.flac"
    soundfile.write(path, waveform, 16_000, subtype="PCM_16")
    (values,) = extract([waveform], params)
    assert values.dtype == np.float32
    assert np.array_equal(values, package.process_signal(waveform, 16_000).to_numpy())
    assert np.array_equal(values, package.process_file(str(path)).to_numpy())
    assert smile.columns(params) == package.feature_names
    n_rows = 1 if params.level == "functionals" else (len(waveform) - 960) // 160 + 2
    assert values.shape == (n_rows, DIM[params.feature_set, params.level])


def test_is13_and_compare_2016_share_names_but_not_values():
    compare_2016 = SmileParams(feature_set="ComParE_2016", level="functionals")
    assert smile.columns(IS13) == smile.columns(compare_2016)
    (is13,), (compare,) = (extract([voice(0.5)], params) for params in (IS13, compare_2016))
    assert (np.abs(is13 - compare) > 0.01 * np.abs(is13)).mean() > 0.05


def test_values_do_not_depend_on_the_block():
    first, second = voice(0.3, seed=1), voice(0.4, seed=2)
    (alone,) = extract([first], IS13)
    for values in list(smile.extract([[first], [second, first]], IS13, None))[::2]:
        assert np.array_equal(values, alone)


@pytest.mark.parametrize("params", ALL, ids=label)
def test_odd_audio_gives_finite_values_without_a_warning(params, capfd):
    rng = np.random.default_rng(0)
    waveforms = {
        "silence": np.zeros(8000),
        "shortest": rng.normal(0, 0.1, 1600),
        "shortest silence": np.zeros(1600),
        "direct current": np.full(8000, 0.3),
        "full scale": np.full(1600, 32767 / 32768),
        "10 samples and silence": np.pad(rng.normal(0, 0.1, 10), (0, 1590)),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name, waveform in waveforms.items():
            (values,) = extract([waveform.astype(np.float32)], params)
            assert np.isfinite(values).all(), name
    assert capfd.readouterr() == ("", "")


def test_the_package_gives_nan_for_audio_below_60_ms():
    """merflow.features.sources therefore pads audio to 100 ms."""
    with pytest.warns(UserWarning, match="too short"):
        (values,) = extract([voice(0.025)], IS13)
    assert np.isnan(values).all()


def read(folder, waveforms, rate=16_000):
    return AudioSource(write_waveforms(folder / "audio", waveforms, rate).parent)


def test_audio_of_60_ms_is_padded_and_counted(tmp_path):
    short, long = voice(0.06), voice(0.5)
    audio = read(tmp_path, {"a": short, "b": long})
    values = extract(audio.read(["a", "b"]), IS13)
    assert np.array_equal(values[0], extract([np.pad(short, (0, 640))], IS13)[0])
    assert np.array_equal(values[1], extract([long], IS13)[0])
    (defect,) = audio.defects
    assert (defect.utterance_id, defect.kind) == ("a", "short sound")
    assert defect.detail == "0.060 s of sound"


def test_another_sampling_rate_is_refused(tmp_path):
    audio = read(tmp_path, {"a": voice(0.5)}, rate=22_050)
    with pytest.raises(StoreError, match="a: 22050 Hz, 1 channels, expected 16000 Hz mono"):
        audio.read(["a"])


@pytest.mark.skipif(not REAL.is_dir(), reason="MERFLOW_REAL_DATA is not set or has no ravdess")
def test_real_angry_speech_is_louder_than_calm_speech():
    params = SmileParams(feature_set="eGeMAPSv02", level="functionals")
    # the same speaker and words
    paths = [REAL / f"03-01-{emotion}-02-01-01-01.flac" for emotion in ("02", "05")]
    calm, angry = extract([soundfile.read(path, dtype="float32")[0] for path in paths], params)
    loudness = smile.columns(params).index("loudness_sma3_amean")
    assert angry[0, loudness] > 2 * calm[0, loudness]
