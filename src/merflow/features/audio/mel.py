"""Mel spectrogram by librosa (mel_cnn_bert section 3.1, which names librosa without parameters).

Power of a short-time Fourier transform with a periodic Hann window, through librosa's Mel filters
(Slaney's scale, filters of equal area). Frames are centred: row t is centred on sample
t x hop_length, with silence before and after the audio.

Decibels are 10 log10 of the power of samples in -1..1. Power below 1e-10 counts as 1e-10, so
silence is -100 dB. librosa's floor below the loudest frame (``top_db``) is not used. It makes a
frame's value depend on the rest of its utterance.
"""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import librosa
import numpy as np
from librosa.filters import mel as mel_filters

from merflow.artifacts import SAMPLING_RATE
from merflow.errors import ParamsError
from merflow.features.sources import AudioSource
from merflow.params import MelParams

SOURCE = AudioSource
PARAMS = MelParams
LIBRARIES = ("librosa", "numpy", "scipy")
USES_GPU = False

FLOOR = 1e-10  # power that counts as silence


def extract(
    blocks: Iterable[Sequence[np.ndarray]], params: MelParams, checkpoint: Path | None = None
) -> Iterator[np.ndarray]:
    """Yield the spectrogram (n_samples // hop_length + 1, n_mels) of each waveform.

    The values equal ``librosa.feature.melspectrogram``, which builds its filters at every call.

    Args:
        blocks: waveforms, float32 (n_samples,) at 16 kHz.
        params: lengths of window and hop in samples, number of Mel bands, their lowest and highest
            frequency in Hz, decibels or power.
        checkpoint: not used.

    Yields:
        float32, in the order of the waveforms.

    Raises:
        ParamsError: the parameters contradict each other.
    """
    filters = _filters(params)
    for waveforms in blocks:
        for waveform in waveforms:
            spectrum = librosa.stft(
                waveform,
                n_fft=params.n_fft,
                win_length=params.win_length,
                hop_length=params.hop_length,
            )
            values = filters @ np.abs(spectrum) ** 2
            if params.decibels:
                values = librosa.power_to_db(values, ref=1.0, amin=FLOOR, top_db=None)
            yield np.ascontiguousarray(values.T)


def columns(params: MelParams, checkpoint: Path | None = None) -> list[str]:
    """Name each band by its centre frequency."""
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
        # librosa warns of empty bands, which are an error below
        warnings.simplefilter("ignore")
        filters = mel_filters(
            sr=SAMPLING_RATE,
            n_fft=params.n_fft,
            n_mels=params.n_mels,
            fmin=params.fmin,
            fmax=params.fmax,
        )
    if n_empty := int((~filters.any(axis=1)).sum()):
        raise ParamsError(
            f"mel: {n_empty} of {params.n_mels} bands hold no bin of n_fft {params.n_fft}; "
            "lower n_mels or raise n_fft"
        )
    return filters
