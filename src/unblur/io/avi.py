"""What AVI files of cameras and editors say besides what FFmpeg reads: notes of the maker, XMP, timecodes of tapes.

Source: Microsoft, AVI RIFF File Reference (a chunk is its name in four bytes, its length in four, and its body of an even length; a list has a second name);
ExifTool for the names that makers use.
"""

import struct
from collections.abc import Iterator
from pathlib import Path

__all__ = ["unread_chunks"]

READ = {b"hdrl", b"movi", b"idx1", b"INFO", b"odml", b"JUNK", b"PAD ", b"rec "}
"""Chunks and lists of the film itself, and those that FFmpeg reads."""

OF_MAKERS = (b"OLYM", b"QVMI", b"PENT", b"ucmt", b"IIII", b"MMMM", b"Exif")
"""Beginnings of what makers write where nothing should be."""

MOST_CHUNKS = 1000


def unread_chunks(path: Path) -> list[str]:
    """Names of the chunks of an AVI file that say something which FFmpeg does not read."""
    return list(dict.fromkeys(name.decode("latin-1") for name, head in _chunks(path) if name not in READ or head.startswith(OF_MAKERS)))


def _chunks(path: Path) -> Iterator[tuple[bytes, bytes]]:
    """The name and the first bytes of each chunk of the first part of a file."""
    with path.open("rb") as file:
        kind, size, form = struct.unpack("<4sI4s", file.read(12).ljust(12, b"\0"))
        at, end = 12, min(8 + size, path.stat().st_size)
        if (kind, form) != (b"RIFF", b"AVI "):
            return
        for _ in range(MOST_CHUNKS):
            file.seek(at)
            head = file.read(16)
            if len(head) < 12 or at >= end:
                return
            name, length = struct.unpack_from("<4sI", head)
            yield (head[8:12], b"") if name == b"LIST" else (name, head[8:])
            at += 8 + length + length % 2
