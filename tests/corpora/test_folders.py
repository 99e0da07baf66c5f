"""Folders as people have them: links, other files, and names that are odd."""

import os
import unicodedata

import pandas as pd
import pytest
from support.tiny_media import write_audio

from merflow import artifacts
from merflow.corpora.file_names import Files, look_alikes, misnamed
from merflow.corpora.folders import list_clips, others
from merflow.corpora.prepare import prepare
from merflow.errors import CorpusError
from merflow.media.probe import ENDINGS
from merflow.pointers import LFS
from merflow.store import read_table

NOT_UTF8 = os.fsdecode(b"gl\xfccklich.wav")
COMPOSED = unicodedata.normalize("NFC", "Zoë.wav")
DECOMPOSED = unicodedata.normalize("NFD", "Zoë.wav")
#: Names that shells, tables, tools and markup take for something else.
ODD_NAMES = (
    *("-first.wav", " blank.wav", "two words.wav", "tab\there.wav", "a,b.wav", "a\"b'c.wav"),
    *("{corpus}.wav", "100%d.wav", "#1.wav", "a?b*.wav", "a:b.wav", "take [final].wav"),
    *("😀.wav", "`x`$(y).wav", "a&b;c.wav", "\\n.wav", "a%20b.wav", "CON.wav", "\x1b[31m.wav"),
    f"{'long' * 60}.wav",
)


def names(listing):
    return [path.relative_to(listing.folder).as_posix() for path in listing.clips]


def test_whatever_opens_is_listed_and_links_are_followed(tmp_path):
    clips, elsewhere = tmp_path / "clips", tmp_path / "elsewhere"
    for folder in (clips, elsewhere):
        folder.mkdir()
    for ending in ENDINGS:
        (clips / f"a{ending}").write_bytes(b"x")
    (clips / "LOUD.WAV").write_bytes(b"x")
    (elsewhere / "linked.wav").write_bytes(b"x")
    (clips / "linked").symlink_to(elsewhere)
    (clips / "file.wav").symlink_to(elsewhere / "linked.wav")  # listed once
    listing = list_clips(clips)
    assert {".webm", ".opus", ".3gp", ".m4a", ".mp4"} <= set(ENDINGS)
    assert set(names(listing)) == {*(f"a{ending}" for ending in ENDINGS), "LOUD.WAV", "file.wav"}
    assert listing.messages == [f"{clips}: passed over: 1 (1 link to a listed clip: linked.wav)"]


def test_what_is_passed_over_is_counted_with_the_reason(tmp_path):
    for name in ("a.wav", "b.wav", "._a.wav", ".hidden.wav", ".DS_Store", "Thumbs.db", "c.pdf"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "a.txt").write_text("a transcript")
    (tmp_path / "alone.txt").write_text("of no clip")
    (tmp_path / "empty.wav").touch()
    (tmp_path / "again").symlink_to(tmp_path)
    (tmp_path / "gone.wav").symlink_to("nowhere.wav")
    (tmp_path / "annexed.wav").symlink_to(".git/annex/objects/0.wav")
    os.mkfifo(tmp_path / "pipe.wav")
    listing = list_clips(tmp_path)
    assert names(listing) == ["a.wav", "b.wav"]
    assert listing.summary == (
        "passed over: 11 (1 a link of git-annex to a file that is not here; run `git annex get` in"
        " its folder: annexed.wav; 1 a link to a folder above itself: again; 1 empty file:"
        " empty.wav; 2 hidden file: .DS_Store, .hidden.wav; 2 neither a file nor a folder (a broken"
        " link?): gone.wav, pipe.wav; 3 no media ending: .db, .pdf, .txt; 1 resource fork of a Mac:"
        " ._a.wav)"
    )


def test_a_name_that_no_table_can_hold_is_told_apart(tmp_path):
    for name in (NOT_UTF8, "a\nb.wav", "ok.wav"):
        (tmp_path / name).write_bytes(b"x")
    listing = list_clips(tmp_path)
    assert names(listing) == ["ok.wav"]
    reasons = {path.name: reason for path, reason in listing.misnamed.items()}
    assert reasons == {
        NOT_UTF8: "its name is not UTF-8; rename it",
        "a\nb.wav": "its name has a line end; rename it",
    }
    assert misnamed(tmp_path / COMPOSED) is None


