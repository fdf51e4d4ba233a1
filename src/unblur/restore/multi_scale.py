"""A picture restored at several sizes, of which each place takes the one that changes most.

A network has learnt blur of some pixels. A photo of many pixels is blurred over more, and is then restored better made small: the change to the
small one, enlarged, is added to what is there. Which size is best for which place need not be learnt. What a picture may have been before, on average over all that is
possible, differs from it the more, the more is known of that; so the strongest change is taken, in each place and each of three bands of
frequencies.

Source: for the mean of the truth x given a picture y, E|x - y|² - E|x - E[x|y]|² = E|E[x|y] - y|²: what is gained is the mean square of the change
(the law of total variance). Decided: all else. It is a rule of thumb for networks that have other losses and see other blur
than in training; `python -m benchmarks.quality PAIRS --enlarge 2` says what it is worth.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from unblur.pixels import peak_value, to_float, to_levels
from unblur.restore.tiles import Pixels

__all__ = ["Restored", "area", "finer_scales_add_nothing", "joined", "shape_at", "shapes", "shrunk"]

LEAST_SIDE = 128
"""Shorter side of the smallest scale, pixels."""

_BANDS = 3  # an octave each; the last has all that is below
_CELL = 16  # pixels over which squares are averaged
_MEAN_CELLS = 9  # side of the square over which squares are averaged again, cells
_POWER = 3  # of a mean square, by which a change counts
_SMALLER = 0.65  # how much the mean square of a smaller size counts beside that of the largest
_WEAKER = 0.5  # a size that changes the picture by so much less, in mean square, than the one before it is the last ...
_PLAIN = 1e-4  # ... if that changed it by so much: what is sharp when small is changed a little there by chance, which tells nothing of larger sizes
_LEAST = 1e-12  # mean square of a change that is none
_PIXELS = 1 << 20  # that are joined at a time
_MARGIN = 160  # rows around those that have a say: cells, and what the bands reach
_MEAN = np.full((1, 3), 1 / 3, np.float32)  # of the colours
_SLOPE = -0.75  # of the cubic curve at 1, as OpenCV has it


class Restored(NamedTuple):
    """A picture at some size, and what was made of it."""

    picture: Pixels
    restored: Pixels


def shapes(height: int, width: int, *, step: float | None) -> list[tuple[int, int]]:
    """Height and width of each size, from the smallest to the picture's own.

    Args:
        height: of the picture, pixels.
        width: of the picture.
        step: how many times smaller each size is than the one before it, above 1; None for the picture's own size alone.
    """
    sizes = [(height, width)]
    if step is None:
        return sizes
    times = step
    while min(height, width) >= LEAST_SIDE * times:
        sizes.insert(0, (round(height / times), round(width / times)))
        times *= step
    return sizes


def area(height: int, width: int, *, step: float | None) -> float:
    """Pixels of all sizes together, in pictures of the given size."""
    return sum(high * wide for high, wide in shapes(height, width, step=step)) / (height * width)


def shape_at(picture: Pixels, scale: float) -> tuple[int, int]:
    """Height and width of a picture at a scale."""
    height, width = (max(round(side * scale), 1) for side in picture.shape[:2])
    return height, width


def shrunk(picture: Pixels, shape: tuple[int, int]) -> Pixels:
    """(H, W, C) made (h, w, C), of the same type: each pixel is the mean of what it covers."""
    if picture.shape[:2] == shape:
        return picture
    small: NDArray[Any] = cv2.resize(picture, shape[::-1], interpolation=cv2.INTER_AREA)
    return _with_channels(small, picture)


def finer_scales_add_nothing(sizes: Sequence[Restored]) -> bool:
    """Whether larger sizes would tell nothing more, so that they need not be restored.

    Args:
        sizes: restored so far, from the smallest on.
    """
    if len(sizes) < 2:
        return False
    before, now = map(_mean_square, sizes[-2:])
    return before > _PLAIN and now < _WEAKER * before


def joined(picture: Pixels, sizes: Sequence[Restored]) -> Pixels:
    """The picture, changed in each place as the size that changes it most there.

    Args:
        picture: RGB or grey, 8 or 16 bit or float in [0, 1].
        sizes: of it, restored, from the smallest to the largest.

    Shape:
        (H, W, C), each (h, w, C) twice -> (H, W, C), of the type of `picture`
    """
    height, width = picture.shape[:2]
    result = np.empty_like(picture)
    for first in range(0, height, _rows(width)):
        last = min(first + _rows(width), height)
        top, bottom = max(first - _MARGIN, 0), min(last + _MARGIN, height)
        change = _strongest([_enlarged(restored, picture.shape, top, bottom) for restored in sizes])
        result[first:last] = _added(picture[first:last], change[first - top : last - top])
    return result


def _mean_square(restored: Restored) -> float:
    """Mean square of the change by the restoration, over all values of the picture, which are in [0, 1]."""
    height, width = restored.picture.shape[:2]
    rows = _rows(width)
    changes = (_change(restored, first, first + rows) for first in range(0, height, rows))
    return sum(float(np.vdot(change, change)) for change in changes) / restored.picture.size


def _rows(width: int) -> int:
    """How many rows are joined at a time: a multiple of `_CELL`, and more than those around them."""
    return max(_PIXELS // width, 2 * _MARGIN) // _CELL * _CELL


def _strongest(changes: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Changes of one picture, (H, W, C) each, of which in each place and band the strongest counts."""
    height, width = changes[0].shape[:2]
    whole = [_with_channels(cv2.copyMakeBorder(each, 0, -height % _CELL, 0, -width % _CELL, cv2.BORDER_REFLECT), each) for each in changes]
    bands = zip(*(_bands(each) for each in whole), strict=True)
    result = np.zeros((1, 1, 1), np.float32)
    for level, band in enumerate(reversed(list(bands))):  # from the lowest
        mixed = _mixed(band, cell=_CELL >> (_BANDS - 1 - level))
        result = mixed if level == 0 else mixed + _doubled(result)
    return result[:height, :width]


