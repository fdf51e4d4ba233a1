"""Optical flow on pictures as arrays, without a network: estimated by OpenCV, checked in both directions, and used to warp.

Flow is (H, W, 2), (dx, dy) in pixels: what is at pixel p of the first picture lies at p + flow(p) in the second.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from unblur.errors import ShapeError

__all__ = [
    "MIN_BIDIRECTIONAL_SIDE",
    "MIN_SIDE",
    "RESIDUE_LIMIT",
    "BidirectionalFlow",
    "bidirectional_flow",
    "dis_flow",
    "grey",
    "is_consistent",
    "quick_flow",
    "warp",
]

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

MIN_SIDE = 12
"""Smallest side of a picture in which dense inverse search can see motion, pixels."""

MIN_BIDIRECTIONAL_SIDE = 32
"""Smallest side of a picture that `bidirectional_flow` takes, pixels."""

RESIDUE_LIMIT = 20.0
"""Grey levels (of 255) by which the same point may differ in two frames."""

_PRESETS = {"fast": cv2.DISOPTICAL_FLOW_PRESET_FAST, "medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM}
_SLACK = 1.0  # pixels by which flow there and back may miss its start, and
_SLACK_SHARE = 0.1  # the share of its length that it may miss besides
_CUT_CHANGE = 10.0  # mean change in grey levels that the best warp leaves at a cut, at least
_CUT_DISAGREEMENT = 0.5


def grey(picture: NDArray[Any]) -> NDArray[np.uint8]:
    """(H, W) 8-bit luma of RGB of 8 or 16 bit, of which the lower 8 are dropped."""
    values = picture if picture.dtype == np.uint8 else (picture >> 8).astype(np.uint8)
    return cv2.cvtColor(values, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)


def dis_flow(
    first: NDArray[np.uint8], second: NDArray[np.uint8], *, preset: Literal["fast", "medium"] = "medium", finest_scale: int = 1
) -> Floats:
    """Estimate the flow between two grey pictures by dense inverse search, with its variational refinement.

    Source: Kroeger et al., "Fast optical flow using dense inverse search" (ECCV 2016), as OpenCV has it.

    Args:
        first: (H, W), 8 bit.
        second: the other one, of the same size.
        preset: of OpenCV.
        finest_scale: how often the pictures are halved before the finest search; 0 is their own size.

    Returns:
        (H, W, 2) flow (dx, dy) in pixels.

    Raises:
        ShapeError: if a side is shorter than `MIN_SIDE`.
    """
    if min(first.shape) < MIN_SIDE:
        raise ShapeError(f"optical flow needs height and width of at least {MIN_SIDE}, got {first.shape[0]}x{first.shape[1]}")
    estimator = cv2.DISOpticalFlow.create(_PRESETS[preset])
    estimator.setFinestScale(finest_scale)
    flow: Floats = estimator.calc(first, second, None)  # type: ignore[call-overload]
    return flow


def quick_flow(first: NDArray[Any], second: NDArray[Any]) -> Floats:
    """Estimate the flow from one frame to another in a third of the time that `bidirectional_flow` takes for each direction.

    Decided: OpenCV's fast preset with the finest scale of its medium one, which is about as exact; 0 in pictures too small to see motion in.

    Args:
        first: (H, W, 3) RGB, 8 or 16 bit.
        second: the other one, of the same size.

    Returns:
        (H, W, 2) flow (dx, dy) in pixels.
    """
    if min(first.shape[:2]) < MIN_SIDE:
        return np.zeros((*first.shape[:2], 2), np.float32)
    return dis_flow(grey(first), grey(second), preset="fast")


def warp(picture: NDArray[Any], flow: Floats) -> NDArray[Any]:
    """Read a picture, for each pixel, at its place plus `flow`: the second picture of a flow brought onto the first.

    Decided: bicubic for pictures of three channels, bilinear for other fields; outside the border, the nearest pixel is read. OpenCV rounds
    places to 1/32 pixel.

    Args:
        picture: (H, W) or (H, W, C).
        flow: (H, W, 2), (dx, dy) in pixels.

    Example:
        >>> row = np.array([[1, 2, 3, 4]], np.uint8)
        >>> warp(row, np.broadcast_to(np.float32([1, 0]), (1, 4, 2))).tolist()
        [[2, 3, 4, 4]]
    """
    rows, columns = np.indices(flow.shape[:2], np.float32)
    how = cv2.INTER_CUBIC if picture.ndim == 3 and picture.shape[2] == 3 else cv2.INTER_LINEAR
    return cv2.remap(picture, columns + flow[..., 0], rows + flow[..., 1], how, borderMode=cv2.BORDER_REPLICATE)


def is_consistent(forward: Floats, backward: Floats) -> Mask:
    """Where a flow leads to a point whose own flow leads back, to within a pixel and a tenth of its length: (H, W)."""
    missed = forward + warp(backward, forward)
    slack = _SLACK + _SLACK_SHARE * np.hypot(forward[..., 0], forward[..., 1])
    return np.hypot(missed[..., 0], missed[..., 1]) <= slack


@dataclass(frozen=True, eq=False)
class BidirectionalFlow:
    """Two frames and the flow between them in both directions, with what these say of each other.

    Attributes:
        first: (H, W, 3) RGB, 8 or 16 bit.
        second: the frame after it.
        forward: (H, W, 2) flow (dx, dy) in pixels from `first` to `second`.
        backward: (H, W, 2) flow from `second` to `first`.
    """

    first: NDArray[Any]
    second: NDArray[Any]
    forward: Floats
    backward: Floats

    @cached_property
    def consistent(self) -> tuple[Mask, Mask]:
        """`is_consistent` of the flow of `first`, and of that of `second`."""
        return is_consistent(self.forward, self.backward), is_consistent(self.backward, self.forward)

    @cached_property
    def residues(self) -> tuple[Floats, Floats]:
        """What stays different when the other frame is warped to `first`, and to `second`: grey levels, (H, W), means over 5×5 pixels."""
        first, second = grey(self.first).astype(np.float32), grey(self.second).astype(np.float32)
        return (
            cv2.blur(np.abs(warp(second, self.forward) - first), (5, 5)).astype(np.float32),
            cv2.blur(np.abs(warp(first, self.backward) - second), (5, 5)).astype(np.float32),
        )

    @cached_property
    def speed(self) -> float:
        """Length of nearly the fastest flow (99.5th percentile, single outliers aside), pixels."""
        return float(np.percentile(np.hypot(self.forward[..., 0], self.forward[..., 1])[::4, ::4], 99.5))

    @cached_property
    def disagreement(self) -> float:
        """Share of the pixels whose flow does not lead back, or leads to another grey; occlusions count, so it is hardly ever 0."""
        bad = [~consistent | (residue > RESIDUE_LIMIT) for consistent, residue in zip(self.consistent, self.residues, strict=True)]
        return float(max(bad[0].mean(), bad[1].mean()))

    @cached_property
    def is_cut(self) -> bool:
        """Whether the frames show different scenes: much of the flow does not lead back, and no warp makes them alike."""
        left = float(np.mean([residue.mean() for residue in self.residues]))
        return self.disagreement > _CUT_DISAGREEMENT and left > _CUT_CHANGE


def bidirectional_flow(first: NDArray[Any], second: NDArray[Any]) -> BidirectionalFlow:
    """Estimate the flow between two frames in both directions, by `dis_flow` at its medium preset.

    Args:
        first: (H, W, 3) RGB, 8 or 16 bit; sides of `MIN_BIDIRECTIONAL_SIDE` pixels or more.
        second: the frame after it, of the same size.
    """
    finest_scale = 0 if min(first.shape[:2]) < 128 else 1
    one, other = grey(first), grey(second)
    return BidirectionalFlow(
        first, second, dis_flow(one, other, finest_scale=finest_scale), dis_flow(other, one, finest_scale=finest_scale)
    )
