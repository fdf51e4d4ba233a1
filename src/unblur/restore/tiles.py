"""Tiles: a picture of any size through a network in bounded memory, without seams.

A tile is a core, which is its share of the output, and a halo around it, which only gives the network what it needs to
see. With a halo of at least the sum of the network's receptive radius and `BAND`, the result is that of the whole
picture. Networks that see the whole picture (by a global average, say) differ slightly from tile to tile; so
neighbouring cores overlap by a band in which one fades into the other along a raised cosine.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["BAND", "Tile", "best_core", "cut", "layout", "restore_tiled"]

Pixels = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.float32]

FitSize = Callable[[int, int], tuple[int, int]]
"""(height, width) of a tile, pixels, to the smallest ones that are not less and that a network takes."""

BAND = 16
"""Half the width of the band in which two cores overlap, pixels."""


@dataclass(frozen=True)
class Tile:
    """Where a tile lies, in pixels of the picture; ends are exclusive.

    Attributes:
        top, left, bottom, right: the core.
    """

    top: int
    left: int
    bottom: int
    right: int


def layout(height: int, width: int, *, core: tuple[int, int]) -> list[list[Tile]]:
    """Rows of tiles with cores of about equal size, at most `core` high and wide, that cover the picture exactly."""
    rows, columns = _edges(height, core[0]), _edges(width, core[1])
    return [[Tile(top, left, bottom, right) for left, right in columns] for top, bottom in rows]


def best_core(height: int, width: int, *, pixels: float, halo: int, smallest: int, largest: float) -> tuple[int, int]:
    """The core (height, width) whose tiles, with their halos, have at most `pixels` and together the fewest.

    Halos are computed twice and more: for a large halo, strips from border to border take much less than squares.

    Args:
        height: of the picture.
        width: of the picture.
        pixels: that a tile may have with its halo.
        halo: context around a core, pixels.
        smallest: side that a core keeps even if its tile has more than `pixels`.
        largest: side that a core must not exceed; at least `smallest`.

    Example:
        >>> best_core(2160, 3840, pixels=3.5e6, halo=512, smallest=64, largest=float("inf"))
        (2160, 549)
    """
    (heights, high), (widths, wide) = (_choices(size, halo=halo, smallest=smallest, largest=largest) for size in (height, width))
    best, least = (heights[-1][0], widths[-1][0]), float("inf")
    for core_height, tall in heights:
        for core_width, broad in widths:  # from the widest on: the first that fits is the best
            if tall * broad <= pixels:
                work = high[core_height] * wide[core_width]
                if work < least:
                    best, least = (core_height, core_width), work
                break
    return best


def cut(picture: Pixels, *, top: int, left: int, height: int, width: int) -> Pixels:
    """The part of (H, W, C) `picture` at the given place, mirrored where it reaches beyond the border.

    A picture of one pixel in a direction is repeated there.
    """
    rows, columns = picture.shape[:2]
    inside = picture[max(top, 0) : max(min(top + height, rows), 0), max(left, 0) : max(min(left + width, columns), 0)]
    if inside.shape[:2] == (height, width):
        return inside
    if min(inside.shape[:2]) > 0 and _mirror_fits(top, height, rows) and _mirror_fits(left, width, columns):
        pads = max(-top, 0), max(top + height - rows, 0), max(-left, 0), max(left + width - columns, 0)
        padded: NDArray[Any] = cv2.copyMakeBorder(inside, *pads, cv2.BORDER_REFLECT_101)
        return padded.reshape(height, width, picture.shape[2])  # OpenCV drops a single channel's axis
    at_rows, at_columns = (_mirrored(start, count, size) for start, count, size in ((top, height, rows), (left, width, columns)))
    return picture[at_rows[:, None], at_columns]


def restore_tiled(
    picture: Pixels,
    restore: Callable[[Pixels], Tensor],
    *,
    core: tuple[int, int],
    halo: int,
    multiple: int,
    fit: FitSize | None = None,
) -> Iterator[tuple[int, Tensor]]:
    """Restore `picture` tile by tile; yields (first row, rows (C, h, W)) from top to bottom, each row once.

    Args:
        picture: (H, W, C).
        restore: takes a cut picture (h, w, C) with sides that `fit` gives, gives (C, h, w) in fp32.
        core: largest height and width of a core, pixels; above 3 * `BAND`, or cores of less than 2 * `BAND` come out.
        halo: context around a core, pixels; at least `BAND` wherever there is more than one tile.
        multiple: tiles begin at multiples of this.
        fit: gives the sides that `restore` takes for a tile of at least some height and width, see `unblur.models.base.Net.fit_size`; the next
            multiples of `multiple` if None.
    """

    def multiples(height: int, width: int) -> tuple[int, int]:
        return _round_up(height, multiple), _round_up(width, multiple)

    fit = fit or multiples
    height, width = picture.shape[:2]
    grid = layout(height, width, core=core)
    band = min(BAND, halo)
    carried: Tensor | None = None  # rows that the next row of tiles fades into
    for row in grid:
        top, bottom = row[0].top, row[0].bottom
        first, last = max(top - band, 0), min(bottom + band, height)
        across: Tensor | None = None
        for tile in row:
            left, right = max(tile.left - band, 0), min(tile.right + band, width)
            piece = _restore_one(picture, restore, (first, left, last, right), tile, halo=halo, multiple=multiple, fit=fit)
            if len(grid) == len(row) == 1:
                yield 0, piece
                return
            piece = piece * _fade(tile.left, tile.right, width, band=band, device=piece.device)
            if across is None:
                across = torch.zeros(piece.shape[0], last - first, width, device=piece.device)
            across[:, :, left:right] += piece
        assert across is not None
        across *= _fade(top, bottom, height, band=band, device=across.device)[:, None]
        if carried is not None:
            across[:, : carried.shape[1]] += carried
        done = (height if bottom == height else bottom - band) - first
        yield first, across[:, :done]
        carried = across[:, done:]


def _edges(size: int, core: int) -> list[tuple[int, int]]:
    count = -(-size // core)
    cuts = [size * i // count for i in range(count + 1)]
    return list(pairwise(cuts))


def _choices(size: int, *, halo: int, smallest: int, largest: float) -> tuple[list[tuple[int, int]], dict[int, int]]:
    """Cores that cut a side of a picture in 1, 2, 3, ... parts with the longest tile of each, and the sum of its tiles."""
    longest, sums = [], {}
    fewest = 1 if size <= largest else math.ceil(size / largest)
    for parts in range(fewest, max(size // smallest, fewest) + 1):
        core = -(-size // parts)
        tiles = [min(end + halo, size) - max(start - halo, 0) for start, end in _edges(size, core)]
        longest.append((core, max(tiles)))
        sums[core] = sum(tiles)
    return longest, sums


def _restore_one(
    picture: Pixels,
    restore: Callable[[Pixels], Tensor],
    box: tuple[int, int, int, int],
    tile: Tile,
    *,
    halo: int,
    multiple: int,
    fit: FitSize,
) -> Tensor:
    """Restore the box (top, left, bottom, right) around a tile's core."""
    (top, high), (left, wide) = _placed(tile, picture.shape[:2], halo=halo, multiple=multiple, fit=fit)
    restored = restore(cut(picture, top=top, left=left, height=high, width=wide))
    return restored[:, box[0] - top : box[2] - top, box[1] - left : box[3] - left]


