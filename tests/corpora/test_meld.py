import os
from collections import Counter
from pathlib import Path

import pytest
from support.tiny_media import write_video

from merflow.corpora import meld
from merflow.errors import CorpusError

REAL = os.environ.get("MERFLOW_REAL_DATA")
HEADER = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime"


def line(
    dialogue: int,
    turn: int,
    start: str,
    end: str,
    emotion: str = "joy",
    text: str = "Hi!",
    episode: int = 19,
) -> str:
    return f'1,"{text}",Ross,{emotion},positive,{dialogue},{turn},3,{episode},"{start}","{end}"'


TRAIN = [
    line(0, 3, "00:14:38,127", "00:14:38,627", text="It’s me"),
    line(0, 5, "0:14:40,000", "0:14:40,500", "anger"),
]
DEV = [line(0, 0, "00:01:00,000", "00:01:00,500")]
TEST = [line(0, 0, "00:02:00,000", "00:02:00,500")]


def write(
    root: Path, train: list[str] = TRAIN, dev: list[str] = DEV, test: list[str] = TEST
) -> Path:
    for name, lines in {"train": train, "dev": dev, "test": test}.items():
        path = root / "MELD.Raw" / name / f"{name}_sent_emo.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\r\n".join([HEADER, *lines]) + "\r\n", encoding="utf-8", newline="")
    return root


def kinds(corpus) -> dict[str | None, list[str]]:
    found: dict[str | None, list[str]] = {}
    for defect in corpus.defects:
        found.setdefault(defect.utterance_id, []).append(defect.kind)
    return found


def test_annotations_without_clips_are_a_corpus_of_text(tmp_path: Path) -> None:
    corpus = meld.read_utterances(write(tmp_path))
    rows = corpus.utterances.set_index("utterance_id")
    assert list(rows.index) == [
        "train_dia0_utt3",
        "train_dia0_utt5",
        "dev_dia0_utt0",
        "test_dia0_utt0",
    ]
    first = rows.loc["train_dia0_utt3"]
    assert (first.dialogue_id, first.turn, first.speaker, first.labels, first.official_split) == (
        "train_dia0",
        3,
        "Ross",
        ["joy"],
        "train",
    )
    assert first.text == "It’s me"
    assert first.origin == "s03e19 00:14:38,127-00:14:38,627"
    assert (
        rows.loc["train_dia0_utt5"].origin == "s03e19 00:14:40,000-00:14:40,500"
    )  # one-digit hours in the file
    assert rows["clip"].isna().all()
    assert [(d.utterance_id, d.kind) for d in corpus.defects] == [(None, "no clips")]
    assert corpus.defects[0].detail.endswith(": 4 utterances")


def test_clips_are_joined_by_annotation(tmp_path: Path) -> None:
    write(tmp_path)
    train, test = (
        tmp_path / "x" / "train_splits",
        tmp_path / "y" / "z" / "output_repeated_splits_test",
    )
    write_video(train / "dia0_utt3.mp4")
    (train / "dia0_utt5.mp4").write_bytes(b"broken")
    for extra in ("dia110_utt7.mp4", "._dia0_utt3.mp4", "final_videos_testdia0_utt0.mp4"):
        write_video(test / extra)
    write_video(test / "dia0_utt0.mp4", seconds=2.0, sound=False)
    corpus = meld.read_utterances(tmp_path)
    clips = corpus.utterances.set_index("utterance_id")["clip"]
    assert clips["train_dia0_utt3"] == "x/train_splits/dia0_utt3.mp4"
    assert clips["test_dia0_utt0"] == "y/z/output_repeated_splits_test/dia0_utt0.mp4"
    assert clips[["train_dia0_utt5", "dev_dia0_utt0"]].isna().all()
    assert kinds(corpus) == {
        None: ["no clips", "extra file", "extra file", "extra file"],
        "train_dia0_utt5": ["clip unreadable"],
        "test_dia0_utt0": ["clip length"],
    }
    assert "clip 2.000 s, span 0.500 s" in next(
        d.detail for d in corpus.defects if d.kind == "clip length"
    )


def test_a_clip_that_the_folder_lacks_is_named(tmp_path: Path) -> None:
    write(tmp_path)
    write_video(tmp_path / "train_splits" / "dia0_utt3.mp4")
    assert kinds(meld.read_utterances(tmp_path))["train_dia0_utt5"] == ["clip absent"]


def test_odd_spans_are_kept_and_named(tmp_path: Path) -> None:
    train = [
        line(0, 0, "00:12:32,632", "00:12:32,632"),
        line(0, 1, "00:12:33,000", "00:12:32,000"),
        line(0, 2, "00:12:33,000", "00:12:33,249"),
        line(0, 3, "00:13:00,000", "00:13:30,001"),
        line(0, 4, "00:05:05,680", "00:05:11,82"),
        line(1, 0, "00:20:00,000", "00:20:01,000", "joy"),
        line(1, 1, "0:20:00,000", "0:20:01,000", "anger"),
    ]
    corpus = meld.read_utterances(
        write(tmp_path, train, test=[line(7, 0, "00:20:00,000", "00:20:01,000")])
    )
    assert len(corpus.utterances) == 9
    found = kinds(corpus)
    assert found == {
        "train_dia0_utt0": ["zero or negative span"],
        "train_dia0_utt1": ["zero or negative span"],
        "train_dia0_utt2": ["short span"],
        "train_dia0_utt3": ["long span"],
        "train_dia0_utt4": ["odd time"],
        "train_dia1_utt1": ["repeated span"],
        "test_dia7_utt0": ["span in two splits"],
        None: ["no clips"],
    }
    assert corpus.utterances["origin"][4].endswith("-00:05:11,082")
    assert "joy there, anger here" in next(
        d.detail for d in corpus.defects if d.kind == "repeated span"
    )


