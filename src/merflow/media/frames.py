"""Samplings of an utterance's video frames as JPEG, in one pass of the decoder.

Frames are shown as players show them: upright (merflow.media.upright), and in the proportions that
the file asks for. Colours follow the file's own tags (swscale), alpha is left out, and fields of
interlaced video stay woven. The light curves of high dynamic range (HLG, PQ) are not converted.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import av
import cv2
from av.video.reformatter import ColorTrc, VideoReformatter

from merflow.media.upright import turn_of
from merflow.params import MediaParams

EVERY, UNIFORM = 10, 15
BLACK = 16  # of 255: no pixel of a black frame is brighter
#: Pixels are square if their sides differ by less: players round so (854 columns for 853.3).
ALMOST_SQUARE = 0.02
LONGEST_PIXEL = 4  # a longer one comes from a broken header
HIGH_DYNAMIC_RANGE = {int(ColorTrc.SMPTE2084), int(ColorTrc.ARIB_STD_B67)}


def every_10th(n_frames: int) -> list[int]:
    """Indices 0, 10, 20, ... (weighted_late_fusion section C)."""
    return list(range(0, n_frames, EVERY))


def uniform(n_frames: int, wanted: int = UNIFORM) -> list[int]:
    """Indices of the middles of `wanted` equal parts (deepmsi_mer section 3.1.3: 15).

    Of fewer frames than wanted, some repeat.
    """
    if not n_frames:
        return []
    return [(2 * number + 1) * n_frames // (2 * wanted) for number in range(wanted)]


#: Folder in data/media/<corpus>/ -> function from a number of frames to the indices to keep.
SAMPLINGS: dict[str, Callable[[int, MediaParams], list[int]]] = {
    "frames_every10": lambda n_frames, _: every_10th(n_frames),
    "frames_15": lambda n_frames, _: uniform(n_frames),
    "frames_dense": lambda n_frames, media: uniform(n_frames, media.dense_frames),
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
        slanted: number of frames that the file turns by an angle which is not applied.
        high_dynamic_range: number of frames with a light curve that is not converted.
    """

    def __init__(
        self, times: Sequence[float], media: MediaParams, pixel_aspect: Fraction | None = None
    ):
        """Choose the frames to keep.

        Args:
            times: of all frames of the utterance, in seconds since its start, ascending.
            media: size and quality of the JPEG.
            pixel_aspect: width of a pixel by its height; None: 1.
        """
        self._times = times
        self._media = media
        self._samplings = {
            name: sampling(len(times), media) for name, sampling in SAMPLINGS.items()
        }
        self._open = deque(sorted(set().union(*self._samplings.values())))
        self._encoded: dict[int, Frame] = {}
        self._last: tuple[int, av.VideoFrame] | None = None
        self._scaler = VideoReformatter()
        self._pixel_aspect = _plausible(pixel_aspect)
        self._size: tuple[int, int] | None = None
        self.slanted = self.high_dynamic_range = 0
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
        turn = turn_of(frame)
        self.slanted += turn.slanted
        self.high_dynamic_range += frame.color_trc in HIGH_DYNAMIC_RANGE
        if self._size is None:  # all frames of an utterance have one size
            width, height = self._scaled_size(frame)
            self._size = (height, width) if turn.swaps else (width, height)
        width, height = reversed(self._size) if turn.swaps else self._size
        scaled = self._scaler.reformat(
            frame, width, height, "bgr24", interpolation="AREA", threads=1
        )
        pixels = turn.apply(scaled.to_ndarray())
        self.black = self.black and int(pixels.max()) <= BLACK
        _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, self._media.jpeg_quality])
        return Frame(index, self._times[index], data.tobytes())

    def _scaled_size(self, frame: av.VideoFrame) -> tuple[int, int]:
        """Width and height with square pixels, never enlarged."""
        width, height = frame.width, frame.height
        if self._pixel_aspect < 1:
            width *= self._pixel_aspect
        else:
            height /= self._pixel_aspect
        scale = min(1.0, self._media.short_side / min(width, height))
        return max(1, round(width * scale)), max(1, round(height * scale))


def _plausible(pixel_aspect: Fraction | None) -> float:
    """Pixel aspect as a number; 1 if it is unknown, almost 1 or impossible."""
    ratio = float(pixel_aspect or 1)
    longest = max(ratio, 1 / ratio)
    return ratio if 1 + ALMOST_SQUARE <= longest <= LONGEST_PIXEL else 1.0
