"""Bar and QR codes with random content."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from unblur.bench.tasks.panel import OVERSAMPLING, SIZE, Panel

__all__ = ["CONTENT", "FORMATS", "Write", "draw_code"]

Write = Callable[[str, str], tuple[str, NDArray[np.uint8]]]
"""Takes content and format; gives what is to be read, and the code with one pixel a module, (h, w): 0 for dark and 255 for light, with its quiet zone."""

FORMATS = ("QRCode", "DataMatrix", "Aztec", "Code128", "EAN13")
"""Formats, by the names that zxing-cpp has for them."""

CONTENT = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

_MODULE = (1.8, 5.0)  # pixels
_CONTRAST = (0.35, 0.95)
_LONGEST = 0.85  # share of the picture's side that the panel takes at most
_EVEN = 16  # pixels of a module before it is brought to its size; more than it then has


def draw_code(generator: np.random.Generator, *, write: Write, size: int = SIZE) -> Panel:
    """Draw a code of one of `FORMATS`, with 8 to 16 characters (Code 128: 6, EAN-13: 12 digits and their check digit).

    Modules are 1.8 to 5 pixels (log-uniform; less where the code would not fit), the contrast of file values is 0.35 to 0.95, dark on light.

    Args:
        generator: source of all randomness.
        write: makes the code.
        size: side of the picture into which it must fit, pixels.
    """
    kind = FORMATS[int(generator.integers(len(FORMATS)))]
    if kind == "EAN13":
        content = "".join(map(str, generator.integers(10, size=12)))
    else:
        length = 6 if kind == "Code128" else int(generator.integers(8, 16, endpoint=True))
        content = "".join(CONTENT[place] for place in generator.integers(len(CONTENT), size=length))
    text, modules = write(content, kind)
    height, width = modules.shape
    module = min(float(np.exp(generator.uniform(*np.log(_MODULE)))), _LONGEST * size / max(height, width))
    contrast = generator.uniform(*_CONTRAST)
    dark = generator.uniform(0.02, 0.98 - contrast)
    tint = generator.uniform(-0.02, 0.02, 3)
    pixels = (round(width * module * OVERSAMPLING), round(height * module * OVERSAMPLING))
    even = np.kron(modules, np.ones((_EVEN, _EVEN), np.uint8))  # so that all modules have one width after they are averaged
    levels = cv2.resize(even, pixels, interpolation=cv2.INTER_AREA)[..., None] / 255.0
    return Panel((255 * (dark + contrast * levels + tint)).clip(0, 255).round().astype(np.uint8), text, module)
