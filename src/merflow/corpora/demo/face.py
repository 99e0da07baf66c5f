"""Draw a face (OpenCV): a person before a backdrop, with expression and moving mouth."""

import cv2
import numpy as np

from merflow.corpora.demo.cast import Colour, Person, Place
from merflow.corpora.demo.expression import Expression

HEIGHT = 120  # pixels; all sizes below are for this height
_WHITE, _DARK, _LIP, _THROAT = (245, 245, 245), (35, 28, 28), (165, 70, 70), (90, 25, 30)
_EYES_Y, _MOUTH_Y = 52.0, 80.0
_SUB = 4  # bits of sub-pixel precision in OpenCV's drawing calls
STUDIO = (205, 205, 205)

Point = tuple[float, float]


class Portrait:
    """One person in one place. Everything that never moves is drawn once."""

    def __init__(self, person: Person, place: Place | None, width: int):
        """Draw what never moves.

        Args:
            person: person to draw.
            place: backdrop; None: a studio.
            width: of the image, in pixels.
        """
        self._person, self._x = person, width / 2
        self._still = _backdrop(place, width)
        self._draw_head()
        self._draw_fringe()

    def draw(self, expression: Expression, opening: float, blink: bool) -> np.ndarray:
        """Draw one frame.

        Args:
            expression: of the face.
            opening: opening of the mouth by speech, 0-1.
            blink: the eyes are closed.

        Returns:
            uint8 RGB (HEIGHT, width, 3).
        """
        image = self._still.copy()
        eyes = 0.1 if blink else float(np.clip(1 + 0.6 * expression.eyes, 0.25, 1.6))
        mouth = float(np.clip(0.55 * expression.mouth + 0.5 * opening, 0, 1.1))
        for side in (-1, 1):
            self._draw_eye(image, side, eyes)
            self._draw_brow(image, side, expression.brows, expression.worry)
        self._draw_mouth(image, expression.smile, mouth)
        return image

    def _draw_head(self) -> None:
        person, x, image = self._person, self._x, self._still
        head = 28 * person.width
        _ellipse(image, (x, 50), (head + 5, 42), person.hair)
        if person.female:  # long hair
            _ellipse(image, (x, 72), (head + 6, 36), person.hair)
        _ellipse(image, (x, 128), (50, 26), person.shirt)
        _ellipse(image, (x, 100), (11, 16), _shade(person.skin, 0.8))
        _ellipse(image, (x, 60), (head, 38), _shade(person.skin, 0.9))
        _ellipse(image, (x, 63), (head * 0.86, 33), person.skin)
        for side in (-1, 1):
            socket = (x + side * 12 * person.eye_distance, _EYES_Y)
            _ellipse(image, socket, (8.5, 6), _shade(person.skin, 0.72))
            _ellipse(image, (x + side * 15, 66), (7, 5), _shade(person.skin, 1.06))
        _ellipse(image, (x, 62), (3, 9), _shade(person.skin, 1.06))
        _line(image, [(x - 4, 70), (x, 72), (x + 4, 70)], _shade(person.skin, 0.65))

    def _draw_fringe(self) -> None:
        x, head = self._x, 28 * self._person.width
        left = [(x - head, 46), (x - head * 0.7, 26), (x, 20)]
        right = [(x + head * 0.7, 26), (x + head, 46), (x + head * 0.4, 34)]
        outline = _points(np.array(left + right))
        cv2.fillPoly(self._still, [outline], self._person.hair, cv2.LINE_AA, _SUB)

    def _draw_eye(self, image: np.ndarray, side: int, opening: float) -> None:
        x, y = self._x + side * 12 * self._person.eye_distance, _EYES_Y
        _ellipse(image, (x, y), (6, 4 * opening), _WHITE)
        _ellipse(image, (x, y), (2.8, min(2.8, 4 * opening)), _DARK)
        lid = [(x + dx, y - 4 * opening * (1 - (dx / 6.5) ** 2)) for dx in (-6.5, -4, 0, 4, 6.5)]
        _line(image, lid, _DARK)

    def _draw_brow(self, image: np.ndarray, side: int, raised: float, worry: float) -> None:
        y = _EYES_Y - 9.5 - 4 * raised
        inner = (self._x + side * 5.5, y - 4 * worry)
        outer = (self._x + side * 20, y + 2 * worry + 1)
        middle = ((inner[0] + outer[0]) / 2, (inner[1] + outer[1]) / 2 - 1.5)
        _line(image, [inner, middle, outer], _shade(self._person.hair, 0.7), 2)

    def _draw_mouth(self, image: np.ndarray, smile: float, opening: float) -> None:
        across = np.linspace(-1, 1, 9)
        half = 11 + 2 * smile - 3 * opening
        upper = _MOUTH_Y + 2.5 * smile - 6 * smile * across**2 - 4 * opening * (1 - across**2)
        lower = upper + 13 * opening * (1 - across**2)
        xs = self._x + half * across
        there_and_back = np.concatenate([xs, xs[::-1]]), np.concatenate([upper, lower[::-1]])
        outline = _points(np.column_stack(there_and_back))
        if opening > 0.08:
            cv2.fillPoly(image, [outline], _THROAT, cv2.LINE_AA, _SUB)
        cv2.polylines(image, [outline], True, _LIP, 2, cv2.LINE_AA, _SUB)


def _backdrop(place: Place | None, width: int) -> np.ndarray:
    """A room with a window, or the plain studio."""
    if place is None:
        return np.full((HEIGHT, width, 3), STUDIO, np.uint8)
    image = np.full((HEIGHT, width, 3), place.backdrop, np.uint8)
    left = round(place.window * (width - 30))
    for shade, thickness in ((1.25, -1), (0.7, 1)):  # pane, frame
        colour = _shade(place.backdrop, shade)
        cv2.rectangle(image, (left, 8), (left + 28, 50), colour, thickness)
    return image


def _points(points: np.ndarray) -> np.ndarray:
    return np.round(np.asarray(points) * 2**_SUB).astype(np.int32)


def _line(image: np.ndarray, points: list[Point], colour: Colour, thickness: int = 1) -> None:
    path = [_points(np.array(points))]
    cv2.polylines(image, path, False, colour, thickness, cv2.LINE_AA, _SUB)


def _ellipse(image: np.ndarray, centre: Point, axes: Point, colour: Colour) -> None:
    x, y, a, b = (round(value * 2**_SUB) for value in (*centre, *axes))
    cv2.ellipse(image, (x, y), (a, b), 0, 0, 360, colour, -1, cv2.LINE_AA, _SUB)


def _shade(colour: Colour, factor: float) -> Colour:
    red, green, blue = (min(255, round(channel * factor)) for channel in colour)
    return red, green, blue
