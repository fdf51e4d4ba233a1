"""Tag directories (IFDs), the structure that TIFF files and EXIF share.

Values stay the bytes they are: a directory is written in the byte order in which it was read, so nothing has to be
understood to be kept. What points outside the file is left out; the rest is kept.

Directories of BigTIFF have places of 64 bit and are else the same (Adobe, BigTIFF design).
"""

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Literal

__all__ = [
    "DamagedError",
    "Directory",
    "Entry",
    "Ifd",
    "Order",
    "ReadAt",
    "entry_of",
    "narrow",
    "next_place",
    "numbers",
    "read_directory",
    "read_header",
    "read_tiff_header",
    "reader_of",
    "with_note_in_place",
    "write_directory",
]

Order = Literal["<", ">"]
"""Byte order, little- or big-endian."""

ReadAt = Callable[[int, int], bytes]
"""Give up to `length` bytes from `offset`; fewer at the end of the file."""

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Bytes of one value of each field type (TIFF 6.0, section 2; the last three are those of BigTIFF)."""

CODES = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
NARROW = {16: 4, 17: 9, 18: 13}
"""Types of 32 bit in place of those of 64."""

EXIF_POINTER, MAKER_NOTE = 0x8769, 0x927C
MOST_GAP = 1 << 18
"""Bytes before a maker's note that are left empty for it."""

POINTERS = {0x8769: "EXIF", 0x8825: "GPS", 0xA005: "interoperability", 0x8290: "Kodak", 0xFE00: "Kodak"}
"""Tags whose value is the place of a nested directory."""

MAX_BYTES = 1 << 28
"""Values of one directory that are read, together; a hostile file could have every tag point to the whole file."""


class DamagedError(ValueError):
    """There is no directory where one should be."""


@dataclass(frozen=True)
class Entry:
    """One tag of a directory.

    Attributes:
        kind: field type.
        count: number of values of that type.
        value: the values in the byte order of the file.
        place: where the value was in the file.
        directory: the nested directory, if this tag points to one.
        stays: whether the value is written to `place` by itself, see `with_note_in_place`.
    """

    kind: int
    count: int
    value: bytes
    place: int = 0
    directory: "Ifd | None" = None
    stays: bool = False


Ifd = dict[int, Entry]


@dataclass(frozen=True)
class Directory:
    """A directory as it was found.

    Attributes:
        entries: by tag, those that could be read.
        broken: tags whose value could not be read.
        following: place of the next directory, 0 if there is none.
        pointer: where that place is stated.
    """

    entries: Ifd
    broken: frozenset[int]
    following: int
    pointer: int


def reader_of(data: bytes) -> ReadAt:
    """Read from bytes in memory."""
    return lambda offset, length: data[offset : offset + length]


def read_header(read_at: ReadAt) -> tuple[Order, int]:
    """Give the byte order ("<" or ">") and the place of the first directory.

    Raises:
        DamagedError: if this is no TIFF structure with 32-bit offsets.
    """
    head = read_at(0, 8)
    orders: dict[bytes, Order] = {b"II*\0": "<", b"MM\0*": ">"}
    order = orders.get(head[:4])
    if order is None or len(head) < 8:
        raise DamagedError("no TIFF header")
    return order, struct.unpack(order + "I", head[4:])[0]


def read_tiff_header(read_at: ReadAt) -> tuple[Order, bool, int]:
    """As `read_header`, also of a BigTIFF; in the middle is whether it is one.

    Raises:
        DamagedError: if this is no TIFF structure.
    """
    head = read_at(0, 16)
    orders: dict[bytes, Order] = {b"II+\0": "<", b"MM\0+": ">"}
    order = orders.get(head[:4])
    if order is None:
        return (found := read_header(read_at))[0], False, found[1]
    if len(head) < 16 or struct.unpack(order + "HH", head[4:8]) != (8, 0):
        raise DamagedError("no BigTIFF header")
    return order, True, struct.unpack(order + "Q", head[8:])[0]


