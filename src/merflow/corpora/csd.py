"""Computational sequences (.csd) of CMU-MultimodalSDK: HDF5 files of features and time intervals per video.

Layout ``<root name>/data/<video>/{features,intervals}``, https://github.com/CMU-MultiComp-Lab/CMU-MultimodalSDK.
The files come from anywhere: nothing in one may point outside it or be larger than plausible.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import h5py
import numpy as np

from merflow.errors import CorpusError

Kind = Literal["number", "text"]
MAX_BYTES = 2**20  # of one array; the words of an hour have a third of it


@dataclass(frozen=True)
class Sequence:
    """One video of a computational sequence: features (n, d) and intervals (n, 2) in seconds."""

    features: np.ndarray
    intervals: np.ndarray


def read_sequences(path: Path, columns: int, kind: Kind) -> dict[str, Sequence]:
    """Read a .csd file as data.

    Args:
        path: HDF5 file.
        columns: width of features.
        kind: what features hold.

    Returns:
        Video -> sequence, sorted by video.

    Raises:
        CorpusError: another structure, shape or type; names the video.
    """
    try:
        with h5py.File(path, "r") as file:
            roots = [name for name in file if _inside(file, name, h5py.Group) and _inside(file[name], "data", h5py.Group)]
            if len(roots) != 1:
                raise CorpusError(f"{path}: expected one group <name>/data, found {len(roots)}; not a computational sequence")
            data = file[roots[0]]["data"]
            found = {video: _sequence(data, video, columns, kind, f"{path}: video {video}") for video in sorted(data)}
    except (OSError, KeyError, RuntimeError, ValueError) as error:
        raise CorpusError(f"{path}: not a readable HDF5 file ({str(error).splitlines()[0]}); get it again") from error
    if not found:
        raise CorpusError(f"{path}: no videos in it; get it again")
    return found


def _inside(group: h5py.Group, name: str, kind: type) -> bool:
    return isinstance(group.get(name, getlink=True), h5py.HardLink) and isinstance(group[name], kind)


def _sequence(data: h5py.Group, video: str, columns: int, kind: Kind, where: str) -> Sequence:
    if not _inside(data, video, h5py.Group):
        raise CorpusError(f"{where}: not a group of features and intervals")
    arrays = {}
    for name, width, expected in (("features", columns, kind), ("intervals", 2, "number")):
        if not _inside(data[video], name, h5py.Dataset):
            raise CorpusError(f"{where}: no array {name}")
        array = data[video][name]
        if array.external or array.is_virtual:
            raise CorpusError(f"{where}: {name} lies in another file; refused")
        if array.ndim != 2 or array.shape[1] != width:
            raise CorpusError(f"{where}: {name} has shape {array.shape}, expected (n, {width})")
        if array.nbytes > MAX_BYTES:
            raise CorpusError(f"{where}: {name} has {array.nbytes} bytes, more than {MAX_BYTES}; refused")
        if not (array.dtype.kind in "fiu" if expected == "number" else h5py.check_string_dtype(array.dtype)):
            raise CorpusError(f"{where}: {name} holds {array.dtype}, expected {expected}")
        arrays[name] = array[...].astype(np.float64) if expected == "number" else array[...]
    if len(arrays["features"]) != len(arrays["intervals"]):
        raise CorpusError(f"{where}: {len(arrays['features'])} features for {len(arrays['intervals'])} intervals")
    if not np.isfinite(arrays["intervals"]).all():
        raise CorpusError(f"{where}: intervals hold values that are no times")
    return Sequence(**arrays)
