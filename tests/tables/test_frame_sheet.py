import io
import json

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imsave

from merflow import artifacts
from merflow.corpora.labels import CLASSES
from merflow.errors import StoreError
from merflow.store import read_table, write_features, write_index, write_table
from merflow.tables.frame_sheet import choose, write

MELD = CLASSES["meld"]
COLUMNS = [
    "angry",
    "sad",
    "neutral",
    "happy",
    "fear",
    "disgust",
    "surprised",
]  # other names, another order


@pytest.fixture
def material(tmp_path, make_corpus, make_result):
    """Predictions, corpus, noise as pictures, and a store that is sure of the label; ten pictures of each clip."""
    prepared = make_corpus()
    rows = read_table(prepared / "utterances.parquet", artifacts.UTTERANCES).sort_values(
        "utterance_id"
    )
    rng = np.random.default_rng(3)
    data = io.BytesIO()
    imsave(data, rng.integers(0, 256, (144, 256, 3), dtype=np.uint8), format="jpg")
    pictures = pd.DataFrame(
        {"utterance_id": rows["utterance_id"].repeat(10), "values": data.getvalue()}
    )
    number = pictures.groupby("utterance_id").cumcount()
    write_table(
        tmp_path / "frames" / "00000.parquet",
        pictures.assign(frame=10 * number, time_s=0.4 * number),
        artifacts.FRAMES,
    )
    write_index(tmp_path / "frames", artifacts.FRAMES, {})
    sure = dict(
        zip(MELD, np.eye(7, dtype="<f4")[[2, 3, 6, 0, 1, 5, 4]] * 0.3 + 0.1, strict=True)
    )  # of "neutral" the third column
    arrays = (
        (key, np.tile(sure[labels[0]], (10, 1)))
        for key, labels in rows[["utterance_id", "labels"]].to_numpy()
    )
    write_features(tmp_path / "clip_emotion.parquet", arrays, {"columns": COLUMNS})
    return [
        make_result(prepared, "video_clip"),
        prepared,
        tmp_path / "frames",
        tmp_path / "clip_emotion.parquet",
    ]


def test_sheet_shows_eight_pictures_of_clips_told_right_and_wrong(material, tmp_path):
    write(*material, tmp_path / "sheet")
    sheet = json.loads((tmp_path / "sheet/sheet.json").read_text())
    assert (sheet["system"], sheet["corpus"]) == ("video_clip", "meld")
    predictions = (
        read_table(material[0] / "predictions.parquet", artifacts.PREDICTIONS)
        .query("seed == 1")
        .set_index("utterance_id")
    )
    for clip, right in zip(sheet["clips"], (True, False, True, False), strict=True):
        row = predictions.loc[clip["utterance_id"]]
        assert row["split"] == "test" and (clip["true"] == clip["predicted"]) == right
        assert ([clip["true"]], [clip["predicted"]]) == (
            list(row["labels"]),
            list(row["predicted"]),
        )
        assert [round(shot["time_s"] / 0.4) for shot in clip["shots"]] == [0, 1, 3, 4, 5, 6, 8, 9]
        assert {(shot["best"], round(shot["probability"], 6)) for shot in clip["shots"]} == {
            (clip["true"], 0.4)
        }  # by name, not by place
        assert clip["totals"] == pytest.approx(
            {name: 4.0 if name == clip["true"] else 1.0 for name in MELD}, rel=1e-5
        )
        assert (
            "0.4 s" in clip["words"]
            and f"Sum over 10 frames: {clip['true']} 4.0, " in clip["words"]
        )
    assert len({clip["true"] for clip in sheet["clips"]}) == 4


def test_sheet_is_small_and_the_same_twice(material, tmp_path):
    for name in ("one", "two"):
        write(*material, tmp_path / name)
    first = (tmp_path / "one/sheet.jpg").read_bytes()
    assert first[:2] == b"\xff\xd8" and first == (tmp_path / "two/sheet.jpg").read_bytes()
    assert 20_000 < len(first) < 400_000  # of noise, which compresses worst


def test_dollars_and_long_texts_and_none_are_only_words(material, tmp_path):
    path = material[1] / "utterances.parquet"
    texts = np.resize(["I owe you $20, or $30_x^2.", "No. " * 70, None], 240)
    write_table(
        path, read_table(path, artifacts.UTTERANCES).assign(text=texts), artifacts.UTTERANCES
    )
    write(*material, tmp_path / "sheet")
    assert len(json.loads((tmp_path / "sheet/sheet.json").read_text())["clips"]) == 4


def test_pictures_that_the_store_did_not_see_are_refused(material, tmp_path):
    path = material[2] / "00000.parquet"
    write_table(path, read_table(path, artifacts.FRAMES).query("frame > 0"), artifacts.FRAMES)
    with pytest.raises(
        StoreError, match=r"test_dia\d+_utt\d has 10 rows, .*frames 9 pictures; delete the store"
    ):
        write(*material, tmp_path / "sheet")
    assert not (tmp_path / "sheet").exists()


def test_clips_of_many_pictures_come_first_and_classes_differ_where_they_can():
    rows = pd.DataFrame(
        [
            ("a", 0, 0, 9, 0.5),  # right, as long as any: eight pictures are shown
            ("b", 0, 0, 8, 0.9),  # right, and the surest of the long ones
            ("c", 1, 1, 3, 1.0),  # right, of another class
            ("d", 1, 0, 8, 0.4),  # wrong, of another class than b
            ("e", 0, 1, 8, 0.8),  # wrong, surer, of the class of b
        ],
        columns=["utterance_id", "true", "predicted", "n_pictures", "share"],
    ).set_index("utterance_id")
    assert list(choose(rows).index) == ["b", "d", "a", "e"]
    assert list(choose(rows.drop(["d", "e"])).index) == ["b", "c"]