def _placed(tile: Tile, shape: Sequence[int], *, halo: int, multiple: int, fit: FitSize) -> tuple[tuple[int, int], tuple[int, int]]:
    """First row and height, and first column and width, of a tile with its halo.

    Tiles begin at multiples of the network's stride, and end beyond the picture's border only as far as the whole picture does when it is
    fitted: so each pixel is computed as it would be in the whole picture. A tile that must be larger than it needs begins earlier instead.
    """
    sides = fit(shape[0], shape[1])
    starts = [max(start - halo, 0) // multiple * multiple for start in (tile.top, tile.left)]
    ends = [min(end + halo, side) for end, side in zip((tile.bottom, tile.right), sides, strict=True)]
    while True:
        lengths = fit(ends[0] - starts[0], ends[1] - starts[1])
        beyond = [place for place in (0, 1) if starts[place] + lengths[place] > sides[place]]
        if not beyond:
            return (starts[0], lengths[0]), (starts[1], lengths[1])
        for place in beyond:
            starts[place] = max(sides[place] - lengths[place], 0) // multiple * multiple
            ends[place] = sides[place]


def _fade(start: int, end: int, size: int, *, band: int, device: torch.device) -> Tensor:
    """Weights of a core's rows or columns with its bands; neighbours' weights add up to 1."""
    first, last = max(start - band, 0), min(end + band, size)
    weights = torch.ones(last - first)
    ramp = torch.sin((torch.arange(2 * band) + 0.5) / (2 * band) * (torch.pi / 2)).square()
    if start > 0:
        weights[: 2 * band] = ramp
    if end < size:
        weights[len(weights) - 2 * band :] = ramp.flip(0)
    return weights.to(device)


def _mirror_fits(start: int, count: int, size: int) -> bool:
    """Whether one mirroring of what is cut is enough, so that the fast way gives the same as the general one."""
    inside = min(start + count, size) - max(start, 0)
    return max(-start, 0) < inside and max(start + count - size, 0) < inside


def _mirrored(start: int, count: int, size: int) -> NDArray[np.int64]:
    """Indices start … start+count-1 folded into 0 … size-1 by mirroring at the middles of the border pixels."""
    if size == 1:
        return np.zeros(count, np.int64)
    period = 2 * (size - 1)
    folded = np.arange(start, start + count) % period
    return np.where(folded < size, folded, period - folded)


def _round_up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple
