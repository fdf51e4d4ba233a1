"""JPEG 2000: pixels up to 8 bit by Pillow and up to 16 by OpenCV, metadata box by box. It becomes a TIFF, which holds all of it.

Source: ISO/IEC 15444-1, annexes A.5.1 (SIZ) and I (boxes); boxes `uuid` of EXIF, XMP, IPTC and Photoshop as ExifTool and Adobe have them.
"""

import io
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from PIL import Jpeg2KImagePlugin

from unblur.errors import UnreadableError, UnsupportedError
from unblur.io.boxes import boxes_of, first_of
from unblur.io.codecs import at_full_range, canvas_of
from unblur.io.exif import exif_orientation
from unblur.io.photoshop import IPTC as IPTC_BLOCK
from unblur.io.photoshop import block_of
from unblur.io.picture import Canvas, Coding, Image, Metadata, check_size
from unblur.io.pillow import decode, decoding, rgb_of_cmyk

__all__ = ["read_jpeg2000"]

CODESTREAM = b"\xff\x4f\xff\x51"
COMMENT, TILE, LATIN = 0xFF64, 0xFF90, 1
OF_ENCODERS = (b"Created by OpenJPEG", b"Kakadu", b"Kdu-")
"""Beginnings of comments in which encoders name themselves."""

KNOWN = (b"jP  ", b"ftyp", b"jp2h", b"jp2c", b"free", b"skip")
EXIF = b"JpgTiffExif->JP2"
XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
PHOTOSHOP = bytes.fromhex("2c4c010085044040b9a03e562148d6df")
IPTC = bytes.fromhex("33c7a4d2b81d4723a0baf1a3e097ad38")
SRGB, GREY = 16, 17
WHOLE_PROFILE = (b"\2", b"\3")
"""Ways of stating colours by a profile."""


def read_jpeg2000(path: Path) -> Image:
    """Read a JPEG 2000 file or codestream.

    Raises:
        UnreadableError: if it is damaged or broken off.
        UnsupportedError: if it is too large, or has signed samples, more than 16 bit, or colours that are not known.
    """
    data = path.read_bytes()
    with decoding(path):
        width, height, depths = _size(data, path)
        check_size(path, width=width, height=height)
        notes: list[str] = []
        metadata = _metadata(data, notes)
        orientation = exif_orientation(metadata.exif) or 1
        if max(depths) > 8:
            canvas = _deep(data, path, depths, (width, height), orientation)
        else:
            picture = _opened(data, path)
            if picture.mode == "CMYK":
                canvas = canvas_of(np.asarray(rgb_of_cmyk(picture, metadata.icc, notes)), orientation=orientation)
                metadata = replace(metadata, icc=None)
            else:
                canvas = decode(picture, path, orientation=orientation)
    return Image(canvas.pixels, canvas.alpha, metadata, Coding("JPEG 2000", lossless=False), tuple(dict.fromkeys(notes)))


def _opened(data: bytes, path: Path) -> Jpeg2KImagePlugin.Jpeg2KImageFile:
    picture = Jpeg2KImagePlugin.Jpeg2KImageFile(io.BytesIO(data))
    try:
        picture.load()
    except OSError as error:
        place = data.find(CODESTREAM) + 42
        if any(data[place + 3 * number + 1 : place + 3 * number + 3] != b"\1\1" for number in range(len(picture.getbands()))):
            raise UnsupportedError(
                f"`{path}` is JPEG 2000 with channels of several sizes, which is not known here; convert it first"
            ) from error
        raise
    return picture


def _size(data: bytes, path: Path) -> tuple[int, int, list[int]]:
    """Width, height and the bits of each channel, of the codestream."""
    place = data.find(CODESTREAM)
    if place < 0:
        raise UnreadableError(f"`{path}` is damaged or broken off (no picture); copy it again from where it came")
    right, bottom, left, top = struct.unpack_from(">4I", data, place + 8)
    (count,) = struct.unpack_from(">H", data, place + 40)
    depths = [data[place + 42 + 3 * number] for number in range(count)]
    if not depths or any(depth & 0x80 or (depth & 0x7F) >= 16 for depth in depths):
        raise UnsupportedError(f"`{path}` is JPEG 2000 with signed samples, or with more than 16 bit; convert it to a 16-bit TIFF first")
    return right - left, bottom - top, [depth + 1 for depth in depths]


def _deep(data: bytes, path: Path, depths: list[int], size: tuple[int, int], orientation: int) -> Canvas:
    colours = first_of(data, b"jp2h", b"colr") or b"\1\0\0" + SRGB.to_bytes(4, "big")
    known = colours[:1] in WHOLE_PROFILE or int.from_bytes(colours[3:7], "big") in (SRGB, GREY)
    if len(set(depths)) > 1 or not known or len(depths) not in (1, 3, 4):
        raise UnsupportedError(
            f"`{path}` is JPEG 2000 of {'/'.join(map(str, depths))} bit in colours that are not known here; convert it to a 16-bit TIFF first"
        )
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if decoded is None or decoded.dtype != np.uint16 or decoded.shape[:2] != size[::-1] or decoded.size != size[0] * size[1] * len(depths):
        raise UnreadableError(f"`{path}` is damaged or broken off; copy it again from where it came")
    order = [0] if len(depths) == 1 else [2, 1, 0, 3][: len(depths)]
    samples = np.asarray(decoded, np.uint16).reshape(size[1], size[0], -1)[..., order]
    return canvas_of(at_full_range(np.ascontiguousarray(samples), depths[0]), orientation=orientation)


def _metadata(data: bytes, notes: list[str]) -> Metadata:
    found: dict[bytes, bytes] = {}
    for kind, content, _ in boxes_of(data) if not data.startswith(CODESTREAM) else ():
        identifier, inside = content[:16], content[16:]
        if kind == b"uuid" and identifier in (EXIF, XMP, PHOTOSHOP, IPTC):
            found.setdefault(identifier, inside)
        elif kind == b"jumb" or (kind == b"uuid" and b"c2pa" in inside[:64]):
            notes.append("its proof of origin (JUMBF, C2PA) was not kept, since the pixels change")
        elif kind == b"xml ":
            notes.append("further metadata in it (XML) was not kept")
        elif kind not in KNOWN:
            notes.append(f"a box `{kind.decode('latin-1')}` in it was not kept")
    colours = first_of(data, b"jp2h", b"colr") or b""
    comments = tuple(each for each in _comments(data) if not each.startswith(OF_ENCODERS))
    photoshop = found.get(PHOTOSHOP, b"")
    if iptc := found.get(IPTC):
        photoshop += block_of(IPTC_BLOCK, iptc)
    return Metadata(
        exif=found.get(EXIF, b"").removeprefix(b"Exif\0\0") or None,
        icc=colours[3:] if colours[:1] in WHOLE_PROFILE else None,
        xmp=found.get(XMP) or None,
        photoshop=photoshop or None,
        comments=comments,
    )


def _comments(data: bytes) -> Iterator[bytes]:
    """The comments of text in the head of the codestream (A.9.2)."""
    at = data.find(CODESTREAM) + 2
    while at + 6 <= len(data):
        marker, length, kind = struct.unpack_from(">3H", data, at)
        if marker == TILE or length < 2:
            return
        if marker == COMMENT and kind == LATIN:
            yield data[at + 6 : at + 2 + length]
        at += 2 + length
