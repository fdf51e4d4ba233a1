"""Pixels of TIFF: plain and deflated ones decoded here, band by band, and each other compression by the library that knows it.

Pillow has LZW and others up to 8 bit, OpenCV up to 16, tifffile with imagecodecs (the extra `codecs`) all else: planar and floating-point samples
under LZW, Zstandard, 10, 12 and 14 bit.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import TiffImagePlugin

from unblur.errors import UnreadableError, UnsupportedError
from unblur.io.codecs import at_full_range, decode_tiff
from unblur.io.ifd import Order
from unblur.io.picture import Canvas, Pixels, row_blocks
from unblur.io.pillow import SIGNED, decode
from unblur.io.tiff_tags import (
    ADOBE_DEFLATE,
    BLACK_IS_ZERO,
    CMYK,
    DIFFERENCES,
    FLOAT_DIFFERENCES,
    LAB,
    OLD_DEFLATE,
    PALETTE,
    PLAIN,
    RGB,
    WHITE_IS_ZERO,
)

__all__ = ["Layout", "decode_page"]


BY_OPENCV = (1, 5, 8, 32773, 32946)
BY_PILLOW = (1, 2, 3, 4, 5, 6, 7, 8, 32771, 32773, 32809, 32908, 32909, 32946, 34661, 34925)
"""Compressions that each library decodes; others are for tifffile."""


@dataclass(frozen=True)
class Layout:
    """How the pixels of a page are stored; `grid` has the place and size in the file of each strip or tile.

    Attributes not obvious: `index` is the number of the page's directory among all of the file and `place` where it is; `orientation_place` is where
    the file states the orientation, 0 if it does not; `colours` is the number of channels without alpha.
    """

    index: int
    place: int
    big: bool
    width: int
    height: int
    bits: int
    floating: bool
    samples: int
    colours: int
    photometric: int
    compression: int
    predictor: int
    planar: bool
    orientation: int
    orientation_place: int
    block_width: int
    block_height: int
    grid: tuple[tuple[int, int], ...]
    is_tiled: bool
    premultiplied: bool

    @property
    def is_simple(self) -> bool:
        """Whether it is decoded here."""
        return (
            self.photometric in (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, CMYK)
            and self.bits in ((16, 32, 64) if self.floating else (8, 16, 32))
            and self.compression in (PLAIN, ADOBE_DEFLATE, OLD_DEFLATE)
            and self.predictor in (1, FLOAT_DIFFERENCES if self.floating else DIFFERENCES)
        )


def decode_page(file: BinaryIO, path: Path, layout: Layout, order: Order, notes: list[str]) -> Canvas:
    """Decode a page: upright, of as many channels as it has colours; floats as they are stored.

    Raises:
        UnreadableError: if it is damaged or broken off.
        UnsupportedError: if its layout is one that no library here decodes.
    """
    if layout.photometric == LAB and (layout.compression not in BY_PILLOW or layout.big):
        raise UnsupportedError(f"`{path}` is a Lab picture in a coding that is not known here; convert it to RGB, 8 or 16 bit, first")
    if layout.is_simple:
        return _decode_blocks(file, path, layout, order)
    if layout.floating or layout.bits not in (1, 2, 4, 8, 16) or layout.compression not in (BY_OPENCV if layout.bits == 16 else BY_PILLOW):
        return _decode_by_tifffile(path, layout)
    if layout.bits == 16:
        interleaved = not layout.planar and layout.samples != 2
        if interleaved and layout.photometric in (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB) and not layout.big:
            return _decode_by_opencv(path, layout, order)
        return _decode_by_tifffile(path, layout)
    if layout.big and order == ">":  # which Pillow takes for a plain TIFF
        return _decode_by_tifffile(path, layout)
    file.seek(0)
    picture = TiffImagePlugin.TiffImageFile(file)
    picture.seek(layout.index)
    if picture.mode in ("CMYK", "LAB"):
        return _canvas_as_stored(picture)
    canvas = decode(picture, path)  # Pillow turns TIFF upright, and divides alpha out, by itself
    if canvas.alpha is None and layout.samples > layout.colours and layout.photometric != PALETTE:
        notes.append("its extra channel, which it does not call alpha, was not kept")
    return canvas


def _canvas_as_stored(picture: TiffImagePlugin.TiffImageFile) -> Canvas:
    """Inks, or Lab with 128 added to a* and b*."""
    picture.load()
    canvas = Canvas(*picture.size, channels=len(picture.getbands()))
    stored = np.asarray(picture)
    canvas.put(0, 0, np.bitwise_xor(stored, SIGNED) if picture.mode == "LAB" else stored)
    return canvas


def _decode_blocks(file: BinaryIO, path: Path, layout: Layout, order: Order) -> Canvas:
    """Decode strips or tiles, which differ only in their width."""
    dtype = np.dtype(f"{'f' if layout.floating else 'u'}{layout.bits // 8}").newbyteorder(order)
    canvas = _canvas(layout)
    depth = 1 if layout.planar else layout.samples
    corners = list(_corners(layout))
    if len(layout.grid) < len(corners):
        raise UnreadableError(f"`{path}` is damaged ({len(layout.grid)} of {len(corners)} parts); copy it again from where it came")
    for (plane, top, left), (place, size) in zip(corners, layout.grid, strict=False):
        rows = layout.block_height if layout.is_tiled else min(layout.block_height, layout.height - top)
        wanted = rows * layout.block_width * depth * dtype.itemsize
        file.seek(place)
        data = file.read(min(size, wanted) if layout.compression == PLAIN else size)
        if layout.compression != PLAIN:
            data = zlib.decompressobj().decompress(data, wanted)
        if len(data) < wanted:
            raise UnreadableError(f"`{path}` is damaged or broken off; copy it again from where it came")
        stored = np.frombuffer(data, dtype).reshape(rows, layout.block_width, depth)
        for first, last in row_blocks(layout.block_width, rows):
            block = _predicted(stored[first:last], layout)[: layout.height - top - first, : layout.width - left]
            if layout.planar:
                canvas.put_plane(top + first, left, block[..., 0], plane=plane)
            else:
                canvas.put(top + first, left, block)
    return _finished(canvas, layout)


def _predicted(stored: NDArray[Any], layout: Layout) -> NDArray[Any]:
    """Samples of a band: differences summed up, in the byte order of the machine; 32-bit integers as the upper half of their bits."""
    if layout.predictor == FLOAT_DIFFERENCES:
        return _of_float_differences(stored)
    block = stored.astype(stored.dtype.newbyteorder("="), copy=False)
    if layout.predictor == DIFFERENCES:
        block = np.cumsum(block, axis=1, dtype=block.dtype)
    return (block >> np.uint32(16)).astype(np.uint16) if block.dtype == np.uint32 else block


def _of_float_differences(stored: NDArray[Any]) -> NDArray[Any]:
    height, width, channels = stored.shape
    size = stored.dtype.itemsize
    planes = np.cumsum(stored.view(np.uint8).reshape(height, size * width, channels), axis=1, dtype=np.uint8)
    parts = planes.reshape(height, size, width * channels).transpose(0, 2, 1)
    return np.ascontiguousarray(parts).view(stored.dtype.newbyteorder(">")).reshape(height, width, channels)


def _decode_by_tifffile(path: Path, layout: Layout) -> Canvas:
    kind = "floating-point" if layout.floating else f"{layout.bits}-bit"
    samples = decode_tiff(
        path, index=layout.index, what=f"a TIFF of compression {layout.compression} with {'planar ' * layout.planar}{kind} samples"
    )
    if samples.shape[:2] != (layout.height, layout.width) or samples.size != layout.height * layout.width * layout.samples:
        raise UnsupportedError(f"`{path}` has a layout of channels that cannot be read; save it uncompressed")
    if layout.photometric == PALETTE or samples.dtype.kind != ("f" if layout.floating else "u"):
        raise UnsupportedError(f"`{path}` has compressed samples of a kind that cannot be read; save it uncompressed, as RGB")
    canvas = _canvas(layout)
    samples = samples.reshape(layout.height, layout.width, -1)
    if not layout.floating:
        samples = (samples >> np.uint32(16)).astype(np.uint16) if layout.bits == 32 else at_full_range(samples, layout.bits)
    canvas.put(0, 0, samples)
    return _finished(canvas, layout)


def _decode_by_opencv(path: Path, layout: Layout, order: Order) -> Canvas:
    data = np.fromfile(path, np.uint8)
    data[4:8] = np.frombuffer(struct.pack(order + "I", layout.place), np.uint8)  # OpenCV decodes the first page, which this one now is
    if layout.orientation_place:  # OpenCV turns some orientations and fails on others; here it sees none
        data[layout.orientation_place : layout.orientation_place + 2] = np.frombuffer(struct.pack(order + "H", 1), np.uint8)
    decoded = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    del data
    if decoded is None or decoded.dtype != np.uint16 or decoded.size != layout.height * layout.width * layout.samples:
        raise UnreadableError(f"`{path}` is damaged, or compressed in a way that cannot be read; save it uncompressed")
    samples: Pixels = np.asarray(decoded, np.uint16).reshape(layout.height, layout.width, layout.samples)
    canvas = _canvas(layout)
    for plane, channel in enumerate([0] if layout.colours == 1 else [2, 1, 0, 3][: layout.samples]):
        canvas.put_plane(0, 0, samples[..., channel], plane=plane)
    return _finished(canvas, layout)


def _canvas(layout: Layout) -> Canvas:
    return Canvas(
        layout.width,
        layout.height,
        channels=layout.colours,
        has_alpha=layout.samples > layout.colours,
        dtype=np.float32 if layout.floating else np.uint8 if layout.bits <= 8 else np.uint16,
        orientation=layout.orientation,
    )


def _corners(layout: Layout) -> Iterator[tuple[int, int, int]]:
    for plane in range(layout.samples if layout.planar else 1):
        for top in range(0, layout.height, layout.block_height):
            for left in range(0, layout.width, layout.block_width):
                yield plane, top, left


def _finished(canvas: Canvas, layout: Layout) -> Canvas:
    """Turn white-is-zero round, and divide alpha out of premultiplied colours."""
    if layout.photometric == WHITE_IS_ZERO:
        if layout.floating:
            canvas.pixels = np.float32(1) - canvas.pixels
        else:
            np.invert(canvas.pixels, out=canvas.pixels)
    if layout.premultiplied and canvas.alpha is not None:
        height, width = canvas.alpha.shape
        for top, bottom in row_blocks(width, height):
            divided = _divided(canvas.pixels[top:bottom], canvas.alpha[top:bottom, :, None])
            canvas.pixels[top:bottom] = divided
    return canvas


def _divided(colours: NDArray[Any], alpha: NDArray[Any]) -> NDArray[Any]:
    if np.issubdtype(colours.dtype, np.floating):
        return np.divide(colours, alpha, out=colours.copy(), where=alpha > 0)
    most = int(np.iinfo(colours.dtype).max)
    share = np.maximum(alpha, 1).astype(np.uint64)
    return np.minimum((colours.astype(np.uint64) * most + share // 2) // share, most)
