"""Resizing with antialiasing: by torch, or as products of matrices where operators must be portable."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from unblur.layers.portable import is_portable

__all__ = ["resized"]

Mode = Literal["bilinear", "bicubic"]

_SUPPORT = {"bilinear": 1.0, "bicubic": 2.0}
_CUBIC = -0.5  # parameter of the cubic filter that torch takes with antialiasing, Keys (IEEE TASSP 1981)


def resized(picture: Tensor, size: Sequence[int], *, mode: Mode) -> Tensor:
    """Pictures at another size, downwards with antialiasing, as `torch.nn.functional.interpolate` with `align_corners=False` and `antialias=True`.

    Shape:
        (B, C, H, W) -> (B, C, h, w)
    """
    if not is_portable():
        return interpolate(picture, size=tuple(size), mode=mode, align_corners=False, antialias=True)
    down, across = (_matrix(old, new, mode=mode, like=picture) for old, new in zip(picture.shape[-2:], size, strict=True))
    return down @ picture @ across.mT


def _matrix(old: int, new: int, *, mode: Mode, like: Tensor) -> Tensor:
    """Weight of each old place in each new one, (new, old), of sum 1 over the old ones."""
    scale = old / new
    wide = max(scale, 1.0)
    centre = (torch.arange(new, device=like.device, dtype=like.dtype) + 0.5) * scale  # (new,)
    place = torch.arange(old, device=like.device, dtype=like.dtype) + 0.5  # (old,)
    distance = (place - centre[:, None]).abs()
    # Torch takes whole pixels: those whose middle is within the support, rounded to the next one.
    first = (centre[:, None] - _SUPPORT[mode] * wide + 0.5).floor().clamp_min(0)
    last = (centre[:, None] + _SUPPORT[mode] * wide + 0.5).floor().clamp_max(old)
    weight = _filter(distance / wide, mode=mode) * ((place > first) & (place < last))
    return weight / weight.sum(1, keepdim=True)


def _filter(distance: Tensor, *, mode: Mode) -> Tensor:
    if mode == "bilinear":
        return (1 - distance).clamp_min(0)
    near = ((_CUBIC + 2) * distance - (_CUBIC + 3)) * distance.square() + 1
    far = _CUBIC * (((distance - 5) * distance + 8) * distance - 4)
    return torch.where(distance < 1, near, torch.where(distance < 2, far, 0))
