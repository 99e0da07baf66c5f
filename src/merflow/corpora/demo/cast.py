"""Who speaks and where: the looks and the voice of a person, the backdrop and the sound of a place.

Both are traits that a model may learn instead of emotion: a split that puts one dialogue or speaker on both sides
scores too high.
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
_RATE, _VOLUME, _RANGE = 205, 90, 45  # neutral voice


@dataclass(frozen=True)
class Person:
    """Sizes are relative to the usual ones; `voice` is the neutral voice."""

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
    """Backdrop, position of the window (0-1), hum of the room (Hz) and how the room shifts a voice."""

    backdrop: Colour
    window: float
    hum_hz: float
    pitch: int


@cache
def person(corpus: str, name: str, female: bool | None = None) -> Person:
    """The person called `name` in `corpus`, always the same."""
    rng = chance(corpus, name, "person")
    female = bool(rng.random() < 0.5) if female is None else female
    variants = VARIANTS["female" if female else "male"]
    skin = int(rng.integers(len(_SKINS)))
    pitch = int(rng.integers(45, 60) if female else rng.integers(30, 48))
    rate = int(_RATE * rng.uniform(0.92, 1.08))
    return Person(
        name=name,
        female=female,
        voice=Voice(variants[rng.integers(len(variants))], pitch, _RANGE, rate, _VOLUME),
        skin=_SKINS[skin],
        hair=_HAIRS[
            rng.integers(2 if skin >= 3 else len(_HAIRS))
        ],  # a light fringe on dark skin hides the face from detectors
        shirt=_colour(rng.random(), 0.65, rng.uniform(0.45, 0.9)),
        width=rng.uniform(0.9, 1.1),
        eye_distance=rng.uniform(0.92, 1.08),
    )


@cache
def place(corpus: str, dialogue: str) -> Place:
    """Where `dialogue` takes place."""
    rng = chance(corpus, dialogue, "place")
    return Place(
        _colour(rng.random(), 0.35, rng.uniform(0.5, 0.8)),
        rng.random(),
        rng.uniform(80, 600),
        int(rng.integers(-4, 5)),
    )


def voice(who: Person, shown: Expression, shift: int = 0) -> Voice:
    """The voice of `who` with an expression, within espeak-ng's bounds; `shift` raises the pitch."""
    return Voice(
        who.voice.variant,
        pitch=_within(who.voice.pitch + shown.pitch + shift, 0, 99),
        range=_within(who.voice.range + shown.range, 0, 99),
        rate=_within(who.voice.rate * 2**shown.rate, 150, 320),
        volume=_within(who.voice.volume * 2**shown.volume, 25, 180),
    )


def _within(value: float, low: int, high: int) -> int:
    return min(max(round(value), low), high)


def _colour(hue: float, saturation: float, value: float) -> Colour:
    red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb(hue, saturation, value))
    return red, green, blue
