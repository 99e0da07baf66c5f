import json
import os
from collections import Counter
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from support.tiny_media import write_video

from merflow.corpora import mosei
from merflow.corpora.csd import read_sequences
from merflow.errors import CorpusError

REAL = os.environ.get("MERFLOW_REAL_DATA")
FOLDS = {"train": ["aaa"], "dev": ["-b_B"], "test": ["111"]}


def write_csd(path: Path, name: str, videos: dict[str, tuple]) -> None:
    with h5py.File(path, "w") as file:
        file.create_group(f"{name}/metadata")
        for video, (features, intervals) in videos.items():
            group = file.create_group(f"{name}/data/{video}")
            group["features"] = np.asarray(features)
            group["intervals"] = np.asarray(intervals, np.float64)


def label(**intensities: float) -> list[float]:
    names = ("happy", "sad", "anger", "surprise", "disgust", "fear")
    return [0.0, *(intensities.get(name, 0.0) for name in names)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    labels = {
        "aaa": ([label(happy=2 / 3, fear=1 / 3), label()], [[4.0, 8.0], [0.0, 4.0]]),
        "-b_B": ([label(sad=1.0)], [[0.0, 1.0]]),
        "111": ([label(anger=3.0)], [[0.0, 1.0]]),
    }
    labels = {video: (np.float32(values), times) for video, (values, times) in labels.items()}
    write_csd(tmp_path / "CMU_MOSEI_Labels.csd", "All Labels", labels)
    spoken = [[b"sp"], [b"hello"], [b"there"], [b"late"]]
    words = {
        "aaa": (spoken, [[0.0, 1.0], [1.0, 2.0], [3.0, 4.5], [4.5, 5.0]]),
        "-b_B": ([[b"fine"]], [[0.0, 1.0]]),
        "111": ([[b"no"]], [[0.0, 1.0]]),
    }
    write_csd(tmp_path / "CMU_MOSEI_TimestampedWords.csd", "words", words)
    (tmp_path / "standard_folds.json").write_text(json.dumps(FOLDS))
    return tmp_path


def relabel(root: Path, video: str, features: list, intervals: list) -> None:
    with h5py.File(root / "CMU_MOSEI_Labels.csd", "a") as file:
        videos = file["All Labels/data"]
        if video in videos:
            del videos[video]
        videos[f"{video}/features"] = np.float32(features)
        videos[f"{video}/intervals"] = np.float64(intervals)


def kinds(corpus) -> dict[str | None, list[str]]:
    kinds_of: dict[str | None, list[str]] = {}
    for defect in corpus.defects:
        kinds_of.setdefault(defect.utterance_id, []).append(defect.kind)
    return kinds_of


def write_release(root: Path, *lines: str) -> None:
    text = "\n".join(("video,start,end,split", *lines))
    (root / "segments.csv").write_text(f"{text}\n")


def test_a_list_of_segments_makes_another_release(root: Path) -> None:
    listed = ("aaa,4.02,8.0,test", "-b_B,0,1.05,train", "zzz,0,1,dev", "aaa,1,2,train")
    write_release(root, *listed)
    corpus = mosei.read_utterances(root)
    rows = corpus.utterances.set_index("utterance_id")
    splits = {"-b_B[0]": "train", "aaa[0]": "test"}
    assert rows["official_split"].dropna().to_dict() == splits
    details = {defect.kind: defect.detail for defect in corpus.defects}
    assert details.keys() == {"no clips", "not in the release", "release without labels"}
    assert details["not in the release"] == "2 of 4 segments are not in segments.csv"
    reason = "2 lines of segments.csv have no segment, first line 4"
    assert details["release without labels"] == reason


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("aaa,4,8,valid", "line 2: split 'valid', expected train, dev, test"),
        ("aaa,4 s,8,dev", "line 2: start or end is not in seconds"),
        ("aaa,5,8,dev", "none of its segments is in the labels"),
    ],
)
def test_a_list_of_segments_that_does_not_fit_is_refused(root: Path, line, message) -> None:
    write_release(root, line)
    with pytest.raises(CorpusError, match=message):
        mosei.read_utterances(root)


def test_an_emotion_is_present_if_above_zero(root: Path) -> None:
    corpus = mosei.read_utterances(root)
    rows = corpus.utterances.set_index("utterance_id")
    labels = {"-b_B[0]": ["sad"], "111[0]": ["anger"], "aaa[0]": ["happy", "fear"], "aaa[1]": []}
    assert rows["labels"].to_dict() == labels
    splits = {"-b_B[0]": "dev", "111[0]": "test", "aaa[0]": "train", "aaa[1]": "train"}
    assert rows["official_split"].to_dict() == splits
    turns = (rows.loc["aaa[0]", "turn"], rows.loc["aaa[1]", "turn"])
    assert turns == (1, 0)  # rows are not in time order
    assert (rows.loc["aaa[0]", "dialogue_id"], rows.loc["aaa[0]", "speaker"]) == ("aaa", "aaa")
    assert kinds(corpus) == {None: ["no clips"]}


