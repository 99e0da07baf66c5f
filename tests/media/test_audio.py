"""Audio of decoded clips: 16 kHz mono, each sample at its time."""

import os
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from support.tiny_clips import noise, tone, write

from merflow.media.decode import decode
from merflow.params import MediaParams

REAL = os.environ.get("MERFLOW_REAL_DATA")
MEDIA = MediaParams(short_side=32, jpeg_quality=95)


@pytest.mark.parametrize(
    ("name", "audio", "rate"),
    [
        ("a.mp4", "aac", 48000),
        ("a.mp4", "aac", 44100),
        ("a.mkv", "flac", 44100),
        ("a.avi", "pcm_s16le", 16000),
        ("a.avi", "pcm_s16le", 48000),
    ],
)
def test_a_span_has_the_audio_of_a_full_decode(
    tmp_path: Path, name: str, audio: str, rate: int
) -> None:
    video = {"codec": "mpeg4", "options": {"g": "12"}}
    # AAC's noise substitution draws random numbers that depend on earlier frames
    tools = {"aac_pns": "0"} if audio == "aac" else {}
    track = {"audio": audio, "rate": rate, "samples": noise(20 * rate), "audio_options": tools}
    path = write(tmp_path / name, 500, **video, **track)
    whole = decode(path, None, None, MEDIA).audio
    assert whole is not None and len(whole) == 20 * 16000
    for start_s, end_s in [(0.02, 0.5), (7.1234, 8.5), (19.0, 20.0)]:
        samples = decode(path, start_s, end_s, MEDIA).audio
        expected = whole[round(start_s * 16000) : round(end_s * 16000)]
        if name != "a.mkv":  # its times are rounded to 1 ms
            np.testing.assert_array_equal(samples, expected)
        assert samples is not None and abs(len(samples) - len(expected)) <= 16


@pytest.mark.parametrize(
    ("audio", "rate"), [("aac", 48000), ("aac", 44100), ("flac", 48000), ("aac", 16000)]
)
def test_audio_is_not_shifted(tmp_path: Path, audio: str, rate: int) -> None:
    clip = decode(write(tmp_path / "a.mp4", audio=audio, rate=rate), None, None, MEDIA)
    assert clip.audio is not None and len(clip.audio) == 32000
    expected, inner = tone(32000, 16000, 1)[0], slice(100, -100)
    correlation = {
        late: np.corrcoef(clip.audio[inner], np.roll(expected, late)[inner])[0, 1]
        for late in (-1, 0, 1)
    }
    assert correlation[0] > 0.99 and max(correlation, key=correlation.__getitem__) == 0


def test_audio_that_starts_late_keeps_its_time(tmp_path: Path) -> None:
    path = tmp_path / "late.mkv"
    with (
        av.open(str(write(tmp_path / "a.mkv", audio="pcm_s16le", rate=16000))) as old,
        av.open(str(path), "w") as new,
    ):
        copies = {stream: new.add_stream_from_template(stream) for stream in old.streams}
        for packet in old.demux():
            if packet.size and (packet.stream.type == "video" or packet.pts >= 1000):
                packet.stream = copies[packet.stream]
                new.mux(packet)
    clip = decode(path, None, None, MEDIA)
    assert clip.audio is not None
    assert not clip.audio[:15900].any() and clip.audio[16100:16200].any()
    (defect,) = clip.defects
    assert (defect.kind, defect.medium) == ("sound with holes", "audio")
    assert "1.0" in defect.detail


def with_jump(path: Path, from_ms: int, jump_ms: int) -> Path:
    """Write 2 s of audio, later from a time on."""
    plain = write(path.with_name("plain.mkv"), codec=None, audio="pcm_s16le", rate=16000)
    with av.open(str(plain)) as old, av.open(str(path), "w") as new:
        stream = new.add_stream_from_template(old.streams[0])
        for packet in old.demux():
            if packet.size:
                late = jump_ms if packet.pts >= from_ms else 0
                packet.pts, packet.dts = packet.pts + late, packet.dts + late
                packet.stream = stream
                new.mux(packet)
    return path


