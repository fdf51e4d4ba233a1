"""Random pictures on which a network is tried before it restores."""

import torch
from torch import Generator, Tensor
from torch.nn.functional import avg_pool2d, interpolate

__all__ = ["like_pictures"]

_SCALES = (1, 2, 4, 8, 16)  # pixels between independent values
_MOTION = 9  # pixels in a row that are averaged


def like_pictures(count: int, height: int, width: int, *, generator: Generator) -> Tensor:
    """Random pictures in (count, 3, height, width), values in [0, 1], with as much to see at each of five scales, blurred along the rows.

    What a precision loses, and how far a network looks, depends on what there is to see, and in white noise there is nothing but the finest scale. Without
    motion blur there would be nothing to restore: a network may leave sharp pictures as they are.
    """
    scales = [torch.rand(count, 3, -(-height // size), -(-width // size), generator=generator) for size in _SCALES]
    sharp = torch.stack([interpolate(scale, size=(height, width), mode="bilinear", align_corners=False) for scale in scales]).mean(dim=0)
    return avg_pool2d(sharp, (1, _MOTION), stride=1, padding=(0, _MOTION // 2), count_include_pad=False)
