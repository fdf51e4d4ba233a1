"""The structure of a JPEG file: its segments, the end of the coded picture, and what stands behind that.

Phones put further files behind the picture: a gain map for HDR (ISO 21496-1; Ultra HDR), the video of a motion photo, depth maps, and trailers of
makers. Two indexes may say where: a segment MPF with absolute places (CIPA DC-007) and the directory of a container in XMP, with the lengths of what
follows in order (Google's Motion Photo format 1.0). Older motion photos state how far from the end of the file the video begins (`MicroVideoOffset`).
Samsung's trailer and that of Camera Bits count from their own ends, so that they stay true wherever they stand; AFCP counts from the beginning.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from unblur.io.codecs import JPEG_LS
from unblur.io.ifd import DamagedError, Entry, read_directory, read_header, reader_of
from unblur.io.picture import Attached

__all__ = [
    "MULTI_PICTURE",
    "NO_FRAME",
    "Part",
    "end_of_picture",
    "frame_of",
    "moved_afcp",
    "multi_picture_kinds",
    "parts_behind",
    "patched_index",
    "segments_of",
    "with_item_length",
    "without_claims",
]

_Kind = Literal["gain map", "motion-photo video", "further picture"]

START_OF_SCAN, END_OF_IMAGE = 0xDA, 0xD9
MULTI_PICTURE = b"MPF\0"
NO_FRAME = (0, 8)
INDEX_COUNT, INDEX_ENTRIES, ENTRY_SIZE = 0xB001, 0xB002, 16
MARKER = re.compile(rb"\xff[\xc0-\xcf\xd8-\xfe]")
"""What can only be a marker within coded data: not a stuffed byte, a restart or a fill byte."""

WITH_LENGTH = frozenset((0xC4, 0xDA, 0xDB, 0xDC, 0xDD, 0xFE))
"""Markers between scans whose segment could hold the bytes of an end."""

ITEM = re.compile(rb"<(?:\w+:)?Item\b[^>]*>|<rdf:li\b[^>]*?\bItem:[^>]*>")
ITEM_VALUE = rb"\bItem:%s\s*=\s*[\"']([^\"']*)[\"']"
VIDEO_OFFSET = re.compile(rb"\bMicroVideoOffset(?:\s*=\s*[\"']|>)(\d+)")
CLAIM = rb"(?:hdrgm:\w+|(?:G?Camera):(?:MotionPhoto|MicroVideo)\w*|HDRGainMap:\w+)"
CLAIMED_ATTRIBUTE = re.compile(rb"\s+" + CLAIM + rb"\s*=\s*(?:\"[^\"]*\"|'[^']*')")
CLAIMED_ELEMENT = re.compile(rb"<(" + CLAIM + rb"|G?Container:Directory)(?:\s[^>]*)?(?:/>|>.*?</\1\s*>)", re.DOTALL)
PREVIEW = 0x010000
"""Kind of an MPF entry: large thumbnails (CIPA DC-007, 5.2.3.3.1)."""


@dataclass(frozen=True)
class Part:
    """A part behind the picture: what it is, and its entry in the index and item in XMP, counted from 1, or 0."""

    attached: Attached
    item: int = 0
    is_preview: bool = False


def segments_of(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Give marker, content and place of the content of each segment before the first scan; stop where the structure breaks."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1  # fill byte
            continue
        if marker in (START_OF_SCAN, END_OF_IMAGE):
            return
        (length,) = struct.unpack(">H", data[at + 2 : at + 4])
        yield marker, data[at + 4 : at + 2 + max(length, 2)], at + 4
        at += 2 + max(length, 2)


def frame_of(data: bytes) -> tuple[int, int]:
    """Give the marker of the frame, which tells the way of coding, and the bits of a sample; `NO_FRAME` if there is none before the first scan."""
    for marker, content, _ in segments_of(data):
        if content and ((marker in range(0xC0, 0xD0) and marker not in (0xC4, 0xC8, 0xCC)) or marker == JPEG_LS):
            return marker, content[0]
    return NO_FRAME


def end_of_picture(data: bytes) -> int | None:
    """Give where the coded picture ends, behind its end marker; None if it does not.

    libjpeg does not miss the marker where zeros fill the rest of the file, and gives a picture that is grey from there on.
    """
    at = 2
    for _, content, place in segments_of(data):
        at = place + len(content)
    first = at
    while found := MARKER.search(data, at):
        marker, at = data[found.start() + 1], found.start() + 2
        if marker == END_OF_IMAGE:
            return at
        if marker in WITH_LENGTH and at + 2 <= len(data):
            at += max(struct.unpack(">H", data[at : at + 2])[0], 2)
    end = data.find(bytes((0xFF, END_OF_IMAGE)), first)  # where damage within has led astray
    return end + 2 if end >= 0 else None


def multi_picture_kinds(segment: bytes) -> list[int]:
    """Give the kinds of the pictures that an MPF segment lists (CIPA DC-007, 5.2.3.3.1); empty if it is damaged."""
    return [attribute & 0xFFFFFF for attribute, _, _ in _index_of(segment)]


def parts_behind(data: bytes, *, end: int, index: tuple[bytes, int] | None, xmp: bytes | None) -> list[Part]:
    """Cut what stands behind the picture into parts that cover it without a gap.

    Args:
        data: the file.
        end: of the picture.
        index: the MPF segment, and its place in the file.
        xmp: of the picture.
    """
    known: dict[int, tuple[int, Part]] = {}
    segment, base = index or (b"", 0)
    for number, (attribute, size, offset) in enumerate(_index_of(segment)):
        start = base + len(MULTI_PICTURE) + offset
        if number and size and end <= start <= start + size <= len(data):
            content = data[start : start + size]
            kind: _Kind = "gain map" if _is_gain_map(content) else "further picture"
            known[start] = (size, Part(Attached(kind, content, number), is_preview=bool(attribute & PREVIEW)))
    for number, (start, size, stated) in _items(xmp or b"", end).items():
        if start in known:
            known[start] = (known[start][0], Part(known[start][1].attached, number))
        elif size and start + size <= len(data) and _begins_as(data[start : start + 16], stated):
            known[start] = (size, Part(Attached(stated, data[start : start + size]), number))
    found = VIDEO_OFFSET.search(xmp or b"")
    offset = int(found[1]) if found and len(found[1]) < 12 else 0
    if found and 0 < offset <= len(data) - end and b"ftyp" in data[len(data) - offset : len(data) - offset + 16]:
        known.setdefault(len(data) - offset, (offset, Part(Attached("motion-photo video", data[len(data) - offset :]))))
    return _without_gaps(data, end, known)


def patched_index(segment: bytes, *, base: int, picture: int, parts: list[Attached]) -> bytes:
    """Give an MPF segment whose entries say where the parts are now.

    Args:
        segment: as it was read; what is not about places and sizes stays as it is.
        base: place of the segment's content in the new file.
        picture: bytes of the new picture, behind which the parts follow.
        parts: what follows; entries of which none is there are left out.
    """
    read_at = reader_of(segment[len(MULTI_PICTURE) :])
    order, first = read_header(read_at)
    entries = read_directory(read_at, order, first).entries
    listed = entries[INDEX_ENTRIES]
    rows = [(0, picture, 0)]
    at = picture
    for part in parts:
        if part.index:
            rows.append((part.index, len(part.data), at - base - len(MULTI_PICTURE)))
        at += len(part.data)
    table = b""
    for number, size, offset in rows:
        old = listed.value[ENTRY_SIZE * number : ENTRY_SIZE * (number + 1)]
        table += old[:4] + struct.pack(order + "II", size, offset) + old[12:]
    changed = bytearray(segment)
    start = len(MULTI_PICTURE) + listed.place
    changed[start : start + len(table)] = table
    body = first + len(MULTI_PICTURE)
    for place in range(body + 2, body + 2 + 12 * struct.unpack_from(order + "H", changed, body)[0], 12):
        (tag,) = struct.unpack_from(order + "H", changed, place)
        if tag == INDEX_ENTRIES:
            struct.pack_into(order + "I", changed, place + 4, len(table))
        elif tag == INDEX_COUNT:
            struct.pack_into(order + "I", changed, place + 8, len(rows))
    return bytes(changed)


def with_item_length(xmp: bytes, item: int, length: int) -> bytes:
    """State another length of an item of the container that XMP describes.

    Example:
        >>> with_item_length(b'<Container:Item Item:Length="0"/><Container:Item Item:Length="992"/>', 1, 1000)
        b'<Container:Item Item:Length="0"/><Container:Item Item:Length="1000"/>'
    """
    found = list(ITEM.finditer(xmp))[item]
    mended = re.sub(rb"(\bItem:Length\s*=\s*[\"'])\d*", rb"\g<1>%d" % length, found[0])
    return xmp[: found.start()] + mended + xmp[found.end() :]


def without_claims(xmp: bytes) -> bytes:
    """Leave out what says that a gain map or a video is in the file.

    Example:
        >>> without_claims(b'<rdf:Description hdrgm:Version="1.0" dc:title="A cat" GCamera:MotionPhoto="1"/>')
        b'<rdf:Description dc:title="A cat"/>'
    """
    return CLAIMED_ELEMENT.sub(b"", CLAIMED_ATTRIBUTE.sub(b"", xmp))


def moved_afcp(trailer: bytes, *, to: int) -> bytes:
    """Mend the places in a trailer of AFCP (Advanced File Concatenation Protocol), which count from the beginning of the file.

    Its last twelve bytes are `AXS!` (`AXS*` with little-endian numbers), where it begins, and a reserved number. It begins with twelve bytes, of
    which two at 6 count its entries: a name, a size and a place, of four bytes each.

    Args:
        trailer: all that stands behind the picture; what is no such trailer is given back as it is.
        to: where it stands now.
    """
    order = {b"AXS!": ">", b"AXS*": "<"}.get(trailer[-12:-8])
    begins = trailer.find(trailer[-12:-8]) if order else -1
    if order is None or begins + 24 > len(trailer):
        return trailer
    changed = bytearray(trailer)
    by = to + begins - struct.unpack_from(order + "I", trailer, len(trailer) - 8)[0]
    struct.pack_into(order + "I", changed, len(changed) - 8, to + begins)
    (count,) = struct.unpack_from(order + "H", trailer, begins + 6)
    for place in range(begins + 12, min(begins + 12 + 12 * count, len(changed) - 23), 12):
        (offset,) = struct.unpack_from(order + "I", changed, place + 8)
        struct.pack_into(order + "I", changed, place + 8, (offset + by) & 0xFFFFFFFF)
    return bytes(changed)


def _index_of(segment: bytes) -> list[tuple[int, int, int]]:
    """Give attribute, size and offset of each entry of an MPF segment; the offset of the first is 0."""
    read_at = reader_of(segment[len(MULTI_PICTURE) :])
    try:
        order, first = read_header(read_at)
        listed: Entry | None = read_directory(read_at, order, first).entries.get(INDEX_ENTRIES)
    except DamagedError:
        return []
    if listed is None or len(listed.value) < 2 * ENTRY_SIZE:
        return []
    rows = len(listed.value) // ENTRY_SIZE
    return [struct.unpack_from(order + "III", listed.value, ENTRY_SIZE * row) for row in range(rows)]


def _items(xmp: bytes, end: int) -> dict[int, tuple[int, int, _Kind]]:
    """Give place, length and kind of each item of the container that XMP describes, by its number; the first is the picture."""
    found: dict[int, tuple[int, int, _Kind]] = {}
    at = end
    for number, item in enumerate(ITEM.findall(xmp)):
        value = {name: (re.search(ITEM_VALUE % name, item) or [b"", b""])[1] for name in (b"Mime", b"Semantic", b"Length", b"Padding")}
        length = int(value[b"Length"]) if value[b"Length"].isdigit() and len(value[b"Length"]) < 12 else 0
        padding = int(value[b"Padding"]) if value[b"Padding"].isdigit() and len(value[b"Padding"]) < 12 else 0
        if number:
            kind: _Kind = "motion-photo video" if value[b"Mime"].startswith(b"video") else "further picture"
            found[number] = (at, length, "gain map" if value[b"Semantic"] == b"GainMap" else kind)
            at += length
        at += padding
    return found


def _begins_as(head: bytes, kind: _Kind) -> bool:
    return b"ftyp" in head if kind == "motion-photo video" else head.startswith(b"\xff\xd8")


def _is_gain_map(data: bytes) -> bool:
    head = data[:4096].lower()
    return b"hdrgainmap" in head or b"hdr-gain-map" in head or b"hdrgm:" in head or b"iso:ts:21496" in head


def _without_gaps(data: bytes, end: int, known: dict[int, tuple[int, Part]]) -> list[Part]:
    parts: list[Part] = []
    at = end
    for start, (size, part) in sorted(known.items()):
        if start < at:
            continue  # overlaps another, which an index says in vain
        if start > at:
            parts.append(Part(Attached("data behind the picture", data[at:start])))
        parts.append(part)
        at = start + size
    if at < len(data):
        parts.append(Part(Attached("data behind the picture", data[at:])))
    return parts
