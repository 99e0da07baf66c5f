"""Computational sequences aligned to the words of an utterance: one row per word, the mean of the frames in its time.

class_weight_lstm section 3 (COVAREP, Facet, word vectors of CMU-MOSEI). Words and mean are those of `merflow.features.words`. An
utterance without words, or whose video is not in the sequence, is not in the store: a defect.
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
from merflow.features.words import COLUMNS, absent, mean, spans
from merflow.params import AlignedParams
from merflow.paths import Inputs
from merflow.shards import BLOCK
from merflow.store import read_table

PARAMS = AlignedParams
LIBRARIES = words.LIBRARIES
USES_GPU = False


@dataclass(frozen=True)
class Item:
    """An utterance: frames (n, dim) in the file's type, their intervals (n, 2), intervals (k, 2) of its words; seconds, k >= 1."""

    values: np.ndarray
    intervals: np.ndarray
    words: np.ndarray


class Spoken:
    """Utterances with words whose video is in a computational sequence; see `merflow.features.extractor.Source`."""

    block = BLOCK

    def __init__(self, raw: Path, utterances: Path, params: AlignedParams):
        """Read the words; the sequence is read later, one video at a time.

        Args:
            raw: folder of the corpus as distributed.
            utterances: utterances.parquet.
            params: name of the sequence's file and number of its columns.

        Raises:
            CorpusError: a file is no computational sequence, or there are several of its name.
        """
        self.ids: list[str] = []
        self._dim = params.dim
        self._last: tuple[str, csd.Sequence] | None = None
        path = csd.find(raw, params.file)
        if path is None:
            self.defects = [absent(params.file)]
            return
        self._path = path
        rows = read_table(utterances, artifacts.UTTERANCES, COLUMNS)
        self._words, self.defects = spans(raw, rows)
        if not self._words:
            return
        with csd.Reader(path, self._dim, "number", csd.MAX_FRAMES_BYTES) as reader:
            videos = set(reader.videos)
        self._video = dict(zip(rows["utterance_id"], rows["dialogue_id"], strict=True))
        self.ids = [
            utterance_id for utterance_id in self._words if self._video[utterance_id] in videos
        ]
        missing = Counter(
            self._video[utterance_id] for utterance_id in self._words.keys() - self.ids
        )
        for video, count in sorted(missing.items()):
            detail = f"video {video}, {count} utterances, is not in {params.file}"
            self.defects.append(Defect(None, "video without sequence", detail, "not in the store"))
        for video in sorted(videos - set(rows["dialogue_id"])):
            self.defects.append(
                Defect(
                    None,
                    "sequence without utterances",
                    f"video {video} of {params.file}",
                    "left out",
                )
            )

    @classmethod
    def of(cls, inputs: Inputs, params: AlignedParams) -> "Spoken":
        """The source among the files of a stage."""
        return cls(inputs.raw, inputs.utterances, params)

    def read(self, ids: Sequence[str]) -> list[Item]:
        """Items, with the frames from the first word to the last.

        Raises:
            CorpusError: the sequence of a video is not what the layout says.
        """
        with csd.Reader(self._path, self._dim, "number", csd.MAX_FRAMES_BYTES) as reader:
            return [
                self._item(reader, self._video[utterance_id], self._words[utterance_id])
                for utterance_id in ids
            ]

    def _item(self, reader: csd.Reader, video: str, spoken: np.ndarray) -> Item:
        if (
            self._last is None or self._last[0] != video
        ):  # ids are sorted, so the utterances of a video come together
            self._last = video, reader.read(video)
        sequence = self._last[1]
        near = (sequence.intervals[:, 1] > spoken[:, 0].min()) & (
            sequence.intervals[:, 0] < spoken[:, 1].max()
        )
        return Item(sequence.features[near], sequence.intervals[near], spoken)


SOURCE = Spoken


def extract(
    blocks: Iterable[Sequence[Item]], params: AlignedParams, checkpoint: None
) -> Iterator[np.ndarray | Flagged]:
    """(n_words, dim) of each utterance, by `merflow.features.words.mean`.

    Args:
        blocks: frames and words of utterances.
        params: number of columns.
        checkpoint: none.

    Yields:
        float32, in the order of the items; flagged where a word has no frame or a value is not finite.
    """
    for block in blocks:
        for item in block:
            yield mean(item.values, item.intervals, item.words)


def columns(params: AlignedParams, checkpoint: None) -> None:
    """The sequences name no columns."""
