"""Numbers as pictures: flow as colour, maps as heat, blur fields as strokes, and labelled sheets of them."""

from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from unblur.pixels import to_levels

__all__ = ["Bytes", "Cell", "axis_colours", "colour_wheel", "flow_colours", "heat", "kernels", "sheet", "strokes"]

Bytes = NDArray[np.uint8]
Cell = tuple[str, Bytes]
"""A line of text and the picture below it, (H, W, 3) RGB."""

_GAP, _LINE = 6, 20  # white pixels around a cell; height of its text
_INK = (20, 20, 20)


def flow_colours(flow: NDArray[Any], *, longest: float) -> Bytes:
    """Direction as hue and length as saturation: white stands still, full colour is `longest` or more.

    Args:
        flow: (H, W, 2), (dx, dy). Right is red, down yellow-green, left cyan, up violet.
        longest: above 0, in the unit of `flow`.

    Example:
        >>> flow_colours(np.array([[[0, 0], [2, 0]]]), longest=1).tolist()
        [[[255, 255, 255], [255, 0, 0]]]
    """
    x, y = flow[..., 0].astype(np.float32), flow[..., 1].astype(np.float32)
    degrees = np.degrees(np.arctan2(y, x)) % 360
    saturation = np.clip(np.hypot(x, y) / longest, 0, 1)
    hsv = np.stack([degrees, saturation, np.ones_like(saturation)], axis=2).astype(np.float32)
    return to_levels(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), np.uint8)


def colour_wheel(size: int, *, colours: Callable[..., Bytes]) -> Bytes:
    """The key to `colours` (`flow_colours` or `axis_colours`): each place has the colour of the way from the middle to it."""
    axis = np.linspace(-1, 1, size)
    flow = np.stack(np.meshgrid(axis, axis), axis=2)
    wheel = colours(flow, longest=1)
    wheel[np.hypot(flow[..., 0], flow[..., 1]) > 1] = 255
    return wheel


def heat(values: NDArray[Any], *, least: float = 0.0, most: float) -> Bytes:
    """(H, W) as colours, from dark violet at `least` to yellow at `most`."""
    share = np.clip((values.astype(np.float32) - least) / max(most - least, 1e-12), 0, 1)
    coloured = cv2.applyColorMap(to_levels(share, np.uint8), cv2.COLORMAP_VIRIDIS)
    return np.ascontiguousarray(coloured[..., ::-1])


def axis_colours(axis: NDArray[Any], *, longest: float) -> Bytes:
    """Like `flow_colours` for lines without a direction: a line and its reverse have one colour, at twice the angle.

    Args:
        axis: (H, W, 2), (dx, dy). Level is red, falling to the right yellow-green, upright cyan, rising violet.
        longest: above 0, in the unit of `axis`.
    """
    length = np.hypot(axis[..., 0], axis[..., 1])
    twice = 2 * np.arctan2(axis[..., 1], axis[..., 0])
    return flow_colours(length[..., None] * np.stack([np.cos(twice), np.sin(twice)], axis=-1), longest=longest)


def strokes(picture: Bytes, axis: NDArray[Any], *, step: int) -> Bytes:
    """Draw every `step` pixels a line along `axis`, as long as it is, over the darkened picture; small pictures are enlarged.

    Args:
        picture: (H, W, 3).
        axis: (H, W, 2), (dx, dy) in pixels; what is shorter than a pixel becomes a dot.
        step: distance of the lines in pixels.
    """
    grey = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    scale = max(2, -(-640 // picture.shape[1]))  # thin lines need some pixels
    drawn = cv2.resize(grey // 2, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    colours = axis_colours(axis, longest=1e-6)  # of the direction alone
    for y in range(step // 2, axis.shape[0], step):
        for x in range(step // 2, axis.shape[1], step):
            if np.hypot(*axis[y, x]) < 1:
                cv2.circle(drawn, (scale * x, scale * y), 1, (200, 200, 200), -1, cv2.LINE_AA)
                continue
            half = axis[y, x] / 2
            start, end = ((round(scale * float(x + sign * half[0])), round(scale * float(y + sign * half[1]))) for sign in (-1, 1))
            cv2.line(drawn, start, end, tuple(int(value) for value in colours[y, x]), 2, cv2.LINE_AA)
    return drawn.astype(np.uint8, copy=False)


def kernels(weights: NDArray[Any], *, count: int) -> Bytes:
    """Draw filters of a grid of places: (k, k, h, w) to `count` filters a row, light where a weight is high, each by itself."""
    size, height, width = weights.shape[0], *weights.shape[2:]
    columns = min(count, width)
    rows = max(1, min(height, round(columns * height / width)))
    cell = size * max(1, 24 // size)
    drawn = np.full((rows * (cell + 2), columns * (cell + 2), 3), 255, np.uint8)
    for row in range(rows):
        for column in range(columns):
            kernel = weights[:, :, (2 * row + 1) * height // (2 * rows), (2 * column + 1) * width // (2 * columns)]
            picture = heat(kernel, least=float(kernel.min()), most=float(kernel.max()))
            top, left = row * (cell + 2), column * (cell + 2)
            drawn[top : top + cell, left : left + cell] = cv2.resize(picture, (cell, cell), interpolation=cv2.INTER_NEAREST)
    return drawn


def sheet(rows: Sequence[Sequence[Cell]], *, width: int = 320) -> Bytes:
    """Lay pictures out in rows, each under its text; small ones are enlarged to `width` without smoothing, large ones averaged down."""
    strips = [np.concatenate([_framed(text, picture, width) for text, picture in _filled(row)], axis=1) for row in rows]
    wide = max(strip.shape[1] for strip in strips)
    return np.concatenate([np.pad(strip, ((0, 0), (0, wide - strip.shape[1]), (0, 0)), constant_values=255) for strip in strips])


def _filled(row: Sequence[Cell]) -> list[Cell]:
    """The cells of a row, brought to one proportion by white below the lower ones."""
    tallest = max(picture.shape[0] / picture.shape[1] for _, picture in row)
    return [(text, _extended(picture, round(tallest * picture.shape[1]))) for text, picture in row]


def _extended(picture: Bytes, height: int) -> Bytes:
    return np.pad(picture, ((0, max(height - picture.shape[0], 0)), (0, 0), (0, 0)), constant_values=255)


def _framed(text: str, picture: Bytes, width: int) -> Bytes:
    height = max(1, round(picture.shape[0] * width / picture.shape[1]))
    shrinks = picture.shape[1] > width
    fitted = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_NEAREST)
    cell = np.full((height + _LINE + _GAP, width + _GAP, 3), 255, np.uint8)
    cv2.putText(cell, text, (2, _LINE - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.42, _INK, 1, cv2.LINE_AA)
    cell[_LINE : _LINE + height, :width] = fitted
    return cell
