"""`dbn`: five frames stacked, an encoder-decoder with sums across.

Source: Su, Delbracio, Wang, Sapiro, Heidrich, Wang, "Deep Video Deblurring for Hand-held Cameras", CVPR 2017; layers by
the authors' program.

    B_{t-2} ─ warp ─┐
    ...             ⊕ ─ F0 64 ─┬─ ↓2, 2 convs 128 ─┬─ ↓2, 3 convs 256 ─┬─ ↓2, 3 convs 512 ─ ↑2 ─┐
    B_{t+2} ─ warp ─┘          │                   │                   └─────────────────────── + ─ 3 convs 256 ─ ↑2 ─┐
      flow: (B_t, B_{t+i})     │                   └───────────────────────────────────────────────────────────────── + ─ ...
                               └─ ... + ─ conv 15 ─ conv 3 ─ + B_t ─ sigmoid ─ R_t

15.30 M parameters (quoted: 15.3 M), PWC-Net apart. Published as measured by the documents that the project follows: with
flow, DVD 30.01 dB / 0.8877, GoPro 27.31 / 0.8255.

Differs from the source: alignment is by PWC-Net, where the authors warped beforehand with a variational flow.
"""

import math
from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import Tensor, nn

from unblur.models.arguments import DEFAULTS
from unblur.models.flow import FlowNet
from unblur.models.pwcnet import flow_network
from unblur.models.video import WarpingNet

__all__ = ["DBN", "dbn"]

START = 0.1
"""Gain of the last normalisation before training: with 1, the residual would begin larger than the picture."""


class DBN(WarpingNet):
    """Five frames in, the middle one restored.

    Stages: up to `align`, which warps pictures, those of `WarpingNet`; `fuse` runs the encoder-decoder and puts out the
    residual.
    Decided: frames are centred to [-0.5, 0.5] for the network; the reference is added as it is; the residual begins small.

    Args:
        flow: flow network; `ZeroFlow()` for the variant without alignment.
        width: features of the first layer; 2, 4 and 8 times as many at half, quarter and eighth resolution.
        bounded: whether a sigmoid follows the sum, as published. It keeps the output in (0, 1), but a residual of zero then gives
            a flat grey picture and not the input.
    """

    num_frames = 5

    def __init__(self, *, flow: FlowNet, width: int = 64, bounded: bool = True) -> None:
        super().__init__(flow=flow)
        pictures = 3 * self.num_frames
        self.entry = _layers(pictures, width, kernel_size=5)
        self.downs = nn.ModuleList(
            (
                nn.Sequential(_layers(width, width, stride=2), _layers(width, 2 * width, 2 * width)),
                nn.Sequential(_layers(2 * width, 4 * width, stride=2), _layers(4 * width, 4 * width, 4 * width, 4 * width)),
                nn.Sequential(_layers(4 * width, 8 * width, stride=2), _layers(8 * width, 8 * width, 8 * width, 8 * width)),
            )
        )
        self.ups = nn.ModuleList(_up(fine, coarse) for fine, coarse in ((4 * width, 8 * width), (2 * width, 4 * width), (width, width)))
        last = nn.BatchNorm2d(3)
        nn.init.constant_(last.weight, START)
        self.decoders = nn.ModuleList(
            (
                _layers(4 * width, 4 * width, 4 * width, 4 * width),
                _layers(2 * width, 2 * width, width),
                nn.Sequential(_layers(width, pictures), nn.Conv2d(pictures, 3, 3, padding=1, bias=False), last),
            )
        )
        self.bounded = bounded
        self.size_multiple = math.lcm(8, flow.size_multiple)
        # By resolution: convolutions of 1, 1/2, 1/4, 1/8, then the deconvolutions, two positions of the finer one each.
        self.receptive_radius = (2 + 1 + 2) + 2 * 5 + 4 * 7 + 8 * 3 + 2 * (4 + 2 + 1) + flow.receptive_radius

    def fuse(self, aligned: list[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
        feats = [self.entry(torch.cat([frame for (frame,) in aligned], dim=1))]  # F0; (B, 64, H, W)
        for down in self.downs:
            feats.append(down(feats[-1]))  # F2, F5, F8; (B, 128, H/2, W/2), (B, 256, H/4, W/4), (B, 512, H/8, W/8)
        feat = feats.pop()
        for up, decoder in zip(self.ups, self.decoders, strict=True):
            feat = decoder(torch.relu(up(feat) + feats.pop()))  # F11, F13, F15
        return (feat,)  # (B, 3, H, W)

    def reconstruct(self, fused: tuple[Tensor, ...], reference: Tensor) -> Tensor:
        restored = reference + fused[0]
        return torch.sigmoid(restored) if self.bounded else restored


def dbn(
    *,
    width: int = 64,
    bounded: bool = True,
    flow: Mapping[str, object] | None = DEFAULTS,
) -> DBN:
    """Build `DBN` from plain values.

    Args:
        width: as for `DBN`.
        bounded: as for `DBN`.
        flow: arguments of `PWCNet`; None for the variant without alignment.
    """
    return DBN(flow=flow_network(flow), width=width, bounded=bounded)


def _layers(*widths: int, kernel_size: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolutions from each width to the next, each normalised over the batch and followed by a ReLU."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        # A bias would be taken away by the normalisation.
        layers.append(nn.Conv2d(inputs, outputs, kernel_size, stride=stride, padding=kernel_size // 2, bias=False))
        layers += [nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


def _up(fine: int, coarse: int) -> nn.Sequential:
    return nn.Sequential(nn.ConvTranspose2d(coarse, fine, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(fine))
