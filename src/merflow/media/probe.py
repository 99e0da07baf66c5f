"""Read the header and index of a media file, without decoding (PyAV, https://pyav.org).

Foreign files are hostile until checked. Only plain containers may be opened: a playlist that is
named as a clip must not make the decoder read other files or the network.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import av

from merflow.errors import MediaError
from merflow.pointers import pointer
from merflow.progress import track

#: Options of ``av.open`` for a foreign file.
OPTIONS = {"protocol_whitelist": "file", "format_whitelist": "avi,flac,matroska,mov,mp3,ogg,wav"}
#: Endings of the files that OPTIONS open; in a folder, files with other endings are not clips.
ENDINGS = (
    *(".3g2", ".3gp", ".avi", ".flac", ".m4a", ".m4v", ".mka", ".mkv", ".mov", ".mp3", ".mp4"),
    *(".oga", ".ogg", ".ogv", ".opus", ".wav", ".webm"),
)
SLACK_S = 0.5  # lengths in headers are rounded to packets


@dataclass(frozen=True)
class Probe:
    """Facts about a media file.

    Attributes:
        duration_s: length in seconds.
        n_streams: number of streams.
        channels, rate_hz: of the first audio stream; None: there is none.
        width, height, fps: of the first video stream; None: there is none.
    """

    duration_s: float
    n_streams: int
    channels: int | None = None
    rate_hz: int | None = None
    width: int | None = None
    height: int | None = None
    fps: float | None = None

    @property
    def has_audio(self) -> bool:
        """True if the file has an audio stream."""
        return self.channels is not None

    @property
    def has_video(self) -> bool:
        """True if the file has a video stream."""
        return self.width is not None

    def bounded(self, start_s: float, end_s: float) -> tuple[float, float] | None:
        """Cut a span at the end of the file; None if nothing is left.

        An end that is up to SLACK_S too late stays.
        """
        if start_s >= self.duration_s or end_s <= start_s:
            return None
        return start_s, end_s if end_s <= self.duration_s + SLACK_S else self.duration_s


def probe(path: Path) -> Probe:
    """Open `path` and read its header; cached until the file changes.

    Raises:
        MediaError: the file is absent, empty, cut short, of zero length, not a media file, or
            without audio and video.
    """
    result = _probe_or_reason(path)
    if isinstance(result, str):
        raise MediaError(f"{path}: {result}")
    return result


def probe_all(paths: Sequence[Path], what: str) -> dict[Path, Probe | str]:
    """Probe every path; the value of an unusable file is the reason.

    Threads pay: opening a file releases Python's lock (4 ms per clip with two threads, 9 ms with
    one).

    Args:
        paths: files to open.
        what: name of the files in progress messages.
    """
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        results = track(pool.map(_probe_or_reason, paths), what, len(paths))
        return dict(zip(paths, results, strict=True))


def _probe_or_reason(path: Path) -> Probe | str:
    try:
        stat = Path(path).stat()
    except OSError as error:
        return pointer(path) or f"cannot be read ({error.strerror})"
    if not stat.st_size:
        return "an empty file"
    result = _read(str(path), stat.st_size, stat.st_mtime_ns)
    return pointer(path) or result if isinstance(result, str) else result


@lru_cache(maxsize=65536)
def _read(path: str, size: int, modified_ns: int) -> Probe | str:
    try:
        with av.open(f"file:{path}", options=OPTIONS, metadata_errors="replace") as container:
            return _facts(container, size)
    except (av.FFmpegError, OSError, ValueError) as error:
        return f"not a readable media file ({getattr(error, 'strerror', None) or error})"


def _facts(container: Any, size: int) -> Probe | str:
    streams = container.streams
    audio, video = next(iter(streams.audio), None), next(iter(streams.video), None)
    duration_s = _duration_s(container)
    if not (audio or video):
        return "neither sound nor pictures in it"
    if duration_s <= 0:
        return "of zero length"
    # an MP4 with its index in front opens although its data are cut off
    ends = (entry.pos + entry.size for stream in streams for entry in stream.index_entries)
    last = max(ends, default=0)
    if "mp4" in container.format.name and last > size:
        return f"cut short ({size} bytes, its index names {last}); get it again"
    return Probe(
        duration_s=duration_s,
        n_streams=len(streams),
        channels=audio.codec_context.channels if audio else None,
        rate_hz=audio.codec_context.sample_rate if audio else None,
        width=video.codec_context.width if video else None,
        height=video.codec_context.height if video else None,
        fps=float(video.average_rate) if video and video.average_rate else None,
    )


def _duration_s(container: Any) -> float:
    if container.duration is not None:
        return container.duration / av.time_base
    lengths = (
        float(stream.duration * stream.time_base)
        for stream in container.streams
        if stream.duration is not None and stream.time_base is not None
    )
    return max(lengths, default=0.0)
