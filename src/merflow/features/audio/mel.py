"""Mel spectrogram by librosa (mel_cnn_bert section 3.1, which names librosa and prints no numbers).

Power of a short-time Fourier transform with a periodic Hann window, frames centred (row t is centred on sample t x hop_length,
with silence around the sound), through librosa's Mel filters (Slaney's scale, filters of equal area). Decibels are
10 log10 of that power, samples being in -1..1; power below 1e-10 counts as 1e-10, so silence is -100 dB. There is no floor below the
loudest frame (librosa's ``top_db``): it would make a frame's value depend on the rest of its utterance.
"""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import librosa
import numpy as np
from librosa.filters import mel as mel_filters

from merflow.artifacts import SAMPLING_RATE
from merflow.errors import ParamsError
from merflow.features.sources import Sounds
from merflow.params import MelParams

SOURCE = Sounds
PARAMS = MelParams
LIBRARIES = ("librosa", "numpy", "scipy")
USES_GPU = False

FLOOR = 1e-10  # power that counts as silence


def extract(
    blocks: Iterable[Sequence[np.ndarray]], params: MelParams, checkpoint: Path | None = None
) -> Iterator[np.ndarray]:
    """(n_samples // hop_length + 1, n_mels) of each sound: power, or decibels.

    The values are those of ``librosa.feature.melspectrogram``, which makes its filters anew at every call.

    Args:
        blocks: sounds, float32 (n_samples,) at 16 kHz.
        params: lengths of window and hop in samples, Mel bands, their lowest and highest frequency in Hz, decibels or power.
        checkpoint: not used.

    Yields:
        float32, in the order of the sounds.

    Raises:
        ParamsError: no such spectrogram can be.
    """
    filters = _filters(params)
    for sounds in blocks:
        for sound in sounds:
            spectrum = librosa.stft(
                sound,
                n_fft=params.n_fft,
                win_length=params.win_length,
                hop_length=params.hop_length,
            )
            power = filters @ np.abs(spectrum) ** 2
            values = (
                librosa.power_to_db(power, ref=1.0, amin=FLOOR, top_db=None)
                if params.decibels
                else power
            )
            yield np.ascontiguousarray(values.T)


def columns(params: MelParams, checkpoint: Path | None = None) -> list[str]:
    """Centre of each band."""
    edges = librosa.mel_frequencies(n_mels=params.n_mels + 2, fmin=params.fmin, fmax=params.fmax)
    return [f"{frequency:.1f} Hz" for frequency in edges[1:-1]]


def _filters(params: MelParams) -> np.ndarray:
    if params.fmin >= params.fmax:
        raise ParamsError(f"mel: fmin {params.fmin} is not below fmax {params.fmax}")
    if params.win_length > params.n_fft:
        raise ParamsError(
            f"mel: win_length {params.win_length} is longer than n_fft {params.n_fft}"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of empty bands: that is the error below
        filters = mel_filters(
            sr=SAMPLING_RATE,
            n_fft=params.n_fft,
            n_mels=params.n_mels,
            fmin=params.fmin,
            fmax=params.fmax,
        )
    if empty := int((~filters.any(axis=1)).sum()):
        raise ParamsError(
            f"mel: {empty} of {params.n_mels} bands hold no bin of n_fft {params.n_fft}; lower n_mels or raise n_fft"
        )
    return filters
