"""TIFF: directories read and written here, pixels too where they are stored plainly or deflated.

OpenCV drops EXIF and ICC from TIFF, Pillow cannot hold 16-bit RGB: so the tags are handled here, and each library
decodes only what it is good at, which is LZW and the rarer compressions: Pillow up to 8 bit, OpenCV 16.

Written are strips of deflated differences (Adobe deflate, predictor 2), which every reader of the last twenty years
takes, or plain ones if the source was plain.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
from PIL import TiffImagePlugin

from unblur.errors import OutputError, UnreadableError, UnsupportedError
from unblur.io.codecs import at_full_range, decode_tiff
from unblur.io.exif import exif_of_directory, read_exif, xmp_orientation
from unblur.io.ifd import (
    DamagedError,
    Directory,
    Entry,
    Ifd,
    Order,
    ReadAt,
    entry_of,
    numbers,
    read_directory,
    read_header,
    write_directory,
)
from unblur.io.picture import Canvas, Coding, Image, Metadata, Pixels, check_size, row_blocks
from unblur.io.pillow import decode, decoding

__all__ = ["read_tiff", "write_tiff"]

SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, ORIENTATION = 254, 256, 257, 258, 259, 262, 274
STRIP_OFFSETS, SAMPLES, ROWS_PER_STRIP, STRIP_SIZES, PLANES, PREDICTOR = 273, 277, 278, 279, 284, 317
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT, EXTRA_SAMPLES, SAMPLE_FORMAT = 282, 283, 296, 338, 339
TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_SIZES = 322, 323, 324, 325
XMP, PHOTOSHOP, ICC, DNG_VERSION = 700, 34377, 34675, 50706

ABOUT_PIXELS = frozenset(
    (
        *(254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 274, 277, 278, 279, 280, 281, 284, 290, 291, 292, 293, 297, 301),
        *(317, 320, 321, 322, 323, 324, 325, 330, 332, 333, 334, 336, 338, 339, 340, 341, 342, 347, 512, 513, 514, 515, 517, 518, 519),
        *(520, 521, 529, 530, 531, 532, XMP, PHOTOSHOP, ICC, 37724),
    )
)
"""Tags that describe how pixels are stored, or that are kept by another name; 37724 holds Photoshop's layers. All others are EXIF."""

OPTIONAL = frozenset((XMP, PHOTOSHOP, ICC, 37724))
"""Those of them without which the picture can be read."""

LOST = {
    301: "its transfer function was not kept",
    290: "its grey response curve was not kept",
    291: "its grey response curve was not kept",
    330: "smaller versions of the picture in it (SubIFDs) were not kept, since they show it as it was",
    37724: "its Photoshop layers were not kept, since only the flat picture was restored",
}
"""Tags that are not kept, and what to say of them."""

PLAIN, ADOBE_DEFLATE, OLD_DEFLATE = 1, 8, 32946
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, YCBCR = 0, 1, 2, 3, 6
COLOUR_KINDS = {4: "mask", 5: "CMYK", 8: "Lab", 9: "Lab", 10: "Lab", 32803: "raw", 34892: "raw", 32844: "LogL", 32845: "LogLuv"}
BY_OPENCV = (1, 5, 8, 32773, 32946)
BY_PILLOW = (1, 2, 3, 4, 5, 6, 7, 8, 32771, 32773, 32809, 32908, 32909, 32946, 34661, 34925)
"""Compressions that each library decodes; others are for tifffile."""

ASSOCIATED = 1
REDUCED, MASK = 1, 4
"""Bits of SUBFILE: a smaller version of another picture, or a mask for one."""

MAX_PAGES = 1000
COMPRESSION_LEVEL = 4
MAX_FILE = 0xFFFFFFFF


@dataclass(frozen=True)
class _Layout:
    """How the pixels are stored; `grid` has the place and size in the file of each strip or tile.

    `orientation_place` is where the file states the orientation, 0 if it does not.
    """

    width: int
    height: int
    bits: int
    samples: int
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
    def colours(self) -> int:
        return 1 if self.photometric in (WHITE_IS_ZERO, BLACK_IS_ZERO) else 3


