"""`ppnet`: frames aligned as pictures, restored with pyramid pooling and attention.

Source: Zou and Liu, "Video deblurring algorithm based on pyramid pooling and attention mechanism", Intelligent Computer and
Applications 13, 2023, eq. (1)-(7), figures 1 to 4.

    I_{t-1} ─ warp ─┐
    I_t ────────────⊕ ─ conv, 3 blocks ──────────────────────────────── + ─ 3 blocks, conv ─ restored
    I_{t+1} ─ warp ─┘        └ ↓2, 3 blocks ──────────────── + ─ 3 blocks, ↑2
      flow: (I_t, I_{t±1})          └ ↓2, 3 blocks ─ PPM ─ CBAM ─ 3 blocks, ↑2

14.58 M parameters and 9.37 M of PWC-Net; 6.98 M without pyramid pooling, which doubles the width of the decoder's first blocks. Published (DVD): without either 30.42 dB / 0.8980,
pooling 30.51 / 0.8995, attention 30.54 / 0.8999, both 30.61 / 0.9005.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from unblur.layers.blocks import Decoder, Encoder, codec_radius, zero_last_convolution
from unblur.layers.cbam import CBAM
from unblur.layers.pyramid_pooling import PyramidPooling
from unblur.models.arguments import DEFAULTS
from unblur.models.base import CENTRE
from unblur.models.flow import FlowNet
from unblur.models.pwcnet import flow_network
from unblur.models.video import WarpingNet

__all__ = ["PPNet", "ppnet"]

SLOPE = 0.1
"""Negative slope of every leaky ReLU (the source gives none; PWC-Net's)."""


class PPNet(WarpingNet):
    """Three frames in, the middle one restored.

    Stages: up to `align`, which warps pictures by (1), those of `WarpingNet`; `fuse` runs the encoder, pooling and attention and
    puts out the encoder's levels, coarsest first.
    Decided: skip connections are added, as in SRN; frames are centred to [-0.5, 0.5].

    Args:
        flow: flow network.
        encoder: one module a level, finest first; the first takes the frames' 9 channels.
        context: applied to the coarsest level; `nn.Identity()` for the ablation without pyramid pooling.
        attention: applied after that; `nn.Identity()` for the ablation without attention.
        decoder: one module a level, coarsest first; the last puts out the picture.
        adds_input: whether the network puts out a residual to the middle frame (SRN, whose network this is, does not).
        receptive_radius: of the convolutions without the flow network; flow and pooling reach further.
        global_context: whether `context` or `attention` pool over the whole picture.
    """

    num_frames = 3

    def __init__(
        self,
        *,
        flow: FlowNet,
        encoder: nn.ModuleList,
        context: nn.Module,
        attention: nn.Module,
        decoder: nn.ModuleList,
        adds_input: bool = False,
        receptive_radius: int,
        global_context: bool,
    ) -> None:
        super().__init__(flow=flow)
        self.encoder = encoder
        self.context = context
        self.attention = attention
        self.decoder = decoder
        self.adds_input = adds_input
        self.size_multiple = math.lcm(2 ** (len(encoder) - 1), flow.size_multiple)
        self.receptive_radius = receptive_radius + flow.receptive_radius
        self.global_context = global_context

    def fuse(self, aligned: list[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
        feat = torch.cat([frame for (frame,) in aligned], dim=1)  # (B, 9, H, W)
        levels: list[Tensor] = []
        for level in self.encoder:
            feat = level(feat)  # F; (B, 32, H, W), (B, 64, H/2, W/2), (B, 128, H/4, W/4)
            levels.insert(0, feat)
        attended = self.attention(self.context(feat))  # (2), (3)-(6); (B, 256, H/4, W/4)
        return (attended, *levels[1:])

    def begin_as_identity(self) -> None:
        """The decoder puts out nothing; without `adds_input` it would be grey."""
        if not self.adds_input:
            super().begin_as_identity()
        zero_last_convolution(self.decoder)

    def reconstruct(self, fused: tuple[Tensor, ...], reference: Tensor) -> Tensor:
        feat = self.decoder[0](fused[0])  # (B, 64, H/2, W/2)
        for level, skip in zip(list(self.decoder)[1:], fused[1:], strict=True):
            feat = level(feat + skip)  # (B, 32, H, W), (B, 3, H, W)
        return feat + (reference if self.adds_input else CENTRE)


def ppnet(
    *,
    widths: tuple[int, ...] = (32, 64, 128),
    num_blocks: int = 3,
    kernel_size: int = 5,
    pooling: bool = True,
    grids: tuple[int, ...] = (1, 2, 3, 6),
    attention: bool = True,
    reduction: int = 16,
    adds_input: bool = False,
    flow: Mapping[str, object] | None = DEFAULTS,
) -> PPNet:
    """Build `PPNet` from plain values.

    Decided: the decoder's first blocks have the 2C features that the pooling puts out (the source names no convolution that
    would bring them back to C); no activation after the last convolution, where the text has one, since it
    would bend the picture below mid-grey; every residual block is convolution, leaky ReLU, convolution.

    Args:
        widths: features of the encoder's levels.
        num_blocks: residual blocks a level.
        kernel_size: of the convolutions and deconvolutions, 5 in figure 2.
        pooling: whether there is pyramid pooling.
        grids: that it pools to.
        attention: whether there is CBAM.
        reduction: of its channel attention.
        adds_input: as for `PPNet`.
        flow: arguments of `PWCNet`; None for frames that are not aligned.
    """
    encoder = Encoder(
        in_channels=3 * PPNet.num_frames, widths=widths, num_blocks=num_blocks, kernel_size=kernel_size, relu=True, negative_slope=SLOPE
    )
    context: nn.Module = PyramidPooling(width=widths[-1], grids=grids) if pooling else nn.Identity()
    attended = 2 * widths[-1] if pooling else widths[-1]
    decoder = Decoder(
        out_channels=3,
        widths=(*widths[:-1], attended),
        num_blocks=num_blocks,
        kernel_size=kernel_size,
        deconv_size=kernel_size,  # figure 2
        relu=True,
        negative_slope=SLOPE,
    )
    return PPNet(
        flow=flow_network(flow),
        encoder=encoder.stages,
        context=context,
        attention=CBAM(width=attended, reduction=reduction) if attention else nn.Identity(),
        decoder=decoder.stages,
        adds_input=adds_input,
        receptive_radius=codec_radius(stages=len(widths), num_blocks=num_blocks, kernel_size=kernel_size, deconv_size=kernel_size)
        + (3 * 2 ** (len(widths) - 1) if attention else 0),  # its 7x7 convolution, on the coarsest level
        global_context=pooling or attention,
    )
