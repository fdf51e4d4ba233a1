"""What every flow network promises, and the one that sees no motion."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

from torch import Tensor, nn

from unblur.errors import ShapeError
from unblur.layers.check import check_multiple, check_shape
from unblur.models.base import matching_tensors

__all__ = ["FlowNet", "ZeroFlow", "check_pair"]


class FlowNet(nn.Module, ABC):
    """Estimates the flow from a reference frame to a neighbour.

    Attributes:
        size_multiple: height and width that `forward` takes are multiples of this.
        num_frames: 2.
        receptive_radius: pixels on each side that the convolutions let reach one flow vector; warping reaches further.

    Shape:
        reference and neighbour (B, 3, H, W) in [0, 1] -> (B, 2, H, W), (dx, dy) in pixels: what is at p in the reference is
        at p + flow(p) in the neighbour.
    """

    size_multiple: int
    num_frames: int = 2
    receptive_radius: int

    @abstractmethod
    def forward(self, reference: Tensor, neighbour: Tensor) -> Tensor:
        """Estimate the flow at full resolution."""

    def forward_scales(self, reference: Tensor, neighbour: Tensor) -> list[Tensor]:
        """The flow at full resolution, then the estimate of every scale, if any, at its own resolution, finest first."""
        return [self(reference, neighbour)]

    def tensors_from(self, tensors: Mapping[str, Tensor], *, architecture: str) -> dict[str, Tensor]:  # noqa: ARG002 (subclasses need it)
        """Tensors with which this network begins a training from trained weights, as `unblur.models.base.Net.tensors_from`.

        Raises:
            ShapeError: if this network cannot begin from them.
        """
        return matching_tensors(tensors, net=self)

    def tensors_from_published(self, published: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The tensors of a checkpoint as its authors published it, under this network's names; the same names by default."""
        return dict(published)


class ZeroFlow(FlowNet):
    """The flow of a still scene: what stands in for a flow network in an ablation without flow."""

    def __init__(self) -> None:
        super().__init__()
        self.size_multiple = 1
        self.receptive_radius = 0

    def forward(self, reference: Tensor, neighbour: Tensor) -> Tensor:
        check_pair(reference, neighbour, multiple=self.size_multiple)
        return reference.new_zeros(reference.shape[0], 2, *reference.shape[-2:])


def check_pair(reference: Tensor, neighbour: Tensor, *, multiple: int) -> None:
    """Raise unless both are pictures of one shape whose sides are multiples of `multiple`.

    Raises:
        ShapeError: if they are not.
    """
    check_shape(reference, ("B", 3, "H", "W"), name="reference")
    if reference.shape != neighbour.shape:
        raise ShapeError(f"reference and neighbour must have the same shape, got {tuple(reference.shape)} and {tuple(neighbour.shape)}")
    check_multiple(reference, multiple, name="reference")
