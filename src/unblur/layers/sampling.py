"""Bilinear reading of a feature map at any positions: the one place where a fractional coordinate is turned into pixels.

Positions, weights and the reading itself are in single precision (double if any input is) whatever the features are, also
under autocast: a coordinate of a 1280 pixels wide frame rounded to bfloat16 is off by up to four pixels.
"""

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag, grid_sample, pad

from unblur.errors import ShapeError
from unblur.layers.check import check_shape
from unblur.layers.portable import is_portable

__all__ = ["CORNERS", "FEW_CHANNELS", "bilinear_read", "bilinear_rows", "padded_rows", "pixel_grid", "reading_dtype", "weighted_rows"]

CORNERS = 4
"""Pixels around a position, each with its share in what is read there."""

FEW_CHANNELS = 24
"""Below this many channels `grid_sample` is faster: a row of the table is too short to pay for being looked up."""


def reading_dtype(*tensors: Tensor) -> torch.dtype:
    """Precision in which positions are kept and features read: double if any of the tensors is, single otherwise."""
    return torch.float64 if any(tensor.dtype == torch.float64 for tensor in tensors) else torch.float32


def pixel_grid(like: Tensor, *, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Row and column of every pixel of `like`, as (H, 1) and (1, W), to be broadcast."""
    height, width = like.shape[-2:]
    rows = torch.arange(height, dtype=dtype, device=like.device)
    columns = torch.arange(width, dtype=dtype, device=like.device)
    return rows[:, None], columns[None, :]


def bilinear_read(feat: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """Read features between the pixels.

    The value at a position is the mean of the four pixels around it, weighted by closeness; pixels outside the frame are 0.

    Args:
        feat: features.
        y: row of each position in pixels, 0 being the centre of the first row; any value, also outside the frame.
        x: column of each position in pixels.

    Returns:
        The features there, in the precision of `feat`. The derivative by the position is that of the bilinear function, at
        a pixel centre the one towards the higher row or column.

    Shape:
        feat (B, C, H, W); y and x (B, P, Q) -> (B, C, P, Q)

    Raises:
        ShapeError: if the shapes do not fit.

    Example:
        >>> ramp = torch.arange(4.0).view(1, 1, 2, 2)
        >>> bilinear_read(ramp, torch.tensor([[[0.5]]]), torch.tensor([[[0.5]]]))
        tensor([[[[1.5000]]]])
    """
    check_shape(feat, ("B", "C", "H", "W"), name="feat")
    batch, channels, height, width = feat.shape
    check_shape(y, (batch, "P", "Q"), name="y")
    if x.shape != y.shape:
        raise ShapeError(f"y and x must have the same shape, got {tuple(y.shape)} and {tuple(x.shape)}")
    dtype = reading_dtype(feat, y, x)
    y, x = y.to(dtype), x.to(dtype)
    if channels < FEW_CHANNELS:
        # Pixel i lies at (2 i + 1) / size - 1 when corners are not aligned; that also holds for a size of 1.
        grid = torch.stack(((2 * x.clamp(-1, width) + 1) / width - 1, (2 * y.clamp(-1, height) + 1) / height - 1), dim=-1)
        read = grid_sample(feat.to(dtype), grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    else:
        rows, shares = bilinear_rows(y, x, height=height, width=width)  # (B, P, Q, 4)
        bags = weighted_rows(padded_rows(feat.to(dtype)), rows.flatten(0, 2), shares.flatten(0, 2))
        read = bags.view(*y.shape, channels).permute(0, 3, 1, 2)
    return read.to(feat.dtype)


def padded_rows(feat: Tensor) -> Tensor:
    """The pixels of a batch as rows of a table, with a border of zeros so that no position needs to be checked.

    Shape:
        (B, C, H, W) -> (B * (H + 3) * (W + 3), C): one row or column before the frame, two after it
    """
    return pad(feat.permute(0, 2, 3, 1), (0, 0, 1, 2, 1, 2)).flatten(0, 2)


def weighted_rows(table: Tensor, rows: Tensor, shares: Tensor) -> Tensor:
    """Weighted sums of rows of a table.

    Args:
        table: as from `padded_rows`.
        rows: numbers of the rows in each sum.
        shares: their weights, in the precision of the table.

    Shape:
        (R, C), (N, M), (N, M) -> (N, C)
    """
    if not is_portable():
        return embedding_bag(rows, table, per_sample_weights=shares, mode="sum")
    terms = (table[row] * share[:, None] for row, share in zip(rows.unbind(1), shares.unbind(1), strict=True))
    total = next(terms)
    for term in terms:
        total = total + term
    return total


def bilinear_rows(y: Tensor, x: Tensor, *, height: int, width: int) -> tuple[Tensor, Tensor]:
    """The four rows of the table of `padded_rows` that surround each position, and the share of each.

    Args:
        y: rows, single or double precision.
        x: columns.
        height: of the frame that was padded.
        width: of it.

    Returns:
        Row numbers, and shares that sum to 1. A position that is not a number has shares that are not numbers.

    Shape:
        y and x (B, P, Q) -> two of (B, P, Q, 4)
    """
    y, x = y.clamp(-1, height), x.clamp(-1, width)  # further out everything is 0, and the border holds that
    top, left = y.detach().floor(), x.detach().floor()
    down, right = y - top, x - left
    up, over = 1 - down, 1 - right
    pitch = width + 3
    frame = torch.arange(y.shape[0], device=y.device).view(-1, 1, 1) * ((height + 3) * pitch)
    # Clamped once more as integers: what is not a number becomes any integer.
    first = (top.long().clamp(-1, height) + 1) * pitch + left.long().clamp(-1, width) + 1 + frame
    rows = torch.stack((first, first + 1, first + pitch, first + pitch + 1), dim=-1)
    shares = torch.stack((up * over, up * right, down * over, down * right), dim=-1)
    return rows, shares
