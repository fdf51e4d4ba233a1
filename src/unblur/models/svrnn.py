"""`svrnn`: recurrent filters whose weights differ at every position, as a deconvolution that reaches over the whole picture.

Source: Zhang, Pan, Ren, Song, Bao, Lau, Yang, "Dynamic Scene Deblurring Using Spatially Variant Recurrent Neural Networks",
CVPR 2018; sizes by the authors' program.

    B ─┬─ conv11 16 ─┬─ conv7 ↓2 32 ─┬─ RNN ─ conv ─ RNN ─ conv ─ RNN ─ conv ─ RNN ─ conv ─ ⊕ ─ conv9 16 ─ ↑2 ─ ⊕ ─ conv5 ─ L
       │             │               └───│─────────────│────────────│────────────│──────────┘                   │
       │             └───────────────────│─────────────│────────────│────────────│──────────────────────────────┘
       └─ VGG ─ weight generation ───────┴─────────────┴────────────┴────────────┘ p
    RNN: h[k] = (1 - p[k]) x[k] + p[k] h[k-1], to the right, to the left, down and up

9.23 M parameters, 36.9 MB in single precision (quoted: 37.1 MB). Published as measured by the documents that the project follows: GoPro
27.08 dB / 0.8992.
"""

import torch
from torch import Tensor, nn

from unblur.layers.blocks import conv, convs
from unblur.layers.check import check_multiple, check_shape
from unblur.layers.pyramid import double
from unblur.layers.recurrent_filter import DIRECTIONS, four_way_filter
from unblur.models.base import CENTRE, Net
from unblur.models.diagnostic import Diagnostic

__all__ = ["SVRNN"]

SLOPE = 0.1
"""Negative slope of the leaky ReLUs outside of the weight generation network, which has plain ones."""


class SVRNN(Net):
    """Features of the picture are filtered by recurrences, whose weights a second network reads off the picture.

    Source: section 3: feature extraction, weight generation, recurrent networks, image reconstruction.
    Decided: what `recurrent_filter` says of x and of the border; pictures are centred to [-0.5, 0.5]; the network puts out the
    picture, not a residual, and no activation follows the strided convolution, as in the authors' program. The weight generation
    network has the layers of VGG16 up to conv4-3; the source starts it from weights trained on ImageNet, which the project does not ship.

    Args:
        widths: features at full and at half resolution.
        guide_widths: features of the weight generation network at full, half, quarter and eighth resolution.
        num_filters: recurrent networks in a row, each followed by a convolution that merges its four directions.

    Attributes:
        global_context: true, for a recurrence runs over the whole row or column; `receptive_radius` is that of the convolutions.
    """

    global_context = True
    size_multiple = 8

    def __init__(
        self, *, widths: tuple[int, int] = (16, 32), guide_widths: tuple[int, int, int, int] = (64, 128, 256, 512), num_filters: int = 4
    ) -> None:
        super().__init__()
        fine, coarse = widths
        directions = len(DIRECTIONS)
        self.num_filters = num_filters
        self.entry = conv(3, fine, kernel_size=11, relu=True, negative_slope=SLOPE)
        self.features = conv(fine, coarse, kernel_size=7, stride=2)
        self.weigh = WeightGeneration(widths=guide_widths, out_channels=num_filters * directions * coarse)
        self.merges = nn.ModuleList(
            conv(directions * coarse, coarse, kernel_size=3, relu=True, negative_slope=SLOPE) for _ in range(num_filters)
        )
        self.decode = conv(2 * coarse, fine, kernel_size=9, relu=True, negative_slope=SLOPE)
        self.picture = conv(2 * fine, 3, kernel_size=5)
        self.receptive_radius = self.weigh.receptive_radius + 2 * num_filters + 2 * 4 + 2 + 2

    def forward(self, blurry: Tensor) -> Tensor:
        check_shape(blurry, ("B", 3, "H", "W"), name="blurry")
        check_multiple(blurry, self.size_multiple, name="blurry")
        entry = self.entry(blurry - CENTRE)  # (B, 16, H, W)
        feat = self.features(entry)  # (B, 32, H/2, W/2)
        filtered = feat
        for merge, weights in zip(self.merges, self.filter_weights(blurry), strict=True):  # (B, 128, H/2, W/2)
            filtered = merge(four_way_filter(filtered, weights))  # (B, 32, H/2, W/2)
        decoded = self.decode(torch.cat([feat, filtered], dim=1))  # (B, 16, H/2, W/2)
        return self.picture(torch.cat([entry, double(decoded)], dim=1)) + CENTRE  # (B, 3, H, W)

    def filter_weights(self, blurry: Tensor) -> tuple[Tensor, ...]:
        """The weights p in (-1, 1) of each recurrent network, (B, 4 widths[1], H/2, W/2), in the order of `DIRECTIONS`."""
        return self.weigh(blurry - CENTRE).chunk(self.num_filters, dim=1)

    def diagnostics(self, blurry: Tensor) -> list[Diagnostic]:
        """How strongly each recurrent network takes over what came before, by direction, mean over the features."""
        rows = tuple(
            {
                f"RNN {i + 1}, {direction}": weights.float().abs().mean(dim=1, keepdim=True)
                for direction, weights in zip(DIRECTIONS, weights_of_all.chunk(len(DIRECTIONS), dim=1), strict=True)
            }
            for i, weights_of_all in enumerate(self.filter_weights(blurry))
        )
        caption = "mean size of the recurrent weights: 0 violet, nothing is taken over, to 1 yellow"
        return [Diagnostic(name="recurrence", kind="map", caption=caption, rows=rows)]


class WeightGeneration(nn.Module):
    """VGG16 up to conv4-3, and a decoder with skip connections to half the resolution.

    Source: section 3, weight generation network; the skips leave after conv2-2 and conv3-2, and conv4-3 has as many features as conv3, as in
    the authors' program.

    Args:
        widths: features at full, half, quarter and eighth resolution.
        out_channels: weights of all recurrent networks, directions and features.

    Shape:
        (B, 3, H, W) -> (B, out_channels, H/2, W/2), in (-1, 1); H and W multiples of 8
    """

    receptive_radius = 2 + (1 + 2 * 2) + (2 + 4 * 2) + 4 + (4 + 8 * 3) + (8 + 4 * 2) + (4 + 2 * 2)
    """By resolution on the way down and up: pooling adds a pixel of the finer one, bilinear doubling one of the coarser."""

    def __init__(self, *, widths: tuple[int, int, int, int], out_channels: int) -> None:
        super().__init__()
        full, half, quarter, eighth = widths
        self.to_half = nn.Sequential(convs(3, full, full, kernel_size=3), nn.MaxPool2d(2), convs(full, half, half, kernel_size=3))
        self.to_quarter = nn.Sequential(nn.MaxPool2d(2), convs(half, quarter, quarter, kernel_size=3))
        self.to_eighth = nn.Sequential(
            convs(quarter, quarter, kernel_size=3), nn.MaxPool2d(2), convs(quarter, eighth, eighth, quarter, kernel_size=3)
        )
        self.from_eighth = convs(2 * quarter, half, half, kernel_size=3)
        self.from_quarter = nn.Sequential(convs(2 * half, quarter, kernel_size=3), conv(quarter, out_channels, kernel_size=3), nn.Tanh())

    def forward(self, image: Tensor) -> Tensor:
        half = self.to_half(image)  # (B, 128, H/2, W/2)
        quarter = self.to_quarter(half)  # (B, 256, H/4, W/4)
        eighth = self.to_eighth(quarter)  # (B, 256, H/8, W/8)
        coarse = self.from_eighth(torch.cat([quarter, double(eighth)], dim=1))  # (B, 128, H/4, W/4)
        weights: Tensor = self.from_quarter(torch.cat([half, double(coarse)], dim=1))
        return weights
