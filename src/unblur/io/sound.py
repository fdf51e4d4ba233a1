"""Sound that a container does not take as it is: Matroska takes it in the words of Windows (ACM), others as PCM, without loss."""

import io
import math
import struct
from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream

from unblur.io import ebml
from unblur.io.containers import exact, muxed_head, open_media

__all__ = ["PcmConverter", "acm_header", "acm_stream", "layout_to_name", "name_acm", "pcm_codec", "single_frames"]

ACM, STAND_IN = b"A_MS/ACM", b"A_TRUEHD"
"""Matroska's names of sound that a header of Windows describes, and of the codec as which it is handed to the muxer, which knows no ACM by way of
PyAV. Both are of one length, and TrueHD has no header of its own."""

NUMBER, UID, TYPE, CODEC, PRIVATE, AUDIO, RATE, CHANNELS, TIME = 0xD7, 0x73C5, 0x83, 0x86, 0x63A2, 0xE1, 0xB5, 0x9F, 0xE7

PCM = {
    "u8": "pcm_s16le",
    "u8p": "pcm_s16le",
    "s16": "pcm_s16le",
    "s16p": "pcm_s16le",
    "s32": "pcm_s32le",
    "s32p": "pcm_s32le",
    "flt": "pcm_f32le",
    "fltp": "pcm_f32le",
    "dbl": "pcm_f64le",
    "dblp": "pcm_f64le",
}
"""The PCM that holds each of FFmpeg's sample formats without loss."""

