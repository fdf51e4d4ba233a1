"""Reading the frames of a clip, in the order and at the times in which they are shown."""

import contextlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from av.codec.context import CodecContext
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.sidedata.sidedata import Type
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from unblur.errors import InputError, UnreadableError, UnsupportedError
from unblur.io import ebml
from unblur.io.clip_info import ClipInfo, describe, side_data
from unblur.io.colour import PixelConverter, Pixels, alpha_of
from unblur.io.containers import open_media, seconds
from unblur.io.fields import Interlaced, check_interlaced, deinterlaced

__all__ = ["Frame", "VideoReader"]

MAX_CONSECUTIVE_FAILURES = 32
"""Packets in a row that may fail to decode before a clip is given up as damaged."""

MAX_STEP_BACK = Fraction(1)
"""Seconds that a frame's time may lie before that of the frame shown before it and still count as a slip."""

CARRIED = (Type.A53_CC, Type.SEI_UNREGISTERED, Type.DYNAMIC_HDR_PLUS, Type.DOVI_METADATA)
"""Side data that changes with each frame: closed captions, user data, such as the date and exposure of AVCHD cameras, and Dolby Vision, which encoders can
write again, and HDR10+, whose loss the writer tells."""

SEEK_MARGINS = (Fraction(0), Fraction(2), Fraction(10))
"""Seconds before the start of a preview to seek to; each is tried when the one before it lands after the start."""


@dataclass(frozen=True, eq=False, slots=True)
class Frame:
    """A frame of a clip.

    Attributes:
        pixels: RGB (H, W, 3), uint8, or uint16 over 0..65535 for video of more than 8 bits; of a picture with floats, float32 in [0, 1].
        pts: when it is shown, in ticks of the clip's time base.
        duration: how long, in ticks; 0 if the file does not say.
        carried: captions, user data, Dolby Vision and HDR10+ of this frame, for the writer.
        alpha: (H, W) opacity over the full range of 8 or 16 bit, if the clip has it.
    """

    pixels: NDArray[Any]
    pts: int
    duration: int = 0
    carried: VideoFrame | None = None
    alpha: Pixels | None = None


