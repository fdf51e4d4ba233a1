"""Gradients of periodic pictures by differences of neighbouring pixels, their adjoint, and the power spectrum of both together."""

from collections.abc import Sequence

import torch
from torch import Tensor

from unblur.layers.kernels import frequencies

__all__ = ["divergence", "forward_difference", "laplacian_spectrum"]


def forward_difference(picture: Tensor, axis: int) -> Tensor:
    """The next pixel minus this one; opposite borders meet."""
    return picture.roll(-1, axis).sub_(picture)


def divergence(right: Tensor, below: Tensor) -> Tensor:
    """The adjoint of `forward_difference` along the last axis and the one before it, summed: two of (..., H, W) to (..., H, W)."""
    return right.roll(1, -1).sub_(right).add_(below.roll(1, -2)).sub_(below)


def laplacian_spectrum(shape: Sequence[int], *, like: Tensor) -> Tensor:
    """Power of `forward_difference` along both axes at each frequency of `rfft2`, on the device of `like`.

    Shape:
        (H, W) -> (H, W//2 + 1)
    """
    vertical, horizontal = frequencies(shape, like=like)
    return (2 - 2 * torch.cos(vertical)) + (2 - 2 * torch.cos(horizontal))
