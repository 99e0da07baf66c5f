import cv2
import numpy as np
import pandas as pd
import pytest
from support.tiny_vision import blurred_noise

from merflow import artifacts
from merflow.errors import StoreError
from merflow.store import write_index, write_table
from merflow.training import frames
from merflow.training.frames import DecodedFrames


def encoded(frame):
    return cv2.imencode(".png", frame[..., ::-1])[1].tobytes()  # without loss


@pytest.fixture
def clips():
    """Frames of three clips: a and c have 15, b has 4."""
    counts = {"a": 15, "b": 4, "c": 15}
    return {name: blurred_noise(n, 30, 50, seed) for seed, (name, n) in enumerate(counts.items())}


@pytest.fixture
def folder(tmp_path, clips):
    """Folder with the frames of `clips`, and one of d that is not an image."""
    rows = [
        {"utterance_id": name, "frame": k, "time_s": 0.1 * k, "values": encoded(frame)}
        for name, of_clip in clips.items()
        for k, frame in enumerate(of_clip)
    ]
    rows.append({"utterance_id": "d", "frame": 0, "time_s": 0.0, "values": b"no image"})
    write_table(tmp_path / "00000.parquet", pd.DataFrame(rows), artifacts.FRAMES)
    write_index(tmp_path, artifacts.FRAMES, {})
    return tmp_path


def test_frames_are_scaled_to_squares_in_order_and_colour(folder, clips):
    decoded = DecodedFrames(folder, {"a", "b", "z"}, frames=15, size=10)
    assert sorted(decoded) == ["a", "b"] and len(decoded) == 2
    values = decoded["a"]
    assert values.shape == (15, 10, 10, 3) and values.dtype == np.uint8
    means = clips["a"].reshape(15, 10, 3, 10, 5, 3).mean(axis=(2, 4))  # 30 x 50 in blocks of 3 x 5
    np.testing.assert_allclose(values, means, atol=1)


def test_fewer_frames_are_spread_evenly_and_too_few_repeat(folder):
    decoded = DecodedFrames(folder, {"a", "b"}, frames=15, size=10)
    three = DecodedFrames(folder, {"a"}, frames=3, size=10)["a"]
    np.testing.assert_array_equal(three, decoded["a"][[2, 7, 12]])
    assert len(np.unique(decoded["b"].reshape(15, -1), axis=0)) == 4


def test_frames_are_decoded_on_access_and_kept_within_room(folder, monkeypatch):
    keys = []

    def decode(folder, key, data):
        keys.append(key)
        return np.zeros((4, 4, 3), np.uint8)

    monkeypatch.setattr(frames, "decode_jpeg", decode)
    decoded = DecodedFrames(folder, {"a", "c"}, frames=2, size=4)
    assert keys == []
    for key in "aaca":
        decoded[key]
    assert keys == ["a", "a", "c", "c"]
    monkeypatch.setattr(frames, "ROOM", 2 * 4 * 4 * 3)
    decoded = DecodedFrames(folder, {"a", "c"}, frames=2, size=4)
    for key in "aaca":
        decoded[key]
    assert keys[4:] == ["a", "a", "c", "c", "a", "a"]


def test_an_unreadable_frame_is_reported_in_one_line(folder):
    with pytest.raises(StoreError, match=r"^\S*: d: .*; delete the folder and run again") as error:
        DecodedFrames(folder, {"d"}, frames=1, size=4)["d"]
    assert "\n" not in str(error.value)
