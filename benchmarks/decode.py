"""Time of decoding a clip against a bare decode, and peak memory for a long clip.

Ours decodes audio and two samplings of frames, and makes JPEG and FLAC as the step ``decode`` does.
The bare decoders turn all frames of the same file into pixels of the codec and drop them: PyAV with
one thread, and OpenCV's ``grab``. All take turns in one thread, so that processor time is the time
on an idle machine.

The clip is the real one of MERFLOW_REAL_DATA where that is set, else a made one of 1280 x 720 with
B-frames. Memory is the peak of a process that decodes the clip once, and of one that decodes it
repeated to five minutes in one file (Linux).

    OMP_NUM_THREADS=1 python benchmarks/decode.py --clips 6
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from merflow.media.decode import decode
from merflow.media.step import _flac
from merflow.params import MediaParams

MEDIA = MediaParams(short_side=256, jpeg_quality=95)
LONG_S = 300
PEAK = (
    "import re, sys; from pathlib import Path\n"
    "from merflow.media.decode import decode; from merflow.params import MediaParams\n"
    "clip = decode(Path(sys.argv[1]), None, None, MediaParams(short_side=256, jpeg_quality=95))\n"
    "kept = {frame.index: len(frame.data) for frames in clip.frames.values() for frame in frames}\n"
    # not getrusage: its peak starts with the peak of the parent process
    "status = Path('/proc/self/status').read_text()\n"
    "peak = re.search(r'VmHWM:\\s+(\\d+)', status)[1]\n"
    "print(peak, sum(kept.values()) + clip.audio.nbytes)"
)


def made(path: Path, n_frames: int = 72, fps: int = 24) -> Path:
    """A moving picture with noise, H.264 CRF 23 with B-frames, and stereo AAC of 48 kHz."""
    rng = np.random.default_rng(0)
    still = cv2.GaussianBlur(rng.integers(0, 256, (900, 1500, 3), np.uint8), (0, 0), 6)
    still = cv2.normalize(still, None, 0, 255, cv2.NORM_MINMAX)
    with av.open(str(path), "w") as file:
        video = file.add_stream(
            "libx264", rate=fps, options={"crf": "23", "preset": "veryfast", "bf": "3"}
        )
        video.width, video.height, video.pix_fmt = 1280, 720, "yuv420p"
        audio = file.add_stream("aac", rate=48000, layout="stereo")
        for number in range(n_frames):
            grain = rng.integers(0, 12, (720, 1280, 1), np.uint8)
            picture = cv2.add(
                still[number : number + 720, 2 * number : 2 * number + 1280],
                np.repeat(grain, 3, axis=2),
            )
            file.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            sound = av.AudioFrame.from_ndarray(
                rng.normal(0, 0.1, (2, 48000 // fps)).astype(np.float32),
                format="fltp",
                layout="stereo",
            )
            sound.sample_rate, sound.pts, sound.time_base = (
                48000,
                number * (48000 // fps),
                Fraction(1, 48000),
            )
            file.mux(audio.encode(sound))
        file.mux(video.encode(None))
        file.mux(audio.encode(None))
    return path


def repeated(path: Path, seconds: float, to: Path) -> Path:
    """The packets of `path` over and over, up to `seconds`."""
    with av.open(str(path)) as old, av.open(str(to), "w") as new:
        copies = {
            stream.index: new.add_stream_from_template(stream)
            for stream in old.streams
            if stream.type in ("video", "audio")
        }
        packets = [p for p in old.demux([old.streams[index] for index in copies]) if p.size]
        length = {
            index: sum(p.duration for p in packets if p.stream_index == index) for index in copies
        }
        for turn in range(int(seconds / (old.duration / av.time_base)) + 1):
            for packet in packets:
                again, index = av.Packet(bytes(packet)), packet.stream_index
                again.pts, again.dts, again.duration = (
                    packet.pts + turn * length[index],
                    packet.dts + turn * length[index],
                    packet.duration,
                )
                again.time_base, again.is_keyframe, again.stream = (
                    packet.time_base,
                    packet.is_keyframe,
                    copies[index],
                )
                new.mux(again)
    return to


def bare(path: Path, sound: bool) -> None:
    with av.open(str(path)) as file:
        context = file.streams.video[0].codec_context
        context.thread_count, context.thread_type = 1, "SLICE"
        for _ in file.decode(*file.streams.video[:1], *(file.streams.audio[:1] if sound else ())):
            pass


def grab(path: Path) -> None:
    video = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    while video.grab():
        pass


def ours(path: Path) -> None:
    clip = decode(path, None, None, MEDIA)
    assert clip.audio is not None and clip.frames
    _flac(clip.audio)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=6, help="decoded by each way, in turns")
    parser.add_argument("--no-memory", action="store_true")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    ways: dict[str, Callable[[Path], None]] = {
        "PyAV, frames": lambda path: bare(path, False),
        "PyAV, frames and audio": lambda path: bare(path, True),
        "OpenCV grab, frames": grab,
        "merflow": ours,
    }
    with tempfile.TemporaryDirectory() as folder:
        real = Path(os.environ.get("MERFLOW_REAL_DATA", "")) / "ravdess/01-01-01-01-01-01-01.mp4"
        for title, path in (
            ("made clip", made(Path(folder) / "made.mp4")),
            *([("real clip", real)] if real.is_file() else []),
        ):
            seconds: dict[str, list[float]] = {name: [] for name in ways}
            for _ in range(arguments.clips):
                for name, way in ways.items():
                    start = time.process_time()
                    way(path)
                    seconds[name].append(time.process_time() - start)
            for name, times in seconds.items():
                median, fastest = 1000 * np.median(times), 1000 * min(times)
                print(f"{title}: {name:25} {median:6.0f} ms a clip, fastest {fastest:6.0f}")
            bare_ways = [name for name in ways if name.endswith("frames")]
            ratios = [np.divide(seconds["merflow"], seconds[name]) for name in bare_ways]
            print(
                f"{title}: ratio to the faster bare decode of frames "
                f"{max(map(np.median, ratios)):.2f}, median over {arguments.clips}"
            )
        if not arguments.no_memory:
            for length_s in (0, LONG_S):
                clip = repeated(path, length_s, Path(folder) / f"{length_s}.mp4")
                run = subprocess.run(
                    [sys.executable, "-c", PEAK, str(clip)],
                    capture_output=True,
                    text=True,
                    check=True,
                )
                peak, kept = map(int, run.stdout.split())
                print(
                    f"peak of memory, {length_s or 3} s: {peak / 1024:.0f} MiB, "
                    f"{kept / 2**20:.0f} MiB of it audio and frames"
                )


if __name__ == "__main__":
    main()
