"""Small clips whose pictures say their own number and whose sound is a tone, in any container, codec and rhythm."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

HEIGHT, WIDTH, BITS = 64, 96, 12


def numbered(number: int) -> np.ndarray:
    """A picture of 12 stripes: the bits of `number`."""
    bits = np.array([255 * (number >> bit & 1) for bit in range(BITS)], np.uint8)
    return np.broadcast_to(bits.repeat(WIDTH // BITS)[None, :, None], (HEIGHT, WIDTH, 3)).copy()


def number_of(picture: np.ndarray) -> int:
    """The number that a picture of any size says."""
    stripes = picture.mean(axis=(0, 2)).reshape(BITS, -1)
    middle = stripes[
        :, stripes.shape[1] // 4 : max(stripes.shape[1] // 4 + 1, 3 * stripes.shape[1] // 4)
    ].mean(axis=1)
    return sum(1 << bit for bit in range(BITS) if middle[bit] > 128)


def tone(n_samples: int, rate: int, channels: int, hz: float = 440.0) -> np.ndarray:
    """(channels, n_samples) float32; each channel an octave above the one before."""
    time_s = np.arange(n_samples) / rate
    return np.stack(
        [0.3 * np.sin(2 * np.pi * hz * 2**channel * time_s) for channel in range(channels)]
    ).astype(np.float32)


def write(
    path: Path,
    n_frames: int = 50,
    fps: int = 25,
    codec: str | None = "libx264",
    options: dict[str, str] | None = None,
    ticks: list[int] | None = None,
    audio: str | None = "aac",
    rate: int = 48000,
    layout: str = "mono",
    sound: np.ndarray | None = None,
    audio_options: dict[str, str] | None = None,
    container: dict[str, str] | None = None,
) -> Path:
    """Write a clip of `n_frames` numbered pictures (at `ticks` / 1000 s, or `fps`) and `sound` (channels, n), by default a tone."""
    unit = Fraction(1, 1000) if ticks else Fraction(1, fps)
    with av.open(str(path), "w", options={"fflags": "+bitexact", **(container or {})}) as file:
        streams: list[tuple[Any, list[Any]]] = []
        if codec:
            video = file.add_stream(codec, rate=fps, options={"threads": "1", **(options or {})})
            video.width, video.height, video.pix_fmt, video.codec_context.time_base = (
                WIDTH,
                HEIGHT,
                "yuv420p",
                unit,
            )
            pictures = []
            for number in range(n_frames):
                picture = av.VideoFrame.from_ndarray(numbered(number), format="rgb24")
                picture.pts, picture.time_base = ticks[number] if ticks else number, unit
                pictures.append(picture)
            streams.append((video, pictures))
        if audio:
            stream = file.add_stream(audio, rate=rate, layout=layout, options=audio_options or {})
            values = (
                tone(round(n_frames * rate / fps), rate, stream.layout.nb_channels)
                if sound is None
                else sound
            )
            pieces = []
            for start in range(0, values.shape[1], rate // 10):
                piece = np.ascontiguousarray(values[:, start : start + rate // 10])
                frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout=layout)
                frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
                pieces.append(frame)
            streams.append((stream, pieces))
        both = sorted(
            (
                (float(f.pts * f.time_base), n, f)
                for n, (_, frames) in enumerate(streams)
                for f in frames
            ),
            key=lambda row: row[:2],
        )
        for _, number, frame in both:
            file.mux(streams[number][0].encode(frame))
        for encoder, _ in streams:
            file.mux(encoder.encode(None))
    return path