def read_tiff(path: Path) -> Image:
    """Read a TIFF file; premultiplied alpha is divided out.

    Raises:
        UnreadableError: if it is damaged or broken off.
        UnsupportedError: if it is too large, has several pages, is raw, or is not 8- or 16-bit grey or RGB.
    """
    with decoding(path), path.open("rb") as file:
        size = file.seek(0, 2)

        def read_at(offset: int, length: int) -> bytes:
            file.seek(offset)
            return file.read(min(length, max(size - offset, 0)))

        try:
            order, first = read_header(read_at)
            found = read_directory(read_at, order, first)
        except DamagedError as error:
            raise UnreadableError(f"`{path}` is damaged or broken off ({error}); copy it again from where it came") from error
        ifd, notes = found.entries, []
        if found.broken & ABOUT_PIXELS - OPTIONAL:
            raise UnreadableError(f"`{path}` is damaged or broken off (tags {sorted(found.broken)}); copy it again from where it came")
        if found.broken:
            notes.append(f"damaged tags were not kept ({', '.join(map(str, sorted(found.broken)))})")
        notes += [text for tag, text in LOST.items() if tag in ifd]
        _check_single(found, order, path, read_at, notes)
        metadata = _metadata(ifd, order)
        layout = _layout(ifd, order, path, xmp_orientation(metadata.xmp))
        if any(offset + length > size for offset, length in layout.grid):
            raise UnreadableError(f"`{path}` is broken off; copy it again from where it came")
        canvas = _decode(file, path, layout, order, notes)
    compressed = layout.compression != PLAIN
    return Image(canvas.pixels, canvas.alpha, metadata, Coding("TIFF", compressed=compressed), tuple(dict.fromkeys(notes)))


def write_tiff(file: BinaryIO, image: Image) -> None:
    """Write a TIFF file of the picture's own depth, in the byte order of its EXIF.

    Raises:
        OutputError: if it would grow beyond the 4 GB that TIFF can hold.
    """
    order: Order
    order, about = (read_exif(image.metadata.exif) if image.metadata.exif else None) or ("<", {})
    ifd: Ifd = {tag: entry for tag, entry in about.items() if tag not in ABOUT_PIXELS}
    height, width, colours = image.pixels.shape
    samples = colours + (image.alpha is not None)
    compressed = image.source.compressed
    file.write({"<": b"II*\0", ">": b"MM\0*"}[order] + bytes(4))
    blocks = row_blocks(width, height)
    places, sizes, at = [], [], 8
    for top, bottom in blocks:
        data = _packed_strip(image.interleaved(top, bottom), order, compressed=compressed)
        places.append(at)
        sizes.append(len(data))
        at += file.write(data)
        _check_room(at)
    at += file.write(b"\0" * (at % 2))
    shorts = {COMPRESSION: ADOBE_DEFLATE if compressed else PLAIN, PHOTOMETRIC: RGB if colours == 3 else BLACK_IS_ZERO, ORIENTATION: 1}
    shorts |= {SAMPLES: samples, PLANES: 1}
    if compressed:
        shorts[PREDICTOR] = 2
    if image.alpha is not None:
        shorts[EXTRA_SAMPLES] = 2  # not premultiplied
    ifd |= {tag: entry_of(order, 3, [value]) for tag, value in shorts.items()}
    ifd[BITS] = entry_of(order, 3, [image.bit_depth] * samples)
    longs = {WIDTH: [width], HEIGHT: [height], ROWS_PER_STRIP: [blocks[0][1]], STRIP_OFFSETS: places, STRIP_SIZES: sizes}
    ifd |= {tag: entry_of(order, 4, values) for tag, values in longs.items()}
    if image.metadata.dpi:
        across, down = (min(round(value * 10000), MAX_FILE) for value in image.metadata.dpi)
        ifd[X_RESOLUTION] = entry_of(order, 5, [across, 10000])
        ifd[Y_RESOLUTION] = entry_of(order, 5, [down, 10000])
        ifd[RESOLUTION_UNIT] = entry_of(order, 3, [2])
    parts = {XMP: (1, image.metadata.xmp), PHOTOSHOP: (1, image.metadata.photoshop), ICC: (7, image.metadata.icc)}
    ifd |= {tag: Entry(kind, len(value), value) for tag, (kind, value) in parts.items() if value}
    directory = write_directory(ifd, order, at)
    _check_room(at + len(directory))
    file.write(directory)
    file.seek(4)
    file.write(struct.pack(order + "I", at))


def _packed_strip(rows: Pixels, order: Order, *, compressed: bool) -> bytes:
    if compressed:
        differences = rows.copy()
        differences[:, 1:] -= rows[:, :-1]  # modulo 2^bits, as predictor 2 wants it
        rows = differences
    data = rows.astype(rows.dtype.newbyteorder(order), copy=False).tobytes()
    return zlib.compress(data, COMPRESSION_LEVEL) if compressed else data


def _check_room(size: int) -> None:
    if size > MAX_FILE:
        raise OutputError("the picture needs more than the 4 GB that TIFF can hold; choose PNG")


