import os
import subprocess
import sys
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import soundfile
from support.tiny_clips import number_of, tone, write

from merflow.media import decode as module
from merflow.media.decode import Clip, decode
from merflow.media.encode import MP4, write_clip, write_sound
from merflow.media.pictures import SAMPLINGS, Picture, every_10th, uniform_15
from merflow.params import MediaParams

REAL = os.environ.get("MERFLOW_REAL_DATA")
MEDIA = MediaParams(short_side=32, jpeg_quality=95)
B_FRAMES = {
    "bf": "3",
    "b-pyramid": "normal",
    "refs": "4",
    "g": "25",
    "x264-params": "open-gop=1:scenecut=0:b-adapt=0",
}
DIVX = {"bf": "2", "g": "12", "sc_threshold": "1000000000", "b_strategy": "0"}
FORMS = {
    "b.mp4": {"options": B_FRAMES},
    "b.mkv": {"options": B_FRAMES},
    "plain.mp4": {"codec": "mpeg4", "options": {"g": "12"}},
    "plain.avi": {"codec": "mpeg4", "options": {"g": "12"}, "audio": "pcm_s16le"},
    "b.avi": {"codec": "mpeg4", "options": DIVX, "audio": "pcm_s16le"},
    "h264.avi": {"options": {"bf": "3", "g": "25"}, "audio": "pcm_s16le"},
}


def pixels(picture: Picture) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(picture.data, np.uint8), cv2.IMREAD_COLOR)


def shown(clip: Clip, sampling: str = "frames_every10") -> list[tuple[int, int, float]]:
    """(index, number that the picture says, time)."""
    return [
        (picture.frame, number_of(pixels(picture)), round(picture.time_s, 6))
        for picture in clip.pictures[sampling]
    ]


def kinds(clip: Clip) -> set[str]:
    return {defect.kind for defect in clip.defects}


def test_samplings() -> None:
    assert every_10th(31) == [0, 10, 20, 30] and every_10th(1) == [0] and every_10th(0) == []
    assert uniform_15(150) == list(range(5, 150, 10))
    assert uniform_15(15) == list(range(15))
    assert uniform_15(2) == [0] * 7 + [1] * 8  # (7 + 0.5) * 2 / 15 = 1
    assert uniform_15(0) == []


@pytest.mark.parametrize("name", FORMS)
def test_indices_times_and_pictures_belong_together(tmp_path: Path, name: str) -> None:
    clip = decode(write(tmp_path / name, **FORMS[name]), None, None, MEDIA)
    assert not clip.defects
    assert shown(clip) == [(n, n, pytest.approx(n / 25, abs=1e-3)) for n in range(0, 50, 10)]
    assert [row[:2] for row in shown(clip, "frames_15")] == [(n, n) for n in uniform_15(50)]


def test_times_of_a_clip_with_varying_frame_rate(tmp_path: Path) -> None:
    ticks = np.cumsum(np.random.default_rng(0).integers(20, 120, 64)).tolist()
    ticks[0] = 0
    clip = decode(
        write(tmp_path / "vfr.mp4", 64, ticks=ticks, options={"bf": "2"}), None, None, MEDIA
    )
    assert shown(clip) == [(n, n, ticks[n] / 1000) for n in range(0, 64, 10)]
    span = decode(tmp_path / "vfr.mp4", ticks[20] / 1000, ticks[40] / 1000, MEDIA)
    assert shown(span) == [(0, 20, 0.0), (10, 30, pytest.approx((ticks[30] - ticks[20]) / 1000))]


@pytest.mark.parametrize("name", ["b.mp4", "b.mkv", "b.avi", "plain.mp4"])
def test_opencv_shows_the_same_frames_at_the_same_times(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, **FORMS[name])
    video, times = cv2.VideoCapture(str(path)), {}
    while True:
        there, picture = video.read()
        if not there:
            break
        times[number_of(picture)] = video.get(cv2.CAP_PROP_POS_MSEC) / 1000
    assert list(times) == list(range(50))
    late = times[0]  # OpenCV counts an AVI's delay of decoding as time
    for sampling in SAMPLINGS:
        for index, number, time_s in shown(decode(path, None, None, MEDIA), sampling):
            assert index == number and time_s == pytest.approx(times[number] - late, abs=1.1e-3)


