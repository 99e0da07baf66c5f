"""Voice and face of an emotion: offsets from neutral, with noise and confusions.

Directions follow textbooks: high and wide pitch for surprise, low and slow for sadness, brows
together for anger. They make the classes separable in part. They are fixtures, not human emotion.
"""

from dataclasses import dataclass

import numpy as np

CONFUSED = 0.15  # share of voices, and of faces, that show any emotion instead of the right one
N_VOICE = 4  # fields of Expression that concern the voice; the others concern the face


@dataclass(frozen=True)
class Expression:
    """Offsets from a neutral voice and face.

    Attributes:
        pitch, range: of the voice, in units of espeak-ng.
        rate, volume: of the voice, in octaves.
        smile: corners of the mouth up; this and the following, about -1 to 1.
        mouth: opening.
        brows: raised.
        worry: inner ends of the brows raised; negative: drawn down, as in anger.
        eyes: opening.
    """

    pitch: float
    range: float
    rate: float
    volume: float
    smile: float
    mouth: float
    brows: float
    worry: float
    eyes: float


EXPRESSIONS = {
    "neutral": Expression(0, 0, 0, 0, 0, 0, 0, 0, 0),
    "calm": Expression(-6, -12, -0.10, -0.3, 0.3, 0, 0, 0.1, -0.2),
    "joy": Expression(12, 20, 0.10, 0.2, 1.0, 0.2, 0.2, 0, -0.1),
    "excitement": Expression(20, 32, 0.20, 0.5, 0.9, 0.7, 0.7, 0, 0.3),
    "surprise": Expression(24, 36, 0, 0.2, 0, 1.0, 1.0, 0.1, 0.7),
    "anger": Expression(6, 12, 0.18, 0.8, -0.6, 0.3, -0.6, -1.0, -0.1),
    "frustration": Expression(-2, 6, 0.05, 0.5, -0.6, 0.1, -0.3, -0.5, -0.3),
    "sadness": Expression(-14, -24, -0.25, -0.8, -0.9, 0, 0, 0.9, -0.5),
    "disgust": Expression(-10, -4, -0.12, -0.1, -0.5, 0.2, -0.5, -0.4, -0.7),
    "fear": Expression(18, 2, 0.15, -0.4, -0.4, 0.5, 0.8, 0.8, 0.6),
}
_NOISE = np.array([5, 7, 0.06, 0.2, 0.25, 0.15, 0.25, 0.25, 0.2])


def express(emotion: str, rng: np.random.Generator, strength: float = 1.0) -> Expression:
    """Deliver an emotion: scaled by `strength`, with noise; voice and face may be confused."""
    voice, face = (_values(_confused(emotion, rng)) for _ in range(2))
    clean = strength * np.concatenate([voice[:N_VOICE], face[N_VOICE:]])
    return Expression(*(clean + _NOISE * rng.standard_normal(len(_NOISE))).tolist())


def _confused(emotion: str, rng: np.random.Generator) -> str:
    return str(rng.choice(list(EXPRESSIONS))) if rng.random() < CONFUSED else emotion


def _values(emotion: str) -> np.ndarray:
    return np.array(list(vars(EXPRESSIONS[emotion]).values()))
