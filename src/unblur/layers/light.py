"""Linear light and luma of pictures."""

import torch
from torch import Tensor

__all__ = ["GAMMA", "MIN_LIGHT", "luma"]

GAMMA = 2.2
"""Exponent from pixel values to linear light."""

MIN_LIGHT = 1e-6
"""Smallest linear light before the inverse of gamma, whose slope has no bound at 0."""

_LUMA = (0.299, 0.587, 0.114)  # weights of red, green and blue (ITU-R BT.601)


def luma(picture: Tensor) -> Tensor:
    """Weighted mean of the colours, (B, 3, H, W) to (B, 1, H, W)."""
    red, green, blue = picture[:, :1], picture[:, 1:2], picture[:, 2:]
    return torch.add(_LUMA[0] * red, green, alpha=_LUMA[1]).add_(blue, alpha=_LUMA[2])
