"""Times of a file: spans of it, and its video packets in their order."""

import math
from dataclasses import dataclass, field
from typing import Any

ROUNDING_S = 1e-6  # times in annotations are rounded


@dataclass(frozen=True)
class Span:
    """Part of a file, in seconds since time 0.

    Attributes:
        start_s, end_s: bounds; infinity: the end of the file.
        origin_s: reading of the file's clock at time 0.
    """

    start_s: float
    end_s: float
    origin_s: float

    def since_zero(self, ticks: int, unit: Any) -> float:
        """Convert a timestamp to seconds since time 0."""
        return ticks * unit.numerator / unit.denominator - self.origin_s

    def holds(self, time_s: float) -> bool:
        """Tell whether a frame presented from `time_s` on belongs to the span."""
        return self.start_s - ROUNDING_S <= time_s < self.end_s - ROUNDING_S

    def __str__(self) -> str:
        end = "" if math.isinf(self.end_s) else f" to {self.end_s:.3f} s"
        return f"from {self.start_s:.3f} s{end}"


@dataclass
class Timeline:
    """Video packets in the order of the file.

    Attributes:
        timed: True if the file says presentation times; False: times are those of decoding.
        ticks: time of each packet, in the stream's unit.
        numbers: (pts, dts) -> number of the packet.
        keyframes: numbers of packets.
        hidden: numbers of packets that are not presented.
    """

    timed: bool
    ticks: list[int] = field(default_factory=list)
    numbers: dict[tuple[int | None, int | None], int] = field(default_factory=dict)
    keyframes: list[int] = field(default_factory=list)
    hidden: set[int] = field(default_factory=set)

    def add(self, packet: Any) -> int:
        """Note a packet and return its time."""
        number = len(self.ticks)
        candidates = (packet.pts if self.timed else packet.dts, packet.dts, packet.pts)
        default = self.ticks[-1] + 1 if self.ticks else 0
        tick = next((tick for tick in candidates if tick is not None), default)
        self.ticks.append(tick)
        self.numbers[packet.pts, packet.dts] = number
        if packet.is_keyframe:
            self.keyframes.append(number)
        if packet.is_discard:
            self.hidden.add(number)
        return tick

    def presented(self) -> set[int]:
        """Times of the packets that are presented."""
        return {tick for number, tick in enumerate(self.ticks) if number not in self.hidden}
