"""PNG: 8-bit pixels decoded by Pillow, 16-bit ones by OpenCV, everything written here.

Decoders are given only the chunks that pixels depend on, so no broken text or profile can stop them. The writer is
our own because it keeps what neither library does together: 16 bit, grey with alpha, and all colour chunks; it works
band by band, and its files are as small as those of libpng.
"""

import binascii
import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import PngImagePlugin

from unblur.errors import UnreadableError, UnsupportedError
from unblur.io.exif import exif_orientation, xmp_orientation
from unblur.io.picture import Canvas, Coding, Image, Metadata, Pixels, check_size, row_blocks
from unblur.io.pillow import decode, decoding

__all__ = ["SIGNATURE", "read_png", "write_png"]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COMPRESSION_LEVEL = 4
"""Of zlib: with filtered rows as small as level 6, at half the time."""

FILTERED_PIXELS = 1 << 16
"""Pixels that are filtered at a time: the five candidates stay in the cache."""

GREY, RGB, PALETTE, GREY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
COLOUR_CHUNKS = (b"cICP", b"mDCV", b"cLLI", b"gAMA", b"cHRM", b"sRGB")
TEXT_CHUNKS = (b"tEXt", b"zTXt", b"iTXt")
XMP_KEYWORD = b"XML:com.adobe.xmp"
RAW_PROFILE = b"Raw profile type "
INCHES_A_METRE = 0.0254
MAX_INFLATED = 1 << 25
"""Most that a compressed profile or text may grow to."""

Bytes = NDArray[np.uint8]


def read_png(path: Path) -> Image:
    """Read a PNG file.

    Raises:
        UnreadableError: if it is damaged or broken off.
        UnsupportedError: if it is too large or animated.
    """
    with decoding(path), path.open("rb") as file:
        notes: list[str] = []
        header, transparent, pixel_chunks, others = _take_apart(file, path, notes)
        width, height, depth, kind = struct.unpack(">IIBB", header[:10])
        check_size(path, width=width, height=height)
        metadata = _metadata(others, notes)
        orientation = exif_orientation(metadata.exif) or xmp_orientation(metadata.xmp) or 1
        if depth == 16:
            canvas = _decode_16_bit(pixel_chunks, path, width=width, height=height, kind=kind, orientation=orientation)
        else:
            canvas = decode(PngImagePlugin.PngImageFile(pixel_chunks), path, orientation=orientation)
        alpha = canvas.alpha
        if transparent is not None and alpha is None and len(transparent) == (2 if kind == GREY else 6):
            alpha = _keyed_alpha(canvas.pixels, struct.unpack(f">{len(transparent) // 2}H", transparent), depth=depth)
    return Image(canvas.pixels, alpha, metadata, Coding("PNG"), tuple(notes))


