"""Codings that neither Pillow nor OpenCV knows, by imagecodecs and tifffile (the extra `codecs`): JPEG of 12 and 16 bit and lossless, JPEG-LS, and
TIFF compressed in rarer ways. Without the libraries such a file is refused, with the command that installs them.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unblur.errors import UnreadableError, UnsupportedError
from unblur.io.optional import needed
from unblur.io.picture import Canvas, Pixels

__all__ = ["JPEG_LS", "at_full_range", "canvas_of", "decode_jpeg", "decode_tiff"]

JPEG_LS = 0xF7
"""Marker of a frame of JPEG-LS (ISO/IEC 14495-1, C.1.1)."""


def decode_jpeg(data: bytes, path: Path, *, marker: int, bits: int) -> Pixels:
    """Decode a JPEG of another kind than 8 bit by cosines.

    Args:
        data: the file.
        path: for messages.
        marker: of its frame.
        bits: of a sample.

    Returns:
        (H, W, 1) or (H, W, 3) of full range.
    """
    name = "JPEG-LS" if marker == JPEG_LS else f"{bits}-bit JPEG" if bits == 12 else f"lossless JPEG of {bits} bit"
    library = needed("imagecodecs", path, f"a {name}", extra="codecs")
    try:
        samples = library.jpegls_decode(data) if marker == JPEG_LS else library.jpeg8_decode(data)
    except Exception as error:  # each codec of the library has an exception of its own
        if str(error).startswith("Unsupported"):
            raise UnsupportedError(
                f"`{path}` is a JPEG of a kind that is not known here ({error}); convert it to PNG or TIFF first"
            ) from error
        raise UnreadableError(f"`{path}` is damaged or broken off ({error}); copy it again from where it came") from error
    samples = samples.reshape(*samples.shape[:2], -1)
    if samples.shape[2] not in (1, 3):
        raise UnsupportedError(f"`{path}` is a {name} of {samples.shape[2]} channels; convert it to RGB first")
    return at_full_range(samples, bits)


def decode_tiff(path: Path, *, index: int, what: str) -> NDArray[Any]:
    """Decode a page of a TIFF of a rarer compression: (H, W) or (H, W, channels), as they are stored.

    Args:
        path: of the file.
        index: of the page's directory among all of the file.
        what: the file is, in words.
    """
    needed("imagecodecs", path, what, extra="codecs")  # first, since tifffile looks for it when it is imported
    library = needed("tifffile", path, what, extra="codecs")
    try:
        with library.TiffFile(path) as file:
            page = file.pages[index]
            samples: NDArray[Any] = page.asarray()
            return np.moveaxis(samples, 0, -1) if page.planarconfig == 2 and samples.ndim == 3 else samples
    except Exception as error:  # as above
        raise UnreadableError(f"`{path}` is damaged or compressed in a way that is not known ({error}); save it uncompressed") from error


def at_full_range(samples: NDArray[Any], bits: int) -> Pixels:
    """Give samples of `bits` as 8 or 16 bit over their full range.

    Example:
        >>> at_full_range(np.array([0, 4095], np.uint16), 12).tolist()
        [0, 65535]
    """
    if bits == 8:
        return samples.astype(np.uint8, copy=False)
    if bits == 16:
        return samples.astype(np.uint16, copy=False)
    if bits < 8:
        return (samples.astype(np.uint16) * 255 // ((1 << bits) - 1)).astype(np.uint8)
    return (samples.astype(np.uint32) * 65535 // ((1 << bits) - 1)).astype(np.uint16)


def canvas_of(samples: Pixels, *, orientation: int) -> Canvas:
    """Turn decoded samples (H, W, channels) upright; of 2 and 4 channels, the last is alpha."""
    height, width, depth = samples.shape
    has_alpha = depth in (2, 4)
    canvas = Canvas(width, height, channels=depth - has_alpha, has_alpha=has_alpha, dtype=samples.dtype.type, orientation=orientation)
    canvas.put(0, 0, samples)
    return canvas
