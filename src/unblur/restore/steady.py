"""A restored clip that flickers less: each frame beside the ones before and after it, where these show the same.

What a network does not know it does a little differently in every frame, and that is seen as a flicker where nothing moves. Each frame's
neighbours are brought to it along the motion, and the mean is taken, with less of a neighbour the more it differs from the frame. So what moved
out of sight, what the motion was mistaken for, and another scene count for nothing, and the picture stays as sharp as it was. Noise of the camera
is averaged as well.
"""

from collections import deque
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["Steadier", "steadied"]

TOLERANCE = 3 / 255
"""Difference from the frame at which a neighbour counts e times less, for values in [0, 1]."""

_AROUND = 1.5  # pixels, standard deviation, over which differences are averaged
_SMALLEST = 12  # side of a picture in which motion can be estimated, pixels

Pixels = NDArray[Any]
Label = TypeVar("Label")


class Steadier(Generic[Label]):
    """Takes the frames of a clip in order, each with a label, and gives them back steadier, one frame later."""

    def __init__(self) -> None:
        self._held: deque[tuple[Label, Pixels, bool]] = deque(maxlen=3)

    def push(self, label: Label, pixels: Pixels, *, alone: bool = False) -> list[tuple[Label, Pixels]]:
        """Take the next frame; gives those that are ready.

        Args:
            label: what comes back with it.
            pixels: (H, W, 1 or 3) of 8 or 16 bit, or float in [0, 1].
            alone: leave this frame as it is, bit for bit; its neighbours may still look at it.
        """
        self._held.append((label, pixels, alone))
        return [self._ready(len(self._held) - 2)] if len(self._held) > 1 else []

    def finish(self) -> list[tuple[Label, Pixels]]:
        """The last frame, which waited for another one."""
        last = [self._ready(len(self._held) - 1)] if self._held else []
        self._held.clear()
        return last

    def _ready(self, place: int) -> tuple[Label, Pixels]:
        label, pixels, alone = self._held[place]
        others = [self._held[other][1] for other in (place - 1, place + 1) if 0 <= other < len(self._held)]
        return label, pixels if alone else steadied(pixels, others)


def steadied(frame: Pixels, neighbours: Sequence[Pixels]) -> Pixels:
    """The mean of a frame and its neighbours, brought to it along the motion, where they show the same as it does.

    Neighbours of another size or type are passed over, as is everything in pictures that are too small to see motion in.

    Shape:
        (H, W, 1 or 3) each -> (H, W, 1 or 3), of the type of `frame`
    """
    alike = [other for other in neighbours if other.shape == frame.shape and other.dtype == frame.dtype]
    if not alike or min(frame.shape[:2]) < _SMALLEST:
        return frame
    scale = 1.0 if np.issubdtype(frame.dtype, np.floating) else float(np.iinfo(frame.dtype).max)
    seen = _floats(frame, scale)
    total, weights = seen.copy(), np.ones(frame.shape[:2], np.float32)
    for other in alike:
        moved = _moved(_floats(other, scale), _flow(seen, _floats(other, scale)))
        difference = cv2.GaussianBlur(np.abs(moved - seen).mean(axis=2), (0, 0), _AROUND)
        weight = np.exp(-np.square(difference / TOLERANCE)).astype(np.float32)
        total += weight[..., None] * moved
        weights += weight
    mean = total / weights[..., None]
    if scale == 1.0:
        return mean.astype(frame.dtype)
    return np.clip(np.round(mean * scale), 0, scale).astype(frame.dtype)


def _floats(pixels: Pixels, scale: float) -> NDArray[np.float32]:
    return pixels.astype(np.float32) / np.float32(scale)


def _flow(frame: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """Where each pixel of `frame` is in `other`, (H, W, 2) as (dx, dy), by OpenCV's DIS."""
    grey = [np.clip(np.round(each.mean(axis=2) * 255), 0, 255).astype(np.uint8) for each in (frame, other)]
    method = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    return np.asarray(method.calc(grey[0], grey[1], np.zeros((*frame.shape[:2], 2), np.float32)), np.float32)


def _moved(other: NDArray[np.float32], flow: NDArray[np.float32]) -> NDArray[np.float32]:
    rows, columns = np.indices(flow.shape[:2], np.float32)
    moved = cv2.remap(other, columns + flow[..., 0], rows + flow[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.float32).reshape(other.shape)
