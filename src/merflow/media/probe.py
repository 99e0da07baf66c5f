"""Read the header and index of a media file, and hardly more (PyAV, https://pyav.org).

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
from merflow.media.streams import Choice, choose
from merflow.pointers import pointer
from merflow.progress import track

#: Container by FFmpeg's name -> endings of its files. None of them can refer to another file: no
#: playlists, no lists of images.
CONTAINERS = {
    "aac": ".aac .adts",
    "ac3": ".ac3",
    "aiff": ".aif .aifc .aiff",
    "amr": ".amr .awb",
    "asf": ".asf .wma .wmv",
    "au": ".au .snd",
    "avi": ".avi",
    "caf": ".caf",
    "eac3": ".ec3 .eac3",
    "flac": ".flac",
    "flv": ".flv",
    "matroska": ".mka .mkv .webm",
    "mov": ".3g2 .3gp .f4v .m4a .m4b .m4v .mov .mp4 .qt",
    "mp3": ".mp2 .mp3",
    "mpeg": ".mpeg .mpg .vob",
    "mpegts": ".m2ts .mts .ts",
    "ogg": ".oga .ogg .ogv .opus .spx",
    "w64": ".w64",
    "wav": ".wav .wave",
}
#: Endings of the files that can be opened, in small letters.
ENDINGS = tuple(sorted(ending for endings in CONTAINERS.values() for ending in endings.split()))
#: Options of ``av.open`` for a foreign file.
OPTIONS = {"protocol_whitelist": "file", "format_whitelist": ",".join(CONTAINERS)}
SLACK_S = 0.5  # lengths in headers are rounded to packets


@dataclass(frozen=True)
class Probe:
    """Facts about a media file.

    Attributes:
        duration_s: length in seconds.
        has_audio, has_video: True if the file has such a stream, and it can be decoded.
    """

    duration_s: float
    has_audio: bool = False
    has_video: bool = False

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
        MediaError: the file is absent, empty, cut short, not a media file, or without audio and
            video that can be decoded.
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
        with open_media(path) as container:
            return _cut_short(container, size) or _facts(choose(container))
    except (av.FFmpegError, OSError, ValueError) as error:
        return f"not a readable media file ({getattr(error, 'strerror', None) or error})"


def open_media(path: str | Path) -> Any:
    """Open a foreign file, and nothing that it refers to.

    Raises:
        av.FFmpegError, OSError, ValueError: it is not a media file.
    """
    return av.open(f"file:{path}", options=OPTIONS, metadata_errors="replace")


def _cut_short(container: Any, size: int) -> str | None:
    """Reason if the data end before the index says.

    An MP4 with its index in front opens all the same.
    """
    ends = (
        entry.pos + entry.size for stream in container.streams for entry in stream.index_entries
    )
    last = max(ends, default=0)
    if "mp4" in container.format.name and last > size:
        return f"cut short ({size} bytes, its index names {last}); get it again"
    return None


def _facts(choice: Choice) -> Probe | str:
    return choice.obstacle or Probe(
        duration_s=choice.length_s,
        has_audio=choice.audio is not None,
        has_video=choice.video is not None,
    )
