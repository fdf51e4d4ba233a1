"""Attention: weights computed from the features and multiplied into them."""

from torch import Tensor, nn

from unblur.layers.pooling import patch_means

__all__ = ["HMPCA"]


class HMPCA(nn.Module):
    """Hierarchical multi-patch channel attention: each channel is weighted by what the patches of the picture hold.

    Source: Tang et al. (2022), section 2.1, eq. (6)-(8) for one patch, (9)-(12) for two and four.
    Decided: reduction 2 (the source writes C/r and gives no r; 2 meets its parameter count best).

    Args:
        width: number of features C in and out.
        patches: k = 1 (whole map), 2 (upper and lower half) or 4 (quadrants).
        reduction: r, by which the two hidden layers are narrower than C.

    Shape:
        (B, width, H, W) -> (B, width, H, W)

    Raises:
        ValueError: if `patches` is not 1, 2 or 4, or `reduction` leaves no hidden feature.
    """

    def __init__(self, *, width: int, patches: int, reduction: int = 2) -> None:
        super().__init__()
        if patches not in (1, 2, 4):
            raise ValueError(f"patches must be 1, 2 or 4, got {patches}")
        if not 1 <= reduction <= width:
            raise ValueError(f"reduction must lie between 1 and width ({width}), got {reduction}")
        self.patches = patches
        self.weigh = nn.Sequential(
            nn.Linear(patches * width, width // reduction),
            nn.ReLU(inplace=True),
            nn.Linear(width // reduction, width // reduction),
            nn.ReLU(inplace=True),
            nn.Linear(width // reduction, width),
            nn.Sigmoid(),
        )

    def forward(self, feat: Tensor) -> Tensor:
        means = patch_means(feat, patches=self.patches)  # (B, k * C); (6), (9), (10)
        weights = self.weigh(means)[:, :, None, None]  # (B, C, 1, 1); (7), (11)
        return feat * weights  # (8), (12)
