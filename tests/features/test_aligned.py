"""Computational sequences averaged over words: which utterances have them, and the mean."""

import h5py
import numpy as np
import pytest
from support.feature_stores import write_csd, write_utterances

from merflow.artifacts import Defect
from merflow.corpora.csd import WORDS, Reader, Sequence, spoken
from merflow.errors import CorpusError
from merflow.features.aligned import SequenceItem, SpokenSequence, extract
from merflow.features.extractor import Flagged
from merflow.features.words import EPSILON_S
from merflow.params import AlignedParams

PARAMS = AlignedParams(file="frames.csd", dim=3)


@pytest.fixture
def corpus(tmp_path):
    """Folder and utterances.parquet of two videos, a and b.

    Video a has words and frames of 0.25 s, b has words only. The sequence also has a video c
    without utterances.
    """
    times = np.column_stack([np.arange(8), np.arange(1, 9)]) / 4
    frames = np.arange(24, dtype=np.float32).reshape(8, 3)
    write_csd(tmp_path / "frames.csd", {"a": (frames, times), "c": (frames, times)})
    words = [[b"sp"], [b"so"], [b"it"], [b"is"], [b"late"]]
    spans = [[0, 0.25], [0.25, 0.5], [0.5, 1.0], [1.0, 1.6], [5.0, 6.0]]
    write_csd(tmp_path / WORDS, {"a": (words, spans), "b": ([[b"no"]], [[0, 1]])})
    utterances = [
        ("a[0]", "a", 0.0, 1.0),
        ("a[1]", "a", 1.0, 6.0),
        ("a[2]", "a", 2.0, 3.0),
        ("b[0]", "b", 0.0, 1.0),
    ]
    return tmp_path, write_utterances(tmp_path / "utterances.parquet", utterances)


def extract_item(item):
    (result,) = extract([[item]], PARAMS, None)
    return result


def values_of(item):
    result = extract_item(item)
    return result.values if isinstance(result, Flagged) else result


# Words of an utterance


def test_a_word_belongs_to_the_utterance_of_its_middle():
    words = Sequence(
        np.array([[b"late"], [b"sp"], [b"first"], [b"edge"]]),
        np.array([[2.0, 3], [1, 2], [0, 1], [3, 5]]),
    )
    # in order of time, and without the pause "sp"
    assert spoken(words, 0, 4)[0] == ["first", "late"]
    text, intervals = spoken(words, 2.5, 4.5)
    assert text == ["late", "edge"]
    assert intervals.tolist() == [[2, 3], [3, 5]]
    text, intervals = spoken(words, 8, 9)
    assert text == []
    assert intervals.shape == (0, 2)


def test_utterances_need_words_and_a_video_in_the_sequence(corpus):
    source = SpokenSequence(*corpus, PARAMS)
    assert source.ids == ["a[0]", "a[1]"]
    video_b = "video b, 1 utterances, is not in frames.csd"
    video_c = "video c of frames.csd"
    assert source.defects == [
        Defect("a[2]", "no words", f"no word of {WORDS} in its time", "not in the store"),
        Defect(None, "video without sequence", video_b, "not in the store"),
        Defect(None, "sequence without utterances", video_c, "left out"),
    ]


def test_an_item_has_the_words_and_frames_of_its_utterance(corpus):
    source = SpokenSequence(*corpus, PARAMS)
    first, second = source.read(["a[0]", "a[1]"])
    assert first.words.tolist() == [[0.25, 0.5], [0.5, 1.0]]
    assert first.intervals.tolist() == [[0.25, 0.5], [0.5, 0.75], [0.75, 1.0]]
    assert values_of(first).tolist() == [[3, 4, 5], [7.5, 8.5, 9.5]]
    flagged = extract_item(second)
    # frames 4 to 6: the word covers 0.1 s of the last, which counts fully
    assert flagged.values.tolist() == [[15, 16, 17], [0, 0, 0]]
    assert (flagged.kind, flagged.detail) == ("words without frames", "1 of 2")
    assert flagged.action == "rows of zeros"


@pytest.mark.parametrize("name", ["frames.csd", WORDS])
def test_without_a_file_no_utterance_has_the_feature(corpus, name):
    raw, utterances = corpus
    (raw / name).unlink()
    source = SpokenSequence(raw, utterances, PARAMS)
    assert source.ids == []
    assert source.defects == [
        Defect(None, "sequence absent", name, "no utterance has this feature")
    ]
    assert list(extract([], PARAMS, None)) == []


def test_another_file_or_width_is_an_error(corpus):
    raw, utterances = corpus
    source = SpokenSequence(raw, utterances, AlignedParams(file="frames.csd", dim=4))
    message = r"video a: features has shape \(8, 3\), expected \(n, 4\)"
    with pytest.raises(CorpusError, match=message):
        source.read(["a[0]"])
    (raw / "frames.csd").write_bytes(b"<html>")
    with pytest.raises(CorpusError, match="not a readable HDF5 file"):
        SpokenSequence(raw, utterances, PARAMS)


