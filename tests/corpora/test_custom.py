"""A custom corpus: valid and invalid annotations, and the tables made from them."""

import pandas as pd
import pytest
from support.tiny_media import write_audio

from merflow import artifacts
from merflow.corpora import annotations
from merflow.corpora.prepare import prepare
from merflow.errors import CorpusError
from merflow.store import read_metadata, read_table

HEAD = "clip,text,label,speaker,dialogue,split"


@pytest.fixture
def clips(tmp_path):
    """Twelve audio files of four speakers, and the rows of their annotations."""
    rows = []
    for number in range(12):
        speaker, label = "abcd"[number // 3], ("joy", "rage")[number % 2]
        write_audio(tmp_path / "clips" / speaker / f"{number}.wav")
        rows.append(f"{speaker}/{number}.wav,,{label},{speaker},,")
    return rows


def write(tmp_path, rows, head=HEAD):
    path = tmp_path / "clips.csv"
    path.write_text("\n".join([head, *rows]) + "\n")
    return path


def prepared(tmp_path, rows):
    folder = tmp_path / "data"
    prepare("mine", "clips", tmp_path / "clips", folder, write(tmp_path, rows))
    utterances = read_table(folder / "utterances.parquet", artifacts.UTTERANCES)
    splits = read_table(folder / "splits.parquet", artifacts.SPLITS)
    defects = pd.read_csv(folder / "defects.csv", dtype=str, keep_default_na=False)
    return utterances.set_index("utterance_id"), splits, defects


def test_speakers_are_on_one_side_of_every_fold_and_in_test_once(tmp_path, clips):
    utterances, splits, _ = prepared(tmp_path, clips)
    assert set(splits["scheme"]) == {"speakers"}
    assert splits["fold"].nunique() == 4  # as many as speakers, where these are fewer than five
    splits["speaker"] = splits["utterance_id"].map(utterances["speaker"])
    for _, fold in splits.groupby("fold"):
        assert len(fold) == 12
        assert set(fold["split"]) == {"train", "dev", "test"}
        assert (fold.groupby("speaker")["split"].nunique() == 1).all()
    assert (splits[splits["split"] == "test"].groupby("utterance_id").size() == 1).all()
    metadata = read_metadata(tmp_path / "data/utterances.parquet", artifacts.UTTERANCES)
    assert metadata["classes"] == ["joy", "rage"]
    assert (metadata["source"], metadata["modalities"]["audio"]) == ("folder", 12)


def test_without_speakers_folds_are_of_dialogues_five_at_most(tmp_path, clips):
    rows = [f"{row.rsplit(',', 3)[0]},,d{number // 2}," for number, row in enumerate(clips)]
    table = annotations.read(write(tmp_path, rows))
    assert (table.scheme, table.folds) == ("dialogues", 5)
    utterances, splits, _ = prepared(tmp_path, rows)
    assert splits["fold"].nunique() == 5
    splits["dialogue"] = splits["utterance_id"].map(utterances["dialogue_id"])
    assert (splits.groupby(["fold", "dialogue"])["split"].nunique() == 1).all()
    assert utterances.loc[["a/0.wav", "a/1.wav"], "turn"].tolist() == [0, 1]


def test_a_given_split_is_kept_and_a_shared_speaker_a_defect(tmp_path, clips):
    given = ["train"] * 5 + ["test"] * 4 + ["dev"] * 2 + [""]
    rows = [row + split for row, split in zip(clips, given, strict=True)]
    _, splits, defects = prepared(tmp_path, rows)
    sizes = splits.groupby("split").size().to_dict()
    assert sizes == {"dev": 2, "test": 4, "train": 5}  # one row is in no split
    assert set(splits["scheme"]) == {"given"}
    listed = defects[["kind", "detail"]].values.tolist()
    assert listed == [["speaker in train and test", "b: 1 rows of test"]]


def test_a_bad_row_is_a_defect_and_the_others_stay(tmp_path, clips):
    (tmp_path / "clips/b/4.wav").write_bytes(b"RIFF no audio")
    rows = [
        *clips,
        "d/gone.wav,,joy,d,,",
        "d/gone too.wav,we are late,joy,d,,",
        "a/unlabelled.wav,,,a,,",
        ",only words,rage,d,,",
    ]
    utterances, _, defects = prepared(tmp_path, rows)
    assert len(utterances) == 15
    assert utterances.loc["line 00017", "text"] == "only words"
    without_clip = ["d/gone.wav", "d/gone too.wav", "b/4.wav", "line 00017"]
    assert utterances.loc[without_clip, "clip"].isna().all()
    by_kind = defects.set_index("kind")
    assert by_kind.loc["label empty", "detail"] == "line 16: a/unlabelled.wav"
    assert by_kind.loc["clip unreadable", "utterance_id"] == "b/4.wav"
    assert by_kind.loc["clip absent", "action"].tolist() == ["no use", "text kept"]
    assert (by_kind["medium"] == "").all()  # clips as a whole


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: [], "no row in it"),
        (lambda rows: [*rows, rows[0]], r"line 14: clip a/0.wav is in line 2 already"),
        (lambda rows: [*rows, ",,joy,a,,"], "line 14: neither clip nor text"),
        (
            lambda rows: [*rows, "../x.wav,,joy,a,,"],
            r"line 14: clip \.\./x.wav is not a path below",
        ),
        (lambda rows: [*rows, "/x.wav,,joy,a,,"], "line 14: clip /x.wav is not a path below"),
        (
            lambda rows: [rows[0] + "valid", *rows[1:]],
            "line 2: split 'valid', expected one of train, dev, test",
        ),
        (lambda rows: [row + "train" for row in rows], "no row of split dev, test"),
        (
            lambda rows: [row.replace("rage", "joy") for row in rows],
            r"1 label \(joy\); two or more are needed",
        ),
        (
            lambda rows: [rows[0].replace(",a,", ",,"), *rows[1:]],
            "line 2: no speaker, and other rows have one",
        ),
        (lambda rows: rows[:6], "2 speakers, and train, dev and test need one each"),
    ],
)
def test_impossible_annotations_are_refused_in_one_line(tmp_path, clips, change, message):
    with pytest.raises(CorpusError, match=message) as error:
        annotations.read(write(tmp_path, change(clips)))
    assert "\n" not in str(error.value)


