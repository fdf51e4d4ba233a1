"""DPX: 8, 10, 12 and 16 bit, grey, RGB and RGBA, uncompressed, with its header and user data kept byte for byte.

Code values are restored as they are stored, whatever transfer function the header states: printing density, the usual one, is logarithmic, and so about as
even to the eye as that of photos. Values are spread over 16 bit and brought back.

Source: SMPTE ST 268:2003, file information, image information and image element headers; annex C for the packing of 10 and 12 bit.
"""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from unblur.errors import UnreadableError, UnsupportedError
from unblur.io.codecs import at_full_range
from unblur.io.picture import Canvas, Coding, DpxFile, Image, Metadata, Pixels, check_size

__all__ = ["BEGINNINGS", "dpx_size", "read_dpx", "write_dpx"]

BEGINNINGS = {b"SDPX": "DPX", b"XPDS": "DPX"}
GREY, RGB, RGBA = 6, 50, 51
SAMPLES = {GREY: 1, RGB: 3, RGBA: 4}
HEADER, UNKNOWN = 1664, 0xFFFFFFFF  # bytes of the headers that say what the pixels are
TOP_DOWN = (0, UNKNOWN & 0xFFFF)
UPPER, LOWER = 1, 2
"""Where the bits of 10 and 12 stand in their words: methods A and B, which leave the lowest or the highest ones free."""


