"""Which frames of an utterance are kept, and as what: JPEG in two samplings, made from one pass of the decoder.

Colours follow the file's own tags (swscale); pixels are taken as square and as they are stored, as in OpenCV.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import av
import cv2
from av.video.reformatter import VideoReformatter

from merflow.params import MediaParams

EVERY, UNIFORM = 10, 15
BLACK = 16  # of 255: no pixel of a black picture is brighter


def every_10th(n_frames: int) -> list[int]:
    """Frames 0, 10, 20, ... (weighted_late_fusion section C)."""
    return list(range(0, n_frames, EVERY))


def uniform_15(n_frames: int) -> list[int]:
    """The frames in the middle of 15 equal parts (deepmsi_mer section 3.3); of fewer than 15 frames, some repeat."""
    return (
        [(2 * part + 1) * n_frames // (2 * UNIFORM) for part in range(UNIFORM)] if n_frames else []
    )


#: Folder in data/media/<corpus>/ -> indices of the frames of an utterance with so many.
SAMPLINGS: dict[str, Callable[[int], list[int]]] = {
    "frames_every10": every_10th,
    "frames_15": uniform_15,
}


@dataclass(frozen=True)
class Picture:
    """One frame as JPEG: its index in the utterance, from 0 in order of presentation, and its time since the utterance's start."""

    frame: int
    time_s: float
    data: bytes


class Album:
    """Takes decoded frames in order of presentation and keeps the wanted ones, each encoded once."""

    def __init__(self, times: Sequence[float], media: MediaParams):
        """`times`: of all frames of the utterance, in s since its start, ascending."""
        self._times = times
        self._media = media
        self._samplings = {name: sampling(len(times)) for name, sampling in SAMPLINGS.items()}
        self._open = deque(sorted(set().union(*self._samplings.values())))
        self._made: dict[int, Picture] = {}
        self._last: tuple[int, av.VideoFrame] | None = None
        self._scaler = VideoReformatter()
        self._size: tuple[int, int] | None = None
        self.wanted = frozenset(self._open)
        self.replaced = self.damaged = 0  # wanted frames that did not come, or came with errors
        self.black = True  # no picture has light in it

    @property
    def complete(self) -> bool:
        """Nothing more is wanted."""
        return not self._open

    def offer(self, index: int, frame: av.VideoFrame) -> None:
        """Take frame `index` if it is wanted, or if one before it was and did not come."""
        self._last = index, frame
        if self._open and self._open[0] <= index:
            picture = self._encode(index, frame)
            self.damaged += frame.is_corrupt
            while self._open and self._open[0] <= index:
                wanted = self._open.popleft()
                self._made[wanted] = picture
                self.replaced += wanted != index

    def pictures(self) -> dict[str, list[Picture]]:
        """Pictures by sampling. A frame that did not come is replaced by the next one that did, at the end by the last one."""
        if self._open and self._last is not None:
            picture = self._encode(*self._last)
            self.replaced += len(self._open)
            self._made.update(dict.fromkeys(self._open, picture))
            self._open.clear()
        return {
            name: [self._made[index] for index in indices if index in self._made]
            for name, indices in self._samplings.items()
        }

    def _encode(self, index: int, frame: av.VideoFrame) -> Picture:
        if self._size is None:  # all pictures of an utterance have one size
            scale = min(1.0, self._media.short_side / min(frame.width, frame.height))
            self._size = max(1, round(frame.width * scale)), max(1, round(frame.height * scale))
        width, height = self._size
        pixels = self._scaler.reformat(
            frame, width, height, "bgr24", interpolation="AREA", threads=1
        ).to_ndarray()
        self.black = self.black and int(pixels.max()) <= BLACK
        _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, self._media.jpeg_quality])
        return Picture(index, self._times[index], data.tobytes())
