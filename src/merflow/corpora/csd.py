"""Computational sequences (.csd) of CMU-MultimodalSDK: HDF5 files of features and time intervals.

Layout ``<root name>/data/<video>/{features,intervals}``,
https://github.com/CMU-MultiComp-Lab/CMU-MultimodalSDK. The files come from anywhere: nothing in a
file may point outside it or be larger than plausible.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import h5py
import numpy as np

from merflow.corpora.transcripts import decode_published, refuse_pointer
from merflow.errors import CorpusError

Kind = Literal["number", "text"]
WORDS = "CMU_MOSEI_TimestampedWords.csd"
PAUSE = "sp"  # in place of a word
#: Largest array. The words of an hour take a third of it.
MAX_BYTES = 2**20
#: Largest array of frames. An hour of COVAREP (100 per second, 74 columns, float32) takes 107 MB.
MAX_FRAMES_BYTES = 2**28


@dataclass(frozen=True)
class Sequence:
    """One video of a computational sequence.

    Attributes:
        features: (n, d), in the type of the file.
        intervals: (n, 2), in seconds.
    """

    features: np.ndarray
    intervals: np.ndarray


class Reader:
    """An open .csd file, read as data one video at a time; a context manager.

    Attributes:
        videos: names, sorted.
    """

    def __init__(self, path: Path, columns: int, kind: Kind, max_bytes: int = MAX_BYTES):
        """Open `path`.

        Args:
            path: HDF5 file.
            columns: width of features.
            kind: type of features.
            max_bytes: largest array; a larger one is refused.

        Raises:
            CorpusError: not a computational sequence, or a pointer to one.
        """
        refuse_pointer(path)
        self._path, self._columns, self._kind, self._max_bytes = path, columns, kind, max_bytes
        with self._one_line():
            self._file = h5py.File(path, "r")
            roots = [name for name in self._file if _is_root(self._file, name)]
            if len(roots) != 1:
                raise CorpusError(
                    f"{path}: expected one group <name>/data, found {len(roots)}; "
                    "not a computational sequence"
                )
            self._data = self._file[roots[0]]["data"]
            self.videos = sorted(self._data)
        if not self.videos:
            raise CorpusError(f"{path}: no videos in it; get it again")

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def read(self, video: str) -> Sequence:
        """Read the sequence of one of `videos`. Features may be infinite or NaN.

        Raises:
            CorpusError: unexpected structure, shape or type, another number of intervals than of
                features, or an interval that is not finite; names the video.
        """
        where = f"{self._path}: video {video}"
        with self._one_line():
            if not _is_local(self._data, video, h5py.Group):
                raise CorpusError(f"{where}: not a group of features and intervals")
            features = self._array(video, "features", self._columns, self._kind)
            intervals = self._array(video, "intervals", 2, "number").astype(np.float64)
        if len(features) != len(intervals):
            raise CorpusError(f"{where}: {len(features)} features for {len(intervals)} intervals")
        if not np.isfinite(intervals).all():
            raise CorpusError(f"{where}: intervals hold values that are not finite")
        return Sequence(features, intervals)

    def _array(self, video: str, name: str, width: int, kind: Kind) -> np.ndarray:
        where = f"{self._path}: video {video}"
        if not _is_local(self._data[video], name, h5py.Dataset):
            raise CorpusError(f"{where}: no array {name}")
        array = self._data[video][name]
        if array.external or array.is_virtual:
            raise CorpusError(f"{where}: {name} lies in another file; refused")
        if array.ndim != 2 or array.shape[1] != width:
            raise CorpusError(f"{where}: {name} has shape {array.shape}, expected (n, {width})")
        if array.nbytes > self._max_bytes:
            raise CorpusError(
                f"{where}: {name} has {array.nbytes} bytes, more than {self._max_bytes}; refused"
            )
        is_number, is_text = array.dtype.kind in "fiu", h5py.check_string_dtype(array.dtype)
        if not (is_number if kind == "number" else is_text):
            raise CorpusError(f"{where}: {name} holds {array.dtype}, expected {kind}")
        return array[...]

    @contextmanager
    def _one_line(self) -> Iterator[None]:
        try:
            yield
        except (OSError, KeyError, RuntimeError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise CorpusError(
                f"{self._path}: not a readable HDF5 file ({reason}); get it again"
            ) from error


def read_sequences(path: Path, columns: int, kind: Kind) -> dict[str, Sequence]:
    """Read a small .csd file whole: video -> sequence, sorted by video; see `Reader`.

    Raises:
        CorpusError: unexpected structure, shape or type; names the video.
    """
    with Reader(path, columns, kind) as reader:
        return {video: reader.read(video) for video in reader.videos}


def spoken(words: Sequence, start_s: float, end_s: float) -> tuple[list[str], np.ndarray]:
    """Words of a segment and their intervals (n, 2) in seconds, in order of time.

    A word is in the segment if its middle lies in [start_s, end_s). Pauses are left out.

    Args:
        words: a video of WORDS.
        start_s: start of the segment, in seconds of the video.
        end_s: its end.
    """
    middles = words.intervals.mean(axis=1)
    inside = np.flatnonzero((middles >= start_s) & (middles < end_s))
    inside = inside[np.argsort(words.intervals[inside, 0], kind="stable")]
    names = [_text(word) for word in words.features[inside, 0]]
    rows = [row for row, name in zip(inside, names, strict=True) if name != PAUSE]
    return [name for name in names if name != PAUSE], words.intervals[rows].reshape(-1, 2)


def find(root: Path, name: str) -> Path | None:
    """Find the file `name` anywhere below `root`; None if it does not exist.

    Raises:
        CorpusError: there are several.
    """
    paths = sorted(root.rglob(name))
    if len(paths) > 1:
        listed = ", ".join(str(path.relative_to(root)) for path in paths)
        raise CorpusError(f"{root}: several {name} ({listed}); keep one")
    return paths[0] if paths else None


def _text(word: bytes | str) -> str:
    return decode_published(word)[0] if isinstance(word, bytes) else str(word)


def _is_root(file: h5py.File, name: str) -> bool:
    return _is_local(file, name, h5py.Group) and _is_local(file[name], "data", h5py.Group)


def _is_local(group: h5py.Group, name: str, kind: type) -> bool:
    """Tell whether an entry is of this kind and lies in the file itself."""
    is_hard_link = isinstance(group.get(name, getlink=True), h5py.HardLink)
    return is_hard_link and isinstance(group[name], kind)
