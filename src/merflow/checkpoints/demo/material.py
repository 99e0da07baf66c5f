"""Training data of the demo checkpoints: sentences, voices and faces.

They are made like the demo corpora, but people, sentences and places are in none of them.
"""

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

_CORPUS = "checkpoints"  # not the name of a demo corpus, so people, places and chances differ


def sentences(n: int) -> list[str]:
    """Make sentences, each with an emotion and a topic of its own."""
    texts = []
    for number in range(n):
        rng = chance(_CORPUS, "sentence", str(number))
        texts.append(sentence([str(rng.choice(list(CUES)))], TOPICS, rng))
    return texts


def voices(n: int, split: str, people: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Speak sentences that fit any emotion.

    Args:
        n: number of waveforms.
        split: "train" or "test", which have different people.
        people: number of people.

    Returns:
        Waveforms, float32 (n_samples,) of about a second at SAMPLING_RATE, and labels (n,), indices
        of EMOTIONS.

    Raises:
        MediaError: the voices cannot be made.
    """
    labels = np.arange(n) % len(EMOTIONS)
    lines = []
    for number, label in enumerate(labels):
        rng = chance(_CORPUS, split, "voice", str(number))
        speaker = person(_CORPUS, f"{split} {rng.integers(people)}")
        text = str(rng.choice(CLAUSES)).format(rng.choice(TOPICS))
        lines.append((text, voice(speaker, express(EMOTIONS[label], rng))))
    up, down = 320, 441  # from 22,050 Hz
    waveforms = [resample_poly(spoken, up, down).astype(np.float32) for spoken in _speak(lines)]
    return waveforms, labels


def _speak(lines: Sequence[tuple[str, speech.Voice]]) -> list[np.ndarray]:
    """Speak all lines in one process, which takes a tenth of the time of `speech.speak`.

    The library keeps state between lines, but it is the same every time.
    """
    receiver, sender = get_context("fork").Pipe(duplex=False)
    child = get_context("fork").Process(target=_speak_in_process, args=(sender, lines))
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


def _speak_in_process(sender: Connection, lines: Sequence[tuple[str, speech.Voice]]) -> None:
    for text, speaker_voice in lines:
        speech._synthesise(sender, text, speaker_voice)


def faces(n: int, split: str) -> tuple[list[np.ndarray], np.ndarray]:
    """Draw faces, each of another person.

    Args:
        n: number of frames.
        split: "train" or "test", which have different people.

    Returns:
        Frames, uint8 RGB (120, 160, 3), and labels (n,), indices of EMOTIONS.
    """
    labels = np.arange(n) % len(EMOTIONS)
    frames = []
    for number, label in enumerate(labels):
        rng = chance(_CORPUS, split, "face", str(number))
        name = f"{split} {number}"
        portrait = Portrait(person(_CORPUS, name), place(_CORPUS, name), 160)
        opening = float(rng.random()) if rng.random() < 0.6 else 0.0  # of the mouth, in speech
        expression = express(EMOTIONS[label], rng)
        blink = bool(rng.random() < 0.03)
        frames.append(portrait.draw(expression, opening, blink=blink))
    return frames, labels
