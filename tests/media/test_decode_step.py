import io
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from support.archives import tree
from support.tiny_clips import write

from merflow import artifacts
from merflow.errors import ParamsError, StoreError
from merflow.media import step
from merflow.media.decode import decode
from merflow.params import MediaParams
from merflow.store import read_index, read_media, read_table, write_table

MEDIA = {"short_side": 32, "jpeg_quality": 90, "dense_frames": 20}
FOLDERS = ("audio", "frames_every10", "frames_15", "frames_dense")


def prepared(root: Path, clips: dict[str, tuple[str | None, float | None, float | None]]) -> Path:
    """Write utterances.parquet of utterance -> (clip, start, end)."""
    fixed = {"dialogue_id": "d", "turn": 0, "speaker": "s", "labels": ["joy"]}
    rows = [
        fixed | {"utterance_id": key, "clip": clip, "start_s": start_s, "end_s": end_s}
        for key, (clip, start_s, end_s) in clips.items()
    ]
    table = pd.DataFrame(rows, columns=artifacts.UTTERANCES.names)
    path, spans = root / "utterances.parquet", {"start_s": float, "end_s": float}
    write_table(path, table.astype(spans), artifacts.UTTERANCES)
    return path


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Seven utterances in three blocks: clips, spans, an audio file, a broken one, no clip."""
    monkeypatch.setattr(step, "BLOCK", 2)
    raw = tmp_path / "raw"
    raw.mkdir()
    write(raw / "a.mp4", 30)
    write(raw / "long.mp4", 100)
    write(raw / "audio.flac", codec=None, audio="flac")
    (raw / "broken.mp4").write_bytes(b"no media" * 99)
    clips: dict[str, tuple[str | None, float | None, float | None]] = {
        "u1": ("a.mp4", None, None),
        "u2": ("long.mp4", 1.0, 2.5),
        "u3": ("broken.mp4", None, None),
        "u4": (None, None, None),
        "u5": ("audio.flac", 0.5, 1.0),
        "u7": ("long.mp4", 2.5, 4.0),
        "u6": ("absent.mp4", None, None),
    }
    return prepared(tmp_path, clips), raw


def run(
    corpus: tuple[Path, Path],
    build: Path,
    out: Path,
    count: int = 1,
    media: dict = MEDIA,
    code: str = "c",
) -> Path:
    folders = [build / f"{shard}-of-{count}" for shard in range(count)]
    for shard, folder in enumerate(folders):
        step.decode_shard(*corpus, media, code, shard, count, folder / "DONE.json")
    step.assemble(folders, out)
    return out


def test_parts_hold_the_decoded_clips(corpus: tuple[Path, Path], tmp_path: Path) -> None:
    out = run(corpus, tmp_path / "build", tmp_path / "media")
    audio = read_media(out / "audio", artifacts.AUDIO)
    assert audio["utterance_id"].tolist() == ["u1", "u2", "u5", "u7"]
    clip = decode(corpus[1] / "long.mp4", 1.0, 2.5, MediaParams(**MEDIA))
    samples, rate = soundfile.read(io.BytesIO(audio["values"][1]), dtype="int16")
    assert rate == 16000 and audio["n_samples"][1] == 24000
    np.testing.assert_array_equal(samples, clip.audio)
    for name in FOLDERS[1:]:
        rows = read_media(out / name, artifacts.FRAMES)
        assert rows["utterance_id"].unique().tolist() == ["u1", "u2", "u7"]
        columns = rows.loc[rows["utterance_id"] == "u2", ["frame", "time_s", "values"]]
        expected = [(frame.index, frame.time_s, frame.data) for frame in clip.frames[name]]
        assert list(columns.itertuples(index=False, name=None)) == expected


def test_audio_comes_from_the_file_that_the_table_names(tmp_path: Path) -> None:
    write(tmp_path / "long.mp4", 50)
    write(tmp_path / "turn.wav", codec=None, audio="pcm_s16le", rate=16000)
    table = prepared(tmp_path, {"u1": ("long.mp4", 0.5, 1.0), "u2": ("long.mp4", 1.0, 1.5)})
    rows = read_table(table, artifacts.UTTERANCES).assign(audio_clip=["turn.wav", None])
    write_table(table, rows, artifacts.UTTERANCES)
    out = run((table, tmp_path), tmp_path / "build", tmp_path / "media")
    audio = read_media(out / "audio", artifacts.AUDIO)
    assert audio["n_samples"].tolist() == [32_000, 8_000]


def test_defects_name_their_medium(corpus: tuple[Path, Path], tmp_path: Path) -> None:
    out = run(corpus, tmp_path / "build", tmp_path / "media")
    defects = pd.read_csv(out / "defects.csv", dtype=str, keep_default_na=False)
    assert list(defects.columns) == artifacts.DEFECTS.names
    rows = defects[["utterance_id", "kind", "medium"]].itertuples(index=False, name=None)
    assert list(rows) == [
        ("u3", "clip unreadable", ""),
        ("u5", "no pictures", "frames"),
        ("u6", "clip unreadable", ""),
    ]


def test_folders_record_their_parameters(corpus: tuple[Path, Path], tmp_path: Path) -> None:
    out = run(corpus, tmp_path / "build", tmp_path / "media")
    for name in FOLDERS:
        spec = read_index(out / name)["spec"]
        assert (spec["params"], spec["code"]) == (MEDIA, "c")
        assert set(spec["versions"]) == {"av", "soundfile", "opencv-python-headless"}


def test_the_number_of_shards_changes_no_byte(corpus: tuple[Path, Path], tmp_path: Path) -> None:
    build = tmp_path / "build"
    media = [tree(run(corpus, build, tmp_path / f"media{n}", n)) for n in (1, 2, 3, 5)]
    assert len(media[0]) == 4 * 3 + 4 + 1
    assert all(files == media[0] for files in media)


def test_a_killed_job_resumes_after_its_last_whole_block(
    corpus: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tree(run(corpus, tmp_path / "build", tmp_path / "whole"))
    decoded: list[str] = []

    def killed(path: Path, *rest: object) -> object:
        decoded.append(path.name)
        if len(decoded) == 4:
            raise KeyboardInterrupt
        return decode(path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(step, "decode", killed)
    with pytest.raises(KeyboardInterrupt):
        run(corpus, tmp_path / "build", tmp_path / "media")
    assert not (tmp_path / "build/0-of-1/DONE.json").exists() and not (tmp_path / "media").exists()
    run(corpus, tmp_path / "build", tmp_path / "media")
    # the first block was whole
    assert decoded[4:] == ["broken.mp4", "audio.flac", "absent.mp4", "long.mp4"]
    assert tree(tmp_path / "media") == whole


@pytest.mark.parametrize("change", ["media", "code", "utterances", "clip"])
def test_parts_of_another_order_are_not_used(
    corpus: tuple[Path, Path], tmp_path: Path, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = tmp_path / "build/0-of-1/DONE.json"
    step.decode_shard(*corpus, MEDIA, "c", 0, 1, done)
    media, code = dict(MEDIA), "c"
    if change == "media":
        media["jpeg_quality"] = 10
    elif change == "code":
        code = "d"
    elif change == "utterances":
        prepared(corpus[0].parent, {"u1": ("long.mp4", 0.0, 1.0)})
    else:
        shutil.copyfile(corpus[1] / "long.mp4", corpus[1] / "a.mp4")
    decoded: list[Path] = []
    monkeypatch.setattr(
        step, "decode", lambda path, *rest: decoded.append(path) or decode(path, *rest)
    )
    n_clips = 1 if change == "utterances" else 6
    for _ in range(2):  # the second time, all parts are of this order
        step.decode_shard(*corpus, media, code, 0, 1, done)
        assert len(decoded) == n_clips
    step.assemble([done.parent], tmp_path / "media")
    fresh = run(corpus, tmp_path / "other", tmp_path / "fresh", media=media, code=code)
    assert tree(tmp_path / "media") == tree(fresh)


def test_a_corpus_without_clips_gives_empty_folders(tmp_path: Path) -> None:
    corpus = prepared(tmp_path, {"u1": (None, None, None)}), tmp_path
    out = run(corpus, tmp_path / "build", tmp_path / "media", 2)
    for name, schema in step.SCHEMAS.items():
        assert not len(read_media(out / name, schema)) and read_index(out / name)["parts"] == []
    assert not len(pd.read_csv(out / "defects.csv"))


def test_assembling_replaces_a_folder_and_leaves_no_parts(
    corpus: tuple[Path, Path], tmp_path: Path
) -> None:
    out = run(corpus, tmp_path / "build", tmp_path / "media", 2)
    (out / "audio" / "99999.parquet").write_bytes(b"of before")
    before = tree(run(corpus, tmp_path / "build", tmp_path / "other", 2))
    assert tree(run(corpus, tmp_path / "build", out, 2)) == before
    assert not [path for path in (tmp_path / "build").rglob("*") if path.is_file()]
    names = sorted(path.name for path in out.iterdir())
    assert names == ["audio", "defects.csv", "frames_15", "frames_dense", "frames_every10"]


def test_parts_are_copied_where_links_cannot_be(
    corpus: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    linked = tree(run(corpus, tmp_path / "build", tmp_path / "linked"))

    def refuse(*paths: Path) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    assert tree(run(corpus, tmp_path / "build", tmp_path / "copied")) == linked


def test_shards_that_do_not_belong_together_are_refused(
    corpus: tuple[Path, Path], tmp_path: Path
) -> None:
    first, second = folders = [tmp_path / f"build/{shard}-of-2" for shard in (0, 1)]
    out = tmp_path / "media"
    with pytest.raises(ParamsError, match="media: jpeg_quality"):
        step.decode_shard(*corpus, MEDIA | {"jpeg_quality": 101}, "c", 0, 2, first / "DONE.json")
    step.decode_shard(*corpus, MEDIA, "c", 0, 2, first / "DONE.json")
    with pytest.raises(StoreError, match="1-of-2: no DONE"):
        step.assemble(folders, out)
    with pytest.raises(StoreError, match="expected each once"):
        step.assemble([first, first], out)
    step.decode_shard(*corpus, MEDIA, "other code", 1, 2, second / "DONE.json")
    with pytest.raises(StoreError, match="other parameters, code"):
        step.assemble(folders, out)
    step.decode_shard(*corpus, MEDIA, "c", 1, 2, second / "DONE.json")
    next((second / "frames_15").glob("*.parquet")).unlink()
    with pytest.raises(StoreError, match="a part is missing"):
        step.assemble(folders, out)
    assert not out.exists()
