"""Tags of TIFF, and the values of them that are understood (TIFF 6.0; Photoshop TIFF technical notes)."""

from unblur.io.ifd import Ifd, Order, numbers

__all__ = ["ABOUT_PIXELS", "OPTIONAL", "number"]

SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, ORIENTATION = 254, 256, 257, 258, 259, 262, 274
STRIP_OFFSETS, SAMPLES, ROWS_PER_STRIP, STRIP_SIZES, PLANES, PREDICTOR = 273, 277, 278, 279, 284, 317
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT, PAGE_NUMBER, EXTRA_SAMPLES, SAMPLE_FORMAT = 282, 283, 296, 297, 338, 339
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

PLAIN, ADOBE_DEFLATE, OLD_DEFLATE = 1, 8, 32946
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK, YCBCR, LAB = 0, 1, 2, 3, 5, 6, 8
DIFFERENCES, FLOAT_DIFFERENCES = 2, 3
"""Predictors: of integers, and of the bytes of floats, the most significant of a row first (TIFF technical note 3)."""

REDUCED, PAGE, MASK = 1, 2, 4
"""Bits of SUBFILE: a smaller version of another picture, one of several pages, or a mask."""

UNSIGNED, FLOAT, UNDEFINED = 1, 3, 4


def number(ifd: Ifd, tag: int, order: Order, otherwise: int) -> int:
    """The first value of a tag."""
    values = numbers(ifd.get(tag), order)
    return int(values[0]) if values else otherwise