def test_a_clip_is_found_in_either_unicode_form(tmp_path):
    (tmp_path / DECOMPOSED).write_bytes(b"x")
    files = Files(tmp_path)
    assert COMPOSED != DECOMPOSED
    assert files.locate(COMPOSED) == files.locate(DECOMPOSED) == DECOMPOSED
    assert files.locate("zoë.wav") is None and files.similar("zoë.wav") == [DECOMPOSED]
    assert files.locate("x" * 300) is None and files.similar("x" * 300) == []
    (tmp_path / COMPOSED).write_bytes(b"y")
    assert Files(tmp_path).locate(COMPOSED) == COMPOSED  # each by its own name


def test_names_that_look_alike_are_said():
    assert look_alikes(["a.wav", "b.wav"]) == ""
    message = look_alikes(["a.wav", "A.wav", COMPOSED, DECOMPOSED])
    expected = "names that differ only by case or Unicode form: a.wav and A.wav (and 1 more)"
    assert message == f"{expected}; each is a clip"


def corpus_of(tmp_path, in_table):
    """Prepare a corpus whose table names these clips; returns utterances and defects."""
    rows = ["clip,text,label,speaker,dialogue,split"]
    for number, name in enumerate(in_table):
        quoted = name.replace('"', '""')
        rows.append(f'"{quoted}",,{"ab"[number % 2]},{number},,')
    (tmp_path / "mine.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    prepare("mine", "clips", tmp_path / "clips", tmp_path / "data", tmp_path / "mine.csv")
    utterances = read_table(tmp_path / "data/utterances.parquet", artifacts.UTTERANCES)
    defects = pd.read_csv(tmp_path / "data/defects.csv", keep_default_na=False)
    return utterances.set_index("utterance_id"), defects


def test_a_table_and_a_disk_may_use_two_unicode_forms(tmp_path):
    for name in (DECOMPOSED, "b.wav", "C.wav", "d.wav"):
        write_audio(tmp_path / "clips" / name)
    (tmp_path / "clips/._b.wav").touch()
    utterances, defects = corpus_of(tmp_path, [COMPOSED, "b.wav", "c.wav"])
    assert utterances["clip"].dropna().to_dict() == {COMPOSED: DECOMPOSED, "b.wav": "b.wav"}
    details = dict(zip(defects["kind"], defects["detail"], strict=True))
    assert details["clip absent"].endswith("but C.wav; write the name of the file")
    assert details["clip without row"] == "2 clips; the first is C.wav"
    assert details["other files"] == "passed over: 1 (1 resource fork of a Mac: ._b.wav)"
    with pytest.raises(CorpusError, match=r"line 4: clip .* is the file of line 3;"):
        corpus_of(tmp_path, ["b.wav", COMPOSED, DECOMPOSED])


def test_odd_names_are_clips_like_others(tmp_path):
    for name in ODD_NAMES:
        write_audio(tmp_path / "clips" / name)
    assert sorted(names(list_clips(tmp_path / "clips"))) == sorted(ODD_NAMES)
    utterances, defects = corpus_of(tmp_path, ODD_NAMES)
    assert sorted(utterances["clip"]) == sorted(ODD_NAMES)
    assert defects.empty


def test_other_files_of_a_published_corpus_are_one_defect(tmp_path):
    for name in ("used.mp4", "SOURCE.json", "x.avi", "a/y.AVI", "a/README", "a/z.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(LFS)
    (defect,) = others(tmp_path, {tmp_path / "used.mp4"})
    expected = "4 files (.avi 2, no ending 1, .txt 1); the first is a/README"
    assert (defect.kind, defect.detail, defect.action) == ("other files", expected, "not used")
    assert others(tmp_path, set(tmp_path.rglob("*"))) == []
