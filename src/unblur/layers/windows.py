"""Overlapping windows of a picture, and their weighted average back into a picture."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

__all__ = ["WindowLayout", "from_window_values", "from_windows", "taper", "taper_ramp", "to_windows"]

_FAST_MULTIPLE = 16  # sides that are multiples of this have fast Fourier transforms


@dataclass(frozen=True, kw_only=True)
class WindowLayout:
    """How windows are placed along each side of a picture.

    Attributes:
        side: of a window, pixels.
        stride: largest distance from one window to the next, pixels, from 1 to `side`.
        max_side: side up to which windows grow if fewer of them cover the picture then, with the same overlap; 0 for no growth.
        overlap: largest overlap, pixels: the same number of windows become narrower where they would overlap by more; 0 for no limit.
    """

    side: int = 272
    stride: int = 232
    max_side: int = 0
    overlap: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.stride <= self.side:
            raise ValueError(f"windows lie side by side or overlap, got windows of {self.side} pixels every {self.stride}")
        if self.max_side and self.max_side < self.side:
            raise ValueError(f"`max_side` is no less than `side`, which is {self.side}, or 0, got {self.max_side}")

    def along(self, length: int) -> tuple[list[int], int]:
        """Where windows begin so that they cover `length` evenly, and their side; a single window of that length if it is at most `side`."""
        if length <= self.side:
            return [0], length
        side, overlap = self.side, self.side - self.stride
        count, fewer = (1 + max(math.ceil((length - most) / (most - overlap)), 0) for most in (side, max(side, self.max_side)))
        if fewer < count:
            least = math.ceil((length - overlap) / fewer) + overlap
            count, side = fewer, min(_fast_side(least), self.max_side, length)
        if self.overlap and count > 1:
            side = min(side, _fast_side(math.ceil((length + (count - 1) * self.overlap) / count)))
        return [(length - side) * place // max(count - 1, 1) for place in range(count)], side


def _fast_side(least: int) -> int:
    return math.ceil(least / _FAST_MULTIPLE) * _FAST_MULTIPLE


def to_windows(picture: Tensor, *, layout: WindowLayout) -> Tensor:
    """All windows of a picture, row by row.

    Shape:
        (B, C, H, W) -> (n·B, C, h, w)
    """
    (rows, down), (columns, across) = (layout.along(length) for length in picture.shape[-2:])
    return torch.cat([picture[..., top : top + down, left : left + across] for top, left in product(rows, columns)])


def from_windows(windows: Tensor, shape: Sequence[int], *, layout: WindowLayout) -> Tensor:
    """The picture of these windows: where they overlap, their mean, weighted by the distance from their border.

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
    down, across = (_weights(length, layout=layout, like=windows) for length in shape)  # (rows, H), (columns, W)
    places = product(zip(rows, down, strict=True), zip(columns, across, strict=True))
    total = windows.new_zeros(windows.shape[0] // count, windows.shape[1], *shape)
    for ((top, row), (left, column)), window in zip(places, windows.chunk(count), strict=True):
        here = (..., slice(top, top + height), slice(left, left + width))
        total[here].addcmul_(window, row[top : top + height, None] * column[left : left + width])
    return total


def from_window_values(
    numbers: Tensor, shape: Sequence[int], *, layout: WindowLayout, border: Sequence[int] = (0, 0), cell: int = 1
) -> Tensor:
    """The result of `from_windows` for windows that are constant, averaged over cells; as two small matrix products.

    Args:
        numbers: one set for each window, in the order of `to_windows`.
        shape: height and width of the picture.
        layout: as for `to_windows`.
        border: pixels that are cropped above and below, and at both sides.
        cell: side of the cells, pixels; incomplete ones below and at the right are cropped.

    Shape:
        (n·B, C) -> (B, C, (H - 2·border) // cell, (W - 2·border) // cell)
    """
    weights = []
    for length, edge in zip(shape, border, strict=True):
        inside = (length - 2 * edge) // cell
        weight = _weights(length, layout=layout, like=numbers)[:, edge : edge + inside * cell]
        weights.append(weight.reshape(len(weight), inside, cell).mean(-1))
    down, across = weights  # (rows, h), (columns, w)
    grid = numbers.view(len(down), len(across), -1, numbers.shape[-1]).permute(2, 3, 0, 1)  # (B, C, rows, columns)
    return down.mT @ grid @ across


def taper(shape: Sequence[int], *, edge: int, like: Tensor) -> Tensor:
    """A raised-cosine taper: 1 inside of a window, falling to 0 within `edge` pixels of its border (at most a quarter of its side).

    Shape:
        (H, W) -> (H, W)
    """
    sides = []
    for length in shape:
        ramp = taper_ramp(length, edge=edge, like=like)
        sides.append(torch.cat([ramp, torch.ones(length - 2 * len(ramp), device=like.device), ramp.flip(0)]))
    return sides[0][:, None] * sides[1][None]


def taper_ramp(length: int, *, edge: int, like: Tensor) -> Tensor:
    """The first values of `taper` along a side of that length, rising from 0 to 1."""
    fade = min(edge, length // 4)
    return 0.5 - 0.5 * torch.cos(math.pi * (torch.arange(fade, device=like.device) + 0.5) / fade)


def _weights(length: int, *, layout: WindowLayout, like: Tensor) -> Tensor:
    """The weight of each window at each position along a side, (windows, length), of sum 1 over the windows."""
    places, side = layout.along(length)
    weight = like.new_zeros(len(places), length)
    for row, start in zip(weight, places, strict=True):
        row[start : start + side] = _bump(side, like=like)
    return weight / weight.sum(0)


def _bump(length: int, *, like: Tensor) -> Tensor:
    place = (torch.arange(length, device=like.device, dtype=like.dtype) + 0.5) / length
    return torch.sin(math.pi * place).square() + 1e-4
