"""What a network promises so that a training can supervise its stages, and not what it restores alone.

An objective asks for one of these interfaces and names no network: a network of one's own that keeps one is trained with the same recipes.
"""

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor

from unblur.layers.motion_blur import blur_axis

__all__ = ["EstimatesBlurField", "EstimatesCameraKernel", "EstimatesFlowAndBlurField", "TakesExemplar", "estimate_exposure_ratio"]


class EstimatesBlurField(ABC):
    """A photo network that estimates a blur field and restores with it (`objective.kind: blur_field`).

    Attributes:
        size_multiple: as of every network.
    """

    size_multiple: int

    @abstractmethod
    def downscaled(self, blurry: Tensor) -> Tensor:
        """The picture at the scale at which it is restored: (B, 3, H, W) to (B, 3, h, w)."""

    @abstractmethod
    def blur_field(self, blurry: Tensor) -> Tensor:
        """The estimated blur field, in pixels, see `unblur.layers.motion_blur`: (B, 3, h, w) to (B, 3, h/4, w/4)."""

    @abstractmethod
    def restore(self, blurry: Tensor, blur_field: Tensor) -> Tensor:
        """Restore with a given blur field: (B, 3, h, w), (B, 3, h/4, w/4) to (B, 3, h, w)."""

    @abstractmethod
    def apply_change(self, restored: Tensor, *, small: Tensor, blurry: Tensor) -> Tensor:
        """The change from `small` to `restored` applied to `blurry`: (B, 3, h, w) to (B, 3, H, W)."""


class EstimatesFlowAndBlurField(ABC):
    """A video network over three frames that estimates flow and a blur field and restores with them (`objective.kind: flow_and_blur_field`).

    Its stages are those of `unblur.models.video.VideoNet`; what `fuse` gives has the network's input first and the blur field second.

    Attributes:
        estimate_stride: pixels of a frame for each position of flow and blur field.
    """

    estimate_stride: ClassVar[int]

    @abstractmethod
    def flows(self, reference: tuple[Tensor, ...], neighbour: tuple[Tensor, ...]) -> list[Tensor]:
        """The flow between two frames whose `features` these are, (B, 2, H/s, W/s) in pixels of that resolution, finest first."""

    @abstractmethod
    def aligned(self, reference: tuple[Tensor, ...], neighbour: tuple[Tensor, ...], motion: Tensor, *, flow: Tensor) -> tuple[Tensor, ...]:
        """The stage `align` with a given flow, of the finest resolution of `flows`."""

    def exposure_ratio_of(self, fused: tuple[Tensor, ...]) -> Tensor | None:  # noqa: ARG002 (for networks that estimate it)
        """The estimated fraction of the time between frames for which the shutter is open, (B, 1, 1, 1), in what `fuse` gives; None if there is none."""
        return None


class EstimatesCameraKernel(ABC):
    """A network that estimates the blur kernel of camera shake (`objective.kind: camera_kernel`).

    Attributes:
        camera_kernel_size: side of its kernels, pixels.
        largest_crop: side of a picture up to which it estimates one kernel for all of it, pixels.
    """

    @property
    @abstractmethod
    def camera_kernel_size(self) -> int: ...

    @property
    @abstractmethod
    def largest_crop(self) -> int: ...

    @abstractmethod
    def camera_kernel(self, blurry: Tensor) -> tuple[Tensor, Tensor]:
        """The kernel, K = `camera_kernel_size`, and the picture deconvolved with it, through which no gradient flows.

        Shape:
            (B, 3, H, W) -> (B, K, K) of sum 1, (B, 3, H, W); values in [0, 1]
        """

    @abstractmethod
    def compile_camera_kernel(self) -> None:
        """Let torch compile what `camera_kernel` calls."""


class TakesExemplar(ABC):
    """A network over windows that is guided by a sharp picture of something else (`objective.kind: exemplar`)."""

    @abstractmethod
    def restore_with(self, blurry: Tensor, exemplar: Tensor) -> Tensor:
        """Restore windows (B, N, 3, H, W), each with an exemplar (B, 3, H, W), to (B, 3, H, W)."""

    @abstractmethod
    def keep_exemplar(self, sharp: Tensor) -> None:
        """Make a sharp picture (3, H, W) the exemplar that belongs to the weights."""


def estimate_exposure_ratio(blur_field: Tensor, velocity: Tensor) -> Tensor:
    """The exposure ratio as length of blur over length of motion, by least squares over the picture; 0 where nothing moves.

    Args:
        blur_field: see `unblur.layers.motion_blur`.
        velocity: pixels from frame to frame.

    Shape:
        (B, 3, H, W), (B, 2, H, W) -> (B, 1, 1, 1), in [0, 1]
    """
    blur_length, moved = blur_axis(blur_field.detach().float()).norm(dim=1), velocity.detach().float().norm(dim=1)  # (B, H, W)
    exposure_ratio = (blur_length * moved).mean((1, 2)) / (moved.square().mean((1, 2)) + 1e-2)
    return exposure_ratio.clamp(0, 1)[:, None, None, None]