@pytest.mark.parametrize("name", FORMS)
def test_passing_over_frames_changes_none_that_is_kept(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, **FORMS[name])
    with av.open(str(path)) as file:
        plain = [
            frame.reformat(48, 32, "bgr24", interpolation="AREA").to_ndarray()
            for frame in file.decode(video=0)
        ]
    for pictures in decode(path, None, None, MEDIA).pictures.values():
        for picture in pictures:
            assert (
                picture.data
                == cv2.imencode(".jpg", plain[picture.frame], [cv2.IMWRITE_JPEG_QUALITY, 95])[
                    1
                ].tobytes()
            )


@pytest.mark.parametrize("name", FORMS)
def test_a_span_is_what_a_full_decode_shows_there(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / name, 500, **FORMS[name])
    read = []
    packets = module._Reading._packets
    monkeypatch.setattr(
        module._Reading,
        "_packets",
        lambda self, streams: (read.append(p) or p for p in packets(self, streams)),
    )
    for first, last in [(1, 12), (40, 47), (287, 324), (299, 300), (480, 500)]:
        clip = decode(path, first / 25, last / 25, MEDIA)
        numbers = range(first, last)
        assert [row[:2] for row in shown(clip)] == list(enumerate(numbers))[::10]
        assert [row[:2] for row in shown(clip, "frames_15")] == [
            (i, numbers[i]) for i in uniform_15(len(numbers))
        ]
        assert clip.pictures["frames_15"][0].time_s == pytest.approx(
            uniform_15(len(numbers))[0] / 25, abs=1.1e-3
        )
        assert not clip.defects
    with av.open(str(path)) as file:
        whole = sum(1 for packet in file.demux() if packet.size)
    assert len(read) < 5 * whole  # nine readings, none of the whole file


@pytest.mark.parametrize(
    ("name", "audio", "rate"),
    [
        (
            "a.mp4",
            "aac",
            48000,
        ),  # AAC's noise substitution is off below: its random numbers depend on what was decoded before
        ("a.mp4", "aac", 44100),
        ("a.mkv", "flac", 44100),
        ("a.avi", "pcm_s16le", 16000),
        ("a.avi", "pcm_s16le", 48000),
    ],
)
def test_the_sound_of_a_span_is_that_of_a_full_decode(
    tmp_path: Path, name: str, audio: str, rate: int
) -> None:
    noise = (
        (0.3 * np.random.default_rng(0).standard_normal((1, 20 * rate)))
        .clip(-1, 1)
        .astype(np.float32)
    )
    tools = {"aac_pns": "0"} if audio == "aac" else {}
    path = write(
        tmp_path / name,
        500,
        codec="mpeg4",
        options={"g": "12"},
        audio=audio,
        rate=rate,
        sound=noise,
        audio_options=tools,
    )
    whole = decode(path, None, None, MEDIA).sound
    assert whole is not None and len(whole) == 20 * 16000
    for start_s, end_s in [(0.02, 0.5), (7.1234, 8.5), (19.0, 20.0)]:
        sound = decode(path, start_s, end_s, MEDIA).sound
        expected = whole[round(start_s * 16000) : round(end_s * 16000)]
        if name != "a.mkv":  # its times are rounded to 1 ms
            np.testing.assert_array_equal(sound, expected)
        assert sound is not None and abs(len(sound) - len(expected)) <= 16