def read_directory(read_at: ReadAt, order: Order, offset: int, *, big: bool = False, depth: int = 0) -> Directory:
    """Read the directory at `offset` and those nested in it.

    Args:
        read_at: reads from the file.
        order: of its bytes.
        offset: of the directory.
        big: whether the file is a BigTIFF.
        depth: of nesting.

    Raises:
        DamagedError: if nothing can be read there.
    """
    counter, word, size = ("Q", "Q", 20) if big else ("H", "I", 12)
    before, inside = struct.calcsize("=" + counter), struct.calcsize("=" + word)
    head = read_at(offset, before)
    if offset < 8 or len(head) < before:
        raise DamagedError(f"no directory at {offset}")
    count = min(struct.unpack(order + counter, head)[0], 0xFFFF)
    body = read_at(offset + before, size * count + inside)
    ifd: Ifd = {}
    listed = set()
    budget = MAX_BYTES
    for index in range(min(count, len(body) // size)):
        tag, kind, number, field = struct.unpack(f"{order}HH{word}{inside}s", body[size * index : size * (index + 1)])
        listed.add(tag)
        length = SIZES.get(kind, MAX_BYTES + 1) * number
        budget -= length
        if tag in ifd or budget < 0 or not number:
            budget += length
            continue
        place = offset + before + size * (index + 1) - inside if length <= inside else struct.unpack(order + word, field)[0]
        value = read_at(place, length)
        if len(value) < length:
            continue
        directory = None
        if tag in POINTERS:
            directory = _nested(read_at, order, value, big=big, depth=depth)
            if directory is None:
                continue
        ifd[tag] = Entry(kind, number, value, place, directory)
    after = body[size * count : size * count + inside]
    following = struct.unpack(order + word, after)[0] if len(after) == inside else 0
    return Directory(ifd, frozenset(listed - ifd.keys()), following, next_place(offset, count, big=big))


def next_place(offset: int, count: int, *, big: bool = False) -> int:
    """Where a directory at `offset` with `count` entries states the place of the next one."""
    return offset + (8 + 20 * count if big else 2 + 12 * count)


def narrow(ifd: Ifd, order: Order) -> tuple[Ifd, list[int]]:
    """Give values of 64 bit as those of 32, and the tags of those that are too large."""
    narrowed: Ifd = {}
    lost = []
    for tag, entry in ifd.items():
        if entry.directory is not None:
            inner, more = narrow(entry.directory, order)
            narrowed[tag] = Entry(4, 1, bytes(4), directory=inner)
            lost += more
        elif entry.kind not in NARROW:
            narrowed[tag] = entry
        else:
            kind = NARROW[entry.kind]
            try:
                value = struct.pack(f"{order}{entry.count}{CODES[kind]}", *numbers(entry, order))
            except struct.error:
                lost.append(tag)
            else:
                narrowed[tag] = Entry(kind, entry.count, value)
    return narrowed, lost


def write_directory(ifd: Ifd, order: Order, offset: int, *, big: bool = False) -> bytes:
    """Lay out a directory for `offset`: its table, then long values and nested directories; nothing follows it."""
    counter, word = ("Q", "Q") if big else ("H", "I")
    inside = struct.calcsize("=" + word)
    table = bytearray(struct.pack(order + counter, len(ifd)))
    heap_start = next_place(offset, len(ifd), big=big) + inside
    heap = bytearray()
    for tag, entry in sorted(ifd.items()):
        kind, count, value = entry.kind, entry.count, entry.value
        if entry.directory is not None:
            kind, count = (18 if big else 4), 1
            place = heap_start + len(heap)
            value = struct.pack(order + word, place)
            heap += write_directory(entry.directory, order, place, big=big)
        elif len(value) > inside and entry.stays:
            value = struct.pack(order + word, entry.place)
        elif len(value) > inside:
            place = heap_start + len(heap)
            heap += value
            value = struct.pack(order + word, place)
        heap += b"\0" * (len(heap) % 2)  # values begin at even places
        table += struct.pack(f"{order}HH{word}{inside}s", tag, kind, count, value)
    return bytes(table + bytes(inside) + heap)


def with_note_in_place(ifd: Ifd, *, begin: int) -> tuple[Ifd, bytes]:
    """Let the note of the camera's maker stay where it was: most of them hold places counted from the beginning of the file.

    Args:
        ifd: the main directory.
        begin: the first place that is free.

    Returns:
        the directory for `write_directory`, and the bytes to write at `begin`, before it: a gap and the note. Nothing, and the directory as it is,
        if there is no note, something else is in its place, or that is more than `MOST_GAP` away.
    """
    details = ifd.get(EXIF_POINTER)
    note = details.directory.get(MAKER_NOTE) if details is not None and details.directory is not None else None
    if details is None or details.directory is None or note is None or not begin <= note.place <= begin + MOST_GAP:
        return ifd, b""
    inner = details.directory | {MAKER_NOTE: replace(note, stays=True)}
    return ifd | {EXIF_POINTER: replace(details, directory=inner)}, bytes(note.place - begin) + note.value + bytes(len(note.value) % 2)


def numbers(entry: Entry | None, order: Order) -> tuple[float, ...]:
    """Give the values of an entry as numbers, rationals divided; empty if it has none."""
    if entry is None:
        return ()
    if entry.kind in (5, 10):
        pairs = struct.unpack(order + ("Ii"[entry.kind == 10]) * 2 * entry.count, entry.value)
        return tuple(over / under if under else 0.0 for over, under in zip(pairs[::2], pairs[1::2], strict=True))
    if entry.kind not in CODES:
        return ()
    return struct.unpack(f"{order}{entry.count}{CODES[entry.kind]}", entry.value)


def entry_of(order: Order, kind: int, values: Iterable[int]) -> Entry:
    """Make an entry of whole numbers, of kind 1 (byte), 3 (short) or 4 (long), or of kind 5, where pairs are fractions."""
    listed = tuple(values)
    code = "I" if kind == 5 else CODES[kind]
    count = len(listed) // 2 if kind == 5 else len(listed)
    return Entry(kind, count, struct.pack(f"{order}{len(listed)}{code}", *listed))


def _nested(read_at: ReadAt, order: Order, value: bytes, *, big: bool, depth: int) -> Ifd | None:
    if len(value) not in ((4, 8) if big else (4,)) or depth == 2:
        return None
    try:
        return read_directory(read_at, order, int.from_bytes(value, "little" if order == "<" else "big"), big=big, depth=depth + 1).entries
    except DamagedError:
        return None