def write_png(file: BinaryIO, image: Image) -> None:
    """Write a PNG file of the picture's own depth."""
    height, width = image.pixels.shape[:2]
    grey, opaque = image.pixels.shape[2] == 1, image.alpha is None
    kind = (GREY if opaque else GREY_ALPHA) if grey else (RGB if opaque else RGB_ALPHA)
    file.write(SIGNATURE)
    file.write(_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, image.bit_depth, kind, 0, 0, 0)))
    for name, data in _metadata_chunks(image.metadata):
        file.write(_chunk(name, data))
    deflate = zlib.compressobj(COMPRESSION_LEVEL, zlib.DEFLATED, 15, 9, zlib.Z_FILTERED)
    above = None
    for top, bottom in row_blocks(width, height, pixels=FILTERED_PIXELS):
        band = image.interleaved(top, bottom)
        rows = np.ascontiguousarray(band.astype(band.dtype.newbyteorder(">"))).view(np.uint8).reshape(bottom - top, -1)
        above = np.zeros_like(rows[0]) if above is None else above
        packed = deflate.compress(_filtered(rows, above, step=band.shape[2] * band.dtype.itemsize).tobytes())
        above = rows[-1]
        if packed:
            file.write(_chunk(b"IDAT", packed))
    file.write(_chunk(b"IDAT", deflate.flush()))
    file.write(_chunk(b"IEND", b""))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _take_apart(file: BinaryIO, path: Path, notes: list[str]) -> tuple[bytes, bytes | None, io.BytesIO, list[tuple[bytes, bytes]]]:
    """Give the header, the transparent colour, a PNG of the chunks that pixels depend on, and all other chunks."""
    file.seek(len(SIGNATURE))
    header, transparent, others = b"", None, []
    pixel_chunks = io.BytesIO()
    pixel_chunks.write(SIGNATURE)
    name = b""
    while name != b"IEND":
        head = file.read(8)
        length, name = struct.unpack(">I4s", head)
        data, check = file.read(length), file.read(4)
        if len(check) < 4:
            raise UnreadableError(f"`{path}` is broken off; copy it again from where it came")
        sound = struct.unpack(">I", check)[0] == zlib.crc32(name + data)
        essential = not name[0] & 0x20
        if essential and not sound:
            raise UnreadableError(f"`{path}` is damaged (checksum of {name.decode('ascii', 'replace')}); copy it again from where it came")
        if name == b"acTL" and len(data) >= 4 and struct.unpack(">I", data[:4])[0] > 1:
            raise UnsupportedError(f"`{path}` is an animation; convert it to a video, such as a lossless MKV, first")
        if name == b"IHDR" and not header:
            header = data
        if name == b"tRNS" and header[9:10] != bytes((PALETTE,)):
            transparent = data
        elif essential or name == b"tRNS":
            pixel_chunks.write(head + data + check)
        elif sound:
            others.append((name, data))
        else:
            notes.append(f"a damaged {name.decode('ascii', 'replace')} chunk was not kept")
    if len(header) != 13:
        raise UnreadableError(f"`{path}` is damaged (no header); copy it again from where it came")
    pixel_chunks.seek(0)
    return header, transparent, pixel_chunks, others


def _decode_16_bit(pixel_chunks: io.BytesIO, path: Path, *, width: int, height: int, kind: int, orientation: int) -> Canvas:
    decoded = cv2.imdecode(np.frombuffer(pixel_chunks.getbuffer(), np.uint8), cv2.IMREAD_UNCHANGED)
    if decoded is None or decoded.shape[:2] != (height, width) or decoded.dtype != np.uint16:
        raise UnreadableError(f"`{path}` is damaged or broken off; copy it again from where it came")
    samples: Pixels = np.asarray(decoded, np.uint16).reshape(height, width, -1)  # grey, BGR or BGRA; grey with alpha comes as BGRA
    order = {GREY: [0], RGB: [2, 1, 0], GREY_ALPHA: [0, -1], RGB_ALPHA: [2, 1, 0, 3]}[kind]
    colours = 1 if kind in (GREY, GREY_ALPHA) else 3
    canvas = Canvas(width, height, channels=colours, has_alpha=len(order) > colours, dtype=np.uint16, orientation=orientation)
    for plane, channel in enumerate(order):
        canvas.put_plane(0, 0, samples[..., channel], plane=plane)
    return canvas


def _keyed_alpha(pixels: Pixels, key: tuple[int, ...], *, depth: int) -> Pixels:
    """Make alpha of the one colour that is transparent; grey of 1, 2 and 4 bit has been spread over 8."""
    step = 255 // ((1 << depth) - 1) if depth < 8 else 1
    top = np.iinfo(pixels.dtype).max
    alpha = np.full(pixels.shape[:2], top, pixels.dtype)
    for first, last in row_blocks(pixels.shape[1], pixels.shape[0]):
        alpha[first:last][(pixels[first:last] == np.array(key) * step).all(axis=2)] = 0
    return alpha


def _metadata(chunks: list[tuple[bytes, bytes]], notes: list[str]) -> Metadata:
    exif = icc = xmp = dpi = None
    kept: list[tuple[bytes, bytes]] = []
    old_exif = None
    for name, data in chunks:
        if name == b"eXIf" and exif is None:
            exif = data
        elif name == b"iCCP" and icc is None:
            icc = _inflated(data.partition(b"\0")[2][1:])
            if icc is None:
                notes.append("its colour profile is damaged and was not kept")
        elif name == b"pHYs" and len(data) == 9:
            across, down, unit = struct.unpack(">IIB", data)
            dpi = (across * INCHES_A_METRE, down * INCHES_A_METRE) if unit == 1 and across and down else None
        elif name == b"iTXt" and data.startswith(XMP_KEYWORD + b"\0"):
            xmp = xmp or _international_text(data)
        elif name in TEXT_CHUNKS and data.startswith((RAW_PROFILE + b"exif\0", RAW_PROFILE + b"APP1\0")):
            old_exif = old_exif or _raw_profile(name, data)
        elif name in TEXT_CHUNKS and data.startswith(RAW_PROFILE + b"xmp\0"):
            xmp = xmp or _raw_profile(name, data)
        elif name in TEXT_CHUNKS or (name in COLOUR_CHUNKS and name not in dict(kept)):
            kept.append((name, data))
    for profile in (old_exif, exif):  # ImageMagick writes EXIF as text; a true eXIf chunk goes first
        if profile and profile.startswith(b"Exif\0\0"):
            profile = profile[6:]
        exif = profile or exif
    return Metadata(exif=exif, icc=icc, xmp=xmp, dpi=dpi, png_chunks=tuple(kept))


