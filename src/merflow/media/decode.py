"""A clip, or a span of a long file, as 16 kHz mono sound and two samplings of pictures (PyAV, https://pyav.org).

The file is read twice and decoded once. The first reading decodes the sound and notes when each picture is shown, which its packet
says; then it is known which frames are wanted. The second reading decodes the pictures, from the keyframe before the first wanted
frame up to the last. Frames that nobody wants and that no other frame refers to are passed over (FFmpeg's ``skip_frame``), which
changes no other frame. For a span, both readings start at a keyframe before it.

Time 0 is the earliest timestamp of the file, as for ``ffmpeg -ss``. Encoder delay of AAC and frames outside an MP4's edit list are
not part of a clip. AVI does not say when a picture is shown: there the n-th that is shown gets the n-th time of decoding.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np

from merflow.artifacts import Defect
from merflow.media.pictures import Album, Picture
from merflow.media.probe import OPTIONS, SLACK_S
from merflow.media.sound import GAP_S, Sound
from merflow.params import MediaParams

PREROLL_S = 1.0  # before a span: sound decoders settle, and a picture is decoded less than that before it is shown
LEADING_S = 0.5  # less is shown before a keyframe that stands behind it in the file
ROUNDING_S = 1e-6  # times in annotations are rounded


@dataclass
class Clip:
    """What an utterance's clip gave.

    Attributes:
        sound: (n_samples,) int16 at 16 kHz; None: there is none.
        pictures: sampling of merflow.media.pictures.SAMPLINGS -> its pictures in order of time; empty: there are none.
        defects: what was wrong and what was done; ``utterance_id`` is None.
    """

    sound: np.ndarray | None = None
    pictures: dict[str, list[Picture]] = field(default_factory=dict)
    defects: list[Defect] = field(default_factory=list)

    def flag(self, kind: str, detail: str, action: str) -> None:
        """Note a defect."""
        self.defects.append(Defect(None, kind, detail, action))


@dataclass(frozen=True)
class Span:
    """From and to in seconds since time 0 of the file, whose clock then shows `origin_s`."""

    start_s: float
    end_s: float
    origin_s: float

    def since_zero(self, ticks: int, unit: Any) -> float:
        """A timestamp in seconds since time 0."""
        return ticks * unit.numerator / unit.denominator - self.origin_s

    def holds(self, time_s: float) -> bool:
        """Whether a picture shown from `time_s` on belongs to the span."""
        return self.start_s - ROUNDING_S <= time_s < self.end_s - ROUNDING_S

    def __str__(self) -> str:
        return f"from {self.start_s:.3f} s" + (
            "" if math.isinf(self.end_s) else f" to {self.end_s:.3f} s"
        )


def decode(path: Path, start_s: float | None, end_s: float | None, media: MediaParams) -> Clip:
    """Decode the clip `path`, or its part from `start_s` up to `end_s` (seconds; None: from its start, to its end).

    Never raises for bad media: what cannot be had is absent, and a defect says why. Frame indices count the frames of the utterance
    (span start <= time it is shown < span end) in the order in which they are shown; times are seconds since the utterance's start.
    """
    clip = Clip()
    start, end = start_s or 0.0, math.inf if end_s is None else end_s
    if start < 0:
        clip.flag("negative start", f"{start:.3f} s", "cut from the start of the clip")
        start = 0.0
    if end <= start:
        clip.flag("empty span", f"{start:.3f} to {end:.3f} s", "no sound, no pictures")
        return clip
    try:
        with av.open(f"file:{path}", options=OPTIONS, metadata_errors="replace") as container:
            span = Span(start, end, (container.start_time or 0) / av.time_base)
            _Reading(container, span, clip).run(media)
    except (av.FFmpegError, OSError, ValueError) as error:
        lost = [
            f"no {what}"
            for what, there in (("sound", clip.sound is not None), ("pictures", clip.pictures))
            if not there
        ]
        reason = getattr(error, "strerror", None) or error
        clip.flag(
            "clip unreadable", f"{path.name}: {reason}", ", ".join(lost) or "what was read is kept"
        )
    return clip


@dataclass
class _Timeline:
    """Packets of pictures in the order of the file: when each is shown (in AVI: decoded), and which are keyframes or not shown."""

    shown: bool  # False: the file does not say when
    ticks: list[int] = field(default_factory=list)
    numbers: dict[tuple[int | None, int | None], int] = field(default_factory=dict)
    keys: list[int] = field(default_factory=list)
    hidden: set[int] = field(default_factory=set)

    def add(self, packet: Any) -> int:
        """Note a packet and return its time."""
        number = len(self.ticks)
        known = (packet.pts if self.shown else packet.dts, packet.dts, packet.pts)
        tick = next(
            (tick for tick in known if tick is not None), self.ticks[-1] + 1 if self.ticks else 0
        )
        self.ticks.append(tick)
        self.numbers[packet.pts, packet.dts] = number
        if packet.is_keyframe:
            self.keys.append(number)
        if packet.is_discard:
            self.hidden.add(number)
        return tick


class _Reading:
    """One open file and the clip that is made from it."""

    def __init__(self, container: Any, span: Span, clip: Clip):
        self._container, self._span, self._clip = container, span, clip
        self._audio: Any = next(
            (stream for stream in container.streams.audio if stream.codec_context), None
        )
        films = (
            stream
            for stream in container.streams.video
            if not stream.disposition & av.stream.Disposition.attached_pic
        )
        self._video: Any = next((stream for stream in films if stream.codec_context), None)
        self._length_s = container.duration / av.time_base if container.duration else 0.0

    def run(self, media: MediaParams) -> None:
        """Both readings."""
        streams = [stream for stream in (self._video, self._audio) if stream]
        if not streams:
            raise ValueError("neither sound nor pictures in it")
        span, timeline = self._span, _Timeline(shown="avi" not in self._container.format.name)
        sound, damaged, film_end_s = Sound(span.origin_s, self._length_s + SLACK_S), 0, 0.0
        if span.start_s > PREROLL_S:
            self._seek(streams[0])
        try:
            for packet in self._packets(streams):
                if packet.stream is self._video:
                    tick = timeline.add(packet) + (packet.duration or 0)
                    film_end_s = max(film_end_s, span.since_zero(tick, packet.time_base))
                elif (
                    packet.pts is None
                    or span.since_zero(packet.pts, packet.time_base) >= span.start_s - PREROLL_S
                ):
                    try:
                        for frame in packet.decode():
                            sound.add(frame)
                    except (av.FFmpegError, ValueError):
                        damaged += 1
        except av.FFmpegError as error:
            self._clip.flag("clip cut short", str(error.strerror or error), "what is there is kept")
        self._keep_sound(sound, damaged)
        self._keep_pictures(timeline, film_end_s, media)

    def _seek(self, lead: Any) -> None:
        """To the last keyframe of `lead` that is at least PREROLL_S before the span."""
        before_s = max(0.0, self._span.start_s - PREROLL_S) + self._span.origin_s
        self._container.seek(math.floor(before_s / lead.time_base), stream=lead)

    def _packets(self, streams: Sequence[Any]) -> Iterator[Any]:
        """Packets of `streams` until none can belong to the span any more."""
        going, late_s = (
            {stream.index for stream in streams},
            LEADING_S if "avi" in self._container.format.name else 0.0,
        )
        for packet in self._container.demux(*streams):
            if not packet.size:  # AVI repeats a picture so; and PyAV ends with such
                continue
            if (
                packet.dts is not None
                and self._span.since_zero(packet.dts, packet.time_base) >= self._span.end_s + late_s
            ):
                going.discard(packet.stream_index)
                if not going:
                    return
            yield packet

    def _keep_sound(self, sound: Sound, damaged: int) -> None:
        span, clip = self._span, self._clip
        if self._audio is None:
            clip.flag("no sound", "the clip has no audio stream", "left out of audio")
            return
        stated_s = self._stated_end(self._audio)
        padded = (
            "mp4" in self._container.format.name
            and stated_s is not None
            and 0 < sound.end_s - stated_s < GAP_S
        )
        samples, holes_s = sound.cut(
            span.start_s, min(span.end_s, stated_s if padded and stated_s else sound.end_s)
        )
        if damaged:
            clip.flag(
                "damaged sound", f"{damaged} packets cannot be decoded", "silence in their place"
            )
        elif holes_s >= GAP_S:
            clip.flag(
                "sound with holes", f"{holes_s:.3f} s without sound", "silence in their place"
            )
        if not len(samples):
            clip.flag("no sound", f"none {span}", "left out of audio")
            return
        clip.sound = samples
        self._check_end("sound", sound.end_s, stated_s)
        if not samples.any():
            clip.flag("silent sound", f"all of {len(samples)} samples are 0", "kept")

    def _keep_pictures(self, timeline: _Timeline, end_s: float, media: MediaParams) -> None:
        span, clip = self._span, self._clip
        if self._video is None:
            clip.flag("no pictures", "the clip has no video stream", "left out of frames")
            return
        unit = self._video.time_base
        shown = {
            tick for number, tick in enumerate(timeline.ticks) if number not in timeline.hidden
        }
        ticks = sorted(tick for tick in shown if span.holds(span.since_zero(tick, unit)))
        if not ticks:
            clip.flag("no pictures", f"none {span}", "left out of frames")
            return
        album, damaged = (
            Album([span.since_zero(tick, unit) - span.start_s for tick in ticks], media),
            0,
        )
        index_of = {tick: index for index, tick in enumerate(ticks)}
        for tick, frame in self._frames(timeline, {ticks[index] for index in album.wanted}):
            if frame is None:
                damaged += 1
            elif tick in index_of:
                album.offer(index_of[tick], frame)
                if album.complete:
                    break
        pictures = album.pictures()
        if not any(pictures.values()):
            clip.flag(
                "no pictures", f"none of {len(ticks)} frames can be decoded", "left out of frames"
            )
            return
        clip.pictures = pictures
        if damaged or album.damaged or album.replaced:
            detail = f"{damaged} packets cannot be decoded, {album.damaged} kept pictures have errors, {album.replaced} do not come out"
            clip.flag(
                "damaged pictures",
                detail,
                "instead of what does not come out the next picture, at the end the last",
            )
        self._check_end("pictures", end_s, self._stated_end(self._video))
        if album.black:
            clip.flag("black pictures", f"no light in {len(album.wanted)} pictures", "kept")

    def _frames(self, timeline: _Timeline, wanted: set[int]) -> Iterator[tuple[int | None, Any]]:
        """Time and frame in the order in which they are shown; a packet that cannot be decoded gives None as frame."""
        context = self._video.codec_context
        context.thread_count, context.thread_type = (
            1,
            "SLICE",
        )  # a worker has one core; and frames come in step with packets
        start = min(wanted) if timeline.shown else min(wanted) - LEADING_S / self._video.time_base
        last = first = max(
            (key for key in timeline.keys if timeline.ticks[key] <= start), default=0
        )
        self._seek(self._video)
        try:
            for packet in self._packets([self._video]):
                number = timeline.numbers.get((packet.pts, packet.dts), -1)
                if number < first:
                    continue
                last = number
                context.skip_frame = (
                    "DEFAULT" if not timeline.shown or packet.pts in wanted else "NONREF"
                )
                try:
                    frames = packet.decode()
                except av.FFmpegError:
                    yield None, None
                    continue
                yield from self._timed(frames, number, timeline)
        except av.FFmpegError:  # the first reading has flagged it
            pass
        yield from self._timed(context.decode(None), last + 1, timeline)

    def _timed(
        self, frames: list[Any], number: int, timeline: _Timeline
    ) -> Iterator[tuple[int | None, Any]]:
        """Frames that came out with packet `number`; where no time is told, that is `reorder_depth` packets late."""
        for late, frame in enumerate(frames):
            slot = number + late - self._video.codec_context.reorder_depth
            if timeline.shown:
                yield frame.pts, frame
            elif 0 <= slot < len(timeline.ticks):
                yield timeline.ticks[slot], frame

    def _stated_end(self, stream: Any) -> float | None:
        """Where the stream ends by its header."""
        return (
            None
            if stream.duration is None
            else self._span.since_zero((stream.start_time or 0) + stream.duration, stream.time_base)
        )

    def _check_end(self, what: str, end_s: float, stated_s: float | None) -> None:
        """Flag what ends before the span does or, for a whole clip, before the header says."""
        whole = math.isinf(self._span.end_s)
        asked_s = (
            self._span.end_s if not whole else self._length_s if stated_s is None else stated_s
        )
        if asked_s - end_s > (GAP_S if whole and stated_s is not None else SLACK_S):
            self._clip.flag(
                f"{what} cut short",
                f"up to {max(0.0, end_s):.3f} of {asked_s:.3f} s",
                "what is there is kept",
            )
