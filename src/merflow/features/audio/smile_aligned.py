"""openSMILE's low-level descriptors averaged over the words of an utterance: one row per word.

class_weight_lstm section III.B takes COVAREP, which CMU-MOSEI publishes as a sequence. This is a stand-in for it under its own name,
made from the sound. The descriptors are those of `merflow.features.audio.smile`, the mean is that of `merflow.features.words`.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from merflow.features import words
from merflow.features.audio import smile
from merflow.features.extractor import Flagged
from merflow.features.sources import Sounds
from merflow.features.words import Item, SpokenMedia, over_words
from merflow.params import SmileAlignedParams


class SpokenSounds(SpokenMedia):
    """Sounds of utterances with words; see `merflow.features.extractor.Source`."""

    MEDIA = Sounds

    def times(self, ids: Sequence[str], media: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Middles of the 20 ms of each row; `merflow.features.audio.smile` says how many rows there are."""
        return [np.arange(1, (len(sound) - 960) // 160 + 3) / 100 for sound in media]


SOURCE = SpokenSounds
PARAMS = SmileAlignedParams
LIBRARIES = (*smile.LIBRARIES, *words.LIBRARIES)
USES_GPU = False


def extract(
    blocks: Iterable[Sequence[Item]], params: SmileAlignedParams, checkpoint: Path | None = None
) -> Iterator[np.ndarray | Flagged]:
    """(n_words, n_lld) of each sound; a row of descriptors is where the package says, in the 20 ms that begin every 10 ms.

    Args:
        blocks: sounds, float32 (n_samples,) at 16 kHz, with their words.
        params: feature set.
        checkpoint: not used.

    Yields:
        float32, in the order of the sounds; flagged as `merflow.features.words.mean` says.
    """
    return over_words(lambda sounds: smile.extract(sounds, params), blocks)


def columns(params: SmileAlignedParams, checkpoint: Path | None = None) -> list[str]:
    """The package's names."""
    return smile.columns(params)
