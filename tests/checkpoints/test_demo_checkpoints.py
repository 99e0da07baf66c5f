"""Demo checkpoints load like real ones, tell emotions apart, and are the same every time."""

import json
import re
from importlib import import_module

import numpy as np
import pytest
import torch
from support import ROOT

from merflow.checkpoints import demo
from merflow.checkpoints.demo import material
from merflow.checkpoints.demo.material import EMOTIONS
from merflow.checkpoints.demo.wav2vec2 import LABELS
from merflow.checkpoints.fetch import fetch
from merflow.corpora.demo import iemocap, meld, mosei, ravdess
from merflow.corpora.labels import emotion
from merflow.errors import CheckpointError, MediaError
from merflow.features.audio import wav2vec2
from merflow.features.extractor import Flagged
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

#: Fewer examples and steps than in the demo, enough to be clearly better than chance.
SMALLER = {
    "roberta": {"TRAIN": 1500, "TEST": 200, "STEPS": 120},
    "wav2vec2": {"TRAIN": 1000, "TEST": 140, "STEPS": 120},
    "clip": {"TRAIN": 1000, "TEST": 140, "STEPS": 100},
    "swin": {"TRAIN": 700, "TEST": 140, "STEPS": 60},
    "word_vectors": {},
}
TINY = {"TRAIN": 80, "TEST": 20, "STEPS": 2, "SENTENCES": 500}


def shrink(monkeypatch, name, sizes):
    module = import_module(demo.MAKERS[name])
    for key, value in sizes.items():
        if hasattr(module, key):
            monkeypatch.setattr(module, key, value)


@pytest.fixture(scope="module")
def make(tmp_path_factory):
    """A function that makes each demo checkpoint once.

    It returns the folder and the first line of the log.
    """
    results = {}

    def make_once(name):
        if name not in results:
            folder, lines = tmp_path_factory.mktemp(name), []
            with pytest.MonkeyPatch.context() as patch:
                module = demo.MAKERS[name]
                shrink(patch, name, SMALLER[module.rpartition(".")[2]])
                log = lambda line, *values: lines.append(line % values)
                patch.setattr(f"{module}.log.info", log)
                demo.make(name, folder)
            results[name] = folder, lines[0]
        return results[name]

    return make_once


@pytest.mark.parametrize(
    "name", ["roberta", "wav2vec2_emotion", "clip", "swin", "glove", "fasttext"]
)
def test_a_demo_checkpoint_is_twice_chance_but_not_perfect(make, name):
    score, by_chance = map(float, re.findall(r"\d\.\d\d", make(name)[1]))
    assert 2 * by_chance < score < 0.9


@pytest.mark.parametrize("name", demo.MAKERS)
def test_a_demo_checkpoint_is_the_same_every_time(name, tmp_path, monkeypatch):
    shrink(monkeypatch, name, TINY)
    cards = []
    for number in range(2):
        # earlier draws and the number of threads do not matter
        torch.rand(3 + number)
        torch.set_num_threads(1 + number)
        out = tmp_path / f"run {number}"
        fetch(name, {"demo": name}, out, tmp_path / "scratch", tmp_path)
        cards.append(json.loads((out / "SOURCE.json").read_text()))
        assert sum(path.stat().st_size for path in out.iterdir()) < 2_000_000
    torch.set_num_threads(1)
    assert cards[0] == cards[1]
    assert not torch.are_deterministic_algorithms_enabled()


def test_roberta_gives_states_of_the_tokens(make):
    folder, _ = make("roberta")
    params = EncoderParams(max_tokens=512, output="tokens")
    unseen = "Ein Wort, das sie nie sah: Überraschung \U0001f600"
    texts = ["I’m so happy, we need the boat!", "", unseen]
    first, empty, last = encoder.extract([texts], params, folder)
    assert empty.shape == (2, 64)
    assert len(first) > 2
    assert len(last) > 2


def test_wav2vec2_gives_a_frame_every_20_ms(make):
    folder, _ = make("wav2vec2_emotion")
    (waveform, *_), _ = material.voices(28, "others", 10)
    (frames,) = wav2vec2.extract([[waveform]], Wav2vec2Params(output="frames"), folder)
    assert abs(len(frames) - len(waveform) / 320) <= 3
    assert frames.shape[1] == 48


def test_wav2vec2_recognises_emotions_of_other_people(make):
    folder, _ = make("wav2vec2_emotion")
    waveforms, labels = material.voices(28, "others", 10)
    params = Wav2vec2Params(output="probabilities")
    assert wav2vec2.columns(params, folder) == list(EMOTIONS)
    rows = np.concatenate(list(wav2vec2.extract([waveforms], params, folder)))
    assert rows.shape == (28, 7)
    assert np.mean(rows.argmax(axis=1) == labels) > 1 / 7


def test_wav2vec2_has_no_classifier(tmp_path, monkeypatch):
    shrink(monkeypatch, "wav2vec2", TINY)
    demo.make("wav2vec2", tmp_path)
    silence = [[np.zeros(1600, np.float32)]]
    (mean,) = wav2vec2.extract(silence, Wav2vec2Params(output="mean"), tmp_path)
    assert mean.shape == (1, 48)
    probabilities = wav2vec2.extract(silence, Wav2vec2Params(output="probabilities"), tmp_path)
    with pytest.raises(CheckpointError, match=r"LABEL_0|weights of|is not a known name"):
        next(probabilities)


def test_clip_takes_the_prompts_of_params(make):
    folder, _ = make("clip")
    prompts = load(ROOT / "params.yaml").features.clip_emotion.prompts
    frames, labels = material.faces(70, "others")
    params = ClipParams(output="probabilities", prompts=prompts)
    rows = np.concatenate(list(clip.extract([[np.stack(frames)]], params, folder)))
    predicted = [list(prompts)[row.argmax()] for row in rows]
    assert np.mean([EMOTIONS[label] for label in labels] == np.array(predicted)) > 2 / 7


def test_swin_gives_one_vector_per_frame(make):
    folder, _ = make("swin")
    frames, _ = material.faces(3, "others")
    (vectors,) = swin.extract([[np.stack(frames)]], SwinParams(batch_size=15), folder)
    assert vectors.shape == (3, 96)


@pytest.mark.parametrize("name", ["glove", "fasttext"])
def test_word_vectors_lack_few_words_of_the_demo(make, name):
    folder, _ = make(name)
    params = WordVectorParams(dim=50, lowercase=False)
    texts = [row.take.text for row in meld.write_script()]
    results = word_vectors.extract([texts], params, folder)
    flagged = [result for result in results if isinstance(result, Flagged)]
    n_unknown = sum(int(result.detail.split()[0]) for result in flagged)
    n_words = sum(len(word_vectors.split(text)) for text in texts)
    assert 0 < n_unknown < 0.1 * n_words


def test_labels_of_the_classifier_are_emotions():
    assert [emotion(LABELS.get(name, name)) for name in EMOTIONS] == list(EMOTIONS)


def test_demo_people_are_in_no_demo_corpus():
    names = {module.__name__.rpartition(".")[2] for module in (iemocap, meld, mosei, ravdess)}
    assert material._CORPUS not in names


def test_a_voice_that_cannot_be_made_is_one_line(monkeypatch):
    monkeypatch.setattr(material.speech, "_synthesise", lambda *_: None)
    with pytest.raises(MediaError, match="espeak-ng"):
        material.voices(7, "train", 3)
