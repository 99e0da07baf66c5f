"""Values of the face follow what is drawn: place, size, eyes, smile, light and gradients."""

import os
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from merflow.corpora.demo.cast import person, place
from merflow.corpora.demo.expression import EXPRESSIONS
from merflow.corpora.demo.face import STUDIO, Portrait
from merflow.features.extractor import Flagged
from merflow.features.vision import face
from merflow.params import FaceParams

PARAMS = FaceParams(min_size=0.1, scale_factor=1.1, min_neighbors=5)
NAMES = face.columns(PARAMS, None)
REAL = os.environ.get("MERFLOW_REAL_DATA")


def draw(name, emotion, blink=False):
    return Portrait(person("ravdess", name), None, 160).draw(EXPRESSIONS[emotion], 0.2, blink)


def move(frame, right, down, scale=1.0):
    """Put the frame on a larger studio backdrop."""
    matrix = np.array([[scale, 0, right], [0, scale, down]], np.float32)
    return cv2.warpAffine(
        frame, matrix, (320, 240), borderMode=cv2.BORDER_CONSTANT, borderValue=STUDIO
    )


def read(*utterances):
    """Extract each utterance's values (n_frames,) by column."""
    results = face.extract([utterances], PARAMS, None)
    arrays = [result.values if isinstance(result, Flagged) else result for result in results]
    return [dict(zip(NAMES, array.T, strict=True)) for array in arrays]


def test_columns_are_unique_and_values_float32():
    (values,) = face.extract([[np.stack([draw("Ida", "joy")])]], PARAMS, None)
    assert values.shape == (1, len(NAMES))
    assert values.dtype == np.float32
    assert len(set(NAMES)) == len(NAMES) == 21 + 16 * 9


@pytest.mark.parametrize(
    "frames",
    [
        np.zeros((3, 120, 160, 3), np.uint8),
        np.full((1, 5, 4, 3), 255, np.uint8),
        np.random.default_rng(0).integers(0, 256, (2, 90, 160, 3), dtype=np.uint8),
    ],
    ids=["black", "tiny", "noise"],
)
def test_frames_without_a_face_are_zeros_and_flagged(frames):
    (result,) = face.extract([[frames]], PARAMS, None)
    assert isinstance(result, Flagged)
    assert (result.kind, result.detail) == ("no face", f"in none of {len(frames)} pictures")
    assert result.values.shape == (len(frames), len(NAMES))
    assert not result.values.any()


def test_place_and_changes_follow_a_moving_face():
    neutral, black = draw("Ida", "neutral"), np.zeros((240, 320, 3), np.uint8)
    clip = [
        move(neutral, 20, 30),
        move(neutral, 52, 30),
        move(neutral, 52, 54),
        black,
        move(neutral, 20, 30, 1.5),
    ]
    (values,) = read(np.stack(clip))
    np.testing.assert_array_equal(values["face"], [1, 1, 1, 0, 1])
    np.testing.assert_allclose(values["x"][:2], [(20 + 80) / 320, (52 + 80) / 320], atol=0.03)
    np.testing.assert_allclose(values["y"][:1], [(30 + 62) / 240], atol=0.05)
    # no change to and from a frame without a face
    np.testing.assert_allclose(values["x_change"], [0, 0.1, 0, 0, 0], atol=0.02)
    np.testing.assert_allclose(values["y_change"], [0, 0, 0.1, 0, 0], atol=0.02)
    assert values["size"][0] == pytest.approx(76 / 240, rel=0.2)
    assert values["size"][4] / values["size"][0] == pytest.approx(1.5, rel=0.1)
    assert values["size_change"][4] == 0


def test_the_largest_of_two_faces_is_taken():
    small = move(draw("Ida", "neutral"), 60, 60, 0.8)
    large = move(draw("Otto", "neutral"), 0, 20, 1.6)
    (values,) = read(np.hstack([small, large])[None])
    assert values["faces"] == 2
    assert values["x"] > 0.5


