"""Audio of a clip as 16 kHz mono, each sample at its time (FFmpeg's resampler).

The downmix is the same as by ``ffmpeg -ac 1 -ar 16000``. Weights follow the meaning of channels:
centre 1, front left and right 1/sqrt(2), surround 1/2, no LFE. They are divided by their sum so
that nothing clips. Stereo is thus (left + right) / 2, and 5.1 is 0.293 C + 0.207 (L + R) +
0.146 (Ls + Rs). If a file does not name its channels, FFmpeg's usual order for their number holds.
Mono audio of 16 kHz and 16 bit passes through bit by bit. PyAV: https://pyav.org.

Files that store floats (WAV of 32 or 64 bit) may hold anything. Samples that are not a number
become silence. If samples are beyond full scale, the clip is divided by its peak: its waveform
stays, its loudness does not. A lossy codec decodes to floats too. Those exceed full scale a little
where a recording is loud, and are clipped, as in every player.
"""

from fractions import Fraction
from math import gcd

import av
import numpy as np

from merflow.artifacts import SAMPLING_RATE

#: A jump of timestamps from here on is a gap; smaller ones are rounding (Matroska: 1 ms).
GAP_S = 0.1
#: A longer gap, in samples, comes from a broken timestamp. As silence it would fill the memory.
LONGEST_GAP = 3600 * SAMPLING_RATE
#: Plausible rates in Hz. Another one comes from a broken header, and its resampled second may fill
#: the memory.
RATES = range(4_000, 400_000)
MANY_CHANNELS = 8  # PyAV makes no planar frame of this many
#: Floats are divided by it, and resampled to 32 bits. So a step is that of 16 bits, and nothing up
#: to 65,536 times full scale is clipped. What is beyond is taken for no number.
HEADROOM = 2**16
PEAK = 2**15 - 1  # of 16 bits
FULL_SCALE = 1 + 2**-15  # a step of 16 bits more than 1 is rounding


