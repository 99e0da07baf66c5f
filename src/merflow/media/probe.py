"""What a media file holds, from its header and index: no decoding (PyAV, https://pyav.org).

Foreign files are hostile until checked: only plain containers may be opened, so that a "clip" that is really a
playlist cannot make the decoder read other files or the network.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import av

from merflow.errors import MediaError
from merflow.progress import track

#: Options of ``av.open`` for a file that is not ours.
OPTIONS = {"protocol_whitelist": "file", "format_whitelist": "avi,flac,matroska,mov,mp3,ogg,wav"}
SLACK_S = 0.5  # lengths in headers are rounded to packets


@dataclass(frozen=True)
class Probe:
    """Length in seconds, number of streams, and the first stream of each kind (None: the file has none)."""

    duration_s: float
    n_streams: int
    channels: int | None = None
    rate_hz: int | None = None
    width: int | None = None
    height: int | None = None
    fps: float | None = None

    @property
    def has_audio(self) -> bool:
        """True if there is sound."""
        return self.channels is not None

    @property
    def has_video(self) -> bool:
        """True if there are pictures."""
        return self.width is not None

    def part(self, start_s: float, end_s: float) -> tuple[float, float] | None:
        """The span as far as the file reaches; None if nothing is left. An end up to SLACK_S too late stays."""
        if start_s >= self.duration_s or end_s <= start_s:
            return None
        return start_s, end_s if end_s <= self.duration_s + SLACK_S else self.duration_s


def probe(path: Path) -> Probe:
    """Open `path` and read what it says about itself; remembered until the file changes.

    Raises:
        MediaError: the file is absent, empty, cut short, of zero length, no media file, or without sound and pictures.
    """
    found = _probe_or_reason(path)
    if isinstance(found, str):
        raise MediaError(f"{path}: {found}")
    return found


def probe_all(paths: Sequence[Path], what: str) -> dict[Path, Probe | str]:
    """`probe` of every path, or why it cannot be used; logs how far it is, with `what` as the name of the files.

    Threads pay: opening a file releases Python's lock (4 ms per clip with two threads, 9 ms with one).
    """
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        return dict(
            zip(paths, track(pool.map(_probe_or_reason, paths), what, len(paths)), strict=True)
        )


def _probe_or_reason(path: Path) -> Probe | str:
    try:
        stat = Path(path).stat()
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return _read(str(path), stat.st_size, stat.st_mtime_ns) if stat.st_size else "an empty file"


@lru_cache(maxsize=65536)
def _read(path: str, size: int, modified_ns: int) -> Probe | str:
    try:
        with av.open(f"file:{path}", options=OPTIONS, metadata_errors="replace") as container:
            streams = container.streams
            audio, video = next(iter(streams.audio), None), next(iter(streams.video), None)
            lengths = [
                float(s.duration * s.time_base)
                for s in streams
                if s.duration is not None and s.time_base is not None
            ]
            duration_s = (
                container.duration / av.time_base
                if container.duration is not None
                else max(lengths, default=0.0)
            )
            if not (audio or video):
                return "neither sound nor pictures in it"
            if duration_s <= 0:
                return "of zero length"
            # an mp4 whose index stands in front opens although its data are cut off
            last = max(
                (entry.pos + entry.size for s in streams for entry in s.index_entries), default=0
            )
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
    except (av.FFmpegError, OSError, ValueError) as error:
        return f"not a readable media file ({getattr(error, 'strerror', None) or error})"
