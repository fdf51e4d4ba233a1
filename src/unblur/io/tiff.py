"""TIFF and BigTIFF read: directories here, pixels by `unblur.io.tiff_decode`.

OpenCV drops EXIF and ICC from TIFF, Pillow cannot hold 16-bit RGB: so the tags are handled here. Every page of full size is a picture; smaller
versions and masks of one are no pages.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np

from unblur.errors import UnreadableError, UnsupportedError
from unblur.io.exif import exif_of_directory, xmp_orientation
from unblur.io.ifd import DamagedError, Directory, Ifd, Order, ReadAt, entry_of, narrow, numbers, read_directory, read_tiff_header
from unblur.io.levels import normalised
from unblur.io.picture import Coding, Image, Metadata, check_size
from unblur.io.pillow import decoding, rgb_of_inks, rgb_of_lab
from unblur.io.tiff_decode import Layout, decode_page
from unblur.io.tiff_tags import (
    ABOUT_PIXELS,
    BITS,
    BLACK_IS_ZERO,
    CMYK,
    COMPRESSION,
    DNG_VERSION,
    EXTRA_SAMPLES,
    FLOAT,
    HEIGHT,
    ICC,
    LAB,
    MASK,
    OPTIONAL,
    ORIENTATION,
    PHOTOMETRIC,
    PHOTOSHOP,
    PLAIN,
    PLANES,
    PREDICTOR,
    REDUCED,
    RESOLUTION_UNIT,
    RGB,
    ROWS_PER_STRIP,
    SAMPLE_FORMAT,
    SAMPLES,
    STRIP_OFFSETS,
    STRIP_SIZES,
    SUBFILE,
    TILE_HEIGHT,
    TILE_OFFSETS,
    TILE_SIZES,
    TILE_WIDTH,
    UNDEFINED,
    UNSIGNED,
    WIDTH,
    X_RESOLUTION,
    XMP,
    Y_RESOLUTION,
    YCBCR,
    number,
)

__all__ = ["read_tiff"]

LOST = {
    301: "its transfer function was not kept",
    290: "its grey response curve was not kept",
    291: "its grey response curve was not kept",
    330: "smaller versions of the picture in it (SubIFDs) were not kept, since they show it as it was",
    37724: "its Photoshop layers were not kept, since only the flat picture was restored",
}
"""Tags that are not kept, and what to say of them."""

COLOUR_KINDS = {4: "mask", 9: "Lab", 10: "Lab", 32803: "raw", 34892: "raw", 32844: "LogL", 32845: "LogLuv"}
COLOURS = {RGB: 3, YCBCR: 3, CMYK: 4, LAB: 3}
INTEGER_BITS = (1, 2, 4, 8, 10, 12, 14, 16, 32)
FLOAT_BITS = (16, 24, 32, 64)
ASSOCIATED = 1
MAX_PAGES = 10000
MOST_NAMED = 8  # damaged tags


@dataclass(frozen=True)
class _Page:
    """Where a page is: the number of its directory among all of the file, and its place in it."""

    index: int
    place: int


def read_tiff(path: Path) -> Image:
    """Read a TIFF file; premultiplied alpha is divided out. Further pages of full size are read when they are called for.

    Raises:
        UnreadableError: if it is damaged or broken off.
        UnsupportedError: if it is too large, is raw, or is not grey, RGB or CMYK of up to 16 bit, 32 bit or floats, or Lab of 8 bit.
    """
    with _opened(path) as (_, read_at):
        order, big, first = _header(read_at, path)
        notes: list[str] = []
        pages = []
        for page in _pages(read_at, order, first, big=big, path=path, notes=notes):
            found = read_directory(read_at, order, page.place, big=big)
            _layout(found.entries, order, path, None, page=page, big=big)  # refused before the work
            pages.append(page)
    image = _read_page(path, pages[0], order, big=big)
    further = tuple(partial(_read_page, path, page, order, big=big) for page in pages[1:])
    return replace(image, notes=tuple(dict.fromkeys((*image.notes, *notes))), pages=further)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[BinaryIO, ReadAt]]:
    with decoding(path), path.open("rb") as file:
        size = file.seek(0, 2)

        def read_at(offset: int, length: int) -> bytes:
            if offset >= size:
                return b""
            file.seek(offset)
            return file.read(min(length, size - offset))

        try:
            yield file, read_at
        except DamagedError as error:
            raise UnreadableError(f"`{path}` is damaged or broken off ({error}); copy it again from where it came") from error


def _header(read_at: ReadAt, path: Path) -> tuple[Order, bool, int]:
    try:
        return read_tiff_header(read_at)
    except DamagedError as error:
        raise UnreadableError(f"`{path}` is damaged or broken off ({error}); copy it again from where it came") from error


def _read_page(path: Path, page: _Page, order: Order, *, big: bool) -> Image:
    with _opened(path) as (file, read_at):
        found = read_directory(read_at, order, page.place, big=big)
        ifd = found.entries
        _check_structure(found, path)
        notes = [f"damaged tags were not kept ({', '.join(map(str, sorted(found.broken)))})"] if found.broken else []
        notes += [text for tag, text in LOST.items() if tag in ifd]
        metadata = _metadata(ifd, order, notes)
        layout = _layout(ifd, order, path, xmp_orientation(metadata.xmp), page=page, big=big)
        size = file.seek(0, 2)
        if any(offset + length > size for offset, length in layout.grid):
            raise UnreadableError(f"`{path}` is broken off; copy it again from where it came")
        canvas = decode_page(file, path, layout, order, notes)
    pixels, alpha, levels = canvas.pixels, canvas.alpha, None
    if layout.bits == 32 and not layout.floating:
        notes.append("its samples of 32 bit were read with 16")
    if layout.photometric == CMYK:
        pixels = rgb_of_inks(pixels, metadata.icc, notes)
        metadata = replace(metadata, icc=None)
    if layout.photometric == LAB:
        pixels = rgb_of_lab(np.asarray(pixels, np.uint8), notes)
        metadata = replace(metadata, icc=None)
    if layout.floating:
        pixels, levels, said = normalised(pixels, bits=16 if layout.bits == 16 else 32)
        notes += said
    coding = Coding("TIFF", compressed=layout.compression != PLAIN, big=big)
    return Image(pixels, alpha, metadata, coding, tuple(dict.fromkeys(notes)), levels)


def _check_structure(found: Directory, path: Path) -> None:
    if found.broken & ABOUT_PIXELS - OPTIONAL:
        tags = sorted(found.broken)
        named = f"{tags[:MOST_NAMED]}{' and others' if len(tags) > MOST_NAMED else ''}"
        raise UnreadableError(f"`{path}` is damaged or broken off (tags {named}); copy it again from where it came")


def _pages(read_at: ReadAt, order: Order, first: int, *, big: bool, path: Path, notes: list[str]) -> Iterator[_Page]:
    """Give the pages of full size, and refuse raw files."""
    seen: set[int] = set()
    place = first
    while place and place not in seen and len(seen) < MAX_PAGES:
        try:
            found = read_directory(read_at, order, place, big=big)
        except DamagedError:
            if not seen:
                raise
            notes.append("a damaged page behind the last one was not kept")
            return
        kind = number(found.entries, SUBFILE, order, 0)
        if not seen and (DNG_VERSION in found.entries or kind & REDUCED):
            raise UnsupportedError(f"`{path}` is a raw file; develop it to a 16-bit TIFF first, such as with darktable or RawTherapee")
        if kind & (REDUCED | MASK) and seen:
            notes.append("smaller versions of the picture, or masks, behind it in the file were not kept")
        else:
            _check_structure(found, path)
            yield _Page(len(seen), place)
        seen.add(place)
        place = found.following
    if len(seen) == MAX_PAGES and place:
        notes.append(f"pages after the {MAX_PAGES}th were not kept")


def _metadata(ifd: Ifd, order: Order, notes: list[str]) -> Metadata:
    about = {tag: entry for tag, entry in ifd.items() if tag not in ABOUT_PIXELS}
    about, lost = narrow(about, order)
    if lost:
        notes.append(f"tags of 64 bit were not kept ({', '.join(map(str, lost))})")
    is_empty = not about.keys() - {X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT}
    if ORIENTATION in ifd:
        about[ORIENTATION] = entry_of(order, 3, [1])  # which it is by the time that anybody sees it
    scale = {2: 1.0, 3: 2.54}.get(number(ifd, RESOLUTION_UNIT, order, 2))
    across, down = numbers(ifd.get(X_RESOLUTION), order)[:1], numbers(ifd.get(Y_RESOLUTION), order)[:1]
    dpi = (across[0] * scale, down[0] * scale) if scale and across and down and across[0] > 0 < down[0] else None
    return Metadata(
        exif=None if is_empty else exif_of_directory(order, about),
        icc=_value(ifd, ICC),
        xmp=_value(ifd, XMP),
        photoshop=_value(ifd, PHOTOSHOP),
        dpi=dpi,
    )


def _layout(ifd: Ifd, order: Order, path: Path, xmp_says: int | None, *, page: _Page, big: bool) -> Layout:
    width, height = number(ifd, WIDTH, order, 0), number(ifd, HEIGHT, order, 0)
    tiled = TILE_OFFSETS in ifd
    places = numbers(ifd.get(TILE_OFFSETS if tiled else STRIP_OFFSETS), order)
    sizes = numbers(ifd.get(TILE_SIZES if tiled else STRIP_SIZES), order)
    if not width and not height and not places:
        raise UnreadableError(f"`{path}` is a TIFF without a picture")
    if not width or not height or not places or len(places) != len(sizes):
        raise UnreadableError(f"`{path}` is damaged (no size, or no pixels); copy it again from where it came")
    check_size(path, width=width, height=height)
    bits, floating, samples, colours = _samples(ifd, order, path)
    stated = number(ifd, ORIENTATION, order, 0)
    return Layout(
        index=page.index,
        place=page.place,
        big=big,
        width=width,
        height=height,
        bits=bits,
        floating=floating,
        samples=samples,
        colours=colours,
        photometric=number(ifd, PHOTOMETRIC, order, BLACK_IS_ZERO),
        compression=number(ifd, COMPRESSION, order, PLAIN),
        predictor=number(ifd, PREDICTOR, order, 1),
        planar=number(ifd, PLANES, order, 1) == 2 and samples > 1,
        orientation=stated if stated in range(1, 9) else xmp_says or 1,
        orientation_place=ifd[ORIENTATION].place if ORIENTATION in ifd else 0,
        block_width=number(ifd, TILE_WIDTH, order, 0) if tiled else width,
        block_height=number(ifd, TILE_HEIGHT, order, 0) if tiled else min(number(ifd, ROWS_PER_STRIP, order, height), height),
        grid=tuple((int(place), int(size)) for place, size in zip(places, sizes, strict=True)),
        is_tiled=tiled,
        premultiplied=number(ifd, EXTRA_SAMPLES, order, 0) == ASSOCIATED,
    )


def _samples(ifd: Ifd, order: Order, path: Path) -> tuple[int, bool, int, int]:
    """Give bits of a sample, whether they are floats, and the channels with and without alpha; refuse what is not understood."""
    samples = number(ifd, SAMPLES, order, 1)
    depths = {int(bits) for bits in numbers(ifd.get(BITS), order)} or {1}
    formats = set(numbers(ifd.get(SAMPLE_FORMAT), order)) or {UNSIGNED}
    photometric = number(ifd, PHOTOMETRIC, order, BLACK_IS_ZERO)
    floating = formats == {FLOAT}
    if photometric in COLOUR_KINDS:
        raise UnsupportedError(f"`{path}` is a {COLOUR_KINDS[photometric]} picture; convert it to RGB, 8 or 16 bit, first")
    if photometric == LAB and (depths != {8} or samples != COLOURS[LAB]):
        raise UnsupportedError(
            f"`{path}` is a Lab picture of {'/'.join(map(str, sorted(depths)))} bit or with alpha; convert it to RGB, 8 or 16 bit, first"
        )
    if not floating and formats - {UNSIGNED, UNDEFINED}:
        raise UnsupportedError(f"`{path}` has signed or complex samples; convert it to 16-bit integers first")
    if len(depths) > 1 or not depths <= set(FLOAT_BITS if floating else INTEGER_BITS):
        kind = f"{'/'.join(map(str, sorted(depths)))}-bit{' floating-point' if floating else ''}"
        raise UnsupportedError(f"`{path}` has {kind} samples; convert it to 16-bit integers first")
    colours = COLOURS.get(photometric, 1)
    if not colours <= samples <= colours + 1:
        raise UnsupportedError(f"`{path}` has {samples} channels; save it as grey or RGB with at most one alpha channel")
    if floating and photometric == CMYK:
        raise UnsupportedError(f"`{path}` has floating-point CMYK; convert it to RGB, 8 or 16 bit, first")
    return depths.pop(), floating, samples, colours


def _value(ifd: Ifd, tag: int) -> bytes | None:
    entry = ifd.get(tag)
    return None if entry is None else entry.value