class AudioTrack:
    """Collects the decoded audio frames of one clip, in their order.

    Attributes:
        end_s: end of the last frame.
        n_jumps: number of gaps that are not filled: behind the end, or of more than LONGEST_GAP.
        n_broken: number of stored floats that are not a number.
        n_beyond: number of stored floats beyond full scale.
        peak: highest sample of the span, by full scale, before it was divided; 1: it was not.
    """

    def __init__(
        self, origin_s: float, start_s: float, length_s: float, stores_floats: bool = False
    ):
        """Start without frames.

        Args:
            origin_s: reading of the file's clock at time 0.
            start_s: start of the span that is to be cut out, since time 0.
            length_s: length of the file; a gap behind it is not filled.
            stores_floats: the file stores samples as floats, without loss.
        """
        self._origin_s = origin_s
        self._start = round(start_s * SAMPLING_RATE)
        self._last = round(length_s * SAMPLING_RATE)
        self._stores_floats = stores_floats
        # first sample since time 0, and arrays without a gap between them, in steps of 16 bits
        self._pieces: list[tuple[int, list[np.ndarray]]] = []
        self._resampler: av.AudioResampler | None = None
        self._form: tuple[str, str, int] | None = None
        self.end_s = 0.0
        self.n_broken = self.n_beyond = self.n_jumps = 0
        self.peak = 1.0

    def add(self, frame: av.AudioFrame) -> None:
        """Add the next frame; another format or a gap before it starts a new piece.

        Raises:
            ValueError: the sampling rate is impossible.
        """
        if frame.sample_rate not in RATES:
            raise ValueError(f"a sampling rate of {frame.sample_rate} Hz")
        if self._stores_floats:
            frame = self._with_headroom(frame)
        form = (frame.format.name, frame.layout.name, frame.sample_rate)
        start_s = self.end_s
        if frame.pts is not None:
            start_s = frame.pts * float(frame.time_base) - self._origin_s
        end_s = start_s + frame.samples / frame.sample_rate
        if form != self._form or abs(start_s - self.end_s) >= GAP_S:
            self._flush()
            depth = "s32" if self._stores_floats else "s16"
            self._form, self._resampler = form, av.AudioResampler(depth, "mono", SAMPLING_RATE)
            frame, first = _on_grid(frame, start_s)
            if first > self._last or first - self._n_samples > LONGEST_GAP:
                self.n_jumps, first = self.n_jumps + 1, self._n_samples
            self._pieces.append((first, []))
        assert self._resampler is not None
        self._keep(self._resampler.resample(frame))
        self.end_s = end_s

    def _with_headroom(self, frame: av.AudioFrame) -> av.AudioFrame:
        """Replace what is not a number, and divide the rest by HEADROOM."""
        values = frame.to_ndarray()
        if frame.format.is_planar:
            values = values.T.reshape(1, -1)
        size = np.abs(values)
        broken = ~(size < HEADROOM)  # so is NaN
        self.n_broken += int(broken.sum())
        self.n_beyond += int((size > FULL_SCALE).sum()) - int((size >= HEADROOM).sum())
        values = np.where(broken, 0, values) / values.dtype.type(HEADROOM)
        packed = frame.format.packed.name
        return _like(frame, av.AudioFrame.from_ndarray(values, packed, frame.layout.name))

    def _keep(self, frames: list[av.AudioFrame | None]) -> None:
        self._pieces[-1][1].extend(frame.to_ndarray()[0] for frame in frames if frame is not None)

    def _flush(self) -> None:
        if self._resampler is not None:
            self._keep(self._resampler.resample(None))
            self._resampler = None

    @property
    def _n_samples(self) -> int:
        ends = (first + sum(map(len, arrays)) for first, arrays in self._pieces)
        return max(ends, default=self._start)

    def cut(self, start_s: float, end_s: float) -> tuple[np.ndarray, float]:
        """Cut out a span, up to the last sample.

        Returns:
            Samples, (n,) int16, with gaps as silence, and the length of these gaps in seconds.
        """
        self._flush()
        first = round(start_s * SAMPLING_RATE)
        last = min(self._n_samples, round(end_s * SAMPLING_RATE))
        depth = np.int32 if self._stores_floats else np.int16
        samples = np.zeros(max(0, last - first), depth)
        gaps, reached = 0, first
        for begin, arrays in self._pieces:
            piece = np.concatenate(arrays) if arrays else np.empty(0, depth)
            low, high = max(begin, first), min(begin + len(piece), last)
            if low < high:
                samples[low - first : high - first] = piece[low - begin : high - begin]
                gaps += max(0, low - reached)
                reached = max(reached, high)
        return self._in_16_bits(samples), gaps / SAMPLING_RATE

    def _in_16_bits(self, samples: np.ndarray) -> np.ndarray:
        """Divide by the peak if stored samples were beyond full scale; then clip."""
        highest = float(np.abs(samples.astype(np.int64)).max(initial=0)) if self.n_beyond else 0.0
        if highest > PEAK:
            self.peak = highest / (PEAK + 1)
            samples = np.rint(samples * (PEAK / highest))
        return samples.clip(-PEAK - 1, PEAK).astype(np.int16)


def stores_floats(context: av.AudioCodecContext) -> bool:
    """Tell whether a codec keeps the floats that someone wrote, instead of making floats."""
    codec = context.codec
    exact = codec.lossless and not codec.lossy
    return exact and context.format is not None and context.format.name[:3] in ("flt", "dbl")


def _on_grid(frame: av.AudioFrame, start_s: float) -> tuple[av.AudioFrame, int]:
    """Drop samples up to the first that falls on a sample of 16 kHz.

    Resampling from the middle of a file then gives the same samples as resampling all of it.

    Returns:
        The frame, and the number of its first sample at 16 kHz since time 0.
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
        frame, number = _like(frame, rest), number + drop
        frame.time_base, frame.pts = Fraction(1, rate), number
    return frame, round(Fraction(number * SAMPLING_RATE, rate))


def _like(frame: av.AudioFrame, new: av.AudioFrame) -> av.AudioFrame:
    """Give a new frame the rate and the time of `frame`."""
    new.sample_rate, new.time_base, new.pts = frame.sample_rate, frame.time_base, frame.pts
    return new
