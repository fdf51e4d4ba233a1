"""What a container says of a video besides its coding, carried into a track of another coding: spherical, stereo, crop, colour; and languages by BCP 47.

FFmpeg carries these from a stream that it has read to one that it writes, but PyAV has no way to give them to a stream for an encoder. So the
head of a track is written for the source, the name of its codec is replaced by that of the encoder, and the head is read again: this gives a
stream that a track of the output can be made of.
"""

import io
import math
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

import av
from av.stream import Stream
from av.video.stream import VideoStream

from unblur.io import ebml
from unblur.io.containers import muxed_head

__all__ = ["ROOM", "described_stream", "languages_of", "said_besides"]

CODEC_NAMES = {
    "libx264": b"V_MPEG4/ISO/AVC",
    "libx264rgb": b"V_MPEG4/ISO/AVC",
    "libx265": b"V_MPEGH/ISO/HEVC",
    "libvpx": b"V_VP8",
    "libvpx-vp9": b"V_VP9",
    "libsvtav1": b"V_AV1",
    "prores_ks": b"V_PRORES",
    "ffv1": b"V_FFV1",
}
"""Matroska's names of what the encoders write."""

CODEC, PRIVATE, ADDITIONS, VIDEO, COLOUR, TIME = 0x86, 0x63A2, 0x41E4, 0xE0, 0x55B0, 0xE7
PROJECTION, STEREO = 0x7670, 0x53B8
CROP = (0x54AA, 0x54BB, 0x54CC, 0x54DD)
NAME, WIDTH, HEIGHT, DISPLAY_WIDTH, DISPLAY_HEIGHT, DISPLAY_UNIT = 0x536E, 0xB0, 0xBA, 0x54B0, 0x54BA, 0x54B2

ADDITION_TYPE, ADDITION_DATA = 0x41E7, 0x41ED
LANGUAGE, TYPE = 0x22B59D, 0x83
TRACK_NUMBER, TRACK_UID = 0xD7, 0x73C5
STREAM_TYPES = (1, 2, 0x11, 0x21)
"""Types of tracks of which FFmpeg makes streams: video, sound, subtitles, metadata."""

LONGEST_LANGUAGE = 63
"""Letters of a tag of BCP 47 that are read; the longest that is registered has half as many."""

ROOM = 160
"""Bytes by which a track's title is made longer, for what is written into the finished file in place of them."""
SITING = (0x55B7, 0x55B8)
LEVELS = (0x55BC, 0x55BD, 0x55D0)
"""Content light level, of a pixel and of a frame, and mastering display."""


def described_stream(source: VideoStream, *, encoder: str, dolby_vision: bytes, always: bool, closing: ExitStack) -> Stream | None:
    """Give a stream of the encoder's codec with all that FFmpeg knows of the source's besides its coding; None if there is nothing.

    Args:
        source: of the file that is read.
        encoder: FFmpeg's name of the encoder.
        dolby_vision: the record of Dolby Vision that the encoder writes; empty for none.
        always: give a stream also if there is nothing.
        closing: keeps the stream open.
    """
    parts = _entry_of(source)
    if not (always or _says_something(parts[VIDEO])):
        return None
    kept = [part for kind, part in parts.items() if kind not in (CODEC, PRIVATE, ADDITIONS, ebml.CRC_32)]
    if dolby_vision:
        kept.append(ebml.element(ADDITIONS, ebml.element(ADDITION_TYPE, b"dvvC"), ebml.element(ADDITION_DATA, dolby_vision)))
    written = ebml.element(ebml.TRACK_ENTRY, ebml.element(CODEC, CODEC_NAMES[encoder]), *kept)
    body = ebml.element(ebml.TRACKS, written), ebml.element(ebml.CLUSTER, ebml.element(TIME, b"\0"))
    whole = ebml.element(ebml.EBML, ebml.element(0x4282, b"matroska")) + ebml.element(ebml.SEGMENT, *body)
    return closing.enter_context(av.open(io.BytesIO(whole), format="matroska")).streams[0]


