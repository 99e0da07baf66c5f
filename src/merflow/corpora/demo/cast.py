"""People and places: looks and voice of a person, backdrop and hum of a room.

A model may learn these traits instead of emotion. A split with one dialogue or speaker on both
sides then scores too high.
"""

import colorsys
from dataclasses import dataclass
from functools import cache

from merflow.corpora.demo.chance import chance
from merflow.corpora.demo.expression import Expression
from merflow.corpora.demo.speech import VARIANTS, Voice

Colour = tuple[int, int, int]

_SKINS = ((255, 224, 196), (241, 194, 150), (224, 172, 120), (198, 134, 88), (168, 112, 74))
_HAIRS = ((60, 42, 30), (30, 26, 26), (150, 96, 50), (214, 180, 110), (140, 140, 145))
_DARK_SKIN, _DARK_HAIRS = 3, 2  # first dark skin, number of dark hairs
_RATE, _VOLUME, _RANGE = 205, 90, 45  # neutral voice


@dataclass(frozen=True)
class Person:
    """A person of a demo corpus.

    Attributes:
        name: unique in the corpus.
        female: picks voice variants and long hair.
        voice: the neutral voice.
        skin, hair, shirt: RGB.
        width, eye_distance: relative to the usual face.
    """

    name: str
    female: bool
    voice: Voice
    skin: Colour
    hair: Colour
    shirt: Colour
    width: float
    eye_distance: float


@dataclass(frozen=True)
class Place:
    """A room.

    Attributes:
        backdrop: RGB.
        window: horizontal position, 0-1.
        hum_hz: frequency of the room's hum.
        pitch: shift of every voice in the room.
    """

    backdrop: Colour
    window: float
    hum_hz: float
    pitch: int


@cache
def person(corpus: str, name: str, female: bool | None = None) -> Person:
    """Make the person called `name` in `corpus`, always the same."""
    rng = chance(corpus, name, "person")
    female = bool(rng.random() < 0.5) if female is None else female
    variants = VARIANTS["female" if female else "male"]
    skin = int(rng.integers(len(_SKINS)))
    pitch = int(rng.integers(45, 60) if female else rng.integers(30, 48))
    rate = int(_RATE * rng.uniform(0.92, 1.08))
    # a light fringe on dark skin hides the face from detectors
    n_hairs = _DARK_HAIRS if skin >= _DARK_SKIN else len(_HAIRS)
    return Person(
        name=name,
        female=female,
        voice=Voice(variants[rng.integers(len(variants))], pitch, _RANGE, rate, _VOLUME),
        skin=_SKINS[skin],
        hair=_HAIRS[rng.integers(n_hairs)],
        shirt=_colour(rng.random(), 0.65, rng.uniform(0.45, 0.9)),
        width=rng.uniform(0.9, 1.1),
        eye_distance=rng.uniform(0.92, 1.08),
    )


@cache
def place(corpus: str, dialogue: str) -> Place:
    """Make the room of `dialogue`, always the same."""
    rng = chance(corpus, dialogue, "place")
    return Place(
        backdrop=_colour(rng.random(), 0.35, rng.uniform(0.5, 0.8)),
        window=rng.random(),
        hum_hz=rng.uniform(80, 600),
        pitch=int(rng.integers(-4, 5)),
    )


def voice(speaker: Person, expression: Expression, shift: int = 0) -> Voice:
    """Give a speaker's voice an expression, within espeak-ng's bounds; `shift` raises the pitch."""
    neutral = speaker.voice
    return Voice(
        neutral.variant,
        pitch=_within(neutral.pitch + expression.pitch + shift, 0, 99),
        range=_within(neutral.range + expression.range, 0, 99),
        rate=_within(neutral.rate * 2**expression.rate, 150, 320),
        volume=_within(neutral.volume * 2**expression.volume, 25, 180),
    )


def _within(value: float, low: int, high: int) -> int:
    return min(max(round(value), low), high)


def _colour(hue: float, saturation: float, value: float) -> Colour:
    rgb = colorsys.hsv_to_rgb(hue, saturation, value)
    red, green, blue = (round(255 * channel) for channel in rgb)
    return red, green, blue
