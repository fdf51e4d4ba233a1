"""Floating-point samples: how they become values in [0, 1], which is what networks are trained on, and go back.

Values from 0 to 1 stay as they are. Where there are others, the range from the 0.1th to the 99.9th percentile, and at least from 0 to 1, is brought
to [0, 1]. What lies outside is clipped for the network, as a camera clips it, and the difference is added again afterwards: a light source of 50
keeps its 50, and infinities and values that are not numbers stay where they are. Linear light is restored under the transfer function of sRGB
(IEC 61966-2-1), since photos are.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unblur.pixels import linear_of_srgb, srgb_of_linear

__all__ = ["Levels", "normalised"]

Floats = NDArray[np.float32]

_PERCENTILES = (0.1, 99.9)
_COUNTED = 1 << 20  # samples, about, from which they are taken


@dataclass(frozen=True, eq=False)
class Levels:
    """What stored values a picture in [0, 1] stands for.

    Attributes:
        black: value that is 0.
        white: value that is 1.
        is_linear: whether the values are proportional to light, and the picture has the transfer function of sRGB.
        bits: of a stored sample, 16 (half) or 32.
        outside: (H, W, C), what is to be added to the values; None if nothing lay outside of `black` and `white`.
    """

    black: float = 0.0
    white: float = 1.0
    is_linear: bool = False
    bits: int = 32
    outside: Floats | None = None

    @property
    def are_plain(self) -> bool:
        """Whether the picture holds the stored values themselves."""
        return (self.black, self.white, self.is_linear) == (0.0, 1.0, False) and self.outside is None

    def stored(self, pixels: Floats, top: int = 0) -> NDArray[Any]:
        """The values of rows of the picture, the first of which is `top`.

        Shape:
            (h, W, C) -> (h, W, C), half or single precision
        """
        values = linear_of_srgb(pixels) if self.is_linear else pixels
        if (self.black, self.white) != (0.0, 1.0):
            values = values * np.float32(self.white - self.black) + np.float32(self.black)
        if self.outside is not None:
            values = values + self.outside[top : top + len(pixels)]
        if self.bits == 16:
            finite = np.isfinite(values)
            most = float(np.finfo(np.float16).max)
            return np.where(finite, np.clip(np.where(finite, values, 0), -most, most), values).astype(np.float16)
        return values.astype(np.float32, copy=False)


def normalised(samples: NDArray[Any], *, bits: int, is_linear: bool = False) -> tuple[Floats, Levels, list[str]]:
    """Bring stored values to [0, 1].

    Args:
        samples: (H, W, C), floats.
        bits: of a sample in the file.
        is_linear: whether they are proportional to light.

    Returns:
        the picture, what its values stand for, and sentences on what was assumed.
    """
    values = samples.astype(np.float32, copy=False)
    finite = np.isfinite(values)
    all_finite = bool(finite.all())
    known = values if all_finite else np.where(finite, values, np.float32(0))
    least, most = float(known.min()), float(known.max())
    black, white, outside, notes = 0.0, 1.0, None, []
    if least < 0 or most > 1:
        low, high = np.percentile(known.ravel()[:: max(1, known.size // _COUNTED)], _PERCENTILES)
        black, white = float(min(low, 0.0)), float(max(high, 1.0))
    clipped = np.clip(known, np.float32(black), np.float32(white))
    if least < black or most > white or not all_finite:
        outside = known - clipped if all_finite else np.where(finite, known - clipped, values)
        notes.append(f"values of it below {black:.3g} or above {white:.3g} were left as they were")
    if (black, white) != (0.0, 1.0):
        notes.append(f"its floating-point values were restored over the range from {black:.3g} to {white:.3g}")
        clipped = (clipped - np.float32(black)) / np.float32(white - black)
    if is_linear:
        notes.append("its values were taken for linear light, and restored under the transfer function of sRGB")
        clipped = srgb_of_linear(clipped)
    return np.clip(clipped, 0, 1, dtype=np.float32), Levels(black, white, is_linear, bits, outside), notes
