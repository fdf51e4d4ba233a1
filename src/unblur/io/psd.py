"""Photoshop files (PSD, PSB): the flat picture in them, of 8 and 16 bit, with EXIF, colour profile, XMP and resource blocks.

The flat picture is that which Photoshop writes beside the layers for other programs. Layers cannot be restored: the result is a TIFF of the flat picture.

Source: Adobe Photoshop File Formats Specification (file header, image resources, layer and mask information, image data).
"""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from unblur.errors import UnreadableError, UnsupportedError
from unblur.io.codecs import canvas_of
from unblur.io.photoshop import blocks_of, without_blocks
from unblur.io.picture import Coding, Image, Metadata, Pixels, check_size
from unblur.io.pillow import decoding, rgb_of_inks, rgb_of_lab

__all__ = ["read_psd"]

HEAD = ">4sH6xHIIHH"
BITMAP, GREY, INDEXED, RGB, CMYK, MULTICHANNEL, DUOTONE, LAB = 0, 1, 2, 3, 4, 7, 8, 9
COLOURS = {BITMAP: 1, GREY: 1, INDEXED: 1, RGB: 3, CMYK: 4, DUOTONE: 1, LAB: 3}
RAW, PACKED = 0, 1
RESOLUTION, PROFILE, VERSION, EXIF, XMP = 1005, 1039, 1057, 1058, 1060
PALETTE_SIZE = 768


@dataclass(frozen=True)
class _Parts:
    """A file taken apart; `has_opacity` says that the channel behind the colours is the opacity of the flat picture."""

    channels: int
    height: int
    width: int
    bits: int
    mode: int
    palette: bytes
    resources: bytes
    layers: int
    has_opacity: bool
    pixels: bytes
    big: bool


def read_psd(path: Path) -> Image:
    """Read the flat picture of a Photoshop file.

    Raises:
        UnreadableError: if it is damaged or broken off.
        UnsupportedError: if it is too large, has no flat picture, or has other samples than grey, RGB, CMYK or an index of 8 or 16 bit, or Lab of 8 bit.
    """
    with decoding(path):
        parts = _taken_apart(path.read_bytes())
        check_size(path, width=parts.width, height=parts.height)
        blocks: dict[int, bytes] = {}
        for block in blocks_of(parts.resources):
            blocks.setdefault(block.number, block.content)
        _check(parts, blocks, path)
        notes = ["its layers were not kept, since only the flat picture was restored"] if parts.layers else []
        colours = COLOURS[parts.mode]
        if parts.channels > colours + parts.has_opacity:
            notes.append("its extra channels were not kept")
        samples = _samples(parts, colours + parts.has_opacity, path)
        if any(parts.pixels[_length(parts) :]):
            notes.append("the data behind the end of the picture was not kept")
        alpha = samples[..., colours:] if parts.has_opacity else samples[..., :0]
        icc = blocks.get(PROFILE) or None
        if parts.mode == DUOTONE:
            notes.append("its duotone inks were not kept, and the picture is grey")
        pixels = _coloured(samples[..., :colours], parts, icc, notes)
        canvas = canvas_of(np.concatenate([pixels, alpha], axis=2), orientation=1)
    metadata = Metadata(
        exif=blocks.get(EXIF) or None,
        icc=None if parts.mode in (CMYK, LAB) else icc,
        xmp=blocks.get(XMP) or None,
        photoshop=without_blocks(parts.resources, (PROFILE, EXIF, XMP)) or None,
        dpi=_dpi(blocks.get(RESOLUTION, b"")),
    )
    return Image(canvas.pixels, canvas.alpha, metadata, Coding("Photoshop"), tuple(notes))


def _taken_apart(data: bytes) -> _Parts:
    _, version, channels, height, width, bits, mode = struct.unpack_from(HEAD, data)
    big = version == 2
    at = struct.calcsize(HEAD)
    palette, at = _section(data, at)
    resources, at = _section(data, at)
    layers, at = _section(data, at, wide=big)
    inside = _section(layers, 0, wide=big)[0] if layers else b""
    count = struct.unpack_from(">h", inside)[0] if len(inside) >= 2 else 0
    has_opacity = count < 0 and channels > COLOURS.get(mode, channels)
    return _Parts(channels, height, width, bits, mode, palette, resources, abs(count), has_opacity, data[at:], big)


