"""What every network over a window of frames promises: four stages, so that a stream does each piece of work once.

A stream that moves its window by one frame computes `features` once a frame and `motion` once a pair of frames; only
`align`, `fuse` and `reconstruct` belong to a window. `forward` runs the same stages over one window.

    frames ─ features ──┬─ align ─ fuse ─ reconstruct ─ restored
       └──── motion ────┘                    │
    reference ───────────────────────────────┘
"""

from abc import abstractmethod
from typing import Literal, overload

from torch import Tensor

from unblur.layers.check import check_multiple, check_shape
from unblur.models.base import Net

__all__ = ["VideoNet"]


class VideoNet(Net):
    """A restoration network that puts the middle one of `num_frames` frames in order.

    `features`, `align` and `fuse` pass tuples of tensors, whose meaning each network documents; batch is their first
    dimension.

    Attributes:
        global_context: whether something is pooled over the whole picture: a tile is then not restored exactly as the
            picture is, whatever its halo.

    Shape:
        (B, num_frames, 3, H, W) -> (B, 3, H, W); values in [0, 1], the output not clamped.

    Raises:
        ShapeError: by `forward`, if the number of frames differs or a side is not a multiple of `size_multiple`.
    """

    global_context: bool = False

    @overload
    def forward(self, blurry: Tensor, *, all_scales: Literal[False] = ...) -> Tensor: ...

    @overload
    def forward(self, blurry: Tensor, *, all_scales: Literal[True]) -> list[Tensor]: ...

    def forward(self, blurry: Tensor, *, all_scales: bool = False) -> Tensor | list[Tensor]:
        check_shape(blurry, ("B", self.num_frames, 3, "H", "W"), name="blurry")
        check_multiple(blurry, self.size_multiple, name="blurry")
        frames = blurry.unbind(dim=1)
        middle = self.num_frames // 2
        feats = [self.features(frame) for frame in frames]
        motions = [None if i == middle else self.motion(frames[middle], frame) for i, frame in enumerate(frames)]
        aligned = [self.align(feats[middle], feat, motion) for feat, motion in zip(feats, motions, strict=True)]
        restored = self.reconstruct(self.fuse(aligned), frames[middle])
        return [restored] if all_scales else restored

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