@pytest.mark.parametrize(
    ("intervals", "message"),
    [
        (np.zeros((8, 3)), r"intervals has shape \(8, 3\), expected \(n, 2\)"),
        (np.zeros((7, 2)), "8 features for 7 intervals"),
        (np.full((8, 2), np.nan), "intervals hold values that are not finite"),
    ],
)
def test_intervals_that_are_not_times_are_refused(corpus, intervals, message):
    raw, utterances = corpus
    with h5py.File(raw / "frames.csd", "a") as file:
        del file["name/data/a/intervals"]
        file["name/data/a/intervals"] = intervals
    with pytest.raises(CorpusError, match=f"frames.csd: video a: {message}$"):
        SpokenSequence(raw, utterances, PARAMS).read(["a[0]"])


def test_sequences_of_any_rate_and_length_have_the_same_rows(corpus):
    """The second sequence ends before the words: missing frames are counted, no row is absent."""
    raw, utterances = corpus
    times = np.array([[0, 0.4], [0.4, 0.8]])
    write_csd(raw / "other.csd", {"a": (np.ones((2, 5), np.float16), times)})
    for params in (PARAMS, AlignedParams(file="other.csd", dim=5)):
        source = SpokenSequence(raw, utterances, params)
        assert source.ids == ["a[0]", "a[1]"]
        first, second = extract([source.read(source.ids)], PARAMS, None)
        assert first.shape == second.values.shape == (2, params.dim)
    assert (second.kind, second.detail) == ("words without frames", "2 of 2")


def test_a_word_without_length_has_no_frames():
    words = np.array([[0.5, 0.5], [1.5, 0.5], [0, 1]])  # the second ends before it starts
    flagged = extract_item(SequenceItem(np.ones((2, 3)), np.array([[0, 1.0], [1, 2]]), words))
    assert flagged.values[:, 0].tolist() == [0, 0, 1]
    assert (flagged.kind, flagged.detail) == ("words without frames", "2 of 3")


def test_a_large_array_is_refused_before_it_is_read(corpus):
    raw, utterances = corpus
    with h5py.File(raw / "frames.csd", "a") as file:
        del file["name/data/a/features"]
        file["name/data/a"].create_dataset("features", (10**9, 3), "f4", chunks=(1, 3))
    with pytest.raises(CorpusError, match=r"12000000000 bytes, more than .* refused"):
        SpokenSequence(raw, utterances, PARAMS).read(["a[0]"])


def test_a_video_is_read_once(corpus, monkeypatch):
    source, videos, read = SpokenSequence(*corpus, PARAMS), [], Reader.read
    monkeypatch.setattr(
        Reader, "read", lambda self, video: videos.append(video) or read(self, video)
    )
    source.read(["a[0]", "a[1]"])
    source.read(["a[1]"])
    assert videos == ["a"]


# Mean over a word


def naive_average(item):
    rows = []
    for start, end in item.words:
        inside = [
            values
            for values, (low, high) in zip(item.values, item.intervals, strict=True)
            if min(high, end) - max(low, start) > EPSILON_S
        ]
        columns = np.reshape(inside, (-1, item.values.shape[1])).T
        finite = [column[np.isfinite(column)].astype(np.float64) for column in columns]
        rows.append([column.mean() if len(column) else 0.0 for column in finite])
    return np.array(rows)


@pytest.mark.parametrize("seed", range(20))
def test_the_mean_equals_a_naive_loop_for_any_intervals(seed):
    """Frames and words overlap, have gaps, no length or another order; values may be infinite."""
    rng = np.random.default_rng(seed)
    n, k = int(rng.integers(0, 60)), int(rng.integers(1, 12))
    grid = rng.integers(0, 40, (n, 1)) / 8
    frames = np.hstack([grid, grid + rng.choice([0, 1 / 8, 1 / 3, 2.0], (n, 1))])
    words = np.sort(rng.integers(0, 40, (k, 2)) / 8, axis=1)
    values = rng.normal(size=(n, 3)).astype(rng.choice(["f4", "f8", "f2"]))
    values[rng.random(values.shape) < 0.2] = rng.choice([np.nan, np.inf, -np.inf])
    item = SequenceItem(values, frames, words)
    np.testing.assert_allclose(values_of(item), naive_average(item), rtol=1e-6, atol=1e-7)


def test_values_that_are_not_finite_are_left_out_and_counted():
    values = np.array([[1, -np.inf, 2], [3, np.nan, np.nan], [5, 1e300, 9]])
    intervals = np.array([[0, 1.0], [1, 2], [8, 9]])  # the last frame is in no word
    flagged = extract_item(SequenceItem(values, intervals, np.array([[0.0, 2.0], [4, 5]])))
    assert flagged.values.tolist() == [[2, 0, 2], [0, 0, 0]]
    assert flagged.values.dtype == np.float32
    assert flagged.kind == "not finite"
    assert flagged.detail == "3 values in 2 words; 1 words without frames"


def test_an_overlap_by_rounding_does_not_count():
    item = SequenceItem(
        np.array([[1.0, 1, 1], [9, 9, 9]]),
        np.array([[0, 0.5 + 1e-9], [0.5, 1.0]]),
        np.array([[0, 0.5], [0.5, 1.0]]),
    )
    assert values_of(item)[:, 0].tolist() == [1, 9]


def test_integers_are_averaged_as_numbers():
    item = SequenceItem(
        np.array([[1, 2, 3], [2, 2, 3]], np.int16),
        np.array([[0, 0.5], [0.5, 1]]),
        np.array([[0.0, 1.0]]),
    )
    assert values_of(item).tolist() == [[1.5, 2, 3]]
