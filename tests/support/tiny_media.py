"""Half a second of grey video and silence, for corpora of a few files."""

import wave
from pathlib import Path

import av
import numpy as np

RATE = 16_000


def write_video(path: Path, seconds: float = 0.5, audio: bool = True) -> Path:
    """Write a 32 x 32 clip of 10 frames per second (.mp4 or .avi)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    grey = np.full((32, 32, 3), 99, np.uint8)
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=10)
        video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
        if audio:
            codec = "pcm_s16le" if path.suffix == ".avi" else "aac"
            stream = container.add_stream(codec, rate=RATE, layout="mono")
        for _ in range(round(seconds * 10)):
            container.mux(video.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        container.mux(video.encode())
        if audio:
            silence = np.zeros((1, round(seconds * RATE)), np.int16)
            frame = av.AudioFrame.from_ndarray(silence, format="s16", layout="mono")
            frame.sample_rate = RATE
            container.mux(stream.encode(frame))
            container.mux(stream.encode())
    return path


def write_audio(path: Path, seconds: float = 0.5) -> Path:
    """Write a silent .wav file of 16 kHz."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(bytes(2 * round(seconds * RATE)))
    return path
