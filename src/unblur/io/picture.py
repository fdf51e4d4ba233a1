"""A picture in memory with everything that came with it, and the canvas on which decoders lay it down upright."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from unblur.errors import ShapeError, UnsupportedError
from unblur.io.levels import Levels
from unblur.pixels import to_levels

__all__ = [
    "MAX_PIXELS",
    "Attached",
    "Canvas",
    "Coding",
    "DpxFile",
    "ExrFile",
    "Image",
    "Metadata",
    "Pixels",
    "animation",
    "check_size",
    "head_with",
    "row_blocks",
]

Pixels = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.float32]
"""Sample values as they are stored in the file, in the picture's own colour space; of floats in [0, 1], see `unblur.io.levels`."""

MAX_PIXELS = 400_000_000
"""Largest picture that is opened: beyond the largest cameras, and 2.4 GB at 16 bit."""

HEAD_SIZE = 1 << 17
"""Bytes of a file that are read to see what it is."""

BLOCK_PIXELS = 1 << 20
"""Pixels that are converted at a time, so that no step needs a second copy of the whole picture."""


@dataclass(frozen=True)
class Attached:
    """Something that stands behind the end of a JPEG, in its file.

    Attributes:
        kind: what it is, in words for the user.
        data: its bytes.
        index: place in the index of pictures (CIPA DC-007, MP Entry), 0 if it is not in it.
    """

    kind: Literal["gain map", "motion-photo video", "further picture", "data behind the picture"]
    data: bytes
    index: int = 0


@dataclass(frozen=True, eq=False)
class ExrFile:
    """An OpenEXR file as it came.

    Attributes:
        parts: of the library OpenEXR.
        place: of the part that holds the picture.
        names: of its channels in there, one or three.
    """

    parts: list[Any]
    place: int
    names: tuple[str, ...]


@dataclass(frozen=True)
class DpxFile:
    """What of a DPX file is no pixels.

    Attributes:
        head: all up to the pixels: headers and user data.
        rest: what follows them.
    """

    head: bytes
    rest: bytes


@dataclass(frozen=True)
class Metadata:
    """What a picture file says besides its pixels; every part is None or empty where the file has none.

    Attributes:
        exif: EXIF as a TIFF structure, without the `Exif` prefix; orientation 1, no thumbnail.
        icc: ICC profile, byte for byte as it came.
        xmp: XMP packet; `tiff:Orientation` 1 where it has one.
        photoshop: Photoshop resource blocks (with the IPTC caption, byline, ...), without the thumbnail.
        comments: JPEG and GIF comments.
        dpi: pixels per inch, horizontally and vertically.
        png_chunks: chunks of PNG that no other attribute stands for, such as text, colour and private ones, as (kind, data).
        segments: JPEG application segments that no other attribute stands for, such as those of camera makers, as (marker, content).
        attached: what stands behind the end of a JPEG, in order.
        exr: attributes, further channels and parts of an OpenEXR file.
        dpx: headers of a DPX file.
        radiance: header of a Radiance HDR file.
    """

    exif: bytes | None = None
    icc: bytes | None = None
    xmp: bytes | None = None
    photoshop: bytes | None = None
    comments: tuple[bytes, ...] = ()
    dpi: tuple[float, float] | None = None
    png_chunks: tuple[tuple[bytes, bytes], ...] = ()
    segments: tuple[tuple[int, bytes], ...] = ()
    attached: tuple[Attached, ...] = ()
    exr: ExrFile | None = None
    dpx: DpxFile | None = None
    radiance: bytes | None = None

    @property
    def cicp(self) -> tuple[int, int, int, int] | None:
        """Colour primaries, transfer function, matrix and full-range flag (ITU-T H.273) of a PNG that states them."""
        for kind, data in self.png_chunks:
            if kind == b"cICP" and len(data) == 4:
                return data[0], data[1], data[2], data[3]
        return None