@pytest.mark.parametrize("from_ms", [0, 1000])
def test_a_jump_of_days_does_not_fill_the_memory(tmp_path: Path, from_ms: int) -> None:
    path = with_jump(tmp_path / "a.mkv", from_ms, 10**9)
    with av.open(str(path)) as file:
        assert file.duration > 9 * 10**11
    clip = decode(path, None, None, MEDIA)
    assert clip.audio is not None and len(clip.audio) == 32000
    if from_ms:  # where a file starts is its time 0
        assert "sound with jumps" in [defect.kind for defect in clip.defects]


def test_a_span_behind_the_first_hour_is_not_a_jump(tmp_path: Path) -> None:
    path = with_jump(tmp_path / "a.mkv", 0, 0)
    expected = decode(path, 1.5, 1.9, MEDIA).audio
    span = decode(with_jump(path, 1000, 7_200_000), 7201.5, 7201.9, MEDIA)
    assert expected is not None and span.audio is not None
    np.testing.assert_array_equal(span.audio, expected)
    assert "sound with jumps" not in [defect.kind for defect in span.defects]


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_16_khz_mono_passes_bit_by_bit(tmp_path: Path, suffix: str) -> None:
    samples = np.random.default_rng(0).integers(-(2**15), 2**15, 12345).astype(np.int16)
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, samples, 16000, subtype="PCM_16")
    np.testing.assert_array_equal(decode(path, None, None, MEDIA).audio, samples)
    np.testing.assert_array_equal(decode(path, 0.1, 0.5, MEDIA).audio, samples[1600:8000])


@pytest.mark.parametrize(
    ("layout", "weights"),
    [
        ("mono", [1]),
        ("stereo", [1, 1]),
        ("3.0", [0.5**0.5, 0.5**0.5, 1]),
        ("5.1", [0.5**0.5, 0.5**0.5, 1, 0, 0.5, 0.5]),
        ("7.1", [0.5**0.5, 0.5**0.5, 1, 0, 0.5, 0.5, 0.5, 0.5]),
    ],
)
def test_downmix(tmp_path: Path, layout: str, weights: list[float]) -> None:
    for channel, weight in enumerate(weights):
        samples = np.zeros((16000, len(weights)), np.int16)
        samples[:, channel] = 16000
        with av.open(str(tmp_path / "a.wav"), "w") as file:
            stream = file.add_stream("pcm_s16le", rate=16000, layout=layout)
            packed = samples.reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(packed, format="s16", layout=layout)
            frame.sample_rate = 16000
            file.mux(stream.encode(frame))
            file.mux(stream.encode(None))
        mixed = decode(tmp_path / "a.wav", None, None, MEDIA).audio
        assert mixed is not None and len(mixed) == 16000
        assert np.abs(mixed - 16000 * weight / sum(weights)).max() <= 1


def test_an_impossible_sampling_rate_leaves_no_audio(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.ones(50_000), 16000, subtype="PCM_16")
    data = bytearray((tmp_path / "a.wav").read_bytes())
    data[24:28] = (1).to_bytes(4, "little")  # 50,000 s by the header
    (tmp_path / "a.wav").write_bytes(data)
    clip = decode(tmp_path / "a.wav", None, None, MEDIA)
    assert clip.audio is None and {"damaged sound", "no sound"} <= {
        defect.kind for defect in clip.defects
    }


@pytest.mark.skipif(not REAL, reason="MERFLOW_REAL_DATA is not set")
def test_real_audio_passes_bit_by_bit() -> None:
    paths = sorted((Path(str(REAL)) / "ravdess").glob("*.flac"))[:40:4]
    assert len(paths) == 10
    for path in paths:
        samples, _ = soundfile.read(path, dtype="int16")
        np.testing.assert_array_equal(decode(path, None, None, MEDIA).audio, samples)
