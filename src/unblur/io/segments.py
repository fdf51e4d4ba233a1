"""Encoding a clip in segments that do not depend on each other, so that what is encoded can be kept and added to."""

from array import array
from collections.abc import Callable, Iterable
from typing import Literal, cast

from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from unblur.io.external_encoder import ExternalEncoder

__all__ = ["SegmentEncoder"]

OPACITY: Literal["matroska_block_additional"] = "matroska_block_additional"
"""Side data of packets in which libvpx gives the opacity of a frame."""


class SegmentEncoder:
    """Encodes frames for a stream, each segment of `length` frames by a new encoder.

    What an encoder makes of a segment depends on nothing but its frames, so that a clip that is gone on with at the beginning of a segment
    gets the packets that it would have got at once. The first segment is encoded by the stream's own encoder if it has one, all others by
    encoders with the same settings.

    Decoding times continue over the segments: the n-th packet of the clip is decoded at the time of the frame that is presented as the
    (n - d)-th, d being the number of packets by which the first encoder's decoding runs ahead.

    Args:
        stream: of the output; its encoder, if it has one, must be open.
        name: FFmpeg's name of the encoder.
        another: gives an encoder with the settings of this clip that has encoded nothing yet.
        length: frames in a segment.
    """

    def __init__(self, stream: VideoStream, *, name: str, another: Callable[[], VideoCodecContext | ExternalEncoder], length: int) -> None:
        self._stream, self._another, self._length = stream, another, length
        self._name = name
        self._encoder: VideoCodecContext | ExternalEncoder | None = stream.codec_context if stream.codec_context.is_encoder else None
        self._pts: array[int] = array("q")  # of all frames, in the order of presentation
        self._durations: dict[int, int] = {}  # of frames that are in the encoder
        self._in_segment = 0  # frames
        self._packets = 0
        self._delay: int | None = None  # known after the first segment
        self._ahead = 0  # packets of the first segment that are decoded before its first frame is presented

    @property
    def extradata(self) -> str:
        """What a decoder needs to know before the first packet, in hexadecimal digits."""
        return (self._stream.codec_context.extradata or b"").hex()

    @property
    def is_complete(self) -> bool:
        """Whether the segment has all of its frames."""
        return self._in_segment == self._length

    def resume(self, pts: Iterable[int], *, delay: int) -> None:
        """Go on after segments with these presentation times, whose packets have been written."""
        self._pts = array("q", sorted(pts))
        self._packets, self._delay = len(self._pts), delay

    def encode(self, frame: VideoFrame) -> "list[Packet[VideoStream]]":
        """Add a frame to the segment; gives the packets that are done by now."""
        assert frame.pts is not None
        if self._encoder is None:
            self._encoder = self._another()
        self._pts.append(frame.pts)
        self._durations[frame.pts] = frame.duration
        self._in_segment += 1
        return [self._timed(packet) for packet in self._encoder.encode(frame)]

    def end_segment(self) -> "list[Packet[VideoStream]]":
        """End the segment; gives the packets that the encoder still holds."""
        packets = [] if self._encoder is None else [self._timed(packet) for packet in self._encoder.encode(None)]
        self._encoder, self._in_segment = None, 0
        self._delay = self._ahead if self._delay is None else self._delay
        return packets

    def _timed(self, encoded: "Packet[VideoStream]") -> "Packet[VideoStream]":
        # Without the note that no other frame refers to it, which cannot be given to a packet that was kept, and which files do not need.
        packet = cast("Packet[VideoStream]", Packet(bytes(encoded)))
        if encoded.has_sidedata(OPACITY):
            packet.set_sidedata(encoded.get_sidedata(OPACITY))
        packet.stream, packet.time_base = self._stream, encoded.time_base
        packet.pts, packet.dts, packet.duration, packet.is_keyframe = encoded.pts, encoded.dts, encoded.duration, encoded.is_keyframe
        if packet.pts is not None and (duration := self._durations.pop(packet.pts, 0)):
            packet.duration = duration
        if self._delay is not None:
            packet.dts = self._pts[self._packets - self._delay]
        elif len(self._pts) <= 2 and self._name == "libx265":
            packet.dts = packet.pts  # x265 leaves the decoding times of one or two frames to chance; two cannot change order
        elif packet.dts is not None and packet.dts < self._pts[0]:
            self._ahead += 1
        self._packets += 1
        return packet