@pytest.mark.parametrize(
    ("audio", "rate"), [("aac", 48000), ("aac", 44100), ("flac", 48000), ("aac", 16000)]
)
def test_sound_is_not_shifted(tmp_path: Path, audio: str, rate: int) -> None:
    clip = decode(write(tmp_path / "a.mp4", audio=audio, rate=rate), None, None, MEDIA)
    assert clip.sound is not None and len(clip.sound) == 32000
    expected = tone(32000, 16000, 1)[0]
    likeness = {
        late: np.corrcoef(clip.sound[100:-100], np.roll(expected, late)[100:-100])[0, 1]
        for late in (-1, 0, 1)
    }
    assert likeness[0] > 0.99 and max(likeness, key=likeness.__getitem__) == 0


def test_sound_that_starts_late_keeps_its_time(tmp_path: Path) -> None:
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
    assert clip.sound is not None and not clip.sound[:15900].any() and clip.sound[16100:16200].any()
    assert kinds(clip) == {"sound with holes"} and "1.0" in clip.defects[0].detail


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_16_khz_mono_passes_bit_by_bit(tmp_path: Path, suffix: str) -> None:
    samples = np.random.default_rng(0).integers(-(2**15), 2**15, 12345).astype(np.int16)
    soundfile.write(tmp_path / f"a.{suffix}", samples, 16000, subtype="PCM_16")
    np.testing.assert_array_equal(
        decode(tmp_path / f"a.{suffix}", None, None, MEDIA).sound, samples
    )
    np.testing.assert_array_equal(
        decode(tmp_path / f"a.{suffix}", 0.1, 0.5, MEDIA).sound, samples[1600:8000]
    )


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
        sound = np.zeros((len(weights), 16000), np.int16)
        sound[channel] = 16000
        with av.open(str(tmp_path / "a.wav"), "w") as file:
            stream = file.add_stream("pcm_s16le", rate=16000, layout=layout)
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(sound.T.reshape(1, -1)), format="s16", layout=layout
            )
            frame.sample_rate = 16000
            file.mux(stream.encode(frame))
            file.mux(stream.encode(None))
        mixed = decode(tmp_path / "a.wav", None, None, MEDIA).sound
        assert mixed is not None and len(mixed) == 16000
        assert np.abs(mixed - 16000 * weight / sum(weights)).max() <= 1


def test_an_impossible_sampling_rate_is_no_sound(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.ones(50_000), 16000, subtype="PCM_16")
    data = bytearray((tmp_path / "a.wav").read_bytes())
    data[24:28] = (1).to_bytes(4, "little")  # 50,000 s of sound, says the header
    (tmp_path / "a.wav").write_bytes(data)
    clip = decode(tmp_path / "a.wav", None, None, MEDIA)
    assert clip.sound is None and {"damaged sound", "no sound"} <= kinds(clip)


def test_pictures_are_shrunk_never_enlarged(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4")
    assert {pixels(p).shape for p in decode(path, None, None, MEDIA).pictures["frames_15"]} == {
        (32, 48, 3)
    }
    large = MediaParams(short_side=256, jpeg_quality=95)
    assert pixels(decode(path, None, None, large).pictures["frames_15"][0]).shape == (64, 96, 3)
    small = [
        len(
            decode(path, None, None, MediaParams(short_side=64, jpeg_quality=q))
            .pictures["frames_15"][3]
            .data
        )
        for q in (20, 95)
    ]
    assert small[0] < small[1]


def test_a_picture_in_both_samplings_is_encoded_once(tmp_path: Path) -> None:
    clip = decode(write(tmp_path / "a.mp4", 15), None, None, MEDIA)
    assert clip.pictures["frames_every10"][1] is clip.pictures["frames_15"][10]


def cut(path: Path, share: float) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def spoil(path: Path) -> Path:
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 2500] = (
        np.random.default_rng(0).integers(0, 256, 2500, np.uint8).tobytes()
    )
    path.write_bytes(data)
    return path


NOISY = {
    "sound": np.random.default_rng(1).standard_normal((1, 96000)).clip(-1, 1).astype(np.float32)
}
FAST = {"container": {"movflags": "faststart"}, **NOISY}


