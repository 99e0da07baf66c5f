"""Clips of the demo corpora: voices, faces, and the same bytes every time."""

import hashlib
import io
import multiprocessing
import os
import tarfile
from concurrent.futures import ProcessPoolExecutor

import cv2
import numpy as np
import pytest

from merflow.corpora.demo import packing
from merflow.corpora.demo.cast import person, place
from merflow.corpora.demo.chance import chance
from merflow.corpora.demo.expression import EXPRESSIONS, express
from merflow.corpora.demo.face import Portrait
from merflow.corpora.demo.script import Take
from merflow.corpora.demo.speech import VARIANTS, Voice, speak
from merflow.corpora.demo.studio import Clip, film
from merflow.errors import MediaError

EVERY_VOICE = [variant for variants in VARIANTS.values() for variant in variants]


@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
def test_a_clip_does_not_depend_on_clips_made_before(tmp_path, suffix):
    nora, otto = person("meld", "Nora", True), person("meld", "Otto", False)
    take = Take("meld", "some_utterance", nora, "joy", "That’s wonderful.")
    other = Take("meld", "another", otto, "anger", "Get out!")

    def clip(name: str, take: Take) -> bytes:
        path = tmp_path / f"{name}{suffix}"
        film(Clip(path, (take,), (nora,), "dia0"))
        return path.read_bytes()

    first = clip("a", take)
    assert clip("b", other) != first
    (tmp_path / f"a{suffix}").unlink()
    assert clip("a", take) == first


def test_every_voice_says_the_same_in_every_process():
    digests = {variant: {_digest(variant) for _ in range(3)} for variant in EVERY_VOICE}
    spawn = multiprocessing.get_context("spawn")  # another heap at other addresses
    with ProcessPoolExecutor(1, spawn) as pool:
        elsewhere = dict(zip(EVERY_VOICE, pool.map(_digest, EVERY_VOICE), strict=True))
    assert digests == {variant: {digest} for variant, digest in elsewhere.items()}
    # espeak-ng ignores an unknown variant in silence
    assert len(set(elsewhere.values())) == len(EVERY_VOICE)


def _digest(variant: str) -> str:
    samples = speak("This fish is disgusting, she said.", Voice(variant, 50, 50, 220, 100))
    return hashlib.sha256(samples.tobytes()).hexdigest()


def test_an_archive_does_not_depend_on_times_and_order(tmp_path):
    for name, order in (("a", ["x.txt", "y/z.txt"]), ("b", ["y/z.txt", "x.txt"])):
        for seconds, member in enumerate(order):
            path = tmp_path / name / member
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(member)
            os.utime(path, (seconds, seconds))
    for pack, suffix in ((packing.tar_gz, "tar.gz"), (packing.zipped, "zip")):
        paths = [pack(tmp_path / name, tmp_path / f"{name}.{suffix}") for name in "ab"]
        assert paths[0].read_bytes() == paths[1].read_bytes()
    content = io.BytesIO((tmp_path / "a.tar.gz").read_bytes())
    with tarfile.open(fileobj=content) as archive:
        assert archive.getnames() == ["x.txt", "y", "y/z.txt"]


def test_voice_and_face_follow_the_emotion_with_confusions():
    values = {
        emotion: np.array(
            [list(vars(express(emotion, _rng(emotion, number))).values()) for number in range(200)]
        )
        for emotion in EXPRESSIONS
    }
    pitch, smile = 0, 4
    median = {emotion: np.median(rows, axis=0) for emotion, rows in values.items()}
    assert median["surprise"][pitch] > median["neutral"][pitch] + 15
    assert median["neutral"][pitch] > median["sadness"][pitch] + 10
    assert median["joy"][smile] > 0.7 > -0.4 > median["anger"][smile]
    confused = np.abs(values["joy"][:, smile] - EXPRESSIONS["joy"].smile) > 4 * 0.25
    assert 0.04 < confused.mean() < 0.2


def _rng(emotion: str, number: int) -> np.random.Generator:
    return chance("test", emotion, str(number))


def test_a_faster_voice_speaks_shorter():
    voices = [Voice("m1", 40, 45, rate, 90) for rate in (160, 205, 300)]
    lengths = [len(speak("She called about the kettle.", voice)) for voice in voices]
    assert lengths[0] > lengths[1] > lengths[2]


def test_a_face_detector_finds_the_drawn_face():
    detector = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")
    n_faces = []
    for number, (emotion, expression) in enumerate(EXPRESSIONS.items()):
        portrait = Portrait(person("test", emotion), place("test", str(number)), 160)
        grey = cv2.cvtColor(portrait.draw(expression, 0.3, False), cv2.COLOR_RGB2GRAY)
        n_faces.append(len(detector.detectMultiScale(grey, 1.1, 3, minSize=(24, 24))))
    assert n_faces.count(1) >= 9


def test_failed_speech_is_an_error(monkeypatch):
    with pytest.raises(MediaError, match="said nothing"):
        speak("", Voice("m1", 50, 50, 200, 100))
    monkeypatch.setattr("espeakng_loader.get_data_path", lambda: "/nowhere")
    with pytest.raises(MediaError, match="espeak-ng failed on 'Hi'"):
        speak("Hi", Voice("m1", 50, 50, 200, 100))
