"""Geometry, motion and appearance of the face in every frame, by OpenCV's cascades.

class_weight_lstm section 3 takes its visual features from Facet, which is closed. This feature
replaces it under its own name: place and motion of the face, eyes and smile, brightness, sharpness
and gradients. It has no action units, and the cascades find frontal faces only. The face of a
frame is the largest one, which need not be the speaker; column `faces` counts the faces.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from cv2.data import haarcascades

from merflow.features.extractor import Flagged
from merflow.features.sources import FrameSource
from merflow.params import FaceParams

SOURCE = FrameSource
PARAMS = FaceParams
LIBRARIES = ("opencv-python-headless", "numpy")
USES_GPU = False

SIDE = 160  # pixels of the side to which every face is scaled
GRID, BINS = 4, 9  # histograms of oriented gradients: 4 x 4 cells, directions of 20 degrees
EYE_SCALE, EYE_NEIGHBORS = 1.1, 3
SMILE_SCALE, SMILE_NEIGHBORS = 1.2, 20  # usual values: fewer neighbours take any mouth for a smile

_PLACE = ("x", "y", "size")
_GRADIENTS = [
    f"gradient_{row}_{column}_{20 * direction}"
    for row, column, direction in product(range(GRID), range(GRID), range(BINS))
]
_NAMES = [
    # 1: the frame has a face; 0: it has none, and the whole row is 0
    "face",
    # number of faces
    "faces",
    # centre as a share of the frame's width and height; side as a share of its short side
    *_PLACE,
    # since the previous frame; 0 if one of the two has no face
    *(f"{name}_change" for name in _PLACE),
    # 1 if the eye on this side of the frame is found; its centre as a share of the face's side
    *("left_eye", "left_eye_x", "left_eye_y"),
    *("right_eye", "right_eye_x", "right_eye_y"),
    # 1 if found; centre and width as a share of the face's side
    *("smile", "smile_y", "smile_width"),
    # logarithm of 1 + number of windows that agree on the smile
    "smile_strength",
    # mean and standard deviation of the grey values, 0..1
    *("brightness", "contrast"),
    # logarithm of 1 + variance of the Laplacian of the grey values 0..255
    "sharpness",
    *_GRADIENTS,
]
_COLUMN = {name: i for i, name in enumerate(_NAMES)}


class _Box(NamedTuple):
    x: int
    y: int
    width: int
    height: int


def extract(
    blocks: Iterable[Sequence[np.ndarray]], params: FaceParams, checkpoint: Path | None
) -> Iterator[np.ndarray | Flagged]:
    """Yield (n_frames, dim) of each utterance, with the columns that `columns` names.

    Every value is finite. An utterance without a face in any frame is flagged and kept as zeros.

    Args:
        blocks: utterances, each uint8 RGB (n_frames, height, width, 3).
        params: settings of the search for faces.
        checkpoint: not used.

    Yields:
        float32, in the order of the utterances.
    """
    cv2.setNumThreads(1)
    reader = _FaceReader(params)
    for utterances in blocks:
        for frames in utterances:
            values = np.stack([reader.read(frame) for frame in frames])
            _add_changes(values)
            if values[:, _COLUMN["face"]].any():
                yield values
            else:
                detail = f"in none of {len(values)} pictures"
                yield Flagged(values, "no face", detail, "kept: zeros, column face is 0")


def columns(params: FaceParams, checkpoint: Path | None) -> list[str]:
    """Name the columns.

    gradient_<row>_<column>_<degrees> is the share of gradients with directions from <degrees> to 20
    degrees more in one cell; rows count from the top.
    """
    return list(_NAMES)


class _FaceReader:
    """Values of one frame; the cascades are loaded once."""

    def __init__(self, params: FaceParams):
        self._params = params
        self._face, self._eye, self._smile = (
            cv2.CascadeClassifier(str(Path(haarcascades) / f"haarcascade_{name}.xml"))
            for name in ("frontalface_alt2", "eye", "smile")
        )
        cell = (SIDE // GRID, SIDE // GRID)
        # a single block normalises all cells together, so a cell without edges stays weak
        self._gradients = cv2.HOGDescriptor((SIDE, SIDE), (SIDE, SIDE), (SIDE, SIDE), cell, BINS)

    def read(self, frame: np.ndarray) -> np.ndarray:
        """Compute (dim,) of one frame, without the changes."""
        row = np.zeros(len(_NAMES), np.float32)
        grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        faces = self._find_faces(grey)
        face = _largest(faces)
        if face is None:
            return row
        crop = _crop(grey, face)
        values = {"face": 1, "faces": len(faces), **_place(face, grey)}
        values |= self._eyes(crop) | self._mouth(crop) | _appearance(crop)
        for name, value in values.items():
            row[_COLUMN[name]] = value
        row[-len(_GRADIENTS) :] = self._gradient_histograms(crop)
        return row

    def _find_faces(self, grey: np.ndarray) -> Sequence[Sequence[int]]:
        smallest = max(round(self._params.min_size * min(grey.shape)), 1)
        return self._face.detectMultiScale(
            grey,
            self._params.scale_factor,
            self._params.min_neighbors,
            minSize=(smallest, smallest),
        )

    def _eyes(self, face: np.ndarray) -> dict[str, float]:
        """Search one eye in each half of the face's upper part."""
        values: dict[str, float] = {}
        smallest = (SIDE // 8, SIDE // 8)
        for side, left in (("left", 0), ("right", SIDE // 2)):
            region = face[: SIDE * 6 // 10, left : left + SIDE // 2]
            boxes = self._eye.detectMultiScale(region, EYE_SCALE, EYE_NEIGHBORS, minSize=smallest)
            if eye := _largest(boxes):
                x, y = left + eye.x + eye.width / 2, eye.y + eye.height / 2
                values |= {f"{side}_eye": 1, f"{side}_eye_x": x / SIDE, f"{side}_eye_y": y / SIDE}
        return values

    def _mouth(self, face: np.ndarray) -> dict[str, float]:
        """Search a smile in the lower half of the face."""
        smallest = (SIDE // 3, SIDE // 6)
        boxes, windows = self._smile.detectMultiScale2(
            face[SIDE // 2 :], SMILE_SCALE, SMILE_NEIGHBORS, minSize=smallest
        )
        smile = _largest(boxes)
        if smile is None:
            return {}
        y = SIDE // 2 + smile.y + smile.height / 2
        return {
            "smile": 1,
            "smile_y": y / SIDE,
            "smile_width": smile.width / SIDE,
            "smile_strength": np.log1p(max(windows)),
        }

    def _gradient_histograms(self, face: np.ndarray) -> np.ndarray:
        # OpenCV goes through the cells column by column
        cells = np.asarray(self._gradients.compute(face)).reshape(GRID, GRID, BINS)
        return cells.transpose(1, 0, 2).ravel()


def _place(face: _Box, grey: np.ndarray) -> dict[str, float]:
    height, width = grey.shape
    return {
        "x": (face.x + face.width / 2) / width,
        "y": (face.y + face.height / 2) / height,
        "size": face.width / min(height, width),
    }


def _crop(grey: np.ndarray, face: _Box) -> np.ndarray:
    """Cut out the face and scale it to SIDE x SIDE."""
    crop = grey[face.y : face.y + face.height, face.x : face.x + face.width]
    interpolation = cv2.INTER_AREA if face.width > SIDE else cv2.INTER_LINEAR
    return cv2.resize(crop, (SIDE, SIDE), interpolation=interpolation)


def _appearance(face: np.ndarray) -> dict[str, float]:
    return {
        "brightness": face.mean() / 255,
        "contrast": face.std() / 255,
        "sharpness": np.log1p(cv2.Laplacian(face, cv2.CV_32F).var()),
    }


def _largest(boxes: Iterable[Sequence[int]]) -> _Box | None:
    """Choose the largest box; of equal ones the upper left, because OpenCV promises no order."""
    return max(
        (_Box(*map(int, box)) for box in boxes),
        key=lambda box: (box.width * box.height, -box.y, -box.x),
        default=None,
    )


def _add_changes(values: np.ndarray) -> None:
    """Fill the columns ``*_change`` of the frames of one utterance, in place."""
    both_faces = values[1:, _COLUMN["face"]] * values[:-1, _COLUMN["face"]]
    for name in _PLACE:
        values[1:, _COLUMN[f"{name}_change"]] = both_faces * np.diff(values[:, _COLUMN[name]])
