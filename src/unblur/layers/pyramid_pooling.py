"""Pyramid pooling: what the picture as a whole and its parts hold, put beside every position."""

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, interpolate

__all__ = ["PyramidPooling"]


class PyramidPooling(nn.Module):
    """Pool to several grids, narrow each by a 1x1 convolution, bring it back to size and put it beside the input.

    Source: Zhao et al. (CVPR 2017), section 3.2; Zou and Liu (2023), section 1.2.2, eq. (2).
    Decided: no normalisation or activation after the 1x1 convolutions (Zou and Liu name none); bilinear without aligned corners.

    Args:
        width: number of features C, a multiple of the number of grids.
        grids: sides of the grids that are pooled to.

    Attributes:
        out_width: number of features put out, 2C.

    Shape:
        (B, width, H, W) -> (B, 2 * width, H, W)

    Raises:
        ValueError: if `width` is not a multiple of the number of grids.
    """

    def __init__(self, *, width: int, grids: tuple[int, ...] = (1, 2, 3, 6)) -> None:
        super().__init__()
        if not grids or width % len(grids):
            raise ValueError(f"width must be a multiple of the number of grids, got {width} and {len(grids)}")
        self.grids = grids
        self.narrow = nn.ModuleList(nn.Conv2d(width, width // len(grids), 1) for _ in grids)
        self.out_width = 2 * width

    def forward(self, feat: Tensor) -> Tensor:
        size = feat.shape[-2:]
        pooled = [narrow(adaptive_avg_pool2d(feat, grid)) for narrow, grid in zip(self.narrow, self.grids, strict=True)]
        return torch.cat((feat, *(interpolate(part, size=size, mode="bilinear", align_corners=False) for part in pooled)), dim=1)
