"""Portable anymaps (PBM, PGM, PPM and PAM) read and written: plain and binary ones, of 1 to 16 bit.

Source: the Netpbm manual, pbm(5), pgm(5), ppm(5) and pam(5). Values are taken as they are stored, as by all other programs, though the manual says that
they have the transfer function of BT.709.
"""

import re
from pathlib import Path
from typing import BinaryIO

import numpy as np

from unblur.errors import UnreadableError, UnsupportedError
from unblur.io.codecs import canvas_of
from unblur.io.picture import Coding, Image, Metadata, Pixels, check_size, row_blocks
from unblur.pixels import to_levels

__all__ = ["SUFFIXES", "is_pnm", "pnm_suffix", "read_pnm", "write_pnm"]

SUFFIXES = (".ppm", ".pgm", ".pnm", ".pam")
BITMAP, PLAIN_BITMAP, ARBITRARY = b"P4", b"P1", b"P7"
CHANNELS = {b"P1": 1, b"P2": 1, b"P3": 3, b"P4": 1, b"P5": 1, b"P6": 3}
PLAIN = (b"P1", b"P2", b"P3")

_TOKEN = re.compile(rb"(?:\s|#([^\n\r]*)[\n\r])*([^\s#]+)")
_BEGINNING = re.compile(rb"P[1-6]\s+[#\d]|P7\s*[\r\n]+(?:WIDTH|HEIGHT|DEPTH|MAXVAL|TUPLTYPE|#)")


def is_pnm(head: bytes) -> bool:
    """Whether a file begins like an anymap, and not only like a text."""
    return _BEGINNING.match(head) is not None


def pnm_suffix(path: Path) -> str:
    """The usual suffix for the kind of a file: of a bitmap that of grey pictures, which it becomes."""
    with path.open("rb") as file:
        kind = file.read(2)
    return ".pam" if kind == ARBITRARY else ".ppm" if CHANNELS.get(kind) == 3 else ".pgm"


def read_pnm(path: Path) -> Image:
    """Read a PBM, PGM, PPM or PAM file.

    Raises:
        UnreadableError: if it is damaged or broken off.
        UnsupportedError: if it is too large, or is a PAM of other channels than grey or RGB, with or without alpha.
    """
    data = path.read_bytes()
    try:
        width, height, depth, most, begin, comments = _arbitrary_header(data, path) if data[:2] == ARBITRARY else _header(data)
    except UnsupportedError:
        raise
    except ValueError as error:
        raise UnreadableError(f"`{path}` is damaged (no header); copy it again from where it came") from error
    if not (width > 0 and height > 0 and 0 < most < 1 << 16):
        raise UnreadableError(f"`{path}` is damaged (no size); copy it again from where it came")
    check_size(path, width=width, height=height)
    samples, end = _samples(data, begin, shape=(height, width, depth), most=most)
    if samples is None:
        raise UnreadableError(f"`{path}` is broken off; copy it again from where it came")
    notes = []
    if data[end:].strip():
        notes.append("what stands behind the picture, such as further ones, was not kept")
    if most not in (255, 65535):
        notes.append(f"its values, of which the largest is {most}, were spread over {8 if most < 256 else 16} bit")
        fractions = samples.astype(np.float32) / np.float32(most)
        samples = to_levels(fractions, np.uint8) if most < 256 else to_levels(fractions, np.uint16)
    canvas = canvas_of(samples.astype(np.uint8, copy=False) if most < 256 else samples.astype(np.uint16, copy=False), orientation=1)
    metadata = Metadata(comments=comments)
    return Image(canvas.pixels, canvas.alpha, metadata, Coding("PNM", compressed=False), tuple(notes))


