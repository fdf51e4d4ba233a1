"""How blurred a picture is, so that sharp ones can be left alone."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unblur.models.swift import Swift
from unblur.pixels import to_tensor
from unblur.restore.precision import Setup
from unblur.restore.tiles import cut

__all__ = ["SHARP_BELOW", "BlurMeter"]

SHARP_BELOW = 1.5
"""Mean length of the motion blur below which a picture counts as sharp, pixels. Of 41 photos of the validation part of CID22, 27 lie below
it, and none of the same photos blurred, from 1.66 on (`python -m benchmarks.blurred`); the others look blurred in places, as what
is out of focus does, and are restored."""

_SIDE = 256  # of the parts that are looked at, pixels
_PARTS = 3  # in a row and in a column, at most


class BlurMeter:
    """Measures the motion blur of a picture by the part of `swift` that estimates them.

    Args:
        net: the network, on its device.
        setup: device and precision.
    """

    def __init__(self, net: Swift, *, setup: Setup) -> None:
        self._net, self._setup = net, setup

    def length(self, picture: NDArray[Any]) -> float:
        """Mean length of the motion blur in pixels, in up to nine parts spread over the picture.

        Args:
            picture: (H, W, 1 or 3), 8 or 16 bit, or float in [0, 1].
        """
        lengths = []
        for top in _places(picture.shape[0]):
            for left in _places(picture.shape[1]):
                height, width = (self._fitted(size) for size in picture.shape[:2])
                part = to_tensor(cut(picture, top=top, left=left, height=height, width=width), self._setup.device)
                with self._setup.computing(height * width):
                    lengths.append(float(self._net.blur_field(part)[:, 2].mean()))
        return float(np.mean(lengths))

    def is_sharp(self, picture: NDArray[Any]) -> bool:
        """Whether there is nothing to restore."""
        return self.length(picture) < SHARP_BELOW

    def _fitted(self, size: int) -> int:
        """Side of a part: a multiple of the network's, mirrored where the picture is smaller."""
        multiple = self._net.size_multiple
        return max(min(size, _SIDE) // multiple, 1) * multiple


def _places(size: int) -> list[int]:
    """Where parts begin, evenly spread from edge to edge."""
    count = min(_PARTS, -(-size // _SIDE))
    return [round(i * (size - _SIDE) / (count - 1)) for i in range(count)] if count > 1 else [max(0, (size - _SIDE) // 2)]
