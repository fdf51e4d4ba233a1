"""Statistics of a feature map over the parts of a picture."""

import torch
from torch import Tensor

from unblur.layers.check import check_shape

__all__ = ["patch_means"]


def patch_means(feat: Tensor, *, patches: int) -> Tensor:
    """Mean of every channel over each patch of the map.

    Source: Tang et al. (2022), eq. (6) for the whole map, (9) and (10) for its halves, section 2.1 for its quadrants.
    Decided: an odd side is cut so that the second half is one row or column longer, nothing being dropped (the source
    divides by H/2); of a side of length 1 both halves are that one row or column.

    Args:
        feat: features.
        patches: 1 for the whole map, 2 for the upper and lower half, 4 for the quadrants row by row.

    Returns:
        The C means of the first patch, then those of the second, and so on.

    Shape:
        (B, C, H, W) -> (B, patches * C)

    Raises:
        ValueError: if `patches` is not 1, 2 or 4.
        ShapeError: if `feat` has not four dimensions.

    Example:
        >>> patch_means(torch.arange(6.0).view(1, 1, 3, 2), patches=2)
        tensor([[0.5000, 3.5000]])
    """
    check_shape(feat, ("B", "C", "H", "W"), name="feat")
    if patches not in (1, 2, 4):
        raise ValueError(f"patches must be 1, 2 or 4, got {patches}")
    rows = _halves(feat, dim=2) if patches > 1 else [feat]
    parts = [part for row in rows for part in (_halves(row, dim=3) if patches > 2 else [row])]
    return torch.cat([part.mean(dim=(2, 3)) for part in parts], dim=1)


def _halves(feat: Tensor, *, dim: int) -> list[Tensor]:
    size = feat.shape[dim]
    middle = size // 2
    return [feat.narrow(dim, 0, max(middle, 1)), feat.narrow(dim, middle, size - middle)]