def test_a_known_mis_cut_clip_is_not_used(tmp_path: Path) -> None:
    write(tmp_path, test=[line(38, 4, "00:13:31,060", "00:18:36,000")])
    write_video(tmp_path / "output_repeated_splits_test" / "dia38_utt4.mp4")
    corpus = meld.read_utterances(tmp_path)
    assert corpus.utterances.set_index("utterance_id")["clip"].isna()["test_dia38_utt4"]
    assert {"known", "long span"} <= set(kinds(corpus)["test_dia38_utt4"])


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ([line(0, 0, "00:00:01,000", "00:00:02,000", "happy")], "line 2: unknown emotion 'happy'"),
        ([TRAIN[0], TRAIN[0]], "line 3: Dialogue_ID 0, Utterance_ID 3 stands in an earlier line"),
        (
            [line(0, 0, "00:00:01.000", "00:00:02,000")],
            "line 2: time '00:00:01.000' is not HH:MM:SS,mmm",
        ),
        ([line(0, 0, "00:61:01,000", "00:00:02,000")], "line 2: time '00:61:01,000'"),
        ([TRAIN[0], TRAIN[1].rsplit(",", 2)[0]], "line 3: another number of fields"),
        (
            [line(0, 0, "00:00:01,000", "00:00:02,000").replace(",0,0,3,", ",0,zero,3,")],
            "line 2: Utterance_ID is 'zero'",
        ),
        ([], "no utterances"),
    ],
)
def test_malformed_rows_are_refused(tmp_path: Path, train: list[str], message: str) -> None:
    with pytest.raises(CorpusError, match=message) as error:
        meld.read_utterances(write(tmp_path, train))
    assert "train_sent_emo.csv" in str(error.value) and "\n" not in str(error.value)


def test_a_missing_file_column_or_encoding_is_refused(tmp_path: Path) -> None:
    write(tmp_path)
    path = tmp_path / "MELD.Raw" / "dev" / "dev_sent_emo.csv"
    text = path.read_text(encoding="utf-8")
    for data, message in [
        (text.replace("Emotion,", "Mood,").encode(), "no column Emotion"),
        (text.replace("Hi!", "It’s").encode("cp1252"), "not UTF-8"),
        (b"", "an empty file"),
    ]:
        path.write_bytes(data)
        with pytest.raises(CorpusError, match=f"dev_sent_emo.csv: {message}"):
            meld.read_utterances(tmp_path)
    path.unlink()
    with pytest.raises(CorpusError, match=r"dev_sent_emo.csv is missing"):
        meld.read_utterances(tmp_path)


def test_two_annotation_files_that_differ_are_refused(tmp_path: Path) -> None:
    write(tmp_path)
    copy = tmp_path / "copy" / "dev_sent_emo.csv"
    copy.parent.mkdir()
    copy.write_bytes((tmp_path / "MELD.Raw" / "dev" / "dev_sent_emo.csv").read_bytes())
    assert len(meld.read_utterances(tmp_path).utterances) == 4
    copy.write_text(HEADER)
    with pytest.raises(CorpusError, match=r"several dev_sent_emo.csv that differ"):
        meld.read_utterances(tmp_path)


@pytest.mark.skipif(not REAL, reason="MERFLOW_REAL_DATA is not set")
def test_the_official_annotations() -> None:
    corpus = meld.read_utterances(Path(str(REAL)) / "meld")
    utterances = corpus.utterances
    assert len(utterances) == 13708 and utterances["utterance_id"].is_unique
    found = {
        split: Counter(labels[0] for labels in part["labels"])
        for split, part in utterances.groupby("official_split")
    }
    assert found == {
        "train": {
            "neutral": 4710,
            "joy": 1743,
            "surprise": 1205,
            "anger": 1109,
            "sadness": 683,
            "disgust": 271,
            "fear": 268,
        },
        "dev": {
            "neutral": 470,
            "joy": 163,
            "surprise": 150,
            "anger": 153,
            "sadness": 111,
            "disgust": 22,
            "fear": 40,
        },
        "test": {
            "neutral": 1256,
            "joy": 402,
            "surprise": 281,
            "anger": 345,
            "sadness": 208,
            "disgust": 68,
            "fear": 50,
        },
    }
    assert found == meld.EXPECTED
    assert utterances.groupby("official_split")["dialogue_id"].nunique().to_dict() == {
        "train": 1038,
        "dev": 114,
        "test": 280,
    }
    by_kind = Counter(defect.kind for defect in corpus.defects)
    assert by_kind["no clips"] == 1
    assert by_kind["odd time"] == 3
    assert by_kind["span in two splits"] == 5
    assert by_kind["span in two splits"] + by_kind["repeated span"] == 30
    assert (
        sum("there," in d.detail for d in corpus.defects if "span" in d.kind) == 16
    )  # with another label
    named = kinds(corpus)
    assert "known" in named["train_dia125_utt3"] and "known" in named["dev_dia110_utt7"]
    assert named["test_dia38_utt4"] == named["test_dia220_utt0"] == ["long span", "known"]
    assert named["train_dia309_utt0"] == ["long span"]
    assert named["test_dia155_utt3"] == ["zero or negative span"]
    assert named["test_dia85_utt0"] == ["span in two splits"]
    assert {
        "train_dia179_utt8",
        "train_dia523_utt10",
        "dev_dia108_utt5",
        "dev_dia99_utt3",
    } <= named.keys()
