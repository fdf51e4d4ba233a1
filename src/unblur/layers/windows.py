"""A picture as windows that overlap, and windows as a picture, each fading into the next."""

import math
from collections.abc import Sequence
from itertools import product

import torch
from torch import Tensor

__all__ = ["fading", "from_numbers", "from_windows", "starts", "to_windows"]


def starts(length: int, *, side: int, stride: int) -> list[int]:
    """Where windows of `side` begin so that they cover `length` evenly, at most `stride` apart; one alone if it covers all."""
    if length <= side:
        return [0]
    last = length - side
    parts = math.ceil(last / stride)
    return [last * part // parts for part in range(parts + 1)]


def to_windows(picture: Tensor, *, side: int, stride: int) -> Tensor:
    """All windows of a picture, row by row.

    A picture that is narrower than `side` gives windows of its own width.

    Shape:
        (B, C, H, W) -> (n·B, C, min(side, H), min(side, W))
    """
    height, width = picture.shape[-2:]
    places = product(*(starts(length, side=side, stride=stride) for length in (height, width)))
    return torch.cat([picture[..., top : top + side, left : left + side] for top, left in places])


def from_windows(windows: Tensor, shape: Sequence[int], *, side: int, stride: int) -> Tensor:
    """The picture of which these are the windows, or what became of them: where they overlap, their mean, weighed by how far from the border.

    Args:
        windows: as from `to_windows`.
        shape: height and width of the picture.
        side: as for `to_windows`.
        stride: as for `to_windows`.

    Shape:
        (n·B, C, h, w) -> (B, C, H, W)
    """
    sides = [
        list(zip(starts(length, side=side, stride=stride), _shares(length, side=side, stride=stride, like=windows), strict=True))
        for length in shape
    ]
    places = list(product(*sides))
    if len(places) == 1:
        return windows
    total = windows.new_zeros(windows.shape[0] // len(places), windows.shape[1], *shape)
    for ((top, down), (left, across)), window in zip(places, windows.chunk(len(places)), strict=True):
        total[..., top : top + side, left : left + side] += window * (down[top : top + side, None] * across[left : left + side])
    return total


def from_numbers(numbers: Tensor, shape: Sequence[int], *, side: int, stride: int, border: Sequence[int] = (0, 0), cell: int = 1) -> Tensor:
    """What `from_windows` gives for windows that are each of one value throughout, averaged over squares; as two small products of matrices.

    Args:
        numbers: of each window, in the order of `to_windows`.
        shape: height and width of the picture.
        side: as for `to_windows`.
        stride: as for `to_windows`.
        border: pixels that are left away above and below, and at both sides.
        cell: side of the squares, pixels; what is left over below and at the right is left away.

    Shape:
        (n·B, C) -> (B, C, (H - 2·border) // cell, (W - 2·border) // cell)
    """
    shares = []
    for length, edge in zip(shape, border, strict=True):
        inside = (length - 2 * edge) // cell
        weight = _shares(length, side=side, stride=stride, like=numbers)[:, edge : edge + inside * cell]
        shares.append(weight.reshape(len(weight), inside, cell).mean(-1))
    down, across = shares  # (rows, h), (columns, w)
    grid = numbers.view(len(down), len(across), -1, numbers.shape[-1]).permute(2, 3, 0, 1)  # (B, C, rows, columns)
    return down.mT @ grid @ across


def fading(shape: Sequence[int], *, edge: int, like: Tensor) -> Tensor:
    """1 inside of a window, and falling to 0 within `edge` of its border, or a quarter of its side, along a raised cosine.

    Shape:
        (H, W) -> (H, W)
    """
    sides = []
    for length in shape:
        fade = min(edge, length // 4)
        ramp = 0.5 - 0.5 * torch.cos(math.pi * (torch.arange(fade, device=like.device) + 0.5) / fade)
        sides.append(torch.cat([ramp, torch.ones(length - 2 * fade, device=like.device), ramp.flip(0)]))
    return sides[0][:, None] * sides[1][None]


def _shares(length: int, *, side: int, stride: int, like: Tensor) -> Tensor:
    """How much each of the windows along one side counts at each place of it, (windows, length); all together 1."""
    places = starts(length, side=side, stride=stride)
    weight = like.new_zeros(len(places), length)
    for row, start in zip(weight, places, strict=True):
        row[start : start + side] = _hill(min(side, length), like=like)
    return weight / weight.sum(0)


def _hill(length: int, *, like: Tensor) -> Tensor:
    place = (torch.arange(length, device=like.device, dtype=like.dtype) + 0.5) / length
    return torch.sin(math.pi * place).square() + 1e-4
