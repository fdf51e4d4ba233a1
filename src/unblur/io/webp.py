"""WebP through Pillow: what came lossless is written lossless."""

import io
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from PIL import Image as PillowImage
from PIL import WebPImagePlugin

from unblur.errors import OutputError, UnreadableError
from unblur.io.exif import exif_orientation, xmp_orientation
from unblur.io.picture import Coding, Image, Metadata, animation
from unblur.io.pillow import decode, decoding, encodable

__all__ = ["opened_webp", "read_webp", "webp_chunks", "webp_metadata", "write_webp"]

_pillow_limit = threading.Lock()

DEFAULT_QUALITY = 95
LOSSLESS_EFFORT = 75
"""What the encoder calls quality is effort where nothing is lost."""

MAX_SIDE = 16383
KNOWN = (b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP", b"EXIF", b"XMP ")


def read_webp(path: Path) -> Image:
    """Read a WebP file.

    Raises:
        UnreadableError: if it is damaged or broken off.
        UnsupportedError: if it is animated.
    """
    with decoding(path), path.open("rb") as file:
        chunks: dict[bytes, bytes] = {}
        for name, data in webp_chunks(file, path):
            if name == b"ANMF" and name in chunks:
                raise animation(path)
            chunks.setdefault(name, data)
        metadata, notes = webp_metadata(chunks)
        orientation = exif_orientation(metadata.exif) or xmp_orientation(metadata.xmp) or 1
        file.seek(0)
        canvas = decode(opened_webp(file), path, orientation=orientation)
    lossless = b"VP8L" in chunks or b"VP8L" in chunks.get(b"ANMF", b"")[16:20]
    return Image(canvas.pixels, canvas.alpha, metadata, Coding("WebP", lossless=lossless), notes)


def webp_metadata(chunks: dict[bytes, bytes]) -> tuple[Metadata, tuple[str, ...]]:
    """What chunks say, and sentences on those that are not kept."""
    exif = chunks.get(b"EXIF")
    if exif and exif.startswith(b"Exif\0\0"):
        exif = exif[6:]
    metadata = Metadata(exif=exif or None, icc=chunks.get(b"ICCP") or None, xmp=chunks.get(b"XMP ") or None)
    return metadata, tuple(_note_of(name) for name in chunks if name not in KNOWN)


def write_webp(file: BinaryIO, image: Image, *, quality: int | None) -> None:
    """Write a WebP file; 16 bit is rounded to 8, grey becomes RGB.

    Args:
        file: to write to.
        image: what to write.
        quality: 1 to 100 for lossy coding; None for lossless if the source was, and 95 if it was not.

    Raises:
        OutputError: if it is too large for the format.
    """
    height, width = image.pixels.shape[:2]
    if max(height, width) > MAX_SIDE:
        raise OutputError(f"WebP holds at most {MAX_SIDE} pixels a side, the picture has {width}x{height}; choose PNG or TIFF")
    lossless = quality is None and image.source.lossless
    buffer = io.BytesIO()
    encodable(image, with_alpha=True).save(
        buffer,
        format="WEBP",
        lossless=lossless,
        quality=LOSSLESS_EFFORT if lossless else DEFAULT_QUALITY if quality is None else quality,
        exact=True,  # keeps the colours of transparent pixels
        icc_profile=image.metadata.icc or b"",
        exif=image.metadata.exif or b"",
        xmp=image.metadata.xmp or b"",
    )
    file.write(buffer.getbuffer())


def _note_of(name: bytes) -> str:
    if name == b"C2PA":
        return "its proof of origin (C2PA) was not kept, since the pixels change"
    return f"a chunk `{name.decode('latin-1')}` of the WebP was not kept, since it may depend on the pixels"


def opened_webp(file: BinaryIO) -> WebPImagePlugin.WebPImageFile:
    """Open without Pillow's own size limit, which this format class, of all, checks by itself; ours is in `decode`."""
    with _pillow_limit:
        limit = PillowImage.MAX_IMAGE_PIXELS
        PillowImage.MAX_IMAGE_PIXELS = None
        try:
            return WebPImagePlugin.WebPImageFile(file)
        finally:
            PillowImage.MAX_IMAGE_PIXELS = limit


def webp_chunks(file: BinaryIO, path: Path, *, whole: bool = False) -> Iterator[tuple[bytes, bytes]]:
    """Give the chunks of the RIFF container; of pixel data, only the beginning, unless `whole`.

    Raises:
        UnreadableError: if it is broken off.
    """
    size = file.seek(0, 2)
    file.seek(4)
    end = 8 + struct.unpack("<I", file.read(4))[0]
    if size < end:
        raise UnreadableError(f"`{path}` is broken off; copy it again from where it came")
    at = 12
    while at + 8 <= end:
        file.seek(at)
        name, length = struct.unpack("<4sI", file.read(8))
        yield name, file.read(length if whole or name in (b"ICCP", b"EXIF", b"XMP ") else min(length, 32))
        at += 8 + length + length % 2
