"""What a picture's metadata says about its orientation and size, and how to set it right once it is upright.

EXIF is changed in place, byte by byte: maker notes hold places counted from the start of the block, and moving them
would break them.
"""

import re
import struct
from collections.abc import Iterator

from unblur.io.ifd import (
    DamagedError,
    Entry,
    Ifd,
    Order,
    numbers,
    read_directory,
    read_header,
    reader_of,
    with_note_in_place,
    write_directory,
)

__all__ = [
    "exif_of_directory",
    "exif_orientation",
    "exif_within",
    "number_of_values",
    "read_exif",
    "upright_exif",
    "upright_xmp",
    "xmp_orientation",
]

ORIENTATION = 0x0112
EXIF_POINTER = 0x8769
SIZES_BY_AXIS = {0x0100: "width", 0x0101: "height"}
EXIF_SIZES_BY_AXIS = {0xA002: "width", 0xA003: "height"}
THUMBNAIL_PLACES = ((0x0201, 0x0202), (0x0111, 0x0117))
"""(offset, length) tags of a thumbnail: a JPEG, or strips."""

MAX_LEFT_OUT = 16
MAX_THUMBNAIL_PARTS = 64


XMP_ORIENTATION = re.compile(rb"(tiff:Orientation\s*(?:=\s*[\"']|>\s*))([1-8])(?=\s*[\"'<])")


def read_exif(exif: bytes) -> tuple[Order, Ifd] | None:
    """Give the byte order and the main directory, or None if there is none to be found."""
    read_at = reader_of(exif)
    try:
        order, first = read_header(read_at)
        return order, read_directory(read_at, order, first).entries
    except DamagedError:
        return None


def exif_of_directory(order: Order, ifd: Ifd) -> bytes:
    """Make EXIF of a main directory; the note of the camera's maker stays where it was, if that is not far."""
    return _with_header(order, *with_note_in_place(ifd, begin=8))


def _with_header(order: Order, ifd: Ifd, before: bytes = b"") -> bytes:
    """EXIF of a main directory, with some bytes before it."""
    first = 8 + len(before)
    return {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "I", first) + before + write_directory(ifd, order, first)


def exif_orientation(exif: bytes | None) -> int | None:
    """Give the orientation that EXIF states, 1 to 8, or None."""
    found = read_exif(exif) if exif else None
    if found is None:
        return None
    order, ifd = found
    value = numbers(ifd.get(ORIENTATION), order)[:1]
    return int(value[0]) if value and value[0] in range(1, 9) else None


def xmp_orientation(xmp: bytes | None) -> int | None:
    """Give the orientation that XMP states, 1 to 8, or None."""
    found = XMP_ORIENTATION.search(xmp) if xmp else None
    return int(found[2]) if found else None


def upright_xmp(xmp: bytes) -> bytes:
    """State orientation 1 wherever an orientation is stated.

    Example:
        >>> upright_xmp(b'<rdf:Description tiff:Orientation="6"/>')
        b'<rdf:Description tiff:Orientation="1"/>'
    """
    return XMP_ORIENTATION.sub(rb"\g<1>1", xmp)


def upright_exif(exif: bytes, *, width: int, height: int) -> bytes | None:
    """State orientation 1 and the size of the upright picture where EXIF states them, and drop the thumbnail.

    The thumbnail shows the picture before restoration. All else keeps its bytes and its place.

    Returns:
        The changed EXIF, or None if it is damaged beyond reading.
    """
    read_at = reader_of(exif)
    try:
        order, first = read_header(read_at)
        main = read_directory(read_at, order, first)
    except DamagedError:
        return None
    changed, ifd = bytearray(exif), main.entries
    sizes = {"width": width, "height": height}
    _set_number(changed, ifd.get(ORIENTATION), 1, order)
    for tag, axis in SIZES_BY_AXIS.items():
        _set_number(changed, ifd.get(tag), sizes[axis], order)
    details = ifd[EXIF_POINTER].directory if EXIF_POINTER in ifd else None
    for tag, axis in EXIF_SIZES_BY_AXIS.items():
        _set_number(changed, (details or {}).get(tag), sizes[axis], order)
    if main.following:
        struct.pack_into(order + "I", changed, main.pointer, 0)
        _erase_thumbnail(changed, ifd, order, main.following)
    return bytes(changed)


def exif_within(exif: bytes, limit: int) -> bytes | None:
    """Leave out gaps, and the largest values (a maker note, as a rule), until EXIF has at most `limit` bytes.

    Returns:
        EXIF as it is if it fits; None if it is damaged, or still too long without `MAX_LEFT_OUT` values.
    """
    if len(exif) <= limit:
        return exif
    found = read_exif(exif)
    if found is None:
        return None
    order, ifd = found
    for left_out in range(MAX_LEFT_OUT + 1):
        ifd = _without_largest(ifd) if left_out else ifd
        shorter = _with_header(order, ifd)
        if len(shorter) <= limit:
            return shorter
    return None


def number_of_values(exif: bytes | None) -> int:
    """How many tags EXIF has, with those of nested directories; 0 if it is damaged."""

    def count(ifd: Ifd) -> int:
        return sum(1 + count(entry.directory or {}) for entry in ifd.values())

    found = read_exif(exif) if exif else None
    return count(found[1]) if found else 0


def _set_number(changed: bytearray, entry: Entry | None, value: int, order: Order) -> None:
    if entry is not None and entry.count == 1 and entry.kind in (3, 4) and (entry.kind == 4 or value < 1 << 16):
        struct.pack_into(order + ("H" if entry.kind == 3 else "I"), changed, entry.place, value)


def _erase_thumbnail(changed: bytearray, ifd: Ifd, order: Order, offset: int) -> None:
    """Blank the bytes of the thumbnail, unless something else claims them too; cut them off where they are the end."""
    try:
        thumbnail = read_directory(reader_of(bytes(changed)), order, offset).entries
    except DamagedError:
        return
    used = list(_spans(ifd))
    for place_tag, length_tag in THUMBNAIL_PLACES:
        places, lengths = numbers(thumbnail.get(place_tag), order), numbers(thumbnail.get(length_tag), order)
        for place, length in list(zip(map(int, places), map(int, lengths), strict=False))[:MAX_THUMBNAIL_PARTS]:
            end = place + length
            if 8 <= place < end <= len(changed) and not any(place < stop and start < end for start, stop in used):
                changed[place:end] = bytes(length)
                if end == len(changed):
                    del changed[place:]


def _spans(ifd: Ifd) -> Iterator[tuple[int, int]]:
    """Give the ranges of bytes of all values, and of the table entries that hold them."""
    for entry in ifd.values():
        yield entry.place, entry.place + len(entry.value)
        if entry.directory is not None:
            yield from _spans(entry.directory)


def _without_largest(ifd: Ifd) -> Ifd:
    """Leave out the entry with the largest value, here or in a nested directory."""

    def weight(entry: Entry) -> int:
        if entry.directory is None:
            return len(entry.value)
        return max(map(weight, entry.directory.values()), default=0)

    tag = max(ifd, key=lambda tag: weight(ifd[tag]))
    entry = ifd[tag]
    rest = {other: ifd[other] for other in ifd if other != tag}
    if entry.directory:
        rest[tag] = Entry(entry.kind, entry.count, entry.value, entry.place, _without_largest(entry.directory))
    return rest
