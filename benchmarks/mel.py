"""Milliseconds per clip of our Mel spectrogram, of plain librosa, and of batches by torch.

Plain is ``librosa.feature.melspectrogram`` and ``power_to_db``, clip by clip. Batches pad clips of
like length, 32 together, and use librosa's filters. All take turns, so that other load on the
machine meets all.

    OMP_NUM_THREADS=1 python benchmarks/mel.py --clips 320
"""

import argparse
import statistics
import time
from collections.abc import Iterator

import librosa
import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from merflow.features.audio import mel
from merflow.params import MelParams

PARAMS = MelParams(
    n_fft=512, win_length=400, hop_length=160, n_mels=80, fmin=0.0, fmax=8000.0, decibels=True
)
BATCH = 32


def plain(clips: list[np.ndarray]) -> Iterator[np.ndarray]:
    sizes = PARAMS.model_dump(exclude={"decibels"})
    for clip in clips:
        power = librosa.feature.melspectrogram(y=clip, sr=16_000, **sizes)
        yield librosa.power_to_db(power, ref=1.0, top_db=None).T


def batched(clips: list[np.ndarray]) -> Iterator[np.ndarray]:
    filters = torch.from_numpy(
        librosa.filters.mel(sr=16_000, n_fft=512, n_mels=80, fmin=0.0, fmax=8000.0)
    )
    window = torch.hann_window(400)
    order = sorted(range(len(clips)), key=lambda i: len(clips[i]))
    spectrograms: dict[int, np.ndarray] = {}
    for start in range(0, len(order), BATCH):
        members = order[start : start + BATCH]
        padded = pad_sequence([torch.from_numpy(clips[i]) for i in members], batch_first=True)
        spectrum = torch.stft(
            padded, 512, 160, 400, window, pad_mode="constant", return_complex=True
        )
        values = 10 * torch.log10(
            (filters @ (spectrum.real**2 + spectrum.imag**2)).clamp(min=mel.FLOOR)
        )
        for i, rows in zip(members, values, strict=True):
            spectrograms[i] = rows.T[: len(clips[i]) // 160 + 1].numpy()
    yield from (spectrograms[i] for i in range(len(clips)))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=320)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    lengths = rng.integers(8_000, 88_000, arguments.clips)  # 0.5 to 5.5 s
    clips = [rng.normal(0, 0.1, n).astype(np.float32) for n in lengths]
    start = time.perf_counter()
    list(plain(clips[:1]))  # librosa imports libraries at its first call
    first = time.perf_counter() - start
    ways = {
        "plain librosa": plain,
        "merflow": lambda clips: mel.extract([clips], PARAMS, None),
        "torch, batched": batched,
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    values: dict[str, list[np.ndarray]] = {}
    for _ in range(arguments.rounds):
        for name, way in ways.items():
            start = time.perf_counter()
            values[name] = list(way(clips))
            seconds[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    for name, median in medians.items():
        pairs = zip(values[name], values["plain librosa"], strict=True)
        error = max(np.abs(ours - theirs).max() for ours, theirs in pairs)
        ratio = median / medians["plain librosa"]
        print(
            f"{name:15} {1000 * median / len(clips):6.2f} ms per clip, ratio {ratio:.2f}, "
            f"at most {error:.0e} dB from plain"
        )
    print(
        f"first call      {first:6.2f} s in this process; {len(clips)} noises of 3 s on average, "
        f"median of {arguments.rounds} rounds"
    )


if __name__ == "__main__":
    main()
