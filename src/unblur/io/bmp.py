"""BMP: read by Pillow, with the colour profile of its newest header; written here, since Pillow holds neither alpha nor a profile.

Source: Microsoft, BITMAPV5HEADER (wingdi.h).
"""

import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import BmpImagePlugin

from unblur.errors import OutputError
from unblur.io.picture import Coding, Image, Metadata, row_blocks
from unblur.io.pillow import decode, decoding
from unblur.pixels import as_8_bit

__all__ = ["HEADER_SIZES", "read_bmp", "write_bmp"]

HEADER_SIZES = (12, 16, 40, 52, 56, 64, 108, 124)
FILE_HEADER, INFO_HEADER, V5_HEADER = 14, 40, 124
MASKS = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
"""Of red, green, blue and alpha in a pixel of 32 bit."""

RGB, BITFIELDS = 0, 3
SRGB, EMBEDDED, LINKED = 0x73524742, 0x4D424544, 0x4C494E4B
INTENT_IMAGES = 4
METRES = 0.0254
MAX_FILE = 0xFFFFFFFF


def read_bmp(path: Path) -> Image:
    """Read a BMP file.

    Raises:
        UnreadableError: if it is damaged or broken off.
        UnsupportedError: if it is too large.
    """
    notes = []
    with decoding(path), path.open("rb") as file:
        picture = BmpImagePlugin.BmpImageFile(file)
        canvas = decode(picture, path)
        across, down = picture.info.get("dpi", (0, 0))
        file.seek(FILE_HEADER)
        header = file.read(V5_HEADER)
        icc = None
        if len(header) == V5_HEADER and struct.unpack("<I", header[:4])[0] == V5_HEADER:
            (space,), (offset, size) = struct.unpack("<I", header[56:60]), struct.unpack("<II", header[112:120])
            if space == EMBEDDED:
                file.seek(FILE_HEADER + offset)
                icc = file.read(size)
            if space == LINKED or (icc is not None and len(icc) < size):
                icc = None
                notes.append("its colour profile, which is damaged or a file of its own, was not kept")
            if struct.unpack("<I", header[108:112])[0] not in (0, INTENT_IMAGES):
                notes.append("its rendering intent, which is not that of photos, was not kept")
    metadata = Metadata(icc=icc or None, dpi=(across, down) if across > 0 < down else None)
    return Image(canvas.pixels, canvas.alpha, metadata, Coding("BMP", compressed=False), tuple(notes))


def write_bmp(file: BinaryIO, image: Image) -> None:
    """Write a BMP file: grey by a palette, RGB of 24 bit, or of 32 with alpha; 16 bit is rounded to 8.

    With alpha or a profile the header is the newest one (V5), else the oldest that all programs know.

    Raises:
        OutputError: if it would grow beyond the 4 GB that the format can hold.
    """
    height, width, colours = image.pixels.shape
    icc, has_alpha = image.metadata.icc or b"", image.alpha is not None
    header = V5_HEADER if icc or has_alpha else INFO_HEADER
    samples = 4 if has_alpha else colours
    palette = b"".join(bytes((value, value, value, 0)) for value in range(256)) if samples == 1 else b""
    stride = (width * samples + 3) // 4 * 4
    place = FILE_HEADER + header + len(palette)
    total = place + stride * height + len(icc)
    if total > MAX_FILE:
        raise OutputError("the picture needs more than the 4 GB that BMP can hold; choose PNG")
    across, down = (min(round(value / METRES), 0x7FFFFFFF) for value in image.metadata.dpi or (0, 0))
    coding = BITFIELDS if has_alpha else RGB
    file.write(struct.pack("<2sIII", b"BM", total, 0, place))
    file.write(
        struct.pack("<IiiHHIIiiII", header, width, height, 1, 8 * samples, coding, stride * height, across, down, len(palette) // 4, 0)
    )
    if header == V5_HEADER:
        masks = MASKS if has_alpha else (0, 0, 0, 0)
        profile = (header + len(palette) + stride * height, len(icc)) if icc else (0, 0)
        file.write(struct.pack("<4II36x12xIIII", *masks, EMBEDDED if icc else SRGB, INTENT_IMAGES, *profile, 0))
    file.write(palette)
    for top, bottom in reversed(row_blocks(width, height)):
        block = as_8_bit(image.pixels[top:bottom])
        if colours == 3:
            block = block[..., ::-1]
        elif has_alpha:
            block = np.repeat(block, 3, axis=2)
        if image.alpha is not None:
            block = np.concatenate([block, as_8_bit(image.alpha[top:bottom])[..., None]], axis=2)
        rows = np.zeros((bottom - top, stride), np.uint8)
        rows[:, : width * samples] = block.reshape(bottom - top, -1)
        file.write(rows[::-1].tobytes())
    file.write(icc)
