"""Frames of clips as an input.

They are decoded when a batch needs them, and kept within a limit.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from merflow import artifacts
from merflow.features.sources import decode_jpeg
from merflow.store import MediaReader

ROOM = 2**30  # bytes of decoded frames that are kept: all of the demo, a share of a real corpus


class DecodedFrames(Mapping[str, np.ndarray]):
    """Frames of each utterance, uint8 RGB (n_frames, size, size, 3), from data/media/<corpus>."""

    def __init__(self, folder: Path, scope: set[str], frames: int, size: int):
        """Open a folder of frames.

        Args:
            folder: of the sampled frames.
            scope: ids of the utterances.
            frames: number of frames to take of each utterance, evenly spread.
            size: side in pixels to which a frame of any shape is scaled.

        Raises:
            StoreError: the folder is not whole, or unreadable.
        """
        self.n_frames, self._size, self._folder = frames, size, folder
        self._media = MediaReader(folder, artifacts.FRAMES)
        self._ids = [key for key in self._media.ids if key in scope]
        self._decode = lru_cache(maxsize=ROOM // (frames * size * size * 3))(self._decoded)

    def __getitem__(self, key: str) -> np.ndarray:
        return self._decode(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def __len__(self) -> int:
        return len(self._ids)

    def _decoded(self, key: str) -> np.ndarray:
        """Decode the frames of an utterance.

        Raises:
            StoreError: a frame cannot be decoded.
        """
        stored = self._media.read(key, "values")
        chosen = [
            stored[(2 * place + 1) * len(stored) // (2 * self.n_frames)]
            for place in range(self.n_frames)
        ]
        return np.stack([self._scaled(decode_jpeg(self._folder, key, data)) for data in chosen])

    def _scaled(self, frame: np.ndarray) -> np.ndarray:
        return cv2.resize(frame, (self._size, self._size), interpolation=cv2.INTER_AREA)