def test_text_is_the_line_of_the_same_times_or_else_the_words(root: Path) -> None:
    folder = root / "Raw/Transcript/Segmented/Combined"
    folder.mkdir(parents=True)
    first, second = "aaa___0___0.0___4.0___Hello there, you.", "aaa___1___20.0___21.0___Other."
    (folder / "aaa.txt").write_text(f"{first}\n{second}\nbroken line\n")
    corpus = mosei.read_utterances(root)
    text = corpus.utterances.set_index("utterance_id")["text"]
    assert text["aaa[1]"] == "Hello there, you."  # by time: the line's number is another
    assert text["aaa[0]"] == "late"
    (defect,) = [defect for defect in corpus.defects if defect.kind == "transcript line"]
    where = "Raw/Transcript/Segmented/Combined/aaa.txt: line 3"
    assert defect.detail == f"{where} is not id___index___start___end___text"
    assert defect.medium == "text"


def test_a_transcript_line_ends_at_the_end_of_the_line_alone(root: Path) -> None:
    folder = root / "Raw/Transcript/Segmented/Combined"
    folder.mkdir(parents=True)
    line = "aaa___0___0.0___4.0___Hello\u2028there\x85you."  # ends a line for str.splitlines
    (folder / "aaa.txt").write_text(f"{line}\r\n", encoding="utf-8", newline="")
    corpus = mosei.read_utterances(root)
    text = corpus.utterances.set_index("utterance_id")["text"]
    assert text["aaa[1]"] == "Hello\u2028there\N{HORIZONTAL ELLIPSIS}you."
    assert "transcript line" not in {defect.kind for defect in corpus.defects}


def test_texts_in_cp1252_and_control_characters_are_mended(root: Path) -> None:
    folder = root / "Raw/Transcript/Segmented/Combined"
    folder.mkdir(parents=True)
    text = "aaa___1___0.0___4.0___don\x92t\x85 go"
    with h5py.File(root / "CMU_MOSEI_TimestampedWords.csd", "a") as file:
        del file["words/data/111/features"]
        file["words/data/111/features"] = np.array([["caf\xe9".encode("latin-1")]])
    for encoding, kind in (("latin-1", "not UTF-8"), ("utf-8", "marks of cp1252")):
        (folder / "aaa.txt").write_text(text, encoding=encoding)
        (folder / "zzz.txt").write_text("of no video")
        corpus = mosei.read_utterances(root)
        shown = corpus.utterances.set_index("utterance_id")["text"]
        assert (shown["aaa[1]"], shown["111[0]"]) == ("don’t… go", "café")
        found = {defect.kind: defect for defect in corpus.defects}
        assert set(found) == {kind, "no clips", "other files"}
        assert "zzz.txt" in found["other files"].detail
    assert found["marks of cp1252"].utterance_id == "aaa[1]"


def test_words_inside_the_segment_without_pauses(root: Path) -> None:
    text = mosei.read_utterances(root).utterances.set_index("utterance_id")["text"]
    assert (text["aaa[1]"], text["aaa[0]"]) == ("hello there", "late")


def test_defects_of_labels_times_and_folds(root: Path) -> None:
    labels = [label(happy=4.0), label(sad=np.nan), label(fear=1.0)]
    relabel(root, "aaa", labels, [[-0.4, 1.0], [1.0, 2.0], [5.0, 5.0]])
    relabel(root, "zzz", [label(happy=1.0)], [[0.0, 1.0]])
    corpus = mosei.read_utterances(root)
    rows = corpus.utterances.set_index("utterance_id")
    assert rows.loc["aaa[0]", "labels"] == ["happy"] and rows.loc["aaa[0]", "start_s"] == 0.0
    assert rows.loc["aaa[1]", "labels"] == [] and rows["official_split"].isna()["aaa[1]"]
    assert rows["official_split"].isna()["zzz[0]"]
    facts = {
        (defect.utterance_id, defect.kind): (defect.detail, defect.action, defect.medium)
        for defect in corpus.defects
    }
    detail = "intensities from 0.00 to 4.00, not 0 to 3"
    assert facts["aaa[0]", "label out of range"] == (detail, "set to 0 or 3", None)
    detail = "an emotion is not a number"
    assert facts["aaa[1]", "no label"] == (detail, "not labelled, in no split", None)
    detail = "video zzz is in no official fold"
    assert facts["zzz[0]", "no fold"] == (detail, "in no split", None)
    assert facts["zzz[0]", "no text"][2] == "text"
    kinds_of = kinds(corpus)
    assert kinds_of["aaa[0]"] == ["label out of range", "negative start", "no text"]
    assert kinds_of["aaa[1]"] == ["no label"]
    assert kinds_of["aaa[2]"] == ["zero or negative span", "no text"]
    assert kinds_of["zzz[0]"] == ["no fold", "no text"]


