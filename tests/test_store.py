"""Artifacts are whole or absent, fit their columns, and come back as they went in."""

import errno

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from merflow import artifacts, store
from merflow.errors import StoreError

ARRAYS = {"a": np.ones((1, 2), np.float32), "b": np.arange(6, dtype=np.float32).reshape(3, 2)}


def test_features_come_back_as_they_went_in(tmp_path):
    path = tmp_path / "bert.parquet"
    store.write_features(path, ARRAYS.items(), {"feature": "bert"}, lambda: ["found late"])
    found = store.read_features(path)
    assert list(found) == ["a", "b"]
    np.testing.assert_array_equal(found["b"], [[0, 1], [2, 3], [4, 5]])
    assert found["b"].dtype == np.float32
    assert list(store.read_features(path, ["b"])) == ["b"]
    assert [(name, array.shape) for name, array in store.iterate_features(path)] == [
        ("a", (1, 2)),
        ("b", (3, 2)),
    ]
    spec = {"dim": 2, "dtype": "<f4", "spec": {"feature": "bert"}, "defects": ["found late"]}
    assert store.read_metadata(path, artifacts.FEATURES) == spec


def test_many_features_scan_into_one_array(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    arrays = {
        f"u{i:04}": rng.normal(size=(rng.integers(1, 9), 3)).astype(np.float32) for i in range(300)
    }
    for group in (10_000, store.ROW_GROUP):  # one row group, three
        monkeypatch.setattr(store, "ROW_GROUP", group)
        store.write_features(tmp_path / "s", arrays.items(), {})
        ids, values, starts = store.scan_features(tmp_path / "s")
        assert ids == list(arrays)
        for i, array in enumerate(arrays.values()):
            np.testing.assert_array_equal(values[starts[i] : starts[i + 1]], array)
    assert not values.flags.owndata  # a view of Arrow's buffer
    assert {name: array.shape for name, array in store.iterate_features(tmp_path / "s")} == {
        k: v.shape for k, v in arrays.items()
    }


def test_no_features_are_a_store_too(tmp_path):
    store.write_features(tmp_path / "s", [], {})
    assert store.read_features(tmp_path / "s") == {}
    assert list(store.iterate_features(tmp_path / "s")) == []
    assert [len(found) for found in store.scan_features(tmp_path / "s")] == [0, 0, 1]


def test_same_features_are_the_same_bytes(tmp_path):
    store.write_features(tmp_path / "1", ARRAYS.items(), {})
    store.write_features(tmp_path / "2", iter(list(ARRAYS.items())), {})
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


def test_a_missing_utterance_is_named(tmp_path):
    store.write_features(tmp_path / "s", ARRAYS.items(), {})
    with pytest.raises(StoreError, match="1 utterances are not in the store, the first is c"):
        store.read_features(tmp_path / "s", ["a", "c"])


@pytest.mark.parametrize(
    ("rows", "says"),
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
def test_features_that_do_not_belong_together_are_refused_and_leave_nothing(tmp_path, rows, says):
    with pytest.raises(StoreError, match=says):
        store.write_features(tmp_path / "s", rows, {})
    assert not list(tmp_path.iterdir())


def test_a_folder_of_parts_is_read_by_id(tmp_path):
    for part, ids in (("00000", "aab"), ("00001", "cdd")):
        rows = {
            "utterance_id": list(ids),
            "frame": range(3),
            "time_s": [0.0, 0.5, 1.0],
            "values": [name.encode() for name in ids],
        }
        store.write_table(tmp_path / f"{part}.parquet", pd.DataFrame(rows), artifacts.FRAMES)
    with pytest.raises(StoreError, match=r"no INDEX\.json in it"):
        store.read_parts(tmp_path, artifacts.FRAMES)
    store.write_index(tmp_path, artifacts.FRAMES, {"code": "c0"})
    assert store.read_index(tmp_path)["parts"][1] == {
        "name": "00001.parquet",
        "rows": 3,
        "utterances": 2,
        "first": "c",
        "last": "d",
    }
    assert store.read_parts(tmp_path, artifacts.FRAMES)["utterance_id"].tolist() == list("aabcdd")
    (tmp_path / "00001.parquet").write_bytes(b"broken")  # not opened for what it does not hold
    assert store.read_parts(tmp_path, artifacts.FRAMES, ["a"], ["values"])["values"].tolist() == [
        b"a",
        b"a",
    ]
    with pytest.raises(StoreError, match="not a readable Parquet file"):
        store.read_parts(tmp_path, artifacts.FRAMES, ["d"])
    assert store.read_parts(tmp_path, artifacts.FRAMES, []).empty


def split_table(**columns):
    return pd.DataFrame(
        {"utterance_id": ["u"], "scheme": ["official"], "fold": [0], "split": ["train"]} | columns
    )


def test_a_table_must_fit_its_columns(tmp_path):
    with pytest.raises(StoreError, match="does not fit"):
        store.write_table(tmp_path / "t", split_table().drop(columns="fold"), artifacts.SPLITS)
    with pytest.raises(StoreError, match="split: string not null"):
        store.write_table(tmp_path / "t", split_table(split=[None]), artifacts.SPLITS)
    store.write_table(tmp_path / "t", split_table(), artifacts.SPLITS, {"source": "demo"})
    assert store.read_table(tmp_path / "t", artifacts.SPLITS, ["split"])["split"].tolist() == [
        "train"
    ]
    assert store.read_metadata(tmp_path / "t", artifacts.SPLITS) == {"source": "demo"}


def test_an_absent_or_broken_file_is_one_line(tmp_path):
    with pytest.raises(StoreError, match="no such file; build it with"):
        store.read_table(tmp_path / "none", artifacts.SPLITS)
    (tmp_path / "broken").write_text("PAR1 no")
    with pytest.raises(StoreError, match="not a readable Parquet file"):
        store.read_table(tmp_path / "broken", artifacts.SPLITS)
    pq.write_table(pa.table({"x": [1]}), tmp_path / "other")
    with pytest.raises(StoreError, match=r"columns .* are missing"):
        store.read_table(tmp_path / "other", artifacts.SPLITS)


def test_no_space_leaves_the_earlier_artifact_whole(tmp_path, monkeypatch):
    path = tmp_path / "splits.parquet"
    store.write_table(path, split_table(), artifacts.SPLITS)
    before = path.read_bytes()

    def full(*args, **kwargs):
        args[1].write_bytes(b"half a file")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(store.pq, "write_table", full)
    with pytest.raises(
        StoreError, match=r"splits\.parquet: no space left on the disk; free some and run again"
    ):
        store.write_table(path, split_table(split=["test"]), artifacts.SPLITS)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_failing_block_leaves_nothing_behind(tmp_path):
    with pytest.raises(ValueError, match="stop"), store.whole(tmp_path / "a" / "x") as part:
        part.write_text("half")
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


def test_rows_of_an_utterance_are_read_when_asked_for(tmp_path):
    ids = [
        name for name in "abcdefgh" for _ in range(50)
    ]  # row groups of 128: c and f lie in two of them
    for part, names in (("0", ids[:250]), ("1", ids[250:])):
        rows = {
            "utterance_id": names,
            "frame": range(len(names)),
            "time_s": 0.0,
            "values": [f"{part}-{i}".encode() for i in range(len(names))],
        }
        store.write_table(tmp_path / f"{part}.parquet", pd.DataFrame(rows), artifacts.FRAMES)
    store.write_index(tmp_path, artifacts.FRAMES, {})
    parts = store.Parts(tmp_path, artifacts.FRAMES)
    assert parts.ids == list("abcdefgh")
    assert parts.read("c", "values") == [f"0-{i}".encode() for i in range(100, 150)]
    assert parts.read("h", "frame") == list(range(100, 150))
    whole = store.read_parts(tmp_path, artifacts.FRAMES, ["f"])
    assert parts.read("f", "values") == whole["values"].tolist()
