"""Gradients of periodic pictures by differences of neighbouring pixels, their adjoint, and the power spectrum of both together."""

from collections.abc import Sequence

import torch
from torch import Tensor

from unblur.layers.kernels import frequencies
from unblur.layers.portable import is_portable

__all__ = ["divergence", "forward_difference", "laplacian_spectrum"]


def forward_difference(picture: Tensor, axis: int) -> Tensor:
    """The next pixel minus this one; opposite borders meet."""
    return rolled(picture, -1, axis).sub_(picture)


def divergence(right: Tensor, below: Tensor) -> Tensor:
    """The adjoint of `forward_difference` along the last axis and the one before it, summed: two of (..., H, W) to (..., H, W)."""
    return rolled(right, 1, -1).sub_(right).add_(rolled(below, 1, -2)).sub_(below)


def rolled(picture: Tensor, shift: int, axis: int) -> Tensor:
    """Pictures shifted along an axis, as `torch.roll`."""
    if not is_portable():
        return picture.roll(shift, axis)
    first = -shift % picture.shape[axis]  # torch's operator is exported as dozens
    start, rest = torch.split(picture, [first, picture.shape[axis] - first], dim=axis)
    return torch.cat([rest, start], dim=axis)


def laplacian_spectrum(shape: Sequence[int], *, like: Tensor) -> Tensor:
    """Power of `forward_difference` along both axes at each frequency of `rfft2`, on the device of `like`.

    Shape:
        (H, W) -> (H, W//2 + 1)
    """
    vertical, horizontal = frequencies(shape, like=like)
    return (2 - 2 * torch.cos(vertical)) + (2 - 2 * torch.cos(horizontal))