@dataclass(frozen=True)
class Coding:
    """How the file that a picture came from was coded, so that it can be written alike.

    Attributes:
        format: one of `unblur.io.image.READABLE`; empty if the picture came from no file.
        lossless: whether the pixels are stored exactly.
        compressed: whether they are compressed; TIFF need not be.
        big: whether a TIFF has places of 64 bit (BigTIFF).
        bits: of a sample in a HEIC, which are spread over 16 if they are more than 8; 0 elsewhere.
        tables: JPEG quantisation tables, one a component up to the last that differs; 64 steps in natural order.
        subsampling: JPEG chroma: 0 for 4:4:4, 1 for 4:2:2, 2 for 4:2:0.
    """

    format: str = ""
    lossless: bool = True
    compressed: bool = True
    big: bool = False
    bits: int = 0
    tables: tuple[tuple[int, ...], ...] = ()
    subsampling: int = 0


@dataclass(frozen=True, eq=False)
class Image:
    """A picture, upright, with what its file said about it.

    Attributes:
        pixels: (H, W, 1) grey or (H, W, 3) RGB, uint8 or uint16 over their full range or float32 in [0, 1], in the colour space of
            `metadata.icc`; not premultiplied by `alpha`.
        alpha: (H, W) opacity of the dtype of `pixels`, or None.
        metadata: what is written back.
        source: coding of the file it came from.
        notes: sentences for the user about what of the file could not be kept.
        levels: what values of the file floats stand for; None for integers, and for floats that stand for themselves.
        pages: of a TIFF, its further pictures in order: each is read when it is called for, and raises what `read_image` does.

    Raises:
        ShapeError: if `pixels` or `alpha` has another shape or dtype.
    """

    pixels: Pixels
    alpha: Pixels | None = None
    metadata: Metadata = field(default_factory=Metadata)
    source: Coding = field(default_factory=Coding)
    notes: tuple[str, ...] = ()
    levels: Levels | None = None
    pages: "tuple[Callable[[], Image], ...]" = ()

    def __post_init__(self) -> None:
        if self.pixels.ndim != 3 or self.pixels.shape[2] not in (1, 3) or not self.pixels.size:
            raise ShapeError(f"pixels must have shape (H, W, 1) or (H, W, 3), got {self.pixels.shape}")
        if self.pixels.dtype not in (np.uint8, np.uint16, np.float32):
            raise ShapeError(f"pixels must be uint8, uint16 or float32, got {self.pixels.dtype}")
        if self.alpha is not None and (self.alpha.shape != self.pixels.shape[:2] or self.alpha.dtype != self.pixels.dtype):
            wanted = f"{self.pixels.shape[:2]} of {self.pixels.dtype}"
            raise ShapeError(f"alpha must have shape {wanted}, got {self.alpha.shape} of {self.alpha.dtype}")

    @property
    def bit_depth(self) -> int:
        """Bits of a sample: 8 or 16 of integers, 16 or 32 of floats."""
        return self.levels.bits if self.levels else 8 * self.pixels.dtype.itemsize

    @property
    def is_floating(self) -> bool:
        """Whether its samples are floats."""
        return self.pixels.dtype == np.float32

    def with_pixels(self, pixels: Pixels) -> "Image":
        """Replace the pixels and keep all else.

        Args:
            pixels: of the same shape and dtype.

        Raises:
            ShapeError: if the shape or dtype differs.
        """
        if pixels.shape != self.pixels.shape or pixels.dtype != self.pixels.dtype:
            wanted = f"{self.pixels.shape} of {self.pixels.dtype}"
            raise ShapeError(f"pixels must have shape {wanted}, got {pixels.shape} of {pixels.dtype}")
        return replace(self, pixels=pixels)

    def interleaved(self, top: int, bottom: int) -> Pixels:
        """Give rows `top` to `bottom` with alpha as the last channel, where there is one."""
        rows = self.pixels[top:bottom]
        return rows if self.alpha is None else np.concatenate([rows, self.alpha[top:bottom, :, None]], axis=2)

    def stored(self, top: int, bottom: int) -> NDArray[Any]:
        """Rows as `interleaved` gives them, floats as the values that they stand for, of half or single precision."""
        if self.levels is None:
            return self.interleaved(top, bottom)
        rows = self.levels.stored(np.asarray(self.pixels[top:bottom], np.float32), top)
        return rows if self.alpha is None else np.concatenate([rows, self.alpha[top:bottom, :, None].astype(rows.dtype)], axis=2)

    def as_integers(self) -> "Image":
        """The picture with 16-bit integers in place of floats."""
        if not self.is_floating:
            return self
        alpha = None if self.alpha is None else to_levels(self.alpha, np.uint16)
        return replace(self, pixels=to_levels(self.pixels, np.uint16), alpha=alpha, levels=None)


