import h5py
import numpy as np
import pandas as pd
import pytest

from merflow import artifacts
from merflow.artifacts import Defect
from merflow.corpora.csd import WORDS, Sequence, spoken
from merflow.errors import CorpusError
from merflow.features import aligned
from merflow.features.aligned import Item, Spoken, extract
from merflow.features.extractor import Flagged
from merflow.features.words import EPSILON_S
from merflow.params import AlignedParams
from merflow.store import write_table

PARAMS = AlignedParams(file="frames.csd", dim=3)


def write_csd(path, videos: dict[str, tuple]) -> None:
    with h5py.File(path, "w") as file:
        for video, (features, intervals) in videos.items():
            group = file.create_group(f"name/data/{video}")
            group["features"], group["intervals"] = features, np.asarray(intervals, np.float64)


def write_utterances(path, spans: list[tuple[str, str, float | None, float | None]]):
    rows = pd.DataFrame(spans, columns=["utterance_id", "dialogue_id", "start_s", "end_s"])
    rows = rows.assign(turn=0, speaker="", labels=[[] for _ in spans]).reindex(
        columns=artifacts.UTTERANCES.names
    )
    write_table(path, rows, artifacts.UTTERANCES)
    return path


@pytest.fixture
def corpus(tmp_path):
    """Two videos: of "a", words and frames of 0.25 s; of "b", words alone; frames of "c" without utterances."""
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


def rows_of(item: Item) -> np.ndarray:
    (row,) = extract([[item]], PARAMS, None)
    return row.values if isinstance(row, Flagged) else row


# --- the words of an utterance


def test_a_word_belongs_to_where_its_middle_lies_pauses_to_nothing_and_order_is_of_time():
    words = Sequence(
        np.array([[b"late"], [b"sp"], [b"first"], [b"edge"]]),
        np.array([[2.0, 3], [1, 2], [0, 1], [3, 5]]),
    )
    assert spoken(words, 0, 4)[0] == ["first", "late"]
    text, intervals = spoken(words, 2.5, 4.5)
    assert text == ["late", "edge"] and intervals.tolist() == [[2, 3], [3, 5]]
    assert spoken(words, 8, 9)[0] == [] and spoken(words, 8, 9)[1].shape == (0, 2)


def test_utterances_with_words_and_frames_and_what_the_others_lack(corpus):
    source = Spoken(*corpus, PARAMS)
    assert source.ids == ["a[0]", "a[1]"]
    assert source.defects == [
        Defect("a[2]", "no words", f"no word of {WORDS} in its time", "not in the store"),
        Defect(
            None,
            "video without sequence",
            "video b, 1 utterances, is not in frames.csd",
            "not in the store",
        ),
        Defect(None, "sequence without utterances", "video c of frames.csd", "left out"),
    ]
    first, second = source.read(["a[0]", "a[1]"])
    assert first.words.tolist() == [[0.25, 0.5], [0.5, 1.0]] and first.intervals.tolist() == [
        [0.25, 0.5],
        [0.5, 0.75],
        [0.75, 1.0],
    ]
    assert rows_of(first).tolist() == [[3, 4, 5], [7.5, 8.5, 9.5]]
    (flagged,) = extract([[second]], PARAMS, None)
    assert flagged.values.tolist() == [
        [15, 16, 17],
        [0, 0, 0],
    ]  # frames 4 to 6: the last is touched for 0.1 s and counts whole
    assert (flagged.kind, flagged.detail, flagged.action) == (
        "words without frames",
        "1 of 2",
        "rows of zeros",
    )


@pytest.mark.parametrize("name", ["frames.csd", WORDS])
def test_without_a_file_no_utterance_has_the_feature(corpus, name):
    raw, utterances = corpus
    (raw / name).unlink()
    source = Spoken(raw, utterances, PARAMS)
    assert source.ids == [] and source.defects == [
        Defect(None, "sequence absent", name, "no utterance has this feature")
    ]
    assert list(extract([], PARAMS, None)) == []


def test_another_file_or_width_is_an_error(corpus):
    raw, utterances = corpus
    with pytest.raises(
        CorpusError, match=r"video a: features has shape \(8, 3\), expected \(n, 4\)"
    ):
        Spoken(raw, utterances, AlignedParams(file="frames.csd", dim=4)).read(["a[0]"])
    (raw / "frames.csd").write_bytes(b"<html>")
    with pytest.raises(CorpusError, match="not a readable HDF5 file"):
        Spoken(raw, utterances, PARAMS)


@pytest.mark.parametrize(
    ("intervals", "message"),
    [
        (np.zeros((8, 3)), r"intervals has shape \(8, 3\), expected \(n, 2\)"),
        (np.zeros((7, 2)), "8 features for 7 intervals"),
        (np.full((8, 2), np.nan), "intervals hold values that are not finite"),
    ],
)
def test_intervals_that_do_not_say_when_are_refused(corpus, intervals, message):
    raw, utterances = corpus
    with h5py.File(raw / "frames.csd", "a") as file:
        del file["name/data/a/intervals"]
        file["name/data/a/intervals"] = intervals
    with pytest.raises(CorpusError, match=f"frames.csd: video a: {message}$"):
        Spoken(raw, utterances, PARAMS).read(["a[0]"])


