"""Computational sequences of a demo: values that follow voice, face and words, with noise.

Each speaker has an offset. The sequences take the place of COVAREP, Facet and word vectors, with
the same number of columns, but they are random numbers.
"""

from collections.abc import Sequence

import numpy as np

from merflow.corpora.demo.chance import chance
from merflow.corpora.demo.expression import EXPRESSIONS, N_VOICE, express
from merflow.corpora.demo.script import Take
from merflow.corpora.demo.studio import Filmed
from merflow.corpora.demo.words import CUES

ACOUSTIC, VISUAL, WORD = 74, 35, 300  # columns
ACOUSTIC_HZ, VISUAL_HZ = 20, 10  # frames per second; the release has 100 and 30
_OFFSET, _NOISE = 0.6, 2.0  # of a speaker, of a value; emotions have a standard deviation of 1
_DECIMALS = 3  # so that the last bits of a processor do not change the file

_ALL = np.array([list(vars(expression).values()) for expression in EXPRESSIONS.values()])


def acoustic(takes: Sequence[Take], filmed: Filmed) -> tuple[np.ndarray, np.ndarray]:
    """Frames that follow the voice of a video.

    Returns:
        Values, (n, ACOUSTIC) float32, and intervals, (n, 2) in seconds.
    """
    return _frames("acoustic", slice(0, N_VOICE), ACOUSTIC, ACOUSTIC_HZ, takes, filmed)


def visual(takes: Sequence[Take], filmed: Filmed) -> tuple[np.ndarray, np.ndarray]:
    """Frames that follow the face of a video.

    Returns:
        Values, (n, VISUAL) float32, and intervals, (n, 2) in seconds.
    """
    return _frames("visual", slice(N_VOICE, None), VISUAL, VISUAL_HZ, takes, filmed)


def word_vectors(words: Sequence[str]) -> np.ndarray:
    """Vectors (n, WORD) float32; words of the same emotion's cues lie near each other."""
    return np.round([_vector(word) for word in words], _DECIMALS).astype(np.float32)


def _frames(
    kind: str, values: slice, columns: int, rate_hz: int, takes: Sequence[Take], filmed: Filmed
) -> tuple[np.ndarray, np.ndarray]:
    times = np.arange(int(filmed.length_s * rate_hz)) / rate_hz
    spread = _ALL[:, values].std(axis=0)
    state = np.zeros((len(times), len(spread)))
    for take, (start, end) in zip(takes, filmed.spans, strict=True):
        # the same draw as for the film
        rng = chance(take.corpus, take.utterance_id, "expression")
        expression = list(vars(express(take.emotion, rng, take.strength)).values())[values]
        offset = chance(take.corpus, take.speaker.name, kind).standard_normal(len(spread))
        state[(times >= start) & (times < end)] = expression / spread + _OFFSET * offset
    mixing = chance(kind, "mixing").standard_normal((len(spread), columns))
    rng = chance(takes[0].corpus, takes[0].utterance_id, kind)
    noise = _NOISE * rng.standard_normal((len(times), columns))
    # not BLAS: its order of adding depends on the processor
    mixed = (state[:, :, None] * mixing).sum(axis=1)
    intervals = np.column_stack([times, times + 1 / rate_hz])
    return np.round(mixed + noise, _DECIMALS).astype(np.float32), intervals


def _vector(word: str) -> np.ndarray:
    vector = chance("word", word).standard_normal(WORD)
    emotions = [
        emotion
        for emotion, cues in CUES.items()
        if word in " ".join(cues).lower().replace(",", "").split()
    ]
    for emotion in emotions:
        vector += chance("meaning", emotion).standard_normal(WORD) / len(emotions)
    return vector
