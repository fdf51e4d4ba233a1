"""The effective receptive field of a network whose authors do not state it, measured.

One half of a picture is replaced by another picture, and the change of the result is measured in the other half, as a function of the
distance from the border between them. A tile whose halo is wider than the distance at which the change ends is restored as the whole picture
is. Networks with global pooling or global attention change at every distance, and no halo is enough for them.

Decided: one pair of random pictures, 512 pixels wide, is an estimate and not a bound. So the radius has a minimum (`_LEAST`), and the
change that remains at the largest distances is part of the result.
"""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from unblur.models.base import Net
from unblur.restore.noise import like_pictures
from unblur.restore.precision import Setup

__all__ = ["VISIBLE", "Reach", "measure_reach", "reach_of_change"]

VISIBLE = 1e-3
"""Change of a value in [0, 1] that counts; a step of 8 bits is 4e-3."""

_HEIGHT, _WIDTH = 64, 512  # of the pictures, at least
_NOTHING = 1e-5  # below this it may be rounding
_LEAST = 64  # pixels: no radius is taken to be smaller


@dataclass(frozen=True)
class Reach:
    """The effective receptive field of a network.

    Attributes:
        radius: pixels beyond which a change of the picture changes no value by more than a thousandth, apart from `remains`.
        remains: largest change of a value, in [0, 1], at the largest distances that were measured.
    """

    radius: int
    remains: float

    @property
    def is_global(self) -> bool:
        """Whether the change never ends."""
        return self.remains > _NOTHING


def measure_reach(net: Net, *, device: torch.device) -> Reach:
    """Measure it on a pair of random pictures, in fp32.

    Args:
        net: a network of one frame, on `device`, in evaluation mode.
        device: where to compute.
    """
    height, width = net.fit_size(_HEIGHT, _WIDTH)
    picture, other = like_pictures(2, height, width, generator=Generator().manual_seed(0)).to(device)
    replaced = picture.clone()
    replaced[..., : width // 2] = other[..., : width // 2]
    exact = Setup(device, torch.float32)
    change = (exact.run(net, picture[None]) - exact.run(net, replaced[None])).abs()
    return reach_of_change(change.amax(dim=(0, 1, 2))[width // 2 :].cpu())


def reach_of_change(change: Tensor) -> Reach:
    """The reach that a change of the result means.

    Args:
        change: the largest change of a value at each distance from the border, from 0 pixels on.

    Shape:
        (D,)

    Example:
        >>> reach_of_change(torch.tensor([0.5] * 100 + [0.0] * 156))
        Reach(radius=100, remains=0.0)
    """
    change = change.nan_to_num(nan=torch.inf)
    remains = float(change[len(change) * 3 // 4 :].max())
    visible = (change > remains + VISIBLE).nonzero()
    return Reach(max(int(visible[-1]) + 1 if len(visible) else 0, _LEAST), remains)
