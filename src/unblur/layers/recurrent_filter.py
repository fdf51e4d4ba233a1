"""Recurrent filters that run over a feature map in four directions, with weights of their own at every position."""

import torch
from torch import Tensor

from unblur.layers.check import check_shape
from unblur.layers.sampling import reading_dtype

__all__ = ["DIRECTIONS", "four_way_filter", "recurrent_filter"]

DIRECTIONS = ("right", "left", "down", "up")
"""In the order of the weights that `four_way_filter` takes, and of the features that it puts out."""


def recurrent_filter(feat: Tensor, weight: Tensor, *, dim: int) -> Tensor:
    """Run a first-order recurrent filter along one dimension, from its first position to its last.

    Source: Liu et al. (ECCV 2016), section 3, h[k] = (1 - p[k]) x[k] + p[k] h[k-1], with weights that depend on the position, as
    Zhang et al. (CVPR 2018) take it over for deblurring: an infinite impulse response, where a convolution of the same reach would need as
    many taps. It is stable where |p| < 1, which is the caller's to see to; a negative weight sharpens.
    Decided: before its first position the filter has seen nothing but that position's value for ever, h[0] = x[0], so that a constant
    stays that constant. Computed in single precision, since errors add up along a row, and returned in that of `feat`.

    Args:
        feat: x.
        weight: p of every channel and position.
        dim: dimension along which the filter runs, not the first two.

    Shape:
        two of (B, C, H, W) -> (B, C, H, W)

    Raises:
        ShapeError: if the shapes do not fit.

    Example:
        >>> impulse = torch.tensor([0.0, 1.0, 0.0, 0.0]).view(1, 1, 1, 4)
        >>> recurrent_filter(impulse, torch.full_like(impulse, 0.5), dim=3)
        tensor([[[[0.0000, 0.5000, 0.2500, 0.1250]]]])
    """
    check_shape(feat, ("B", "C", "H", "W"), name="feat")
    check_shape(weight, tuple(feat.shape), name="weight")
    (filtered,) = _run(feat[None], weight[None], dim=dim)
    return filtered


def four_way_filter(feat: Tensor, weights: Tensor) -> Tensor:
    """Run a recurrent filter to the right, to the left, down and up, each over the features as they come in.

    Source: as for `recurrent_filter`; the four results side by side, for a convolution to merge.

    Args:
        feat: features.
        weights: those of the four directions, in the order of `DIRECTIONS`, C channels each.

    Shape:
        feat (B, C, H, W); weights (B, 4C, H, W) -> (B, 4C, H, W)

    Raises:
        ShapeError: if the shapes do not fit.
    """
    check_shape(feat, ("B", "C", "H", "W"), name="feat")
    batch, channels, height, width = feat.shape
    check_shape(weights, (batch, len(DIRECTIONS) * channels, height, width), name="weights")
    right, left, down, up = weights.chunk(len(DIRECTIONS), dim=1)
    filtered: list[Tensor] = []
    for dim, forward, backward in ((3, right, left), (2, down, up)):
        there, back = _run(torch.stack([feat, feat.flip(dim)]), torch.stack([forward, backward.flip(dim)]), dim=dim)
        filtered += [there, back.flip(dim)]
    return torch.cat(filtered, dim=1)


def _run(feats: Tensor, weights: Tensor, *, dim: int) -> Tensor:
    """Several filters in one pass: two of (D, B, C, H, W) -> (D, B, C, H, W), along dimension `dim` of each of the D."""
    dtype = reading_dtype(feats)
    values, parts = (tensor.movedim(dim + 1, 0).to(dtype).contiguous().unbind(0) for tensor in (feats, weights))
    states = [values[0]]
    for value, part in zip(values[1:], parts[1:], strict=True):
        states.append(torch.lerp(value, states[-1], part))  # (1 - p) x + p h
    return torch.stack(states).movedim(0, dim + 1).to(feats.dtype)
