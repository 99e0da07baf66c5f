"""Text in odd encodings: what becomes of it in each corpus, and in the tokens of its features."""

import pandas as pd
import pytest
from support.tiny_media import write_audio

from merflow import artifacts
from merflow.corpora.prepare import prepare
from merflow.corpora.transcripts import (
    MARKS,
    decode,
    decode_published,
    lines,
    mended,
    mended_defect,
    read_beside,
    stripped,
)
from merflow.errors import CorpusError
from merflow.features.text.word_vectors import split
from merflow.pointers import LFS
from merflow.store import read_table

KEPT = (
    "a\N{NO-BREAK SPACE}b\N{ZERO WIDTH SPACE}c\N{SOFT HYPHEN}d\ue000e\N{ZERO WIDTH NO-BREAK SPACE}f"
)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("déjà vu".encode(), "déjà vu"),
        ("déjà vu".encode("utf-8-sig"), "déjà vu"),
        ("déjà vu".encode("utf-16"), "déjà vu"),
        (b"\xfe\xff" + "déjà vu".encode("utf-16-be"), "déjà vu"),
        (KEPT.encode(), KEPT),
        (b"", ""),
        (b"\xef\xbb\xbf", ""),
    ],
)
def test_utf8_and_utf16_with_its_mark_are_read(data, text):
    assert decode(data, "a.txt") == text


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"I\x92ve had it, caf\xe9", r"a\.txt: not UTF-8 \(byte 0x92 at 1\); save it as UTF-8"),
        ("ab".encode("utf-16-le"), r"a\.txt: not a text \(NUL at 1\)"),
        ("ab".encode("utf-32"), r"a\.txt: not a text \(NUL"),
        (b"\xff\xfeabc", r"a\.txt: not UTF-16 \(byte at 4\)"),
        (b"\xed\xa0\x80", r"a\.txt: not UTF-8 \(byte 0xed at 0\)"),  # half of a surrogate pair
    ],
)
def test_other_encodings_are_refused_not_guessed(data, reason):
    with pytest.raises(CorpusError, match=reason) as error:
        decode(data, "a.txt")
    assert "\n" not in str(error.value)


def test_a_text_beside_a_clip_is_one_line(tmp_path):
    clip = tmp_path / "a.wav"
    assert read_beside(clip) == ""
    (tmp_path / "a.TXT").write_bytes(b"\xef\xbb\xbf we are,\r\n\tlate \xc2\x85\n")
    assert read_beside(clip) == "we are, late \x85"
    (tmp_path / "a.txt").write_bytes(LFS + b"\noid sha256:0\nsize 9\n")
    with pytest.raises(CorpusError, match="a pointer of Git LFS, not the file; run `git lfs pull`"):
        read_beside(clip)


def test_controls_become_marks_of_cp1252_and_are_counted():
    text = "I don\x92t \x96 well\x85 \x93no\x94"
    assert mended(text) == "I don’t – well… “no”"
    defect = mended_defect("u", text)
    assert defect.detail == "U+0085 1, U+0092 1, U+0093 1, U+0094 1, U+0096 1"
    assert (defect.kind, defect.action) == ("marks of cp1252", "read as … ’ “ ” –")
    assert mended_defect("u", "I don’t – é") is None and mended_defect("u", None) is None
    assert mended("\x81\x8d\x8f\x90\x9d") == "\x81\x8d\x8f\x90\x9d"  # cp1252 has no such marks
    assert mended(KEPT) == KEPT and len(MARKS) == 27


def test_a_control_that_is_blank_to_python_stays():
    assert stripped(" \n wait\x85 ") == "wait\x85"
    assert list(lines("a\x85b\u2028c\r\nd\re")) == ["a\x85b\u2028c", "d", "e"]


def test_published_files_fall_back_to_cp1252():
    assert decode_published("don’t é".encode()) == ("don’t é", True)
    assert decode_published(b"don\x92t \xe9\x81") == ("don’t é\x81", False)


def test_words_are_the_same_for_each_apostrophe():
    words = [split(mended(text)) for text in ("don't", "don’t", "don\x92t", "don‘t")]
    assert words == [["do", "n't"]] * 4


def test_controls_in_a_table_of_ones_own_are_mended_and_counted(tmp_path):
    rows = ["clip,text,label,speaker,dialogue,split"]
    for number in range(6):
        write_audio(tmp_path / f"clips/{number}.wav")
        rows.append(f"{number}.wav,I don\x92t wait\x85,{'ab'[number % 2]},{'xyz'[number // 2]},,")
    (tmp_path / "mine.csv").write_text("\n".join(rows), encoding="utf-8")
    prepare("mine", "clips", tmp_path / "clips", tmp_path / "data", tmp_path / "mine.csv")
    utterances = read_table(tmp_path / "data/utterances.parquet", artifacts.UTTERANCES)
    assert set(utterances["text"]) == {"I don’t wait…"}
    defects = pd.read_csv(tmp_path / "data/defects.csv")
    assert defects["kind"].tolist() == ["marks of cp1252"] * 6
    assert defects["utterance_id"].tolist() == [f"{number}.wav" for number in range(6)]
