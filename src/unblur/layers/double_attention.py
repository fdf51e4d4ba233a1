"""Attention in two steps over a few global descriptors, instead of one over all pairs of positions."""

import torch
from torch import Tensor

from unblur.layers.check import check_shape

__all__ = ["distribute", "gather"]


def gather(values: Tensor, keys: Tensor) -> Tensor:
    """Collect descriptors of a whole feature map, each a mean of all positions by weights of its own.

    Source: Chen et al., "A²-Nets: Double Attention Networks" (NeurIPS 2018), section 3.1: G = V softmax(K)^T, the softmax over positions. With
    M descriptors it takes time in proportion to M H W, where attention between all positions takes (H W)^2.

    Args:
        values: features V.
        keys: K, a map for each descriptor.

    Shape:
        values (B, C, H, W); keys (B, M, H, W) -> (B, C, M)

    Raises:
        ShapeError: if the shapes do not fit.
    """
    check_shape(values, ("B", "C", "H", "W"), name="values")
    batch, _, height, width = values.shape
    check_shape(keys, (batch, "M", height, width), name="keys")
    weights = torch.softmax(keys.flatten(2), dim=2)  # (B, M, H W)
    return values.flatten(2) @ weights.transpose(1, 2).to(values.dtype)


def distribute(descriptors: Tensor, queries: Tensor) -> Tensor:
    """Give each position a mean of the descriptors, by weights of its own.

    Source: Chen et al. (NeurIPS 2018), section 3.2: Z = G softmax(Q), the softmax over descriptors.

    Args:
        descriptors: G.
        queries: Q, a map for each descriptor.

    Shape:
        descriptors (B, C, M); queries (B, M, H, W) -> (B, C, H, W)

    Raises:
        ShapeError: if the shapes do not fit.
    """
    check_shape(queries, ("B", "M", "H", "W"), name="queries")
    batch, count, height, width = queries.shape
    check_shape(descriptors, (batch, "C", count), name="descriptors")
    weights = torch.softmax(queries.flatten(2), dim=1)  # (B, M, H W)
    return (descriptors @ weights.to(descriptors.dtype)).view(batch, -1, height, width)
