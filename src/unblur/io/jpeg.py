"""JPEG: pixels by libjpeg through Pillow, metadata segment by segment; what stands behind the picture by `jpeg_parts`.

Written again, a JPEG keeps the quantisation tables and chroma subsampling it came with, so that restoration costs no
quality; but no step is coarser than that of quality 90, since a restored picture has detail that a blurry one had not.
"""

import functools
import io
import logging
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image as PillowImage
from PIL import JpegImagePlugin

from unblur.errors import InputError, OutputError, UnreadableError, UnsupportedError
from unblur.io.codecs import canvas_of, decode_jpeg
from unblur.io.exif import exif_orientation, exif_within, number_of_values, upright_exif, xmp_orientation
from unblur.io.jpeg_parts import (
    MULTI_PICTURE,
    NO_FRAME,
    end_of_picture,
    frame_of,
    moved_afcp,
    multi_picture_kinds,
    parts_behind,
    patched_index,
    segments_of,
    with_item_length,
    without_claims,
)
from unblur.io.picture import Attached, Coding, Image, Metadata, check_size, head_with
from unblur.io.pillow import decode, decoding, encodable, rgb_of_cmyk

__all__ = ["is_deep_jpeg", "read_jpeg", "write_jpeg"]

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
GAIN_MAP_MARKER = b"urn:iso:std:iso:ts:21496:-1\0"
APP0, APP1, APP2, APP11, APP13, APP14, APP15, COMMENT = 0xE0, 0xE1, 0xE2, 0xEB, 0xED, 0xEE, 0xEF, 0xFE
ABOUT_CODING = ((APP0, b"JFIF\0"), (APP0, b"JFXX\0"), (APP14, b"Adobe"))
"""Segments that are written anew, or show the picture as it was (JFXX: a thumbnail)."""

EXTENDED = 0xC1
BY_PILLOW = (0, 0xC0, EXTENDED, 0xC2, 0xC9, 0xCA)
"""Frames that libjpeg decodes, with 8 bit: baseline, extended and progressive, by Huffman or arithmetic codes."""

STEREO_KINDS = {0x020001: "panorama", 0x020002: "stereo", 0x020003: "multi-angle"}
"""Kinds of pictures that only make sense together (CIPA DC-007, 5.2.3.3)."""


def read_jpeg(path: Path) -> Image:
    """Read a JPEG file with all that stands behind the picture.

    CMYK becomes sRGB. What depends on where the pixels are, such as a gain map, is turned upright with the picture.

    Raises:
        UnreadableError: if it is damaged or broken off.
        UnsupportedError: if it is too large, one of a stereo or panorama set, or of a coding whose library is not installed.
    """
    with decoding(path):
        return _read(path.read_bytes(), path)


def is_deep_jpeg(path: Path) -> bool:
    """Whether a JPEG has more than 8 bit or is lossless, which it cannot be written as."""
    marker, bits = frame_of(head_with(path, lambda head: frame_of(head) != NO_FRAME))
    return bits != 8 or marker not in BY_PILLOW


def _read(data: bytes, path: Path, *, orientation: int | None = None) -> Image:
    """Read a JPEG; `orientation` holds where the file itself states none."""
    segments = [(marker, content) for marker, content, _ in segments_of(data)]
    end = end_of_picture(data)
    if end is None:
        raise UnreadableError(f"`{path}` is broken off; copy it again from where it came")
    notes: list[str] = []
    metadata = _metadata(segments, notes)
    _check_single(segments, path)
    turn = exif_orientation(metadata.exif) or xmp_orientation(metadata.xmp) or orientation or 1
    marker, bits = frame_of(data)
    if bits != 8 or marker not in BY_PILLOW:
        canvas = canvas_of(decode_jpeg(data, path, marker=marker, bits=bits), orientation=turn)
        coding = Coding("JPEG", lossless=marker != EXTENDED)
    else:
        picture = JpegImagePlugin.JpegImageFile(io.BytesIO(data))
        if picture.mode == "CMYK":
            check_size(path, width=picture.width, height=picture.height)
            canvas = canvas_of(np.asarray(rgb_of_cmyk(picture, metadata.icc, notes)), orientation=turn)
            metadata, coding = replace(metadata, icc=None), Coding("JPEG", lossless=False)
        else:
            canvas = decode(picture, path, orientation=turn)
            coding = Coding("JPEG", lossless=False, tables=_tables(picture), subsampling=_subsampling(picture, turn))
    metadata = _with_attached(metadata, data, end, path, orientation=turn, notes=notes)
    return Image(canvas.pixels, None, metadata, coding, tuple(dict.fromkeys(notes)))


