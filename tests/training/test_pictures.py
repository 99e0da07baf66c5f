import cv2
import numpy as np
import pandas as pd
import pytest
from support.tiny_vision import blurred_noise

from merflow import artifacts
from merflow.errors import StoreError
from merflow.store import write_index, write_table
from merflow.training import pictures
from merflow.training.pictures import Pictures


def encoded(picture):
    return cv2.imencode(".png", picture[..., ::-1])[1].tobytes()  # without loss


@pytest.fixture
def folder(tmp_path):
    """a and c have 15 pictures, b has 4, d one that is no picture."""
    found = {
        name: blurred_noise(n, 30, 50, seed)
        for seed, (name, n) in enumerate({"a": 15, "b": 4, "c": 15}.items())
    }
    rows = [
        {"utterance_id": name, "frame": k, "time_s": 0.1 * k, "values": encoded(one)}
        for name, ones in found.items()
        for k, one in enumerate(ones)
    ]
    rows.append({"utterance_id": "d", "frame": 0, "time_s": 0.0, "values": b"no picture"})
    write_table(tmp_path / "00000.parquet", pd.DataFrame(rows), artifacts.FRAMES)
    write_index(tmp_path, artifacts.FRAMES, {})
    return tmp_path, found


def test_pictures_are_scaled_to_squares_and_keep_their_order_and_colours(folder):
    path, found = folder
    held = Pictures(path, {"a", "b", "z"}, frames=15, size=10)
    assert sorted(held) == ["a", "b"] and len(held) == 2
    values = held["a"]
    assert values.shape == (15, 10, 10, 3) and values.dtype == np.uint8
    means = found["a"].reshape(15, 10, 3, 10, 5, 3).mean(axis=(2, 4))  # 30 x 50 in blocks of 3 x 5
    np.testing.assert_allclose(values, means, atol=1)


def test_fewer_are_spread_evenly_and_too_few_repeat(folder):
    path, _ = folder
    every = Pictures(path, {"a", "b"}, frames=15, size=10)
    np.testing.assert_array_equal(
        Pictures(path, {"a"}, frames=3, size=10)["a"], every["a"][[2, 7, 12]]
    )
    assert len(np.unique(every["b"].reshape(15, -1), axis=0)) == 4


def test_pictures_are_decoded_when_asked_for_and_kept_while_there_is_room(folder, monkeypatch):
    path, _ = folder
    decoded = []
    monkeypatch.setattr(
        pictures,
        "decoded",
        lambda folder, key, data: decoded.append(key) or np.zeros((4, 4, 3), np.uint8),
    )
    held = Pictures(path, {"a", "c"}, frames=2, size=4)
    assert decoded == []
    for key in "aaca":
        held[key]
    assert decoded == ["a", "a", "c", "c"]
    monkeypatch.setattr(pictures, "ROOM", 2 * 4 * 4 * 3)
    held = Pictures(path, {"a", "c"}, frames=2, size=4)
    for key in "aaca":
        held[key]
    assert decoded[4:] == ["a", "a", "c", "c", "a", "a"]


def test_what_is_no_picture_is_one_line(folder):
    path, _ = folder
    with pytest.raises(
        StoreError, match=r"d: a picture is not readable as JPEG; delete the folder and run again"
    ):
        Pictures(path, {"d"}, frames=1, size=4)["d"]