def _check_single(first: Directory, order: Order, path: Path, read_at: ReadAt, notes: list[str]) -> None:
    """Refuse raw files and several pages; smaller versions and masks of the one picture are no pages."""
    if DNG_VERSION in first.entries or _number(first.entries, SUBFILE, order, 0) & REDUCED:
        raise UnsupportedError(f"`{path}` is a raw file; develop it to a 16-bit TIFF first, such as with darktable or RawTherapee")
    seen: set[int] = set()
    following = first.following
    while following and following not in seen and len(seen) < MAX_PAGES:
        seen.add(following)
        try:
            page = read_directory(read_at, order, following)
        except DamagedError:
            return
        following = page.following
        if not _number(page.entries, SUBFILE, order, 0) & (REDUCED | MASK):
            raise UnsupportedError(f"`{path}` has several pages; save each as a file of its own first")
        notes.append("smaller versions of the picture, or masks, behind it in the file were not kept")


def _metadata(ifd: Ifd, order: Order) -> Metadata:
    about = {tag: entry for tag, entry in ifd.items() if tag not in ABOUT_PIXELS}
    is_empty = not about.keys() - {X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT}
    if ORIENTATION in ifd:
        about[ORIENTATION] = entry_of(order, 3, [1])  # which it is by the time that anybody sees it
    scale = {2: 1.0, 3: 2.54}.get(_number(ifd, RESOLUTION_UNIT, order, 2))
    across, down = numbers(ifd.get(X_RESOLUTION), order)[:1], numbers(ifd.get(Y_RESOLUTION), order)[:1]
    dpi = (across[0] * scale, down[0] * scale) if scale and across and down and across[0] > 0 < down[0] else None
    return Metadata(
        exif=None if is_empty else exif_of_directory(order, about),
        icc=_value(ifd, ICC),
        xmp=_value(ifd, XMP),
        photoshop=_value(ifd, PHOTOSHOP),
        dpi=dpi,
    )


def _layout(ifd: Ifd, order: Order, path: Path, xmp_says: int | None) -> _Layout:
    width, height = _number(ifd, WIDTH, order, 0), _number(ifd, HEIGHT, order, 0)
    tiled = TILE_OFFSETS in ifd
    places = numbers(ifd.get(TILE_OFFSETS if tiled else STRIP_OFFSETS), order)
    sizes = numbers(ifd.get(TILE_SIZES if tiled else STRIP_SIZES), order)
    if not width or not height or not places or len(places) != len(sizes):
        raise UnreadableError(f"`{path}` is damaged (no size, or no pixels); copy it again from where it came")
    check_size(path, width=width, height=height)
    samples = _number(ifd, SAMPLES, order, 1)
    depths = {int(bits) for bits in numbers(ifd.get(BITS), order)} or {1}
    photometric = _number(ifd, PHOTOMETRIC, order, BLACK_IS_ZERO)
    formats = set(numbers(ifd.get(SAMPLE_FORMAT), order)) or {1}
    if photometric in COLOUR_KINDS:
        raise UnsupportedError(f"`{path}` is a {COLOUR_KINDS[photometric]} picture; convert it to RGB, 8 or 16 bit, first")
    if formats - {1, 4} or len(depths) > 1 or not depths <= {1, 2, 4, 8, 16}:
        kind = "floating-point" if 3 in formats else f"{'/'.join(map(str, sorted(depths)))}-bit"
        raise UnsupportedError(f"`{path}` has {kind} samples; convert it to 16-bit integers first")
    colours = 3 if photometric in (RGB, YCBCR) else 1
    if not colours <= samples <= colours + 1:
        raise UnsupportedError(f"`{path}` has {samples} channels; save it as grey or RGB with at most one alpha channel")
    stated = _number(ifd, ORIENTATION, order, 0)
    return _Layout(
        width=width,
        height=height,
        bits=depths.pop(),
        samples=samples,
        photometric=photometric,
        compression=_number(ifd, COMPRESSION, order, PLAIN),
        predictor=_number(ifd, PREDICTOR, order, 1),
        planar=_number(ifd, PLANES, order, 1) == 2 and samples > 1,
        orientation=stated if stated in range(1, 9) else xmp_says or 1,
        orientation_place=ifd[ORIENTATION].place if ORIENTATION in ifd else 0,
        block_width=_number(ifd, TILE_WIDTH, order, 0) if tiled else width,
        block_height=_number(ifd, TILE_HEIGHT, order, 0) if tiled else min(_number(ifd, ROWS_PER_STRIP, order, height), height),
        grid=tuple((int(place), int(size)) for place, size in zip(places, sizes, strict=True)),
        is_tiled=tiled,
        premultiplied=_number(ifd, EXTRA_SAMPLES, order, 0) == ASSOCIATED,
    )


