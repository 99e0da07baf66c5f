"""Computational sequences of a demo: numbers that follow voice, face and words, with a speaker's offset and noise.

They stand where COVAREP, Facet and word vectors stand in the release, and have its columns; they are none of them.
"""

from collections.abc import Sequence

import numpy as np

from merflow.corpora.demo.chance import chance
from merflow.corpora.demo.expression import EXPRESSIONS, express
from merflow.corpora.demo.script import Take
from merflow.corpora.demo.studio import Filmed
from merflow.corpora.demo.words import CUES

ACOUSTIC, VISUAL, WORD = 74, 35, 300  # columns
ACOUSTIC_HZ, VISUAL_HZ = 20, 10  # frames per second; the release has 100 and 30
_VOICE = 4  # of the values of an Expression; the others are of the face
_OFFSET, _NOISE = 0.6, 2.0  # of a speaker, of a value; emotions spread by 1
_DECIMALS = 3  # so that the last bits of a processor do not change the file

_ALL = np.array([list(vars(expression).values()) for expression in EXPRESSIONS.values()])


def acoustic(takes: Sequence[Take], filmed: Filmed) -> tuple[np.ndarray, np.ndarray]:
    """Frames (n, ACOUSTIC) of float32 that follow the voice of a video, and their intervals (n, 2) in seconds."""
    return _frames("acoustic", slice(0, _VOICE), ACOUSTIC, ACOUSTIC_HZ, takes, filmed)


def visual(takes: Sequence[Take], filmed: Filmed) -> tuple[np.ndarray, np.ndarray]:
    """Frames (n, VISUAL) of float32 that follow the face of a video, and their intervals (n, 2) in seconds."""
    return _frames("visual", slice(_VOICE, None), VISUAL, VISUAL_HZ, takes, filmed)


def word_vectors(words: Sequence[str]) -> np.ndarray:
    """(n, WORD) of float32: words of the same emotion's cues lie near each other."""
    return np.round([_vector(word) for word in words], _DECIMALS).astype(np.float32)


def _frames(
    kind: str, values: slice, columns: int, rate_hz: int, takes: Sequence[Take], filmed: Filmed
) -> tuple[np.ndarray, np.ndarray]:
    times = np.arange(int(filmed.length_s * rate_hz)) / rate_hz
    spread = _ALL[:, values].std(axis=0)
    state = np.zeros((len(times), len(spread)))
    for take, (start, end) in zip(takes, filmed.spans, strict=True):
        # the same drawing as of the film
        shown = express(
            take.emotion, chance(take.corpus, take.utterance_id, "expression"), take.strength
        )
        offset = _OFFSET * chance(take.corpus, take.speaker.name, kind).standard_normal(len(spread))
        state[(times >= start) & (times < end)] = (
            list(vars(shown).values())[values] / spread + offset
        )
    mixing = chance(kind, "mixing").standard_normal((len(spread), columns))
    noise = _NOISE * chance(takes[0].corpus, takes[0].utterance_id, kind).standard_normal(
        (len(times), columns)
    )
    mixed = (state[:, :, None] * mixing).sum(
        axis=1
    )  # not BLAS: its order of adding depends on the processor
    return np.round(mixed + noise, _DECIMALS).astype(np.float32), np.column_stack(
        [times, times + 1 / rate_hz]
    )


def _vector(word: str) -> np.ndarray:
    vector = chance("word", word).standard_normal(WORD)
    meant = [
        emotion
        for emotion, cues in CUES.items()
        if word in " ".join(cues).lower().replace(",", "").split()
    ]
    for emotion in meant:
        vector += chance("meaning", emotion).standard_normal(WORD) / len(meant)
    return vector
