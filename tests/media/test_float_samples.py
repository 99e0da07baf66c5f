"""Files that store floats: what no 16 bits hold is a defect, and never noise."""

from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from support.tiny_clips import noise, tone, write

from merflow.media.decode import Clip, decode
from merflow.params import MediaParams

MEDIA = MediaParams(short_side=32, jpeg_quality=95)
SPEECH = tone(16000, 16000, 1, 220)[0] * 3  # peak 0.9
FORMATS = [
    ("WAV", "FLOAT"),
    ("WAV", "DOUBLE"),
    ("AIFF", "FLOAT"),
    ("CAF", "FLOAT"),
    ("W64", "DOUBLE"),
]


def decoded(
    path: Path, samples: np.ndarray, kind: tuple[str, str] = ("WAV", "FLOAT"), rate: int = 16000
) -> Clip:
    form, subtype = kind
    soundfile.write(path, samples, rate, subtype=subtype, format=form)
    return decode(path, None, None, MEDIA)


def defects(clip: Clip) -> dict[str, tuple[str, str]]:
    """Kind -> detail and action."""
    sound = [defect for defect in clip.defects if defect.medium == "audio"]
    return {defect.kind: (defect.detail, defect.action) for defect in sound}


@pytest.mark.parametrize("kind", FORMATS)
def test_plain_floats_are_those_of_16_bits(tmp_path: Path, kind: tuple[str, str]) -> None:
    clip = decoded(tmp_path / "a.wav", SPEECH, kind)
    assert clip.audio is not None and not defects(clip)
    assert np.abs(clip.audio - np.rint(SPEECH * 2**15)).max() <= 1


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30, -70000.0])
def test_what_is_no_number_becomes_silence(
    tmp_path: Path, value: float, kind: tuple[str, str]
) -> None:
    samples = SPEECH.astype(np.float64)
    samples[[100, 101, 5000]] = value
    clip = decoded(tmp_path / "a.wav", samples, kind)
    samples[[100, 101, 5000]] = 0
    assert clip.audio is not None
    assert np.abs(clip.audio - np.rint(samples * 2**15)).max() <= 1
    ((name, (detail, action)),) = defects(clip).items()
    assert name == "sound that is not a number" and detail.startswith("3 samples")
    assert action == "silence in their place"


@pytest.mark.parametrize("peak", [1.5, 4.0, 32767.0])
@pytest.mark.parametrize("rate", [16000, 44100])
def test_beyond_full_scale_the_waveform_stays(tmp_path: Path, peak: float, rate: int) -> None:
    loud = tone(rate, rate, 1, 220)[0] / 0.3 * peak
    clip = decoded(tmp_path / "a.wav", loud, rate=rate)
    assert clip.audio is not None and np.abs(clip.audio).max() == 32767
    expected = tone(16000, 16000, 1, 220)[0] / 0.3 * 32767
    assert np.abs(clip.audio - expected)[100:-100].max() < 33
    ((name, (detail, action)),) = defects(clip).items()
    assert name == "sound beyond full scale" and "divided by the peak" in action
    n_beyond = int((np.abs(loud.astype(np.float32)) > 1 + 2**-15).sum())
    assert detail.startswith(f"{n_beyond} samples, peak ")
    assert float(detail.split()[3]) == pytest.approx(peak, rel=1e-3)


def test_both_defects_of_a_file_are_counted(tmp_path: Path) -> None:
    samples = np.stack([SPEECH, SPEECH], axis=1)
    samples[10], samples[20] = np.nan, 2.0
    clip = decoded(tmp_path / "a.wav", samples)
    assert {name: detail.split()[0] for name, (detail, _) in defects(clip).items()} == {
        "sound that is not a number": "2",
        "sound beyond full scale": "2",
    }


def test_rounding_at_full_scale_is_no_defect(tmp_path: Path) -> None:
    square = np.sign(SPEECH) * (1 + 2**-16)
    clip = decoded(tmp_path / "a.wav", square)
    assert clip.audio is not None and not defects(clip)
    assert (clip.audio.min(), clip.audio.max()) == (-32768, 32767)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
@pytest.mark.parametrize("rate", [11025, 44100, 96000])
def test_resampling_never_wraps(tmp_path: Path, rate: int, subtype: str) -> None:
    square = np.sign(tone(rate, rate, 1, 50)[0])  # resampling overshoots at its edges
    clip = decoded(tmp_path / "a.wav", square, ("WAV", subtype), rate)
    assert clip.audio is not None and not defects(clip)
    middle = np.sign(tone(16000, 16000, 1, 50)[0])
    inner = np.abs(tone(16000, 16000, 1, 50)[0]) > 0.15
    assert (np.sign(clip.audio[:16000][inner]) == middle[inner]).all()


@pytest.mark.parametrize("channels", [1, 2, 3, 6, 8])
@pytest.mark.parametrize("rate", [11025, 16000, 96000])
def test_floats_are_mixed_and_resampled_as_24_bits(
    tmp_path: Path, channels: int, rate: int
) -> None:
    samples = np.stack([noise(rate)[0] * (1 - n / 10) for n in range(channels)], axis=1)
    floats = decoded(tmp_path / "a.wav", samples, rate=rate).audio
    integers = decoded(tmp_path / "b.wav", samples, ("WAV", "PCM_24"), rate).audio
    assert floats is not None and integers is not None and len(floats) == len(integers)
    assert np.abs(floats.astype(int) - integers).max() <= 1


def test_a_loud_lossy_clip_is_clipped_without_a_defect(tmp_path: Path) -> None:
    loud = np.sign(tone(48000, 48000, 1))
    path = write(tmp_path / "a.m4a", codec=None, samples=loud.astype(np.float32))
    with av.open(str(path)) as file:
        assert max(np.abs(frame.to_ndarray()).max() for frame in file.decode(audio=0)) > 1.01
    assert not defects(decode(path, None, None, MEDIA))
