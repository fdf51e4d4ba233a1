"""Layers that put out coordinates, such as flow and offsets, in single precision whatever comes in.

A bfloat16 number has eight significant bits: a flow of 100 pixels would be rounded to half a pixel by the very layer that
estimates it.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d

from unblur.layers.sampling import reading_dtype

__all__ = ["CoordinateConv", "CoordinateDeconv"]


class CoordinateConv(nn.Module):
    """A 3x3 convolution that is computed in single precision, also under autocast.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        starts_at_zero: whether it puts out 0 until it is trained.

    Shape:
        (B, in_channels, H, W) -> (B, out_channels, H, W), single precision, or double if the input is
    """

    def __init__(self, *, in_channels: int, out_channels: int, starts_at_zero: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(out_channels, in_channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        if not starts_at_zero:
            nn.init.xavier_uniform_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        dtype = reading_dtype(x)
        with torch.autocast(x.device.type, enabled=False):
            return conv2d(x.to(dtype), self.weight.to(dtype), self.bias.to(dtype), padding=1)


class CoordinateDeconv(nn.Module):
    """A 4x4 transposed convolution that doubles the size, computed in single precision, also under autocast.

    Args:
        channels: of input and output.

    Shape:
        (B, channels, H, W) -> (B, channels, 2H, 2W), single precision, or double if the input is
    """

    def __init__(self, *, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, channels, 4, 4))
        self.bias = nn.Parameter(torch.zeros(channels))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        dtype = reading_dtype(x)
        with torch.autocast(x.device.type, enabled=False):
            return conv_transpose2d(x.to(dtype), self.weight.to(dtype), self.bias.to(dtype), stride=2, padding=1)
