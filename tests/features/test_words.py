"""Audio and frames averaged over words have the rows of the corpus' own sequences."""

import cv2
import numpy as np
import pandas as pd
import pytest
from support.feature_stores import build_store, write_csd, write_noise, write_utterances

from merflow import artifacts
from merflow.corpora.csd import WORDS
from merflow.corpora.demo.cast import person
from merflow.corpora.demo.expression import EXPRESSIONS
from merflow.corpora.demo.face import Portrait
from merflow.errors import CorpusError
from merflow.features.audio import smile
from merflow.features.extractor import Flagged
from merflow.features.sources import AudioSource, FrameSource
from merflow.features.vision import face
from merflow.features.words import MediaItem, average, average_over_words, nearest_intervals
from merflow.params import FaceParams, SmileParams
from merflow.paths import Inputs
from merflow.store import read_features, read_metadata, write_index, write_table

SMILE = {"feature_set": "eGeMAPSv02", "level": "lld"}
FACE = {"min_size": 0.1, "scale_factor": 1.1, "min_neighbors": 5}
START_S = {"a[0]": 0.0, "a[1]": 2.0, "a[2]": 4.0}
#: Words; the middle of the fourth is in a[1], its start before.
SPOKEN = [[0.0, 0.3], [0.3, 0.5], [0.5, 0.9], [1.9, 2.3], [2.3, 2.4], [2.4, 3.2]]
TIMES = [0.02, 0.4, 0.8]  # of frames


def write_frames(folder, ids):
    """Write three frames of each utterance: two with a face, one without."""
    portrait = Portrait(person("mosei", "Ida"), None, 120)
    frames = [portrait.draw(EXPRESSIONS[name], 0.2, blink=False) for name in ("joy", "anger")]
    frames.append(np.zeros_like(frames[0]))
    rows = [
        {
            "utterance_id": utterance_id,
            "frame": 10 * number,
            "time_s": TIMES[number],
            "values": cv2.imencode(".jpg", frames[number])[1].tobytes(),
        }
        for utterance_id in ids
        for number in range(3)
    ]
    folder = folder / "frames_every10"
    write_table(folder / "00000.parquet", pd.DataFrame(rows), artifacts.FRAMES)
    write_index(folder, artifacts.FRAMES, {})
    return folder / "INDEX.json"


@pytest.fixture
def stage(tmp_path):
    """Files of a stage with three utterances; a[1] has no frames, a[2] no words."""
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "SOURCE.json").write_text("{}")
    write_csd(raw / WORDS, {"a": ([[b"word"]] * len(SPOKEN), SPOKEN)})
    starts = np.arange(60) / 10
    intervals = np.column_stack([starts, starts + 0.1])
    write_csd(raw / "frames.csd", {"a": (np.ones((60, 3), np.float32), intervals)})
    spans = [(utterance_id, "a", start, start + 1.5) for utterance_id, start in START_S.items()]
    return [
        raw / "SOURCE.json",
        write_utterances(tmp_path / "utterances.parquet", spans),
        write_noise(tmp_path, dict.fromkeys(START_S, 24_000)),
        write_frames(tmp_path, ["a[0]", "a[2]"]),
    ]


def n_rows(store):
    return {utterance_id: len(rows) for utterance_id, rows in read_features(store).items()}


def test_features_of_clips_have_the_rows_of_the_sequences(tmp_path, stage):
    sequence = {"file": "frames.csd", "dim": 3}
    covarep = build_store(tmp_path, stage, 1, "covarep", sequence)
    egemaps = build_store(tmp_path, stage, 1, "egemaps_aligned", SMILE)
    faces = build_store(tmp_path, stage, 1, "face_aligned", FACE)
    assert n_rows(covarep) == n_rows(egemaps) == {"a[0]": 3, "a[1]": 3}
    assert n_rows(faces) == {"a[0]": 3}
    for store, dim in ((egemaps, 25), (faces, len(face.columns(None, None)))):
        metadata = read_metadata(store, artifacts.FEATURES)
        assert metadata["dim"] == len(metadata["spec"]["columns"]) == dim
        defects = [(row["utterance_id"], row["kind"]) for row in metadata["defects"]]
        assert defects == [("a[2]", "no words")]


