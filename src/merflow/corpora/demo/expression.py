"""How an emotion sounds and looks, as offsets from a neutral delivery, with noise and confusions.

Directions follow the textbook picture (high and wide pitch for surprise, low and slow for sadness; brows together
for anger). They make the classes separable in part: fixtures, not human emotion.
"""

from dataclasses import dataclass

import numpy as np

CONFUSED = 0.15  # share of voices, and of faces, that show another emotion than the one meant


@dataclass(frozen=True)
class Expression:
    """Voice: pitch and pitch range (espeak-ng units), rate and volume (octaves). Face: each about -1 to 1."""

    pitch: float
    range: float
    rate: float
    volume: float
    smile: float  # corners of the mouth up
    mouth: float  # opening
    brows: float  # raised
    worry: float  # inner ends of the brows raised; negative: drawn down, as in anger
    eyes: float  # opening


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
    """A delivery of `emotion`: scaled by `strength`, with noise, and voice and face each confused now and then."""
    voice, face = (
        _values(str(rng.choice(list(EXPRESSIONS))) if rng.random() < CONFUSED else emotion)
        for _ in range(2)
    )
    return Expression(
        *(
            strength * np.concatenate([voice[:4], face[4:]])
            + _NOISE * rng.standard_normal(len(_NOISE))
        ).tolist()
    )


def _values(emotion: str) -> np.ndarray:
    return np.array(list(vars(EXPRESSIONS[emotion]).values()))
