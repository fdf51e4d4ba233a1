"""Camera response: how linear light becomes the values of a file, and back.

Blur happens in the light, not in the file: frames are averaged after `decode` and brought back by `encode`.
Nah et al. (CVPR 2017), section 2: B = g(1/M · Σ g⁻¹(S[i])), with g(x) = x^(1/2.2).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["GAMMA22", "LINEAR", "SRGB", "Response"]

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
        if encoded.dtype == np.uint8:
            return _decode_table(self)[encoded]
        if encoded.dtype == np.uint16:
            return self.decode_curve(encoded.astype(np.float32) / np.float32(65535))
        return self.decode_curve(np.clip(encoded, 0, 1).astype(np.float32))

    def encode_8bit(self, linear: NDArray[Any]) -> NDArray[np.uint8]:
        """Linear light to an 8-bit file, rounded; by table, some ten times faster than `encode`."""
        codes = (np.sqrt(np.clip(linear, 0, 1)) * np.float32(_CODES) + np.float32(0.5)).astype(np.uint16)
        return _encode_table(self)[codes]


@cache
def _decode_table(response: Response) -> Floats:
    return response.decode_curve((np.arange(256) / 255).astype(np.float32))


@cache
def _encode_table(response: Response) -> NDArray[np.uint8]:
    linear: Floats = (np.arange(_CODES + 1, dtype=np.float32) / np.float32(_CODES)) ** 2
    return np.round(response.encode_curve(linear) * 255).astype(np.uint8)


def _srgb_encode(linear: Floats) -> Floats:
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055).astype(np.float32)


def _srgb_decode(encoded: Floats) -> Floats:
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4).astype(np.float32)


GAMMA22 = Response("gamma2.2", lambda linear: linear ** np.float32(1 / 2.2), lambda encoded: encoded ** np.float32(2.2))
"""The curve of the GoPro data set (Nah et al. 2017)."""

SRGB = Response("srgb", _srgb_encode, _srgb_decode)
"""IEC 61966-2-1, the curve of ordinary picture files."""

LINEAR = Response("linear", lambda linear: linear, lambda encoded: encoded)
"""No curve: averaging the file values themselves, as some data sets do."""