def test_sequences_of_other_rates_and_lengths_give_the_same_rows(corpus):
    """The second has frames of another length and ends before the words do: what it lacks is counted, no row is missing."""
    raw, utterances = corpus
    times = np.array([[0, 0.4], [0.4, 0.8]])
    write_csd(raw / "other.csd", {"a": (np.ones((2, 5), np.float16), times)})
    sources = [
        Spoken(raw, utterances, params)
        for params in (PARAMS, AlignedParams(file="other.csd", dim=5))
    ]
    assert sources[0].ids == sources[1].ids == ["a[0]", "a[1]"]
    frames, other = (list(extract([source.read(source.ids)], PARAMS, None)) for source in sources)
    assert [row.shape for row in (frames[0], frames[1].values)] == [(2, 3), (2, 3)]
    assert [row.shape for row in (other[0], other[1].values)] == [(2, 5), (2, 5)]
    assert (other[1].kind, other[1].detail) == ("words without frames", "2 of 2")


def test_a_word_without_length_or_that_ends_before_it_starts_has_no_frames():
    item = Item(
        np.ones((2, 3)), np.array([[0, 1.0], [1, 2]]), np.array([[0.5, 0.5], [1.5, 0.5], [0, 1]])
    )
    (row,) = extract([[item]], PARAMS, None)
    assert row.values[:, 0].tolist() == [0, 0, 1]
    assert (row.kind, row.detail) == ("words without frames", "2 of 3")


def test_an_array_beyond_the_bound_is_refused_before_it_is_read(corpus):
    raw, utterances = corpus
    with h5py.File(raw / "frames.csd", "a") as file:
        del file["name/data/a/features"]
        file["name/data/a"].create_dataset("features", (10**9, 3), "f4", chunks=(1, 3))
    with pytest.raises(CorpusError, match=r"12000000000 bytes, more than .* refused"):
        Spoken(raw, utterances, PARAMS).read(["a[0]"])


def test_a_video_is_read_once(corpus, monkeypatch):
    source, read = Spoken(*corpus, PARAMS), []
    monkeypatch.setattr(
        aligned.csd.Reader,
        "read",
        lambda self, video, inner=aligned.csd.Reader.read: read.append(video) or inner(self, video),
    )
    source.read(["a[0]", "a[1]"])
    source.read(["a[1]"])
    assert read == ["a"]


# --- the mean over a word


def naive(item: Item) -> np.ndarray:
    rows = []
    for start, end in item.words:
        inside = [
            values
            for values, (low, high) in zip(item.values, item.intervals, strict=True)
            if min(high, end) - max(low, start) > EPSILON_S
        ]
        columns = [
            [float(value) for value in column if np.isfinite(value)]
            for column in zip(*inside, strict=True)
        ]
        rows.append(
            [np.mean(column) if column else 0.0 for column in columns]
            or [0.0] * item.values.shape[1]
        )
    return np.array(rows)


@pytest.mark.parametrize("seed", range(20))
def test_rows_are_those_of_a_naive_loop_for_any_intervals(seed):
    """Frames and words that overlap, have gaps, no length, another order, values that are not finite."""
    rng = np.random.default_rng(seed)
    n, k = int(rng.integers(0, 60)), int(rng.integers(1, 12))
    grid = rng.integers(0, 40, (n, 1)) / 8
    frames = np.hstack([grid, grid + rng.choice([0, 1 / 8, 1 / 3, 2.0], (n, 1))])
    words = np.sort(rng.integers(0, 40, (k, 2)) / 8, axis=1)
    values = rng.normal(size=(n, 3)).astype(rng.choice(["f4", "f8", "f2"]))
    values[rng.random(values.shape) < 0.2] = rng.choice([np.nan, np.inf, -np.inf])
    item = Item(values, frames, words)
    np.testing.assert_allclose(rows_of(item), naive(item), rtol=1e-6, atol=1e-7)


def test_values_that_are_not_finite_are_left_out_column_by_column_and_counted():
    values = np.array([[1, -np.inf, 2], [3, np.nan, np.nan], [5, 1e300, 9]])
    item = Item(values, np.array([[0, 1.0], [1, 2], [8, 9]]), np.array([[0.0, 2.0], [4, 5]]))
    (row,) = extract([[item]], PARAMS, None)
    assert row.values.tolist() == [[2, 0, 2], [0, 0, 0]] and row.values.dtype == np.float32
    assert (row.kind, row.detail) == (
        "not finite",
        "3 values in 2 words; 1 words without frames",
    )  # the last frame is in no word


def test_touching_by_rounding_is_no_overlap():
    item = Item(
        np.array([[1.0, 1, 1], [9, 9, 9]]),
        np.array([[0, 0.5 + 1e-9], [0.5, 1.0]]),
        np.array([[0, 0.5], [0.5, 1.0]]),
    )
    assert rows_of(item)[:, 0].tolist() == [1, 9]


def test_integers_are_averaged_as_numbers():
    item = Item(
        np.array([[1, 2, 3], [2, 2, 3]], np.int16),
        np.array([[0, 0.5], [0.5, 1]]),
        np.array([[0.0, 1.0]]),
    )
    assert rows_of(item).tolist() == [[1.5, 2, 3]]
