import os
import subprocess
import sys
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from support.tiny_clips import noise, number_of, tone, write

from merflow.media import decode as module
from merflow.media.decode import Clip, decode
from merflow.media.encode import MP4, write_audio, write_clip
from merflow.media.frames import SAMPLINGS, Frame, every_10th, uniform
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


def pixels(frame: Frame) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(frame.data, np.uint8), cv2.IMREAD_COLOR)


def numbers(clip: Clip, sampling: str = "frames_every10") -> list[tuple[int, int]]:
    """Index of each frame, and the number that it shows."""
    return [(frame.index, number_of(pixels(frame))) for frame in clip.frames[sampling]]


def times(clip: Clip, sampling: str = "frames_every10") -> list[float]:
    return [frame.time_s for frame in clip.frames[sampling]]


def jpeg(image: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()


def all_frames(path: Path, width: int, height: int) -> list[np.ndarray]:
    """Decode a file without skipping a frame."""
    with av.open(str(path)) as file:
        return [
            frame.reformat(width, height, "bgr24", interpolation="AREA").to_ndarray()
            for frame in file.decode(video=0)
        ]


def kinds(clip: Clip) -> set[str]:
    return {defect.kind for defect in clip.defects}


def media(clip: Clip) -> set[str | None]:
    return {defect.medium for defect in clip.defects}


def test_audio_of_another_file_leaves_the_frames_as_they_are(tmp_path):
    """Frames keep the times of their span; audio is whole, and defects are of what is used."""
    film = write(tmp_path / "dialogue.avi", 100, codec="mpeg4", audio="pcm_s16le", rate=16000)
    wav = tmp_path / "turn.wav"
    samples = tone(20_000, 16_000, 1)[0]
    write_audio(wav, samples, 16_000)
    both = decode(film, 1.0, 2.5, MEDIA)
    clip = decode(film, 1.0, 2.5, MEDIA, wav)
    assert clip.frames == both.frames and times(clip)[0] == 0.0
    assert len(both.audio) == 24_000
    np.testing.assert_allclose(clip.audio / 2**15, samples, atol=2**-15)
    assert clip.defects == []


def test_a_broken_file_of_audio_falls_back_on_the_clip(tmp_path):
    film = write(tmp_path / "dialogue.avi", 50, codec="mpeg4", audio="pcm_s16le", rate=16000)
    wav = tmp_path / "turn.wav"
    wav.write_bytes(b"broken")
    clip = decode(film, 0.5, 1.5, MEDIA, wav)
    assert len(clip.audio) == 16_000
    (defect,) = clip.defects
    assert (defect.kind, defect.medium) == ("no sound", "audio")
    assert defect.action == "sound of the clip used"


def test_samplings() -> None:
    assert every_10th(31) == [0, 10, 20, 30] and every_10th(1) == [0] and every_10th(0) == []
    assert uniform(150) == list(range(5, 150, 10))
    assert uniform(15) == list(range(15))
    assert uniform(2) == [0] * 7 + [1] * 8  # (7 + 0.5) * 2 / 15 = 1
    assert uniform(0) == []


@pytest.mark.parametrize("name", FORMS)
def test_indices_times_and_frames_belong_together(tmp_path: Path, name: str) -> None:
    clip = decode(write(tmp_path / name, **FORMS[name]), None, None, MEDIA)
    assert not clip.defects
    assert numbers(clip) == [(n, n) for n in range(0, 50, 10)]
    assert times(clip) == pytest.approx([n / 25 for n in range(0, 50, 10)], abs=1e-3)
    assert numbers(clip, "frames_15") == [(n, n) for n in uniform(50)]
    assert not clip.frames["frames_dense"]


def test_dense_frames_are_as_many_as_asked_for(tmp_path: Path) -> None:
    media = MEDIA.model_copy(update={"dense_frames": 30})
    clip = decode(write(tmp_path / "a.mp4", 50), None, None, media)
    assert [index for index, _ in numbers(clip, "frames_dense")] == uniform(50, 30)
    assert len(clip.frames["frames_15"]) == 15


def test_times_of_a_clip_with_varying_frame_rate(tmp_path: Path) -> None:
    ticks = np.cumsum(np.random.default_rng(0).integers(20, 120, 64)).tolist()
    ticks[0] = 0
    path = write(tmp_path / "vfr.mp4", 64, ticks=ticks, options={"bf": "2"})
    clip = decode(path, None, None, MEDIA)
    assert numbers(clip) == [(n, n) for n in range(0, 64, 10)]
    assert times(clip) == pytest.approx([tick / 1000 for tick in ticks[::10]])
    span = decode(path, ticks[20] / 1000, ticks[40] / 1000, MEDIA)
    assert numbers(span) == [(0, 20), (10, 30)]
    assert times(span) == pytest.approx([0.0, (ticks[30] - ticks[20]) / 1000])


@pytest.mark.parametrize("name", ["b.mp4", "b.mkv", "b.avi", "plain.mp4"])
def test_opencv_shows_the_same_frames_at_the_same_times(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, **FORMS[name])
    video, expected = cv2.VideoCapture(str(path)), {}
    while True:
        success, image = video.read()
        if not success:
            break
        expected[number_of(image)] = video.get(cv2.CAP_PROP_POS_MSEC) / 1000
    assert list(expected) == list(range(50))
    late = expected[0]  # OpenCV counts an AVI's delay of decoding as time
    clip = decode(path, None, None, MEDIA)
    for sampling in SAMPLINGS:
        for (index, number), time_s in zip(
            numbers(clip, sampling), times(clip, sampling), strict=True
        ):
            assert index == number and time_s == pytest.approx(expected[number] - late, abs=1.1e-3)


@pytest.mark.parametrize("name", FORMS)
def test_skipping_frames_changes_no_kept_frame(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, **FORMS[name])
    images = all_frames(path, 48, 32)
    for frames in decode(path, None, None, MEDIA).frames.values():
        assert all(frame.data == jpeg(images[frame.index]) for frame in frames)


@pytest.mark.parametrize("name", FORMS)
def test_a_span_has_the_frames_of_a_full_decode(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / name, 500, **FORMS[name])
    read = []
    packets = module._Reading._packets

    def counted(self, streams):
        for packet in packets(self, streams):
            read.append(packet)
            yield packet

    monkeypatch.setattr(module._Reading, "_packets", counted)
    for first, last in [(1, 12), (40, 47), (287, 324), (299, 300), (480, 500)]:
        clip = decode(path, first / 25, last / 25, MEDIA)
        inside, places = range(first, last), uniform(last - first)
        assert numbers(clip) == list(enumerate(inside))[::10]
        assert numbers(clip, "frames_15") == [(index, inside[index]) for index in places]
        assert times(clip, "frames_15")[0] == pytest.approx(places[0] / 25, abs=1.1e-3)
        assert not clip.defects
    with av.open(str(path)) as file:
        whole = sum(1 for packet in file.demux() if packet.size)
    assert len(read) < 5 * whole  # nine readings, none of the whole file


def frames_15(path: Path, short_side: int, jpeg_quality: int) -> list[Frame]:
    params = MediaParams(short_side=short_side, jpeg_quality=jpeg_quality)
    return decode(path, None, None, params).frames["frames_15"]


def test_frames_are_shrunk_never_enlarged(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4")
    assert {pixels(frame).shape for frame in frames_15(path, 32, 95)} == {(32, 48, 3)}
    assert {pixels(frame).shape for frame in frames_15(path, 256, 95)} == {(64, 96, 3)}


def test_a_lower_quality_makes_smaller_frames(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4")
    low, high = (frames_15(path, 64, quality)[3] for quality in (20, 95))
    assert len(low.data) < len(high.data)


def test_a_frame_in_both_samplings_is_encoded_once(tmp_path: Path) -> None:
    clip = decode(write(tmp_path / "a.mp4", 15), None, None, MEDIA)
    assert clip.frames["frames_every10"][1] is clip.frames["frames_15"][10]


def cut(path: Path, share: float) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def spoil(path: Path) -> Path:
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    junk = np.random.default_rng(0).integers(0, 256, 2500, np.uint8).tobytes()
    data[middle : middle + len(junk)] = junk
    path.write_bytes(data)
    return path


FAST = {"container": {"movflags": "faststart"}, "samples": noise(96000)}
WHOLE = (None, None)
CUT_SHORT = {"sound cut short", "pictures cut short"}


@pytest.mark.parametrize(
    ("make", "span", "has", "defects"),
    [
        (lambda path: cut(write(path, **FAST), 0.6), WHOLE, "both", CUT_SHORT),
        (lambda path: cut(write(path), 0.6), WHOLE, "none", {"clip unreadable"}),
        (
            lambda path: cut(write(path.with_suffix(".avi"), codec="mpeg4"), 0.6),
            WHOLE,
            "both",
            {"sound cut short"},
        ),
        (
            lambda path: spoil(write(path, options=B_FRAMES, **FAST)),
            WHOLE,
            "both",
            {"damaged sound"},
        ),
        (lambda path: write(path, codec=None), WHOLE, "audio", {"no pictures"}),
        (lambda path: write(path, audio=None), WHOLE, "frames", {"no sound"}),
        (lambda path: write(path), (1.0, 1.0), "none", {"empty span"}),
        (lambda path: write(path), (1.0, 0.5), "none", {"empty span"}),
        (lambda path: write(path), (1.0, 5.0), "both", CUT_SHORT),
        (lambda path: write(path), (3.0, 5.0), "none", {"no sound", "no pictures"}),
        (lambda path: write(path), (-0.5, 1.0), "both", {"negative start"}),
        (lambda path: write(path), (-2.0, -1.0), "none", {"negative start", "empty span"}),
        (lambda path: write(path), (0.5, 0.505), "audio", {"no pictures"}),
        (lambda path: write(path, 2, samples=tone(2880, 48000, 1)), WHOLE, "both", set()),
        (
            lambda path: write(path, samples=np.zeros((1, 96000), np.float32), audio="flac"),
            WHOLE,
            "both",
            {"silent sound"},
        ),
        (lambda path: path, WHOLE, "none", {"clip unreadable"}),
        (lambda path: path.mkdir() or path, WHOLE, "none", {"clip unreadable"}),
        (lambda path: path.touch() or path, WHOLE, "none", {"clip unreadable"}),
        (
            lambda path: path.write_text("no media " * 999) and path,
            WHOLE,
            "none",
            {"clip unreadable"},
        ),
    ],
)
def test_bad_clips_lose_what_they_must_and_say_why(
    tmp_path: Path, make, span, has: str, defects: set[str]
) -> None:
    clip = decode(make(tmp_path / "a.mp4"), *span, MEDIA)
    assert (clip.audio is not None) == (has in ("audio", "both"))
    assert bool(clip.frames) == (has in ("frames", "both"))
    assert defects <= kinds(clip) and (defects or not clip.defects)
    for defect in clip.defects:
        assert "\n" not in defect.detail and str(tmp_path) not in defect.detail
        words = {"audio": "sound", "frames": "pictures", None: ""}
        assert words[defect.medium] in defect.kind
    if clip.frames:
        assert len(clip.frames["frames_15"]) == 15
    if clip.audio is not None:
        assert len(clip.audio)


def test_the_next_frame_replaces_a_corrupt_one(tmp_path: Path) -> None:
    path = write(tmp_path / "a.avi", codec="mjpeg", options={"strict": "unofficial"}, audio=None)
    with av.open(str(path)) as file:
        packets = [(packet.pos, packet.size) for packet in file.demux(video=0) if packet.size]
    data = bytearray(path.read_bytes())
    for start, size in packets[10:12]:
        data[start : start + size] = bytes(size)
    path.write_bytes(data)
    clip = decode(path, None, None, MEDIA)
    assert numbers(clip) == [(0, 0), (12, 12), (20, 20), (30, 30), (40, 40)]
    assert len(clip.frames["frames_15"]) == 15
    assert "damaged pictures" in kinds(clip)


def test_black_frames_are_kept_and_a_defect(tmp_path: Path) -> None:
    black = (np.zeros((48, 64, 3), np.uint8) for _ in range(20))
    write_clip(tmp_path / "a.mp4", black, 10, np.full((32000, 2), 0.1, np.float32), 16000, MP4)
    clip = decode(tmp_path / "a.mp4", None, None, MEDIA)
    assert (kinds(clip), media(clip)) == ({"black pictures"}, {"frames"})
    assert len(clip.frames["frames_15"]) == 15


def test_a_playlist_named_as_a_clip_opens_nothing_else(tmp_path: Path) -> None:
    write_audio(tmp_path / "other.wav", np.zeros((800, 1), np.float32), 16000)
    (tmp_path / "a.mp4").write_text("ffconcat version 1.0\nfile other.wav\n")
    clip = decode(tmp_path / "a.mp4", None, None, MEDIA)
    assert clip.audio is None and kinds(clip) == {"clip unreadable"}


PEAK = """
import re, sys
from pathlib import Path
from merflow.media.decode import decode
from merflow.params import MediaParams
for path in sys.argv[1:]:
    clip = decode(Path(path), None, None, MediaParams(short_side=32, jpeg_quality=95))
    peak = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]
    print(peak, len(clip.audio), len(clip.frames["frames_every10"]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is read from /proc")
def test_memory_does_not_grow_with_the_length_of_a_clip(tmp_path: Path) -> None:
    short, long = tmp_path / "3.mp4", tmp_path / "300.mp4"
    for path in (short, long):
        n_frames = 5 * int(path.stem)
        write(path, n_frames, fps=5, codec="mpeg4", audio="flac", rate=16000)
    command = [sys.executable, "-c", PEAK, str(short), str(long)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = [[int(number) for number in line.split()] for line in run.stdout.splitlines()]
    (short_kib, *_), (long_kib, n_samples, n_frames) = lines
    assert (n_samples, n_frames) == (300 * 16000, 150)
    # 300 s of audio are 10 MB, and twice as much while it is put together
    assert long_kib - short_kib < 50_000


@pytest.mark.skipif(not REAL, reason="MERFLOW_REAL_DATA is not set")
def test_a_real_camera_file() -> None:
    path = Path(str(REAL)) / "ravdess" / "01-01-01-01-01-01-01.mp4"
    clip = decode(path, None, None, MediaParams(short_side=256, jpeg_quality=95))
    video, expected = cv2.VideoCapture(str(path)), []
    while video.grab():
        expected.append(video.get(cv2.CAP_PROP_POS_MSEC) / 1000)
    assert len(expected) == 98  # 99 packets, the last outside the edit list
    every_10, spread = clip.frames["frames_every10"], clip.frames["frames_15"]
    assert [frame.index for frame in every_10] == list(range(0, 98, 10))
    assert times(clip) == pytest.approx(expected[::10])
    assert [frame.index for frame in spread] == uniform(98)
    assert pixels(spread[7]).shape == (256, 455, 3)
    assert clip.audio is not None and len(clip.audio) == round(158558 / 48000 * 16000)
    assert not clip.defects
    images = all_frames(path, 455, 256)
    assert all(frame.data == jpeg(images[frame.index]) for frame in every_10)