class VideoReader:
    """Iterates over the frames of a clip; can be iterated again from the start.

        with VideoReader(Path("clip.mp4")) as clip:
            for frame in clip:
                ...

    One thread may iterate; other threads may have their own readers. Frames come in presentation order with strictly
    increasing times: a time that equals the one before, or lies up to a second before it, is moved to one tick after it and
    counted in `repaired_times`; frames without a time follow at the clip's rate. Interlaced frames are counted in `interlaced_frames`.

    A damaged packet is skipped and counted in `decode_failures`. A file that was cut off gives the frames that are there, and
    then `truncated` is true: process what there is, and warn. A transport stream (`.ts`) does not tell whether it was cut off.

    Args:
        path: the file.
        start: seconds from the first frame; frames before are left out, to the frame.
        duration: seconds from `start` in which frames are given, None for all.
        interlaced: `refuse` an interlaced clip, since each of its frames holds two moments; `keep` its frames as if they were progressive; or `deinterlace`: make one
            progressive frame of each, at its time, by FFmpeg's filter bwdif; `info` is then of a progressive clip.

    Raises:
        UnreadableError: if the file is missing, empty, not a video, or damaged from the start; while iterating, if many
            packets in a row are damaged.
        UnsupportedError: if it is interlaced; while iterating, if the size of the frames changes or times jump back.
        InputError: if `start` or `duration` is negative, no frame lies in that part, or `interlaced` is something else.
    """

    def __init__(
        self,
        path: Path,
        *,
        start: float | Fraction = 0,
        duration: float | Fraction | None = None,
        interlaced: Interlaced = "refuse",
    ) -> None:
        if start < 0 or (duration is not None and duration <= 0):
            raise InputError(
                f"a part of a clip must start at 0 s or later and last longer than 0 s, got start {start}, duration {duration}"
            )
        self.info: ClipInfo = describe(Path(path))
        check_interlaced(interlaced)
        if self.info.interlaced and interlaced == "refuse":
            raise UnsupportedError(f"`{path}` is interlaced: each frame holds two moments; deinterlace it (`--interlaced deinterlace`)")
        self.deinterlaces = self.info.interlaced and interlaced == "deinterlace"
        if self.deinterlaces:
            self.info = replace(self.info, interlaced=False, top_field_first=None)
        self.start = seconds(start)
        self.end = None if duration is None else self.start + seconds(duration)
        self.decode_failures = 0
        self.repaired_times = 0
        self.interlaced_frames = 0
        self.truncated = False
        self._running: contextlib.ExitStack | None = None
        # Refuses matrices that cannot be converted now and not at the first frame.
        PixelConverter(self.info.pixel_format, colour=self.info.colour, width=self.info.width, height=self.info.height)

    @property
    def is_part(self) -> bool:
        """Whether only a part of the clip is read."""
        return self.start > 0 or self.end is not None

    @property
    def frame_count(self) -> int | None:
        """About how many frames there will be, for progress; None if unknown."""
        whole, rate = self.info.frame_count, self.info.average_rate
        if whole is None or not self.is_part:
            return whole
        if rate is None:
            return None
        end = self.end if self.end is not None else whole / rate
        return max(0, min(round((end - self.start) * rate), whole - int(self.start * rate)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file if an iteration has it open."""
        if self._running is not None:
            self._running.close()
            self._running = None

    def __iter__(self) -> Iterator[Frame]:
        return self.frames_from(self.info.start_pts)

    def frames_from(self, pts: int) -> Iterator[Frame]:
        """Iterate over the frames at a time and after it, in ticks, instead of from the start."""
        self.close()
        self.decode_failures = 0
        self.repaired_times = 0
        self.interlaced_frames = 0
        self.truncated = False
        return self._frames(pts)

    def times_of_packets(self) -> list[int] | None:
        """The times of all frames, in order, by the packets and without decoding; None where these do not tell for certain."""
        info = self.info
        if info.times_by_order or info.has_readable_alpha or self.deinterlaces or self.is_part:
            return None
        times = []
        with contextlib.ExitStack() as stack:
            container, stream = self._open(stack)
            for packet in self._packets(container, stream):
                if packet is None or not packet.size:
                    continue
                if packet.pts is None:
                    return None
                times.append(packet.pts)
        times = sorted(pts for pts in times if pts >= info.start_pts)
        return None if self.truncated or len(set(times)) < len(times) else times

    def _frames(self, since: int) -> Iterator[Frame]:
        info = self.info
        converter: PixelConverter | None = None
        converted_format = ""
        shrinker = VideoReformatter()
        first = max(since, info.start_pts + _ticks(self.start, info.time_base))
        end = None if self.end is None else info.start_pts + _ticks(self.end, info.time_base)
        last: int | None = None
        with contextlib.ExitStack() as stack:
            self._running = stack
            for decoded in self._shown_from(first, stack):
                if (decoded.width, decoded.height) != (info.width, info.height):
                    raise UnsupportedError(
                        f"`{info.path}` changes its size from {info.width}×{info.height} to {decoded.width}×{decoded.height} on the way; "
                        "split it there first"
                    )
                pts = self._time_after(last, decoded)
                if end is not None and pts >= end:
                    break
                if pts < first:
                    continue
                self.interlaced_frames += decoded.interlaced_frame
                if converter is None or decoded.format.name != converted_format:
                    converted_format = decoded.format.name
                    converter = PixelConverter(converted_format, colour=info.colour, width=info.width, height=info.height)
                alpha = alpha_of(decoded) if info.has_readable_alpha else None
                yield Frame(converter.to_rgb(decoded), pts, decoded.duration or 0, _carried(decoded, shrinker), alpha)
                last = pts
            if last is None:
                self._no_frames()

    def _no_frames(self) -> None:
        if self.is_part:
            length = "" if self.info.duration is None else f"; the clip lasts {float(self.info.duration):.3f} s"
            raise InputError(f"`{self.info.path}` has no frame in the part that was asked for (from {float(self.start):g} s){length}")
        raise UnreadableError(f"`{self.info.path}` is damaged: no picture of its video can be decoded")

    def _time_after(self, last: int | None, decoded: VideoFrame) -> int:
        """Give the time of a frame, later than `last`."""
        info = self.info
        pts = decoded.pts if decoded.pts is not None else decoded.dts
        if pts is None:
            step = round(1 / (info.average_rate * info.time_base)) if info.average_rate else 1
            return info.start_pts if last is None else last + max(1, step)
        if last is None or pts > last:
            return pts
        if (last - pts) * info.time_base > MAX_STEP_BACK:
            raise UnsupportedError(
                f"the times in `{info.path}` jump back from {float(last * info.time_base):.3f} s to {float(pts * info.time_base):.3f} s; "
                "it was joined from several recordings: split or remux it first"
            )
        self.repaired_times += 1
        return last + 1

    def _shown_from(self, first: int, stack: contextlib.ExitStack) -> Iterator[VideoFrame]:
        if not self.deinterlaces:
            return self._decoded_from(first, stack)
        return deinterlaced(
            self._decoded_from(first - 1, stack)
        )  # with the frame before the first, so that it is the same as when read from the start

    def _decoded_from(self, first: int, stack: contextlib.ExitStack) -> Iterator[VideoFrame]:
        """Decode from a place from which the frame at `first` and all after it are sure to come."""
        if first > self.info.start_pts and not self.info.times_by_order:  # by order, a frame's time is known by those before it
            for margin in SEEK_MARGINS:
                attempt = stack.enter_context(contextlib.ExitStack())
                container, stream = self._open(attempt)
                target = first - _ticks(margin, self.info.time_base)
                try:
                    container.seek(target, stream=stream)
                except FFmpegError:
                    attempt.close()
                    break
                frames = self._decoded(container, stream)
                head = next((frame for frame in frames if frame.pts is not None), None)
                if head is not None and head.pts is not None and head.pts <= first:
                    yield from chain([head], frames)
                    return
                attempt.close()
                self.decode_failures = 0
        container, stream = self._open(stack)
        yield from self._decoded(container, stream)

    def _open(self, stack: contextlib.ExitStack) -> tuple[InputContainer, VideoStream]:
        container = stack.enter_context(open_media(self.info.path))
        stream = container.streams[self.info.video_index]
        if not isinstance(stream, VideoStream):
            raise UnreadableError(f"`{self.info.path}` has changed while it was read")
        stream.codec_context.thread_type = "AUTO"
        self.truncated = _ends_early(self.info.path, stream)
        return container, stream

    def _decoded(self, container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
        decoder = self._alpha_decoder(stream)
        failed_in_a_row = 0
        times: deque[int | None] = deque()  # of the packets whose frames have not come out yet
        for packet in self._packets(container, stream):
            if self.info.times_by_order and packet is not None and packet.size:
                times.append(packet.dts)
            try:
                frames = (
                    stream.decode(packet) if decoder is None else decoder.decode(packet if packet is not None and packet.size else None)
                )
            except FFmpegError as error:
                if isinstance(error, MemoryError):
                    raise
                self.decode_failures += 1
                if times:
                    times.pop()  # of this packet, which gives no frame
                failed_in_a_row += 1
                if failed_in_a_row > MAX_CONSECUTIVE_FAILURES:
                    raise UnreadableError(f"`{self.info.path}` is damaged: {failed_in_a_row} packets in a row cannot be decoded") from error
                continue
            for frame in frames:
                failed_in_a_row = 0
                if times:
                    frame.pts = times.popleft()
                self.decode_failures += frame.is_corrupt  # shown all the same, with what the decoder made up for the hole
                yield frame

    def _alpha_decoder(self, stream: VideoStream) -> VideoCodecContext | None:
        """A decoder for opacity beside the pictures; None for the usual one."""
        if self.info.alpha_decoder is None:
            return None
        decoder = CodecContext.create(self.info.alpha_decoder, "r")
        assert isinstance(decoder, VideoCodecContext)
        if stream.codec_context.extradata:
            decoder.extradata = stream.codec_context.extradata
        return decoder

    def _packets(self, container: InputContainer, stream: VideoStream) -> "Iterator[Packet[VideoStream] | None]":
        try:
            for packet in container.demux(stream):
                self.truncated |= packet.is_corrupt
                yield packet
        except FFmpegError as error:
            if isinstance(error, MemoryError):
                raise
            self.truncated = True
            yield None  # lets the decoder give what it still holds


def _ends_early(path: Path, stream: VideoStream) -> bool:
    """Tell whether a file is shorter than its index (MP4) or its header (Matroska, AVI) says."""
    size = path.stat().st_size
    entries = stream.index_entries
    count = len(entries)
    if any(entries[i].pos + entries[i].size > size for i in range(max(0, count - 8), count)):
        return True
    with path.open("rb") as file:
        head = file.read(512)
    return _announced_size(head) > size


def _announced_size(head: bytes) -> int:
    """Read the size of a file from its first bytes, 0 if they do not tell.

    Source: RFC 8794 (EBML, see `unblur.io.ebml`); RIFF: four letters and the length of the rest.
    """
    if head[:4] == b"RIFF":
        return 8 + int.from_bytes(head[4:8], "little")
    if head[:4] != ebml.unsigned(ebml.EBML):
        return 0
    segment = next((each for each in ebml.children(head) if each.id == ebml.SEGMENT), None)
    return max(segment.end, 0) if segment is not None else 0


def _carried(decoded: VideoFrame, shrinker: VideoReformatter) -> VideoFrame | None:
    """Keep the side data of a frame without its pixels."""
    if all(side_data(decoded, kind) is None for kind in CARRIED):
        return None
    small = shrinker.reformat(decoded, width=16, height=16, format="gray")
    small.pict_type = 0  # the encoder is to choose its own key frames
    return small


def _ticks(span: Fraction, time_base: Fraction) -> int:
    """Give the first tick at or after a time."""
    return -((-span / time_base).__floor__())
