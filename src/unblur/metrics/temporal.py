"""Temporal consistency: does a restored clip flicker or wobble beyond what moves in the scene?"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise, zip_longest

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import grid_sample

from unblur.errors import InputError, ShapeError
from unblur.flow import dis_flow
from unblur.layers.check import check_shape
from unblur.layers.warp import flow_inside
from unblur.metrics.pictures import checked_pair

__all__ = ["WarpingError", "estimate_flow", "visible_positions", "warping_error"]

MATCH_RELATIVE, MATCH_ABSOLUTE = 0.01, 0.5
"""Two flows agree if |forward + backward|² < 0.01 (|forward|² + |backward|²) + 0.5; Sundaram et al. 2010, eq. (5)."""


@dataclass(frozen=True)
class WarpingError:
    """Result of `warping_error`.

    Attributes:
        error: mean absolute difference along the motion, on the scale [0, 1]; smaller is steadier.
        visible: part of the positions that could be compared, in (0, 1].
        pairs: pairs of neighbouring frames that were looked at.
    """

    error: float
    visible: float
    pairs: int


def warping_error(frames: Iterable[Tensor], guide: Iterable[Tensor]) -> WarpingError:
    """Mean absolute difference between each frame and the next one warped back to it along the guide's motion.

    For a pair (t, t+1), the flow from t to t+1 is estimated on the guide, frame t+1 is sampled where it points to, and
    the absolute difference from frame t is taken at the positions that are visible in both, and averaged over channels
    and over all such positions of the clip. Across a scene cut some positions still pass for visible by chance: measure shot by shot.

    The guide is the sharp video. **Without a truth it is the blurry input**, never the restored video itself: its own
    flow would follow, and so hide, the wobble that is looked for. Numbers with different guides must not be compared.
    The error is not 0 for a perfect restoration, since flow, noise and lighting leave a rest; compare with the error
    of the sharp video (or of the blurry input) under the same guide.

    Source: Lai et al., "Learning blind video temporal consistency", 2018, section 4.1, E_warp.
    Decided: absolute differences, where Lai et al. square them, so that the number reads as a part of the range; one
    mean over all visible positions, where they average each pair first, so that pairs of which little is visible do
    not add noise; the mask is the forward-backward check alone, without their motion boundaries; flow is OpenCV's DIS instead of a
    network, so that the measure needs no weights.

    Args:
        frames: the video that is judged, frame by frame; read once, two frames are held.
        guide: the video that shows the true motion, in [0, 1], as many frames of the same size.

    Returns:
        The error, with how much of the video it speaks for.

    Shape:
        each frame (1, 3, H, W)

    Raises:
        ShapeError: if a frame has another shape.
        InputError: if the videos differ in length or have less than two frames, if a frame is not finite or leaves
            its range, or if no pair has a visible position.
    """
    total, seen, positions, pairs = 0.0, 0.0, 0, 0
    for (frame, shown), (following, shown_next) in pairwise(_checked_frames(frames, guide)):
        forward, backward = estimate_flow(shown, shown_next), estimate_flow(shown_next, shown)
        mask = visible_positions(forward, backward)
        difference = (frame - _sample(following, forward)).abs().mean(1, keepdim=True)
        total += (difference * mask).sum().item()
        seen += mask.sum().item()
        positions += mask.numel()
        pairs += 1
    if not pairs:
        raise InputError("warping_error needs at least two frames")
    if not seen:
        raise InputError("no position is visible in two neighbouring frames; is every frame of this video another scene?")
    return WarpingError(error=total / seen, visible=seen / positions, pairs=pairs)


def estimate_flow(reference: Tensor, neighbour: Tensor) -> Tensor:
    """Dense optical flow from reference to neighbour, by OpenCV's DIS at its medium preset (`unblur.flow.dis_flow`) on 8-bit grey pictures.

    Returns:
        Flow (dx, dy) in pixels: position p of the reference is at p + flow(p) in the neighbour.

    Shape:
        reference, neighbour (1, 3, H, W) in [0, 1], H and W at least 12 -> (1, 2, H, W), double precision

    Raises:
        ShapeError: if the shapes differ or a side is too short for the method's patches.
    """
    if reference.shape != neighbour.shape:
        raise ShapeError(f"reference and neighbour must have the same shape, got {tuple(reference.shape)} and {tuple(neighbour.shape)}")
    check_shape(reference, (1, 3, "H", "W"), name="reference")
    flow = dis_flow(_grey_levels(reference), _grey_levels(neighbour))
    return torch.from_numpy(flow.astype(np.float64)).permute(2, 0, 1)[None]


def visible_positions(forward: Tensor, backward: Tensor) -> Tensor:
    """Where a position of the reference is also visible in the neighbour.

    Visible is what lands inside the neighbour and from where the backward flow leads back (see `MATCH_RELATIVE`).

    Shape:
        forward, backward (B, 2, H, W), pixels -> (B, 1, H, W), 1 or 0

    Raises:
        ShapeError: if the shapes differ.
    """
    check_shape(forward, ("B", 2, "H", "W"), name="forward")
    check_shape(backward, tuple(forward.shape), name="backward")
    returned = _sample(backward, forward)
    mismatch = (forward + returned).square().sum(1, keepdim=True)
    length = forward.square().sum(1, keepdim=True) + returned.square().sum(1, keepdim=True)
    return (flow_inside(forward) & (mismatch < MATCH_RELATIVE * length + MATCH_ABSOLUTE)).to(forward.dtype)


def _checked_frames(frames: Iterable[Tensor], guide: Iterable[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
    size: tuple[int, ...] | None = None
    for frame, shown in zip_longest(frames, guide):
        if frame is None or shown is None:
            raise InputError("the restored video and its guide differ in their number of frames; give both over the same range")
        check_shape(shown, (1, 3, "H", "W") if size is None else size, name="guide frame")
        size = tuple(shown.shape)
        yield checked_pair(frame, shown)


def _targets(flow: Tensor) -> Tensor:
    """Where each position lands, pixels; (B, 2, H, W), x first."""
    height, width = flow.shape[-2:]
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([columns, rows]).to(flow) + flow


def _sample(pictures: Tensor, flow: Tensor) -> Tensor:
    """Read pictures at p + flow(p), bilinear; beyond the border the nearest pixel is read."""
    height, width = flow.shape[-2:]
    steps = torch.tensor([max(width - 1, 1), max(height - 1, 1)], dtype=flow.dtype).view(1, 2, 1, 1)
    grid = (2 * _targets(flow) / steps - 1).permute(0, 2, 3, 1)
    return grid_sample(pictures, grid, mode="bilinear", padding_mode="border", align_corners=True)


def _grey_levels(picture: Tensor) -> NDArray[np.uint8]:
    levels = (picture[0].detach().to("cpu", torch.float32).clamp(0, 1) * 255).permute(1, 2, 0).contiguous().numpy()
    return np.asarray(cv2.cvtColor(levels, cv2.COLOR_RGB2GRAY).round().astype(np.uint8))
