"""Turn frames upright, as a file's display matrix says (phones film on their side).

A matrix that turns by another angle than a multiple of 90 degrees is not applied. Other parts of it
(shift, perspective, scale) are left out, as in FFmpeg.
"""

from dataclasses import dataclass

import av
import numpy as np
from av.sidedata.sidedata import Type

SLANT = 0.02  # sine of the largest angle that counts as rounding: about 1 degree, as in FFmpeg


@dataclass(frozen=True)
class Turn:
    """Rotation by a multiple of 90 degrees, perhaps mirrored.

    Attributes:
        swaps: exchange rows and columns first.
        flips_x, flips_y: then reverse columns, rows.
        slanted: True: the file asks for another angle, and nothing is turned.
    """

    swaps: bool = False
    flips_x: bool = False
    flips_y: bool = False
    slanted: bool = False

    def apply(self, pixels: np.ndarray) -> np.ndarray:
        """Turn an image, (height, width, channels)."""
        if self.swaps:
            pixels = pixels.swapaxes(0, 1)
        return np.ascontiguousarray(
            pixels[:: -1 if self.flips_y else 1, :: -1 if self.flips_x else 1]
        )


def turn_of(frame: av.VideoFrame) -> Turn:
    """Read the display matrix of a decoded frame."""
    matrix = frame.side_data.get(Type.DISPLAYMATRIX)
    if matrix is None:
        return Turn()
    # a pixel (x, y) is shown at (a x + c y, b x + d y)
    a, b, _, c, d, *_ = np.frombuffer(bytes(matrix), np.int32).astype(float)
    straight, crossed = max(abs(a), abs(d)), max(abs(b), abs(c))
    if min(straight, crossed) > SLANT * max(straight, crossed):
        return Turn(slanted=True)
    if crossed > straight:
        return Turn(swaps=True, flips_x=c < 0, flips_y=b < 0)
    return Turn(flips_x=a < 0, flips_y=d < 0)