class Canvas:
    """An upright picture that is filled block by block in the order in which the file stores it.

    The blocks land where orientation moves them, so turning a picture costs no second copy of it.

    Args:
        width: of the stored picture, before it is turned.
        height: of the stored picture.
        channels: 1, 3, or 4 of inks, without alpha.
        has_alpha: whether the last channel of each block is alpha.
        dtype: uint8, uint16 or float32.
        orientation: EXIF orientation of the stored picture, 1 to 8.
    """

    def __init__(
        self, width: int, height: int, *, channels: int, has_alpha: bool = False, dtype: type = np.uint8, orientation: int = 1
    ) -> None:
        shape = (width, height) if orientation >= 5 else (height, width)
        self.pixels: Pixels = np.empty((*shape, channels), dtype)
        self.alpha: Pixels | None = np.empty(shape, dtype) if has_alpha else None
        planes = [_stored(self.pixels[..., channel], orientation) for channel in range(channels)]
        self._planes = planes if self.alpha is None else [*planes, _stored(self.alpha, orientation)]
        self._colour = _stored(self.pixels, orientation)

    def put(self, top: int, left: int, block: Pixels) -> None:
        """Lay down `block` (h, w, channels + alpha), with its corner at (top, left) of the stored picture."""
        height, width = block.shape[:2]
        colours = self._colour.shape[2]
        self._colour[top : top + height, left : left + width] = block[..., :colours]
        if self.alpha is not None:
            self._planes[-1][top : top + height, left : left + width] = block[..., -1]

    def put_plane(self, top: int, left: int, block: Pixels, *, plane: int) -> None:
        """Lay down one channel, `block` (h, w); alpha is the last."""
        height, width = block.shape
        self._planes[plane][top : top + height, left : left + width] = block


def head_with(path: Path, found: Callable[[bytes], bool]) -> bytes:
    """The first bytes of a file, or all of it where what is looked for is not `found` among them: many files are looked at before the work."""
    with path.open("rb") as file:
        head = file.read(HEAD_SIZE)
        return head if found(head) else head + file.read()


def animation(path: Path) -> UnsupportedError:
    """The error of a file with several pictures in time."""
    return UnsupportedError(f"`{path}` is an animation; convert it to a video, such as a lossless MKV, first")


def check_size(path: Path, *, width: int, height: int) -> None:
    """Refuse a picture that is too large to be held in memory.

    Raises:
        UnsupportedError: above `MAX_PIXELS`.
    """
    if width * height > MAX_PIXELS:
        raise UnsupportedError(
            f"`{path}` has {width}x{height} pixels, {width * height / 1e6:.0f} megapixels; the most is {MAX_PIXELS / 1e6:.0f}: "
            "scale it down, or cut it into parts"
        )


def row_blocks(width: int, height: int, *, pixels: int = BLOCK_PIXELS) -> list[tuple[int, int]]:
    """Cut a picture into bands (top, bottom) of about that many pixels, a megapixel by default.

    Example:
        >>> row_blocks(1 << 19, 5)
        [(0, 2), (2, 4), (4, 5)]
    """
    rows = max(1, pixels // width)
    return [(top, min(top + rows, height)) for top in range(0, height, rows)]


def _stored(upright: Pixels, orientation: int) -> Pixels:
    """View an upright array in the order in which a file of that orientation stores it (EXIF 2.32, 4.6.4, tag 0112)."""
    match orientation:
        case 2:
            return upright[:, ::-1]
        case 3:
            return upright[::-1, ::-1]
        case 4:
            return upright[::-1]
        case 5:
            return upright.swapaxes(0, 1)
        case 6:
            return upright.swapaxes(0, 1)[::-1]
        case 7:
            return upright.swapaxes(0, 1)[::-1, ::-1]
        case 8:
            return upright.swapaxes(0, 1)[:, ::-1]
        case _:
            return upright
