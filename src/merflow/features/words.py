"""Frames averaged over the words of an utterance: one row per word.

The words are those of CMU_MOSEI_TimestampedWords.csd whose middle lies in the utterance, so all features of an utterance that are
averaged here have the same rows, whatever their rates and lengths, and a pause has none. As CMU-MultimodalSDK's ``align`` does with
a mean, every frame whose interval overlaps the word's by more than 10 microseconds counts once, however long the overlap; as its
``impute`` does, a word without frames is zeros. Frames of decoded sound and pictures are of single times: the interval of one is
where it is the nearest, so every word of some length has at least one.
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
from merflow.features.sources import Pictures, Sounds
from merflow.paths import Inputs
from merflow.store import read_table

LIBRARIES = ("numpy", "scipy", "h5py")

EPSILON_S = 1e-5  # of the SDK: rounding makes neighbours overlap

COLUMNS = ("utterance_id", "dialogue_id", "start_s", "end_s")


def spans(raw: Path, utterances: pd.DataFrame) -> tuple[dict[str, np.ndarray], list[Defect]]:
    """Intervals (k, 2) of the words of each utterance that has some, in seconds of its video; and what the others lack.

    Args:
        raw: folder of the corpus as distributed.
        utterances: COLUMNS of utterances.parquet.

    Raises:
        CorpusError: the file of words is no computational sequence, or there are several of its name.
    """
    path = csd.find(raw, csd.WORDS)
    if path is None:
        return {}, [absent(csd.WORDS)]
    videos = csd.read_sequences(path, columns=1, kind="text")
    found: dict[str, np.ndarray] = {}
    defects: list[Defect] = []
    for row in utterances.itertuples():
        video = videos.get(row.dialogue_id)
        intervals = csd.spoken(video, row.start_s, row.end_s)[1] if video else np.empty((0, 2))
        if len(intervals):
            found[row.utterance_id] = intervals
        else:
            defects.append(
                Defect(
                    row.utterance_id,
                    "no words",
                    f"no word of {csd.WORDS} in its time",
                    "not in the store",
                )
            )
    return found, defects


def absent(name: str) -> Defect:
    """A computational sequence that the corpus lacks."""
    return Defect(None, "sequence absent", name, "no utterance has this feature")


@dataclass(frozen=True)
class Item:
    """Sound or pictures of an utterance, times (n_frames,) of the frames made of it, ascending, and words (k, 2), k >= 1.

    In seconds since the utterance's start.
    """

    media: np.ndarray
    times: np.ndarray
    words: np.ndarray


class SpokenMedia(ABC):
    """Sounds or pictures of utterances with words; see `merflow.features.extractor.Source`.

    An utterance without the medium is not in the store; data/media/<corpus>/defects.csv says why it has none.
    """

    MEDIA: type[Sounds] | type[Pictures]

    def __init__(self, inputs: Inputs):
        """Read the words.

        Args:
            inputs: of the stage: the medium, the utterances and the raw corpus.

        Raises:
            ParamsError: the stage names no such file.
            CorpusError: the file of words is no computational sequence, or there are several of its name.
        """
        self._media = self.MEDIA.of(inputs, None)
        rows = read_table(inputs.utterances, artifacts.UTTERANCES, COLUMNS)
        rows = rows[rows["utterance_id"].isin(self._media.ids)]
        self.block = self._media.block
        self._words, self.defects = spans(inputs.raw, rows)
        self._media.defects = self.defects  # one list: reading adds to it
        self._start_s = dict(zip(rows["utterance_id"], rows["start_s"], strict=True))
        self.ids = list(self._words)

    @classmethod
    def of(cls, inputs: Inputs, params: Any) -> Self:
        """The source among the files of a stage; see `merflow.features.extractor.Source`."""
        return cls(inputs)

    def read(self, ids: Sequence[str]) -> list[Item]:
        """Items.

        Raises:
            StoreError: a sound or picture cannot be decoded.
        """
        media = self._media.read(ids)
        words = [self._words[utterance_id] - self._start_s[utterance_id] for utterance_id in ids]
        return list(map(Item, media, self.times(ids, media), words))

    @abstractmethod
    def times(self, ids: Sequence[str], media: Sequence[np.ndarray]) -> list[np.ndarray]:
        """When the frames are that are made of each of `media`."""


def over_words(
    extract: Callable[[Iterator[list[np.ndarray]]], Iterator[np.ndarray | Flagged]],
    blocks: Iterable[Sequence[Item]],
) -> Iterator[np.ndarray | Flagged]:
    """(n_words, dim) of each utterance: frames that `extract` makes of its sound or pictures, averaged over its words.

    Args:
        extract: that of an extractor of sounds or pictures, with its parameters; one array per item.
        blocks: items.

    Yields:
        float32, in the order of the items; flagged as `extract` flags it, otherwise as `mean` does.
    """
    blocks, again = tee(blocks)
    frames = extract([item.media for item in block] for block in again)
    for item, found in zip(chain.from_iterable(blocks), frames, strict=True):
        yield _averaged(found, item)


def _averaged(frames: np.ndarray | Flagged, item: Item) -> np.ndarray | Flagged:
    if not isinstance(frames, Flagged):
        return mean(frames, nearest(item.times), item.words)
    if frames.values is None:
        return frames
    row = mean(frames.values, nearest(item.times), item.words)
    return replace(frames, values=row.values if isinstance(row, Flagged) else row)


def nearest(times: np.ndarray) -> np.ndarray:
    """Intervals (n, 2) in which each of `times`, ascending, is the nearest; the first and the last have no end."""
    edges = np.concatenate([[-np.inf], (times[1:] + times[:-1]) / 2, [np.inf]])
    return np.column_stack([edges[:-1], edges[1:]])


def mean(values: np.ndarray, intervals: np.ndarray, words: np.ndarray) -> np.ndarray | Flagged:
    """(n_words, dim) of float32: frames (n, dim) with intervals (n, 2), averaged over the intervals (n_words, 2) of words.

    Values that are not finite, or beyond float32, are left out of the mean of their column; a column without any other is 0 in
    that word. Flagged where there are such values, or a word has no frame.
    """
    overlap = _overlap(words, intervals)
    finite = np.abs(values) <= np.finfo(np.float32).max
    sums = overlap @ np.where(finite, values, 0).astype(np.float64)
    counts = overlap @ finite.astype(np.float64)
    rows = np.divide(sums, counts, out=np.zeros_like(sums), where=counts > 0).astype(np.float32)
    frames = overlap.sum(axis=1)
    odd = int((~finite[overlap.sum(axis=0) > 0]).sum())
    empty = int((frames == 0).sum())
    if odd:
        detail = f"{odd} values in {len(rows)} words" + (
            f"; {empty} words without frames" if empty else ""
        )
        return Flagged(
            rows, "not finite", detail, "left out of the means; 0 where a word has no other value"
        )
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
    overlap = csr_array(
        ((lengths > EPSILON_S).astype(np.float64), order[frame], edges),
        shape=(len(words), len(frames)),
    )
    overlap.eliminate_zeros()
    return overlap
