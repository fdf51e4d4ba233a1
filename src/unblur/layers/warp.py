"""Warping by optical flow."""

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from unblur.errors import ShapeError
from unblur.layers.check import check_shape
from unblur.layers.sampling import bilinear_read, pixel_grid, reading_dtype

__all__ = ["flow_inside", "flow_resize", "flow_warp"]


def flow_warp(feat: Tensor, flow: Tensor) -> Tensor:
    """Bring a neighbour's features to where the reference has them: out(p) = feat(p + flow(p)).

    Source: thesis eq. (3-2), (3-7) and (4-5); Sun et al. (CVPR 2018), section 3.
    Decided: bilinear, positions outside the frame read 0.

    Args:
        feat: features or picture of the neighbour.
        flow: from the reference to the neighbour, (dx, dy) in pixels at the resolution of `feat`.

    Returns:
        Features at the reference's positions, in the precision of `feat`; positions are kept in single precision.

    Shape:
        feat (B, C, H, W); flow (B, 2, H, W) -> (B, C, H, W)

    Raises:
        ShapeError: if the shapes do not fit.

    Example:
        >>> row = torch.arange(4.0).view(1, 1, 1, 4)
        >>> flow_warp(row, torch.tensor([1.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, 1, 4))  # moved one pixel to the left
        tensor([[[[1., 2., 3., 0.]]]])
    """
    check_shape(feat, ("B", "C", "H", "W"), name="feat")
    check_shape(flow, (feat.shape[0], 2, *feat.shape[-2:]), name="flow")
    x, y = _targets(flow)
    return bilinear_read(feat, y, x)


def flow_inside(flow: Tensor) -> Tensor:
    """Where a flow stays inside the frame, so that warping reads no pixel outside it.

    Args:
        flow: (dx, dy) in pixels.

    Returns:
        True where p + flow(p) lies between the centres of the first and last row and column.

    Shape:
        (B, 2, H, W) -> bool (B, 1, H, W)

    Example:
        >>> flow_inside(torch.tensor([1.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, 1, 3)).flatten().tolist()
        [True, True, False]
    """
    check_shape(flow, ("B", 2, "H", "W"), name="flow")
    x, y = _targets(flow)
    height, width = flow.shape[-2:]
    return ((x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1))[:, None]


def flow_resize(flow: Tensor, *, size: tuple[int, int]) -> Tensor:
    """Bring a flow to another resolution, and its values to the pixels of that resolution.

    Source: thesis eq. (3-6), which leaves the filter open.
    Decided: bilinear without aligned corners, so that pixel centres stay where they are in the picture.

    Args:
        flow: (dx, dy) in pixels.
        size: new height and width.

    Shape:
        (B, 2, H, W) -> (B, 2, *size), single precision, or double if `flow` is

    Example:
        >>> flow_resize(torch.full((1, 2, 4, 8), 4.0), size=(1, 4))[0, :, 0, 0]
        tensor([2., 1.])
    """
    check_shape(flow, ("B", 2, "H", "W"), name="flow")
    height, width = flow.shape[-2:]
    if min(size) < 1 or min(height, width) < 1:
        raise ShapeError(f"a flow cannot be resized from {height}x{width} to {size[0]}x{size[1]}")
    flow = flow.to(reading_dtype(flow))
    scale = torch.tensor((size[1] / width, size[0] / height), dtype=flow.dtype, device=flow.device)
    return interpolate(flow, size=size, mode="bilinear", align_corners=False) * scale.view(1, 2, 1, 1)


def _targets(flow: Tensor) -> tuple[Tensor, Tensor]:
    """Column and row that each pixel points to, (B, H, W) each, at least in single precision."""
    flow = flow.to(reading_dtype(flow))
    rows, columns = pixel_grid(flow, dtype=flow.dtype)
    return flow[:, 0] + columns, flow[:, 1] + rows
