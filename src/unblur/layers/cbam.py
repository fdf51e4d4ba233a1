"""Convolutional block attention: which channels matter, then where."""

import torch
from torch import Tensor, nn

__all__ = ["CBAM"]


class CBAM(nn.Module):
    """Channel attention, then spatial attention.

    Source: Woo et al. (ECCV 2018), eq. (2) and (3); Zou and Liu (2023), eq. (3)-(6).
    Decided: reduction 16, the default of Woo et al. (Zou and Liu give none); no normalisation; their text puts the activation
    of the spatial attention right after the concatenation, which would leave two channels, so the 7x7 convolution of Woo et
    al. is kept.

    Args:
        width: number of features C in and out.
        reduction: by which the hidden layer of the channel attention is narrower, at least one feature being kept.
        kernel_size: of the spatial attention's convolution, odd.

    Shape:
        (B, width, H, W) -> (B, width, H, W)
    """

    def __init__(self, *, width: int, reduction: int = 16, kernel_size: int = 7) -> None:
        super().__init__()
        hidden = max(width // reduction, 1)
        self.channels = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(inplace=True), nn.Linear(hidden, width))
        self.place = nn.Conv2d(2, 1, kernel_size, padding=kernel_size // 2)

    def forward(self, feat: Tensor) -> Tensor:
        per_channel = torch.sigmoid(self.channels(feat.amax(dim=(2, 3))) + self.channels(feat.mean(dim=(2, 3))))  # (B, C); (3)
        feat = feat * per_channel[:, :, None, None]  # (4)
        across = torch.cat((feat.mean(dim=1, keepdim=True), feat.amax(dim=1, keepdim=True)), dim=1)  # (B, 2, H, W)
        return feat * torch.sigmoid(self.place(across))  # (5), (6)
