"""JPEG: pixels by libjpeg through Pillow, metadata segment by segment.

Written again, a JPEG keeps the quantisation tables and chroma subsampling it came with, so that restoration costs no
quality; but no step is coarser than that of quality 90, since a restored picture has detail that a blurry one had not.
"""

import functools
import io
import logging
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from PIL import Image as PillowImage
from PIL import JpegImagePlugin

from unblur.errors import OutputError, UnreadableError, UnsupportedError
from unblur.io.exif import exif_orientation, exif_within, xmp_orientation
from unblur.io.ifd import DamagedError, read_directory, read_header, reader_of
from unblur.io.picture import Coding, Image, Metadata
from unblur.io.pillow import decode, decoding, encodable

__all__ = ["read_jpeg", "write_jpeg"]

_log = logging.getLogger(__name__)

FLOOR_QUALITY = 90
DEFAULT_QUALITY = 95
MAX_SIDE = 65500
"""Longest side that libjpeg writes."""

MAX_SEGMENT = 65533
EXIF = b"Exif\0\0"
XMP = b"http://ns.adobe.com/xap/1.0/\0"
XMP_MORE = b"http://ns.adobe.com/xmp/extension/\0"
ICC = b"ICC_PROFILE\0"
PHOTOSHOP = b"Photoshop 3.0\0"
MULTI_PICTURE = b"MPF\0"
APP0, APP1, APP2, APP11, APP13, COMMENT = 0xE0, 0xE1, 0xE2, 0xEB, 0xED, 0xFE
START_OF_SCAN, END_OF_IMAGE = 0xDA, 0xD9

MULTI_PICTURE_ENTRIES = 0xB002
STEREO_KINDS = {0x020001: "panorama", 0x020002: "stereo", 0x020003: "multi-angle"}
"""Kinds of pictures that only make sense together (CIPA DC-007, 5.2.3.3)."""


def read_jpeg(path: Path) -> Image:
    """Read a JPEG file.

    Raises:
        UnreadableError: if it is damaged or broken off.
        UnsupportedError: if it is too large, CMYK, or one of a stereo or panorama set.
    """
    with decoding(path), path.open("rb") as file:
        segments = list(_segments(file))
        if not _has_end(file):
            raise UnreadableError(f"`{path}` is broken off; copy it again from where it came")
        notes: list[str] = []
        metadata = _metadata(segments, notes)
        _check_single(segments, path, notes)
        stated = exif_orientation(metadata.exif) or xmp_orientation(metadata.xmp)
        orientation = stated or 1
        file.seek(0)
        picture = JpegImagePlugin.JpegImageFile(file)
        if picture.mode == "CMYK":
            raise UnsupportedError(f"`{path}` is in CMYK, for print; convert it to RGB with its colour profile first")
        canvas = decode(picture, path, orientation=orientation)
        coding = Coding("JPEG", lossless=False, tables=_tables(picture), subsampling=_subsampling(picture, orientation))
    return Image(canvas.pixels, None, metadata, coding, tuple(notes))


def write_jpeg(file: BinaryIO, image: Image, *, quality: int | None) -> None:
    """Write a JPEG file; 16 bit is rounded to 8.

    Args:
        file: to write to.
        image: what to write, without alpha.
        quality: 1 to 100; None for that of the source, see above, and 95 if that was no JPEG.

    Raises:
        OutputError: if it is too large for the format.
    """
    height, width = image.pixels.shape[:2]
    if max(height, width) > MAX_SIDE:
        raise OutputError(f"JPEG holds at most {MAX_SIDE} pixels a side, the picture has {width}x{height}; choose PNG or TIFF")
    tables = None
    if quality is None and image.source.tables:
        finest = _standard_tables(FLOOR_QUALITY)
        tables = [
            [min(step, floor) for step, floor in zip(table, finest[min(index, 1)], strict=True)]
            for index, table in enumerate(image.source.tables)
        ]
        kept = all(tuple(table) == source for table, source in zip(tables, image.source.tables, strict=True))
        _log.info("JPEG quality: %s", "that of the source" if kept else f"{FLOOR_QUALITY}, finer than the source")
    buffer = io.BytesIO()
    encodable(image, with_alpha=False).save(
        buffer,
        format="JPEG",
        quality=-1 if tables else DEFAULT_QUALITY if quality is None else quality,
        qtables=tables,
        subsampling=image.source.subsampling,
        dpi=_whole_dpi(image.metadata.dpi),
        extra=b"".join(_packed(image.metadata)),
    )
    file.write(buffer.getbuffer())


def _segments(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Give the marker and content of each segment before the first scan; stop where the structure breaks."""
    file.seek(2)
    while True:
        head = file.read(1)
        if head != b"\xff":
            return
        while (marker := file.read(1)) == b"\xff":
            pass  # fill bytes
        if not marker or marker[0] in (START_OF_SCAN, END_OF_IMAGE):
            return
        size = file.read(2)
        if len(size) < 2:
            return
        yield marker[0], file.read(max(struct.unpack(">H", size)[0] - 2, 0))


def _has_end(file: BinaryIO) -> bool:
    """Look for the end-of-image marker from here on, which scans cannot contain.

    libjpeg does not miss it where zeros fill the rest of the file, and gives a picture that is grey from there on.
    """
    last = b""
    while data := file.read(1 << 20):
        if bytes((0xFF, END_OF_IMAGE)) in last + data:
            return True
        last = data[-1:]
    return False


def _metadata(segments: list[tuple[int, bytes]], notes: list[str]) -> Metadata:
    exif = xmp = comment = None
    photoshop = b""
    profile: dict[int, bytes] = {}
    parts = 0
    dpi = None
    for marker, data in segments:
        if marker == APP1 and data.startswith(EXIF) and exif is None:
            exif = data[len(EXIF) :]
        elif marker == APP1 and data.startswith(XMP) and xmp is None:
            xmp = data[len(XMP) :]
        elif marker == APP1 and data.startswith(XMP_MORE):
            _note(notes, "a second part of its XMP (such as a depth map) was not kept")
        elif marker == APP2 and data.startswith(ICC) and len(data) > len(ICC) + 2:
            parts = data[len(ICC) + 1]
            profile.setdefault(data[len(ICC)], data[len(ICC) + 2 :])
        elif marker == APP13 and data.startswith(PHOTOSHOP):
            photoshop += data[len(PHOTOSHOP) :]
        elif marker == APP11:
            _note(notes, "its proof of origin (JUMBF, C2PA) was not kept, since the pixels change")
        elif marker == COMMENT and comment is None:
            comment = data
        elif marker == APP0 and data.startswith(b"JFIF\0") and len(data) >= 12:
            unit, across, down = struct.unpack(">BHH", data[7:12])
            scale = {1: 1.0, 2: 2.54}.get(unit)
            dpi = (across * scale, down * scale) if scale and across and down else None
    icc = b"".join(profile[number] for number in sorted(profile)) or None
    if icc and sorted(profile) != list(range(1, parts + 1)):
        icc = None
        _note(notes, "its colour profile is damaged and was not kept")
    return Metadata(exif=exif, icc=icc, xmp=xmp, photoshop=photoshop or None, comment=comment, dpi=dpi)


def _check_single(segments: list[tuple[int, bytes]], path: Path, notes: list[str]) -> None:
    """Say what becomes of further pictures in the file (CIPA DC-007): gain and depth maps, previews, stereo pairs."""
    for marker, data in segments:
        if marker != APP2 or not data.startswith(MULTI_PICTURE):
            continue
        read_at = reader_of(data[len(MULTI_PICTURE) :])
        try:
            order, first = read_header(read_at)
            entry = read_directory(read_at, order, first).entries.get(MULTI_PICTURE_ENTRIES)
        except DamagedError:
            return
        if entry is None or len(entry.value) < 32:
            return
        kinds = [int(value) & 0xFFFFFF for value in struct.unpack(f"{order}{len(entry.value) // 4}I", entry.value)[::4]]
        sets = [STEREO_KINDS[kind] for kind in kinds if kind in STEREO_KINDS]
        if sets:
            raise UnsupportedError(f"`{path}` holds {len(kinds)} pictures of a {sets[0]} set; save each as a file of its own first")
        _note(notes, "the further pictures in it (previews, depth or HDR gain maps) were not kept")


def _tables(picture: JpegImagePlugin.JpegImageFile) -> tuple[tuple[int, ...], ...]:
    """Give the table of each component, without those at the end that repeat the one before."""
    by_number = picture.quantization
    tables = [tuple(by_number[layer[3]]) for layer in picture.layer if layer[3] in by_number]
    while len(tables) > 1 and tables[-1] == tables[-2]:
        tables.pop()
    return tuple(tables)


def _subsampling(picture: JpegImagePlugin.JpegImageFile, orientation: int) -> int:
    """Give 0, 1 or 2; 4:4:4 for what Pillow cannot write, and for 4:2:2 that is turned on its side."""
    found = JpegImagePlugin.get_sampling(picture)
    return found if found == 2 or (found == 1 and orientation < 5) else 0


@functools.cache
def _standard_tables(quality: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Give libjpeg's luma and chroma tables of a quality, by asking it."""
    buffer = io.BytesIO()
    PillowImage.new("RGB", (8, 8)).save(buffer, format="JPEG", quality=quality)
    buffer.seek(0)
    tables = JpegImagePlugin.JpegImageFile(buffer).quantization
    return tuple(tables[0]), tuple(tables[1])


def _packed(metadata: Metadata) -> Iterator[bytes]:
    """Give the segments that hold `metadata`; what does not fit into the format is left out, and the log says so."""
    room = MAX_SEGMENT - len(EXIF)
    exif = exif_within(metadata.exif, room) if metadata.exif else None
    if exif != metadata.exif:
        _log.warning("JPEG holds at most 64 KiB of EXIF; its largest values were left out")
    if exif:
        yield _segment(APP1, EXIF + exif)
    if metadata.xmp and len(metadata.xmp) <= MAX_SEGMENT - len(XMP):
        yield _segment(APP1, XMP + metadata.xmp)
    elif metadata.xmp:
        _log.warning("JPEG holds at most 64 KiB of XMP; it was left out")
    yield from _numbered_icc(metadata.icc or b"")
    room = MAX_SEGMENT - len(PHOTOSHOP)
    for start in range(0, len(metadata.photoshop or b""), room):
        yield _segment(APP13, PHOTOSHOP + (metadata.photoshop or b"")[start : start + room])
    if metadata.comment is not None:
        yield _segment(COMMENT, metadata.comment)


def _numbered_icc(icc: bytes) -> Iterator[bytes]:
    room = MAX_SEGMENT - len(ICC) - 2
    parts = [icc[start : start + room] for start in range(0, len(icc), room)]
    if len(parts) > 255:
        _log.warning("the colour profile is too long for JPEG and was left out")
        return
    for number, part in enumerate(parts, start=1):
        yield _segment(APP2, ICC + bytes((number, len(parts))) + part)


def _segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def _whole_dpi(dpi: tuple[float, float] | None) -> tuple[int, int]:
    """Round, as JFIF needs; (0, 0) stands for unknown."""
    if dpi is None or not all(0.5 <= value < 65535 for value in dpi):
        return 0, 0
    return round(dpi[0]), round(dpi[1])


def _note(notes: list[str], text: str) -> None:
    if text not in notes:
        notes.append(text)
