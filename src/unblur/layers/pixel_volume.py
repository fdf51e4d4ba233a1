"""Candidates for the pixel that matches each pixel, by the motion of those around it."""

import torch
from torch import Tensor
from torch.nn.functional import pad

from unblur.errors import ShapeError
from unblur.layers.check import check_shape
from unblur.layers.sampling import pixel_grid, reading_dtype

__all__ = ["pixel_volume"]


def pixel_volume(image: Tensor, flow: Tensor, *, size: int, fallback: Tensor) -> Tensor:
    """Read a neighbouring frame at each position by the motion of that position and of all in a square around it.

    Source: Son et al. (TOG 2021), section 4: V(p)[d] = image(p + flow(p + d)). Where the motion is uniform all candidates are the same pixel, so
    a wrong vector is outvoted by those around it.
    Decided: the nearest pixel is read, as in the authors' program, so that no candidate is a mixture; no gradient reaches the flow.
    Displacements d run row by row from the upper left. Where p + d or the position read lies outside the frame, the candidate is
    the fallback at p.

    Args:
        image: the neighbouring frame, one channel.
        flow: from the reference to it, (dx, dy) in pixels.
        size: side of the square, odd.
        fallback: what stands in for a candidate that does not exist: the reference frame.

    Shape:
        image and fallback (B, 1, H, W); flow (B, 2, H, W) -> (B, size^2, H, W)

    Raises:
        ShapeError: if the shapes do not fit.
        ValueError: if `size` is even or not positive.

    Example:
        >>> row = torch.arange(4.0).view(1, 1, 1, 4)
        >>> flow = torch.zeros(1, 2, 1, 4)
        >>> flow[:, 0] = 1  # all moves by a pixel
        >>> pixel_volume(row, flow, size=1, fallback=row - 10)
        tensor([[[[ 1.,  2.,  3., -7.]]]])
    """
    if size < 1 or size % 2 == 0:
        raise ValueError(f"size must be odd and positive, got {size}")
    check_shape(image, ("B", 1, "H", "W"), name="image")
    check_shape(flow, (image.shape[0], 2, *image.shape[-2:]), name="flow")
    if fallback.shape != image.shape:
        raise ShapeError(f"fallback must have the shape of image, {tuple(image.shape)}, got {tuple(fallback.shape)}")
    batch, _, height, width = image.shape
    reach = size // 2
    flow = flow.detach().to(reading_dtype(flow))
    rows, columns = pixel_grid(flow, dtype=flow.dtype)
    # Half a pixel up is rounded to the same side wherever it is. What lies far outside the frame stays outside it, and so does the margin.
    x, y = (
        pad(torch.floor(place + 0.5).clamp(-size, extent + size).long(), (reach,) * 4, value=-size)
        for place, extent in ((flow[:, 0] + columns, width), (flow[:, 1] + rows, height))
    )  # (B, H + 2 reach, W + 2 reach)
    pixels = image.flatten(1)
    candidates = []
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            window = (..., slice(reach + dy, reach + dy + height), slice(reach + dx, reach + dx + width))
            column, row = x[window] - dx, y[window] - dy  # p + flow(p + d); (B, H, W)
            inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
            index = row.clamp(0, height - 1) * width + column.clamp(0, width - 1)
            read = pixels.gather(1, index.flatten(1)).view(batch, height, width)
            candidates.append(torch.where(inside, read, fallback[:, 0]))
    return torch.stack(candidates, dim=1)
