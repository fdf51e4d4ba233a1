"""What every network promises, so that restoration, training and bench can treat them alike.

Pictures go in and come out in [0, 1]; a network centres them inside if it wants to. Lists over scales are finest
first: entry 0 is the paper's scale 1. A network pads nothing, tiles nothing and chooses no device or precision;
`unblur.restore` does that, from the facts that a network publishes: the attributes of `Net`.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from unblur.errors import InputError, ShapeError
from unblur.models.diagnostic import Diagnostic

__all__ = ["CENTRE", "Net", "matching_tensors"]

CENTRE = 0.5
"""Value that networks subtract from their input so that it lies in [-0.5, 0.5]."""


class Net(nn.Module, ABC):
    """A restoration network.

    Attributes:
        size_multiple: height and width that `forward` takes are multiples of this.
        size_minimum: and at least this, pixels.
        size_square: whether height and width must be equal.
        tile_multiple: tiles begin at multiples of this, so that strides and windows lie in a tile as they do in the whole picture; that is
            `size_multiple`, unless a network accepts other sizes than its strides divide and pads by itself.
        num_frames: 1 for a photo network; the window length N (odd, reference in the middle) for a video network.
        receptive_radius: pixels on each side that can influence one output pixel; a tile's halo is at least this.
        global_context: whether the network also looks at the picture as a whole, by an average over it or by where its
            borders are: a tile is then not restored exactly as the picture is, whatever its halo, and
            `receptive_radius` is that of the convolutions alone.
        preferred_tile: side of a tile, pixels, for which memory is taken where it is free, though less were faster elsewhere: with wide context, small
            tiles are nearly all halo.
        scale_step: how many times smaller each further size is at which pictures are restored as well, see `unblur.restore.multi_scale`; None for a network that
            restores them at their own size alone, as those of papers do.
        precisions: of the arithmetic in which the network may be computed, as `unblur.restore.precision` names them.
        memory_format: of parameters; channels last is faster, and most layers take it.

    Shape:
        photo (B, 3, H, W) or video (B, N, 3, H, W) -> (B, 3, H, W); values in [0, 1], the output not clamped.
    """

    size_multiple: int
    size_minimum: int = 1
    size_square: bool = False
    num_frames: int = 1
    receptive_radius: int
    global_context: bool = False
    preferred_tile: int = 0
    scale_step: float | None = None
    precisions: tuple[str, ...] = ("fp32", "bf16", "fp16", "int8")
    memory_format: torch.memory_format = torch.channels_last

    @property
    def tile_multiple(self) -> int:
        """See the attributes of the class."""
        return self.size_multiple

    @property
    def in_torch(self) -> "Net":
        """The same network computed by torch: itself, unless another runtime computes it (`unblur.export.compiled`)."""
        return self

    def fit_size(self, height: int, width: int) -> tuple[int, int]:
        """The smallest height and width that `forward` takes and that are at least these, in pixels."""
        high, wide = (-(-max(side, self.size_minimum) // self.size_multiple) * self.size_multiple for side in (height, width))
        return (max(high, wide),) * 2 if self.size_square else (high, wide)

    @abstractmethod
    def forward(self, blurry: Tensor) -> Tensor:
        """Restore, (B, 3, H, W) or (B, N, 3, H, W) to (B, 3, H, W)."""

    def forward_scales(self, blurry: Tensor) -> list[Tensor]:
        """The output of every scale, finest first; the first entry is that of `forward`, and the only one of a network with one scale."""
        return [self(blurry)]

    def diagnostics(self, blurry: Tensor) -> list[Diagnostic]:  # noqa: ARG002 (subclasses need it)
        """What the network computes on the way to the restored picture, for `unblur.restore.inspect`; nothing by default.

        The names of the diagnostics are unique. It is called in evaluation mode and without gradients. A network that computes the restored picture
        here as well gives it too (`unblur.models.diagnostic.restored_diagnostic`), and then need not run again for it.

        Args:
            blurry: as for `forward`, a batch of one.
        """
        return []

    def begin_as_identity(self) -> None:
        """Change what has just been drawn so that the network gives back the blurry picture, or the middle frame (`initialisation: identity` in a recipe).

        A short training need not learn then to copy the picture before it learns to restore it.

        Raises:
            InputError: if the network has no such beginning.
        """
        raise InputError("the network cannot begin as the identity; leave `initialisation` at `default`")

    def tensors_from(self, tensors: Mapping[str, Tensor], *, architecture: str) -> dict[str, Tensor]:  # noqa: ARG002 (subclasses need it)
        """Tensors with which this network begins a training from trained weights (`start` in a recipe).

        By default they must have the names and shapes of this network's own. A network that can also begin from weights of a smaller or another
        network overrides this.

        Args:
            tensors: the trained weights, by name.
            architecture: name of the network that they belong to.

        Raises:
            ShapeError: if this network cannot begin from them.
        """
        return matching_tensors(tensors, net=self)


def matching_tensors(tensors: Mapping[str, Tensor], *, net: nn.Module) -> dict[str, Tensor]:
    """The tensors, which must have the names and shapes of the network's own.

    Raises:
        ShapeError: if one is missing, is not of the network, or has another shape; the message names it.
    """
    own = net.state_dict()
    if missing := sorted(own.keys() - tensors.keys()):
        raise ShapeError(f"`{missing[0]}` is missing, one of {len(missing)} tensors that the network has beyond these")
    for name, tensor in tensors.items():
        if name not in own:
            raise ShapeError(f"the network has no tensor `{name}`")
        if own[name].shape != tensor.shape:
            raise ShapeError(f"`{name}` is {tuple(tensor.shape)}, not {tuple(own[name].shape)} as in the network")
    return dict(tensors)
