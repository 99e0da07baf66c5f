"""Choice of the audio stream and the video stream of a file, for all readers.

The audio is the first audio stream that has data and can be decoded; the video likewise. A cover
picture or a track of thumbnails is never the video. Where a header leaves out a size, a rate or the
length of the file, the packets decide. PyAV: https://pyav.org.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import av
from av.stream import Disposition

from merflow.artifacts import Medium

COVER = Disposition.attached_pic | Disposition.timed_thumbnails
#: Containers that do not say their length. FFmpeg guesses it from the first bit rate.
WITHOUT_LENGTH = frozenset({"aac", "ac3", "eac3"})
_CODEC = re.compile(r"^ *Stream #0:(\d+)\S*: (?:Audio|Video): ([^,\n]*)", re.MULTILINE)
_TAG = re.compile(r"\((\S+) / (0x\w+)\)")
_log_level = Lock()  # FFmpeg has one for all threads


@dataclass(frozen=True)
class Choice:
    """Streams of a file that are used.

    Attributes:
        audio, video: number of the stream; None: there is none.
        length_s: length of the file in seconds.
        measured: True: the header does not say the length, the packets do.
        rejected: medium -> reasons why earlier streams are not used.
    """

    audio: int | None
    video: int | None
    length_s: float
    measured: bool
    rejected: Mapping[Medium, list[str]]

    @property
    def obstacle(self) -> str | None:
        """Reason why no stream is used; None: one is."""
        if self.audio is not None or self.video is not None:
            return None
        reasons = [reason for medium in self.rejected.values() for reason in medium]
        return "; ".join(reasons) or "neither sound nor pictures in it"


def choose(container: Any) -> Choice:
    """Choose streams of an open file; open it anew to read it from its start.

    Raises:
        av.FFmpegError: not a single packet can be read.
    """
    films = [stream for stream in container.streams.video if not stream.disposition & COVER]
    candidates: dict[Medium, Sequence[Any]] = {"audio": container.streams.audio, "frames": films}
    survey = _Survey(container)
    survey.read(candidates.values())
    chosen: dict[Medium, int | None] = {}
    rejected: dict[Medium, list[str]] = {}
    for medium, streams in candidates.items():
        numbers = [stream.index for stream in streams]
        chosen[medium] = next((number for number in numbers if number in survey.usable), None)
        earlier = numbers if chosen[medium] is None else numbers[: numbers.index(chosen[medium])]
        rejected[medium] = [survey.obstacle(number) for number in earlier]
    return Choice(chosen["audio"], chosen["frames"], survey.length_s, survey.measured, rejected)


class _Survey:
    """Facts about the streams of an open file, by header and packets.

    Attributes:
        usable: numbers of the streams of which a packet was seen that can be decoded.
        length_s: length of the file in seconds.
        measured: True: by packets.
    """

    def __init__(self, container: Any):
        self._container = container
        self._encrypted: set[int] = set()
        self._filled: set[int] = set()
        self.usable: set[int] = set()
        self.length_s = _stated_length_s(container)
        self.measured = not self.length_s

    def read(self, media: Collection[Sequence[Any]]) -> None:
        """Read packets until the first stream of each medium is known to be usable.

        If the header leaves out the length of the file, read all of it.
        """
        decodable = [[stream for stream in streams if stream.codec_context] for streams in media]
        awaited = {streams[0].index for streams in decodable if streams}
        end_s = 0.0
        for packet in self._packets([stream for streams in decodable for stream in streams]):
            self._note(packet)
            end_s = max(end_s, self._end_s(packet))
            if not self.measured and awaited <= self.usable:
                return
        if self.measured:
            self.length_s = end_s

    def _packets(self, streams: Sequence[Any]) -> Iterator[Any]:
        if not streams:
            return
        try:
            yield from packets_of(self._container, streams)
        except av.FFmpegError:
            if not self._filled:
                raise

    def _note(self, packet: Any) -> None:
        number = packet.stream_index
        if packet.size:
            self._filled.add(number)
        if packet.has_sidedata("encryption_info"):
            self._encrypted.add(number)
        elif number not in self.usable and _can_be_decoded(packet):
            self.usable.add(number)

    def _end_s(self, packet: Any) -> float:
        start = packet.dts if packet.pts is None else packet.pts
        if start is None:
            return 0.0
        origin_s = (self._container.start_time or 0) / av.time_base
        return float((start + (packet.duration or 0)) * packet.time_base) - origin_s

    def obstacle(self, number: int) -> str:
        """Reason why a stream cannot be used."""
        context = self._container.streams[number].codec_context
        name = codec_name(self._container, number)
        if not context:
            codec = "an unknown codec" if name == "none" else f"codec {name}"
            return f"stream {number} has {codec}, which cannot be decoded"
        if number in self._encrypted:
            return f"stream {number} ({name}) is encrypted"
        if number in self._filled:
            return f"stream {number} ({name}) has no packet that can be decoded"
        return f"stream {number} ({name}) has no data"


def packets_of(container: Any, streams: Sequence[Any]) -> Iterator[Any]:
    """Packets of streams of an open file, in their order; the last ones are empty."""
    try:
        yield from container.demux(*streams)
    except IndexError:  # PyAV, at the end of a file in which further streams have appeared
        return


def _can_be_decoded(packet: Any) -> bool:
    """Tell whether the header describes the packet's stream, or else a frame comes out."""
    context = packet.stream.codec_context
    if packet.stream.type == "audio":
        described = context.sample_rate and context.channels
    else:
        described = context.width and context.height
    if described:
        return packet.size > 0
    try:
        return bool(packet.decode())
    except av.FFmpegError:
        return False


def _stated_length_s(container: Any) -> float:
    """Length by the header; 0: it leaves it out, and FFmpeg can only guess."""
    form = container.format.name
    lengths = [
        float(stream.duration * stream.time_base)
        for stream in container.streams
        if stream.duration is not None and stream.time_base is not None
    ]
    # Matroska has a length of the file, and none of a stream
    if form in WITHOUT_LENGTH or ("matroska" in form and lengths):
        return 0.0
    if container.duration is not None:
        return max(0.0, container.duration / av.time_base)
    return max(lengths, default=0.0)


def codec_name(container: Any, number: int) -> str:
    """Name of a stream's codec, or its four-character code in the file, or "none".

    PyAV tells neither where FFmpeg has no decoder, but FFmpeg's description of the file does.
    """
    with _log_level, av.logging.Capture(local=False):  # swallows the logs of other threads
        av.logging.set_level(av.logging.INFO)
        try:
            description = container.dumps_format()
        finally:  # None would be quiet too, but PyAV fails on a log that began before
            av.logging.set_level(av.logging.PANIC)
    codecs = {int(stream): codec for stream, codec in _CODEC.findall(description)}
    codec = codecs.get(number, "none")
    name, tag = codec.split()[0], _TAG.search(codec)
    if name != "none" or tag is None:
        return name
    return tag[2] if "[" in tag[1] else tag[1]  # brackets: bytes that are no letters
