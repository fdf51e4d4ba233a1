"""Targa (TGA) by Pillow: grey, RGB and palettes, with alpha, plain or by run lengths.

A TGA of the first version has no mark by which it is told, so that its suffix counts and its header must be sound.

Source: Truevision TGA file format specification 2.0.
"""

import io
import struct
from pathlib import Path
from typing import BinaryIO

from PIL import TgaImagePlugin

from unblur.errors import OutputError
from unblur.io.picture import Coding, Image, Metadata
from unblur.io.pillow import decode, decoding, encodable

__all__ = ["SUFFIXES", "is_tga", "read_tga", "write_tga"]

SUFFIXES = (".tga", ".icb", ".vda", ".vst")
HEADER, FOOTER = 18, 26
MARK = b"TRUEVISION-XFILE.\0"
RUN_LENGTHS = 8
KINDS = (1, 2, 3, 9, 10, 11)
MOST_TEXT, MAX_SIDE = 255, 0xFFFF


def is_tga(path: Path, head: bytes) -> bool:
    """Whether a file with such a suffix begins with a sound header."""
    if path.suffix.lower() not in SUFFIXES or len(head) < HEADER:
        return False
    has_palette, kind, palette_bits, width, height, bits = head[1], head[2], head[7], *struct.unpack("<HHB", head[12:17])
    return (
        has_palette in (0, 1)
        and kind in KINDS
        and palette_bits in (0, 15, 16, 24, 32)
        and width > 0 < height
        and bits in (1, 8, 15, 16, 24, 32)
    )


def read_tga(path: Path) -> Image:
    """Read a TGA file.

    Raises:
        UnreadableError: if it is damaged or broken off.
        UnsupportedError: if it is too large.
    """
    notes = []
    with decoding(path), path.open("rb") as file:
        head = file.read(HEADER)
        text = file.read(head[0]).rstrip(b"\0 ")
        file.seek(max(0, path.stat().st_size - FOOTER))
        footer = file.read(FOOTER)
        if footer.endswith(MARK):
            extension, developer = struct.unpack("<II", footer[:8])
            if extension or developer:
                notes.append("its extension and developer areas were not kept")
        file.seek(0)
        canvas = decode(TgaImagePlugin.TgaImageFile(file), path)
    coding = Coding("TGA", compressed=bool(head[2] & RUN_LENGTHS))
    return Image(canvas.pixels, canvas.alpha, Metadata(comments=(text,) if text else ()), coding, tuple(notes))


def write_tga(file: BinaryIO, image: Image) -> list[str]:
    """Write a TGA file, by run lengths if the source was compressed; 16 bit is rounded to 8, and grey with alpha becomes RGB.

    Returns:
        A sentence if the first comment is too long to be its identification, or there are more.

    Raises:
        OutputError: if it is too large for the format.
    """
    height, width = image.pixels.shape[:2]
    if max(height, width) > MAX_SIDE:
        raise OutputError(f"TGA holds at most {MAX_SIDE} pixels a side, the picture has {width}x{height}; choose PNG or TIFF")
    comments = image.metadata.comments
    text = comments[0] if comments else b""
    buffer = io.BytesIO()
    encodable(image, with_alpha=True).save(
        buffer, format="TGA", compression="tga_rle" if image.source.compressed else None, id_section=text[:MOST_TEXT]
    )
    file.write(buffer.getbuffer())
    return ["TGA holds one comment of 255 bytes; what is more of them was not kept"] if comments[1:] or len(text) > MOST_TEXT else []
