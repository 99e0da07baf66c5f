"""One rule for probe and decoder: which streams of a file are its audio and its video."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from support.tiny_clips import number_of, numbered, tone, write

from merflow.errors import MediaError
from merflow.media.decode import Clip, decode
from merflow.media.probe import Probe, probe, probe_all
from merflow.params import MediaParams

MEDIA = MediaParams(short_side=32, jpeg_quality=95)
RATE, FPS = 48000, 25
ENCRYPTED = {
    "encryption_scheme": "cenc-aes-ctr",
    "encryption_key": "76a6c65c5ea762046bd749a2e632ccbb",
    "encryption_kid": "a7e61c373e219033c21091fa607bf3b8",
}


def write_streams(path: Path, streams: Sequence[tuple[str, int]]) -> Path:
    """Write streams of a codec and a number of frames; 0: the header alone.

    The tone of the n-th stream is n octaves above 220 Hz.
    """
    with av.open(str(path), "w") as file:
        encoders = []
        for codec, n_frames in streams:
            if codec in ("libx264", "mpeg4"):
                video = file.add_stream(codec, rate=FPS)
                video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
                encoders.append((video, _pictures(n_frames)))
            else:
                sound = file.add_stream(codec, rate=RATE, layout="mono")
                encoders.append((sound, _sound(n_frames, 220 * 2 ** len(encoders))))
        file.start_encoding()
        for encoder, frames in encoders:
            for frame in frames:
                file.mux(encoder.encode(frame))
            if frames:
                file.mux(encoder.encode(None))
    return path


def _pictures(n_frames: int) -> list[av.VideoFrame]:
    return [av.VideoFrame.from_ndarray(numbered(n), format="rgb24") for n in range(n_frames)]


def _sound(n_frames: int, hz: float) -> list[av.AudioFrame]:
    if not n_frames:
        return []
    samples = tone(n_frames * RATE // FPS, RATE, 1, hz)
    frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
    return [frame]


def unknown_first(path: Path, streams: Sequence[tuple[str, int]], tag: bytes) -> Path:
    """Give the first description of samples with `tag` a code that nobody knows."""
    data = write_streams(path, streams).read_bytes()
    start = data.index(tag, data.index(b"stsd"))
    data = data[:start] + b"zzz1" + data[start + 4 :]
    path.write_bytes(data.replace(b"esds", b"free", 1) if tag == b"mp4a" else data)
    return path


def found(path: Path) -> tuple[bool, bool, Clip]:
    """Audio and video by the probe, which are those of the decoder."""
    facts, clip = probe(path), decode(path, None, None, MEDIA)
    assert facts.has_audio == (clip.audio is not None)
    assert facts.has_video == bool(clip.frames)
    assert "clip unreadable" not in [defect.kind for defect in clip.defects]
    return facts.has_audio, facts.has_video, clip


def loudest_hz(clip: Clip) -> float:
    assert clip.audio is not None
    spectrum = np.abs(np.fft.rfft(clip.audio))
    return float(spectrum.argmax() * 16000 / len(clip.audio))


AV = [("libx264", 50), ("aac", 50)]


@pytest.mark.parametrize(("tag", "has"), [(b"mp4a", (False, True)), (b"avc1", (True, False))])
def test_of_an_unknown_codec_the_rest_is_used(tmp_path: Path, tag: bytes, has) -> None:
    *present, clip = found(unknown_first(tmp_path / "a.mp4", AV, tag))
    (defect,) = clip.defects
    assert tuple(present) == has and "codec zzz1" in defect.detail
    assert defect.medium == ("audio" if tag == b"mp4a" else "frames")


def test_an_unknown_codec_stops_no_other_clip(tmp_path: Path) -> None:
    odd = unknown_first(tmp_path / "odd.mp4", AV, b"mp4a")
    good = [write_streams(tmp_path / f"{n}.mp4", AV) for n in range(3)]
    facts = probe_all([*good, odd], "clips")
    assert [isinstance(facts[path], Probe) for path in (*good, odd)] == [True] * 4


def test_a_codec_without_a_name_is_told_by_its_number(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", codec=None, audio="pcm_s16le")
    data = bytearray(path.read_bytes())
    data[20:22] = b"\x99\x99"
    path.write_bytes(data)
    with pytest.raises(MediaError, match=r"stream 0 has codec 0x9999, which cannot be decoded$"):
        probe(path)
    (defect,) = decode(path, None, None, MEDIA).defects
    assert defect.kind == "clip unreadable" and "0x9999" in defect.detail


@pytest.mark.parametrize(("old", "has"), [(b"A_AAC", (False, True)), (b"V_MPEG", (True, False))])
def test_an_unknown_codec_of_matroska(tmp_path: Path, old: bytes, has) -> None:
    path = write_streams(tmp_path / "a.mkv", AV)
    path.write_bytes(path.read_bytes().replace(old, old[:2] + b"Z" * len(old[2:])))
    *present, clip = found(path)
    assert tuple(present) == has and "an unknown codec" in clip.defects[0].detail


def test_the_second_stream_replaces_one_of_unknown_codec(tmp_path: Path) -> None:
    streams = [("libx264", 50), ("aac", 50), ("aac", 50)]
    *present, clip = found(unknown_first(tmp_path / "a.mp4", streams, b"mp4a"))
    (defect,) = clip.defects
    assert present == [True, True] and loudest_hz(clip) == pytest.approx(880, abs=2)
    assert (defect.kind, defect.action) == ("sound of another stream", "stream 2 (aac) is used")


def test_of_two_streams_the_first_is_used(tmp_path: Path) -> None:
    *_, clip = found(write_streams(tmp_path / "a.mp4", [("mpeg4", 50), ("aac", 50), ("aac", 50)]))
    assert not clip.defects and loudest_hz(clip) == pytest.approx(440, abs=2)


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv", "a.avi"])
@pytest.mark.parametrize("empty", ["video", "audio"])
def test_a_stream_without_data_counts_as_absent(tmp_path: Path, name: str, empty: str) -> None:
    n_frames = {"video": 50, "audio": 50} | {empty: 0}
    streams = [("mpeg4", n_frames["video"]), ("mp3", n_frames["audio"])]
    has_audio, has_video, _ = found(write_streams(tmp_path / name, streams))
    assert (has_audio, has_video) == (empty != "audio", empty != "video")


def test_an_encrypted_file_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", container=ENCRYPTED)
    with pytest.raises(MediaError, match=r"stream 1 \(aac\) is encrypted; stream 0 \(h264\) is"):
        probe(path)
    (defect,) = decode(path, None, None, MEDIA).defects
    assert defect.kind == "clip unreadable" and "encrypted" in defect.detail


@pytest.mark.parametrize("name", ["a.mp4", "a.mp3", "a.flac"])
def test_a_cover_is_not_a_film(tmp_path: Path, name: str) -> None:
    codec = {"a.mp4": "aac", "a.mp3": "libmp3lame", "a.flac": "flac"}[name]
    _, jpeg = cv2.imencode(".jpg", numbered(5))
    with av.open(str(tmp_path / name), "w") as file:
        sound = file.add_stream(codec, rate=RATE, layout="mono")
        cover = file.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 96, 64, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        file.start_encoding()
        packet = av.Packet(jpeg.tobytes())
        packet.stream, packet.pts, packet.dts = cover, 0, 0
        packet.time_base = Fraction(1, 1)
        file.mux(packet)
        for frame in _sound(50, 440):
            file.mux(sound.encode(frame))
        file.mux(sound.encode(None))
    with av.open(str(tmp_path / name)) as file:
        assert len(file.streams.video) == 1
    assert found(tmp_path / name)[:2] == (True, False)


@pytest.mark.parametrize(
    ("codec", "audio"), [("libvpx-vp9", "libopus"), (None, "libopus"), ("libvpx-vp9", None)]
)
def test_a_stream_from_a_browser_has_no_length(tmp_path: Path, codec, audio) -> None:
    path = write(tmp_path / "a.webm", codec=codec, audio=audio, container={"live": "1"})
    with av.open(str(path)) as file:
        assert file.duration is None
    assert probe(path).duration_s == pytest.approx(2, abs=0.02)
    has_audio, has_video, clip = found(path)
    assert (has_audio, has_video) == (audio is not None, codec is not None)
    assert {defect.kind for defect in clip.defects} <= {"no sound", "no pictures"}


def test_a_hole_in_a_stream_without_length_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    whole = write(tmp_path / "whole.mkv", 100, codec=None, audio="pcm_s16le", rate=16000)
    with av.open(str(whole)) as old, av.open(str(path), "w", options={"live": "1"}) as new:
        stream = new.add_stream_from_template(old.streams[0])
        for packet in old.demux():
            if packet.size and not 1000 <= packet.pts < 3000:
                packet.stream = stream
                new.mux(packet)
    clip = found(path)[2]
    assert clip.audio is not None and len(clip.audio) == 64000
    assert not clip.audio[17000:47000].any() and clip.audio[49000:].any()
    assert "sound with holes" in [defect.kind for defect in clip.defects]


def test_a_guessed_length_is_measured(tmp_path: Path) -> None:
    quiet = np.zeros((1, 9 * RATE), np.float32)
    samples = np.concatenate([tone(3 * RATE, RATE, 1), quiet], axis=1)
    path = write(tmp_path / "a.aac", codec=None, samples=samples)
    with av.open(str(path)) as file:
        assert abs(file.duration / av.time_base - 12) > 0.5  # by the bit rate
    assert probe(path).duration_s == pytest.approx(12, abs=0.05)
    assert [defect.kind for defect in found(path)[2].defects] == ["no pictures"]


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.webm", "a.avi"])
def test_a_single_frame_is_a_video(tmp_path: Path, name: str) -> None:
    codec = {"a.webm": "libvpx-vp9", "a.avi": "mpeg4"}.get(name, "libx264")
    has_audio, has_video, clip = found(write(tmp_path / name, 1, codec=codec, audio=None))
    assert (has_audio, has_video) == (False, True)
    assert len(clip.frames["frames_15"]) == 15


def test_a_length_of_ten_hours_is_a_defect(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mkv", audio="flac", container={"live": "0"})
    data = path.read_bytes()
    start = data.index(b"\x44\x89\x88") + 3  # Duration, a double, in ms
    path.write_bytes(data[:start] + np.array(36e6, ">f8").tobytes() + data[start + 8 :])
    clip = found(path)[2]
    assert {defect.kind for defect in clip.defects} == {"sound cut short", "pictures cut short"}
    assert clip.audio is not None and len(clip.audio) < 33000


@pytest.mark.parametrize("name", ["a.ts", "a.mpg", "a.flv", "a.webm", "a.wmv", "a.opus", "a.w64"])
@pytest.mark.parametrize("share", [0.01, 0.3, 0.7])
def test_probe_and_decoder_agree_on_a_cut_file(tmp_path: Path, name: str, share: float) -> None:
    codecs = {
        "a.ts": ("mpeg4", "aac"),
        "a.mpg": ("mpeg2video", "mp2"),
        "a.flv": ("flv1", "aac"),
        "a.webm": ("libvpx-vp9", "libopus"),
        "a.wmv": ("wmv2", "mp2"),
        "a.opus": (None, "libopus"),
        "a.w64": (None, "pcm_s16le"),
    }
    codec, audio = codecs[name]
    path = write(tmp_path / name, codec=codec, audio=audio)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    facts, clip = probe_all([path], "clips")[path], decode(path, None, None, MEDIA)
    if isinstance(facts, str):
        assert clip.audio is None and not clip.frames
    else:
        assert (clip.audio is not None, bool(clip.frames)) == (facts.has_audio, facts.has_video)
    if clip.frames:
        assert number_of(_image(clip)) == 0


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi", "a.ts", "a.flv", "a.wmv"])
def test_damage_is_a_reason_or_a_defect(tmp_path: Path, name: str) -> None:
    codec, audio = {"a.wmv": ("wmv2", "mp2"), "a.flv": ("flv1", "aac")}.get(name, ("mpeg4", "mp3"))
    data = write(tmp_path / name, 10, codec=codec, audio=audio).read_bytes()
    rng = np.random.default_rng(0)
    for number in range(20):
        damaged = np.frombuffer(data, np.uint8).copy()
        places = rng.integers(0, len(damaged) if number % 2 else 2000, 12) % len(damaged)
        damaged[places] = rng.integers(0, 256, 12)
        path = tmp_path / f"{number}{name[1:]}"
        path.write_bytes(damaged.tobytes())
        facts, clip = probe_all([path], "clips")[path], decode(path, None, None, MEDIA)
        if isinstance(facts, Probe) and facts.has_audio != (clip.audio is not None):
            assert {defect.medium for defect in clip.defects} & {"audio", None}
        if isinstance(facts, Probe) and facts.has_video != bool(clip.frames):
            assert {defect.medium for defect in clip.defects} & {"frames", None}


def _image(clip: Clip) -> np.ndarray:
    data = clip.frames["frames_every10"][0].data
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