@pytest.mark.parametrize(
    ("make", "span", "has", "found"),
    [
        (
            lambda path: cut(write(path, **FAST), 0.6),
            (None, None),
            "both",
            {"sound cut short", "pictures cut short"},
        ),
        (lambda path: cut(write(path), 0.6), (None, None), "none", {"clip unreadable"}),
        (
            lambda path: cut(write(path.with_suffix(".avi"), codec="mpeg4"), 0.6),
            (None, None),
            "both",
            {"sound cut short"},
        ),
        (
            lambda path: spoil(write(path, options=B_FRAMES, **FAST)),
            (None, None),
            "both",
            {"damaged sound"},
        ),
        (lambda path: write(path, codec=None), (None, None), "sound", {"no pictures"}),
        (lambda path: write(path, audio=None), (None, None), "pictures", {"no sound"}),
        (lambda path: write(path), (1.0, 1.0), "none", {"empty span"}),
        (lambda path: write(path), (1.0, 0.5), "none", {"empty span"}),
        (lambda path: write(path), (1.0, 5.0), "both", {"sound cut short", "pictures cut short"}),
        (lambda path: write(path), (3.0, 5.0), "none", {"no sound", "no pictures"}),
        (lambda path: write(path), (-0.5, 1.0), "both", {"negative start"}),
        (lambda path: write(path), (-2.0, -1.0), "none", {"negative start", "empty span"}),
        (lambda path: write(path), (0.5, 0.505), "sound", {"no pictures"}),
        (lambda path: write(path, 2, sound=tone(2880, 48000, 1)), (None, None), "both", set()),
        (
            lambda path: write(path, sound=np.zeros((1, 96000), np.float32), audio="flac"),
            (None, None),
            "both",
            {"silent sound"},
        ),
        (lambda path: path, (None, None), "none", {"clip unreadable"}),
        (lambda path: path.mkdir() or path, (None, None), "none", {"clip unreadable"}),
        (lambda path: path.touch() or path, (None, None), "none", {"clip unreadable"}),
        (
            lambda path: path.write_text("no media " * 999) and path,
            (None, None),
            "none",
            {"clip unreadable"},
        ),
    ],
)
def test_bad_clips_lose_what_they_must_and_say_why(
    tmp_path: Path, make, span, has: str, found: set[str]
) -> None:
    clip = decode(make(tmp_path / "a.mp4"), *span, MEDIA)
    assert (clip.sound is not None) == (has in ("sound", "both")) and bool(clip.pictures) == (
        has in ("pictures", "both")
    )
    assert found <= kinds(clip) and (found or not clip.defects)
    assert all(
        "\n" not in defect.detail and str(tmp_path) not in defect.detail for defect in clip.defects
    )
    if clip.pictures:
        assert len(clip.pictures["frames_15"]) == 15
    if clip.sound is not None:
        assert len(clip.sound)


def test_where_packets_are_corrupt_the_next_picture_stands_and_says_so(tmp_path: Path) -> None:
    path = write(tmp_path / "a.avi", codec="mjpeg", options={"strict": "unofficial"}, audio=None)
    with av.open(str(path)) as file:
        at = [(packet.pos, packet.size) for packet in file.demux(video=0) if packet.size]
    data = bytearray(path.read_bytes())
    for number in (10, 11):
        data[at[number][0] : at[number][0] + at[number][1]] = bytes(at[number][1])
    path.write_bytes(data)
    clip = decode(path, None, None, MEDIA)
    assert [row[:2] for row in shown(clip)] == [(0, 0), (12, 12), (20, 20), (30, 30), (40, 40)]
    assert len(clip.pictures["frames_15"]) == 15
    assert "damaged pictures" in kinds(clip)


