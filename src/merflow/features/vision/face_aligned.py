"""Geometry, motion and appearance of the face averaged over the words of an utterance: one row per word.

A stand-in for the Facet sequence of class_weight_lstm section III.B, made from the pictures. The values of a picture are those of
`merflow.features.vision.face`, the mean is that of `merflow.features.words`; of every 10th frame a short word has one or two.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from merflow import artifacts
from merflow.features import words
from merflow.features.extractor import Flagged
from merflow.features.sources import Pictures
from merflow.features.vision import face
from merflow.features.words import Item, SpokenMedia, over_words
from merflow.params import FaceParams
from merflow.paths import Inputs
from merflow.store import read_media


class SpokenPictures(SpokenMedia):
    """Pictures of utterances with words; see `merflow.features.extractor.Source`."""

    MEDIA = Pictures

    def __init__(self, inputs: Inputs):
        """Read the words; see `merflow.features.words.SpokenMedia`."""
        super().__init__(inputs)
        self._folder = inputs.frames

    def times(self, ids: Sequence[str], media: Sequence[np.ndarray]) -> list[np.ndarray]:
        """When the pictures are shown."""
        rows = read_media(self._folder, artifacts.FRAMES, ids, ["utterance_id", "time_s"])
        shown = dict(iter(rows.groupby("utterance_id")["time_s"]))
        return [shown[utterance_id].to_numpy() for utterance_id in ids]


SOURCE = SpokenPictures
PARAMS = FaceParams
LIBRARIES = (*face.LIBRARIES, *words.LIBRARIES)
USES_GPU = False


def extract(
    blocks: Iterable[Sequence[Item]], params: FaceParams, checkpoint: Path | None
) -> Iterator[np.ndarray | Flagged]:
    """(n_words, dim) of each utterance's pictures, dim and meaning as `columns` says.

    Args:
        blocks: uint8 RGB (n_pictures, height, width, 3) with their times and words.
        params: how faces are searched for.
        checkpoint: not used.

    Yields:
        float32, in the order of the utterances; flagged as `merflow.features.vision.face` and `merflow.features.words.mean` say.
    """
    return over_words(lambda pictures: face.extract(pictures, params, checkpoint), blocks)


def columns(params: FaceParams, checkpoint: Path | None) -> list[str]:
    """Names, those of `merflow.features.vision.face`."""
    return face.columns(params, checkpoint)
