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
#: Other names than the corpus has, in another order.
COLUMNS = ["angry", "sad", "neutral", "happy", "fear", "disgust", "surprised"]
PLACES = [2, 3, 6, 0, 1, 5, 4]  # column of each class of MELD, so 2 for neutral
N_FRAMES = 10  # of each clip


@pytest.fixture
def material(tmp_path, make_corpus, make_result):
    """Predictions, corpus, noise as frames, and a store that gives each label 0.4."""
    prepared = make_corpus()
    rows = read_table(prepared / "utterances.parquet", artifacts.UTTERANCES)
    rows = rows.sort_values("utterance_id")
    write_noise(tmp_path / "frames", rows["utterance_id"])
    shares = np.eye(7, dtype="<f4")[PLACES] * 0.3 + 0.1
    of_label = dict(zip(MELD, shares, strict=True))
    arrays = (
        (key, np.tile(of_label[labels[0]], (N_FRAMES, 1)))
        for key, labels in rows[["utterance_id", "labels"]].to_numpy()
    )
    store = tmp_path / "clip_emotion.parquet"
    write_features(store, arrays, {"columns": COLUMNS})
    return [make_result(prepared, "video_clip"), prepared, tmp_path / "frames", store]


def write_noise(folder, ids):
    """Write a medium with the same noise as every frame."""
    data, rng = io.BytesIO(), np.random.default_rng(3)
    imsave(data, rng.integers(0, 256, (144, 256, 3), dtype=np.uint8), format="jpg")
    frames = pd.DataFrame({"utterance_id": ids.repeat(N_FRAMES), "values": data.getvalue()})
    number = frames.groupby("utterance_id").cumcount()
    frames = frames.assign(frame=10 * number, time_s=0.4 * number)
    write_table(folder / "00000.parquet", frames, artifacts.FRAMES)
    write_index(folder, artifacts.FRAMES, {})


def clips_of(folder):
    return json.loads((folder / "sheet.json").read_text())["clips"]


def test_correct_and_wrong_predictions_alternate(material, tmp_path):
    write(*material, tmp_path / "sheet")
    predictions = read_table(material[0] / "predictions.parquet", artifacts.PREDICTIONS)
    predictions = predictions.query("seed == 1").set_index("utterance_id")
    clips = clips_of(tmp_path / "sheet")
    for clip, correct in zip(clips, (True, False, True, False), strict=True):
        row = predictions.loc[clip["utterance_id"]]
        assert row["split"] == "test" and (clip["label"] == clip["predicted"]) == correct
        assert [clip["label"]] == list(row["labels"])
        assert [clip["predicted"]] == list(row["predicted"])
    assert len({clip["label"] for clip in clips}) == 4


def test_eight_of_ten_frames_are_shown_evenly_spread(material, tmp_path):
    write(*material, tmp_path / "sheet")
    for clip in clips_of(tmp_path / "sheet"):
        places = [round(shot["time_s"] / 0.4) for shot in clip["shots"]]
        assert places == [0, 1, 3, 4, 5, 6, 8, 9]


def test_probabilities_go_to_classes_by_name(material, tmp_path):
    write(*material, tmp_path / "sheet")
    for clip in clips_of(tmp_path / "sheet"):
        label = clip["label"]
        best = {(shot["best"], round(shot["probability"], 6)) for shot in clip["shots"]}
        assert best == {(label, 0.4)}
        totals = {name: 4.0 if name == label else 1.0 for name in MELD}
        assert clip["totals"] == pytest.approx(totals, rel=1e-5)
        assert "0.4 s" in clip["words"] and f"Sum over 10 frames: {label} 4.0, " in clip["words"]


def test_a_sheet_names_its_system_and_corpus(material, tmp_path):
    write(*material, tmp_path / "sheet")
    sheet = json.loads((tmp_path / "sheet/sheet.json").read_text())
    assert (sheet["system"], sheet["corpus"]) == ("video_clip", "meld")
    assert "the prediction of video_clip" in sheet["caption"]


def test_a_sheet_is_small_and_the_same_twice(material, tmp_path):
    for name in ("first", "again"):
        write(*material, tmp_path / name)
    first = (tmp_path / "first/sheet.jpg").read_bytes()
    assert first[:2] == b"\xff\xd8" and first == (tmp_path / "again/sheet.jpg").read_bytes()
    assert 20_000 < len(first) < 400_000  # of noise, which compresses worst


def test_dollars_long_texts_and_no_text_are_drawn(material, tmp_path):
    path = material[1] / "utterances.parquet"
    texts = np.resize(["I owe you $20, or $30_x^2.", "No. " * 70, None], 240)
    rows = read_table(path, artifacts.UTTERANCES).assign(text=texts)
    write_table(path, rows, artifacts.UTTERANCES)
    write(*material, tmp_path / "sheet")
    assert len(clips_of(tmp_path / "sheet")) == 4


def test_frames_that_the_store_did_not_see_are_refused(material, tmp_path):
    path = material[2] / "00000.parquet"
    write_table(path, read_table(path, artifacts.FRAMES).query("frame > 0"), artifacts.FRAMES)
    with pytest.raises(StoreError, match=r"test_dia\d+_utt\d has 10 rows, .*has 9 frames; delete"):
        write(*material, tmp_path / "sheet")
    assert not (tmp_path / "sheet").exists()


def test_long_clips_come_first_and_labels_differ():
    rows = pd.DataFrame(
        [
            ("a", 0, 0, 9, 0.5),  # correct, as long as any: eight frames are shown
            ("b", 0, 0, 8, 0.9),  # correct, with the highest probability of the long ones
            ("c", 1, 1, 3, 1.0),  # correct, with another label
            ("d", 1, 0, 8, 0.4),  # wrong, with another label than b
            ("e", 0, 1, 8, 0.8),  # wrong, with a higher probability, and the label of b
        ],
        columns=["utterance_id", "label", "predicted", "n_frames", "probability"],
    ).set_index("utterance_id")
    assert list(choose(rows).index) == ["b", "d", "a", "e"]
    assert list(choose(rows.drop(["d", "e"])).index) == ["b", "c"]
