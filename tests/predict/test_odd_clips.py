"""Clips to predict as people have them: odd names, odd texts, and other files beside them."""

import json
import os
import unicodedata

import pytest
from rich.console import Console
from support.custom_clips import CLIPS
from support.tiny_media import write_audio
from typer.testing import CliRunner

from merflow.cli import app
from merflow.errors import CorpusError
from merflow.predict.clips import prepare
from merflow.predict.models import RunKey
from merflow.predict.show import Prediction, Predictions, show

NOT_UTF8 = os.fsdecode(b"gl\xfccklich.wav")


@pytest.fixture
def described(tmp_path):
    """Prepare the clips of a folder, or a clip, to be predicted."""

    def run(target, text=None, table=None):
        scratch = tmp_path / "scratch"
        return prepare(target, text, table, scratch)

    return run


def test_a_name_that_is_not_utf8_fails_alone(tmp_path, described):
    folder = tmp_path / "clips"
    for name in ("b.wav", NOT_UTF8):
        write_audio(folder / name)
    clips = described(folder)
    assert clips.utterances["clip"].tolist() == ["b.wav"]
    assert clips.failed == {r"gl\xfccklich.wav": "its name is not UTF-8; rename it"}
    assert described(folder / NOT_UTF8).failed == clips.failed


def test_a_text_that_is_not_utf8_is_no_text(tmp_path, described):
    folder = tmp_path / "clips"
    texts = {"a": b"\xef\xbb\xbfwe are late", "b": b"I\x92ve had it", "c": b"no\xc2\x85"}
    for name, text in texts.items():
        write_audio(folder / f"{name}.wav")
        (folder / f"{name}.txt").write_bytes(text)
    clips = described(folder)
    assert clips.utterances["text"].fillna("none").tolist() == ["we are late", "none", "no…"]
    assert clips.failed == {}  # audio systems can predict it
    path = folder / "b.txt"
    assert clips.no_text == {"b.wav": f"{path}: not UTF-8 (byte 0x92 at 1); save it as UTF-8"}
    with pytest.raises(CorpusError, match="--text: not UTF-8"):
        described(folder / "a.wav", text="caf\udce9")


def test_a_row_names_a_clip_in_another_unicode_form(tmp_path, described):
    composed, decomposed = (unicodedata.normalize(form, "Zoë.wav") for form in ("NFC", "NFD"))
    for name in (decomposed, "b.wav"):
        write_audio(tmp_path / "clips" / name)
    table = tmp_path / "words.csv"
    table.write_text(f"clip,text\n{composed},we are late\n", encoding="utf-8")
    for target in (tmp_path / "clips", tmp_path / "clips" / decomposed):
        clips = described(target, table=table)
        assert clips.utterances["clip"].tolist() == [decomposed]


def test_files_that_are_passed_over_are_counted(tmp_path, described, caplog, monkeypatch):
    folder = tmp_path / "clips"
    write_audio(folder / "b.wav")
    (folder / "notes.pdf").write_bytes(b"x")
    described(folder)
    assert caplog.messages == [f"{folder}: passed over: 1 (1 no media ending: .pdf)"]
    (folder / "b.wav").unlink()
    with pytest.raises(CorpusError, match=r"no clip in it; passed over: 1 \(1 no media ending"):
        described(folder)


def test_a_model_of_text_names_the_text_that_it_lacks(project, tmp_path):
    for name, (_, text) in zip("ab", CLIPS.values(), strict=False):
        write_audio(tmp_path / f"[{name}].wav")
        (tmp_path / f"[{name}].txt").write_bytes(text.encode() if name == "a" else b"caf\xe9")
    (tmp_path / NOT_UTF8).write_bytes((tmp_path / "[a].wav").read_bytes())
    model = project / "results/mel_cnn_bert/text/mine-clean"
    options = ["--model", str(model), "--checkpoints", str(project / "data/checkpoints"), "--json"]
    outcome = CliRunner().invoke(app, ["predict", str(tmp_path), *options])
    assert outcome.exit_code == 0
    result = json.loads(outcome.stdout)
    assert [row["utterance"] for row in result["predictions"]] == ["[a].wav"]
    assert set(result["failed"]) == {"[b].wav", r"gl\xfccklich.wav"}
    assert "not UTF-8 (byte 0xe9 at 3)" in result["failed"]["[b].wav"]


def test_names_are_shown_as_they_are():
    names = ["Title [dQw4w9WgXcQ].wav", "take [final].wav", "[/].wav", ":smile:.wav", "two\nlines"]
    label = "a|b <b>[x]_$"
    rows = [Prediction(name, [label], {label: 0.5, "[red]": 0.5}) for name in names]
    failed = {"gone [1].wav": "no such\nfile", ":tada:": "x"}
    predictions = Predictions("results/[x]", [label, "[red]"], [RunKey(0, 1)], rows, failed)
    console = Console(width=160, record=True)
    show(predictions, as_json=False, console=console)
    shown = console.export_text()
    for text in (*names[:4], r"two\nlines", label, "[red]", "results/[x]:"):
        assert text in shown
    assert r"gone [1].wav: no such\nfile" in shown and ":tada:: x" in shown
