"""Half a second of grey pictures and silence, for corpora of a few files."""

import wave
from pathlib import Path

import av
import numpy as np


def write_video(path: Path, seconds: float = 0.5, sound: bool = True) -> Path:
    """A 32 x 32 clip of 10 frames per second (.mp4 or .avi)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=10)
        video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
        audio = (
            container.add_stream(
                "pcm_s16le" if path.suffix == ".avi" else "aac", rate=16000, layout="mono"
            )
            if sound
            else None
        )
        for _ in range(round(seconds * 10)):
            container.mux(
                video.encode(
                    av.VideoFrame.from_ndarray(np.full((32, 32, 3), 99, np.uint8), format="rgb24")
                )
            )
        container.mux(video.encode())
        if audio:
            samples = av.AudioFrame.from_ndarray(
                np.zeros((1, round(seconds * 16000)), np.int16), format="s16", layout="mono"
            )
            samples.sample_rate = 16000
            container.mux(audio.encode(samples))
            container.mux(audio.encode())
    return path


def write_sound(path: Path, seconds: float = 0.5) -> Path:
    """A silent .wav file of 16 kHz."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(bytes(2 * round(seconds * 16000)))
    return path