def test_eyes_are_on_their_sides():
    names = ("Ida", "Otto", "Nora", "Felix")
    (values,) = read(np.stack([draw(name, "surprise") for name in names]))
    assert (values["left_eye"] == 1).all()
    assert (values["right_eye"] == 1).all()
    assert (values["left_eye_x"] < 0.5).all()
    assert (values["right_eye_x"] > 0.5).all()
    assert (np.abs(values["left_eye_y"] - values["right_eye_y"]) < 0.15).all()


def test_smiles_are_more_frequent_in_joy_than_in_anger():
    names = [f"p{number}" for number in range(12)]
    joy, anger = read(
        *(np.stack([draw(name, emotion) for name in names]) for emotion in ("joy", "anger"))
    )
    assert joy["smile"].mean() > anger["smile"].mean() + 0.4
    assert joy["smile_strength"].mean() > anger["smile_strength"].mean()
    assert (joy["smile_y"][joy["smile"] == 1] > 0.5).all()


def test_appearance_follows_light_and_blur():
    plain = draw("Ida", "neutral")
    dark, blurred = (plain * 0.7).astype(np.uint8), cv2.GaussianBlur(plain, (0, 0), 1.5)
    (values,) = read(np.stack([plain, dark, blurred]))
    assert values["face"].all()
    assert values["brightness"][1] == pytest.approx(0.7 * values["brightness"][0], rel=0.05)
    assert values["contrast"][1] < values["contrast"][0]
    assert values["sharpness"][2] < values["sharpness"][0]


def test_gradients_are_named_by_row_column_and_direction():
    reader = face._FaceReader(PARAMS)
    whole_frame = [(0, 0, face.SIDE, face.SIDE)]
    reader._face = SimpleNamespace(detectMultiScale=lambda *args, **options: whole_frame)
    frame = np.zeros((face.SIDE, face.SIDE, 3), np.uint8)
    frame[18:, 90:110] = 255  # the short upper edge is in cell 0, 2
    frame[24:] = 0
    row = dict(zip(NAMES, reader.read(frame), strict=True))
    gradients = [name for name in NAMES if name.startswith("gradient")]
    assert max(gradients, key=row.get) == "gradient_0_2_80"  # straight down


def test_bytes_do_not_depend_on_earlier_utterances():
    first, second = np.stack([draw("Ida", "joy")] * 2), np.stack([draw("Otto", "fear")])
    (alone,) = face.extract([[second]], PARAMS, None)
    _, after_first = face.extract([[first, second]], PARAMS, None)
    assert after_first.tobytes() == alone.tobytes()


def test_nearly_every_drawn_face_is_found():
    frames = [
        Portrait(person(corpus, f"p{number}"), place(corpus, f"d{number}"), width).draw(
            expression, 0.3, blink=False
        )
        for corpus, width in (("meld", 160), ("iemocap", 120))
        for number in range(6)
        for expression in EXPRESSIONS.values()
    ]
    values = read(*(frame[None] for frame in frames))
    assert sum(row["face"].item() for row in values) >= 0.9 * len(frames)


@pytest.mark.skipif(not REAL, reason="needs real clips: MERFLOW_REAL_DATA")
def test_the_face_of_a_real_clip_is_found():
    video = cv2.VideoCapture(str(Path(str(REAL)) / "ravdess" / "01-01-01-01-01-01-01.mp4"))
    frames = []
    while (read_frame := video.read())[0]:
        small = cv2.resize(read_frame[1], (455, 256), interpolation=cv2.INTER_AREA)
        frames.append(cv2.cvtColor(small, cv2.COLOR_BGR2RGB))
    places = np.linspace(0, len(frames) - 1, 10).round().astype(int)
    (values,) = read(np.stack([frames[i] for i in places]))
    assert values["face"].sum() >= 9
    assert values["left_eye"].sum() >= 8
    assert values["right_eye"].sum() >= 8
    assert values["size"][values["face"] == 1].std() < 0.05
    assert np.abs(values["x_change"]).max() < 0.1
