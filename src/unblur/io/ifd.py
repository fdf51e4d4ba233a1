"""Tag directories (IFDs), the structure that TIFF files and EXIF share.

Values stay the bytes they are: a directory is written in the byte order in which it was read, so nothing has to be
understood to be kept. What points outside the file is left out; the rest is kept.
"""

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

__all__ = [
    "DamagedError",
    "Directory",
    "Entry",
    "Ifd",
    "Order",
    "ReadAt",
    "entry_of",
    "numbers",
    "read_directory",
    "read_header",
    "reader_of",
    "write_directory",
]

Order = Literal["<", ">"]
"""Byte order, little- or big-endian."""

ReadAt = Callable[[int, int], bytes]
"""Give up to `length` bytes from `offset`; fewer at the end of the file."""

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
"""Bytes of one value of each field type (TIFF 6.0, section 2)."""

CODES = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I"}

POINTERS = {0x8769: "EXIF", 0x8825: "GPS", 0xA005: "interoperability"}
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
    """

    kind: int
    count: int
    value: bytes
    place: int = 0
    directory: "Ifd | None" = None


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


def read_directory(read_at: ReadAt, order: Order, offset: int, *, depth: int = 0) -> Directory:
    """Read the directory at `offset` and those nested in it.

    Raises:
        DamagedError: if nothing can be read there.
    """
    head = read_at(offset, 2)
    if offset < 8 or len(head) < 2:
        raise DamagedError(f"no directory at {offset}")
    (count,) = struct.unpack(order + "H", head)
    body = read_at(offset + 2, 12 * count + 4)
    ifd: Ifd = {}
    listed = set()
    budget = MAX_BYTES
    for index in range(min(count, len(body) // 12)):
        tag, kind, number, field = struct.unpack(order + "HHI4s", body[12 * index : 12 * index + 12])
        listed.add(tag)
        length = SIZES.get(kind, MAX_BYTES + 1) * number
        budget -= length
        if tag in ifd or budget < 0 or not number:
            budget += length
            continue
        place = offset + 10 + 12 * index if length <= 4 else struct.unpack(order + "I", field)[0]
        value = read_at(place, length)
        if len(value) < length:
            continue
        directory = None
        if tag in POINTERS:
            directory = _nested(read_at, order, value, depth=depth)
            if directory is None:
                continue
        ifd[tag] = Entry(kind, number, value, place, directory)
    after = body[12 * count : 12 * count + 4]
    following = struct.unpack(order + "I", after)[0] if len(after) == 4 else 0
    return Directory(ifd, frozenset(listed - ifd.keys()), following, offset + 2 + 12 * count)


def write_directory(ifd: Ifd, order: Order, offset: int) -> bytes:
    """Lay out a directory for `offset`: its table, then long values and nested directories; nothing follows it."""
    table = bytearray(struct.pack(order + "H", len(ifd)))
    heap_start = offset + 2 + 12 * len(ifd) + 4
    heap = bytearray()
    for tag, entry in sorted(ifd.items()):
        kind, count, value = entry.kind, entry.count, entry.value
        if entry.directory is not None:
            kind, count = 4, 1
            place = heap_start + len(heap)
            value = struct.pack(order + "I", place)
            heap += write_directory(entry.directory, order, place)
        elif len(value) > 4:
            place = heap_start + len(heap)
            heap += value
            value = struct.pack(order + "I", place)
        heap += b"\0" * (len(heap) % 2)  # values begin at even places
        table += struct.pack(order + "HHI4s", tag, kind, count, value)
    return bytes(table + bytes(4) + heap)


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


def _nested(read_at: ReadAt, order: Order, value: bytes, *, depth: int) -> Ifd | None:
    if len(value) != 4 or depth == 2:
        return None
    try:
        return read_directory(read_at, order, struct.unpack(order + "I", value)[0], depth=depth + 1).entries
    except DamagedError:
        return None