def said_besides(track: bytes, *, title: str, aspect: Fraction | None = None, language: str = "") -> bytes:
    """Give the entry of a track with what FFmpeg does not write of it: the size at which a video is shown, which says the shape of its pixels, and a language.

    FFmpeg writes the size from a field that PyAV does not set, and of languages three letters. The entry keeps its length: its title was made longer by `ROOM`.

    Args:
        track: the element.
        title: of the track; empty for none.
        aspect: width of a pixel by its height; None leaves the size as it is.
        language: by BCP 47; empty for none.
    """
    whole = next(ebml.children(track))
    kept = []
    for part in ebml.children(track, whole.body):
        data = track[part.begin : part.end]
        if part.id == VIDEO and aspect is not None:
            data = ebml.element(VIDEO, _with_size(track[part.body : part.end], aspect))
        elif part.id == NAME:
            data = ebml.element(NAME, title.encode()) if title else b""
        kept.append(data)
    if language:
        kept.append(ebml.element(LANGUAGE, language.encode()))
    return track[: whole.body] + ebml.padded(b"".join(kept), whole.end - whole.body)


def languages_of(path: Path) -> dict[int, str]:
    """The languages of a Matroska file by BCP 47, such as `pt-BR`, by the index of the stream; streams without one are not in it."""
    with path.open("rb") as file:
        found = next((each for each in ebml.segment_elements(file) if each.id in (ebml.TRACKS, ebml.CLUSTER)), None)
        if found is None or found.id != ebml.TRACKS:
            return {}
        file.seek(found.body)
        body = file.read(found.end - found.body)
    tracks = []
    for entry in ebml.children(body):
        parts = {part.id: body[part.body : part.end] for part in ebml.children(body, entry.body, entry.end)}
        if entry.id == ebml.TRACK_ENTRY and int.from_bytes(parts.get(TYPE, b""), "big") in STREAM_TYPES:
            tracks.append(parts.get(LANGUAGE, b"").rstrip(b"\0").decode("ascii", "replace")[:LONGEST_LANGUAGE])
    return {index: language for index, language in enumerate(tracks) if language}


def _with_size(video: bytes, aspect: Fraction) -> bytes:
    parts = {part.id: part for part in ebml.children(video)}
    values = {kind: int.from_bytes(video[part.body : part.end], "big") for kind, part in parts.items()}
    bottom, top, left, right = (values.get(kind, 0) for kind in CROP)
    width, height = values[WIDTH] - left - right, values[HEIGHT] - top - bottom
    shown = Fraction(width, height) * aspect  # in whole pixels, exactly
    times = max(1, math.ceil(Fraction(height) / shown.denominator))
    size = ((DISPLAY_WIDTH, shown.numerator * times), (DISPLAY_HEIGHT, shown.denominator * times))
    kept = [video[part.begin : part.end] for kind, part in parts.items() if kind not in (DISPLAY_WIDTH, DISPLAY_HEIGHT, DISPLAY_UNIT)]
    return b"".join([*kept, *(ebml.element(kind, ebml.unsigned(value)) for kind, value in size)])


def _entry_of(source: VideoStream) -> dict[int, bytes]:
    """The elements of the entry of a Matroska track for a video, by their kind; the necessary ones if Matroska does not take the video."""
    head = muxed_head(source, container="matroska") or b""
    segment = next((each for each in ebml.children(head) if each.id == ebml.SEGMENT), None)
    tracks = next((each for each in ebml.children(head, segment.body) if each.id == ebml.TRACKS), None) if segment else None
    track = next((each for each in ebml.children(head, tracks.body, tracks.end) if each.id == ebml.TRACK_ENTRY), None) if tracks else None
    parts = {part.id: head[part.begin : part.end] for part in ebml.children(head, track.body, track.end)} if track else {}
    if VIDEO in parts:
        return parts
    size = ((WIDTH, source.codec_context.width), (HEIGHT, source.codec_context.height))
    necessary = {kind: ebml.element(kind, b"\1") for kind in (TRACK_NUMBER, TRACK_UID, TYPE)}
    return necessary | {VIDEO: ebml.element(VIDEO, *(ebml.element(kind, ebml.unsigned(value)) for kind, value in size))}


def _says_something(video: bytes) -> bool:
    parts = {part.id: part for part in ebml.children(video, next(ebml.children(video)).body)}
    colour = {part.id for part in ebml.children(video, parts[COLOUR].body, parts[COLOUR].end)} if COLOUR in parts else set()
    return bool({PROJECTION, STEREO, *CROP} & parts.keys() or {*SITING, *LEVELS} & colour)
