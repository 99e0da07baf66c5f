import io
import os
import warnings
from pathlib import Path

import numpy as np
import opensmile
import pandas as pd
import pytest
import soundfile

from merflow import artifacts
from merflow.errors import StoreError
from merflow.features.audio import smile
from merflow.features.sources import Sounds
from merflow.params import SmileParams
from merflow.store import write_index, write_table

REAL = Path(os.environ.get("MERFLOW_REAL_DATA", "absent")) / "ravdess"
IS13 = SmileParams(feature_set="IS13_ComParE", level="functionals")
ALL = [SmileParams(feature_set=name, level=level) for name in smile.SETS for level in smile.LEVELS]
N_COLUMNS = {"functionals": {"eGeMAPSv02": 88}, "lld": {"eGeMAPSv02": 25}}


def voice(seconds, seed=0):
    """A buzz with a gliding pitch and noise, in the 65536 steps of a 16-bit file."""
    t = np.arange(round(16_000 * seconds)) / 16_000
    buzz = sum(np.sin(2 * np.pi * n * (120 * t + 10 * t**2)) / n for n in range(1, 20))
    sound = 0.1 * buzz + np.random.default_rng(seed).normal(0, 0.005, len(t))
    return (np.round(sound * 32768) / 32768).astype(np.float32)


def features(sounds, params):
    return list(smile.extract([sounds], params, None))


@pytest.mark.parametrize("params", ALL, ids=lambda params: f"{params.feature_set} {params.level}")
def test_values_are_the_package_s_own_of_signal_and_file(params, tmp_path):
    direct = opensmile.Smile(smile.SETS[params.feature_set], smile.LEVELS[params.level])
    sound = voice(0.8)
    soundfile.write(tmp_path / "voice.flac", sound, 16_000, subtype="PCM_16")
    (values,) = features([sound], params)
    assert values.dtype == np.float32
    assert np.array_equal(values, direct.process_signal(sound, 16_000).to_numpy())
    assert np.array_equal(values, direct.process_file(str(tmp_path / "voice.flac")).to_numpy())
    assert smile.columns(params) == direct.feature_names
    width = N_COLUMNS[params.level].get(
        params.feature_set, {"functionals": 6373, "lld": 65}[params.level]
    )
    assert values.shape == (
        1 if params.level == "functionals" else (len(sound) - 960) // 160 + 2,
        width,
    )


def test_is13_and_compare_2016_share_names_but_not_values():
    compare = SmileParams(feature_set="ComParE_2016", level="functionals")
    assert smile.columns(IS13) == smile.columns(compare)
    ours, other = features([voice(0.5)], IS13)[0], features([voice(0.5)], compare)[0]
    assert (np.abs(ours - other) > 0.01 * np.abs(ours)).mean() > 0.05


def test_a_sound_does_not_know_its_company():
    one, two = voice(0.3, seed=1), voice(0.4, seed=2)
    alone = [features([sound], IS13)[0] for sound in (one, two)]
    together = [*smile.extract([[one], [two, one]], IS13, None)]
    assert [
        np.array_equal(values, alone[i]) for values, i in zip(together, (0, 1, 0), strict=True)
    ] == [True] * 3


@pytest.mark.parametrize("params", ALL, ids=lambda params: f"{params.feature_set} {params.level}")
def test_odd_sounds_give_finite_values_without_a_warning(params, capfd):
    rng = np.random.default_rng(0)
    odd = {
        "silence": np.zeros(8000),
        "shortest": rng.normal(0, 0.1, 1600),
        "shortest silence": np.zeros(1600),
        "direct current": np.full(8000, 0.3),
        "full scale": np.full(1600, 32767 / 32768),
        "10 samples and silence": np.pad(rng.normal(0, 0.1, 10), (0, 1590)),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = features([sound.astype(np.float32) for sound in odd.values()], params)
    assert [
        name for name, values in zip(odd, found, strict=True) if not np.isfinite(values).all()
    ] == []
    assert capfd.readouterr() == ("", "")


def test_what_the_pipeline_does_not_let_through_would_be_not_a_number():
    with pytest.warns(UserWarning, match="too short"):
        (values,) = features([voice(0.025)], IS13)
    assert np.isnan(
        values
    ).all()  # 25 ms; sounds are followed by silence up to 100 ms, and extract.py stores no such row


def store(folder, sounds, rate=16_000):
    rows = []
    for name, sound in sounds.items():
        file = io.BytesIO()
        soundfile.write(file, sound, rate, format="FLAC", subtype="PCM_16")
        rows.append({"utterance_id": name, "n_samples": len(sound), "values": file.getvalue()})
    write_table(folder / "0.parquet", pd.DataFrame(rows), artifacts.AUDIO)
    write_index(folder, artifacts.AUDIO, {})
    return Sounds(folder)


def test_sound_of_60_ms_is_followed_by_silence_and_counted(tmp_path):
    short, long = voice(0.06), voice(0.5)
    sounds = store(tmp_path / "audio", {"a": short, "b": long})
    values = features(sounds.read(["a", "b"]), IS13)
    assert np.array_equal(values[0], features([np.pad(short, (0, 640))], IS13)[0])
    assert np.array_equal(values[1], features([long], IS13)[0])
    assert [(d.utterance_id, d.kind, d.detail) for d in sounds.defects] == [
        ("a", "short sound", "0.060 s of sound")
    ]


def test_another_sampling_rate_is_refused(tmp_path):
    sounds = store(tmp_path / "audio", {"a": voice(0.5)}, rate=22_050)
    with pytest.raises(StoreError, match="a: 22050 Hz, 1 channels, expected 16000 Hz mono"):
        sounds.read(["a"])


@pytest.mark.skipif(not REAL.is_dir(), reason="MERFLOW_REAL_DATA is not set or has no ravdess")
def test_real_angry_speech_is_louder_than_calm_speech_of_the_same_speaker_and_words():
    params = SmileParams(feature_set="eGeMAPSv02", level="functionals")
    read = lambda emotion: soundfile.read(
        REAL / f"03-01-{emotion}-02-01-01-01.flac", dtype="float32"
    )[0]
    calm, angry = features([read("02"), read("05")], params)
    loudness = smile.columns(params).index("loudness_sma3_amean")
    assert angry[0, loudness] > 2 * calm[0, loudness]