@pytest.mark.parametrize(
    ("intensity", "labels", "defects"),
    [
        (3.0, ["sad"], []),
        (3.01, ["sad"], ["label out of range"]),
        (-0.5, [], ["label out of range"]),
        (np.inf, [], ["no label"]),
        (-np.inf, [], ["no label"]),
    ],
)
def test_an_emotion_is_present_from_above_0_to_3(
    root: Path, intensity: float, labels: list[str], defects: list[str]
) -> None:
    relabel(root, "-b_B", [label(sad=intensity)], [[0.0, 1.0]])
    corpus = mosei.read_utterances(root)
    row = corpus.utterances.set_index("utterance_id").loc["-b_B[0]"]
    assert row["labels"] == labels
    assert pd.isna(row["official_split"]) == (defects == ["no label"])
    assert kinds(corpus).get("-b_B[0]", []) == defects


def test_clips_and_spans_beyond_them(root: Path) -> None:
    relabel(root, "aaa", [label()] * 3, [[0.0, 0.5], [0.5, 9.0], [5.0, 6.0]])
    folder = root / "Raw/Videos/Full/Combined"
    write_video(folder / "aaa.mp4", seconds=1.0, audio=False)
    (folder / "111.mp4").write_bytes(b"broken")
    corpus = mosei.read_utterances(root)
    rows = corpus.utterances.set_index("utterance_id")
    assert rows.loc["aaa[0]", "clip"] == "Raw/Videos/Full/Combined/aaa.mp4"
    assert rows.loc["aaa[1]", ["start_s", "end_s"]].tolist() == [0.5, 1.0]
    assert rows.index[rows["clip"].notna()].tolist() == ["aaa[0]", "aaa[1]"]
    kinds_of = kinds(corpus)
    assert kinds_of["aaa[1]"] == ["span beyond clip"]
    assert kinds_of["aaa[2]"] == ["no text", "span beyond clip"]
    assert kinds_of["111[0]"] == ["clip unreadable"]
    assert kinds_of["-b_B[0]"] == ["clip absent"]


def test_labels_and_folds_alone_have_neither_text_nor_clips(root: Path) -> None:
    (root / "CMU_MOSEI_TimestampedWords.csd").unlink()
    corpus = mosei.read_utterances(root)
    assert len(corpus.utterances) == 4 and corpus.utterances["text"].isna().all()
    assert kinds(corpus) == {None: ["no text", "no clips"]}


def test_the_sdk_fold_file_is_parsed_and_never_run(tmp_path: Path) -> None:
    path = tmp_path / "cmu_mosei_std_folds.py"
    folds = {"train": ["a"], "valid": ["b"], "test": ["c"]}
    lists = "\n".join(f"standard_{name}_fold={videos!r}" for name, videos in folds.items())
    path.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n{lists}\n")
    assert mosei.read_folds(path) == {"a": "train", "b": "dev", "c": "test"}
    assert not (tmp_path / "ran").exists()
    path.write_text(lists.replace("['b']", "open('x')"))
    with pytest.raises(CorpusError, match="not a list of folds"):
        mosei.read_folds(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not a list of folds"),
        ("[1]", "not a list of folds"),
        ('{"train": ["a"], "test": ["b"]}', "no list of video ids for dev"),
        ('{"train": ["a"], "valid": ["b"], "test": ["a"]}', "video a is in test and in train"),
    ],
)
def test_malformed_folds_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "standard_folds.json").write_text(text)
    with pytest.raises(CorpusError, match=message):
        mosei.read_folds(tmp_path / "standard_folds.json")


def test_a_missing_file_is_named(root: Path) -> None:
    (root / "standard_folds.json").unlink()
    with pytest.raises(CorpusError, match=r"no cmu_mosei_std_folds.py or standard_folds.json"):
        mosei.read_utterances(root)
    (root / "CMU_MOSEI_Labels.csd").unlink()
    with pytest.raises(CorpusError, match=r"CMU_MOSEI_Labels.csd is missing"):
        mosei.read_utterances(root)


def _assign(value):
    return lambda group: group.__setitem__("features", value)


def _create(**options):
    return lambda group: group.create_dataset("features", **options)


def _create_virtual(group) -> None:
    group.create_virtual_dataset("features", h5py.VirtualLayout((2, 7), "f4"))