def _decode(file: BinaryIO, path: Path, layout: _Layout, order: Order, notes: list[str]) -> Canvas:
    simple = layout.photometric in (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB) and layout.bits in (8, 16)
    if simple and layout.compression in (PLAIN, ADOBE_DEFLATE, OLD_DEFLATE) and layout.predictor in (1, 2):
        return _decode_blocks(file, path, layout, order)
    if layout.compression not in (BY_OPENCV if layout.bits == 16 else BY_PILLOW):
        return _decode_by_tifffile(path, layout)
    if layout.bits == 16:
        return _decode_by_opencv(path, layout, order)
    file.seek(0)
    picture = TiffImagePlugin.TiffImageFile(file)
    canvas = decode(picture, path)  # Pillow turns TIFF upright, and divides alpha out, by itself
    if canvas.alpha is None and layout.samples > layout.colours and layout.photometric != PALETTE:
        notes.append("its extra channel, which it does not call alpha, was not kept")
    return canvas


def _decode_blocks(file: BinaryIO, path: Path, layout: _Layout, order: Order) -> Canvas:
    """Decode strips or tiles, which differ only in their width."""
    dtype = np.dtype(f"u{layout.bits // 8}").newbyteorder(order)
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
            block = stored[first:last].astype(dtype.newbyteorder("="), copy=False)
            if layout.predictor == 2:
                block = np.cumsum(block, axis=1, dtype=block.dtype)
            block = block[: layout.height - top - first, : layout.width - left]
            if layout.planar:
                canvas.put_plane(top + first, left, block[..., 0], plane=plane)
            else:
                canvas.put(top + first, left, block)
    return _finished(canvas, layout)


def _decode_by_tifffile(path: Path, layout: _Layout) -> Canvas:
    samples = decode_tiff(path, compression=layout.compression)
    if samples.shape[:2] != (layout.height, layout.width) or samples.size != layout.height * layout.width * layout.samples:
        raise UnsupportedError(f"`{path}` has a layout of channels that cannot be read; save it uncompressed")
    if layout.photometric == PALETTE or samples.dtype not in (np.uint8, np.uint16):
        raise UnsupportedError(f"`{path}` has compressed samples of a kind that cannot be read; save it uncompressed, as RGB")
    canvas = _canvas(layout)
    canvas.put(0, 0, at_full_range(samples.reshape(layout.height, layout.width, -1), layout.bits))
    return _finished(canvas, layout)


def _decode_by_opencv(path: Path, layout: _Layout, order: Order) -> Canvas:
    if layout.planar or layout.samples == 2 or layout.photometric not in (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB):
        raise UnsupportedError(
            f"`{path}` has a layout of 16-bit channels that cannot be read; save it uncompressed, with channels interleaved"
        )
    data = np.fromfile(path, np.uint8)
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


def _canvas(layout: _Layout) -> Canvas:
    return Canvas(
        layout.width,
        layout.height,
        channels=layout.colours,
        has_alpha=layout.samples > layout.colours,
        dtype=np.uint16 if layout.bits == 16 else np.uint8,
        orientation=layout.orientation,
    )


def _corners(layout: _Layout) -> Iterator[tuple[int, int, int]]:
    for plane in range(layout.samples if layout.planar else 1):
        for top in range(0, layout.height, layout.block_height):
            for left in range(0, layout.width, layout.block_width):
                yield plane, top, left


def _finished(canvas: Canvas, layout: _Layout) -> Canvas:
    """Turn white-is-zero round, and divide alpha out of premultiplied colours."""
    if layout.photometric == WHITE_IS_ZERO:
        np.invert(canvas.pixels, out=canvas.pixels)
    if layout.premultiplied and canvas.alpha is not None:
        most = int(np.iinfo(canvas.pixels.dtype).max)
        height, width = canvas.alpha.shape
        for top, bottom in row_blocks(width, height):
            alpha = np.maximum(canvas.alpha[top:bottom, :, None], 1).astype(np.uint64)
            colours = (canvas.pixels[top:bottom].astype(np.uint64) * most + alpha // 2) // alpha
            canvas.pixels[top:bottom] = np.minimum(colours, most)
    return canvas


def _number(ifd: Ifd, tag: int, order: Order, otherwise: int) -> int:
    values = numbers(ifd.get(tag), order)
    return int(values[0]) if values else otherwise


def _value(ifd: Ifd, tag: int) -> bytes | None:
    entry = ifd.get(tag)
    return None if entry is None else entry.value
