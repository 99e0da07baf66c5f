import csv
import os
from pathlib import Path

import pandas as pd
import pytest
from support.archives import tree
from support.tiny_media import write_audio, write_video

from merflow import artifacts
from merflow.corpora import meld
from merflow.corpora.corpus import Corpus
from merflow.corpora.prepare import check_counts, prepare
from merflow.errors import CorpusError
from merflow.store import read_metadata, read_table

REAL = os.environ.get("MERFLOW_REAL_DATA")


def ravdess(root: Path) -> Path:
    for actor in range(1, 7):
        write_audio(root / f"03-01-03-01-01-01-{actor:02d}.wav")
    write_video(root / "01-01-08-02-02-02-06.mp4")
    (root / "03-01-01-01-01-01-01.wav").write_bytes(b"broken")
    return root


def defects(out: Path) -> list[dict[str, str]]:
    with (out / "defects.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_writes_three_tables(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    raw, out = ravdess(tmp_path / "raw"), tmp_path / "out"
    prepare("ravdess", "demo", raw, out)
    utterances = read_table(out / "utterances.parquet", artifacts.UTTERANCES)
    assert len(utterances) == 8 and utterances["clip"].isna().sum() == 1
    assert read_metadata(out / "utterances.parquet", artifacts.UTTERANCES) == {
        "corpus": "ravdess",
        "source": "demo",
        "counts": {"all": {"all": 8, "happy": 6, "neutral": 1, "surprised": 1}},
        "modalities": {"text": 8, "clip": 7, "audio": 7, "video": 1},
    }
    splits = read_table(out / "splits.parquet", artifacts.SPLITS)
    assert splits["fold"].nunique() == 5 and len(splits) == 5 * 8
    (defect,) = defects(out)
    assert (defect["utterance_id"], defect["kind"]) == ("01-01-01-01-01-01", "clip unreadable")
    assert list(defect) == ["utterance_id", "kind", "detail", "action", "medium"]


def test_counts_of_a_folder_are_compared_with_published_ones(tmp_path: Path) -> None:
    raw, out = ravdess(tmp_path / "raw"), tmp_path / "out"
    prepare("ravdess", str(raw), raw, out)
    assert read_metadata(out / "utterances.parquet", artifacts.UTTERANCES)["source"] == "folder"
    details = [defect["detail"] for defect in defects(out) if defect["kind"] == "count"]
    assert len(details) == 8 and "all, happy: 192 expected, 6 found" in details


def test_expected_counts_may_join_labels_and_count_all() -> None:
    labels, splits = [["a"], ["b", "c"], ["a"]], ["train", "train", None]
    utterances = pd.DataFrame({"official_split": splits, "session": None, "labels": labels})
    expected = {"train": {"a+b": 2, "all": 2}, "all": {"a": 2, "all": 3}}
    assert check_counts(utterances, expected) == []
    (defect,) = check_counts(utterances, {"train": {"b+c": 2}})
    assert (defect.kind, defect.detail) == ("count", "train, b+c: 2 expected, 1 found")


def test_a_doubled_utterance_is_refused_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = pd.DataFrame([{"utterance_id": "x"}] * 2, columns=artifacts.UTTERANCES.names)
    monkeypatch.setattr(meld, "read_utterances", lambda root: Corpus(rows))
    with pytest.raises(CorpusError, match="meld: utterance x occurs twice"):
        prepare("meld", "demo", tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    raw = ravdess(tmp_path / "raw")
    for out in (tmp_path / "a", tmp_path / "b"):
        prepare("ravdess", "official", raw, out)
    first, second = (tree(tmp_path / name) for name in "ab")
    assert first == second
    assert set(first) == {
        "utterances.parquet",
        "clips.parquet",
        "splits.parquet",
        "defects.csv",
    }


@pytest.mark.skipif(not REAL, reason="MERFLOW_REAL_DATA is not set")
def test_official_annotations_have_the_published_counts(tmp_path: Path) -> None:
    prepare("meld", "folder", Path(str(REAL)) / "meld", tmp_path)
    metadata = read_metadata(tmp_path / "utterances.parquet", artifacts.UTTERANCES)
    assert metadata["modalities"] == {"text": 13708, "clip": 0, "audio": 0, "video": 0}
    assert not [defect for defect in defects(tmp_path) if defect["kind"] == "count"]
    splits = read_table(tmp_path / "splits.parquet", artifacts.SPLITS)
    official = splits[splits["scheme"] == "official"]
    assert official["split"].value_counts().to_dict() == {"train": 9989, "test": 2610, "dev": 1109}
