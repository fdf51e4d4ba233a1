"""Camera response: how linear light becomes the values of a file, and back.

Blur happens in the light, not in the file: frames are averaged after `decode` and brought back by `encode`.
Nah et al. (CVPR 2017), section 2: B = g(1/M · Σ g⁻¹(S[i])), with g(x) = x^(1/2.2).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unblur.errors import InputError
from unblur.pixels import linear_of_srgb, srgb_of_linear, to_levels

__all__ = ["CURVE_RANGE", "GAMMA22", "LINEAR", "SRGB", "Response", "camera_curve", "draw_curve", "response_named"]

Floats = NDArray[np.float32]

_CODES = 65535  # entries of the encoding table, evenly spread over the square root of light: the curves are steep near black


@dataclass(frozen=True)
class Response:
    """A pair of inverse, increasing curves on [0, 1].

    Attributes:
        name: as given on the command line and in manifests.
        encode_curve: linear light to file value (g).
        decode_curve: file value to linear light (g⁻¹).
    """

    name: str
    encode_curve: Callable[[Floats], Floats]
    decode_curve: Callable[[Floats], Floats]

    def encode(self, linear: NDArray[Any]) -> Floats:
        """Linear light to file values in [0, 1]; light outside [0, 1] is clipped, as a sensor does."""
        return self.encode_curve(np.clip(linear, 0, 1).astype(np.float32))

    def decode(self, encoded: NDArray[Any]) -> Floats:
        """File values to linear light. Integers are read as fractions of their type's largest value."""
        if encoded.dtype in (np.uint8, np.uint16):
            return _decode_table(self, 1 << 8 * encoded.dtype.itemsize)[encoded]
        return self.decode_curve(np.clip(encoded, 0, 1).astype(np.float32))

    def encode_8bit(self, linear: NDArray[Any]) -> NDArray[np.uint8]:
        """Linear light to an 8-bit file, rounded; by table, some ten times faster than `encode`."""
        codes = (np.sqrt(np.clip(linear, 0, 1)) * np.float32(_CODES) + np.float32(0.5)).astype(np.uint16)
        return _encode_table(self)[codes]


@lru_cache(maxsize=64)
def _decode_table(response: Response, codes: int) -> Floats:
    return response.decode_curve((np.arange(codes) / (codes - 1)).astype(np.float32))


@lru_cache(maxsize=64)
def _encode_table(response: Response) -> NDArray[np.uint8]:
    linear: Floats = (np.arange(_CODES + 1, dtype=np.float32) / np.float32(_CODES)) ** 2
    return to_levels(response.encode_curve(linear), np.uint8)


GAMMA22 = Response("gamma2.2", lambda linear: linear ** np.float32(1 / 2.2), lambda encoded: encoded ** np.float32(2.2))
"""The curve of the GoPro data set (Nah et al. 2017)."""

SRGB = Response("srgb", srgb_of_linear, linear_of_srgb)
"""IEC 61966-2-1, the curve of ordinary picture files."""

LINEAR = Response("linear", lambda linear: linear, lambda encoded: encoded)
"""No curve: averaging the file values themselves, as some data sets do."""

CURVE_RANGE = ((1.8, 2.6), (0.85, 1.35))
"""Lowest and highest gamma, and lowest and highest contrast, of `draw_curve`."""


@lru_cache(maxsize=256)
def camera_curve(*, gamma: float, contrast: float) -> Response:
    """The curve of a camera that does more than gamma: a toe in the shadows and a shoulder in the highlights.

    With p = x^(1/gamma), g(x) = p^c / (p^c + (1 − p)^c), c the contrast: logit(g) = c · logit(p). A contrast of 1 is a
    plain gamma, more is the S of consumer cameras, less the flat look of "log-like" profiles. Both ways are closed formulas.

    Decided: measured curves (Grossberg and Nayar, "What is the space of camera response functions?", CVPR 2003) rise
    monotonically from (0, 0) to (1, 1) and differ mainly in overall bend and in toe and shoulder; two numbers span that, and no
    table of measurements need be shipped. The equal call gives the same object, so that tables are made once.

    Args:
        gamma: overall bend; above 0.
        contrast: steepness in the middle; above 0.

    Raises:
        InputError: if a number is not above 0.

    Example:
        >>> curve = camera_curve(gamma=2.2, contrast=1.2)
        >>> round(float(curve.encode(np.array([0.5 ** 2.2]))[0]), 3)
        0.5
    """
    if not (0 < gamma < math.inf and 0 < contrast < math.inf):
        raise InputError(f"a camera curve needs a gamma and a contrast above 0, got {gamma:g} and {contrast:g}")

    def encode(linear: Floats) -> Floats:
        return _logistic_power(linear.astype(np.float64) ** (1 / gamma), contrast)

    def decode(encoded: Floats) -> Floats:
        return (_logistic_power(encoded.astype(np.float64), 1 / contrast).astype(np.float64) ** gamma).astype(np.float32)

    return Response(f"curve:{gamma:g},{contrast:g}", encode, decode)


def draw_curve(generator: np.random.Generator) -> Response:
    """Draw a `camera_curve` evenly from `CURVE_RANGE`, in steps of 0.1 and 0.05: few enough to keep their tables."""
    gammas, contrasts = (np.arange(low, high + step / 2, step) for (low, high), step in zip(CURVE_RANGE, (0.1, 0.05), strict=True))
    return camera_curve(gamma=round(float(generator.choice(gammas)), 2), contrast=round(float(generator.choice(contrasts)), 2))


def response_named(name: str) -> Response:
    """The response of a name: `gamma2.2`, `srgb`, `linear`, or `curve:GAMMA,CONTRAST` such as `curve:2.2,1.2`.

    Raises:
        InputError: if there is none of that name.
    """
    for response in (GAMMA22, SRGB, LINEAR):
        if response.name == name:
            return response
    kind, _, numbers = name.partition(":")
    try:
        gamma, contrast = (float(number) for number in numbers.split(","))
    except ValueError:
        gamma = contrast = 0.0
    if kind != "curve" or not gamma:
        raise InputError(
            f"there is no camera response `{name}`; choose gamma2.2, srgb, linear, or curve:GAMMA,CONTRAST such as curve:2.2,1.2"
        )
    return camera_curve(gamma=gamma, contrast=contrast)


def _logistic_power(share: NDArray[np.float64], power: float) -> Floats:
    rising, falling = share**power, (1 - share) ** power
    return (rising / (rising + falling)).astype(np.float32)
