"""openSMILE's low-level descriptors averaged over the words of an utterance: one row per word.

class_weight_lstm section III.B takes COVAREP, which CMU-MOSEI publishes as a sequence. This
feature replaces it under its own name, made from the audio. merflow.features.audio.smile gives the
descriptors, merflow.features.words their mean.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from merflow.features import words
from merflow.features.audio import smile
from merflow.features.extractor import Flagged
from merflow.features.sources import AudioSource
from merflow.features.words import MediaItem, SpokenMedia, average_over_words
from merflow.params import SmileAlignedParams


class SpokenAudio(SpokenMedia):
    """Audio of utterances with words; a `merflow.features.extractor.ItemSource`."""

    MEDIA = AudioSource

    def times(self, ids: Sequence[str], media: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Compute the middle of each row's window: 20 ms, beginning every 10 ms."""
        # merflow.features.audio.smile gives the number of rows
        return [np.arange(1, (len(waveform) - 960) // 160 + 3) / 100 for waveform in media]


SOURCE = SpokenAudio
PARAMS = SmileAlignedParams
LIBRARIES = (*smile.LIBRARIES, *words.LIBRARIES)
USES_GPU = False


def extract(
    blocks: Iterable[Sequence[MediaItem]],
    params: SmileAlignedParams,
    checkpoint: Path | None = None,
) -> Iterator[np.ndarray | Flagged]:
    """Yield (n_words, n_lld) of each utterance.

    Args:
        blocks: waveforms, float32 (n_samples,) at 16 kHz, with their words.
        params: feature set.
        checkpoint: not used.

    Yields:
        float32, in the order of the items. `merflow.features.words.average` says what is flagged.
    """
    return average_over_words(lambda waveforms: smile.extract(waveforms, params), blocks)


def columns(params: SmileAlignedParams, checkpoint: Path | None = None) -> list[str]:
    """Name the columns as the package does."""
    return smile.columns(params)
