"""Elements of Matroska and WebM: reading the head of a file, building elements, and changing some in place.

Source: RFC 8794 (EBML: an element is its id, the length of its body in a number whose leading zeros say how many bytes it has, and its body);
RFC 9559 (Matroska: the ids).
"""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

__all__ = [
    "CLUSTER",
    "CRC_32",
    "EBML",
    "SEGMENT",
    "TRACKS",
    "TRACK_ENTRY",
    "VOID",
    "Element",
    "change_tracks",
    "children",
    "element",
    "number",
    "padded",
    "segment_elements",
    "unsigned",
]

EBML = 0x1A45DFA3
SEGMENT = 0x18538067
INFO = 0x1549A966
TRACKS = 0x1654AE6B
CLUSTER = 0x1F43B675
TRACK_ENTRY = 0xAE
CRC_32 = 0xBF
VOID = 0xEC


@dataclass(frozen=True)
class Element:
    """Where an element lies in the bytes that it was found in: `begin` of its id, `body` and `end`; -1 if its length is unknown."""

    id: int
    begin: int
    body: int
    end: int


def children(data: bytes, begin: int = 0, end: int | None = None) -> Iterator[Element]:
    """Yield the elements that begin in a range of `data`, of the last ones perhaps only the beginning."""
    at, stop = begin, len(data) if end is None else end
    while at < stop:
        found, at_length = number(data, at, keep_marker=True)
        length, body = number(data, at_length)
        if not found or body > stop:
            return
        yield Element(found, at, body, -1 if length < 0 else body + length)
        if length < 0:
            return
        at = body + length


def number(data: bytes, at: int, *, keep_marker: bool = False) -> tuple[int, int]:
    """Read an id (with its marker) or a length, and give the place behind it; -1 for an unknown length, 0 where there is none."""
    width = 9 - data[at].bit_length() if at < len(data) and data[at] else 0
    value = int.from_bytes(data[at : at + width], "big")
    if not keep_marker:
        value &= (1 << 7 * width) - 1
        value = -1 if width and value == (1 << 7 * width) - 1 else value
    return value, at + width


def element(kind: int, *bodies: bytes) -> bytes:
    """Build an element; its length takes eight bytes."""
    body = b"".join(bodies)
    return unsigned(kind) + (len(body) | 1 << 56).to_bytes(8, "big") + body


def unsigned(value: int) -> bytes:
    """Write a whole number in as many bytes as it takes, one at least."""
    return value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big")


def padded(body: bytes, length: int) -> bytes:
    """Give the body of an element with an empty element (Void) behind it that makes it `length` bytes long.

    Raises:
        ValueError: if it is longer, or so little shorter that no element fits.
    """
    room = length - len(body)
    if room == 0:
        return body
    if room < 9:
        raise ValueError(f"no element of {room} bytes")
    return body + element(VOID, bytes(room - 9))


def segment_elements(file: BinaryIO) -> Iterator[Element]:
    """Yield the elements of the segment of a file, with their places in it, up to one whose length is unknown."""
    file.seek(0)
    segment = next((each for each in children(file.read(64)) if each.id == SEGMENT), None)
    at = segment.body if segment is not None else -1
    while at >= 0:
        file.seek(at)
        found = next(children(file.read(16)), None)
        if found is None or found.end < 0:
            return
        yield Element(found.id, at, at + found.body, at + found.end)
        at += found.end


def change_tracks(path: Path, change: Callable[[int, bytes], bytes]) -> None:
    """Change the entries of tracks in a finished file in place.

    Args:
        path: of a Matroska or WebM file.
        change: gives, for the index of a track and its element, an element of the same length.
    """
    with path.open("r+b") as file:
        found = next((each for each in segment_elements(file) if each.id in (TRACKS, CLUSTER)), None)
        if found is None or found.id == CLUSTER:
            return
        file.seek(found.body)
        body = file.read(found.end - found.body)
        entries = [each for each in children(body) if each.id == TRACK_ENTRY]
        for index, entry in enumerate(entries):
            changed = change(index, body[entry.begin : entry.end])
            whole = next(children(changed))
            changed = changed[: whole.body] + _with_checksum(changed[whole.body :])
            assert len(changed) == entry.end - entry.begin
            body = body[: entry.begin] + changed + body[entry.end :]
        file.seek(found.body)
        file.write(_with_checksum(body))


def _with_checksum(body: bytes) -> bytes:
    """Give the body of an element with its CRC-32, which is its first child if it has one, made to fit."""
    first = next(children(body), None)
    if first is None or first.id != CRC_32:
        return body
    return body[: first.body] + zlib.crc32(body[first.end :]).to_bytes(4, "little") + body[first.end :]
