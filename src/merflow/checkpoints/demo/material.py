"""What demo checkpoints learn from: sentences, voices and faces made like those of the demo corpora, by people who are in none of them."""

from collections.abc import Sequence
from itertools import count, takewhile
from multiprocessing import get_context
from multiprocessing.connection import Connection

import numpy as np
from scipy.signal import resample_poly

from merflow.corpora.demo import speech
from merflow.corpora.demo.cast import person, place, voice
from merflow.corpora.demo.chance import chance
from merflow.corpora.demo.expression import express
from merflow.corpora.demo.face import Portrait
from merflow.corpora.demo.words import CLAUSES, CUES, sentence, topics
from merflow.errors import MediaError

EMOTIONS = ("anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise")  # MELD's
TOPICS = tuple(word for words in takewhile(bool, map(topics, count())) for word in words)

_CORPUS = "checkpoints"  # a name that no demo corpus has: other people, places and chances


def sentences(number: int) -> list[str]:
    """Sentences, each with an emotion and a topic of its own."""
    made = []
    for index in range(number):
        rng = chance(_CORPUS, "sentence", str(index))
        made.append(sentence([str(rng.choice(list(CUES)))], TOPICS, rng))
    return made


def voices(number: int, part: str, people: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Sounds, float32 (n_samples,) of about a second at SAMPLING_RATE, and the emotion of each as an index of EMOTIONS.

    What is said fits any emotion. Parts ("train", "test") have other people.

    Raises:
        MediaError: the voices cannot be made.
    """
    labels = np.arange(number) % len(EMOTIONS)
    lines = []
    for index, label in enumerate(labels):
        rng = chance(_CORPUS, part, "voice", str(index))
        who = person(_CORPUS, f"{part} {rng.integers(people)}")
        text = str(rng.choice(CLAUSES)).format(rng.choice(TOPICS))
        lines.append((text, voice(who, express(EMOTIONS[label], rng))))
    up, down = 320, 441  # from 22,050 Hz
    return [resample_poly(sound, up, down).astype(np.float32) for sound in _spoken(lines)], labels


def _spoken(lines: Sequence[tuple[str, speech.Voice]]) -> list[np.ndarray]:
    """All lines said by one process: a tenth of the time of `speak`. Its library carries state on, but always the same."""
    receiver, sender = get_context("fork").Pipe(duplex=False)
    child = get_context("fork").Process(target=_speak_all, args=(sender, lines))
    child.start()
    sender.close()
    try:
        return [
            np.frombuffer(receiver.recv_bytes(), np.int16).astype(np.float32) / 2**15 for _ in lines
        ]
    except EOFError as error:
        raise MediaError(
            "espeak-ng failed on the voices that demo checkpoints learn from"
        ) from error
    finally:
        child.join()


def _speak_all(sender: Connection, lines: Sequence[tuple[str, speech.Voice]]) -> None:
    for text, how in lines:
        speech._synthesise(sender, text, how)


def faces(number: int, part: str) -> tuple[list[np.ndarray], np.ndarray]:
    """Pictures, uint8 RGB (120, 160, 3), and the emotion of each as an index of EMOTIONS; every face is another person's."""
    labels = np.arange(number) % len(EMOTIONS)
    pictures = []
    for index, label in enumerate(labels):
        rng = chance(_CORPUS, part, "face", str(index))
        portrait = Portrait(
            person(_CORPUS, f"{part} {index}"), place(_CORPUS, f"{part} {index}"), 160
        )
        opening = float(rng.random()) if rng.random() < 0.6 else 0.0  # speaking, or not
        pictures.append(
            portrait.draw(express(EMOTIONS[label], rng), opening, blink=bool(rng.random() < 0.03))
        )
    return pictures, labels
