"""Geometry, motion and appearance of the face averaged over words: one row per word.

This feature replaces the Facet sequence of class_weight_lstm section III.B, made from frames.
merflow.features.vision.face gives the values of a frame, merflow.features.words their mean. Of
every 10th frame, a short word has one or two.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from merflow import artifacts
from merflow.features import words
from merflow.features.extractor import Flagged
from merflow.features.sources import FrameSource
from merflow.features.vision import face
from merflow.features.words import MediaItem, SpokenMedia, average_over_words
from merflow.params import FaceParams
from merflow.paths import Inputs
from merflow.store import read_media


class SpokenFrames(SpokenMedia):
    """Frames of utterances with words; a `merflow.features.extractor.ItemSource`."""

    MEDIA = FrameSource

    def __init__(self, inputs: Inputs):
        """Read the words; see `merflow.features.words.SpokenMedia`."""
        super().__init__(inputs)
        self._folder = inputs.frames

    def times(self, ids: Sequence[str], media: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Read the times of the frames."""
        rows = read_media(self._folder, artifacts.FRAMES, ids, ["utterance_id", "time_s"])
        times = dict(iter(rows.groupby("utterance_id")["time_s"]))
        return [times[utterance_id].to_numpy() for utterance_id in ids]


SOURCE = SpokenFrames
PARAMS = FaceParams
LIBRARIES = (*face.LIBRARIES, *words.LIBRARIES)
USES_GPU = False


def extract(
    blocks: Iterable[Sequence[MediaItem]], params: FaceParams, checkpoint: Path | None
) -> Iterator[np.ndarray | Flagged]:
    """Yield (n_words, dim) of each utterance, with the columns that `columns` names.

    Args:
        blocks: uint8 RGB (n_frames, height, width, 3) with their times and words.
        params: settings of the search for faces.
        checkpoint: not used.

    Yields:
        float32, in the order of the utterances. `merflow.features.vision.face` and
        `merflow.features.words.average` say what is flagged.
    """
    return average_over_words(lambda frames: face.extract(frames, params, checkpoint), blocks)


def columns(params: FaceParams, checkpoint: Path | None) -> list[str]:
    """Name the columns as `merflow.features.vision.face` does."""
    return face.columns(params, checkpoint)
