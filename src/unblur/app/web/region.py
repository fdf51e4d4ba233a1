"""The part of a photo that is restored, as a visitor draws or types it, and the mix of a photo and its restoration there."""

import json
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from unblur.errors import InputError
from unblur.pixels import to_float, to_levels

__all__ = ["Region", "mixed", "region_of"]

FEATHER = 8
"""Pixels inside a region over which the restoration fades in, so that no edge is seen."""
MOST_POINTS = 100_000
"""Most points that all strokes of a brush may have together."""
_ROWS = 256  # that are mixed at a time
_HOW = "give left, top, right and bottom in pixels, such as `120, 80, 400, 300`, or draw it"


@dataclass(frozen=True)
class Region:
    """A rectangle, or what strokes of a brush have covered, in pixels of the upright picture.

    Attributes:
        rectangle: left, top, right and bottom; right and bottom are outside. None if there are strokes.
        strokes: width of the brush and the points (x, y) of each.
    """

    rectangle: tuple[float, float, float, float] | None = None
    strokes: tuple[tuple[float, tuple[tuple[float, float], ...]], ...] = ()

    def weights(self, height: int, width: int) -> NDArray[np.float32]:
        """How much the restoration counts at each pixel, (H, W) in [0, 1]: 0 outside, rising over `FEATHER` pixels inside.

        The borders of the picture are no edges of the region.
        """
        inside = np.zeros((height, width), np.uint8)
        if self.rectangle is not None:
            left, top, right, bottom = (round(value) for value in self.rectangle)
            inside[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = 1
        for brush, points in self.strokes:
            line = np.round(np.array(points)).astype(np.int32)
            cv2.polylines(inside, [line], isClosed=False, color=1, thickness=max(1, round(brush)))
            for x, y in (points[0], points[-1]):
                cv2.circle(inside, (round(x), round(y)), max(0, round(brush / 2)), 1, -1)
        if inside.all():
            return np.ones((height, width), np.float32)
        around = cv2.copyMakeBorder(inside, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
        distance = cv2.distanceTransform(around, cv2.DIST_L2, 5)[1:-1, 1:-1]
        return np.minimum(distance / np.float32(FEATHER), 1).astype(np.float32, copy=False)


def region_of(text: str) -> Region | None:
    """The region in a text: four numbers, JSON `{"strokes": [{"width": w, "points": [[x, y], ...]}, ...]}`, or none if it is empty.

    Raises:
        InputError: if it is something else.
    """
    text = text.strip()
    if not text:
        return None
    try:
        found = json.loads(text if text[0] in "[{" else f"[{text}]")
        region = _from_strokes(found) if isinstance(found, dict) else _from_numbers(found)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise InputError(f"`{text[:40]}` is no region; {_HOW}") from error
    return region


def mixed(blurry: NDArray[Any], restored: NDArray[Any], *, strength: float, region: Region | None) -> NDArray[Any]:
    """A photo and its restoration, mixed as `--strength` does, inside a region; outside it the photo's values are taken over unchanged.

    Args:
        blurry: (H, W, C), 8 or 16 bit.
        restored: of the same shape and type.
        strength: 0 gives the photo, 1 the restoration.
        region: None for everywhere.
    """
    if region is None and strength == 1:
        return restored
    weights = None if region is None else region.weights(*blurry.shape[:2])
    result = blurry.copy()
    for top in range(0, len(blurry), _ROWS):
        rows = slice(top, top + _ROWS)
        share = np.float32(strength) if weights is None else strength * weights[rows, :, None]
        before, after = to_float(blurry[rows]), to_float(restored[rows])
        levels = to_levels(before + share * (after - before), blurry.dtype)
        result[rows] = np.where(share > 0, levels, blurry[rows])
    return result


def _from_numbers(found: Any) -> Region:  # noqa: ANN401 - of a visitor
    left, top, right, bottom = (float(value) for value in found)
    if not (np.isfinite([left, top, right, bottom]).all() and left < right and top < bottom):
        raise ValueError
    return Region(rectangle=tuple(float(np.clip(value, -1e6, 1e6)) for value in (left, top, right, bottom)))  # type: ignore[arg-type]


def _from_strokes(found: dict[str, Any]) -> Region | None:
    strokes = []
    for stroke in found["strokes"]:
        points = tuple((float(x), float(y)) for x, y in stroke["points"])
        values = np.array(points)
        if not points or not np.isfinite(values).all() or np.abs(values).max() > 1e6 or not 1 <= float(stroke["width"]) <= 1e4:
            raise ValueError
        strokes.append((float(stroke["width"]), points))
    if sum(len(points) for _, points in strokes) > MOST_POINTS:
        raise ValueError
    return Region(strokes=tuple(strokes)) if strokes else None
