"""Write clips and audio files, with the same bytes for the same input (PyAV, soundfile).

Encoders run with one thread and FFmpeg's ``bitexact`` flags, so neither timing nor version strings
reach the file. PyAV: https://pyav.org.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import numpy as np
import soundfile

from merflow.errors import MediaError
from merflow.store import whole


@dataclass(frozen=True)
class Format:
    """A container and its codecs; options are those of FFmpeg's encoders."""

    container: str
    video: str
    audio: str
    video_options: tuple[tuple[str, str], ...]
    audio_options: tuple[tuple[str, str], ...] = ()
    audio_bit_rate: int = 48_000  # bit/s and channel


#: H.264 and AAC in MP4: MELD, CMU-MOSEI, RAVDESS. The fast search of FFmpeg's AAC encoder takes a
#: third of the time of its default.
MP4 = Format(
    "mp4",
    "libx264",
    "aac",
    (("preset", "ultrafast"), ("crf", "30"), ("threads", "1")),
    (("aac_coder", "fast"),),
)
#: MPEG-4 (DivX) and MP3 in AVI: IEMOCAP.
AVI = Format("avi", "mpeg4", "libmp3lame", (("qmin", "6"), ("qmax", "6"), ("threads", "1")))

LAYOUTS = {1: "mono", 2: "stereo"}
_BITEXACT = {"flags": "+bitexact"}


def write_clip(
    path: Path,
    frames: Iterable[np.ndarray],
    fps: int,
    samples: np.ndarray,
    sampling_rate: int,
    form: Format = MP4,
) -> None:
    """Encode video and audio into one file, whole or not at all.

    Args:
        path: file to write.
        frames: uint8 RGB (height, width, 3), all of one even size.
        fps: frames per second.
        samples: float32 (n, channels) in -1..1, one or two channels.
        sampling_rate: of `samples`, in Hz.
        form: container and codecs.

    Raises:
        MediaError: no frames, another shape, or an encoder that fails.
        StoreError: the file cannot be written.
    """
    rest = iter(frames)
    first = next(rest, None)
    if first is None or first.ndim != 3 or samples.ndim != 2 or samples.shape[1] not in LAYOUTS:
        shape = None if first is None else first.shape
        raise MediaError(
            f"{path}: cannot encode frames {shape} and samples {samples.shape}; "
            "expected (h, w, 3) and (n, 1 or 2)"
        )
    flags = {"fflags": "+bitexact"}
    with whole(path) as partial_path:
        try:
            with av.open(
                str(partial_path), "w", format=form.container, container_options=flags
            ) as container:
                video = _add_video(container, form, first, fps)
                audio = _add_audio(container, form, samples, sampling_rate)
                for packets in _interleaved(video, audio, chain([first], rest), fps, samples):
                    container.mux(packets)
        except (av.FFmpegError, ValueError) as error:
            raise MediaError(
                f"{path}: cannot be encoded as {form.video} and {form.audio} ({error})"
            ) from error


def _add_video(
    container: av.container.OutputContainer, form: Format, first: np.ndarray, fps: int
) -> av.VideoStream:
    stream = container.add_stream(
        form.video, rate=fps, options=dict(form.video_options) | _BITEXACT
    )
    stream.height, stream.width, stream.pix_fmt = *first.shape[:2], "yuv420p"
    return stream


def _add_audio(
    container: av.container.OutputContainer, form: Format, samples: np.ndarray, sampling_rate: int
) -> av.AudioStream:
    channels = samples.shape[1]
    options = dict(form.audio_options) | _BITEXACT | {"threads": "1"}
    stream = container.add_stream(
        form.audio, rate=sampling_rate, layout=LAYOUTS[channels], options=options
    )
    stream.bit_rate = form.audio_bit_rate * channels
    return stream


def _interleaved(
    video: av.VideoStream,
    audio: av.AudioStream,
    frames: Iterable[np.ndarray],
    fps: int,
    samples: np.ndarray,
) -> Iterator[list[av.Packet]]:
    """Packets of both streams; audio comes beside its frame, as players and muxers want it."""
    end = 0
    for index, pixels in enumerate(frames):
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        frame.pts, frame.time_base = index, Fraction(1, fps)
        yield video.encode(frame)
        start, end = (round(number * audio.sample_rate / fps) for number in (index, index + 1))
        yield _encode_audio(audio, samples, start, end)
    yield _encode_audio(audio, samples, end, len(samples))
    yield video.encode(None)
    yield audio.encode(None)


def _encode_audio(
    stream: av.AudioStream, samples: np.ndarray, start: int, end: int
) -> list[av.Packet]:
    piece = samples[start:end]
    if not len(piece):
        return []
    frame = av.AudioFrame.from_ndarray(
        np.ascontiguousarray(piece.T, np.float32), format="fltp", layout=LAYOUTS[samples.shape[1]]
    )
    rate = stream.sample_rate
    frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
    return stream.encode(frame)


def write_audio(path: Path, samples: np.ndarray, sampling_rate: int) -> None:
    """Write float32 samples (n, channels) in -1..1 as 16-bit WAV, whole or not at all.

    Raises:
        StoreError: the file cannot be written.
    """
    with whole(path) as partial_path:
        soundfile.write(partial_path, samples, sampling_rate, subtype="PCM_16", format="WAV")
