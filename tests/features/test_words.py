"""Sound and pictures averaged over words: the rows of the corpus' own sequences, made from clips."""

import cv2
import numpy as np
import pandas as pd
import pytest
from test_aligned import write_csd, write_utterances
from test_extract import build, sounds

from merflow import artifacts
from merflow.corpora.csd import WORDS
from merflow.corpora.demo.cast import person
from merflow.corpora.demo.expression import EXPRESSIONS
from merflow.corpora.demo.face import Portrait
from merflow.errors import CorpusError
from merflow.features.audio import smile
from merflow.features.extractor import Flagged
from merflow.features.sources import Pictures, Sounds
from merflow.features.vision import face
from merflow.features.words import Item, mean, nearest, over_words
from merflow.params import FaceParams, SmileParams
from merflow.paths import Inputs
from merflow.store import read_features, read_metadata, write_index, write_table

SMILE = {"feature_set": "eGeMAPSv02", "level": "lld"}
FACE = {"min_size": 0.1, "scale_factor": 1.1, "min_neighbors": 5}
START_S = {"a[0]": 0.0, "a[1]": 2.0, "a[2]": 4.0}
SPOKEN = [
    [0.0, 0.3],
    [0.3, 0.5],
    [0.5, 0.9],
    [1.9, 2.3],
    [2.3, 2.4],
    [2.4, 3.2],
]  # the middle of the fourth is in a[1], its start before
TIMES = [0.02, 0.4, 0.8]  # of pictures


def pictures(folder, ids):
    """Three pictures of each of `ids`: two with a face, one without."""
    drawn = [
        Portrait(person("mosei", "Ida"), None, 120).draw(EXPRESSIONS[name], 0.2, blink=False)
        for name in ("joy", "anger")
    ]
    data = [cv2.imencode(".jpg", one)[1].tobytes() for one in [*drawn, np.zeros_like(drawn[0])]]
    rows = [
        {
            "utterance_id": name,
            "frame": 10 * number,
            "time_s": TIMES[number],
            "values": data[number],
        }
        for name in ids
        for number in range(3)
    ]
    write_table(
        folder / "frames_every10" / "00000.parquet",
        pd.DataFrame(rows, columns=artifacts.FRAMES.names),
        artifacts.FRAMES,
    )
    write_index(folder / "frames_every10", artifacts.FRAMES, {})
    return folder / "frames_every10" / "INDEX.json"


@pytest.fixture
def stage(tmp_path):
    """Files of the stage: a video with two spoken utterances, one of them without pictures, and one without words."""
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "SOURCE.json").write_text("{}")
    write_csd(raw / WORDS, {"a": ([[b"word"]] * len(SPOKEN), SPOKEN)})
    ticks = np.arange(60) / 10
    write_csd(
        raw / "frames.csd",
        {"a": (np.ones((60, 3), np.float32), np.column_stack([ticks, ticks + 0.1]))},
    )
    utterances = write_utterances(
        tmp_path / "utterances.parquet",
        [(name, "a", start, start + 1.5) for name, start in START_S.items()],
    )
    return [
        raw / "SOURCE.json",
        utterances,
        sounds(tmp_path, dict.fromkeys(START_S, 24_000)),
        pictures(tmp_path, ["a[0]", "a[2]"]),
    ]


def test_features_of_clips_have_the_rows_of_the_corpus_own_sequences(tmp_path, stage):
    own, heard, seen = (
        build(tmp_path, stage, 1, feature=feature, spec=spec)
        for feature, spec in (
            ("covarep", {"file": "frames.csd", "dim": 3}),
            ("egemaps_aligned", SMILE),
            ("face_aligned", FACE),
        )
    )
    words = {name: len(rows) for name, rows in read_features(own).items()}
    assert words == {"a[0]": 3, "a[1]": 3}
    assert {name: len(rows) for name, rows in read_features(heard).items()} == words
    assert {name: len(rows) for name, rows in read_features(seen).items()} == {
        "a[0]": 3
    }  # a[1] has no pictures
    for store, width in ((heard, 25), (seen, len(face.columns(None, None)))):
        stored = read_metadata(store, artifacts.FEATURES)
        assert stored["dim"] == len(stored["spec"]["columns"]) == width
        assert [(defect["utterance_id"], defect["kind"]) for defect in stored["defects"]] == [
            ("a[2]", "no words")
        ]


