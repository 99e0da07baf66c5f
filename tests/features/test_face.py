import os
from pathlib import Path

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


def drawn(name, emotion, blink=False):
    return Portrait(person("ravdess", name), None, 160).draw(EXPRESSIONS[emotion], 0.2, blink)


def moved(picture, right, down, scale=1.0):
    """The picture on a larger studio backdrop."""
    matrix = np.array([[scale, 0, right], [0, scale, down]], np.float32)
    return cv2.warpAffine(
        picture, matrix, (320, 240), borderMode=cv2.BORDER_CONSTANT, borderValue=STUDIO
    )


def read(*utterances):
    """Of each utterance, the values (n_pictures,) by column."""
    rows = face.extract([utterances], PARAMS, None)
    return [
        dict(zip(NAMES, (row.values if isinstance(row, Flagged) else row).T, strict=True))
        for row in rows
    ]


def test_columns_are_unique_and_every_value_is_float32():
    (values,) = face.extract([[np.stack([drawn("Ida", "joy")])]], PARAMS, None)
    assert values.shape == (1, len(NAMES)) and values.dtype == np.float32
    assert len(set(NAMES)) == len(NAMES) == 21 + 16 * 9


def test_pictures_without_a_face_are_zeros_and_the_utterance_is_flagged():
    noise = np.random.default_rng(0).integers(0, 256, (2, 90, 160, 3), dtype=np.uint8)
    for pictures in (
        np.zeros((3, 120, 160, 3), np.uint8),
        np.full((1, 5, 4, 3), 255, np.uint8),
        noise,
    ):
        (row,) = face.extract([[pictures]], PARAMS, None)
        assert isinstance(row, Flagged) and (row.kind, row.detail) == (
            "no face",
            f"in none of {len(pictures)} pictures",
        )
        assert (
            row.values is not None
            and row.values.shape == (len(pictures), len(NAMES))
            and not row.values.any()
        )


def test_the_face_is_where_it_was_drawn_and_its_changes_are_between_pictures():
    neutral = drawn("Ida", "neutral")
    clip = np.stack(
        [
            moved(neutral, 20, 30),
            moved(neutral, 52, 30),
            moved(neutral, 52, 54),
            np.zeros((240, 320, 3), np.uint8),
        ]
    )
    (found,) = read(np.concatenate([clip, moved(neutral, 20, 30, 1.5)[None]]))
    np.testing.assert_array_equal(found["face"], [1, 1, 1, 0, 1])
    np.testing.assert_allclose(found["x"][:2], [(20 + 80) / 320, (52 + 80) / 320], atol=0.03)
    np.testing.assert_allclose(found["y"][:1], [(30 + 62) / 240], atol=0.05)
    np.testing.assert_allclose(
        found["x_change"], [0, 0.1, 0, 0, 0], atol=0.02
    )  # no change to and from a picture without a face
    np.testing.assert_allclose(found["y_change"], [0, 0, 0.1, 0, 0], atol=0.02)
    assert found["size"][4] / found["size"][0] == pytest.approx(1.5, rel=0.1)
    assert (found["size"][0], found["size_change"][4]) == (pytest.approx(76 / 240, rel=0.2), 0)


def test_the_largest_of_two_faces_is_taken():
    two = np.hstack(
        [moved(drawn("Ida", "neutral"), 60, 60, 0.8), moved(drawn("Otto", "neutral"), 0, 20, 1.6)]
    )
    (found,) = read(two[None])
    assert found["faces"] == 2 and found["x"] > 0.5


def test_eyes_are_on_their_sides():
    (found,) = read(
        np.stack([drawn(name, "surprise") for name in ("Ida", "Otto", "Nora", "Felix")])
    )
    assert (found["left_eye"] == 1).all() and (found["right_eye"] == 1).all()
    assert (found["left_eye_x"] < 0.5).all() and (found["right_eye_x"] > 0.5).all()
    assert (np.abs(found["left_eye_y"] - found["right_eye_y"]) < 0.15).all()


def test_smiles_are_found_more_often_in_joy_than_in_anger():
    names = [f"p{number}" for number in range(12)]
    joy, anger = (
        np.stack([drawn(name, emotion) for name in names]) for emotion in ("joy", "anger")
    )
    happy, angry = read(joy, anger)
    assert happy["smile"].mean() > angry["smile"].mean() + 0.4
    assert happy["smile_strength"].mean() > angry["smile_strength"].mean()
    assert (happy["smile_y"][happy["smile"] == 1] > 0.5).all()


def test_appearance_follows_light_and_blur():
    plain = drawn("Ida", "neutral")
    (found,) = read(
        np.stack([plain, (plain * 0.7).astype(np.uint8), cv2.GaussianBlur(plain, (0, 0), 1.5)])
    )
    assert found["face"].all()
    assert found["brightness"][1] == pytest.approx(0.7 * found["brightness"][0], rel=0.05)
    assert found["contrast"][1] < found["contrast"][0]
    assert found["sharpness"][2] < found["sharpness"][0]


def test_gradients_are_named_by_row_column_and_direction():
    reader = face._Reader(PARAMS)
    reader._face = type(
        "Everywhere",
        (),
        {"detectMultiScale": lambda *args, **options: [(0, 0, face.SIDE, face.SIDE)]},
    )()
    picture = np.zeros((face.SIDE, face.SIDE, 3), np.uint8)
    picture[18:, 90:110] = 255  # the short upper edge is in cell 0, 2
    picture[24:] = 0
    row = dict(zip(NAMES, reader.read(picture), strict=True))
    assert (
        max((name for name in NAMES if name.startswith("gradient")), key=lambda name: row[name])
        == "gradient_0_2_80"
    )  # straight down


def test_the_same_pictures_give_the_same_bytes_whatever_was_before():
    first, second = np.stack([drawn("Ida", "joy")] * 2), np.stack([drawn("Otto", "fear")])
    alone = [values.tobytes() for values in face.extract([[second]], PARAMS, None)]
    assert [values.tobytes() for values in face.extract([[first, second]], PARAMS, None)][
        1:
    ] == alone


def test_nearly_every_drawn_face_is_found():
    pictures = [
        Portrait(person(corpus, f"p{number}"), place(corpus, f"d{number}"), width).draw(
            shown, 0.3, blink=False
        )
        for corpus, width in (("meld", 160), ("iemocap", 120))
        for number in range(6)
        for shown in EXPRESSIONS.values()
    ]
    found = read(*(picture[None] for picture in pictures))
    assert sum(row["face"].item() for row in found) >= 0.9 * len(pictures)


@pytest.mark.skipif(not REAL, reason="needs real clips: MERFLOW_REAL_DATA")
def test_the_face_of_a_real_clip_is_found():
    video = cv2.VideoCapture(str(Path(str(REAL)) / "ravdess" / "01-01-01-01-01-01-01.mp4"))
    frames = []
    while (taken := video.read())[0]:
        frames.append(taken[1])
    picked = [frames[at] for at in np.linspace(0, len(frames) - 1, 10).round().astype(int)]
    pictures = np.stack(
        [
            cv2.cvtColor(
                cv2.resize(frame, (455, 256), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2RGB
            )
            for frame in picked
        ]
    )
    (found,) = read(pictures)
    assert found["face"].sum() >= 9
    assert found["left_eye"].sum() >= 8 and found["right_eye"].sum() >= 8
    assert found["size"][found["face"] == 1].std() < 0.05
    assert np.abs(found["x_change"]).max() < 0.1