def write_pnm(file: BinaryIO, image: Image) -> None:
    """Write a binary PGM or PPM, or with alpha a PAM, of the picture's own depth."""
    height, width, colours = image.pixels.shape
    most = 255 if image.bit_depth == 8 else 65535
    comments = b"".join(b"#" + line + b"\n" for comment in image.metadata.comments for line in comment.splitlines())
    if image.alpha is None:
        file.write((b"P6\n" if colours == 3 else b"P5\n") + comments + b"%d %d\n%d\n" % (width, height, most))
    else:
        kind = b"RGB_ALPHA" if colours == 3 else b"GRAYSCALE_ALPHA"
        about = b"WIDTH %d\nHEIGHT %d\nDEPTH %d\nMAXVAL %d\nTUPLTYPE %s\nENDHDR\n" % (width, height, colours + 1, most, kind)
        file.write(b"P7\n" + comments + about)
    for top, bottom in row_blocks(width, height):
        rows = image.interleaved(top, bottom)
        file.write(rows.astype(rows.dtype.newbyteorder(">"), copy=False).tobytes())


def _header(data: bytes) -> tuple[int, int, int, int, int, tuple[bytes, ...]]:
    """Give width, height, channels, the largest value, where the samples begin, and comments."""
    kind = data[:2]
    is_bitmap = kind in (BITMAP, PLAIN_BITMAP)
    values: list[int] = []
    at = 2
    while len(values) < (2 if is_bitmap else 3):
        found = _TOKEN.match(data, at)
        if found is None:
            raise ValueError
        values.append(int(found[2]))
        at = found.end()
    comments = _comments(data[2:at])
    width, height, *rest = values
    return width, height, CHANNELS[kind], rest[0] if rest else 1, at + 1, comments


def _arbitrary_header(data: bytes, path: Path) -> tuple[int, int, int, int, int, tuple[bytes, ...]]:
    end = data.index(b"ENDHDR")
    begin = data.index(b"\n", end) + 1
    lines = [line.split(None, 1) for line in data[2:end].splitlines() if line.strip() and not line.startswith(b"#")]
    values = {line[0]: line[1].strip() for line in lines if len(line) == 2}
    if any(key not in values for key in (b"WIDTH", b"HEIGHT", b"DEPTH", b"MAXVAL")):
        raise ValueError
    width, height, depth, most = (int(values[key]) for key in (b"WIDTH", b"HEIGHT", b"DEPTH", b"MAXVAL"))
    kind = values.get(b"TUPLTYPE", b"")
    known = {1: b"GRAYSCALE", 2: b"GRAYSCALE_ALPHA", 3: b"RGB", 4: b"RGB_ALPHA"}
    if (kind not in (b"", known.get(depth)) and not (depth <= 2 and kind.startswith(b"BLACKANDWHITE"))) or depth not in known:
        raise UnsupportedError(f"`{path}` is a PAM of {depth} channels ({kind.decode('latin-1')}); convert it to RGB or PNG first")
    return width, height, depth, most, begin, _comments(data[2:end])


def _comments(header: bytes) -> tuple[bytes, ...]:
    return tuple(line.partition(b"#")[2] for line in header.splitlines() if b"#" in line)


def _samples(data: bytes, begin: int, *, shape: tuple[int, int, int], most: int) -> tuple[Pixels | None, int]:
    """Give the samples, None if there are too few, and where they end."""
    kind, (height, width, depth) = data[:2], shape
    count = height * width * depth
    if kind in PLAIN:
        text = re.sub(rb"#[^\n\r]*", b"", data[begin:])
        digits = re.findall(rb"[01]", text) if kind == PLAIN_BITMAP else text.split()
        if len(digits) < count:
            return None, len(data)
        plain: Pixels = np.array(digits[:count]).astype(np.uint16).reshape(shape)
        return (1 - plain if kind == PLAIN_BITMAP else plain), len(data)
    if kind == BITMAP:
        stride = (width + 7) // 8
        end = begin + stride * height
        if len(data) < end:
            return None, end
        bits = np.unpackbits(np.frombuffer(data, np.uint8, stride * height, begin).reshape(height, stride), axis=1)
        return (1 - bits[:, :width, None]), end  # 1 is black
    size = 1 if most < 256 else 2
    end = begin + count * size
    if len(data) < end:
        return None, end
    if size == 1:
        return np.frombuffer(data, np.uint8, count, begin).reshape(shape), end
    return np.frombuffer(data, ">u2", count, begin).astype(np.uint16).reshape(shape), end