def _metadata_chunks(metadata: Metadata) -> Iterator[tuple[bytes, bytes]]:
    yield from ((name, data) for name, data in metadata.png_chunks if name in COLOUR_CHUNKS)
    if metadata.icc:
        yield b"iCCP", b"ICC Profile\0\0" + zlib.compress(metadata.icc)
    if metadata.dpi:
        across, down = (min(round(value / INCHES_A_METRE), 0x7FFFFFFF) for value in metadata.dpi)
        yield b"pHYs", struct.pack(">IIB", across, down, 1)
    if metadata.exif:
        yield b"eXIf", metadata.exif
    if metadata.xmp:
        yield b"iTXt", XMP_KEYWORD + bytes(5) + metadata.xmp
    yield from ((name, data) for name, data in metadata.png_chunks if name in TEXT_CHUNKS)


def _inflated(data: bytes) -> bytes | None:
    """Inflate what may be hostile: None if it is damaged or grows too large."""
    inflate = zlib.decompressobj()
    try:
        text = inflate.decompress(data, MAX_INFLATED)
    except zlib.error:
        return None
    return text if inflate.eof else None


def _international_text(data: bytes) -> bytes | None:
    """Give the text of an iTXt chunk (PNG, 11.3.3.4): keyword, two flags, language, translated keyword, text."""
    flags_and_rest = data.partition(b"\0")[2]
    text = flags_and_rest[2:].partition(b"\0")[2].partition(b"\0")[2]
    return _inflated(text) if flags_and_rest[:1] == b"\1" else text or None


def _raw_profile(name: bytes, data: bytes) -> bytes | None:
    """Give the bytes that ImageMagick writes as text: a line with the kind, one with the length, then hexadecimal."""
    text: bytes | None = data.partition(b"\0")[2]
    if name == b"zTXt":
        text = _inflated((text or b"")[1:])
    lines = (text or b"").strip().split(b"\n", 2)
    try:
        return binascii.unhexlify(b"".join(lines[2].split()))
    except (IndexError, binascii.Error):
        return None


def _filtered(rows: Bytes, above: Bytes, *, step: int) -> Bytes:
    """Filter rows by whichever of the five ways gives the smallest sum of absolute differences (PNG, 9.2 and 12.7).

    Args:
        rows: (n, bytes in a row).
        above: the row before the first.
        step: bytes in a pixel.

    Returns:
        (n, 1 + bytes in a row): the number of the filter, then the differences.
    """
    up = np.concatenate([above[None], rows[:-1]])
    left, corner = np.zeros_like(rows), np.zeros_like(rows)
    left[:, step:] = rows[:, :-step]
    corner[:, step:] = up[:, :-step]
    a, b, c = left.astype(np.int16), up.astype(np.int16), corner.astype(np.int16)
    to_a, to_b, to_c = np.abs(b - c), np.abs(a - c), np.abs(a + b - 2 * c)
    paeth = np.where((to_a <= to_b) & (to_a <= to_c), left, np.where(to_b <= to_c, up, corner))
    ways = [rows, rows - left, rows - up, rows - ((a + b) >> 1).astype(np.uint8), rows - paeth]
    sizes = np.stack([np.abs(way.view(np.int8).astype(np.int16)).sum(axis=1, dtype=np.int64) for way in ways])
    best = sizes.argmin(axis=0)
    filtered = np.empty((len(rows), rows.shape[1] + 1), np.uint8)
    filtered[:, 0] = best
    for number, way in enumerate(ways):
        filtered[best == number, 1:] = way[best == number]
    return filtered
