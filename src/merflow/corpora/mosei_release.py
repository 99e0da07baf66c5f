"""Another release of CMU-MOSEI: the list of its segments, ``segments.csv`` beside the labels.

Releases cut the videos alike and leave different segments out. mel_cnn_bert (Table 1) has the
20,477 segments of Dai et al. (2021), its reference 37. Columns of the list: ``video``, ``start``
and ``end`` in seconds, ``split`` (train, dev or test).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from merflow.artifacts import Defect
from merflow.corpora.delimited import Line, read
from merflow.errors import CorpusError

NAME = "segments.csv"
COLUMNS = ("video", "start", "end", "split")
SPLITS = ("train", "dev", "test")
#: Largest difference between the times of a segment in two files.
SAME_S = 0.1


class Segment(NamedTuple):
    """A line of the list: number of the line, times in seconds, split."""

    line: int
    start: float
    end: float
    split: str

    def distance(self, start: float, end: float) -> float:
        """Larger difference of the two times, in seconds."""
        return max(abs(self.start - start), abs(self.end - end))


def split_by_release(rows: Sequence[dict[str, Any]], path: Path) -> list[Defect]:
    """Set the official split of segments to that of the list.

    A segment that is not in the list has none, nor has one without an official split.

    Args:
        rows: utterances with dialogue_id (the video), start_s, end_s and official_split.
        path: the list.

    Returns:
        Defects: numbers of segments that only one of list and labels has.

    Raises:
        CorpusError: the list is not of its form, or has none of the segments.
    """
    segments, listed = _read(path), set()
    for row in rows:
        span = (max(row["start_s"], 0.0), row["end_s"])
        nearest = min(
            segments.get(row["dialogue_id"], ()),
            key=lambda segment: segment.distance(*span),
            default=None,
        )
        if nearest is None or nearest.distance(*span) > SAME_S:
            row["official_split"] = None
            continue
        listed.add(nearest.line)
        row["official_split"] = row["official_split"] and nearest.split
    if not listed:
        raise CorpusError(f"{path}: none of its segments is in the labels; compare the times")
    every = {segment.line for of_video in segments.values() for segment in of_video}
    return _defects(len(rows), len(listed), sorted(every - listed))


def _read(path: Path) -> dict[str, list[Segment]]:
    segments: dict[str, list[Segment]] = {}
    for line in read(path, COLUMNS).rows:
        segments.setdefault(line.values["video"].strip(), []).append(_segment(path, line))
    return segments


def _segment(path: Path, line: Line) -> Segment:
    where, split = f"{path}, line {line.number}", line.values["split"].strip()
    if split not in SPLITS:
        raise CorpusError(f"{where}: split {split!r}, expected {', '.join(SPLITS)}")
    try:
        start, end = float(line.values["start"]), float(line.values["end"])
    except ValueError as error:
        raise CorpusError(f"{where}: start or end is not in seconds ({error})") from error
    return Segment(line.number, start, end, split)


def _defects(n_rows: int, n_listed: int, absent: Sequence[int]) -> list[Defect]:
    defects = []
    if n_rows > n_listed:
        detail = f"{n_rows - n_listed} of {n_rows} segments are not in {NAME}"
        defects.append(Defect(None, "not in the release", detail, "in no split"))
    if absent:
        detail = f"{len(absent)} lines of {NAME} have no segment, first line {absent[0]}"
        defects.append(Defect(None, "release without labels", detail, "left out"))
    return defects
