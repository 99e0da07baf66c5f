"""Files that stand for others are named as such wherever a file cannot be read."""

import pytest
from support.tiny_media import write_audio

from merflow.checkpoints.files import model_files, vector_file
from merflow.corpora import annotations, meld
from merflow.corpora.csd import Reader
from merflow.errors import CheckpointError, CorpusError
from merflow.media.probe import probe_all
from merflow.pointers import LFS, pointer

TEXT = LFS + b"\noid sha256:0f0f\nsize 72862\n"


def test_pointers_are_told_from_files(tmp_path):
    (tmp_path / "lfs.wav").write_bytes(TEXT)
    (tmp_path / "annexed.wav").symlink_to("../.git/annex/objects/xx/yy/MD5E-s9--0.wav")
    (tmp_path / "unlocked.wav").write_bytes(b"/annex/objects/MD5E-s9--0.wav\n")
    write_audio(tmp_path / "file.wav")
    assert "git lfs pull" in pointer(tmp_path / "lfs.wav")
    assert "git annex get" in pointer(tmp_path / "annexed.wav")
    assert "git annex get" in pointer(tmp_path / "unlocked.wav")
    for name in ("file.wav", "gone.wav", "."):
        assert pointer(tmp_path / name) is None
    paths = sorted(tmp_path.iterdir())
    annexed, file, lfs, unlocked = probe_all(paths, "clips").values()
    assert file.has_audio and "git lfs pull" in lfs
    assert "git annex get" in annexed and "git annex get" in unlocked


def test_a_pointer_in_place_of_a_table_is_named(tmp_path):
    names = ("mine.csv", "train_sent_emo.csv", "dev_sent_emo.csv", "test_sent_emo.csv", "words.csd")
    for name in names:
        (tmp_path / name).write_bytes(TEXT)
    with pytest.raises(CorpusError, match=r"mine.csv: a pointer of Git LFS"):
        annotations.read(tmp_path / "mine.csv")
    with pytest.raises(CorpusError, match=r"train_sent_emo.csv: a pointer of Git LFS"):
        meld.read_utterances(tmp_path)
    with pytest.raises(CorpusError, match=r"words.csd: a pointer of Git LFS"):
        Reader(tmp_path / "words.csd", 1, "text")


def test_a_pointer_in_place_of_a_checkpoint_is_named(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    for name in ("model.safetensors", "vectors.vec"):
        (tmp_path / name).write_bytes(TEXT)
    with pytest.raises(CheckpointError, match=r"model.safetensors: a pointer of Git LFS"):
        model_files(tmp_path)
    with pytest.raises(CheckpointError, match=r"vectors.vec of x: a pointer of Git LFS"):
        vector_file([tmp_path / "vectors.vec"], "x")
