"""Sound of a clip as 16 kHz mono, each sample at its time (FFmpeg's resampler through PyAV, https://pyav.org).

The downmix is FFmpeg's, as of ``ffmpeg -ac 1 -ar 16000``, by the meaning of the channels: centre 1, front left and right 1/sqrt(2),
surround 1/2, no LFE, divided by their sum so that nothing clips. Stereo is thus (left + right) / 2, and 5.1 is
0.293 C + 0.207 (L + R) + 0.146 (Ls + Rs). Where a file does not name its channels, FFmpeg's usual order for their number holds.
Mono of 16 kHz and 16 bit passes through bit by bit.
"""

from fractions import Fraction
from math import gcd

import av
import numpy as np

from merflow.artifacts import SAMPLING_RATE

GAP_S = 0.1  # a jump of timestamps from here on is a hole in the sound; smaller ones are rounding (Matroska: 1 ms)
RATES = range(
    4_000, 400_000
)  # Hz; another one comes from a broken header, and a second of it may fill the memory
MANY_CHANNELS = 8  # PyAV makes no planar frame of so many


class Sound:
    """Collects the decoded frames of one clip, in their order."""

    def __init__(self, origin_s: float, length_s: float):
        """Both in seconds: what the file's clock shows at time 0, and the file's length, behind which no hole is filled."""
        self._origin_s = origin_s
        self._last = round(length_s * SAMPLING_RATE)
        self._pieces: list[
            tuple[int, list[np.ndarray]]
        ] = []  # first sample since time 0, and int16 arrays without a hole
        self._resampler: av.AudioResampler | None = None
        self._form: tuple[str, str, int] | None = None
        self.end_s = 0.0  # where the last frame ends

    def add(self, frame: av.AudioFrame) -> None:
        """Take the next frame; one of another format, or behind a hole, starts a new piece.

        Raises:
            ValueError: no sound has such a sampling rate.
        """
        if frame.sample_rate not in RATES:
            raise ValueError(f"a sampling rate of {frame.sample_rate} Hz")
        form = (frame.format.name, frame.layout.name, frame.sample_rate)
        start_s = (
            self.end_s if frame.pts is None else frame.pts * float(frame.time_base) - self._origin_s
        )
        end_s = start_s + frame.samples / frame.sample_rate
        if form != self._form or abs(start_s - self.end_s) >= GAP_S:
            self._flush()
            self._form, self._resampler = form, av.AudioResampler("s16", "mono", SAMPLING_RATE)
            frame, first = _on_grid(frame, start_s)
            self._pieces.append((first if first <= self._last else self._end, []))
        assert self._resampler is not None
        self._keep(self._resampler.resample(frame))
        self.end_s = end_s

    def _keep(self, frames: list[av.AudioFrame | None]) -> None:
        self._pieces[-1][1].extend(frame.to_ndarray()[0] for frame in frames if frame is not None)

    def _flush(self) -> None:
        if self._resampler is not None:
            self._keep(self._resampler.resample(None))
            self._resampler = None

    @property
    def _end(self) -> int:
        return max((first + sum(map(len, arrays)) for first, arrays in self._pieces), default=0)

    def cut(self, start_s: float, end_s: float) -> tuple[np.ndarray, float]:
        """The samples from `start_s` up to `end_s` or the last one, (n,) int16, holes as silence; and seconds of such silence."""
        self._flush()
        first = round(start_s * SAMPLING_RATE)
        last = min(self._end, round(end_s * SAMPLING_RATE))
        samples = np.zeros(max(0, last - first), np.int16)
        holes, reached = 0, first
        for begin, arrays in self._pieces:
            piece = np.concatenate(arrays) if arrays else np.empty(0, np.int16)
            low, high = max(begin, first), min(begin + len(piece), last)
            if low < high:
                samples[low - first : high - first] = piece[low - begin : high - begin]
                holes += max(0, low - reached)
                reached = max(reached, high)
        return samples, holes / SAMPLING_RATE


def _on_grid(frame: av.AudioFrame, start_s: float) -> tuple[av.AudioFrame, int]:
    """`frame` from its first sample that falls on one of 16 kHz, and the number of that one.

    So resampling from the middle of a file gives the samples that resampling the whole file gives.
    """
    rate = frame.sample_rate
    number = round(start_s * rate)
    drop = -number % (rate // gcd(rate, SAMPLING_RATE))
    channels = frame.layout.nb_channels
    if 0 < drop < frame.samples and channels < MANY_CHANNELS:
        values = frame.to_ndarray()[:, drop if frame.format.is_planar else drop * channels :]
        rest = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(values), format=frame.format.name, layout=frame.layout.name
        )
        rest.sample_rate, rest.time_base, rest.pts = rate, Fraction(1, rate), number + drop
        frame, number = rest, number + drop
    return frame, round(Fraction(number * SAMPLING_RATE, rate))
