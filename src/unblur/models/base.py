"""What every network promises, so that restoration, training and bench can treat them alike.

Pictures go in and come out in [0, 1]; a network centres them inside if it wants to. Lists over scales are finest
first: entry 0 is the paper's scale 1. A network pads nothing, tiles nothing and chooses no device or precision;
`unblur.restore` does that, from the five facts that a network publishes: `size_multiple`, `num_frames`,
`receptive_radius`, `global_context` and `size_step`.
"""

from abc import ABC, abstractmethod
from typing import Literal, overload

from torch import Tensor, nn

__all__ = ["CENTRE", "Net"]

CENTRE = 0.5
"""Value that networks subtract from their input so that it lies in [-0.5, 0.5]."""


class Net(nn.Module, ABC):
    """A restoration network.

    Attributes:
        size_multiple: height and width that `forward` takes are multiples of this.
        num_frames: 1 for a photo network; the window length N (odd, reference in the middle) for a video network.
        receptive_radius: pixels on each side that can influence one output pixel; a tile's halo is at least this.
        global_context: whether the network also looks at the picture as a whole, by an average over it or by where its
            borders are: a tile is then not restored exactly as the picture is, whatever its halo, and
            `receptive_radius` is that of the convolutions alone.
        preferred_tile: side of a tile, pixels, for which memory is taken where it is free, though less were faster elsewhere: with wide context, small
            tiles are nearly all halo.
        size_step: how many times smaller each further size is at which pictures are restored as well, see `unblur.restore.sizes`; None for a network that
            restores them at their own size alone, as those of papers do.

    Shape:
        photo (B, 3, H, W) or video (B, N, 3, H, W) -> (B, 3, H, W); values in [0, 1], the output not clamped.
    """

    size_multiple: int
    num_frames: int = 1
    receptive_radius: int
    global_context: bool = False
    preferred_tile: int = 0
    size_step: float | None = None

    @overload
    def forward(self, blurry: Tensor, *, all_scales: Literal[False] = ...) -> Tensor: ...

    @overload
    def forward(self, blurry: Tensor, *, all_scales: Literal[True]) -> list[Tensor]: ...

    @abstractmethod
    def forward(self, blurry: Tensor, *, all_scales: bool = False) -> Tensor | list[Tensor]:
        """Restore; with `all_scales`, return the output of every scale, finest first."""
