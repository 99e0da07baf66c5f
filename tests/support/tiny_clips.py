"""Small clips in any container and codec, of numbered frames and a tone."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

HEIGHT, WIDTH, BITS = 64, 96, 12


def numbered(number: int) -> np.ndarray:
    """Draw 12 stripes: the bits of `number`."""
    bits = np.array([255 * (number >> bit & 1) for bit in range(BITS)], np.uint8)
    return np.broadcast_to(bits.repeat(WIDTH // BITS)[None, :, None], (HEIGHT, WIDTH, 3)).copy()


def number_of(image: np.ndarray) -> int:
    """Read the number that a frame of any size shows."""
    stripes = image.mean(axis=(0, 2)).reshape(BITS, -1)
    width = stripes.shape[1]
    first, last = width // 4, max(width // 4 + 1, 3 * width // 4)
    middle = stripes[:, first:last].mean(axis=1)
    return sum(1 << bit for bit in range(BITS) if middle[bit] > 128)


def tone(n_samples: int, rate: int, channels: int, hz: float = 440.0) -> np.ndarray:
    """Make (channels, n_samples) float32; each channel is an octave above the one before."""
    time_s = np.arange(n_samples) / rate
    octaves = [0.3 * np.sin(2 * np.pi * hz * 2**channel * time_s) for channel in range(channels)]
    return np.stack(octaves).astype(np.float32)


def noise(n_samples: int) -> np.ndarray:
    """Noise (1, n_samples) float32."""
    values = 0.3 * np.random.default_rng(0).standard_normal((1, n_samples))
    return values.clip(-1, 1).astype(np.float32)


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
    samples: np.ndarray | None = None,
    audio_options: dict[str, str] | None = None,
    container: dict[str, str] | None = None,
) -> Path:
    """Write a clip.

    Args:
        path: file to write; its suffix is the container.
        n_frames: number of frames.
        fps: frames per second.
        codec: of the video; None: no video.
        options: of the video encoder.
        ticks: time of each frame in ms, instead of `fps`.
        audio: codec; None: no audio.
        rate: sampling rate.
        layout: of the channels.
        samples: (channels, n) float32; None: a tone as long as the video.
        audio_options: of the audio encoder.
        container: options of the container.
    """
    flags = {"fflags": "+bitexact", **(container or {})}
    with av.open(str(path), "w", options=flags) as file:
        streams: list[tuple[Any, list[Any]]] = []
        if codec:
            unit = Fraction(1, 1000) if ticks else Fraction(1, fps)
            video = file.add_stream(codec, rate=fps, options={"threads": "1", **(options or {})})
            video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
            video.codec_context.time_base = unit
            streams.append((video, _video_frames(n_frames, ticks, unit)))
        if audio:
            stream = file.add_stream(audio, rate=rate, layout=layout, options=audio_options or {})
            if samples is None:
                n_channels = stream.layout.nb_channels
                samples = tone(round(n_frames * rate / fps), rate, n_channels)
            streams.append((stream, _audio_frames(samples, rate, layout)))
        interleaved = [
            (float(frame.pts * frame.time_base), number, frame)
            for number, (_, frames) in enumerate(streams)
            for frame in frames
        ]
        for _, number, frame in sorted(interleaved, key=lambda row: row[:2]):
            file.mux(streams[number][0].encode(frame))
        for encoder, _ in streams:
            file.mux(encoder.encode(None))
    return path


def _video_frames(n_frames: int, ticks: list[int] | None, unit: Fraction) -> list[Any]:
    frames = []
    for number in range(n_frames):
        frame = av.VideoFrame.from_ndarray(numbered(number), format="rgb24")
        frame.pts, frame.time_base = ticks[number] if ticks else number, unit
        frames.append(frame)
    return frames


def _audio_frames(samples: np.ndarray, rate: int, layout: str) -> list[Any]:
    """Frames of a tenth of a second."""
    frames = []
    for start in range(0, samples.shape[1], rate // 10):
        piece = np.ascontiguousarray(samples[:, start : start + rate // 10])
        frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
        frames.append(frame)
    return frames
