"""Frames averaged over the words of an utterance: one row per word.

The words come from CMU_MOSEI_TimestampedWords.csd; a word belongs to the utterance that its middle
lies in. All word-averaged features of an utterance therefore have the same rows, whatever their
frame rates and lengths. A pause has no row.

The mean follows CMU-MultimodalSDK's ``align``: every frame whose interval overlaps the word's by
more than 10 microseconds counts once, however long the overlap. As in its ``impute``, a word
without frames is a row of zeros.

Frames of decoded audio and video have single times. Their intervals are where they are the nearest
frame, so every word longer than 10 microseconds has at least one frame.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, tee
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from merflow import artifacts
from merflow.artifacts import Defect
from merflow.corpora import csd
from merflow.features.extractor import Flagged
from merflow.features.sources import AudioSource, FrameSource
from merflow.paths import Inputs
from merflow.store import read_table

LIBRARIES = ("numpy", "scipy", "h5py")

EPSILON_S = 1e-5  # as in the SDK: rounding makes neighbours overlap

COLUMNS = ("utterance_id", "dialogue_id", "start_s", "end_s")


def word_intervals(
    raw: Path, utterances: pd.DataFrame
) -> tuple[dict[str, np.ndarray], list[Defect]]:
    """Read the intervals of the words of each utterance.

    Args:
        raw: folder of the corpus as distributed.
        utterances: COLUMNS of utterances.parquet.

    Returns:
        Utterance id -> (n_words, 2), seconds in its video, n_words >= 1. Then a defect for each
        utterance without words.

    Raises:
        CorpusError: the file of words is not a computational sequence, or several have its name.
    """
    path = csd.find(raw, csd.WORDS)
    if path is None:
        return {}, [absent_sequence(csd.WORDS)]
    videos = csd.read_sequences(path, columns=1, kind="text")
    words: dict[str, np.ndarray] = {}
    defects: list[Defect] = []
    for row in utterances.itertuples():
        video = videos.get(row.dialogue_id)
        intervals = csd.spoken(video, row.start_s, row.end_s)[1] if video else np.empty((0, 2))
        if len(intervals):
            words[row.utterance_id] = intervals
        else:
            detail = f"no word of {csd.WORDS} in its time"
            defects.append(Defect(row.utterance_id, "no words", detail, "not in the store"))
    return words, defects


def absent_sequence(name: str) -> Defect:
    """Describe a computational sequence that the corpus lacks."""
    return Defect(None, "sequence absent", name, "no utterance has this feature")


@dataclass(frozen=True)
class MediaItem:
    """Audio or frames of an utterance with its words, in seconds since the utterance's start.

    Attributes:
        media: waveform (n_samples,) or frames (n_frames, height, width, 3).
        times: (n_rows,), times of the rows that the extractor makes of `media`, ascending.
        words: (n_words, 2), intervals of the words, n_words >= 1.
    """

    media: np.ndarray
    times: np.ndarray
    words: np.ndarray


class SpokenMedia(ABC):
    """Audio or frames of utterances with words; a `merflow.features.extractor.ItemSource`.

    An utterance without the modality is not in the store; data/media/<corpus>/defects.csv says why.
    """

    MEDIA: type[AudioSource] | type[FrameSource]

    def __init__(self, inputs: Inputs):
        """Read the words.

        Args:
            inputs: inputs of the stage: media, utterances and the raw corpus.

        Raises:
            ParamsError: the stage lacks one of these inputs.
            CorpusError: the file of words is not a computational sequence, or several have its
                name.
        """
        self._media = self.MEDIA.of(inputs, None)
        rows = read_table(inputs.utterances, artifacts.UTTERANCES, COLUMNS)
        rows = rows[rows["utterance_id"].isin(self._media.ids)]
        self.block = self._media.block
        self._words, self.defects = word_intervals(inputs.raw, rows)
        self._media.defects = self.defects  # one list: reading adds to it
        self._start_s = dict(zip(rows["utterance_id"], rows["start_s"], strict=True))
        self.ids = list(self._words)

    @classmethod
    def of(cls, inputs: Inputs, params: Any) -> Self:
        """Open the source among the inputs of a stage."""
        return cls(inputs)

    def read(self, ids: Sequence[str]) -> list[MediaItem]:
        """Read media and words.

        Raises:
            StoreError: audio or a frame cannot be decoded.
        """
        media = self._media.read(ids)
        words = [self._words[utterance_id] - self._start_s[utterance_id] for utterance_id in ids]
        return list(map(MediaItem, media, self.times(ids, media), words))

    @abstractmethod
    def times(self, ids: Sequence[str], media: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Give the times of the rows that the extractor makes of each of `media`."""


