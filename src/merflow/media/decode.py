"""Decode a clip or span: 16 kHz mono audio and samplings of frames.

The file is read twice and decoded once (PyAV, https://pyav.org). The first reading decodes the
audio and notes the presentation time of each frame, which its packet says. Then it is known which
frames are wanted. The second reading decodes the video, from the keyframe before the first wanted
frame up to the last. Frames that are not wanted, and that no other frame refers to, are skipped
(FFmpeg's ``skip_frame``), which changes no other frame. For a span, both readings start at a
keyframe before it, or at the start of the file where FFmpeg finds no keyframes. Before all that,
merflow.media.streams chooses the streams.

Time 0 is the earliest timestamp of the file, as for ``ffmpeg -ss``. Encoder delay of AAC and frames
outside an MP4's edit list are not part of a clip. AVI has no presentation times: the n-th presented
frame gets the n-th time of decoding.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np

from merflow.artifacts import Defect, Medium
from merflow.media.audio import GAP_S, HEADROOM, AudioTrack, stores_floats
from merflow.media.frames import Frame, FrameSampler
from merflow.media.probe import SLACK_S, open_media
from merflow.media.streams import Choice, choose, packets_of
from merflow.media.timeline import Span, Timeline
from merflow.params import MediaParams

#: Read before a span: audio decoders settle, and a frame is decoded less than this before it is
#: presented.
PREROLL_S = 1.0
LEADING_S = 0.5  # frames behind a keyframe in the file are presented less than this before it
#: Containers in which FFmpeg finds no keyframe, or no exact time: they are read from their start.
UNSEEKABLE = frozenset({"aac", "ac3", "amr", "asf", "eac3", "flv", "mpeg", "mpegts"})


@dataclass
class Clip:
    """Decoded media of an utterance.

    Attributes:
        audio: (n_samples,) int16 at 16 kHz; None: there is none.
        frames: sampling of merflow.media.frames.SAMPLINGS -> its frames in order of time; empty:
            there are none.
        defects: ``utterance_id`` is None.
    """

    audio: np.ndarray | None = None
    frames: dict[str, list[Frame]] = field(default_factory=dict)
    defects: list[Defect] = field(default_factory=list)

    def flag(self, kind: str, detail: str, action: str, medium: Medium | None = None) -> None:
        """Add a defect."""
        self.defects.append(Defect(None, kind, detail, action, medium))


def decode(
    path: Path,
    start_s: float | None,
    end_s: float | None,
    media: MediaParams,
    audio: Path | None = None,
) -> Clip:
    """Decode a clip or a span of it; bad media are defects, never errors.

    A frame belongs to the span if start <= presentation time < end. Indices count the frames of the
    utterance in order of presentation; times are seconds since the utterance's start.

    Args:
        path: media file.
        start_s: start of the span in seconds; None: of the file.
        end_s: end of the span in seconds; None: of the file.
        media: size and quality of frames.
        audio: file that holds the utterance's audio and nothing else; None: the clip's audio. If no
            audio comes out of it, the clip's is taken.
    """
    clip = _decode(path, start_s, end_s, media)
    if audio is None:
        return clip
    alone = _decode(audio, None, None, media)
    if alone.audio is None:
        clip.flag("no sound", f"none in {audio.name}", "sound of the clip used", "audio")
        return clip
    defects = [defect for defect in clip.defects if defect.medium != "audio"]
    defects += [defect for defect in alone.defects if defect.medium != "frames"]
    return Clip(alone.audio, clip.frames, defects)


def _decode(path: Path, start_s: float | None, end_s: float | None, media: MediaParams) -> Clip:
    """Decode audio and frames of one file."""
    clip = Clip()
    start, end = start_s or 0.0, math.inf if end_s is None else end_s
    if start < 0:
        clip.flag("negative start", f"{start:.3f} s", "cut from the start of the clip")
        start = 0.0
    if end <= start:
        clip.flag("empty span", f"{start:.3f} to {end:.3f} s", "no sound, no pictures")
        return clip
    try:
        with open_media(path) as container:
            choice = choose(container)
        if choice.obstacle:
            raise ValueError(choice.obstacle)
        with ExitStack() as files:
            reading = _Reading(
                lambda: files.enter_context(open_media(path)), choice, start, end, clip
            )
            reading.run(media)
    except (av.FFmpegError, OSError, ValueError, MemoryError) as error:
        lost = ["no sound"] if clip.audio is None else []
        lost += [] if clip.frames else ["no pictures"]
        detail = f"{path.name}: {getattr(error, 'strerror', None) or error}"
        clip.flag("clip unreadable", detail, ", ".join(lost) or "what was read is kept")
    return clip


class _Reading:
    """One file and the clip that is made from it."""

    def __init__(
        self, reopen: Callable[[], Any], choice: Choice, start_s: float, end_s: float, clip: Clip
    ):
        self._reopen, self._choice, self._clip = reopen, choice, clip
        self._open()
        origin_s = (self._container.start_time or 0) / av.time_base
        self._span = Span(start_s, end_s, origin_s)
        self._form = self._container.format.name
        self._length_s = choice.length_s

    def _open(self) -> None:
        self._container = self._reopen()
        streams, choice = self._container.streams, self._choice
        self._audio: Any = None if choice.audio is None else streams[choice.audio]
        self._video: Any = None if choice.video is None else streams[choice.video]

    def run(self, media: MediaParams) -> None:
        """Read the file twice."""
        streams = [stream for stream in (self._video, self._audio) if stream]
        if self._span.start_s > PREROLL_S and self._form not in UNSEEKABLE:
            self._seek(streams[0])
        timeline = Timeline(timed="avi" not in self._form)
        floats = self._audio is not None and stores_floats(self._audio.codec_context)
        span, longest_s = self._span, self._length_s + SLACK_S
        track = AudioTrack(span.origin_s, span.start_s, longest_s, floats)
        n_damaged, video_end_s = 0, 0.0
        try:
            for packet in self._packets(streams):
                if packet.stream is self._video:
                    tick = timeline.add(packet) + (packet.duration or 0)
                    video_end_s = max(video_end_s, self._span.since_zero(tick, packet.time_base))
                elif not self._precedes(packet):
                    n_damaged += not _decode_audio(packet, track)
        except av.FFmpegError as error:
            self._clip.flag("clip cut short", str(error.strerror or error), "what is there is kept")
        self._keep_audio(track, n_damaged)
        self._keep_frames(timeline, video_end_s, media)

    def _precedes(self, packet: Any) -> bool:
        """Tell whether an audio packet lies before the span and its preroll."""
        if packet.pts is None:
            return False
        time_s = self._span.since_zero(packet.pts, packet.time_base)
        return time_s < self._span.start_s - PREROLL_S

    def _seek(self, lead: Any) -> None:
        """Seek the last keyframe of `lead` that is at least PREROLL_S before the span."""
        before_s = max(0.0, self._span.start_s - PREROLL_S) + self._span.origin_s
        self._container.seek(math.floor(before_s / lead.time_base), stream=lead)

    def _packets(self, streams: Sequence[Any]) -> Iterator[Any]:
        """Packets of `streams`, until no further one can belong to the span."""
        unfinished = {stream.index for stream in streams}
        end_s = self._span.end_s + (LEADING_S if "avi" in self._form else 0.0)
        for packet in packets_of(self._container, streams):
            if not packet.size:  # AVI repeats a frame so, and PyAV ends with an empty packet
                continue
            dts, unit = packet.dts, packet.time_base
            if dts is not None and self._span.since_zero(dts, unit) >= end_s:
                unfinished.discard(packet.stream_index)
                if not unfinished:
                    return
            yield packet

    def _keep_audio(self, track: AudioTrack, n_damaged: int) -> None:
        span = self._span
        rejected = "; ".join(self._choice.rejected["audio"])
        if self._audio is None:
            detail = rejected or "the clip has no audio stream"
            self._flag_audio("no sound", detail, "left out of audio")
            return
        if rejected:
            self._flag_audio("sound of another stream", rejected, f"{_named(self._audio)} is used")
        stated_s = self._stated_end(self._audio)
        end_s = track.end_s
        if "mp4" in self._form and stated_s is not None and 0 < end_s - stated_s < GAP_S:
            end_s = stated_s or end_s  # the encoder's padding is not part of the clip
        samples, gaps_s = track.cut(span.start_s, min(span.end_s, end_s))
        if n_damaged:
            detail = f"{n_damaged} packets cannot be decoded"
            self._flag_audio("damaged sound", detail, "silence in their place")
        elif gaps_s >= GAP_S:
            detail = f"{gaps_s:.3f} s without sound"
            self._flag_audio("sound with holes", detail, "silence in their place")
        if track.n_jumps:
            detail = f"times jump {track.n_jumps} times, behind the end or by more than an hour"
            self._flag_audio("sound with jumps", detail, "put together without a hole")
        if not len(samples):
            self._flag_audio("no sound", f"none {span}", "left out of audio")
            return
        self._clip.audio = samples
        self._check_floats(track)
        self._check_end("sound", "audio", track.end_s, stated_s)
        if not samples.any():
            self._flag_audio("silent sound", f"all of {len(samples)} samples are 0", "kept")

    def _check_floats(self, track: AudioTrack) -> None:
        """Flag samples that a file stores as floats, and that no 16 bits hold."""
        if track.n_broken:
            detail = f"{track.n_broken} samples are NaN, infinite or beyond {HEADROOM} x full scale"
            self._flag_audio("sound that is not a number", detail, "silence in their place")
        if track.peak > 1:
            detail = f"{track.n_beyond} samples, peak {track.peak:.6g} x full scale"
            action = "the clip's samples are divided by the peak"
            self._flag_audio("sound beyond full scale", detail, action)

    def _keep_frames(self, timeline: Timeline, end_s: float, media: MediaParams) -> None:
        span = self._span
        rejected = "; ".join(self._choice.rejected["frames"])
        if self._video is None:
            detail = rejected or "the clip has no video stream"
            self._flag_frames("no pictures", detail, "left out of frames")
            return
        if rejected:
            action = f"{_named(self._video)} is used"
            self._flag_frames("pictures of another stream", rejected, action)
        unit = self._video.time_base
        times = {tick: span.since_zero(tick, unit) for tick in timeline.presented()}
        ticks = sorted(tick for tick, time_s in times.items() if span.holds(time_s))
        if not ticks:
            self._flag_frames("no pictures", f"none {span}", "left out of frames")
            return
        starts = [times[tick] - span.start_s for tick in ticks]
        sampler = FrameSampler(starts, media, self._video.sample_aspect_ratio)
        n_damaged = self._sample(sampler, ticks, timeline)
        frames = sampler.frames()
        if not any(frames.values()):
            detail = f"none of {len(ticks)} frames can be decoded"
            self._flag_frames("no pictures", detail, "left out of frames")
            return
        self._clip.frames = frames
        if n_damaged or sampler.damaged or sampler.replaced:
            detail = (
                f"{n_damaged} packets cannot be decoded, {sampler.damaged} kept pictures have "
                f"errors, {sampler.replaced} do not come out"
            )
            action = "instead of what does not come out the next picture, at the end the last"
            self._flag_frames("damaged pictures", detail, action)
        self._check_end("pictures", "frames", end_s, self._stated_end(self._video))
        self._check_looks(sampler)

    def _check_looks(self, sampler: FrameSampler) -> None:
        """Flag frames that do not show what players show, or nothing."""
        if sampler.slanted:
            detail = f"{sampler.slanted} pictures are to be turned by no multiple of 90 degrees"
            self._flag_frames("slanted pictures", detail, "kept as they are stored")
        if sampler.high_dynamic_range:
            detail = f"{sampler.high_dynamic_range} pictures have the light curve HLG or PQ"
            self._flag_frames("pictures of high dynamic range", detail, "kept, pale or dark")
        if sampler.black:
            detail = f"no light in {len(sampler.wanted)} pictures"
            self._flag_frames("black pictures", detail, "kept")

    def _sample(self, sampler: FrameSampler, ticks: list[int], timeline: Timeline) -> int:
        """Decode the wanted frames; return the number of packets that cannot be decoded."""
        n_damaged = 0
        index_of = {tick: index for index, tick in enumerate(ticks)}
        for tick, frame in self._decoded(timeline, {ticks[index] for index in sampler.wanted}):
            if frame is None:
                n_damaged += 1
            elif tick in index_of:
                sampler.offer(index_of[tick], frame)
                if sampler.complete:
                    break
        return n_damaged

    def _decoded(self, timeline: Timeline, wanted: set[int]) -> Iterator[tuple[int | None, Any]]:
        """Time and frame in order of presentation; a packet that cannot be decoded gives None."""
        if self._form in UNSEEKABLE:
            self._open()
        else:
            self._seek(self._video)
        context = self._video.codec_context
        # one thread, because a worker has one core; so frames come in step with packets
        context.thread_count, context.thread_type = 1, "SLICE"
        start = min(wanted) if timeline.timed else min(wanted) - LEADING_S / self._video.time_base
        earlier = (key for key in timeline.keyframes if timeline.ticks[key] <= start)
        last = first = max(earlier, default=0)
        try:
            for packet in self._packets([self._video]):
                number = timeline.numbers.get((packet.pts, packet.dts), -1)
                if number < first:
                    continue
                last = number
                needed = not timeline.timed or packet.pts in wanted
                context.skip_frame = "DEFAULT" if needed else "NONREF"
                try:
                    frames = packet.decode()
                except av.FFmpegError:
                    yield None, None
                    continue
                yield from self._with_times(frames, number, timeline)
        except av.FFmpegError:  # the first reading has flagged it
            pass
        yield from self._with_times(context.decode(None), last + 1, timeline)

    def _with_times(
        self, frames: list[Any], number: int, timeline: Timeline
    ) -> Iterator[tuple[int | None, Any]]:
        """Times of the frames that came out with packet `number`.

        Without presentation times, a frame comes out `reorder_depth` packets late.
        """
        for late, frame in enumerate(frames):
            slot = number + late - self._video.codec_context.reorder_depth
            if timeline.timed:
                yield frame.pts, frame
            elif 0 <= slot < len(timeline.ticks):
                yield timeline.ticks[slot], frame

    def _stated_end(self, stream: Any) -> float | None:
        """End of the stream by its header."""
        if stream.duration is None or self._choice.measured:
            return None
        end = (stream.start_time or 0) + stream.duration
        return self._span.since_zero(end, stream.time_base)

    def _check_end(self, name: str, medium: Medium, end_s: float, stated_s: float | None) -> None:
        """Flag a stream that ends before the span, or before its stated end."""
        whole = math.isinf(self._span.end_s)
        expected_s = self._span.end_s
        if whole:
            expected_s = self._length_s if stated_s is None else stated_s
        tolerance_s = GAP_S if whole and stated_s is not None else SLACK_S
        if expected_s - end_s > tolerance_s:
            detail = f"up to {max(0.0, end_s):.3f} of {expected_s:.3f} s"
            self._clip.flag(f"{name} cut short", detail, "what is there is kept", medium)

    def _flag_audio(self, kind: str, detail: str, action: str) -> None:
        self._clip.flag(kind, detail, action, "audio")

    def _flag_frames(self, kind: str, detail: str, action: str) -> None:
        self._clip.flag(kind, detail, action, "frames")


def _named(stream: Any) -> str:
    return f"stream {stream.index} ({stream.codec_context.name})"


def _decode_audio(packet: Any, track: AudioTrack) -> bool:
    """Add the frames of an audio packet to `track`; False: it cannot be decoded."""
    try:
        for frame in packet.decode():
            track.add(frame)
    except (av.FFmpegError, ValueError):
        return False
    return True