def _section(data: bytes, at: int, *, wide: bool = False) -> tuple[bytes, int]:
    begin = at + (8 if wide else 4)
    length = int.from_bytes(data[at:begin], "big")
    if begin + length > len(data):
        raise ValueError("a part is not there")
    return data[begin : begin + length], begin + length


def _check(parts: _Parts, blocks: dict[int, bytes], path: Path) -> None:
    version = blocks.get(VERSION, b"")
    if len(version) > 4 and not version[4]:
        raise UnsupportedError(f"`{path}` has no flat picture beside its layers; save it as a flat 16-bit TIFF first")
    depths = (1,) if parts.mode == BITMAP else (8,) if parts.mode in (INDEXED, LAB) else (8, 16)
    if parts.mode not in COLOURS or parts.bits not in depths:
        names = {MULTICHANNEL: "multichannel", LAB: "Lab"}
        kind = f"{parts.bits}-bit {names.get(parts.mode, '')}".strip()
        raise UnsupportedError(f"`{path}` is a Photoshop file with {kind} samples; save it as a flat 16-bit TIFF in RGB first")
    if parts.channels < COLOURS[parts.mode] or not parts.width or not parts.height:
        raise UnreadableError(f"`{path}` is damaged (no size, or too few channels); copy it again from where it came")


def _samples(parts: _Parts, count: int, path: Path) -> Pixels:
    """The first channels, (H, W, count)."""
    row = (parts.width * parts.bits + 7) // 8
    coding, data = int.from_bytes(parts.pixels[:2], "big"), parts.pixels[2:]
    if coding not in (RAW, PACKED):
        raise UnsupportedError(f"`{path}` has a flat picture that is compressed in a rare way; save it as a flat 16-bit TIFF first")
    planes = []
    if coding == PACKED:
        kind = ">u4" if parts.big else ">u2"
        lengths = np.frombuffer(data, kind, count=parts.channels * parts.height).astype(np.int64).reshape(parts.channels, -1).sum(axis=1)
        at = parts.channels * parts.height * np.dtype(kind).itemsize
        for length in lengths[:count]:
            packed = data[at : at + int(length)]
            planes.append(PillowImage.frombytes("L", (row, parts.height), packed, "packbits", "L").tobytes())
            at += int(length)
    else:
        planes = [data[number * row * parts.height : (number + 1) * row * parts.height] for number in range(count)]
    dtype: Any = np.uint16 if parts.bits == 16 else np.uint8
    return np.stack([_plane(plane, parts, row) for plane in planes], axis=-1).astype(dtype, copy=False)


def _length(parts: _Parts) -> int:
    """Bytes of the flat picture."""
    row = (parts.width * parts.bits + 7) // 8
    if int.from_bytes(parts.pixels[:2], "big") == RAW:
        return 2 + parts.channels * parts.height * row
    lengths = np.frombuffer(parts.pixels[2:], ">u4" if parts.big else ">u2", count=parts.channels * parts.height)
    return 2 + lengths.nbytes + int(lengths.sum(dtype=np.int64))


def _plane(data: bytes, parts: _Parts, row: int) -> NDArray[np.uint8] | NDArray[np.uint16]:
    if len(data) < row * parts.height:
        raise EOFError("the picture ends too early")
    if parts.bits == 16:
        return np.frombuffer(data, ">u2").astype(np.uint16).reshape(parts.height, parts.width)
    rows = np.frombuffer(data, np.uint8).reshape(parts.height, row)
    return rows if parts.bits == 8 else (1 - np.unpackbits(rows, axis=1)[:, : parts.width]) * np.uint8(255)


def _coloured(samples: Pixels, parts: _Parts, icc: bytes | None, notes: list[str]) -> Pixels:
    if parts.mode == CMYK:
        return rgb_of_inks(np.invert(samples), icc, notes)  # stored is how much light each ink leaves
    if parts.mode == LAB:
        return rgb_of_lab(np.asarray(samples, np.uint8), notes)
    if parts.mode == INDEXED:
        if len(parts.palette) < PALETTE_SIZE:
            raise ValueError("no palette")
        colours = np.frombuffer(parts.palette, np.uint8, count=PALETTE_SIZE).reshape(3, 256).T
        return colours[samples[..., 0]]
    return samples


def _dpi(block: bytes) -> tuple[float, float] | None:
    """Of the resolution block: whole and fraction of 65536ths across, two units, and the same down; always in inches."""
    if len(block) < 12:
        return None
    across, down = struct.unpack(">I4xI", block[:12])
    return (across / 65536, down / 65536) if across and down else None