def average_over_words(
    extract: Callable[[Iterator[list[np.ndarray]]], Iterator[np.ndarray | Flagged]],
    blocks: Iterable[Sequence[MediaItem]],
) -> Iterator[np.ndarray | Flagged]:
    """Extract a feature and average its rows over the words of each utterance.

    Args:
        extract: an extractor of audio or frames with its parameters; it yields one array per item.
        blocks: items.

    Yields:
        (n_words, dim) of float32, in the order of the items, flagged as `extract` or else `average`
        flags it.
    """
    blocks, media_blocks = tee(blocks)
    features = extract([item.media for item in block] for block in media_blocks)
    for item, values in zip(chain.from_iterable(blocks), features, strict=True):
        intervals = nearest_intervals(item.times)
        if not isinstance(values, Flagged):
            yield average(values, intervals, item.words)
        elif values.values is None:
            yield values
        else:
            rows = average(values.values, intervals, item.words)
            yield replace(values, values=rows.values if isinstance(rows, Flagged) else rows)


def nearest_intervals(times: np.ndarray) -> np.ndarray:
    """Compute the intervals (n, 2) in which each of `times` is the nearest.

    Args:
        times: (n,), ascending.

    Returns:
        Intervals; the first begins at -inf, and the last ends at inf.
    """
    edges = np.concatenate([[-np.inf], (times[1:] + times[:-1]) / 2, [np.inf]])
    return np.column_stack([edges[:-1], edges[1:]])


def average(values: np.ndarray, intervals: np.ndarray, words: np.ndarray) -> np.ndarray | Flagged:
    """Average frames over words.

    Values that are not finite, or beyond float32, are left out of the mean of their column. A
    column without any other value is 0 in that word.

    Args:
        values: frames (n_frames, dim).
        intervals: (n_frames, 2), intervals of the frames.
        words: (n_words, 2), intervals of the words.

    Returns:
        (n_words, dim) of float32; flagged if values were left out or a word has no frame.
    """
    overlap = _overlap(words, intervals)
    finite = np.abs(values) <= np.finfo(np.float32).max
    sums = overlap @ np.where(finite, values, 0).astype(np.float64)
    counts = overlap @ finite.astype(np.float64)
    rows = np.divide(sums, counts, out=np.zeros_like(sums), where=counts > 0).astype(np.float32)
    n_left_out = int((~finite[overlap.sum(axis=0) > 0]).sum())
    n_empty = int((overlap.sum(axis=1) == 0).sum())
    if n_left_out:
        detail = f"{n_left_out} values in {len(rows)} words"
        detail += f"; {n_empty} words without frames" if n_empty else ""
        action = "left out of the means; 0 where a word has no other value"
        return Flagged(rows, "not finite", detail, action)
    if n_empty:
        return Flagged(rows, "words without frames", f"{n_empty} of {len(rows)}", "rows of zeros")
    return rows


def _overlap(words: np.ndarray, frames: np.ndarray) -> csr_array:
    """Mark with 1 where a word and a frame overlap by more than EPSILON_S.

    Args:
        words: (n_words, 2), intervals.
        frames: (n_frames, 2), intervals in any order, which may overlap.

    Returns:
        (n_words, n_frames).
    """
    order = np.argsort(frames[:, 0], kind="stable")
    starts, ends = frames[order].T
    first = np.searchsorted(np.maximum.accumulate(ends), words[:, 0], side="right")
    last = np.searchsorted(starts, words[:, 1], side="left")
    candidates = np.maximum(last - first, 0)
    edges = np.concatenate([[0], np.cumsum(candidates)])
    word = np.repeat(np.arange(len(words)), candidates)
    frame = np.arange(edges[-1]) + np.repeat(first - edges[:-1], candidates)
    lengths = np.minimum(ends[frame], words[word, 1]) - np.maximum(starts[frame], words[word, 0])
    overlap = csr_array(
        ((lengths > EPSILON_S).astype(np.float64), order[frame], edges),
        shape=(len(words), len(frames)),
    )
    overlap.eliminate_zeros()
    return overlap
