"""Squares of pixels folded into channels, laid out as convolutions on processors want them."""

import torch
from torch import Tensor

from unblur.layers.concatenate import compute_dtype

__all__ = ["pixel_unshuffle"]

_NUMBERS = {8: torch.int64, 16: torch.complex128}  # of so many bytes


def pixel_unshuffle(x: Tensor, *, factor: int) -> Tensor:
    """Bring each square of `factor`×`factor` positions into the channels of one position.

    The values are those of torch's `pixel_unshuffle`, but they come channels last and in the precision of the convolution that
    will read them, in one pass over memory, which takes less time on a processor (`benchmarks/unshuffling.py`).

    Args:
        x: features whose height and width are multiples of `factor`.
        factor: of the square.

    Shape:
        (B, C, H, W) -> (B, C·side², H/side, W/side), channels last, in the precision of autocast where that is on
    """
    batch, channels, height, width = x.shape
    dtype = compute_dtype(x)
    x = x.to(dtype)
    number = None if x.requires_grad or x.device.type == "mps" else _NUMBERS.get(factor * x.element_size())
    x, run = (x, factor) if number is None else (x.contiguous().view(number), 1)  # a row of a square is moved as one number
    squares = x.reshape(batch, channels, height // factor, factor, width // factor, run)
    rows = squares.permute(0, 2, 4, 1, 3, 5).reshape(batch, height // factor, width // factor, channels * factor * run)
    return (rows if number is None else rows.contiguous().view(dtype)).permute(0, 3, 1, 2)
