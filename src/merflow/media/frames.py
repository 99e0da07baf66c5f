"""Two samplings of an utterance's video frames as JPEG, in one pass of the decoder.

Colours follow the file's own tags (swscale). Pixels are taken as square and as they are stored, as
in OpenCV.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import av
import cv2
from av.video.reformatter import VideoReformatter

from merflow.params import MediaParams

EVERY, UNIFORM = 10, 15
BLACK = 16  # of 255: no pixel of a black frame is brighter


def every_10th(n_frames: int) -> list[int]:
    """Indices 0, 10, 20, ... (weighted_late_fusion section C)."""
    return list(range(0, n_frames, EVERY))


def uniform_15(n_frames: int) -> list[int]:
    """Indices of the middles of 15 equal parts (deepmsi_mer section 3.3).

    Of fewer than 15 frames, some repeat.
    """
    if not n_frames:
        return []
    return [(2 * number + 1) * n_frames // (2 * UNIFORM) for number in range(UNIFORM)]


#: Folder in data/media/<corpus>/ -> function from a number of frames to the indices to keep.
SAMPLINGS: dict[str, Callable[[int], list[int]]] = {
    "frames_every10": every_10th,
    "frames_15": uniform_15,
}


@dataclass(frozen=True)
class Frame:
    """One frame as JPEG.

    Attributes:
        index: number in the utterance, from 0 in order of presentation.
        time_s: time since the utterance's start.
        data: JPEG.
    """

    index: int
    time_s: float
    data: bytes


class FrameSampler:
    """Takes decoded frames in order of presentation and encodes the wanted ones, each once.

    Attributes:
        wanted: indices of the frames to keep.
        replaced: number of wanted frames that did not come.
        damaged: number of kept frames with errors.
        black: True while no frame is brighter than BLACK.
    """

    def __init__(self, times: Sequence[float], media: MediaParams):
        """Choose the frames to keep.

        Args:
            times: of all frames of the utterance, in seconds since its start, ascending.
            media: size and quality of the JPEG.
        """
        self._times = times
        self._media = media
        self._samplings = {name: sampling(len(times)) for name, sampling in SAMPLINGS.items()}
        self._open = deque(sorted(set().union(*self._samplings.values())))
        self._encoded: dict[int, Frame] = {}
        self._last: tuple[int, av.VideoFrame] | None = None
        self._scaler = VideoReformatter()
        self._size: tuple[int, int] | None = None
        self.wanted = frozenset(self._open)
        self.replaced = self.damaged = 0
        self.black = True

    @property
    def complete(self) -> bool:
        """True if no further frame is wanted."""
        return not self._open

    def offer(self, index: int, frame: av.VideoFrame) -> None:
        """Keep frame `index` if it, or an earlier frame that did not come, is wanted."""
        self._last = index, frame
        if self._open and self._open[0] <= index:
            encoded = self._encode(index, frame)
            self.damaged += frame.is_corrupt
            while self._open and self._open[0] <= index:
                wanted = self._open.popleft()
                self._encoded[wanted] = encoded
                self.replaced += wanted != index

    def frames(self) -> dict[str, list[Frame]]:
        """Kept frames by sampling.

        A frame that did not come is replaced by the next one that did, at the end by the last one.
        """
        if self._open and self._last is not None:
            encoded = self._encode(*self._last)
            self.replaced += len(self._open)
            self._encoded.update(dict.fromkeys(self._open, encoded))
            self._open.clear()
        return {
            name: [self._encoded[index] for index in indices if index in self._encoded]
            for name, indices in self._samplings.items()
        }

    def _encode(self, index: int, frame: av.VideoFrame) -> Frame:
        if self._size is None:  # all frames of an utterance have one size
            scale = min(1.0, self._media.short_side / min(frame.width, frame.height))
            self._size = max(1, round(frame.width * scale)), max(1, round(frame.height * scale))
        scaled = self._scaler.reformat(frame, *self._size, "bgr24", interpolation="AREA", threads=1)
        pixels = scaled.to_ndarray()
        self.black = self.black and int(pixels.max()) <= BLACK
        _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, self._media.jpeg_quality])
        return Frame(index, self._times[index], data.tobytes())
