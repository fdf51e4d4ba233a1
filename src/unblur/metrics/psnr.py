"""Peak signal-to-noise ratio."""

import torch
from torch import Tensor

from unblur.layers.check import check_shape
from unblur.metrics.pictures import checked_pair

__all__ = ["psnr"]


def psnr(restored: Tensor, sharp: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """Peak signal-to-noise ratio of each picture, over all channels together.

    -10 log10(mean squared error), for a peak of 1. Identical pictures give infinity: no epsilon is added, so a mean
    over pictures has to say what it does with them (`Protocol.average` counts them apart).

    Args:
        restored: what is measured; values beyond [0, 1] are taken as they are.
        sharp: the truth, in [0, 1].
        mask: 1 where a position counts, 0 where not; the error is averaged over the positions that count.

    Returns:
        One value a picture, in dB, double precision, on the CPU. With a mask that is 0 everywhere it is NaN.

    Shape:
        restored, sharp (B, C, H, W); mask (B, 1, H, W) -> (B,)

    Raises:
        ShapeError: if the shapes do not fit each other.
        InputError: if a picture is not of a floating type or not finite, or if `sharp` leaves [0, 1].

    Example:
        >>> psnr(torch.full((1, 3, 4, 4), 0.6), torch.full((1, 3, 4, 4), 0.5)).round(decimals=3)
        tensor([20.], dtype=torch.float64)
    """
    restored, sharp = checked_pair(restored, sharp)
    squared = (restored - sharp).square_()
    if mask is None:
        return -10 * squared.mean((1, 2, 3)).log10()
    batch, channels, height, width = squared.shape
    check_shape(mask, (batch, 1, height, width), name="mask")
    mask = mask.to("cpu", torch.float64)
    return -10 * ((squared * mask).sum((1, 2, 3)) / (channels * mask.sum((1, 2, 3)))).log10()