EXTERNAL = [("/etc/hostname", 0, 56)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_assign(np.zeros((2, 6), np.float32)), r"features has shape \(2, 6\), expected \(n, 7\)"),
        (_assign(np.zeros((3, 7), np.float32)), "3 features for 2 intervals"),
        (_assign(np.full((2, 7), b"x")), "features holds .*, expected number"),
        (lambda group: None, "no array features"),
        (_create(shape=(10**12, 7), dtype="f4", chunks=(1, 7)), "more than .* refused"),
        (_assign(h5py.ExternalLink("other.csd", "/x")), "no array features"),
        (_create(shape=(2, 7), dtype="f4", external=EXTERNAL), "lies in another file"),
        (_create_virtual, "lies in another file"),
    ],
)
def test_a_hostile_sequence_is_refused(root: Path, change, message: str) -> None:
    with h5py.File(root / "CMU_MOSEI_Labels.csd", "a") as file:
        del file["All Labels/data/aaa/features"]
        change(file["All Labels/data/aaa"])
    with pytest.raises(CorpusError, match=f"CMU_MOSEI_Labels.csd: video aaa: .*{message}") as error:
        mosei.read_utterances(root)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("intervals", "message"),
    [
        (np.zeros((2, 3)), r"intervals has shape \(2, 3\), expected \(n, 2\)"),
        (np.zeros(2), r"intervals has shape \(2,\), expected \(n, 2\)"),
        (np.zeros((3, 2)), "2 features for 3 intervals"),
        (np.array([[0, 1], [1, np.nan]]), "intervals hold values that are not finite"),
        (np.array([[-np.inf, 1], [1, 2]]), "intervals hold values that are not finite"),
        (np.full((2, 2), b"x"), "intervals holds .*, expected number"),
        (None, "no array intervals"),
    ],
)
def test_malformed_intervals_are_refused(
    root: Path, intervals: np.ndarray | None, message: str
) -> None:
    with h5py.File(root / "CMU_MOSEI_Labels.csd", "a") as file:
        del file["All Labels/data/aaa/intervals"]
        if intervals is not None:
            file["All Labels/data/aaa/intervals"] = intervals
    with pytest.raises(CorpusError, match=f"CMU_MOSEI_Labels.csd: video aaa: {message}$"):
        mosei.read_utterances(root)


def test_another_file_is_not_a_sequence(tmp_path: Path) -> None:
    path = tmp_path / "a.csd"
    path.write_bytes(b"<html>not found</html>" * 50)
    with pytest.raises(CorpusError, match="not a readable HDF5 file"):
        read_sequences(path, 7, "number")


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ([], "found 0; not a computational sequence"),
        (["data/aaa"], "found 0; not a computational sequence"),  # no root around it
        (["All Labels/metadata"], "found 0; not a computational sequence"),
        (["All Labels/data/aaa", "words/data/aaa"], "found 2; not a computational sequence"),
        (["All Labels/data"], "no videos in it; get it again"),
        (["All Labels/data/aaa"], "video aaa: no array features"),
    ],
)
def test_a_file_without_its_one_root_is_refused(
    root: Path, groups: list[str], message: str
) -> None:
    with h5py.File(root / "CMU_MOSEI_Labels.csd", "w") as file:
        file["x"] = 1
        for name in groups:
            file.create_group(name)
    with pytest.raises(CorpusError, match=f"CMU_MOSEI_Labels.csd: .*{message}$"):
        mosei.read_utterances(root)


@pytest.mark.skipif(not REAL, reason="MERFLOW_REAL_DATA is not set")
def test_the_official_folds() -> None:
    folds = mosei.read_folds(Path(str(REAL)) / "mosei" / "standard_folds.json")
    assert Counter(folds.values()) == {"train": 2249, "dev": 300, "test": 678}


@pytest.mark.skipif(not REAL, reason="MERFLOW_REAL_DATA is not set")
def test_the_official_segments(tmp_path: Path) -> None:
    """Read real videos, times and folds; emotions are not public here, so all are absent."""
    data = Path(str(REAL)) / "mosei"
    segments = pd.read_csv(data / "segments.csv", dtype={"file": str})
    videos = {
        video: (np.zeros((len(rows), 7), "f4"), rows[["start", "end"]])
        for video, rows in segments.groupby("file")
    }
    write_csd(tmp_path / "CMU_MOSEI_Labels.csd", "All Labels", videos)
    (tmp_path / "standard_folds.json").write_bytes((data / "standard_folds.json").read_bytes())
    corpus = mosei.read_utterances(tmp_path)
    splits = corpus.utterances["official_split"]
    sizes = {"all": len(splits), **splits.value_counts()}
    assert {name: {"all": size} for name, size in sizes.items()} == mosei.EXPECTED
    assert len(splits) == 23259
    counts = Counter(defect.kind for defect in corpus.defects)
    assert (counts["no fold"], counts["negative start"]) == (399, 239)
    assert counts["zero or negative span"] == 0
    assert (corpus.utterances["start_s"] >= 0).all()
