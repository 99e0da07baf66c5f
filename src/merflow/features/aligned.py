"""Computational sequences averaged over the words of an utterance: one row per word.

They are the inputs of class_weight_lstm section 3: COVAREP, Facet and word vectors of CMU-MOSEI.
merflow.features.words gives words and mean. An utterance without words, or whose video is not in
the sequence, is a defect and not in the store.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from merflow import artifacts
from merflow.artifacts import Defect
from merflow.corpora import csd
from merflow.features import words
from merflow.features.extractor import Flagged
from merflow.features.words import COLUMNS, absent_sequence, average, word_intervals
from merflow.params import AlignedParams
from merflow.paths import Inputs
from merflow.shards import BLOCK
from merflow.store import read_table

PARAMS = AlignedParams
LIBRARIES = words.LIBRARIES
USES_GPU = False


@dataclass(frozen=True)
class SequenceItem:
    """Frames of a sequence during an utterance with its words, in seconds of the video.

    Attributes:
        values: (n_frames, dim), in the type of the file.
        intervals: (n_frames, 2), intervals of the frames.
        words: (n_words, 2), intervals of the words, n_words >= 1.
    """

    values: np.ndarray
    intervals: np.ndarray
    words: np.ndarray


class SpokenSequence:
    """Frames of a computational sequence; a `merflow.features.extractor.ItemSource`.

    It has the utterances with words whose video is in the sequence.
    """

    block = BLOCK

    def __init__(self, raw: Path, utterances: Path, params: AlignedParams):
        """Read the words; the sequence is read later, one video at a time.

        Args:
            raw: folder of the corpus as distributed.
            utterances: utterances.parquet.
            params: name of the sequence's file and number of its columns.

        Raises:
            CorpusError: a file is not a computational sequence, or several have its name.
        """
        self.ids: list[str] = []
        self._dim = params.dim
        self._last: tuple[str, csd.Sequence] | None = None
        path = csd.find(raw, params.file)
        if path is None:
            self.defects = [absent_sequence(params.file)]
            return
        self._path = path
        rows = read_table(utterances, artifacts.UTTERANCES, COLUMNS)
        self._words, self.defects = word_intervals(raw, rows)
        if not self._words:
            return
        with self._open() as reader:
            videos = set(reader.videos)
        self._video = dict(zip(rows["utterance_id"], rows["dialogue_id"], strict=True))
        self.ids = [
            utterance_id for utterance_id in self._words if self._video[utterance_id] in videos
        ]
        self.defects += self._mismatches(videos, params.file)

    @classmethod
    def of(cls, inputs: Inputs, params: AlignedParams) -> "SpokenSequence":
        """Open the source among the inputs of a stage."""
        return cls(inputs.raw, inputs.utterances, params)

    def read(self, ids: Sequence[str]) -> list[SequenceItem]:
        """Read the frames from the first word to the last.

        Raises:
            CorpusError: the sequence of a video does not fit the layout.
        """
        with self._open() as reader:
            return [
                self._item(reader, self._video[utterance_id], self._words[utterance_id])
                for utterance_id in ids
            ]

    def _open(self) -> csd.Reader:
        return csd.Reader(self._path, self._dim, "number", csd.MAX_FRAMES_BYTES)

    def _mismatches(self, videos: set[str], file: str) -> list[Defect]:
        """List videos that the sequence lacks, and videos of it without utterances."""
        defects = []
        absent_ids = self._words.keys() - self.ids
        counts = Counter(self._video[utterance_id] for utterance_id in absent_ids)
        for video, count in sorted(counts.items()):
            detail = f"video {video}, {count} utterances, is not in {file}"
            defects.append(Defect(None, "video without sequence", detail, "not in the store"))
        for video in sorted(videos - set(self._video.values())):
            detail = f"video {video} of {file}"
            defects.append(Defect(None, "sequence without utterances", detail, "left out"))
        return defects

    def _item(self, reader: csd.Reader, video: str, spoken: np.ndarray) -> SequenceItem:
        # ids are sorted, so the utterances of a video come together
        if self._last is None or self._last[0] != video:
            self._last = video, reader.read(video)
        sequence = self._last[1]
        starts, ends = sequence.intervals[:, 0], sequence.intervals[:, 1]
        during = (ends > spoken[:, 0].min()) & (starts < spoken[:, 1].max())
        return SequenceItem(sequence.features[during], sequence.intervals[during], spoken)


SOURCE = SpokenSequence


def extract(
    blocks: Iterable[Sequence[SequenceItem]], params: AlignedParams, checkpoint: None
) -> Iterator[np.ndarray | Flagged]:
    """Yield (n_words, dim) of each utterance, by `merflow.features.words.average`.

    Args:
        blocks: frames and words of utterances.
        params: number of columns.
        checkpoint: not used.

    Yields:
        float32, in the order of the items; flagged if a word has no frame or a value is not finite.
    """
    for block in blocks:
        for item in block:
            yield average(item.values, item.intervals, item.words)


def columns(params: AlignedParams, checkpoint: None) -> None:
    """Return None: the sequences name no columns."""