def test_black_pictures_are_kept_and_said(tmp_path: Path) -> None:
    black = (np.zeros((48, 64, 3), np.uint8) for _ in range(20))
    write_clip(tmp_path / "a.mp4", black, 10, np.full((32000, 2), 0.1, np.float32), 16000, MP4)
    clip = decode(tmp_path / "a.mp4", None, None, MEDIA)
    assert kinds(clip) == {"black pictures"} and len(clip.pictures["frames_15"]) == 15


def test_a_playlist_named_as_a_clip_opens_nothing_else(tmp_path: Path) -> None:
    write_sound(tmp_path / "other.wav", np.zeros((800, 1), np.float32), 16000)
    (tmp_path / "a.mp4").write_text("ffconcat version 1.0\nfile other.wav\n")
    clip = decode(tmp_path / "a.mp4", None, None, MEDIA)
    assert clip.sound is None and kinds(clip) == {"clip unreadable"}


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is read from /proc")
def test_memory_does_not_grow_with_the_length_of_a_clip(tmp_path: Path) -> None:
    for seconds in (3, 300):
        write(
            tmp_path / f"{seconds}.mp4", 5 * seconds, fps=5, codec="mpeg4", audio="flac", rate=16000
        )
    code = (
        "import re, sys\n"
        "from pathlib import Path\n"
        "from merflow.media.decode import decode\n"
        "from merflow.params import MediaParams\n"
        "for path in sys.argv[1:]:\n"
        "    clip = decode(Path(path), None, None, MediaParams(short_side=32, jpeg_quality=95))\n"
        "    peak = re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1]\n"
        "    print(peak, len(clip.sound), len(clip.pictures['frames_every10']))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "3.mp4"), str(tmp_path / "300.mp4")],
        capture_output=True,
        text=True,
        check=True,
    )
    (short, *_), (long, n_samples, n_pictures) = (
        map(int, line.split()) for line in run.stdout.splitlines()
    )
    assert (n_samples, n_pictures) == (300 * 16000, 150)
    assert (
        long - short < 50_000
    )  # KiB: 300 s of sound are 10 MB, and twice as much while it is put together


@pytest.mark.skipif(not REAL, reason="MERFLOW_REAL_DATA is not set")
def test_a_real_camera_file() -> None:
    path = Path(str(REAL)) / "ravdess" / "01-01-01-01-01-01-01.mp4"
    media = MediaParams(short_side=256, jpeg_quality=95)
    clip = decode(path, None, None, media)
    video, times = cv2.VideoCapture(str(path)), []
    while video.grab():
        times.append(video.get(cv2.CAP_PROP_POS_MSEC) / 1000)
    assert len(times) == 98  # 99 packets, the last outside the edit list
    assert [(p.frame, p.time_s) for p in clip.pictures["frames_every10"]] == [
        (n, pytest.approx(times[n])) for n in range(0, 98, 10)
    ]
    assert [p.frame for p in clip.pictures["frames_15"]] == uniform_15(98)
    assert pixels(clip.pictures["frames_15"][7]).shape == (256, 455, 3)
    assert (
        clip.sound is not None
        and len(clip.sound) == round(158558 / 48000 * 16000)
        and not clip.defects
    )
    with av.open(str(path)) as file:
        plain = [
            f.reformat(455, 256, "bgr24", interpolation="AREA").to_ndarray()
            for n, f in enumerate(file.decode(video=0))
            if n % 10 == 0
        ]
    for picture, expected in zip(clip.pictures["frames_every10"], plain, strict=True):
        assert (
            picture.data
            == cv2.imencode(".jpg", expected, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
        )


@pytest.mark.skipif(not REAL, reason="MERFLOW_REAL_DATA is not set")
def test_real_sound_passes_bit_by_bit() -> None:
    paths = sorted((Path(str(REAL)) / "ravdess").glob("*.flac"))[:40:4]
    assert len(paths) == 10
    for path in paths:
        np.testing.assert_array_equal(
            decode(path, None, None, MEDIA).sound, soundfile.read(path, dtype="int16")[0]
        )
