import io
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from support.tiny_clips import write

from merflow import artifacts
from merflow.errors import ParamsError, StoreError
from merflow.media import step
from merflow.media.decode import decode
from merflow.params import MediaParams
from merflow.store import read_index, read_parts, write_table

MEDIA = {"short_side": 32, "jpeg_quality": 90}
FOLDERS = ("audio", "frames_every10", "frames_15")


def prepared(root: Path, clips: dict[str, tuple[str | None, float | None, float | None]]) -> Path:
    """utterances.parquet of utterance -> (clip, start, end)."""
    rows = []
    for utterance_id, (clip, start_s, end_s) in clips.items():
        row = dict.fromkeys(artifacts.UTTERANCES.names) | {
            "utterance_id": utterance_id,
            "dialogue_id": "d",
            "turn": 0,
            "speaker": "s",
        }
        rows.append(row | {"labels": ["joy"], "clip": clip, "start_s": start_s, "end_s": end_s})
    table = pd.DataFrame(rows, columns=artifacts.UTTERANCES.names)
    write_table(
        root / "utterances.parquet",
        table.astype({"start_s": float, "end_s": float}),
        artifacts.UTTERANCES,
    )
    return root / "utterances.parquet"


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Seven utterances in three blocks: whole clips, spans, a sound file, a broken file, one without clip."""
    monkeypatch.setattr(step, "BLOCK", 2)
    raw = tmp_path / "raw"
    raw.mkdir()
    write(raw / "a.mp4", 30)
    write(raw / "long.mp4", 100)
    write(raw / "sound.flac", codec=None, audio="flac")
    (raw / "broken.mp4").write_bytes(b"no media" * 99)
    clips: dict[str, tuple[str | None, float | None, float | None]] = {
        "u1": ("a.mp4", None, None),
        "u2": ("long.mp4", 1.0, 2.5),
        "u3": ("broken.mp4", None, None),
        "u4": (None, None, None),
        "u5": ("sound.flac", 0.5, 1.0),
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
    for shard in range(count):
        step.decode_shard(
            *corpus, media, code, shard, count, build / f"{shard}-of-{count}" / "DONE.json"
        )
    step.assemble([build / f"{shard}-of-{count}" for shard in range(count)], out)
    return out


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_holds_what_decode_gives(corpus: tuple[Path, Path], tmp_path: Path) -> None:
    out = run(corpus, tmp_path / "build", tmp_path / "media")
    sounds = read_parts(out / "audio", artifacts.AUDIO)
    assert sounds["utterance_id"].tolist() == ["u1", "u2", "u5", "u7"]
    clip = decode(corpus[1] / "long.mp4", 1.0, 2.5, MediaParams(**MEDIA))
    samples, rate = soundfile.read(io.BytesIO(sounds["values"][1]), dtype="int16")
    assert rate == 16000 and sounds["n_samples"][1] == 24000
    np.testing.assert_array_equal(samples, clip.sound)
    for name in FOLDERS[1:]:
        rows = read_parts(out / name, artifacts.FRAMES, ["u2"])
        found = list(rows[["frame", "time_s", "values"]].itertuples(index=False, name=None))
        assert found == [
            (picture.frame, picture.time_s, picture.data) for picture in clip.pictures[name]
        ]
        assert read_parts(out / name, artifacts.FRAMES)["utterance_id"].unique().tolist() == [
            "u1",
            "u2",
            "u7",
        ]


def test_says_what_was_wrong_and_what_made_it(corpus: tuple[Path, Path], tmp_path: Path) -> None:
    out = run(corpus, tmp_path / "build", tmp_path / "media")
    defects = pd.read_csv(out / "defects.csv")
    assert list(defects.columns) == artifacts.DEFECTS.names
    found = list(defects[["utterance_id", "kind"]].itertuples(index=False, name=None))
    assert found == [("u3", "clip unreadable"), ("u5", "no pictures"), ("u6", "clip unreadable")]
    for name in FOLDERS:
        spec = read_index(out / name)["spec"]
        assert (
            spec["params"] == MEDIA
            and spec["code"] == "c"
            and set(spec["versions"]) == {"av", "soundfile", "opencv-python-headless"}
        )


def test_the_number_of_shards_changes_no_byte(corpus: tuple[Path, Path], tmp_path: Path) -> None:
    one, *others = (
        contents(run(corpus, tmp_path / "build", tmp_path / f"media{n}", n)) for n in (1, 2, 3, 5)
    )
    assert len(one) == 3 * 3 + 3 + 1 and all(other == one for other in others)


def test_a_killed_job_goes_on_behind_its_last_whole_block(
    corpus: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = contents(run(corpus, tmp_path / "build", tmp_path / "whole"))
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
    assert decoded[4:] == [
        "broken.mp4",
        "sound.flac",
        "absent.mp4",
        "long.mp4",
    ]  # the first block stood
    assert contents(tmp_path / "media") == whole


@pytest.mark.parametrize("change", ["media", "code", "utterances", "clip"])
def test_parts_of_another_order_are_not_used(
    corpus: tuple[Path, Path], tmp_path: Path, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign = tmp_path / "build/0-of-1/DONE.json"
    step.decode_shard(*corpus, MEDIA, "c", 0, 1, sign)
    media, code = dict(MEDIA), "c"
    if change == "media":
        media["jpeg_quality"] = 10
    elif change == "code":
        code = "d"
    elif change == "utterances":
        prepared(corpus[0].parent, {"u1": ("long.mp4", 0.0, 1.0)})
    else:
        shutil.copyfile(corpus[1] / "long.mp4", corpus[1] / "a.mp4")
    seen: list[Path] = []
    monkeypatch.setattr(
        step, "decode", lambda path, *rest: seen.append(path) or decode(path, *rest)
    )
    step.decode_shard(*corpus, media, code, 0, 1, sign)
    assert len(seen) == (1 if change == "utterances" else 6)
    step.decode_shard(*corpus, media, code, 0, 1, sign)
    assert len(seen) == (1 if change == "utterances" else 6)  # and parts of this one are
    step.assemble([sign.parent], tmp_path / "media")
    fresh = run(corpus, tmp_path / "other", tmp_path / "fresh", media=media, code=code)
    assert contents(tmp_path / "media") == contents(fresh)


def test_a_corpus_without_clips_gives_empty_folders(tmp_path: Path) -> None:
    corpus = prepared(tmp_path, {"u1": (None, None, None)}), tmp_path
    out = run(corpus, tmp_path / "build", tmp_path / "media", 2)
    for name, schema in step.SCHEMAS.items():
        assert not len(read_parts(out / name, schema)) and read_index(out / name)["parts"] == []
    assert not len(pd.read_csv(out / "defects.csv"))


def test_assembling_replaces_what_was_there_and_leaves_no_parts(
    corpus: tuple[Path, Path], tmp_path: Path
) -> None:
    out = run(corpus, tmp_path / "build", tmp_path / "media", 2)
    (out / "audio" / "99999.parquet").write_bytes(b"of before")
    before = contents(run(corpus, tmp_path / "build", tmp_path / "other", 2))
    assert contents(run(corpus, tmp_path / "build", out, 2)) == before
    assert not [path for path in (tmp_path / "build").rglob("*") if path.is_file()]
    assert sorted(path.name for path in out.iterdir()) == [
        "audio",
        "defects.csv",
        "frames_15",
        "frames_every10",
    ]


def test_parts_are_copied_where_links_cannot_be(
    corpus: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    linked = contents(run(corpus, tmp_path / "build", tmp_path / "linked"))

    def refuse(*paths: Path) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    assert contents(run(corpus, tmp_path / "build", tmp_path / "copied")) == linked


def test_refuses_in_one_line(corpus: tuple[Path, Path], tmp_path: Path) -> None:
    signs = [tmp_path / f"build/{shard}-of-2/DONE.json" for shard in (0, 1)]
    with pytest.raises(ParamsError, match="media: jpeg_quality"):
        step.decode_shard(*corpus, {"short_side": 32, "jpeg_quality": 101}, "c", 0, 2, signs[0])
    step.decode_shard(*corpus, MEDIA, "c", 0, 2, signs[0])
    with pytest.raises(StoreError, match="1-of-2: no DONE"):
        step.assemble([sign.parent for sign in signs], tmp_path / "media")
    with pytest.raises(StoreError, match="expected each once"):
        step.assemble([signs[0].parent, signs[0].parent], tmp_path / "media")
    step.decode_shard(*corpus, MEDIA, "other code", 1, 2, signs[1])
    with pytest.raises(StoreError, match="other parameters, code"):
        step.assemble([sign.parent for sign in signs], tmp_path / "media")
    step.decode_shard(*corpus, MEDIA, "c", 1, 2, signs[1])
    next((signs[1].parent / "frames_15").glob("*.parquet")).unlink()
    with pytest.raises(StoreError, match="a part is missing"):
        step.assemble([sign.parent for sign in signs], tmp_path / "media")
    assert not (tmp_path / "media").exists()