def test_a_word_is_the_mean_of_the_descriptors_in_its_time(tmp_path, stage):
    rows = read_features(build_store(tmp_path, stage, 1, "egemaps_aligned", SMILE))["a[1]"]
    (frames,) = smile.extract(
        [AudioSource.of(Inputs.of(stage), None).read(["a[1]"])], SmileParams(**SMILE)
    )
    # Row i is the window from 10 i to 10 i + 20 ms. The word from 0.3 to 0.4 s has rows 29, which
    # is the nearest up to 0.305 s, to 39.
    np.testing.assert_allclose(rows[1], frames[29:40].mean(axis=0), rtol=1e-5)
    # the part of a word before the utterance has no frames
    np.testing.assert_allclose(rows[0], frames[:30].mean(axis=0), rtol=1e-5)


def test_a_word_is_the_mean_of_its_nearest_frames(tmp_path, stage):
    rows = read_features(build_store(tmp_path, stage, 1, "face_aligned", FACE))["a[0]"]
    items = FrameSource.of(Inputs.of(stage), None).read(["a[0]"])
    (result,) = face.extract([items], FaceParams(**FACE), None)
    first, second, third = result
    assert first.any()
    assert second.any()
    assert not third.any()
    # frames at 0.02, 0.4 and 0.8 s are the nearest up to 0.21 s, up to 0.6 s and from then on
    expected = [(first + second) / 2, second, (second + third) / 2]
    np.testing.assert_allclose(rows, expected, rtol=1e-6)


def test_a_word_between_or_beyond_frames_has_the_nearest():
    values = np.array([[1.0], [2.0], [3.0]], np.float32)
    words = np.array([[-2.0, -1.0], [0.6, 0.9], [1.2, 1.3], [8.0, 9.0], [1.4, 2.0]])
    intervals = nearest_intervals(np.array([0.0, 1.0, 2.0]))
    assert average(values, intervals, words)[:, 0].tolist() == [1, 2, 2, 3, 2.5]
    intervals = nearest_intervals(np.array([0.5]))
    assert average(values[:1], intervals, words)[:, 0].tolist() == [1] * 5


def items(value):
    """A block of one item with two frames and two words, the second without length."""
    words = np.array([[0.0, 1.0], [0.5, 0.5]])
    return [MediaItem(np.full((2, 1), value, np.float32), np.array([0.1, 0.2]), words)]


def test_flags_of_an_extractor_stay():
    lost = Flagged(None, "lost", "", "not in the store")

    def extract(blocks):
        (first,), _, (third,) = blocks
        yield from (first, lost, Flagged(third, "no face", "", "kept"))

    first, second, third = average_over_words(extract, map(items, range(3)))
    assert (first.kind, first.detail) == ("words without frames", "1 of 2")
    assert first.values.tolist() == [[0], [0]]
    assert second == lost
    assert third.kind == "no face"
    assert third.values.tolist() == [[2], [0]]


def test_blocks_are_read_one_at_a_time():
    read = []
    blocks = (read.append(number) or items(number) for number in range(3))
    rows = average_over_words(lambda blocks: (media for block in blocks for media in block), blocks)
    next(rows)
    assert read == [0]


def test_without_words_no_utterance_has_the_features(tmp_path, stage):
    (stage[0].parent / WORDS).unlink()
    store = build_store(tmp_path, stage, 1, "egemaps_aligned", SMILE)
    assert read_features(store) == {}
    (defect,) = read_metadata(store, artifacts.FEATURES)["defects"]
    assert (defect["kind"], defect["detail"]) == ("sequence absent", WORDS)


def test_a_broken_file_of_words_is_one_line(tmp_path, stage):
    (stage[0].parent / WORDS).write_bytes(b"<html>")
    with pytest.raises(CorpusError, match="not a readable HDF5 file"):
        build_store(tmp_path, stage, 1, "egemaps_aligned", SMILE)
