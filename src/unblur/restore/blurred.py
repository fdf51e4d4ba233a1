"""How blurred a picture is, so that sharp ones can be left alone."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unblur.models.supervised import EstimatesBlurField
from unblur.pixels import to_tensor
from unblur.restore.precision import Setup
from unblur.restore.tiles import cut

__all__ = ["DIRECTED_FROM", "SHARP_BELOW", "BlurMeter", "MeasuredBlur"]

SHARP_BELOW = 1.5
"""Mean length of the motion blur below which a picture counts as sharp, pixels. Of 41 photos of the validation part of CID22, 26 lie below
it, and none of the same photos blurred, from 1.68 on (`python -m benchmarks.blurred`); the others look blurred in places, as what
is out of focus does, and are restored."""

DIRECTED_FROM = 0.45
"""Share of the blur along its direction (`MeasuredBlur.directed`) below which a blurred picture is more likely out of focus than blurred by motion. Below it lie 6
of 57 pictures that are blurred by motion, and 138 of 171 that were averaged over discs with radii of 2.5 to 6 pixels, besides 12 of these that count as sharp (`python -m benchmarks.blurred`
on these photos and on 16 pairs of the GoPro data set)."""

_SIDE = 256  # of the parts that are looked at, pixels
_PARTS = 3  # in a row and in a column, at most


@dataclass(frozen=True)
class MeasuredBlur:
    """The blur of a picture.

    Attributes:
        length: mean length of the motion blur, pixels.
        directed: by how much the picture is blurred more along the direction of motion than across it, as a share of that length: 0 for a blur that is alike in all
            directions, as by wrong focus, 1 for a line.
    """

    length: float
    directed: float


class BlurMeter:
    """Measures the motion blur of a picture by a network that estimates a blur field; the thresholds of this module are for `swift`.

    Args:
        net: the network, on its device.
        setup: device and precision.
    """

    def __init__(self, net: EstimatesBlurField, *, setup: Setup) -> None:
        self._net, self._setup = net, setup

    def measure(self, picture: NDArray[Any]) -> MeasuredBlur:
        """Measure up to nine parts spread over the picture.

        Args:
            picture: (H, W, 1 or 3), 8 or 16 bit, or float in [0, 1].
        """
        lengths, along = [], []
        for top in _places(picture.shape[0]):
            for left in _places(picture.shape[1]):
                height, width = (self._fitted(size) for size in picture.shape[:2])
                part = to_tensor(cut(picture, top=top, left=left, height=height, width=width), self._setup.device)
                with self._setup.computing(height * width):
                    blur_field = self._net.blur_field(part)  # (1, 3, H/4, W/4)
                    lengths.append(float(blur_field[:, 2].mean()))
                    along.append(float(blur_field[:, :2].norm(dim=1).mean()))
        length = float(np.mean(lengths))
        return MeasuredBlur(length, min(max(float(np.mean(along)) / max(length, 1e-3), 0.0), 1.0))

    def length(self, picture: NDArray[Any]) -> float:
        """Mean length of the motion blur, pixels; see `measure`."""
        return self.measure(picture).length

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
