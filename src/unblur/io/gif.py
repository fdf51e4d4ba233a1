"""GIF: a still picture read by Pillow, and what its extension blocks say (GIF89a, sections 23 to 26)."""

from collections.abc import Iterator
from pathlib import Path

from PIL import GifImagePlugin

from unblur.io.picture import Coding, Image, Metadata, animation
from unblur.io.pillow import decode, decoding

__all__ = ["MOTION", "gif_blocks", "gif_extensions", "gif_metadata", "gif_motion", "read_gif"]

EXTENSION, IMAGE, TRAILER = 0x21, 0x2C, 0x3B
PLAIN_TEXT, GRAPHIC_CONTROL, COMMENT, APPLICATION = 0x01, 0xF9, 0xFE, 0xFF
ICC, XMP = b"ICCRGBG1012", b"XMP DataXMP"
LOOPS = (b"NETSCAPE2.0", b"ANIMEXTS1.0")
"""How often an animation is repeated, which says nothing of a single picture."""

MOTION = b"frame"
"""Label by which `gif_motion` gives a frame."""

XMP_END = 258
"""XMP stands as it is, and what follows brings readers of blocks to its end (XMP specification, part 3, 1.1.2)."""


def read_gif(path: Path) -> Image:
    """Read a GIF file of one picture.

    Raises:
        UnreadableError: if it is damaged or broken off.
        UnsupportedError: if it is too large or animated.
    """
    with decoding(path), path.open("rb") as file:
        picture = GifImagePlugin.GifImageFile(file)
        if picture.is_animated:
            raise animation(path)
        canvas = decode(picture, path)
        metadata, notes = gif_metadata(path.read_bytes())
    return Image(canvas.pixels, canvas.alpha, metadata, Coding("GIF"), notes)


def gif_metadata(data: bytes) -> tuple[Metadata, tuple[str, ...]]:
    """What extension blocks say, and sentences on what of it is not kept."""
    comments, notes = [], []
    icc = xmp = None
    for label, name, raw in _extensions(data):
        if label == COMMENT:
            comments.append(_joined(raw))
        elif label == APPLICATION and name == ICC:
            icc = icc or _joined(raw) or None
        elif label == APPLICATION and name == XMP:
            xmp = xmp or raw[:-XMP_END] or None
        elif label == PLAIN_TEXT:
            notes.append("the text that is drawn over the picture (plain text extension) was not kept")
        elif label == APPLICATION and name not in LOOPS:
            notes.append(f"the data of `{name.decode('latin-1').strip()}` in it was not kept")
        elif label not in (APPLICATION, GRAPHIC_CONTROL, IMAGE):
            notes.append(f"an unknown extension {label} of the GIF was not kept")
    return Metadata(icc=icc, xmp=xmp, comments=tuple(comments)), tuple(dict.fromkeys(notes))


def gif_motion(data: bytes, *, most: int = 1 << 30) -> Iterator[tuple[bytes, int]]:
    """Give what an animation does in time: (`MOTION`, 0) for each frame up to `most`, before it its (b"delay", hundredths of a second), and
    (b"repeats", how often it is repeated, 0 for without end).
    """
    frames = 0
    for label, name, raw in _extensions(data):
        if label == GRAPHIC_CONTROL and len(raw) >= 5:
            yield b"delay", int.from_bytes(raw[2:4], "little")
        elif label == APPLICATION and name in LOOPS and raw[:2] == b"\3\1":
            yield b"repeats", int.from_bytes(raw[2:4], "little")
        elif label == IMAGE:
            yield MOTION, 0
            frames += 1
            if frames == most:
                return


def gif_blocks(data: bytes) -> tuple[bytes, bytes]:
    """The colour table and the coded pixels of a GIF of one picture."""
    table = data[13 : 13 + _table(data[10:11])]
    at = 13 + len(table)
    while data[at] == EXTENSION:
        at = _behind_blocks(data, at + 2)
    own = _table(data[at + 9 : at + 10])
    begin = at + 10 + own
    return data[at + 10 : begin] or table, data[begin : _behind_blocks(data, begin + 1)]


def gif_extensions(metadata: Metadata) -> bytes:
    """Extension blocks that hold the colour profile, XMP and comments."""
    parts = []
    if metadata.icc:
        parts.append(bytes((EXTENSION, APPLICATION, 11)) + ICC + _split(metadata.icc))
    if metadata.xmp:
        parts.append(bytes((EXTENSION, APPLICATION, 11)) + XMP + metadata.xmp + bytes((1, *range(255, -1, -1), 0)))
    parts += [bytes((EXTENSION, COMMENT)) + _split(comment) for comment in metadata.comments if comment]
    return b"".join(parts)


def _split(data: bytes) -> bytes:
    blocks = (data[at : at + 255] for at in range(0, len(data), 255))
    return b"".join(bytes((len(block),)) + block for block in blocks) + b"\0"


def _extensions(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Give label, name (of an application) and blocks, with their lengths, of each extension, and `IMAGE` for each picture; pass over
    bytes between them.
    """
    at = 13 + _table(data[10:11])
    while at < len(data) and data[at] != TRAILER:
        if data[at] == IMAGE:
            yield IMAGE, b"", b""
            at = _behind_blocks(data, at + 11 + _table(data[at + 9 : at + 10]))
        elif data[at] == EXTENSION and at + 2 < len(data):
            label, start = data[at + 1], at + 2
            name = b""
            if label == APPLICATION:
                name, start = data[start + 1 : start + 1 + data[start]], start + 1 + data[start]
            at = _behind_blocks(data, start)
            yield label, name, data[start:at]
        else:
            at += 1  # as Pillow does


def _table(flags: bytes) -> int:
    """Bytes of a colour table."""
    return 3 << ((flags[0] & 7) + 1) if flags and flags[0] & 0x80 else 0


def _behind_blocks(data: bytes, at: int) -> int:
    while at < len(data) and data[at]:
        at += 1 + data[at]
    return at + 1


def _joined(blocks: bytes) -> bytes:
    joined, at = b"", 0
    while at < len(blocks) and blocks[at]:
        joined += blocks[at + 1 : at + 1 + blocks[at]]
        at += 1 + blocks[at]
    return joined