def test_columns_and_file_are_needed(tmp_path, clips):
    message = "no column label, split; line 1 has 'clip', 'text', 'emotion',"
    with pytest.raises(CorpusError, match=message):
        annotations.read(write(tmp_path, clips, "clip,text,emotion,speaker,dialogue"))
    message = "no such file; make it with `merflow own <name> <folder of clips>`"
    with pytest.raises(CorpusError, match=message):
        annotations.read(tmp_path / "gone.csv")


@pytest.mark.parametrize("path", ["./a/0.wav", "a//0.wav", "a/./0.wav"])
def test_a_clip_is_one_however_its_path_is_written(tmp_path, clips, path):
    with pytest.raises(CorpusError, match=r"line 14: clip a/0\.wav is in line 2 already"):
        annotations.read(write(tmp_path, [*clips, f"{path},,joy,a,,"]))
    rows = annotations.read(write(tmp_path, [f"{path},,joy,a,,", *clips[1:]])).rows
    assert (rows[0].utterance_id, rows[0].clip) == ("a/0.wav", "a/0.wav")


@pytest.mark.parametrize("path", ["b/../a/0.wav", ".", "./", "/x.wav"])
def test_a_path_that_may_leave_the_folder_is_refused(tmp_path, clips, path):
    with pytest.raises(CorpusError, match=r"line 14: clip .* is not a path below the folder"):
        annotations.read(write(tmp_path, [*clips, f"{path},,joy,a,,"]))


def test_a_clip_named_like_a_line_does_not_collide_silently(tmp_path, clips):
    rows = [*clips[1:], "line 00014,,joy,a,,", ",hello,joy,a,,"]
    with pytest.raises(CorpusError, match="line 14: clip line 00014 is in line 13 already"):
        annotations.read(write(tmp_path, rows))


def test_a_folder_without_any_of_the_clips_is_refused(tmp_path, clips):
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(CorpusError, match=r"holds none of the 12 clips, the first is a/0\.wav"):
        prepare("mine", "clips", tmp_path / "elsewhere", tmp_path / "data", write(tmp_path, clips))
