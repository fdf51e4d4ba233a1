"""TIFF written: strips of deflated differences (Adobe deflate, predictors 2 and 3), which every reader of the last twenty years takes, or plain ones.

Each page is written as soon as it is there, and a BigTIFF stays one.
"""

import struct
import zlib
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from unblur.errors import OutputError
from unblur.io.exif import read_exif
from unblur.io.ifd import Entry, Ifd, Order, entry_of, next_place, with_note_in_place, write_directory
from unblur.io.picture import Image, row_blocks
from unblur.io.tiff_tags import (
    ABOUT_PIXELS,
    ADOBE_DEFLATE,
    BITS,
    BLACK_IS_ZERO,
    COMPRESSION,
    DIFFERENCES,
    EXTRA_SAMPLES,
    FLOAT,
    FLOAT_DIFFERENCES,
    HEIGHT,
    ICC,
    ORIENTATION,
    PAGE,
    PAGE_NUMBER,
    PHOTOMETRIC,
    PHOTOSHOP,
    PLAIN,
    PLANES,
    PREDICTOR,
    RESOLUTION_UNIT,
    RGB,
    ROWS_PER_STRIP,
    SAMPLE_FORMAT,
    SAMPLES,
    STRIP_OFFSETS,
    STRIP_SIZES,
    SUBFILE,
    WIDTH,
    X_RESOLUTION,
    XMP,
    Y_RESOLUTION,
)

__all__ = ["write_tiff"]

COMPRESSION_LEVEL = 4
MAX_FILE = 0xFFFFFFFF
STRAIGHT = 2
"""Alpha that colours are not multiplied by."""


def write_tiff(file: BinaryIO, image: Image) -> list[str]:
    """Write a TIFF file of the picture's own depth with all its pages, in the byte order of its EXIF.

    Returns:
        Sentences for the user on what of the further pages could not be kept.

    Raises:
        OutputError: if it would grow beyond the 4 GB that TIFF can hold, and was no BigTIFF.
        InputError: if a further page cannot be read.
    """
    big = image.source.big
    found = read_exif(image.metadata.exif) if image.metadata.exif else None
    order: Order = found[0] if found else "<"
    header = {"<": b"II", ">": b"MM"}[order]
    file.write(header + (struct.pack(order + "HHHQ", 43, 8, 0, 0) if big else struct.pack(order + "HI", 42, 0)))
    pointer = 8 if big else 4
    count = 1 + len(image.pages)
    notes = []
    for index, page in enumerate((lambda: image, *image.pages)):
        shown = page()
        own = read_exif(shown.metadata.exif) if shown.metadata.exif else None
        ifd = {tag: entry for tag, entry in own[1].items() if tag not in ABOUT_PIXELS} if own and own[0] == order else {}
        if index:
            notes += [f"page {index + 1}: {note}" for note in shown.notes]
        ifd, note = with_note_in_place(ifd, begin=file.tell())
        file.write(note)
        ifd |= _tags(shown, order) | _strips(file, shown, order, big=big)
        if count > 1:
            ifd |= {SUBFILE: entry_of(order, 4, [PAGE]), PAGE_NUMBER: entry_of(order, 3, [index, min(count, 0xFFFF)])}
        place = file.tell() + file.write(bytes(file.tell() % 8))
        directory = write_directory(ifd, order, place, big=big)
        _check_room(place + len(directory), big=big)
        file.write(directory)
        file.seek(pointer)
        file.write(struct.pack(order + ("Q" if big else "I"), place))
        file.seek(0, 2)
        pointer = next_place(place, len(ifd), big=big)
    return notes


def _strips(file: BinaryIO, image: Image, order: Order, *, big: bool) -> Ifd:
    """Write the pixels; gives the tags that say where they are."""
    height, width = image.pixels.shape[:2]
    blocks = row_blocks(width, height)
    places, sizes = [], []
    for top, bottom in blocks:
        data = _packed_strip(image.stored(top, bottom), order, compressed=image.source.compressed)
        places.append(file.tell())
        sizes.append(file.write(data))
        _check_room(places[-1] + sizes[-1], big=big)
    longs = {WIDTH: [width], HEIGHT: [height], ROWS_PER_STRIP: [blocks[0][1]], STRIP_SIZES: sizes}
    return {tag: entry_of(order, 4, values) for tag, values in longs.items()} | {STRIP_OFFSETS: entry_of(order, 16 if big else 4, places)}


def _tags(image: Image, order: Order) -> Ifd:
    """All tags of a page but those of its EXIF and of the place of its pixels."""
    colours = image.pixels.shape[2]
    samples = colours + (image.alpha is not None)
    compressed, floating = image.source.compressed, image.is_floating
    shorts = {COMPRESSION: ADOBE_DEFLATE if compressed else PLAIN, PHOTOMETRIC: RGB if colours == 3 else BLACK_IS_ZERO, ORIENTATION: 1}
    shorts |= {SAMPLES: samples, PLANES: 1}
    if compressed:
        shorts[PREDICTOR] = FLOAT_DIFFERENCES if floating else DIFFERENCES
    if image.alpha is not None:
        shorts[EXTRA_SAMPLES] = STRAIGHT
    ifd = {tag: entry_of(order, 3, [value]) for tag, value in shorts.items()}
    ifd[BITS] = entry_of(order, 3, [image.bit_depth] * samples)
    if floating:
        ifd[SAMPLE_FORMAT] = entry_of(order, 3, [FLOAT] * samples)
    if image.metadata.dpi:
        across, down = (min(round(value * 10000), MAX_FILE) for value in image.metadata.dpi)
        ifd[X_RESOLUTION] = entry_of(order, 5, [across, 10000])
        ifd[Y_RESOLUTION] = entry_of(order, 5, [down, 10000])
        ifd[RESOLUTION_UNIT] = entry_of(order, 3, [2])
    parts = {XMP: (1, image.metadata.xmp), PHOTOSHOP: (1, image.metadata.photoshop), ICC: (7, image.metadata.icc)}
    return ifd | {tag: Entry(kind, len(value), value) for tag, (kind, value) in parts.items() if value}


def _packed_strip(rows: NDArray[Any], order: Order, *, compressed: bool) -> bytes:
    if not compressed:
        return rows.astype(rows.dtype.newbyteorder(order), copy=False).tobytes()
    if np.issubdtype(rows.dtype, np.floating):
        return zlib.compress(_float_differences(rows), COMPRESSION_LEVEL)
    differences = rows.copy()
    differences[:, 1:] -= rows[:, :-1]  # modulo 2^bits, as predictor 2 wants it
    return zlib.compress(differences.astype(rows.dtype.newbyteorder(order), copy=False).tobytes(), COMPRESSION_LEVEL)


def _float_differences(rows: NDArray[Any]) -> bytes:
    height, width, channels = rows.shape
    size = rows.dtype.itemsize
    parts = np.ascontiguousarray(rows.astype(rows.dtype.newbyteorder(">"))).view(np.uint8).reshape(height, width * channels, size)
    planes = np.ascontiguousarray(parts.transpose(0, 2, 1)).reshape(height, size * width, channels)
    differences = planes.copy()
    differences[:, 1:] -= planes[:, :-1]
    return differences.tobytes()


def _check_room(size: int, *, big: bool) -> None:
    if size > MAX_FILE and not big:
        raise OutputError("the picture needs more than the 4 GB that TIFF can hold; choose PNG")
