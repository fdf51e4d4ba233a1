"""Scene cuts: where a clip goes on with another picture, so that no window of frames reaches across."""

from collections import deque
from statistics import median

import numpy as np
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from unblur.flow import MIN_BIDIRECTIONAL_SIDE, bidirectional_flow
from unblur.pixels import to_pixels

__all__ = ["CutDetector"]

_SIDE = 160  # longer side of the picture in which motion is looked for, pixels
_COLUMNS = 32  # of the thumbnail; four of them are large against what a camera moves from frame to frame
_REACH = 2  # columns by which thumbnails are moved against each other
_HISTORY = 9  # differences that are remembered


class CutDetector:
    """Tells whether a frame belongs to another scene than the one before, from nothing but the frames so far.

    The mean absolute difference of two thumbnails, in that place of 5x5 in which they agree best, is compared with a fixed
    threshold and with what is usual in the clip, the median of the last differences. Cells and places keep what the camera
    does from counting, the threshold noise, the median violent motion. A false cut costs the frames around it their neighbours,
    a missed one mixes two scenes; so the threshold is low, and what is above it is looked at once more: where flow leads from one
    frame to the other and back (`unblur.flow.BidirectionalFlow.is_cut`), the camera has only moved fast. A flash is taken for two cuts; a fade
    is none.

    Args:
        threshold: least difference of a cut, in [0, 1].
        ratio: least difference of a cut by the usual one.

    Example:
        >>> import torch
        >>> detector = CutDetector()
        >>> [detector.cuts(torch.full((3, 9, 16), level)) for level in (0.2, 0.21, 0.8, 0.8)]
        [False, False, True, False]
    """

    def __init__(self, *, threshold: float = 0.035, ratio: float = 2.5) -> None:
        self.threshold = threshold
        self.ratio = ratio
        self._last: tuple[Tensor, Tensor] | None = None  # picture and thumbnail
        self._differences: deque[float] = deque(maxlen=_HISTORY)

    def cuts(self, frame: Tensor) -> bool:
        """Whether a new scene begins with `frame`; false for the first frame and after a change of size.

        Args:
            frame: (3, H, W) in [0, 1].
        """
        picture = _reduced(frame)
        thumbnail = _thumbnail(picture)
        last, self._last = self._last, (picture, thumbnail)
        if last is None or last[0].shape != picture.shape:
            return False
        difference = _difference(thumbnail, last[1])
        usual = median(self._differences) if self._differences else 0.0
        self._differences.append(difference)
        return difference > self.threshold and difference > self.ratio * usual and not _leads_on(last[0], picture)


def _reduced(frame: Tensor) -> Tensor:
    """(3, H, W) to (3, h, w) on the processor, in which motion is looked for."""
    scale = min(1.0, _SIDE / max(frame.shape[-2:]))
    height, width = (max(1, round(side * scale)) for side in frame.shape[-2:])
    return interpolate(frame.detach()[None].float(), size=(height, width), mode="area")[0].cpu()


def _leads_on(last: Tensor, picture: Tensor) -> bool:
    """Whether motion makes one picture of the other."""
    if min(picture.shape[-2:]) < MIN_BIDIRECTIONAL_SIDE:
        return False
    return not bidirectional_flow(*(to_pixels(each, np.uint8) for each in (last, picture))).is_cut


def _thumbnail(picture: Tensor) -> Tensor:
    """(3, H, W) to (3, rows, columns): means of cells that overlap by half, so that moving by one shows little."""
    height, width = picture.shape[-2:]
    columns = min(_COLUMNS, width)
    rows = max(1, min(height, round(height * columns / width)))
    cells = interpolate(picture[None], size=(rows, columns), mode="area")[0]
    return avg_pool2d(cells, (min(2, rows), min(2, columns)), stride=1)


def _difference(thumbnail: Tensor, last: Tensor) -> float:
    """Mean absolute difference where `last` is moved by up to `_REACH` rows and columns, the smallest."""
    rows, columns = thumbnail.shape[-2:]
    down, across = (_REACH if size > 4 * _REACH else 0 for size in (rows, columns))  # most of a thumbnail must stay
    inner = thumbnail[:, down : rows - down, across : columns - across]
    places = ((y, x) for y in range(2 * down + 1) for x in range(2 * across + 1))
    return min(float((inner - last[:, y : y + inner.shape[1], x : x + inner.shape[2]]).abs().mean()) for y, x in places)
