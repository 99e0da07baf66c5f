import os
from collections import Counter
from pathlib import Path

import pytest
from support.tiny_media import write_video

from merflow.corpora import meld
from merflow.errors import CorpusError

REAL = os.environ.get("MERFLOW_REAL_DATA")
HEADER = (
    "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,"
    "Season,Episode,StartTime,EndTime"
)


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
    kinds_of: dict[str | None, list[str]] = {}
    for defect in corpus.defects:
        kinds_of.setdefault(defect.utterance_id, []).append(defect.kind)
    return kinds_of


def detail(corpus, kind: str) -> str:
    """Detail of the first defect of this kind."""
    return next(defect.detail for defect in corpus.defects if defect.kind == kind)


def test_annotations_without_clips_are_a_corpus_of_text(tmp_path: Path) -> None:
    corpus = meld.read_utterances(write(tmp_path))
    rows = corpus.utterances.set_index("utterance_id")
    train = ["train_dia0_utt3", "train_dia0_utt5"]
    assert list(rows.index) == [*train, "dev_dia0_utt0", "test_dia0_utt0"]
    first, second = rows.loc[train[0]], rows.loc[train[1]]
    assert (first.official_split, first.dialogue_id, first.turn) == ("train", "train_dia0", 3)
    assert (first.speaker, first.labels, first.text) == ("Ross", ["joy"], "It’s me")
    assert first.origin == "s03e19 00:14:38,127-00:14:38,627"
    assert second.origin == "s03e19 00:14:40,000-00:14:40,500"  # one-digit hours in the file
    assert rows["clip"].isna().all()
    (defect,) = corpus.defects
    assert (defect.utterance_id, defect.kind, defect.medium) == (None, "no clips", None)
    assert defect.detail.endswith(": 4 utterances")


def test_clips_are_joined_by_annotation(tmp_path: Path) -> None:
    write(tmp_path)
    train = tmp_path / "x" / "train_splits"
    test = tmp_path / "y" / "z" / "output_repeated_splits_test"
    write_video(train / "dia0_utt3.mp4")
    (train / "dia0_utt5.mp4").write_bytes(b"broken")
    for extra in ("dia110_utt7.mp4", "._dia0_utt3.mp4", "final_videos_testdia0_utt0.mp4"):
        write_video(test / extra)
    write_video(test / "dia0_utt0.mp4", seconds=2.0, audio=False)
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
    assert "clip 2.000 s, span 0.500 s" in detail(corpus, "clip length")


def test_controls_become_marks_of_cp1252(tmp_path: Path) -> None:
    texts = ["Don\x92t\x85", "\x93Well\x94 \x96 no", "It’s me"]
    train = [
        line(0, turn, "00:14:38,127", "00:14:38,627", text=text, episode=turn)
        for turn, text in enumerate(texts)
    ]
    write(tmp_path, train=train)
    (tmp_path / "README.txt").write_text("of no utterance")
    corpus = meld.read_utterances(tmp_path)
    shown = corpus.utterances.set_index("utterance_id")["text"]
    assert shown.tolist()[:3] == ["Don’t…", "“Well” – no", "It’s me"]
    assert kinds(corpus) == {
        "train_dia0_utt0": ["marks of cp1252"],
        "train_dia0_utt1": ["marks of cp1252"],
        None: ["no clips", "other files"],
    }
    assert detail(corpus, "marks of cp1252") == "U+0085 1, U+0092 1"
    assert detail(corpus, "other files") == "1 files (.txt 1); the first is README.txt"


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
    test = [line(7, 0, "00:20:00,000", "00:20:01,000")]
    corpus = meld.read_utterances(write(tmp_path, train, test=test))
    assert len(corpus.utterances) == 9
    assert kinds(corpus) == {
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
    assert "joy there, anger here" in detail(corpus, "repeated span")


def test_a_known_mis_cut_clip_is_not_used(tmp_path: Path) -> None:
    write(tmp_path, test=[line(38, 4, "00:13:31,060", "00:18:36,000")])
    write_video(tmp_path / "output_repeated_splits_test" / "dia38_utt4.mp4")
    corpus = meld.read_utterances(tmp_path)
    assert corpus.utterances.set_index("utterance_id")["clip"].isna()["test_dia38_utt4"]
    assert {"known", "long span"} <= set(kinds(corpus)["test_dia38_utt4"])


def test_defects_of_text_and_audio_name_their_medium(tmp_path: Path) -> None:
    train = [
        line(529, 2, "00:03:00,000", "00:03:00,500"),  # reported as disturbed sound
        line(0, 0, "00:04:00,000", "00:04:00,500", text=""),
    ]
    corpus = meld.read_utterances(write(tmp_path, train))
    media = {(defect.kind, defect.medium) for defect in corpus.defects}
    assert media == {("known", "audio"), ("no text", "text"), ("no clips", None)}


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
        ([TRAIN[0], TRAIN[1].rsplit(",", 2)[0]], "line 3: fewer values than the 11 columns"),
        ([TRAIN[0].replace(",0,3,3,", ",0,zero,3,")], "line 2: Utterance_ID is 'zero'"),
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
    cases = [
        (text.replace("Emotion,", "Mood,").encode(), ": no column Emotion; line 1 has"),
        (
            text.replace("Hi!", "It’s").encode("cp1252"),
            ", line 2: not UTF-8 .*; get the file again",
        ),
        (b"", ": an empty file"),
        (text.replace("\n1,", ",\n1,", 1).encode(), ", line 2: fewer values than the 12"),
        (text.replace(",", ";").encode(), ", line 1: semicolons between values"),
        ((text + HEADER).encode(), ", line 3: the names of the columns again"),
    ]
    for data, message in cases:
        path.write_bytes(data)
        with pytest.raises(CorpusError, match=f"dev_sent_emo.csv{message}"):
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
    counts = {
        split: dict(Counter(labels[0] for labels in rows["labels"]))
        for split, rows in utterances.groupby("official_split")
    }
    assert counts == meld.EXPECTED
    dialogues = utterances.groupby("official_split")["dialogue_id"].nunique().to_dict()
    assert dialogues == {"train": 1038, "dev": 114, "test": 280}
    by_kind = Counter(defect.kind for defect in corpus.defects)
    assert by_kind["no clips"] == 1
    assert by_kind["odd time"] == 3
    assert by_kind["span in two splits"] == 5
    assert by_kind["span in two splits"] + by_kind["repeated span"] == 30
    repeats = [defect for defect in corpus.defects if "span" in defect.kind]
    assert sum("there," in defect.detail for defect in repeats) == 16  # with another label
    kinds_of = kinds(corpus)
    assert "known" in kinds_of["train_dia125_utt3"] and "known" in kinds_of["dev_dia110_utt7"]
    assert kinds_of["test_dia38_utt4"] == kinds_of["test_dia220_utt0"] == ["long span", "known"]
    assert kinds_of["train_dia309_utt0"] == ["long span"]
    assert kinds_of["test_dia155_utt3"] == ["zero or negative span"]
    assert kinds_of["test_dia85_utt0"] == ["span in two splits"]
    train, dev = ("train_dia179_utt8", "train_dia523_utt10"), ("dev_dia108_utt5", "dev_dia99_utt3")
    assert {*train, *dev} <= kinds_of.keys()
