"""`stfan`: alignment and deblurring as filters that differ at every position.

Source: Zhou, Zhang, Pan, Xie, Zuo, Ren, "Spatio-Temporal Filter Adaptive Network for Video Deblurring", ICCV 2019; sizes by the
authors' program.

    B_t, B_{t-1}, R_{t-1} ─ encoder ─ T ─ align net ─ filters_a ─── 1x1 ─┐
                                      └────────────────── │ ──────────── ⊕ ─ deblur net ─ filters_d
    H_{t-1} ─ conv ─ FAC ◄────────────────────────────────┘                                   │
                      └──────────────────────────────────────┐                                │
    B_t ─ encoder ─ E ─ FAC ◄─────────────────────────────── │ ───────────────────────────────┘
                         └───────────────────────────────────⊕ ─ H_t ─ decoder ─ + B_t ─ R_t

5.37 M parameters (quoted: 5.37 M). Published as measured by the documents that the project follows: DVD 31.15 dB / 0.9049, GoPro
28.59 / 0.8608.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from unblur.layers.blocks import Encoder, conv, res_blocks
from unblur.layers.filtering import adaptive_filter
from unblur.layers.reconstruction import Reconstruction
from unblur.models.base import CENTRE
from unblur.models.diagnostic import Diagnostic, recorded_calls, restored_diagnostic
from unblur.models.recurrent import RecurrentNet, State

__all__ = ["STFAN"]

SLOPE = 0.1
"""Negative slope of every leaky ReLU."""


class STFAN(RecurrentNet):
    """The frame, the one before and what was restored of it give filters; these align the past and deblur the present.

    State: the frame before B_{t-1}, what was restored of it R_{t-1}, and its features H_{t-1} (B, 2 widths[-1], H/4, W/4).
    At the first frame B_{t-1} and R_{t-1} are the frame itself and H_{t-1} its features, twice.
    Decided, by the authors' program: a leaky ReLU follows every convolution outside of the blocks, those that put out filters
    and picture too. Frames are centred to [-0.5, 0.5].

    Args:
        widths: features at full, half, quarter resolution.
        num_blocks: residual blocks of each stage of encoders, filter networks and decoder.
        filter_size: k of the filters; 5 is the source's, which compares others.
        memory: as for `RecurrentNet`.
    """

    def __init__(self, *, widths: tuple[int, ...] = (32, 64, 128), num_blocks: int = 2, filter_size: int = 5, memory: int = 2) -> None:
        super().__init__(memory=memory, step_radius=_step_radius(levels=len(widths), num_blocks=num_blocks, filter_reach=filter_size // 2))
        width = widths[-1]
        self.filter_size = filter_size
        self.past = _encoder(9, widths, num_blocks)
        self.align_net = _filters(width, width, num_blocks=num_blocks, filter_size=filter_size)
        self.between = _leaky(width * filter_size**2, width, kernel_size=1)
        self.deblur_net = _filters(2 * width, width, num_blocks=num_blocks, filter_size=filter_size)
        self.present = _encoder(3, widths, num_blocks)
        self.recall = _leaky(2 * width, width)
        self.decoder = Reconstruction(widths=(*widths[:-1], 2 * width), num_blocks=num_blocks, relu=True, negative_slope=SLOPE)
        self.last = nn.LeakyReLU(SLOPE)
        self.size_multiple = 2 ** (len(widths) - 1)

    def step(self, frames: Sequence[Tensor], state: State | None) -> tuple[Tensor, State]:
        (frame,) = frames
        feat = self.present(frame - CENTRE)  # E; (B, 128, H/4, W/4)
        blurry_before, restored_before, feat_before = state or (frame, frame, torch.cat([feat, feat], dim=1))
        past = self.past(torch.cat([frame, blurry_before, restored_before], dim=1) - CENTRE)  # T; (B, 128, H/4, W/4)
        align = self.align_net(past)  # (B, 128 k², H/4, W/4)
        deblur = self.deblur_net(torch.cat([past, self.between(align)], dim=1))  # (B, 128 k², H/4, W/4)
        deblurred = adaptive_filter(feat, deblur, kernel_size=self.filter_size)
        aligned = adaptive_filter(self.recall(feat_before), align, kernel_size=self.filter_size)
        feat = torch.cat([deblurred, aligned], dim=1)  # H_t; (B, 256, H/4, W/4)
        restored = frame + self.last(self.decoder(feat))  # (B, 3, H, W)
        return restored, (frame, restored, feat)

    def diagnostics(self, blurry: Tensor) -> list[Diagnostic]:
        """The filters of the last step, for alignment and for deblurring, mean over the channels; and the restored picture."""
        with recorded_calls(self.align_net) as align, recorded_calls(self.deblur_net) as deblur:
            restored = self(blurry)
        found = {"align_net": align[-1].result, "deblur_net": deblur[-1].result}  # (1, 128 k², H/4, W/4)
        rows = tuple(
            {f"{name}: filters of a grid of places": weights.float().unflatten(1, (-1, self.filter_size**2)).mean(dim=1)}
            for name, weights in found.items()
        )
        caption = "filters that differ from place to place, mean over the channels, each from its lowest (violet) to its highest weight"
        return [Diagnostic(name="filters", kind="filters", caption=caption, rows=rows), restored_diagnostic(restored)]


def _encoder(in_channels: int, widths: tuple[int, ...], num_blocks: int) -> Encoder:
    return Encoder(in_channels=in_channels, widths=widths, num_blocks=num_blocks, kernel_size=3, relu=True, negative_slope=SLOPE)


def _leaky(in_width: int, out_width: int, *, kernel_size: int = 3) -> nn.Module:
    return conv(in_width, out_width, kernel_size=kernel_size, relu=True, negative_slope=SLOPE)


def _filters(in_width: int, width: int, *, num_blocks: int, filter_size: int) -> nn.Sequential:
    return nn.Sequential(
        _leaky(in_width, width),
        res_blocks(num_blocks, width=width, kernel_size=3, negative_slope=SLOPE),
        _leaky(width, width * filter_size**2, kernel_size=1),
    )


def _step_radius(*, levels: int, num_blocks: int, filter_reach: int) -> int:
    """The longest way, from B_{t-1} through both filter networks: a convolution adds a position of its resolution, a deconvolution two."""
    coarsest = 2 ** (levels - 1)
    radius = 2 + coarsest * (2 * (1 + 2 * num_blocks) + filter_reach)  # first and last convolution, the filters' networks, FAC
    radius += sum(2 * num_blocks * 2**level for level in range(levels))  # blocks of the encoder
    return radius + sum((2 * num_blocks + 3) * 2 ** (level - 1) for level in range(1, levels))  # steps down and up, the decoder's blocks
