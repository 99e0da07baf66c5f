"""The one place that writes clips and sound files (PyAV https://pyav.org, soundfile): same input, same bytes.

Encoders run with one thread and FFmpeg's ``bitexact`` flags, so neither timing nor version strings reach the file.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import soundfile

from merflow.errors import MediaError
from merflow.store import whole


@dataclass(frozen=True)
class Format:
    """A container and what goes into it; options are those of FFmpeg's encoder."""

    container: str
    video: str
    audio: str
    video_options: tuple[tuple[str, str], ...]
    audio_options: tuple[tuple[str, str], ...] = ()
    audio_bit_rate: int = 48_000  # bit/s and channel


#: H.264 and AAC in MP4: MELD, CMU-MOSEI, RAVDESS. The fast search of FFmpeg's AAC encoder takes a third of the time of its default.
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


def write_clip(
    path: Path,
    frames: Iterable[np.ndarray],
    fps: int,
    samples: np.ndarray,
    sampling_rate: int,
    form: Format = MP4,
) -> None:
    """Encode pictures and sound into one file, whole or not at all.

    Args:
        path: file to write.
        frames: uint8 RGB pictures (height, width, 3), all of one even size.
        fps: pictures per second.
        samples: float32 (n, channels) in -1..1, one or two channels.
        sampling_rate: of `samples`, in Hz.
        form: container and codecs.

    Raises:
        MediaError: no pictures, another shape, or an encoder that fails.
        StoreError: the file cannot be written.
    """
    pictures = iter(frames)
    first = next(pictures, None)
    if first is None or first.ndim != 3 or samples.ndim != 2 or samples.shape[1] not in LAYOUTS:
        shape = None if first is None else first.shape
        raise MediaError(
            f"{path}: cannot encode pictures {shape} and samples {samples.shape}; expected (h, w, 3) and (n, 1 or 2)"
        )
    with whole(path) as part:
        try:
            with av.open(
                str(part), "w", format=form.container, container_options={"fflags": "+bitexact"}
            ) as container:
                video = container.add_stream(
                    form.video, rate=fps, options={**dict(form.video_options), "flags": "+bitexact"}
                )
                video.height, video.width, video.pix_fmt = *first.shape[:2], "yuv420p"
                options = {**dict(form.audio_options), "flags": "+bitexact", "threads": "1"}
                audio = container.add_stream(
                    form.audio,
                    rate=sampling_rate,
                    layout=LAYOUTS[samples.shape[1]],
                    options=options,
                )
                audio.bit_rate = form.audio_bit_rate * samples.shape[1]
                for index, picture in enumerate((first, *pictures)):
                    frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                    frame.pts, frame.time_base = index, Fraction(1, fps)
                    container.mux(video.encode(frame))
                    # sound goes in beside its picture: players and muxers want both streams at the same time
                    start, end = (round(at * sampling_rate / fps) for at in (index, index + 1))
                    container.mux(_encode_sound(audio, samples, start, end, sampling_rate))
                container.mux(_encode_sound(audio, samples, end, len(samples), sampling_rate))
                container.mux(video.encode(None))
                container.mux(audio.encode(None))
        except (av.FFmpegError, ValueError) as error:
            raise MediaError(
                f"{path}: cannot be encoded as {form.video} and {form.audio} ({error})"
            ) from error


def _encode_sound(
    stream: av.AudioStream, samples: np.ndarray, start: int, end: int, sampling_rate: int
) -> list[av.Packet]:
    part = samples[start:end]
    if not len(part):
        return []
    frame = av.AudioFrame.from_ndarray(
        np.ascontiguousarray(part.T, np.float32), format="fltp", layout=LAYOUTS[samples.shape[1]]
    )
    frame.sample_rate, frame.pts, frame.time_base = sampling_rate, start, Fraction(1, sampling_rate)
    return stream.encode(frame)


def write_sound(path: Path, samples: np.ndarray, sampling_rate: int) -> None:
    """Write float32 samples (n, channels) in -1..1 as 16-bit WAV, whole or not at all.

    Raises:
        StoreError: the file cannot be written.
    """
    with whole(path) as part:
        soundfile.write(part, samples, sampling_rate, subtype="PCM_16", format="WAV")
