"""Geometry, motion and appearance of the face in every picture, by the cascades that come with OpenCV.

class_weight_lstm section 3 takes its visual features from Facet, which is closed. This is an open stand-in under its own name:
where the face is and how it moves, eyes and smile, brightness, sharpness and gradients. It has no action units and knows nothing of
profiles. The face of a picture is the largest one found, not that of who speaks; `faces` says how many there are.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from cv2.data import haarcascades

from merflow.features.extractor import Flagged
from merflow.features.sources import Pictures
from merflow.params import FaceParams

SOURCE = Pictures
PARAMS = FaceParams
LIBRARIES = ("opencv-python-headless", "numpy")
USES_GPU = False

SIDE = 160  # pixels of a face's side for what is looked for in it, whatever its size in the picture
GRID, BINS = 4, 9  # histograms of oriented gradients: 4 x 4 cells, directions of 20 degrees
EYE_SCALE, EYE_NEIGHBORS = 1.1, 3
SMILE_SCALE, SMILE_NEIGHBORS = 1.2, 20  # as is usual: fewer neighbours take any mouth for a smile

_PLACE = ("x", "y", "size")
_NAMES = [
    "face",  # 1: there is a face; 0: there is none, and all of the row is 0
    "faces",  # their number
    *_PLACE,  # centre as a share of the picture's width and height; side as a share of its short side
    *(
        f"{name}_change" for name in _PLACE
    ),  # since the previous picture, 0 where one of the two has no face
    *(
        "left_eye",
        "left_eye_x",
        "left_eye_y",
    ),  # 1 if found (left in the picture); centre as a share of the face's side
    *("right_eye", "right_eye_x", "right_eye_y"),
    *(
        "smile",
        "smile_y",
        "smile_width",
    ),  # 1 if found; centre and width as a share of the face's side
    "smile_strength",  # logarithm of 1 + the number of windows that agree on it
    *("brightness", "contrast"),  # mean and standard deviation of the grey values, 0..1
    "sharpness",  # logarithm of 1 + the variance of the Laplacian of the grey values 0..255
    *(
        f"gradient_{row}_{column}_{20 * bin_}"
        for row, column, bin_ in product(range(GRID), range(GRID), range(BINS))
    ),
]
_AT = {name: i for i, name in enumerate(_NAMES)}


class _Box(NamedTuple):
    x: int
    y: int
    width: int
    height: int


def extract(
    blocks: Iterable[Sequence[np.ndarray]], params: FaceParams, checkpoint: Path | None
) -> Iterator[np.ndarray | Flagged]:
    """(n_pictures, dim) of the pictures of each utterance, dim and meaning as `columns` says; every value is finite.

    Where no picture of an utterance has a face, it is flagged and kept: all of it is 0.

    Args:
        blocks: utterances, each uint8 RGB (n_pictures, height, width, 3).
        params: how faces are searched for.
        checkpoint: not used.

    Yields:
        float32, in the order of the utterances.
    """
    cv2.setNumThreads(1)
    reader = _Reader(params)
    for utterances in blocks:
        for pictures in utterances:
            values = np.stack([reader.read(picture) for picture in pictures])
            _add_changes(values)
            if values[:, _AT["face"]].any():
                yield values
            else:
                yield Flagged(
                    values,
                    "no face",
                    f"in none of {len(values)} pictures",
                    "kept: zeros, column face is 0",
                )


def columns(params: FaceParams, checkpoint: Path | None) -> list[str]:
    """Names; gradient_<row>_<column>_<degrees>: gradients of that direction (to 20 degrees more) in one cell, rows from the top."""
    return list(_NAMES)


class _Reader:
    """The cascades, loaded once."""

    def __init__(self, params: FaceParams):
        self._params = params
        self._face, self._eye, self._smile = (
            cv2.CascadeClassifier(str(Path(haarcascades) / f"haarcascade_{part}.xml"))
            for part in ("frontalface_alt2", "eye", "smile")
        )
        cell = (SIDE // GRID, SIDE // GRID)
        # one block: cells are normalised together, so a cell without edges stays weak
        self._gradients = cv2.HOGDescriptor((SIDE, SIDE), (SIDE, SIDE), (SIDE, SIDE), cell, BINS)

    def read(self, picture: np.ndarray) -> np.ndarray:
        """(dim,) of one picture, without the changes."""
        row = np.zeros(len(_NAMES), np.float32)
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        height, width = grey.shape
        smallest = max(round(self._params.min_size * min(height, width)), 1)
        found = self._face.detectMultiScale(
            grey,
            self._params.scale_factor,
            self._params.min_neighbors,
            minSize=(smallest, smallest),
        )
        face = _largest(found)
        if face is None:
            return row
        x, y = face.x + face.width / 2, face.y + face.height / 2
        values = {
            "face": 1,
            "faces": len(found),
            "x": x / width,
            "y": y / height,
            "size": face.width / min(height, width),
        }
        crop = grey[face.y : face.y + face.height, face.x : face.x + face.width]
        crop = cv2.resize(
            crop,
            (SIDE, SIDE),
            interpolation=cv2.INTER_AREA if face.width > SIDE else cv2.INTER_LINEAR,
        )
        values |= self._eyes(crop) | self._mouth(crop)
        values |= {"brightness": crop.mean() / 255, "contrast": crop.std() / 255}
        values["sharpness"] = np.log1p(cv2.Laplacian(crop, cv2.CV_32F).var())
        for name, value in values.items():
            row[_AT[name]] = value
        # OpenCV goes through the cells column by column
        row[-GRID * GRID * BINS :] = (
            np.asarray(self._gradients.compute(crop))
            .reshape(GRID, GRID, BINS)
            .transpose(1, 0, 2)
            .ravel()
        )
        return row

    def _eyes(self, face: np.ndarray) -> dict[str, float]:
        """One eye is looked for in each half of the face's upper part."""
        values: dict[str, float] = {}
        for side, left in (("left", 0), ("right", SIDE // 2)):
            part = face[: SIDE * 6 // 10, left : left + SIDE // 2]
            eye = _largest(
                self._eye.detectMultiScale(
                    part, EYE_SCALE, EYE_NEIGHBORS, minSize=(SIDE // 8, SIDE // 8)
                )
            )
            if eye:
                x, y = left + eye.x + eye.width / 2, eye.y + eye.height / 2
                values |= {f"{side}_eye": 1, f"{side}_eye_x": x / SIDE, f"{side}_eye_y": y / SIDE}
        return values

    def _mouth(self, face: np.ndarray) -> dict[str, float]:
        least = (SIDE // 3, SIDE // 6)
        found, windows = self._smile.detectMultiScale2(
            face[SIDE // 2 :], SMILE_SCALE, SMILE_NEIGHBORS, minSize=least
        )
        smile = _largest(found)
        if smile is None:
            return {}
        y = SIDE // 2 + smile.y + smile.height / 2
        return {
            "smile": 1,
            "smile_y": y / SIDE,
            "smile_width": smile.width / SIDE,
            "smile_strength": np.log1p(max(windows)),
        }


def _largest(boxes: Iterable[Sequence[int]]) -> _Box | None:
    """Of equals the upper left one: the order of what OpenCV finds is not promised."""
    return max(
        (_Box(*map(int, box)) for box in boxes),
        key=lambda box: (box.width * box.height, -box.y, -box.x),
        default=None,
    )


def _add_changes(values: np.ndarray) -> None:
    """Fill the columns ``*_change`` of the pictures of one utterance, in place."""
    seen = values[1:, _AT["face"]] * values[:-1, _AT["face"]]
    for name in _PLACE:
        values[1:, _AT[f"{name}_change"]] = seen * np.diff(values[:, _AT[name]])
