"""Demo checkpoints: they load the way real ones do, they tell emotions apart, and they are the same every time."""

import json
import re
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch

from merflow.checkpoints import demo
from merflow.checkpoints.demo import material
from merflow.checkpoints.demo.material import EMOTIONS
from merflow.checkpoints.fetch import fetch
from merflow.corpora.demo import iemocap, meld, mosei, ravdess
from merflow.corpora.labels import emotion
from merflow.features.audio import wav2vec2
from merflow.features.text import encoder, word_vectors
from merflow.features.vision import clip, swin
from merflow.params import (
    ClipParams,
    EncoderParams,
    SwinParams,
    Wav2vec2Params,
    WordVectorParams,
    load,
)

#: Fewer examples and steps than the demo's own: enough to be clearly better than chance.
SMALLER = {
    "roberta": {"TRAIN": 1500, "TEST": 200, "STEPS": 120},
    "wav2vec2": {"TRAIN": 1000, "TEST": 140, "STEPS": 120},
    "clip": {"TRAIN": 1000, "TEST": 140, "STEPS": 100},
    "swin": {"TRAIN": 700, "TEST": 140, "STEPS": 60},
    "word_vectors": {},
}
TINY = {"TRAIN": 80, "TEST": 20, "STEPS": 2, "SENTENCES": 500}


def shrink(monkeypatch: pytest.MonkeyPatch, name: str, sizes: dict[str, int]) -> None:
    module = import_module(demo.MAKERS[name])
    for key, value in sizes.items():
        if hasattr(module, key):
            monkeypatch.setattr(module, key, value)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A function: the folder of a demo checkpoint, and the line that its maker logged; each is made once."""
    done: dict[str, tuple[Path, str]] = {}

    def make(name: str) -> tuple[Path, str]:
        if name not in done:
            folder, lines = tmp_path_factory.mktemp(name), []
            with pytest.MonkeyPatch.context() as patch:
                shrink(patch, name, SMALLER[demo.MAKERS[name].rpartition(".")[2]])
                patch.setattr(
                    f"{demo.MAKERS[name]}.log.info",
                    lambda line, *values: lines.append(line % values),
                )
                demo.make(name, folder)
            done[name] = folder, lines[0]
        return done[name]

    return make


@pytest.mark.parametrize(
    "name", ["roberta", "wav2vec2_emotion", "clip", "swin", "glove", "fasttext"]
)
def test_a_demo_checkpoint_is_better_than_twice_chance_and_not_perfect(made, name):
    found, by_chance = map(float, re.findall(r"\d\.\d\d", made(name)[1]))
    assert 2 * by_chance < found < 0.9


@pytest.mark.parametrize("name", demo.MAKERS)
def test_a_demo_checkpoint_is_the_same_every_time(name, tmp_path, monkeypatch):
    shrink(monkeypatch, name, TINY)
    cards = []
    for run in ("one", "two"):
        torch.rand(len(run) + len(cards))  # what was drawn before does not matter
        torch.set_num_threads(1 + len(cards))
        fetch(name, {"demo": name}, tmp_path / run, tmp_path / "scratch", tmp_path)
        cards.append(json.loads((tmp_path / run / "SOURCE.json").read_text()))
        assert sum(path.stat().st_size for path in (tmp_path / run).iterdir()) < 2_000_000
    torch.set_num_threads(1)
    assert cards[0] == cards[1]
    assert not torch.are_deterministic_algorithms_enabled()


def test_roberta_gives_states_of_the_tokens(made):
    folder, _ = made("roberta")
    params = EncoderParams(max_tokens=512, output="tokens")
    texts = [
        "I’m so happy, we need the boat!",
        "",
        "Ein Wort, das sie nie sah: Überraschung \U0001f600",
    ]
    states = list(encoder.extract([texts], params, folder))
    assert states[1].shape == (2, 64) and all(len(rows) > 2 for rows in (states[0], states[2]))


def test_wav2vec2_gives_a_frame_every_20_ms(made):
    folder, _ = made("wav2vec2_emotion")
    sounds, labels = material.voices(28, "others", 10)
    frames = next(wav2vec2.extract([sounds[:1]], Wav2vec2Params(output="frames"), folder))
    assert abs(len(frames) - len(sounds[0]) / 320) <= 3 and frames.shape[1] == 48
    params = Wav2vec2Params(output="probabilities")
    names = wav2vec2.columns(params, folder)
    rows = np.concatenate(list(wav2vec2.extract([sounds], params, folder)))
    assert rows.shape == (28, 7) and names == list(EMOTIONS)
    spoken = np.mean(
        [names[row.argmax()] == EMOTIONS[label] for row, label in zip(rows, labels, strict=True)]
    )
    assert spoken > 1 / 7


def test_wav2vec2_without_its_classifier_is_no_classifier(made, tmp_path, monkeypatch):
    shrink(monkeypatch, "wav2vec2", TINY)
    demo.make("wav2vec2", tmp_path)
    assert next(
        wav2vec2.extract([[np.zeros(1600, np.float32)]], Wav2vec2Params(output="mean"), tmp_path)
    ).shape == (1, 48)
    with pytest.raises(Exception, match=r"LABEL_0|weights of|is not a known name"):
        next(
            wav2vec2.extract(
                [[np.zeros(1600, np.float32)]], Wav2vec2Params(output="probabilities"), tmp_path
            )
        )


def test_clip_takes_the_prompts_of_params(made):
    folder, _ = made("clip")
    prompts = load(Path("params.yaml")).features.clip_emotion.prompts
    pictures, labels = material.faces(70, "others")
    params = ClipParams(output="probabilities", prompts=prompts)
    rows = np.concatenate(
        list(clip.extract([[picture[None] for picture in pictures]], params, folder))
    )
    found = [list(prompts)[row.argmax()] for row in rows]
    assert (
        np.mean([name == EMOTIONS[label] for name, label in zip(found, labels, strict=True)])
        > 2 / 7
    )


def test_swin_gives_one_vector_a_picture(made):
    folder, _ = made("swin")
    pictures, _ = material.faces(3, "others")
    assert next(swin.extract([[np.stack(pictures)]], SwinParams(batch_size=15), folder)).shape == (
        3,
        96,
    )


@pytest.mark.parametrize("name", ["glove", "fasttext"])
def test_word_vectors_know_most_words_of_the_demo_and_not_all(made, name):
    folder, _ = made(name)
    params = WordVectorParams(dim=50, lowercase=False)
    texts = [row.take.text for row in meld.write_script()]
    rows = list(word_vectors.extract([texts], params, folder))
    unknown = sum(
        int(found.detail.split()[0]) for found in rows if not isinstance(found, np.ndarray)
    )
    words = sum(len(word_vectors.split(text)) for text in texts)
    assert 0 < unknown < 0.1 * words


def test_the_labels_are_emotions_and_the_people_are_in_no_demo_corpus():
    from merflow.checkpoints.demo.wav2vec2 import LABELS

    assert [emotion(LABELS.get(name, name)) for name in EMOTIONS] == list(EMOTIONS)
    taken = {module.__name__.rpartition(".")[2] for module in (iemocap, meld, mosei, ravdess)}
    assert material._CORPUS not in taken


def test_a_voice_that_cannot_be_made_is_one_line(monkeypatch):
    from merflow.errors import MediaError

    monkeypatch.setattr(material.speech, "_synthesise", lambda *_: None)
    with pytest.raises(MediaError, match="espeak-ng"):
        material.voices(7, "train", 3)
