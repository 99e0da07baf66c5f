"""A drawn face (OpenCV): a person in front of a backdrop, with an expression and a mouth that follows the speech."""

import cv2
import numpy as np

from merflow.corpora.demo.cast import Colour, Person, Place
from merflow.corpora.demo.expression import Expression

HEIGHT = 120  # pixels; all sizes below are for this height
_WHITE, _DARK, _LIP, _THROAT = (245, 245, 245), (35, 28, 28), (165, 70, 70), (90, 25, 30)
_EYES_Y, _MOUTH_Y = 52.0, 80.0
_SUB = 4  # bits of sub-pixel precision in OpenCV's drawing calls
STUDIO = (205, 205, 205)


class Portrait:
    """One person in one place; the parts that never move are drawn once."""

    def __init__(self, who: Person, where: Place | None, width: int):
        self._who, self._x = who, width / 2
        self._still = self._draw_still(where, width)

    def draw(self, shown: Expression, opening: float, blink: bool) -> np.ndarray:
        """A picture, uint8 RGB (HEIGHT, width, 3); `opening` (0-1) is how far speech opens the mouth."""
        picture = self._still.copy()
        for side in (-1, 1):
            self._eye(
                picture, side, 0.1 if blink else float(np.clip(1 + 0.6 * shown.eyes, 0.25, 1.6))
            )
            self._brow(picture, side, shown.brows, shown.worry)
        self._mouth(
            picture, shown.smile, float(np.clip(0.55 * shown.mouth + 0.5 * opening, 0, 1.1))
        )
        return picture

    def _draw_still(self, where: Place | None, width: int) -> np.ndarray:
        who, x = self._who, self._x
        picture = np.full((HEIGHT, width, 3), where.backdrop if where else STUDIO, np.uint8)
        if where:
            left = round(where.window * (width - 30))
            cv2.rectangle(picture, (left, 8), (left + 28, 50), _shade(where.backdrop, 1.25), -1)
            cv2.rectangle(picture, (left, 8), (left + 28, 50), _shade(where.backdrop, 0.7), 1)
        head = 28 * who.width
        _ellipse(picture, (x, 50), (head + 5, 42), who.hair)
        if who.female:  # long hair
            _ellipse(picture, (x, 72), (head + 6, 36), who.hair)
        _ellipse(picture, (x, 128), (50, 26), who.shirt)
        _ellipse(picture, (x, 100), (11, 16), _shade(who.skin, 0.8))
        _ellipse(picture, (x, 60), (head, 38), _shade(who.skin, 0.9))
        _ellipse(picture, (x, 63), (head * 0.86, 33), who.skin)
        for side in (-1, 1):
            _ellipse(
                picture,
                (x + side * 12 * who.eye_distance, _EYES_Y),
                (8.5, 6),
                _shade(who.skin, 0.72),
            )
            _ellipse(picture, (x + side * 15, 66), (7, 5), _shade(who.skin, 1.06))
        _ellipse(picture, (x, 62), (3, 9), _shade(who.skin, 1.06))
        _line(picture, [(x - 4, 70), (x, 72), (x + 4, 70)], _shade(who.skin, 0.65))
        fringe = np.array(
            [
                (x - head, 46),
                (x - head * 0.7, 26),
                (x, 20),
                (x + head * 0.7, 26),
                (x + head, 46),
                (x + head * 0.4, 34),
            ]
        )
        cv2.fillPoly(picture, [_points(fringe)], who.hair, cv2.LINE_AA, _SUB)
        return picture

    def _eye(self, picture: np.ndarray, side: int, opening: float) -> None:
        centre = (self._x + side * 12 * self._who.eye_distance, _EYES_Y)
        _ellipse(picture, centre, (6, 4 * opening), _WHITE)
        _ellipse(picture, centre, (2.8, min(2.8, 4 * opening)), _DARK)
        lid = [
            (centre[0] + dx, centre[1] - 4 * opening * (1 - (dx / 6.5) ** 2))
            for dx in (-6.5, -4, 0, 4, 6.5)
        ]
        _line(picture, lid, _DARK)

    def _brow(self, picture: np.ndarray, side: int, raised: float, worry: float) -> None:
        y = _EYES_Y - 9.5 - 4 * raised
        inner, outer = (
            (self._x + side * 5.5, y - 4 * worry),
            (self._x + side * 20, y + 2 * worry + 1),
        )
        middle = ((inner[0] + outer[0]) / 2, (inner[1] + outer[1]) / 2 - 1.5)
        _line(picture, [inner, middle, outer], _shade(self._who.hair, 0.7), 2)

    def _mouth(self, picture: np.ndarray, smile: float, opening: float) -> None:
        across = np.linspace(-1, 1, 9)
        half = 11 + 2 * smile - 3 * opening
        upper = _MOUTH_Y + 2.5 * smile - 6 * smile * across**2 - 4 * opening * (1 - across**2)
        lower = upper + 13 * opening * (1 - across**2)
        xs = self._x + half * across
        outline = np.column_stack(
            [np.concatenate([xs, xs[::-1]]), np.concatenate([upper, lower[::-1]])]
        )
        if opening > 0.08:
            cv2.fillPoly(picture, [_points(outline)], _THROAT, cv2.LINE_AA, _SUB)
        cv2.polylines(picture, [_points(outline)], True, _LIP, 2, cv2.LINE_AA, _SUB)


def _points(points: np.ndarray) -> np.ndarray:
    return np.round(np.asarray(points) * 2**_SUB).astype(np.int32)


def _line(
    picture: np.ndarray, points: list[tuple[float, float]], colour: Colour, thickness: int = 1
) -> None:
    cv2.polylines(picture, [_points(np.array(points))], False, colour, thickness, cv2.LINE_AA, _SUB)


def _ellipse(
    picture: np.ndarray, centre: tuple[float, float], axes: tuple[float, float], colour: Colour
) -> None:
    x, y, a, b = (round(value * 2**_SUB) for value in (*centre, *axes))
    cv2.ellipse(picture, (x, y), (a, b), 0, 0, 360, colour, -1, cv2.LINE_AA, _SUB)


def _shade(colour: Colour, factor: float) -> Colour:
    red, green, blue = (min(255, round(part * factor)) for part in colour)
    return red, green, blue
