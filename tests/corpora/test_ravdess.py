import os
from collections import Counter
from pathlib import Path

import pytest
from support.tiny_media import write_audio, write_video

from merflow.corpora import ravdess
from merflow.errors import CorpusError

REAL = os.environ.get("MERFLOW_REAL_DATA")


def test_a_name_is_the_annotation(tmp_path: Path) -> None:
    write_audio(tmp_path / "Actor_16" / "03-01-06-02-02-01-16.wav")
    corpus = ravdess.read_utterances(tmp_path)
    (row,) = corpus.utterances.to_dict("records")
    assert row["utterance_id"] == row["dialogue_id"] == "01-06-02-02-01-16"
    assert row["speaker"] == "16"
    assert (row["text"], row["labels"]) == ("Dogs are sitting by the door", ["fearful"])
    assert row["clip"] == "Actor_16/03-01-06-02-02-01-16.wav"
    assert corpus.defects == []


def test_video_with_audio_is_preferred_and_the_rest_counted(tmp_path: Path) -> None:
    take = "01-01-01-01-01-01"
    write_audio(tmp_path / f"03-{take}.wav")
    write_video(tmp_path / "Actor_01" / f"01-{take}.mp4")
    write_video(tmp_path / "Actor_01" / f"02-{take}.mp4", audio=False)
    write_audio(tmp_path / "copy" / f"03-{take}.wav")
    write_audio(tmp_path / "03-02-03-01-01-01-01.wav")
    write_audio(tmp_path / "03-01-09-01-01-01-01.wav")
    corpus = ravdess.read_utterances(tmp_path)
    assert list(corpus.utterances["clip"]) == [f"Actor_01/01-{take}.mp4"]
    assert {(defect.utterance_id, defect.kind) for defect in corpus.defects} == {
        (None, "extra file"),
        (None, "duplicate file"),
        (None, "song file"),
        (None, "pictures only file"),
    }


def test_audio_replaces_a_broken_clip(tmp_path: Path) -> None:
    for actor, spare in (("01", True), ("02", False)):
        (tmp_path / f"01-01-01-01-01-01-{actor}.mp4").write_bytes(b"broken")
        if spare:
            write_audio(tmp_path / f"03-01-01-01-01-01-{actor}.wav")
    write_video(tmp_path / "02-01-01-01-01-01-03.mp4", audio=False)
    corpus = ravdess.read_utterances(tmp_path)
    assert corpus.utterances["clip"].tolist()[0] == "03-01-01-01-01-01-01.wav"
    assert corpus.utterances["clip"].isna().tolist() == [False, True, True]
    assert Counter(defect.kind for defect in corpus.defects) == {
        "clip unreadable": 2,
        "clip absent": 1,
        "pictures only file": 1,
    }


def test_a_folder_without_speech_is_refused(tmp_path: Path) -> None:
    write_audio(tmp_path / "03-02-03-01-01-01-01.wav")
    with pytest.raises(CorpusError, match="no speech file"):
        ravdess.read_utterances(tmp_path)


def test_expected_counts_are_1440() -> None:
    assert sum(ravdess.EXPECTED["all"].values()) == 1440
    assert len(ravdess.SOURCES) == 25
    last = ravdess.SOURCES[-1]
    assert last.name == "Video_Speech_Actor_24.zip"
    assert last.url == f"https://zenodo.org/records/1188976/files/{last.name}?download=1"


@pytest.mark.skipif(not REAL, reason="MERFLOW_REAL_DATA is not set")
def test_twelve_real_actors() -> None:
    corpus = ravdess.read_utterances(Path(str(REAL)) / "ravdess")
    rows = corpus.utterances.set_index("utterance_id")
    assert len(rows) == 720 and rows["speaker"].nunique() == 12
    counts = Counter(labels[0] for labels in rows["labels"])
    emotions = ("calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
    assert counts == {"neutral": 48, **dict.fromkeys(emotions, 96)}
    assert rows.loc["01-01-01-01-01-01", "clip"] == "01-01-01-01-01-01-01.mp4"
    assert Counter(clip.rsplit(".")[-1] for clip in rows["clip"]) == {"flac": 719, "mp4": 1}
    assert corpus.defects == []
