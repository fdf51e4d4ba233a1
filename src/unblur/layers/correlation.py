"""Matching cost between two feature maps."""

import torch
from torch import Tensor
from torch.nn.functional import pad

from unblur.errors import ShapeError
from unblur.layers.check import check_shape

__all__ = ["cost_volume"]


def cost_volume(reference: Tensor, neighbour: Tensor, *, radius: int) -> Tensor:
    """Correlate each position of the reference with a square of positions of the neighbour.

    Source: Sun et al. (CVPR 2018), section 3, "Cost volume layer"; thesis eq. (4-6).
    Decided: the mean over channels, as in PWC-Net, not the sum; displacements row by row from the upper left,
    (dy, dx) = (-r, -r), (-r, -r + 1), ..., (r, r); what lies outside the neighbour is 0.

    A row of the reference is cut into blocks, and each block is multiplied as a matrix with the stretch of the neighbour's
    row that it can meet. Products outside the square are computed for nothing, less than two in three, which is far cheaper
    than the (2r + 1)^2 passes over memory of the definition.

    Args:
        reference: features.
        neighbour: features, warped towards the reference or not.
        radius: r, largest displacement in pixels.

    Shape:
        two of (B, C, H, W) -> (B, (2r + 1)^2, H, W)

    Raises:
        ShapeError: if the two differ in shape.
        ValueError: if `radius` is negative.

    Example:
        >>> cost_volume(torch.ones(1, 2, 1, 1), torch.full((1, 2, 1, 1), 3.0), radius=1).flatten()
        tensor([0., 0., 0., 0., 3., 0., 0., 0., 0.])
    """
    check_shape(reference, ("B", "C", "H", "W"), name="reference")
    if reference.shape != neighbour.shape:
        raise ShapeError(f"reference and neighbour must have the same shape, got {tuple(reference.shape)} and {tuple(neighbour.shape)}")
    if radius < 0:
        raise ValueError(f"radius must not be negative, got {radius}")
    batch, channels, height, width = reference.shape
    side = 2 * radius + 1
    block = max(8, 2 * radius)
    stretch = block + 2 * radius
    blocks = -(-width // block)
    excess = blocks * block - width

    pixels = pad(reference / channels, (0, excess)).permute(0, 2, 3, 1).reshape(-1, block, channels)  # (B * H * blocks, block, C)
    framed = pad(neighbour, (radius, radius + excess, radius, radius)).permute(0, 2, 1, 3)  # (B, H + 2r, C, W + 2r + excess)
    costs = []
    for dy in range(side):
        stretches = framed[:, dy : dy + height].unfold(3, stretch, block)  # (B, H, C, blocks, stretch)
        stretches = stretches.permute(0, 1, 3, 2, 4).reshape(-1, channels, stretch)
        products = pixels @ stretches  # (B * H * blocks, block, stretch)
        # Pixel i of the block needs the products i ... i + 2r: reading rows that are one longer moves each row one back.
        skewed = pad(products.flatten(1), (0, block)).view(-1, block, stretch + 1)[..., :side]
        costs.append(skewed.reshape(batch, height, blocks * block, side)[:, :, :width])
    return torch.cat(costs, dim=3).permute(0, 3, 1, 2)  # (B, side * side, H, W)
