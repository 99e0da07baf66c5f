import os
import wave
from pathlib import Path

import av
import numpy as np
import pytest

from merflow.errors import MediaError
from merflow.media.probe import Probe, probe, probe_all

REAL = os.environ.get("MERFLOW_REAL_DATA")


def write_clip(path: Path, faststart: bool = False) -> Path:
    options = {"movflags": "faststart"} if faststart else {}
    with av.open(str(path), "w", options=options) as container:
        video = container.add_stream("mpeg4", rate=10)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        rng = np.random.default_rng(0)
        for _ in range(5):
            noise = rng.integers(0, 255, (48, 64, 3), np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(noise, format="rgb24")))
        container.mux(video.encode())
    return path


def write_wav(path: Path, n_samples: int) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(4 * n_samples))
    return path


def test_reads_the_header_of_a_clip(tmp_path: Path) -> None:
    video = probe(write_clip(tmp_path / "a.mp4"))
    assert video == Probe(duration_s=0.5, has_video=True)
    audio = probe(write_wav(tmp_path / "a.wav", 2000))
    assert audio == Probe(duration_s=0.25, has_audio=True)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path, "cannot be read"),
        (lambda path: path.write_bytes(b""), "an empty file"),
        (lambda path: path.write_bytes(b"no media at all" * 99), "not a readable media file"),
        (lambda path: write_wav(path, 0), "has no data|not a readable"),
    ],
)
def test_refuses_in_one_line(tmp_path: Path, make, reason: str) -> None:
    path = tmp_path / "clip.wav"
    make(path)
    with pytest.raises(MediaError, match=reason) as error:
        probe(path)
    assert str(error.value).startswith(f"{path}: ") and "\n" not in str(error.value)


def test_finds_an_mp4_without_index(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4")
    data = path.read_bytes()
    assert data.index(b"moov") > data.index(b"mdat")
    path.write_bytes(data[: data.index(b"moov") - 4])
    with pytest.raises(MediaError, match="not a readable media file"):
        probe(path)


def test_finds_an_mp4_whose_data_are_cut_off_behind_the_index(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", faststart=True)
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    assert probe(path).duration_s == 0.5
    path.write_bytes(data[:-100])
    with pytest.raises(MediaError, match="cut short"):
        probe(path)


def test_a_playlist_named_as_a_clip_opens_nothing_else(tmp_path: Path) -> None:
    write_wav(tmp_path / "other.wav", 2000)
    playlists = {
        "hls.mp4": "#EXTM3U\n#EXTINF:1,\nother.wav\n#EXT-X-ENDLIST\n",
        "concat.mp4": "ffconcat version 1.0\nfile other.wav\n",
    }
    for name, text in playlists.items():
        (tmp_path / name).write_text(text)
        with pytest.raises(MediaError, match="not a readable media file"):
            probe(tmp_path / name)


def test_a_name_is_never_taken_for_a_protocol(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_wav(tmp_path / "plain.wav", 800)
    Path("data:a.wav").write_bytes(Path("plain.wav").read_bytes())
    assert probe(Path("data:a.wav")).duration_s == 0.1


def test_a_replaced_file_is_read_again(tmp_path: Path) -> None:
    assert probe(write_wav(tmp_path / "a.wav", 800)).duration_s == 0.1
    assert probe(write_wav(tmp_path / "a.wav", 1600)).duration_s == 0.2


def test_many_at_once_keep_their_order_and_their_reasons(tmp_path: Path) -> None:
    paths = [write_wav(tmp_path / f"{n}.wav", 80 * n) for n in range(1, 20)]
    paths[3].write_bytes(b"")
    results = probe_all(paths, "clips")
    assert list(results) == paths
    assert results[paths[3]] == "an empty file"
    lengths = [result.duration_s for result in results.values() if isinstance(result, Probe)]
    assert lengths == pytest.approx([n / 100 for n in range(1, 20) if n != 4])


def test_a_span_ends_with_the_clip() -> None:
    clip = Probe(duration_s=10.0, has_audio=True)
    assert clip.bounded(2.0, 4.0) == (2.0, 4.0)
    assert clip.bounded(8.0, 10.4) == (8.0, 10.4)  # within the slack
    assert clip.bounded(8.0, 12.0) == (8.0, 10.0)
    assert clip.bounded(10.0, 12.0) is None
    assert clip.bounded(4.0, 4.0) is None


@pytest.mark.skipif(not REAL, reason="MERFLOW_REAL_DATA is not set")
def test_a_real_camera_file() -> None:
    clip = probe(Path(str(REAL)) / "ravdess" / "01-01-01-01-01-01-01.mp4")
    assert clip.has_audio and clip.has_video
    assert clip.duration_s == pytest.approx(3.3033)