def _bands(change: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """What is in each octave of frequencies at half the resolution of the one before: a Laplacian pyramid."""
    bands = []
    for _ in range(_BANDS - 1):
        below = _with_channels(cv2.pyrDown(change), change)
        bands.append(change - _doubled(below))
        change = below
    return [*bands, change]


def _doubled(band: NDArray[np.float32]) -> NDArray[np.float32]:
    return _with_channels(cv2.pyrUp(band), band)


def _mixed(band: Sequence[NDArray[np.float32]], *, cell: int) -> NDArray[np.float32]:
    """One band of all changes, each counting by how strong it is around a place."""
    height, width = band[0].shape[:2]
    grid = width // cell, height // cell
    squares = [cv2.resize(_grey(np.square(each)), grid, interpolation=cv2.INTER_AREA) for each in band]
    weight = [np.float32(_SMALLER)] * (len(band) - 1) + [np.float32(1)]
    energy = np.stack(
        [cv2.blur(each, (_MEAN_CELLS, _MEAN_CELLS), borderType=cv2.BORDER_REFLECT) * one for each, one in zip(squares, weight, strict=True)]
    )
    share = (energy / np.maximum(energy.max(axis=0), _LEAST)) ** _POWER
    share /= np.maximum(share.sum(axis=0), _LEAST)
    total = np.zeros_like(band[0])
    for each, part in zip(band, share, strict=True):
        total += each * cv2.resize(part, (width, height), interpolation=cv2.INTER_LINEAR)[..., None]
    return total


def _grey(picture: NDArray[np.float32]) -> NDArray[Any]:
    return picture[..., 0] if picture.shape[2] == 1 else cv2.transform(picture, _MEAN)


def _enlarged(restored: Restored, shape: Sequence[int], top: int, bottom: int) -> NDArray[np.float32]:
    """Rows of the change, enlarged to a picture's shape, along cubic curves."""
    height, width = shape[:2]
    small = restored.picture.shape[0]
    if restored.picture.shape[:2] == (height, width):
        return _change(restored, top, bottom)
    place = (np.arange(top, bottom) + 0.5) * (small / height) - 0.5
    first = np.floor(place).astype(int)
    begin = max(int(first[0]) - 1, 0)
    rows = _change(restored, begin, int(first[-1]) + 3)
    way = (place - first).astype(np.float32)[:, None, None]
    high = sum(rows[np.clip(first + tap - begin, 0, len(rows) - 1)] * _cubic(np.abs(way - tap)) for tap in range(-1, 3))
    return _with_channels(cv2.resize(high, (width, bottom - top), interpolation=cv2.INTER_CUBIC), high)


def _cubic(away: NDArray[np.float32]) -> NDArray[np.float32]:
    """How much a row counts that lies so far away, less than 2 (Keys, IEEE Transactions on Acoustics 1981)."""
    near = ((_SLOPE + 2) * away - (_SLOPE + 3)) * away * away + 1
    far = _SLOPE * (((away - 5) * away + 8) * away - 4)
    return np.where(away <= 1, near, far)


def _change(restored: Restored, top: int, bottom: int) -> NDArray[np.float32]:
    before, after = (each[top:bottom].astype(np.float32) for each in restored)
    return (after - before) / np.float32(peak_value(restored.picture.dtype))


def _added(picture: Pixels, change: NDArray[np.float32]) -> NDArray[Any]:
    return to_levels(to_float(picture) + change, picture.dtype)


def _with_channels(picture: NDArray[Any], like: NDArray[Any]) -> NDArray[Any]:
    """OpenCV drops a single channel's axis; here it stays."""
    return picture.reshape(*picture.shape[:2], like.shape[2])