def write_jpeg(file: BinaryIO, image: Image, *, quality: int | None) -> list[str]:
    """Write a JPEG file; 16 bit is rounded to 8. What stands behind the picture follows it, and the indexes say where.

    Args:
        file: to write to.
        image: what to write, without alpha.
        quality: 1 to 100; None for that of the source, see above, and 95 if that was no JPEG.

    Returns:
        Sentences on what of the metadata the format does not hold.

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
    notes: list[str] = []
    buffer = io.BytesIO()
    encodable(image, with_alpha=False).save(
        buffer,
        format="JPEG",
        quality=-1 if tables else DEFAULT_QUALITY if quality is None else quality,
        qtables=tables,
        subsampling=image.source.subsampling,
        dpi=_whole_dpi(image.metadata.dpi),
        extra=b"".join(_packed(image.metadata, notes)),
    )
    written = bytearray(buffer.getbuffer())
    _mend_index(written, image.metadata.attached)
    file.write(written)
    behind = b"".join(part.data for part in image.metadata.attached)
    file.write(moved_afcp(behind, to=len(written)))
    return notes


def _metadata(segments: list[tuple[int, bytes]], notes: list[str]) -> Metadata:
    exif = xmp = dpi = None
    photoshop = b""
    comments, others = [], []
    for marker, data in segments:
        if marker == APP1 and data.startswith(EXIF) and exif is None:
            exif = data[len(EXIF) :]
        elif marker == APP1 and data.startswith(XMP) and xmp is None:
            xmp = data[len(XMP) :]
        elif marker == APP1 and data.startswith((EXIF, XMP)):
            notes.append("a second EXIF or XMP in it was not kept")
        elif marker == APP13 and data.startswith(PHOTOSHOP):
            photoshop += data[len(PHOTOSHOP) :]
        elif marker == APP11:
            notes.append(_of_app11(data))
        elif marker == COMMENT:
            comments.append(data)
        elif marker == APP0 and data.startswith(b"JFIF\0"):
            dpi = _dpi_of(data) or dpi
        elif APP0 <= marker <= APP15 and not _is_elsewhere(marker, data):
            others.append((marker, data))
    return Metadata(
        exif=exif,
        icc=_icc_of(segments, notes),
        xmp=xmp,
        photoshop=photoshop or None,
        comments=tuple(comments),
        dpi=dpi,
        segments=tuple(others),
    )


def _is_elsewhere(marker: int, data: bytes) -> bool:
    """Whether a segment is about the coding, or read by another function."""
    if marker == APP2 and data.startswith(ICC) and len(data) > len(ICC) + 2:
        return True
    return any(marker == one and data.startswith(beginning) for one, beginning in ABOUT_CODING)


def _of_app11(data: bytes) -> str:
    if b"c2pa" in data or data.startswith(b"JP"):
        return "its proof of origin (JUMBF, C2PA) was not kept, since the pixels change"
    return "an enhancement layer in it (APP11) was not kept, since the pixels change"


def _dpi_of(data: bytes) -> tuple[float, float] | None:
    if len(data) < 12:
        return None
    unit, across, down = struct.unpack(">BHH", data[7:12])
    scale = {1: 1.0, 2: 2.54}.get(unit)
    return (across * scale, down * scale) if scale and across and down else None


def _icc_of(segments: list[tuple[int, bytes]], notes: list[str]) -> bytes | None:
    profile: dict[int, bytes] = {}
    parts = 0
    for marker, data in segments:
        if marker == APP2 and data.startswith(ICC) and len(data) > len(ICC) + 2:
            parts = data[len(ICC) + 1]
            profile.setdefault(data[len(ICC)], data[len(ICC) + 2 :])
    if profile and sorted(profile) != list(range(1, parts + 1)):
        notes.append("its colour profile is damaged and was not kept")
        return None
    return b"".join(profile[number] for number in sorted(profile)) or None


def _check_single(segments: list[tuple[int, bytes]], path: Path) -> None:
    """Refuse pictures that only make sense together (CIPA DC-007)."""
    for marker, data in segments:
        if marker == APP2 and data.startswith(MULTI_PICTURE):
            kinds = multi_picture_kinds(data)
            sets = [STEREO_KINDS[kind] for kind in kinds if kind in STEREO_KINDS]
            if sets:
                raise UnsupportedError(f"`{path}` holds {len(kinds)} pictures of a {sets[0]} set; save each as a file of its own first")


def _with_attached(metadata: Metadata, data: bytes, end: int, path: Path, *, orientation: int, notes: list[str]) -> Metadata:
    """Add what stands behind the picture, turned as the picture is; previews are left out, since they show it as it was."""
    found = [(content, at) for marker, content, at in segments_of(data) if marker == APP2 and content.startswith(MULTI_PICTURE)]
    xmp, kept, lost = metadata.xmp, [], set()
    for part in parts_behind(data, end=end, index=found[0] if found else None, xmp=xmp):
        attached: Attached | None = part.attached
        if part.is_preview:
            notes.append("the previews behind the picture were not kept, since they show it as it was")
            attached = None
        elif orientation != 1 and part.attached.kind in ("gain map", "further picture"):
            attached = _turned(part.attached, path, orientation)
            if attached is None:
                notes.append(f"a damaged {part.attached.kind} was not kept")
        if part.item and xmp and (attached is None or len(attached.data) != len(part.attached.data)):
            xmp = with_item_length(xmp, part.item, len(attached.data) if attached else 0)
        if attached is None:
            lost.add(part.attached.kind)
        else:
            kept.append(attached)
    segments = metadata.segments
    if orientation != 1 and any(content.startswith(XMP_MORE) for _, content in segments):
        segments = tuple(each for each in segments if not each[1].startswith(XMP_MORE))
        notes.append("the second part of its XMP (such as a depth map) was not kept, since the picture was turned upright")
    if not any(part.index for part in kept):
        if found and not lost and len(multi_picture_kinds(found[0][0])) > 1:
            notes.append("its index of further pictures (MPF), which are not in the file, was not kept")
        segments = tuple(each for each in segments if not each[1].startswith(MULTI_PICTURE))
    if "gain map" in lost:
        xmp = without_claims(xmp) if xmp else xmp
        segments = tuple(each for each in segments if not each[1].startswith(GAIN_MAP_MARKER))
    return replace(metadata, xmp=xmp, segments=segments, attached=tuple(kept))


def _turned(part: Attached, path: Path, orientation: int) -> Attached | None:
    """Turn a JPEG behind the picture, such as a gain map, in the quality in which it came; None if it is damaged."""
    try:
        with decoding(path):
            image = _read(part.data, path, orientation=orientation)
    except InputError:
        return None
    height, width = image.pixels.shape[:2]
    exif = upright_exif(image.metadata.exif, width=width, height=height) if image.metadata.exif else None
    written = io.BytesIO()
    write_jpeg(written, replace(image, metadata=replace(image.metadata, exif=exif)), quality=None)
    return replace(part, data=written.getvalue())


def _mend_index(written: bytearray, attached: tuple[Attached, ...]) -> None:
    """Say in the index of pictures, if there is one, where the parts behind the picture are."""
    for marker, content, place in segments_of(bytes(written)):
        if marker == APP2 and content.startswith(MULTI_PICTURE):
            written[place : place + len(content)] = patched_index(content, base=place, picture=len(written), parts=list(attached))


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


def _packed(metadata: Metadata, notes: list[str]) -> Iterator[bytes]:
    """Give the segments that hold `metadata`; what does not fit into the format is left out, and `notes` say so."""
    yield from (_segment(marker, data) for marker, data in metadata.segments if marker == APP0)  # before EXIF, as their makers have them
    room = MAX_SEGMENT - len(EXIF)
    exif = exif_within(metadata.exif, room) if metadata.exif else None
    if number_of_values(exif) != number_of_values(metadata.exif) or bool(exif) != bool(metadata.exif):
        notes.append("JPEG holds at most 64 KiB of EXIF; its largest values were not kept")
    if exif:
        yield _segment(APP1, EXIF + exif)
    if metadata.xmp and len(metadata.xmp) <= MAX_SEGMENT - len(XMP):
        yield _segment(APP1, XMP + metadata.xmp)
    elif metadata.xmp:
        notes.append("JPEG holds at most 64 KiB of XMP; it was not kept")
    yield from _numbered_icc(metadata.icc or b"", notes)
    room = MAX_SEGMENT - len(PHOTOSHOP)
    for start in range(0, len(metadata.photoshop or b""), room):
        yield _segment(APP13, PHOTOSHOP + (metadata.photoshop or b"")[start : start + room])
    yield from (_segment(marker, data) for marker, data in metadata.segments if marker != APP0)
    for comment in metadata.comments:
        yield _segment(COMMENT, comment)


def _numbered_icc(icc: bytes, notes: list[str]) -> Iterator[bytes]:
    room = MAX_SEGMENT - len(ICC) - 2
    parts = [icc[start : start + room] for start in range(0, len(icc), room)]
    if len(parts) > 255:
        notes.append("the colour profile is too long for JPEG and was not kept")
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
