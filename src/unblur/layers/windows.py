"""A picture as windows that overlap, and windows as a picture, each fading into the next."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

__all__ = ["WindowLayout", "from_window_values", "from_windows", "taper", "taper_ramp", "to_windows"]

_QUICK = 16  # a side that is a multiple of this many pixels has quick transforms


@dataclass(frozen=True, kw_only=True)
class WindowLayout:
    """How windows lie along a side of a picture.

    Attributes:
        side: of a window, pixels.
        stride: from one window to the next at most.
        widest: side that windows may have if fewer of them, which overlap as much, cover the picture; `side` by default.
        overlap: pixels by which as many windows overlap at most, being narrower where they would more; as wide as they are by default.
    """

    side: int
    stride: int
    widest: int = 0
    overlap: int = 0

    def along(self, length: int) -> tuple[list[int], int]:
        """Where windows begin so that they cover `length` evenly, and their side; one alone, of that length, if it covers all."""
        if length <= self.side:
            return [0], length
        side, overlap = self.side, self.side - self.stride
        count, fewer = (1 + max(math.ceil((length - most) / (most - overlap)), 0) for most in (side, max(side, self.widest)))
        if fewer < count:
            least = math.ceil((length - overlap) / fewer) + overlap
            count, side = fewer, min(_quick(least), self.widest, length)
        if self.overlap and count > 1:
            side = min(side, _quick(math.ceil((length + (count - 1) * self.overlap) / count)))
        return [(length - side) * place // max(count - 1, 1) for place in range(count)], side


def _quick(least: int) -> int:
    return math.ceil(least / _QUICK) * _QUICK


def to_windows(picture: Tensor, *, layout: WindowLayout) -> Tensor:
    """All windows of a picture, row by row.

    Shape:
        (B, C, H, W) -> (n·B, C, h, w), of the sides that the layout gives them
    """
    (rows, down), (columns, across) = (layout.along(length) for length in picture.shape[-2:])
    return torch.cat([picture[..., top : top + down, left : left + across] for top, left in product(rows, columns)])


def from_windows(windows: Tensor, shape: Sequence[int], *, layout: WindowLayout) -> Tensor:
    """The picture of which these are the windows, or what became of them: where they overlap, their mean, weighed by how far from the border.

    Args:
        windows: as from `to_windows`.
        shape: height and width of the picture.
        layout: as for `to_windows`.

    Shape:
        (n·B, C, h, w) -> (B, C, H, W)
    """
    (rows, height), (columns, width) = (layout.along(length) for length in shape)
    count = len(rows) * len(columns)
    if count == 1:
        return windows
    down, across = (_shares(length, layout=layout, like=windows) for length in shape)  # (rows, H), (columns, W)
    places = product(zip(rows, down, strict=True), zip(columns, across, strict=True))
    total = windows.new_zeros(windows.shape[0] // count, windows.shape[1], *shape)
    for ((top, row), (left, column)), window in zip(places, windows.chunk(count), strict=True):
        here = (..., slice(top, top + height), slice(left, left + width))
        total[here].addcmul_(window, row[top : top + height, None] * column[left : left + width])
    return total


def from_window_values(
    numbers: Tensor, shape: Sequence[int], *, layout: WindowLayout, border: Sequence[int] = (0, 0), cell: int = 1
) -> Tensor:
    """What `from_windows` gives for windows that are each of one value throughout, averaged over squares; as two small products of matrices.

    Args:
        numbers: of each window, in the order of `to_windows`.
        shape: height and width of the picture.
        layout: as for `to_windows`.
        border: pixels that are left away above and below, and at both sides.
        cell: side of the squares, pixels; what is left over below and at the right is left away.

    Shape:
        (n·B, C) -> (B, C, (H - 2·border) // cell, (W - 2·border) // cell)
    """
    shares = []
    for length, edge in zip(shape, border, strict=True):
        inside = (length - 2 * edge) // cell
        weight = _shares(length, layout=layout, like=numbers)[:, edge : edge + inside * cell]
        shares.append(weight.reshape(len(weight), inside, cell).mean(-1))
    down, across = shares  # (rows, h), (columns, w)
    grid = numbers.view(len(down), len(across), -1, numbers.shape[-1]).permute(2, 3, 0, 1)  # (B, C, rows, columns)
    return down.mT @ grid @ across


def taper(shape: Sequence[int], *, edge: int, like: Tensor) -> Tensor:
    """1 inside of a window, and falling to 0 within `edge` of its border, or a quarter of its side, along a raised cosine.

    Shape:
        (H, W) -> (H, W)
    """
    sides = []
    for length in shape:
        ramp = taper_ramp(length, edge=edge, like=like)
        sides.append(torch.cat([ramp, torch.ones(length - 2 * len(ramp), device=like.device), ramp.flip(0)]))
    return sides[0][:, None] * sides[1][None]


def taper_ramp(length: int, *, edge: int, like: Tensor) -> Tensor:
    """How `taper` begins along a side of some length: from 0 to 1, as many values as that takes."""
    fade = min(edge, length // 4)
    return 0.5 - 0.5 * torch.cos(math.pi * (torch.arange(fade, device=like.device) + 0.5) / fade)


def _shares(length: int, *, layout: WindowLayout, like: Tensor) -> Tensor:
    """How much each of the windows along a side counts at each place of it, (windows, length); all together 1."""
    places, side = layout.along(length)
    weight = like.new_zeros(len(places), length)
    for row, start in zip(weight, places, strict=True):
        row[start : start + side] = _hill(side, like=like)
    return weight / weight.sum(0)


def _hill(length: int, *, like: Tensor) -> Tensor:
    place = (torch.arange(length, device=like.device, dtype=like.dtype) + 0.5) / length
    return torch.sin(math.pi * place).square() + 1e-4
