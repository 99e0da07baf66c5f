"""Artifacts are whole or absent, fit their columns, and are read as they were written."""

import errno

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from merflow import artifacts, store
from merflow.errors import StoreError

ARRAYS = {"a": np.ones((1, 2), np.float32), "b": np.arange(6, dtype=np.float32).reshape(3, 2)}


def test_features_are_read_as_they_were_written(tmp_path):
    path = tmp_path / "bert.parquet"
    store.write_features(path, ARRAYS.items(), {"feature": "bert"}, lambda: ["found late"])
    arrays = store.read_features(path)
    assert list(arrays) == ["a", "b"]
    np.testing.assert_array_equal(arrays["b"], [[0, 1], [2, 3], [4, 5]])
    assert arrays["b"].dtype == np.float32
    assert list(store.read_features(path, ["b"])) == ["b"]
    shapes = [(name, array.shape) for name, array in store.iterate_features(path)]
    assert shapes == [("a", (1, 2)), ("b", (3, 2))]
    metadata = {"dim": 2, "dtype": "<f4", "spec": {"feature": "bert"}, "defects": ["found late"]}
    assert store.read_metadata(path, artifacts.FEATURES) == metadata


@pytest.mark.parametrize("rows", [10_000, 128], ids=["one row group", "three row groups"])
def test_a_scan_is_one_view_of_all_features(tmp_path, monkeypatch, rows):
    rng = np.random.default_rng(0)
    arrays = {
        f"u{i:04}": rng.normal(size=(rng.integers(1, 9), 3)).astype(np.float32) for i in range(300)
    }
    monkeypatch.setattr(store.features, "ROW_GROUP", rows)
    store.write_features(tmp_path / "s", arrays.items(), {})
    ids, values, starts = store.scan_features(tmp_path / "s")
    assert ids == list(arrays)
    for i, array in enumerate(arrays.values()):
        np.testing.assert_array_equal(values[starts[i] : starts[i + 1]], array)
    assert not values.flags.owndata  # a view of Arrow's buffer
    shapes = {name: array.shape for name, array in store.iterate_features(tmp_path / "s")}
    assert shapes == {name: array.shape for name, array in arrays.items()}


def test_an_empty_feature_store_is_readable(tmp_path):
    store.write_features(tmp_path / "s", [], {})
    assert store.read_features(tmp_path / "s") == {}
    assert list(store.iterate_features(tmp_path / "s")) == []
    assert [len(array) for array in store.scan_features(tmp_path / "s")] == [0, 0, 1]


def test_same_features_are_the_same_bytes(tmp_path):
    store.write_features(tmp_path / "1", ARRAYS.items(), {})
    store.write_features(tmp_path / "2", iter(list(ARRAYS.items())), {})
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


def test_a_missing_utterance_is_named(tmp_path):
    store.write_features(tmp_path / "s", ARRAYS.items(), {})
    with pytest.raises(StoreError, match="1 utterances are not in the store, the first is c"):
        store.read_features(tmp_path / "s", ["a", "c"])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            [("a", np.ones((1, 2))), ("b", np.ones((1, 3)))],
            r"b: an array \(1, 3\) of <f8; expected \(n_frames, 2\) of <f8",
        ),
        (
            [("a", np.ones((1, 2))), ("b", np.ones((1, 2), np.float32))],
            "b: an array .* of <f4; expected",
        ),
        ([("a", np.ones(2))], "a: an array"),
        ([("b", np.ones((1, 2))), ("a", np.ones((1, 2)))], "a after b: ids must ascend"),
        ([("a", np.ones((1, 2))), ("a", np.ones((1, 2)))], "a after a: ids must ascend"),
        ([("a", np.array([[1, np.nan]]))], "a: a value is not finite"),
    ],
)
def test_invalid_features_are_refused_and_leave_no_file(tmp_path, rows, message):
    with pytest.raises(StoreError, match=message):
        store.write_features(tmp_path / "s", rows, {})
    assert not list(tmp_path.iterdir())


