"""Containers: the same frames, times and audio out of each, and nothing beyond the file."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.tiny_clips import number_of, write

from merflow.media.decode import decode
from merflow.media.probe import CONTAINERS, ENDINGS, open_media, probe
from merflow.params import MediaParams

MEDIA = MediaParams(short_side=32, jpeg_quality=95)
H264 = {"options": {"bf": "2", "g": "25"}}
MPEG2 = {"codec": "mpeg2video", "options": {"bf": "2", "g": "12", "sc_threshold": "1000000000"}}
WMA = {"audio": "wmav2", "layout": "stereo", "audio_options": {"b": "128000"}}
VIDEO: dict[str, dict[str, Any]] = {
    "a.3g2": {"codec": "mpeg4"},
    "a.f4v": H264,
    "a.flv": H264,
    "a.m2ts": {**H264, "audio": "ac3"},
    "a.m4v": H264,
    "a.mov": {"codec": "mpeg4", "audio": "pcm_s16le"},
    "a.mpg": {**MPEG2, "audio": "mp2"},
    "a.mts": {**H264, "audio": "ac3"},
    "a.ts": H264,
    "a.vob": {**MPEG2, "audio": "ac3"},
    "a.webm": {"codec": "libvpx-vp9", "audio": "libopus", "options": {"cpu-used": "8"}},
    "a.wmv": {"codec": "wmv2", **WMA},
}
AUDIO: dict[str, dict[str, Any]] = {
    "a.aac": {"audio": "aac"},
    "a.ac3": {"audio": "ac3"},
    "a.aifc": {"audio": "pcm_s16le"},
    "a.aiff": {"audio": "pcm_s16be"},
    "a.amr": {"audio": "libopencore_amrnb", "rate": 8000},
    "a.au": {"audio": "pcm_s16be"},
    "a.caf": {"audio": "alac"},
    "a.eac3": {"audio": "eac3"},
    "a.m4b": {"audio": "aac"},
    "a.mka": {"audio": "flac"},
    "a.mp2": {"audio": "mp2"},
    "a.mp3": {"audio": "libmp3lame"},
    "a.oga": {"audio": "flac"},
    "a.opus": {"audio": "libopus"},
    "a.w64": {"audio": "pcm_s24le"},
    "a.wma": WMA,
}


@pytest.mark.parametrize("name", VIDEO)
def test_video_of_every_container(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, 75, **VIDEO[name])
    facts = probe(path)
    assert path.suffix in ENDINGS and facts.has_audio and facts.has_video
    clip, span = decode(path, None, None, MEDIA), decode(path, 1.6, 2.4, MEDIA)
    assert clip.audio is not None and span.audio is not None and not clip.defects + span.defects
    shown = [(frame.index, number_of(_pixels(frame))) for frame in clip.frames["frames_every10"]]
    assert shown == [(number, number) for number in range(0, 75, 10)]
    # the first frame may come a few hundredths of a second after the first sample
    (first, second) = (number_of(_pixels(frame)) for frame in span.frames["frames_every10"])
    assert second == first + 10 and abs(first - 40) <= 3
    assert abs(len(clip.audio) - 48000) < 2000 and len(span.audio) == 12800


@pytest.mark.parametrize("name", AUDIO)
def test_audio_of_every_container(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, codec=None, **AUDIO[name])
    facts = probe(path)
    assert path.suffix in ENDINGS and facts.has_audio and not facts.has_video
    assert facts.duration_s == pytest.approx(2, abs=0.05)
    clip = decode(path, None, None, MEDIA)
    assert clip.audio is not None and len(clip.audio) == pytest.approx(32000, abs=800)
    assert 8000 < np.abs(clip.audio.astype(int)).max() < 15000
    assert [defect.kind for defect in clip.defects] == ["no pictures"]


def test_containers_with_other_files_in_them_stay_closed(tmp_path: Path) -> None:
    lists = ("concat", "dash", "hls", "image2", "sdp", "tedcaptions", "webm_dash_manifest")
    assert not set(lists) & set(CONTAINERS)
    write(tmp_path / "other.ts", codec=None)
    name = tmp_path / "other.ts"
    playlists = {
        "a.ts": f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{name}\n#EXT-X-ENDLIST\n",
        "a.mpg": f"ffconcat version 1.0\nfile {name}\n",
        "a.asf": f"[Reference]\nRef1=file://{name}\n",
        "a.wmv": f'<asx version="3.0"><entry><ref href="file://{name}"/></entry></asx>',
    }
    for ending, text in playlists.items():
        (tmp_path / ending).write_text(text)
        with pytest.raises((OSError, ValueError)):
            open_media(tmp_path / ending)


def test_endings_are_sorted_and_in_small_letters() -> None:
    assert list(ENDINGS) == sorted(set(ENDINGS))
    assert all(ending.startswith(".") and ending == ending.lower() for ending in ENDINGS)


def _pixels(frame: Any) -> np.ndarray:
    import cv2

    return cv2.imdecode(np.frombuffer(frame.data, np.uint8), cv2.IMREAD_COLOR)
