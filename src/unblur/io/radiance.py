"""Radiance HDR (`.hdr`): linear light with a common exponent for the three colours of a pixel, by OpenCV; the header is kept as it is.

Source: G. Ward, "Real Pixels", Graphics Gems II, 1991; Radiance file formats (header, resolution string).
"""

import re
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np

from unblur.errors import UnreadableError, UnsupportedError
from unblur.io.levels import normalised
from unblur.io.picture import Coding, Image, Metadata, check_size
from unblur.io.pillow import decoding

__all__ = ["read_radiance", "write_radiance"]

RESOLUTION = re.compile(rb"\n\n([-+][XY]) (\d+) ([-+][XY]) (\d+)\n")
MOST_HEADER = 1 << 20


def read_radiance(path: Path) -> Image:
    """Read a Radiance HDR file.

    Raises:
        UnreadableError: if it is damaged or broken off.
        UnsupportedError: if it is too large, or its colours are XYZ or its rows are not from the top left.
    """
    data = path.read_bytes()
    found = RESOLUTION.search(data, 0, MOST_HEADER)
    if found is None:
        raise UnreadableError(f"`{path}` is damaged or broken off (no size); copy it again from where it came")
    header = data[: found.start() + 1]
    if b"32-bit_rle_xyze" in header or (found[1], found[3]) != (b"-Y", b"+X"):
        raise UnsupportedError(f"`{path}` is Radiance HDR in XYZ, or with turned rows; convert it to RGB from the top left first")
    height, width = int(found[2]), int(found[4])
    check_size(path, width=width, height=height)
    with decoding(path):
        values = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if width and height else None
    if values is None or values.dtype != np.float32 or values.shape != (height, width, 3):
        raise UnreadableError(f"`{path}` is damaged or broken off; copy it again from where it came")
    pixels, levels, notes = normalised(np.ascontiguousarray(values[..., ::-1]), bits=32, is_linear=True)
    return Image(pixels, None, Metadata(radiance=header), Coding("Radiance HDR"), tuple(notes), levels)


def write_radiance(file: BinaryIO, image: Image) -> None:
    """Write a Radiance HDR file with the header that it came with."""
    header = image.metadata.radiance
    assert header is not None  # other pictures are refused before
    values = np.maximum(image.stored(0, len(image.pixels)).astype(np.float32), 0)[..., :3]
    coloured = np.repeat(values, 3, axis=2) if values.shape[2] == 1 else values
    _, coded = cv2.imencode(".hdr", np.ascontiguousarray(coloured[..., ::-1]))
    data = coded.tobytes()
    file.write(header + data[data.index(b"\n\n") + 1 :])
