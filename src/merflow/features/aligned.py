"""Computational sequences aligned to the words of an utterance: one row per word, the mean of the frames in its time.

class_weight_lstm section 3 (COVAREP, Facet, word vectors of CMU-MOSEI). As CMU-MultimodalSDK's ``align`` does with a mean, every
frame whose interval overlaps the word's by more than 10 microseconds counts once, however long the overlap; as its ``impute``
does, a word without frames is zeros. The words are those of CMU_MOSEI_TimestampedWords.csd whose middle lies in the
utterance, so all sequences of an utterance have the same rows, whatever their rates and lengths, and a pause has none. An
utterance without words, or whose video is not in the sequence, is not in the store: a defect.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array

from merflow import artifacts
from merflow.artifacts import Defect
from merflow.corpora import csd
from merflow.features.extractor import Flagged
from merflow.features.sources import among
from merflow.params import AlignedFeatures
from merflow.shards import BLOCK
from merflow.store import read_table

PARAMS = AlignedFeatures
LIBRARIES = ("numpy", "scipy", "h5py")

EPSILON_S = 1e-5  # of the SDK: rounding makes neighbours overlap


@dataclass(frozen=True)
class Item:
    """An utterance: frames (n, dim) in the file's type, their intervals (n, 2), intervals (k, 2) of its words; seconds, k >= 1."""

    values: np.ndarray
    intervals: np.ndarray
    words: np.ndarray


class Spoken:
    """Utterances with words whose video is in a computational sequence; see `merflow.features.extractor.Source`."""

    block = BLOCK

    def __init__(self, raw: Path, utterances: Path, params: AlignedFeatures):
        """Read the words; the sequence is read later, one video at a time.

        Args:
            raw: folder of the corpus as distributed.
            utterances: utterances.parquet.
            params: name of the sequence's file and number of its columns.

        Raises:
            CorpusError: a file is no computational sequence, or there are several of its name.
        """
        self.ids: list[str] = []
        self.defects: list[Defect] = []
        self._dim = params.dim
        self._words: dict[str, tuple[str, np.ndarray]] = {}  # video, intervals
        self._last: tuple[str, csd.Sequence] | None = None
        path, words_path = csd.find(raw, params.file), csd.find(raw, csd.WORDS)
        if path is None or words_path is None:
            name = csd.WORDS if path else params.file
            self.defects.append(Defect(None, "sequence absent", name, "no utterance has this feature"))
            return
        self._path = path
        rows = read_table(utterances, artifacts.UTTERANCES, ["utterance_id", "dialogue_id", "start_s", "end_s"])
        with csd.Reader(path, self._dim, "number", csd.MAX_FRAMES_BYTES) as reader:
            videos = set(reader.videos)
        words = csd.read_sequences(words_path, columns=1, kind="text")
        missing: Counter[str] = Counter()
        for row in rows.itertuples():
            intervals = csd.spoken(words[row.dialogue_id], row.start_s, row.end_s)[1] if row.dialogue_id in words else np.empty((0, 2))
            if not len(intervals):
                self.defects.append(Defect(row.utterance_id, "no words", f"no word of {csd.WORDS} in its time", "not in the store"))
            elif row.dialogue_id not in videos:
                missing[row.dialogue_id] += 1
            else:
                self.ids.append(row.utterance_id)
                self._words[row.utterance_id] = row.dialogue_id, intervals
        for video, count in sorted(missing.items()):
            detail = f"video {video}, {count} utterances, is not in {params.file}"
            self.defects.append(Defect(None, "video without sequence", detail, "not in the store"))
        for video in sorted(videos - set(rows["dialogue_id"])):
            self.defects.append(Defect(None, "sequence without utterances", f"video {video} of {params.file}", "left out"))

    @classmethod
    def of(cls, inputs: Sequence[Path], params: AlignedFeatures) -> "Spoken":
        """The source among the files of a stage."""
        return cls(among(inputs, "SOURCE.json").parent, among(inputs, "utterances.parquet"), params)

    def read(self, ids: Sequence[str]) -> list[Item]:
        """Items, with the frames from the first word to the last.

        Raises:
            CorpusError: the sequence of a video is not what the layout says.
        """
        with csd.Reader(self._path, self._dim, "number", csd.MAX_FRAMES_BYTES) as reader:
            return [self._item(reader, *self._words[utterance_id]) for utterance_id in ids]

    def _item(self, reader: csd.Reader, video: str, words: np.ndarray) -> Item:
        if self._last is None or self._last[0] != video:  # ids are sorted, so the utterances of a video come together
            self._last = video, reader.read(video)
        sequence = self._last[1]
        near = (sequence.intervals[:, 1] > words[:, 0].min()) & (sequence.intervals[:, 0] < words[:, 1].max())
        return Item(sequence.features[near], sequence.intervals[near], words)


SOURCE = Spoken


def extract(blocks: Iterable[Sequence[Item]], params: AlignedFeatures, checkpoint: None) -> Iterator[np.ndarray | Flagged]:
    """(n_words, dim) of each utterance.

    Values that are not finite, or beyond float32, are left out of the mean of their column; a column without any other is 0 in
    that word.

    Args:
        blocks: frames and words of utterances.
        params: number of columns.
        checkpoint: none.

    Yields:
        float32, in the order of the items; flagged where a word has no frame or a value is not finite.
    """
    for block in blocks:
        for item in block:
            yield _aligned(item)


def columns(params: AlignedFeatures, checkpoint: None) -> None:
    """The sequences name no columns."""


def _aligned(item: Item) -> np.ndarray | Flagged:
    overlap = _overlap(item.words, item.intervals)
    finite = np.abs(item.values) <= np.finfo(np.float32).max
    sums = overlap @ np.where(finite, item.values, 0).astype(np.float64)
    counts = overlap @ finite.astype(np.float64)
    rows = np.divide(sums, counts, out=np.zeros_like(sums), where=counts > 0).astype(np.float32)
    frames = overlap.sum(axis=1)
    odd = int((~finite[overlap.sum(axis=0) > 0]).sum())
    empty = int((frames == 0).sum())
    if odd:
        detail = f"{odd} values in {len(rows)} words" + (f"; {empty} words without frames" if empty else "")
        return Flagged(rows, "not finite", detail, "left out of the means; 0 where a word has no other value")
    if empty:
        return Flagged(rows, "words without frames", f"{empty} of {len(rows)}", "rows of zeros")
    return rows


def _overlap(words: np.ndarray, frames: np.ndarray) -> csr_array:
    """(n_words, n_frames): 1 where the intervals overlap by more than EPSILON_S. Frames may overlap and have any order."""
    order = np.argsort(frames[:, 0], kind="stable")
    starts, ends = frames[order].T
    first = np.searchsorted(np.maximum.accumulate(ends), words[:, 0], side="right")
    last = np.searchsorted(starts, words[:, 1], side="left")
    candidates = np.maximum(last - first, 0)
    edges = np.concatenate([[0], np.cumsum(candidates)])
    word = np.repeat(np.arange(len(words)), candidates)
    frame = np.arange(edges[-1]) + np.repeat(first - edges[:-1], candidates)
    lengths = np.minimum(ends[frame], words[word, 1]) - np.maximum(starts[frame], words[word, 0])
    overlap = csr_array(((lengths > EPSILON_S).astype(np.float64), order[frame], edges), shape=(len(words), len(frames)))
    overlap.eliminate_zeros()
    return overlap