def test_media_are_read_by_utterance_id(tmp_path):
    for name, ids in (("00000", "aab"), ("00001", "cdd")):
        rows = {
            "utterance_id": list(ids),
            "frame": range(3),
            "time_s": [0.0, 0.5, 1.0],
            "values": [utterance_id.encode() for utterance_id in ids],
        }
        store.write_table(tmp_path / f"{name}.parquet", pd.DataFrame(rows), artifacts.FRAMES)
    with pytest.raises(StoreError, match=r"no INDEX\.json in it"):
        store.read_media(tmp_path, artifacts.FRAMES)
    store.write_index(tmp_path, artifacts.FRAMES, {"code": "c0"})
    assert store.read_index(tmp_path)["parts"][1] == {
        "name": "00001.parquet",
        "rows": 3,
        "utterances": 2,
        "first": "c",
        "last": "d",
    }
    rows = store.read_media(tmp_path, artifacts.FRAMES)
    assert rows["utterance_id"].tolist() == list("aabcdd")
    # a file is not opened for utterances that it does not hold
    (tmp_path / "00001.parquet").write_bytes(b"broken")
    rows = store.read_media(tmp_path, artifacts.FRAMES, ["a"], ["values"])
    assert rows["values"].tolist() == [b"a", b"a"]
    with pytest.raises(StoreError, match="not a readable Parquet file"):
        store.read_media(tmp_path, artifacts.FRAMES, ["d"])
    assert store.read_media(tmp_path, artifacts.FRAMES, []).empty


def test_media_are_read_on_request(tmp_path):
    # row groups have 128 rows: c and f lie in two of them
    ids = [utterance_id for utterance_id in "abcdefgh" for _ in range(50)]
    for name, file_ids in (("0", ids[:250]), ("1", ids[250:])):
        rows = {
            "utterance_id": file_ids,
            "frame": range(len(file_ids)),
            "time_s": 0.0,
            "values": [f"{name}-{i}".encode() for i in range(len(file_ids))],
        }
        store.write_table(tmp_path / f"{name}.parquet", pd.DataFrame(rows), artifacts.FRAMES)
    store.write_index(tmp_path, artifacts.FRAMES, {})
    reader = store.MediaReader(tmp_path, artifacts.FRAMES)
    assert reader.ids == list("abcdefgh")
    assert reader.read("c", "values") == [f"0-{i}".encode() for i in range(100, 150)]
    assert reader.read("h", "frame") == list(range(100, 150))
    rows = store.read_media(tmp_path, artifacts.FRAMES, ["f"])
    assert reader.read("f", "values") == rows["values"].tolist()


def split_table(**columns):
    row = {"utterance_id": ["u"], "scheme": ["official"], "fold": [0], "split": ["train"]}
    return pd.DataFrame(row | columns)


def test_a_table_must_fit_its_columns(tmp_path):
    path = tmp_path / "t"
    with pytest.raises(StoreError, match="does not fit"):
        store.write_table(path, split_table().drop(columns="fold"), artifacts.SPLITS)
    with pytest.raises(StoreError, match="split: string not null"):
        store.write_table(path, split_table(split=[None]), artifacts.SPLITS)
    store.write_table(path, split_table(), artifacts.SPLITS, {"source": "demo"})
    assert store.read_table(path, artifacts.SPLITS, ["split"])["split"].tolist() == ["train"]
    assert store.read_metadata(path, artifacts.SPLITS) == {"source": "demo"}


def test_an_absent_or_broken_file_is_one_line(tmp_path):
    with pytest.raises(StoreError, match="no such file; build it with"):
        store.read_table(tmp_path / "none", artifacts.SPLITS)
    (tmp_path / "broken").write_text("PAR1 no")
    with pytest.raises(StoreError, match="not a readable Parquet file"):
        store.read_table(tmp_path / "broken", artifacts.SPLITS)
    pq.write_table(pa.table({"x": [1]}), tmp_path / "other")
    with pytest.raises(StoreError, match=r"columns .* are missing"):
        store.read_table(tmp_path / "other", artifacts.SPLITS)


def test_a_full_disk_leaves_the_earlier_artifact(tmp_path, monkeypatch):
    path = tmp_path / "splits.parquet"
    store.write_table(path, split_table(), artifacts.SPLITS)
    before = path.read_bytes()

    def fill_disk(*args, **kwargs):
        args[1].write_bytes(b"half a file")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(store.tables.pq, "write_table", fill_disk)
    message = r"splits\.parquet: no space left on the disk; free some and run again"
    with pytest.raises(StoreError, match=message):
        store.write_table(path, split_table(split=["test"]), artifacts.SPLITS)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_failing_block_leaves_no_file(tmp_path):
    path = tmp_path / "a" / "x"
    with pytest.raises(ValueError, match="stop"), store.whole(path) as partial_path:
        partial_path.write_text("half")
        raise ValueError("stop")
    assert not list((tmp_path / "a").iterdir())


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path):
    out = tmp_path / "out"
    store.write_folder(out, {"a.txt": "1", "b/c.txt": "2"})
    store.write_folder(out, {"a.txt": "3"})
    assert [path.relative_to(out).as_posix() for path in out.rglob("*")] == ["a.txt"]
    with pytest.raises(StoreError, match="out: cannot be written"):
        store.write_folder(out, {"a.txt": "4", "a.txt/b": "5"})
    assert (out / "a.txt").read_text() == "3"
    assert list(tmp_path.iterdir()) == [out]
