"""Pictures of clips as an input: decoded from their JPEGs when a batch asks for them, and kept while there is room."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from merflow import artifacts
from merflow.features.sources import decoded
from merflow.store import Parts

ROOM = 2**30  # bytes of decoded pictures that are kept: those of the demo, a part of a real corpus


class Pictures(Mapping[str, np.ndarray]):
    """By utterance uint8 RGB (frames, size, size, 3), of the pictures in a folder of data/media/<corpus>."""

    def __init__(self, folder: Path, scope: set[str], frames: int, size: int):
        """Those of the utterances in `scope`: `frames` of them, evenly spread, scaled to `size` pixels whatever their shape.

        Raises:
            StoreError: the folder is not whole, or unreadable.
        """
        self.frames, self._size, self._folder = frames, size, folder
        self._parts = Parts(folder, artifacts.FRAMES)
        self._ids = [key for key in self._parts.ids if key in scope]
        self._made = lru_cache(maxsize=ROOM // (frames * size * size * 3))(self._make)

    def __getitem__(self, key: str) -> np.ndarray:
        return self._made(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def __len__(self) -> int:
        return len(self._ids)

    def _make(self, key: str) -> np.ndarray:
        """Decode the pictures of an utterance.

        Raises:
            StoreError: one cannot be decoded.
        """
        held = self._parts.read(key, "values")
        chosen = [
            held[(2 * part + 1) * len(held) // (2 * self.frames)] for part in range(self.frames)
        ]
        return np.stack([self._scaled(decoded(self._folder, key, data)) for data in chosen])

    def _scaled(self, picture: np.ndarray) -> np.ndarray:
        return cv2.resize(picture, (self._size, self._size), interpolation=cv2.INTER_AREA)