def test_a_word_of_sound_is_the_mean_of_the_descriptors_in_its_time(tmp_path, stage):
    rows = read_features(build(tmp_path, stage, 1, feature="egemaps_aligned", spec=SMILE))["a[1]"]
    (frames,) = smile.extract(
        [Sounds.of(Inputs.of(stage), None).read(["a[1]"])], SmileParams(**SMILE)
    )
    # row i is the window from 10 i to 10 i + 20 ms: 0.3 to 0.4 s is from the half of row 29, which is nearest up to 0.305 s, to that of 39
    np.testing.assert_allclose(rows[1], frames[29:40].mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(
        rows[0], frames[:30].mean(axis=0), rtol=1e-5
    )  # what is spoken before the utterance begins has no frames


def test_a_word_of_pictures_is_the_mean_of_the_nearest(tmp_path, stage):
    rows = read_features(build(tmp_path, stage, 1, feature="face_aligned", spec=FACE))["a[0]"]
    (frames,) = face.extract(
        [Pictures.of(Inputs.of(stage), None).read(["a[0]"])], FaceParams(**FACE), None
    )
    assert frames[0].any() and frames[1].any() and not frames[2].any()
    # pictures at 0.02, 0.4 and 0.8 s are the nearest up to 0.21 s, up to 0.6 s and from then on
    np.testing.assert_allclose(
        rows, [(frames[0] + frames[1]) / 2, frames[1], (frames[1] + frames[2]) / 2], rtol=1e-6
    )


def test_a_word_between_or_beyond_all_frames_has_the_nearest():
    values = np.array([[1.0], [2.0], [3.0]], np.float32)
    words = np.array([[-2.0, -1.0], [0.6, 0.9], [1.2, 1.3], [8.0, 9.0], [1.4, 2.0]])
    assert mean(values, nearest(np.array([0.0, 1.0, 2.0])), words)[:, 0].tolist() == [
        1,
        2,
        2,
        3,
        2.5,
    ]
    assert mean(values[:1], nearest(np.array([0.5])), words)[:, 0].tolist() == [1] * 5


def test_what_an_extractor_flags_stays_flagged_and_blocks_are_read_one_at_a_time():
    read = []

    def blocks():
        for number in range(3):
            read.append(number)
            yield [
                Item(
                    np.full((2, 1), number, np.float32),
                    np.array([0.1, 0.2]),
                    np.array([[0.0, 1.0], [0.5, 0.5]]),
                )
            ]

    def extract(media):
        for number, (one,) in enumerate(media):
            yield (
                Flagged(None, "lost", "", "not in the store")
                if number == 1
                else Flagged(one, "no face", "", "kept")
                if number
                else one
            )

    made = over_words(extract, blocks())
    first = next(made)
    assert read == [0]
    assert (first.kind, first.detail, first.values.tolist()) == (
        "words without frames",
        "1 of 2",
        [[0], [0]],
    )
    lost, flagged = made
    assert lost == Flagged(None, "lost", "", "not in the store")
    assert (flagged.kind, flagged.values.tolist()) == ("no face", [[2], [0]])


def test_without_words_no_utterance_has_the_features(tmp_path, stage):
    (stage[0].parent / WORDS).unlink()
    stored = build(tmp_path, stage, 1, feature="egemaps_aligned", spec=SMILE)
    assert read_features(stored) == {}
    (defect,) = read_metadata(stored, artifacts.FEATURES)["defects"]
    assert (defect["kind"], defect["detail"]) == ("sequence absent", WORDS)


def test_words_that_cannot_be_read_are_one_line(tmp_path, stage):
    (stage[0].parent / WORDS).write_bytes(b"<html>")
    with pytest.raises(CorpusError, match="not a readable HDF5 file"):
        build(tmp_path, stage, 1, feature="egemaps_aligned", spec=SMILE)
