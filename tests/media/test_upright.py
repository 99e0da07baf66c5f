"""Frames are shown as players show them: turned, mirrored, in their proportions."""

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from merflow.corpora.demo import cast
from merflow.corpora.demo.expression import EXPRESSIONS
from merflow.corpora.demo.face import Portrait
from merflow.features.extractor import Flagged
from merflow.features.vision.face import extract
from merflow.media.decode import Clip, decode
from merflow.params import FaceParams, MediaParams

MEDIA = MediaParams(short_side=64, jpeg_quality=95)
HEIGHT, WIDTH = 64, 96
#: Turn counter-clockwise and mirror, as PyAV writes them -> the same for an array.
ORIENTATIONS = {
    (0, False, False): lambda image: image,
    (90, False, False): lambda image: np.rot90(image),
    (180, False, False): lambda image: np.rot90(image, 2),
    (270, False, False): lambda image: np.rot90(image, 3),
    (0, True, False): lambda image: image[:, ::-1],
    (0, False, True): lambda image: image[::-1],
    (90, True, False): lambda image: np.rot90(image)[:, ::-1],
    (270, True, False): lambda image: np.rot90(image, 3)[:, ::-1],
}


def scene() -> np.ndarray:
    """Image whose four corners differ."""
    image = np.full((HEIGHT, WIDTH, 3), 40, np.uint8)
    image[:24, :24], image[:24, -24:], image[-24:, :24] = 250, 180, 110
    return image


def film(
    path: Path,
    orientation: tuple[float, bool, bool] | None = None,
    aspect: Fraction | None = None,
    codec: str = "libx264",
    form: str = "yuv420p",
    options: dict[str, str] | None = None,
) -> Path:
    """Write ten frames of the scene, lossless or almost so."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=10, options=options or {})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, form
        if orientation:
            stream.set_display_rotation(*orientation)
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        for _ in range(10):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(scene(), format="rgb24")))
        file.mux(stream.encode(None))
    return path


def image_of(clip: Clip) -> np.ndarray:
    frame = clip.frames["frames_15"][7]
    return cv2.imdecode(np.frombuffer(frame.data, np.uint8), cv2.IMREAD_COLOR)


def kinds(clip: Clip) -> set[str]:
    return {defect.kind for defect in clip.defects} - {"no sound"}


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("name", ["a.mp4", "a.mov"])
def test_a_video_is_turned_upright(tmp_path: Path, name: str, orientation) -> None:
    path = film(tmp_path / name, orientation)
    clip = decode(path, None, None, MEDIA)
    expected = ORIENTATIONS[orientation](scene())
    assert image_of(clip).shape == expected.shape and not kinds(clip)
    assert np.abs(image_of(clip).astype(int) - expected).mean() < 4
    if not any(orientation[1:]):  # OpenCV turns, but never mirrors
        _, shown = cv2.VideoCapture(str(path)).read()
        assert np.abs(image_of(clip).astype(int) - shown).mean() < 4


def test_a_turned_video_is_scaled_by_its_short_side(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", (90, False, False))
    small = MediaParams(short_side=32, jpeg_quality=95)
    assert image_of(decode(path, None, None, small)).shape == (48, 32, 3)


def test_a_slanted_video_is_kept_and_a_defect(tmp_path: Path) -> None:
    clip = decode(film(tmp_path / "a.mp4", (45, False, False)), None, None, MEDIA)
    assert kinds(clip) == {"slanted pictures"}
    assert np.abs(image_of(clip).astype(int) - scene()).mean() < 4


@pytest.mark.parametrize(
    ("aspect", "shape"),
    [
        (Fraction(64, 45), (45, 96)),  # wide screen on PAL's DV and DVD
        (Fraction(8, 9), (64, 85)),
        (Fraction(1280, 1281), (64, 96)),  # rounding of players
        (Fraction(1, 100), (64, 96)),  # a broken header
        (None, (64, 96)),
    ],
)
def test_pixels_become_square(tmp_path: Path, aspect: Fraction | None, shape) -> None:
    shown = image_of(decode(film(tmp_path / "a.mp4", aspect=aspect), None, None, MEDIA)).shape
    height, width = shape
    assert shown[1] / shown[0] == pytest.approx(width / height, rel=0.02)
    assert shown[0] <= HEIGHT and shown[1] <= WIDTH


def test_wide_pixels_of_a_turned_video_make_it_high(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", (90, False, False), Fraction(4, 3))
    assert image_of(decode(path, None, None, MEDIA)).shape == (96, 48, 3)


@pytest.mark.parametrize(
    ("codec", "form", "name"),
    [
        ("libx264", "yuv420p10le", "a.mp4"),
        ("libx264", "yuv444p", "a.mkv"),
        ("libx264", "yuvj420p", "a.mp4"),  # full range
        ("ffv1", "bgra", "a.mkv"),
        ("qtrle", "argb", "a.mov"),
        ("png", "rgb48be", "a.mov"),
        ("prores_ks", "yuva444p10le", "a.mov"),
    ],
)
def test_every_kind_of_pixel_shows_its_colour(
    tmp_path: Path, codec: str, form: str, name: str
) -> None:
    clip = decode(film(tmp_path / name, codec=codec, form=form), None, None, MEDIA)
    assert not kinds(clip)
    assert np.abs(image_of(clip).astype(int) - scene()).mean() < 4


def test_high_dynamic_range_is_a_defect(tmp_path: Path) -> None:
    curve = {"x264-params": "colorprim=bt2020:transfer=arib-std-b67:colormatrix=bt2020nc"}
    path = film(tmp_path / "a.mp4", form="yuv420p10le", options=curve)
    assert kinds(decode(path, None, None, MEDIA)) == {"pictures of high dynamic range"}


def test_a_face_is_found_in_a_phone_video(tmp_path: Path) -> None:
    face = draw_face()
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=10)
        stream.height, stream.width, stream.pix_fmt = *face.shape[1::-1], "yuv420p"
        stream.set_display_rotation(-90)  # held upright, a phone stores its pictures on their side
        stored = np.ascontiguousarray(np.rot90(face))
        for _ in range(10):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(stored, format="rgb24")))
        file.mux(stream.encode(None))
    shown = image_of(decode(path, None, None, MediaParams(short_side=160, jpeg_quality=95)))
    params = FaceParams(min_size=0.1, scale_factor=1.1, min_neighbors=5)
    (values,) = extract([[shown[None, :, :, ::-1]]], params, None)
    assert shown.shape == face.shape and not isinstance(values, Flagged)


def draw_face() -> np.ndarray:
    person = cast.person("ravdess", "Ida")
    return Portrait(person, None, 160).draw(EXPRESSIONS["joy"], 0.2, False)