LAYOUTS = {1: "mono", 2: "stereo", 3: "2.1", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
"""FFmpeg's usual layout of as many channels (`av_channel_layout_default`)."""

AMR_FRAMES = {
    "amr_nb": (13, 14, 16, 18, 20, 21, 27, 32, 6, 1, 1, 1, 1, 1, 1, 1),
    "amr_wb": (18, 24, 33, 37, 41, 47, 51, 59, 61, 6, 1, 1, 1, 1, 1, 1),
}
"""Bytes of a frame of AMR by its mode, with the byte that says the mode (RFC 4867, section 5.3; 3GPP TS 26.101 and 26.201)."""

PROBED_PACKETS = 200
"""Packets of sound that are tried for a first frame."""


def acm_header(stream: Stream) -> bytes:
    """Give the header that describes a stream of sound in files of Windows (WAVEFORMATEX), as FFmpeg writes it; empty if it has none."""
    data = muxed_head(stream, container="wav") or b""
    at = data.find(b"fmt ") + 4
    return data[at + 4 : at + 4 + int.from_bytes(data[at : at + 4], "little")] if at > 3 else b""


def acm_stream(stream: AudioStream, closing: ExitStack) -> Stream:
    """Give a template of which Matroska's muxer makes a track for the packets of `stream`; `name_acm` names it right afterwards.

    Args:
        stream: of a source that has an `acm_header`.
        closing: keeps the template open.
    """
    audio = ebml.element(
        AUDIO,
        ebml.element(RATE, struct.pack(">d", stream.codec_context.sample_rate)),
        ebml.element(CHANNELS, ebml.unsigned(stream.codec_context.layout.nb_channels)),
    )
    track = ebml.element(
        ebml.TRACK_ENTRY,
        *(ebml.element(kind, ebml.unsigned(value)) for kind, value in ((NUMBER, 1), (UID, 1), (TYPE, 2))),
        ebml.element(CODEC, STAND_IN),
        ebml.element(PRIVATE, acm_header(stream)),
        audio,
    )
    head = ebml.element(ebml.EBML, ebml.element(0x4282, b"matroska"))
    segment = (ebml.element(ebml.TRACKS, track), ebml.element(ebml.CLUSTER, ebml.element(TIME, b"\0")))
    opened = av.open(io.BytesIO(head + ebml.element(ebml.SEGMENT, *segment)), format="matroska")
    return closing.enter_context(opened).streams[0]


def name_acm(track: bytes) -> bytes:
    """Name a track of `acm_stream` in a finished Matroska file; real TrueHD has no header and stays. Any other track is given back as it is."""
    whole = next(ebml.children(track))
    parts = {part.id: part for part in ebml.children(track, whole.body)}
    codec = parts.get(CODEC)
    if codec is None or PRIVATE not in parts or track[codec.body : codec.end] != STAND_IN:
        return track
    return track[: codec.body] + ACM + track[codec.end :]


def pcm_codec(path: Path, index: int) -> str:
    """Give FFmpeg's name of the PCM that holds a stream of sound without loss; empty if it cannot be decoded.

    Raises:
        UnreadableError: if the file cannot be opened.
    """
    with open_media(path) as container:
        stream = container.streams[index]
        if not isinstance(stream, AudioStream) or stream.codec_context is None:
            return ""
        frame = _first_frame(container.demux(stream), stream)
        if frame is None:
            return ""
        depth = getattr(stream.codec_context, "bits_per_coded_sample", 0)
        is_24_bit = frame.format.name in ("s32", "s32p") and stream.codec_context.name.startswith("pcm_") and 16 < depth <= 24
        return "pcm_s24le" if is_24_bit else PCM.get(frame.format.name, "")


def layout_to_name(stream: AudioStream) -> str | None:
    """Give the layout by which the channels of PCM are named in MP4, which does not take them unnamed, as cameras and AVI leave them.

    Returns:
        Empty if the source names them itself; None if there is no usual layout of as many channels.
    """
    layout = stream.codec_context.layout
    return LAYOUTS.get(layout.nb_channels) if layout.name == f"{layout.nb_channels} channels" else ""


def single_frames(packet: "Packet[Any]", codec: str) -> "list[Packet[Any]]":
    """Give a packet of several frames of AMR as packets of one, which is what QuickTime's muxer takes; any other as it is."""
    sizes = AMR_FRAMES.get(codec)
    data = bytes(packet)
    parts: list[bytes] = []
    while sizes and data:
        size = sizes[data[0] >> 3 & 15]
        parts.append(data[:size])
        data = data[size:]
    if len(parts) < 2:
        return [packet]
    split = []
    step = (packet.duration or 0) // len(parts)
    for number, part in enumerate(parts):
        single: Packet[Any] = Packet(part)
        single.time_base, single.is_keyframe, single.duration = packet.time_base, packet.is_keyframe, step
        single.pts = None if packet.pts is None else packet.pts + number * step
        single.dts = None if packet.dts is None else packet.dts + number * step
        split.append(single)
    return split


def _first_frame(packets: "Iterator[Packet[Any]]", stream: AudioStream) -> AudioFrame | None:
    try:
        for number, packet in enumerate(packets):
            try:
                for frame in stream.decode(packet):
                    return frame
            except FFmpegError:
                pass
            if number >= PROBED_PACKETS:
                break
    except FFmpegError:
        pass
    return None


class PcmConverter:
    """Decodes the packets of a stream of sound and gives packets of PCM, at the same times.

    Args:
        stream: of the source.
        output: to which a stream of PCM is added.
        codec: FFmpeg's name of the PCM, see `pcm_codec`.

    Attributes:
        target: the stream that was added.
        failures: packets that could not be decoded.
    """

    def __init__(self, stream: AudioStream, output: OutputContainer, codec: str) -> None:
        self.failures = 0
        self._stream = stream
        self.target = cast("AudioStream", output.add_stream(codec, rate=stream.codec_context.sample_rate))
        self.target.codec_context.layout = stream.codec_context.layout
        self._unit = Fraction(1, stream.codec_context.sample_rate)
        self.target.time_base = self.target.codec_context.time_base = self._unit
        self._next: int | None = None

    def convert(self, packet: "Packet[Any] | None") -> "Iterator[Packet[Any]]":
        """Yield the PCM of a packet; None yields what the decoder still holds."""
        try:
            frames = self._stream.decode(packet)
        except FFmpegError as error:
            if isinstance(error, MemoryError):
                raise
            self.failures += packet is not None
            return
        for frame in frames:
            unit = exact(frame.time_base)
            if frame.pts is None or unit is None:
                frame.pts = self._next
            else:  # what only a rounding of times parts from the frame before, or overlaps it, follows it without a gap
                pts = round(frame.pts * unit / self._unit)
                frame.pts = self._next if self._next is not None and pts <= self._next + math.ceil(unit / self._unit) else pts
            frame.time_base = self._unit
            self._next = (frame.pts or 0) + frame.samples
            yield from self.target.encode(frame)