@dataclass(frozen=True)
class _Layout:
    """How the samples are stored, by the header."""

    order: str
    width: int
    height: int
    samples: int
    bits: int
    packing: int
    offset: int
    line_padding: int

    @property
    def line(self) -> int:
        """Bytes of a line without its padding."""
        count = self.width * self.samples
        if self.bits == 10:
            return -(-count // 3) * 4
        return -(-count * (1 if self.bits == 8 else 2) // 4) * 4

    @property
    def end(self) -> int:
        return self.offset + self.height * (self.line + self.line_padding) - self.line_padding


def dpx_size(path: Path) -> tuple[int, int]:
    """Width and height by the header.

    Raises:
        UnreadableError: if there is none.
    """
    with path.open("rb") as file:
        head = file.read(HEADER)
    if len(head) < HEADER:
        raise UnreadableError(f"`{path}` is broken off; copy it again from where it came")
    width, height = struct.unpack((">" if head.startswith(b"SDPX") else "<") + "II", head[772:780])
    return width, height


def read_dpx(path: Path) -> Image:
    """Read a DPX file.

    Raises:
        UnreadableError: if it is damaged or broken off.
        UnsupportedError: if it is too large, compressed, of several elements, or of other samples than those above.
    """
    width, height = dpx_size(path)
    check_size(path, width=width, height=height)
    data = path.read_bytes()
    layout = _layout(data, path)
    if layout.end > len(data):
        raise UnreadableError(f"`{path}` is broken off; copy it again from where it came")
    values = _unpacked(data, layout)
    colours = layout.samples - (layout.samples == 4)
    canvas = Canvas(width, height, channels=colours, has_alpha=colours < layout.samples, dtype=values.dtype.type)
    canvas.put(0, 0, values)
    metadata = Metadata(dpx=DpxFile(data[: layout.offset], data[layout.end :]))
    return Image(canvas.pixels, canvas.alpha, metadata, Coding("DPX", compressed=False))


def write_dpx(file: BinaryIO, image: Image) -> None:
    """Write a DPX file as it came, with the restored samples in place of those that were read."""
    about = image.metadata.dpx
    assert about is not None  # other pictures are refused before
    layout = _layout(about.head, Path())
    file.write(about.head)
    rows = _packed(image.interleaved(0, len(image.pixels)), layout)
    if layout.line_padding:
        rows = np.pad(rows, ((0, 0), (0, layout.line_padding)))
    data = rows.tobytes()
    file.write(data[: layout.end - layout.offset])
    file.write(about.rest)


def _layout(data: bytes, path: Path) -> _Layout:
    order = ">" if data.startswith(b"SDPX") else "<"
    (offset,) = struct.unpack(order + "I", data[4:8])
    orientation, elements, width, height = struct.unpack(order + "HHII", data[768:780])
    descriptor, bits, packing, encoding, place, padding = struct.unpack(order + "B2xBHHII", data[800:816])
    place = offset if place in (0, UNKNOWN) else place
    kind = f"{bits}-bit samples of descriptor {descriptor}, packing {packing}"
    if not (width and height and place >= HEADER):
        raise UnreadableError(f"`{path}` is damaged (no size, or no pixels); copy it again from where it came")
    if elements != 1 or encoding not in (0, 0xFFFF) or orientation not in TOP_DOWN:
        raise UnsupportedError(
            f"`{path}` is a compressed, turned or multi-element DPX; convert it to a plain one or to a 16-bit TIFF first"
        )
    if descriptor not in SAMPLES or bits not in (8, 10, 12, 16) or (bits in (10, 12) and packing not in (UPPER, LOWER)):
        raise UnsupportedError(f"`{path}` is a DPX with {kind}; convert it to 10-bit RGB or a 16-bit TIFF first")
    return _Layout(order, width, height, SAMPLES[descriptor], bits, packing, place, 0 if padding == UNKNOWN else padding)


def _unpacked(data: bytes, layout: _Layout) -> Pixels:
    """Samples (H, W, channels) over the full range of 8 or 16 bit."""
    count = layout.width * layout.samples
    stride = layout.line + layout.line_padding
    raw = np.frombuffer(data[: layout.end].ljust(layout.offset + stride * layout.height, b"\0"), np.uint8, offset=layout.offset)
    lines = np.ascontiguousarray(raw[: stride * layout.height].reshape(layout.height, stride)[:, : layout.line])
    values: NDArray[Any]
    if layout.bits == 8:
        values = lines
    elif layout.bits == 10:
        words = lines.view(layout.order + "u4").astype(np.uint32)
        values = np.stack([(words >> np.uint32(shift)) & np.uint32(1023) for shift in _shifts(layout)], axis=-1).reshape(layout.height, -1)
    else:
        values = lines.view(layout.order + "u2").astype(np.uint16)
        values = values >> 4 if layout.bits == 12 and layout.packing == UPPER else values & 0xFFF if layout.bits == 12 else values
    shaped = values[:, :count].reshape(layout.height, layout.width, layout.samples)
    return at_full_range(shaped, layout.bits)


def _packed(values: Pixels, layout: _Layout) -> NDArray[np.uint8]:
    """Lines (H, bytes of a line)."""
    flat = values.reshape(layout.height, -1)
    if layout.bits == 8:
        return np.pad(flat, ((0, 0), (0, layout.line - flat.shape[1]))).astype(np.uint8)
    most = np.uint32((1 << layout.bits) - 1)
    codes: NDArray[Any] = (flat.astype(np.uint32) * most + 32767) // np.uint32(65535) if layout.bits < 16 else flat.astype(np.uint32)
    if layout.bits == 10:
        codes = np.pad(codes, ((0, 0), (0, layout.line // 4 * 3 - flat.shape[1]))).reshape(layout.height, -1, 3)
        words = sum(codes[..., place] << np.uint32(shift) for place, shift in enumerate(_shifts(layout)))
        return np.ascontiguousarray(np.asarray(words).astype(layout.order + "u4")).view(np.uint8)
    codes = codes << 4 if layout.bits == 12 and layout.packing == UPPER else codes
    return np.ascontiguousarray(np.pad(codes, ((0, 0), (0, layout.line // 2 - flat.shape[1]))).astype(layout.order + "u2")).view(np.uint8)


def _shifts(layout: _Layout) -> tuple[int, int, int]:
    """Where the three samples of a word of 10 bit stand; of a grey picture, the first one stands last."""
    shifts = (22, 12, 2) if layout.packing == UPPER else (20, 10, 0)
    return shifts if layout.samples > 1 else (shifts[2], shifts[1], shifts[0])
