"""JPEG XL: pixels of 8 and 16 bit by imagecodecs, the colour profile by pillow-jxl-plugin, which is under the GPL (the extra `jxl`),
metadata box by box.

libjxl turns the picture upright by what the codestream states; what EXIF says of the orientation is for information only (ISO/IEC 18181-2, 9.4).
It is not written, since no library for Python writes 16 bit, EXIF and a colour profile together.
"""

from pathlib import Path

import numpy as np

from unblur.errors import UnreadableError, UnsupportedError
from unblur.io.boxes import boxes_of
from unblur.io.codecs import at_full_range, canvas_of
from unblur.io.optional import needed
from unblur.io.picture import Coding, Image, Metadata, animation, check_size

__all__ = ["CONTAINER", "read_jxl", "size_in"]

CONTAINER = b"\0\0\0\x0cJXL \r\n\x87\n"
ABOUT_CODING = (b"JXL ", b"ftyp", b"jxll", b"jxlc", b"jxlp", b"jxli", b"jbrd", b"free", b"skip")
"""Boxes of the pixels; `jbrd` says how they were a JPEG once, which they are no more."""

RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
LARGE = (9, 13, 18, 30)


def read_jxl(path: Path) -> Image:
    """Read a JPEG XL file.

    Raises:
        UnreadableError: if it is damaged or broken off.
        UnsupportedError: if a library is not installed, it is too large, animated, or has floating-point samples.
    """
    what = "a JPEG XL"
    codecs, decoder = (needed(name, path, what, extra="jxl") for name in ("imagecodecs", "pillow_jxl"))
    data = path.read_bytes()
    width, height = size_in(data) or (0, 0)
    check_size(path, width=width, height=height)
    try:
        samples = codecs.jpegxl_decode(data)
        icc = decoder.Decoder(num_threads=1)(data)[3]
    except Exception as error:  # imagecodecs has an exception of its own for each codec
        raise UnreadableError(f"`{path}` is damaged or broken off ({error}); copy it again from where it came") from error
    if samples.ndim > 3:
        raise animation(path)
    samples = samples.reshape(*samples.shape[:2], -1)
    if samples.dtype not in (np.uint8, np.uint16) or samples.shape[2] > 4:
        raise UnsupportedError(
            f"`{path}` has {samples.dtype} samples in {samples.shape[2]} channels; convert it to RGB of 16-bit integers first"
        )
    canvas = canvas_of(at_full_range(samples, 8 * samples.dtype.itemsize), orientation=1)
    metadata, notes = _metadata(data, icc)
    return Image(canvas.pixels, canvas.alpha, metadata, Coding("JPEG XL", lossless=False), notes)


def size_in(data: bytes) -> tuple[int, int] | None:
    r"""Give width and height by the header of the codestream (ISO/IEC 18181-1, size header); None if there is none.

    Example:
        >>> size_in(b"\xff\x0a" + (0b000_001_00100_1).to_bytes(8, "little"))
        (40, 40)
    """
    parts = [content[4:] if kind == b"jxlp" else content for kind, content, _ in boxes_of(data) if kind in (b"jxlc", b"jxlp")]
    head = (parts[0] if data.startswith(CONTAINER) and parts else data)[:18]
    if not head.startswith(b"\xff\x0a") or len(head) < 3:
        return None
    bits, at = int.from_bytes(head[2:], "little"), 0

    def take(count: int) -> int:
        nonlocal at
        at += count
        return (bits >> (at - count)) & ((1 << count) - 1)

    is_small = take(1)
    height = 8 * (take(5) + 1) if is_small else take(LARGE[take(2)]) + 1
    ratio = take(3)
    if ratio:
        return height * RATIOS[ratio - 1][0] // RATIOS[ratio - 1][1], height
    return 8 * (take(5) + 1) if is_small else take(LARGE[take(2)]) + 1, height


def _metadata(data: bytes, icc: bytes | None) -> tuple[Metadata, tuple[str, ...]]:
    exif = xmp = None
    notes = []
    for kind, content, _ in boxes_of(data) if data.startswith(CONTAINER) else ():
        if kind == b"Exif" and exif is None and len(content) > 4:
            exif = content[4 + int.from_bytes(content[:4]) :] if content[:2] not in (b"II", b"MM") else content  # some leave the offset out
        elif kind == b"xml " and xmp is None:
            xmp = content
        elif kind == b"jumb":
            notes.append("its proof of origin (JUMBF, C2PA) was not kept, since the pixels change")
        elif kind == b"jhgm":
            notes.append("its HDR gain map was not kept")
        elif kind == b"brob":
            notes.append(f"compressed metadata in it (`{content[:4].decode('latin-1').strip()}`) was not kept")
        elif kind not in ABOUT_CODING:
            notes.append(f"a box `{kind.decode('latin-1')}` in it was not kept")
    return Metadata(exif=exif or None, icc=icc or None, xmp=xmp or None), tuple(dict.fromkeys(notes))
