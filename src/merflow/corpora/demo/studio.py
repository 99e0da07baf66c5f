"""From script to clip: takes are spoken, laid on a time line, drawn and encoded, several clips at a time."""

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from math import ceil, gcd
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from scipy.signal import resample_poly

from merflow.corpora.demo.cast import Person, Place, place, voice
from merflow.corpora.demo.chance import chance
from merflow.corpora.demo.expression import EXPRESSIONS, Expression, express
from merflow.corpora.demo.face import Portrait
from merflow.corpora.demo.script import Take
from merflow.corpora.demo.speech import SAMPLING_RATE, speak
from merflow.media.encode import AVI, MP4, write_clip, write_sound
from merflow.progress import track

FPS = 24
LEAD_S, TAIL_S, SHORTEST_S = 0.10, 0.15, 1.0
GAP_S = (0.15, 0.45)  # between takes of a clip
BLINK_FRAMES = 70
_LEVELS = 6  # steps of the mouth; pictures with the same step are drawn once
_HUM, _HISS = 0.003, 0.001  # of full scale


@dataclass(frozen=True)
class Clip:
    """A clip to make.

    Attributes:
        path: file; .mp4 or .avi.
        takes: what is said, in order, by people of `people`.
        people: who is in the picture, from left to right.
        place: dialogue that names the room; None is a studio.
        channels: of the clip's sound.
        sounds: WAV files, one per take, at `sounds_hz`; empty: none.
        sounds_hz: in Hz.
        cut_s: length to cut the clip to; None: whole.
    """

    path: Path
    takes: tuple[Take, ...]
    people: tuple[Person, ...]
    place: str | None
    channels: int = 1
    sounds: tuple[Path, ...] = ()
    sounds_hz: int = 16_000
    cut_s: float | None = None


@dataclass(frozen=True)
class Filmed:
    """Length of a clip and where each take starts and ends in it, in seconds."""

    length_s: float
    spans: tuple[tuple[float, float], ...]


def film_all(clips: Sequence[Clip], what: str) -> list[Filmed]:
    """`film` of every clip, in order, on all cores; logs how far it is, with `what` as the name of the clips."""
    # more than a few workers gain nothing: the last step of every corpus, packing, is one process
    workers = min(os.cpu_count() or 1, 8)
    with ProcessPoolExecutor(
        workers, get_context("fork"), initializer=cv2.setNumThreads, initargs=(0,)
    ) as pool:
        return list(track(pool.map(film, clips), what, len(clips)))


def film(clip: Clip) -> Filmed:
    """Make one clip, and the sound files of its takes.

    Raises:
        MediaError: the speech cannot be made or the clip not be encoded.
    """
    room = place(clip.takes[0].corpus, clip.place) if clip.place else None
    shown = [
        express(take.emotion, chance(take.corpus, take.utterance_id, "expression"), take.strength)
        for take in clip.takes
    ]
    spoken = [
        speak(take.text, voice(take.speaker, expression, room.pitch if room else 0))
        for take, expression in zip(clip.takes, shown, strict=True)
    ]
    spans: list[tuple[float, float]] = []
    end = LEAD_S
    for take, samples in zip(clip.takes, spoken, strict=True):
        start = (
            end
            if not spans
            else end + chance(take.corpus, take.utterance_id, "gap").uniform(*GAP_S)
        )
        end = start + len(samples) / SAMPLING_RATE
        spans.append((start, end))
    length_s = max(end + TAIL_S, SHORTEST_S)
    sound = np.zeros(round(length_s * SAMPLING_RATE), np.float32)
    for (start, _), samples in zip(spans, spoken, strict=True):
        at = round(start * SAMPLING_RATE)
        sound[at : at + len(samples)] = samples[: len(sound) - at]
    pictures = _pictures(clip, room, shown, spans, sound)
    if room:
        hum = np.sin(2 * np.pi * room.hum_hz / SAMPLING_RATE * np.arange(len(sound)))
        hiss = chance(clip.takes[0].corpus, clip.takes[0].utterance_id, "hiss").standard_normal(
            len(sound)
        )
        sound = (sound + _HUM * hum + _HISS * hiss).astype(np.float32)
    for path, span in zip(clip.sounds, spans, strict=bool(clip.sounds)):
        start, end = (round(at * SAMPLING_RATE) for at in span)
        write_sound(path, _resampled(sound[start:end], clip.sounds_hz), clip.sounds_hz)
    rate, form = (48_000, MP4) if clip.path.suffix == ".mp4" else (16_000, AVI)
    samples = np.repeat(_resampled(sound, rate)[:, None], clip.channels, axis=1)
    if clip.cut_s:
        length_s = clip.cut_s
        samples, pictures = samples[: round(length_s * rate)], pictures[: ceil(length_s * FPS)]
    write_clip(clip.path, pictures, FPS, samples, rate, form)
    return Filmed(length_s, tuple(spans))


def _pictures(
    clip: Clip,
    room: Place | None,
    shown: Sequence[Expression],
    spans: Sequence[tuple[float, float]],
    speech: np.ndarray,
) -> list[np.ndarray]:
    """One picture per frame: people side by side, the speaking one with the expression of the take, the others neutral."""
    width = 160 if len(clip.people) == 1 else 120
    portraits = [Portrait(who, room, width) for who in clip.people]
    openings = _openings(speech)
    blink = int(chance(clip.takes[0].corpus, clip.path.stem, "blink").integers(BLINK_FRAMES))

    @cache
    def draw(panel: int, take: int | None, opening: int, blinks: bool) -> np.ndarray:
        return portraits[panel].draw(
            EXPRESSIONS["neutral"] if take is None else shown[take], opening / _LEVELS, blinks
        )

    pictures = []
    for index, opening in enumerate(openings):
        # between takes the face of the next one is on already
        now = next(
            (number for number, (_, end) in enumerate(spans) if index / FPS < end), len(spans) - 1
        )
        blinks = (index + blink) % BLINK_FRAMES < 2
        panels = [
            draw(panel, now, opening, blinks)
            if who == clip.takes[now].speaker
            else draw(panel, None, 0, blinks)
            for panel, who in enumerate(clip.people)
        ]
        pictures.append(panels[0] if len(panels) == 1 else np.hstack(panels))
    return pictures


def _openings(speech: np.ndarray) -> list[int]:
    """How far the mouth is open in every frame, 0 to _LEVELS, from the loudness of the speech."""
    edges = np.arange(0, len(speech) / SAMPLING_RATE * FPS).astype(int) * SAMPLING_RATE // FPS
    loudness = np.sqrt(np.maximum.reduceat(speech**2, edges))
    return np.round(_LEVELS * loudness / max(float(loudness.max()), 1e-6)).astype(int).tolist()


def _resampled(samples: np.ndarray, rate: int) -> np.ndarray:
    common = gcd(rate, SAMPLING_RATE)
    return np.clip(resample_poly(samples, rate // common, SAMPLING_RATE // common), -1, 1).astype(
        np.float32
    )
