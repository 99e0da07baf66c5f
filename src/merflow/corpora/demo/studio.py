"""Film clips in parallel: takes are spoken, laid on a time line, drawn and encoded."""

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
from merflow.media.encode import AVI, MP4, write_audio, write_clip
from merflow.progress import track

FPS = 24
LEAD_S, TAIL_S, SHORTEST_S = 0.10, 0.15, 1.0
GAP_S = (0.15, 0.45)  # between takes of a clip
BLINK_FRAMES = 70  # from one blink to the next
BLINK_LENGTH = 2  # frames
_LEVELS = 6  # openings of the mouth; a panel is drawn once per opening
_HUM, _HISS = 0.003, 0.001  # of full scale

Spans = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Clip:
    """A clip to make.

    Attributes:
        path: file; .mp4 or .avi.
        takes: utterances, in order, by people of `people`.
        people: people in view, from left to right.
        place: dialogue that names the room; None: a studio.
        channels: of the clip's audio.
        audio_files: WAV files, one per take; empty: none.
        audio_hz: their sampling rate.
        cut_s: length to cut the clip to; None: whole.
    """

    path: Path
    takes: tuple[Take, ...]
    people: tuple[Person, ...]
    place: str | None
    channels: int = 1
    audio_files: tuple[Path, ...] = ()
    audio_hz: int = 16_000
    cut_s: float | None = None


@dataclass(frozen=True)
class Filmed:
    """Length of a clip, and start and end of each take in it, in seconds."""

    length_s: float
    spans: tuple[tuple[float, float], ...]


def film_all(clips: Sequence[Clip], what: str) -> list[Filmed]:
    """Film every clip, in order, on all cores; `what` names the clips in progress messages."""
    # more than a few workers gain nothing: the last step of every corpus, packing, is one process
    workers = min(os.cpu_count() or 1, 8)
    with ProcessPoolExecutor(
        workers, get_context("fork"), initializer=cv2.setNumThreads, initargs=(0,)
    ) as pool:
        return list(track(pool.map(film, clips), what, len(clips)))


def film(clip: Clip) -> Filmed:
    """Make one clip, and the audio files of its takes.

    Raises:
        MediaError: the speech cannot be synthesised or the clip not be encoded.
    """
    room = place(clip.takes[0].corpus, clip.place) if clip.place else None
    expressions = [
        express(take.emotion, chance(take.corpus, take.utterance_id, "expression"), take.strength)
        for take in clip.takes
    ]
    speech, spans = _speech(clip, room, expressions)
    frames = _frames(clip, room, expressions, spans, speech)
    audio = _with_noise(speech, clip, room) if room else speech
    for path, (start, end) in zip(clip.audio_files, spans, strict=bool(clip.audio_files)):
        take_audio = audio[round(start * SAMPLING_RATE) : round(end * SAMPLING_RATE)]
        write_audio(path, _resampled(take_audio, clip.audio_hz), clip.audio_hz)
    rate, form = (48_000, MP4) if clip.path.suffix == ".mp4" else (16_000, AVI)
    samples = np.repeat(_resampled(audio, rate)[:, None], clip.channels, axis=1)
    length_s = max(spans[-1][1] + TAIL_S, SHORTEST_S)
    if clip.cut_s:
        length_s = clip.cut_s
        samples, frames = samples[: round(length_s * rate)], frames[: ceil(length_s * FPS)]
    write_clip(clip.path, frames, FPS, samples, rate, form)
    return Filmed(length_s, tuple(spans))


def _speech(
    clip: Clip, room: Place | None, expressions: Sequence[Expression]
) -> tuple[np.ndarray, Spans]:
    """Speak the takes one after the other.

    Returns:
        Samples (n,) at SAMPLING_RATE, and start and end of each take in seconds.
    """
    shift = room.pitch if room else 0
    spoken = [
        speak(take.text, voice(take.speaker, expression, shift))
        for take, expression in zip(clip.takes, expressions, strict=True)
    ]
    spans: list[tuple[float, float]] = []
    end = LEAD_S
    for take, samples in zip(clip.takes, spoken, strict=True):
        start = end
        if spans:
            start += chance(take.corpus, take.utterance_id, "gap").uniform(*GAP_S)
        end = start + len(samples) / SAMPLING_RATE
        spans.append((start, end))
    length_s = max(end + TAIL_S, SHORTEST_S)
    speech = np.zeros(round(length_s * SAMPLING_RATE), np.float32)
    for (start, _), samples in zip(spans, spoken, strict=True):
        first = round(start * SAMPLING_RATE)
        speech[first : first + len(samples)] = samples[: len(speech) - first]
    return speech, spans


def _with_noise(speech: np.ndarray, clip: Clip, room: Place) -> np.ndarray:
    """Add the hum and the hiss of the room."""
    first = clip.takes[0]
    hum = np.sin(2 * np.pi * room.hum_hz / SAMPLING_RATE * np.arange(len(speech)))
    hiss = chance(first.corpus, first.utterance_id, "hiss").standard_normal(len(speech))
    return (speech + _HUM * hum + _HISS * hiss).astype(np.float32)


def _frames(
    clip: Clip,
    room: Place | None,
    expressions: Sequence[Expression],
    spans: Spans,
    speech: np.ndarray,
) -> list[np.ndarray]:
    """Draw every frame: people side by side, the speaker with the take's expression."""
    width = 160 if len(clip.people) == 1 else 120
    portraits = [Portrait(person, room, width) for person in clip.people]
    rng = chance(clip.takes[0].corpus, clip.path.stem, "blink")
    first_blink = int(rng.integers(BLINK_FRAMES))

    @cache
    def panel(number: int, take: int | None, opening: int, blink: bool) -> np.ndarray:
        expression = EXPRESSIONS["neutral"] if take is None else expressions[take]
        return portraits[number].draw(expression, opening / _LEVELS, blink)

    frames = []
    for index, opening in enumerate(_openings(speech)):
        # between takes, the face shows the next take already
        unfinished = (take for take, (_, end) in enumerate(spans) if index / FPS < end)
        take = next(unfinished, len(spans) - 1)
        blink = (index + first_blink) % BLINK_FRAMES < BLINK_LENGTH
        panels = [
            panel(number, take, opening, blink)
            if person == clip.takes[take].speaker
            else panel(number, None, 0, blink)
            for number, person in enumerate(clip.people)
        ]
        frames.append(panels[0] if len(panels) == 1 else np.hstack(panels))
    return frames


def _openings(speech: np.ndarray) -> list[int]:
    """Opening of the mouth in every frame, 0 to _LEVELS, from the speech's loudness."""
    edges = np.arange(0, len(speech) / SAMPLING_RATE * FPS).astype(int) * SAMPLING_RATE // FPS
    loudness = np.sqrt(np.maximum.reduceat(speech**2, edges))
    return np.round(_LEVELS * loudness / max(float(loudness.max()), 1e-6)).astype(int).tolist()


def _resampled(samples: np.ndarray, rate: int) -> np.ndarray:
    common = gcd(rate, SAMPLING_RATE)
    resampled = resample_poly(samples, rate // common, SAMPLING_RATE // common)
    return np.clip(resampled, -1, 1).astype(np.float32)
