"""Boxes of files of the ISO family: MP4, QuickTime, HEIC, AVIF, JPEG XL, CR3.

Source: ISO/IEC 14496-12, section 4.2 (a box is its length in four bytes, its kind in four, and its body; length 1 puts eight more bytes of length
behind the kind, length 0 lasts to the end of the file); QuickTime File Format Specification (a list in `udta` may end with four zeros).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

__all__ = ["Box", "Place", "box_of", "boxes_of", "first_of", "parsed", "places", "read_box"]

PARENTS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"udta", b"tref"}


@dataclass
class Box:
    """A box: its kind and its body, or its children where it has nothing else."""

    kind: bytes
    body: bytes = b""
    children: "list[Box]" = field(default_factory=list)

    def __bytes__(self) -> bytes:
        return box_of(self.kind, self.body + b"".join(bytes(child) for child in self.children))

    def child(self, *path: bytes) -> "Box | None":
        """The first child of a kind, or the first child of that, and so on; None if there is none."""
        found: Box | None = self
        for kind in path:
            found = next((each for each in found.children if each.kind == kind), None) if found is not None else None
        return found

    def all(self, kind: bytes) -> "list[Box]":
        """All children of a kind."""
        return [each for each in self.children if each.kind == kind]


@dataclass(frozen=True)
class Place:
    """Where a box of the top level lies in a file."""

    kind: bytes
    begin: int
    body: int
    end: int


def places(file: BinaryIO) -> Iterator[Place]:
    """Yield the boxes of the top level of a file; one that is cut off ends it."""
    size = file.seek(0, 2)
    at = 0
    while at + 8 <= size:
        file.seek(at)
        head = file.read(16)
        length, body = int.from_bytes(head[:4], "big"), at + 8
        if length == 1:
            length, body = int.from_bytes(head[8:], "big"), at + 16
        end = size if length == 0 else at + length
        if end < body or end > size:
            return
        yield Place(head[4:8], at, body, end)
        at = end


def read_box(path: Path, kind: bytes) -> Box | None:
    """Read a box of the top level with all its children; None if there is none."""
    with path.open("rb") as file:
        place = next((each for each in places(file) if each.kind == kind), None)
        if place is None:
            return None
        file.seek(place.body)
        return Box(kind, children=parsed(file.read(place.end - place.body)))


def parsed(data: bytes) -> list[Box]:
    """Parse a list of boxes; what is behind the last whole one is left out."""
    return [Box(kind, children=parsed(body)) if kind in PARENTS else Box(kind, body) for kind, body, _ in boxes_of(data)]


def boxes_of(data: bytes) -> Iterator[tuple[bytes, bytes, int]]:
    r"""Give the kind, content and place of each box, one after the other; stop where the structure breaks.

    Example:
        >>> list(boxes_of(b"\0\0\0\x0afreexy"))
        [(b'free', b'xy', 0)]
    """
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        head = 8
        if size == 1 and at + 16 <= len(data):
            (size,) = struct.unpack_from(">Q", data, at + 8)
            head = 16
        elif size == 0:
            size = len(data) - at
        if size < head or at + size > len(data):
            return
        yield kind, data[at + head : at + size], at
        at += size


def first_of(data: bytes, *path: bytes) -> bytes | None:
    """Give the content of the first box at a path of kinds, such as `meta`, `iprp`; the four bytes before the boxes in `meta` are passed over."""
    for kind in path:
        found = next((content for each, content, _ in boxes_of(data) if each == kind), None)
        if found is None:
            return None
        data = found[4:] if kind == b"meta" else found
    return data


def box_of(kind: bytes, content: bytes) -> bytes:
    """Make a box."""
    return struct.pack(">I4s", 8 + len(content), kind) + content
