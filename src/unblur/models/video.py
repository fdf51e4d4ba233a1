"""What every network over a window of frames promises: four stages, so that a stream does each piece of work once.

A stream that moves its window by one frame computes `features` once a frame; `motion`, `align`, `fuse` and `reconstruct`
belong to a window, since all but the first begin from its reference. `forward` runs the same stages over one window.

    frames ─ features ──┬─ align ─ fuse ─ reconstruct ─ restored
       └──── motion ────┘                    │
    reference ───────────────────────────────┘
"""

from abc import abstractmethod
from collections.abc import Sequence

from torch import Tensor

from unblur.layers.check import check_multiple, check_shape
from unblur.layers.warp import flow_warp
from unblur.models.base import CENTRE, Net
from unblur.models.flow import FlowNet

__all__ = ["VideoNet", "WarpingNet"]


class VideoNet(Net):
    """A restoration network that puts the middle one of `num_frames` frames in order.

    `features`, `align` and `fuse` pass tuples of tensors, whose meaning each network documents; batch is their first
    dimension.

    Shape:
        (B, num_frames, 3, H, W) -> (B, 3, H, W); values in [0, 1], the output not clamped.

    Raises:
        ShapeError: by `forward`, if the number of frames differs or a side is not a multiple of `size_multiple`.
    """

    def forward(self, blurry: Tensor) -> Tensor:
        check_shape(blurry, ("B", self.num_frames, 3, "H", "W"), name="blurry")
        check_multiple(blurry, self.size_multiple, name="blurry")
        frames = blurry.unbind(dim=1)
        return self.restore_window(frames, [self.features(frame) for frame in frames])

    def restore_window(self, frames: Sequence[Tensor], feats: Sequence[tuple[Tensor, ...]]) -> Tensor:
        """Restore the middle frame of a window whose features are known.

        Args:
            frames: the window's frames (B, 3, H, W). The same tensor in several places (a repeated frame) is aligned once.
            feats: `features` of each.
        """
        middle = len(frames) // 2
        aligned: dict[tuple[int, bool], tuple[Tensor, ...]] = {}
        keys = [(id(frame), i == middle) for i, frame in enumerate(frames)]  # a copy of the middle frame is a neighbour
        for key, frame, feat in zip(keys, frames, feats, strict=True):
            if key not in aligned:
                motion = None if key[1] else self.motion(frames[middle], frame)
                aligned[key] = self.align(feats[middle], feat, motion)
        return self.reconstruct(self.fuse([aligned[key] for key in keys]), frames[middle])

    @abstractmethod
    def features(self, frame: Tensor) -> tuple[Tensor, ...]:
        """What is computed from one frame alone: (B, 3, H, W) in [0, 1]."""

    @abstractmethod
    def motion(self, reference: Tensor, neighbour: Tensor) -> Tensor | None:
        """What is computed from a pair of frames: the flow from reference to neighbour, or None if the network uses none."""

    @abstractmethod
    def align(self, reference: tuple[Tensor, ...], neighbour: tuple[Tensor, ...], motion: Tensor | None) -> tuple[Tensor, ...]:
        """Bring the neighbour's features to where the reference has them.

        Args:
            reference: `features` of the middle frame.
            neighbour: `features` of the frame to align, which may be the middle frame itself.
            motion: `motion` of the pair; None for the middle frame itself, which has not moved.
        """

    @abstractmethod
    def fuse(self, aligned: list[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
        """Merge the frames' aligned features, one `align` result a frame in the order of time."""

    @abstractmethod
    def reconstruct(self, fused: tuple[Tensor, ...], reference: Tensor) -> Tensor:
        """Turn the merged features and the middle frame (B, 3, H, W) into the restored frame (B, 3, H, W)."""


class WarpingNet(VideoNet):
    """A video network that aligns pictures, not features: each neighbour is warped by its flow to the reference.

    Stages: `features` is the frame itself, centred, so that what a warp reads outside the frame is 0, mid-grey; `motion` the
    flow at full resolution; `align` the warped frame. What comes after is the network's own.

    Args:
        flow: flow network; `ZeroFlow()` leaves the frames where they are.
    """

    def __init__(self, *, flow: FlowNet) -> None:
        super().__init__()
        self.flow = flow

    def features(self, frame: Tensor) -> tuple[Tensor, ...]:
        return (frame - CENTRE,)

    def motion(self, reference: Tensor, neighbour: Tensor) -> Tensor:
        return self.flow(reference, neighbour)  # (B, 2, H, W)

    def align(self, reference: tuple[Tensor, ...], neighbour: tuple[Tensor, ...], motion: Tensor | None) -> tuple[Tensor, ...]:  # noqa: ARG002
        return neighbour if motion is None else (flow_warp(neighbour[0], motion),)
