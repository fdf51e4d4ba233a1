"""`mdcn`: alignment by deformable convolution at three resolutions.

Source: Duan, "Deformable Convolutional Networks for Video Deblurring", master's thesis, Harbin Institute of Technology, 2022,
chapter 3, eq. (3-8)-(3-11).

    B_{t+i} ─ pyramid ─ L1 16, 1/1 ─ align ─ ↓2 ─┐
                 │                               ⊕ ─ conv ─ ↓2 ─┐
                 ├───── L2 32, 1/2 ─ align ──────┘              ⊕ ─ conv ─ aligned_i
                 └───── L3 64, 1/4 ─ align ─────────────────────┘          64, 1/4
    align: offset = conv(F_{t+i} ⊕ F_t), F̂_{t+i} = deformable convolution of F_{t+i}, on each level

    aligned_{-2} ⊕ ... ⊕ aligned_{2} ─ 1x1 ─ conv ─ 2 blocks ─ C_t ─ 2 x (deconv, 2 blocks) ─ conv ─ + B_t ─ R_t

0.60 M parameters, 0.43 M without alignment or with that by flow, its network apart. Published: DVD 32.15 dB / 0.9302, GoPro 31.72 / 0.9283.

Training is part of the method: offsets are learned without supervision and may run out of the frame, where every sample reads
0; the thesis trains the alignment (`MDCN.alignment`) at a hundredth of the learning rate and goes back to the last epoch's
checkpoint when it happens.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from unblur.layers.blocks import ResBlock, zero_last_convolution
from unblur.layers.coordinates import CoordinateConv
from unblur.layers.deform import DeformConv
from unblur.layers.reconstruction import Reconstruction
from unblur.layers.warp import flow_resize, flow_warp
from unblur.models.arguments import DEFAULTS
from unblur.models.base import CENTRE
from unblur.models.flow import FlowNet
from unblur.models.pwcnet import flow_network
from unblur.models.video import VideoNet

__all__ = ["MDCN", "DeformAlign", "FlowMDCN", "KeepUnaligned", "PyramidAlign", "mdcn"]

Alignment = Literal["deformable", "features", "pictures", "none"]


class MDCN(VideoNet):
    """Five frames in, the middle one restored.

    Stages: `features` puts out the pyramid, finest first; there is no `motion`; `align` puts out one map at a quarter of the
    resolution. The reference goes through the alignment too.
    Decided: frames are centred to [-0.5, 0.5].

    Args:
        pyramid: one module a level, each from the finer level's features (the first from the frame) to its own.
        alignment: (reference pyramid, neighbour pyramid) -> aligned features.
        fusion: from the frames' aligned features, concatenated, to the merged ones.
        reconstruction: from the merged features to the residual picture.
        receptive_radius: of the convolutions; offsets reach further.
    """

    num_frames = 5

    def __init__(
        self, *, pyramid: nn.ModuleList, alignment: nn.Module, fusion: nn.Module, reconstruction: nn.Module, receptive_radius: int
    ) -> None:
        super().__init__()
        self.pyramid = pyramid
        self.alignment = alignment
        self.fusion = fusion
        self.reconstruction = reconstruction
        self.size_multiple = 2 ** (len(pyramid) - 1)
        self.receptive_radius = receptive_radius

    def features(self, frame: Tensor) -> tuple[Tensor, ...]:
        return self.levels(frame - CENTRE)

    def levels(self, feat: Tensor) -> tuple[Tensor, ...]:
        """The pyramid of a centred frame, finest first."""
        levels = []
        for level in self.pyramid:
            feat = level(feat)  # (B, 16, H, W), (B, 32, H/2, W/2), (B, 64, H/4, W/4)
            levels.append(feat)
        return tuple(levels)

    def motion(self, reference: Tensor, neighbour: Tensor) -> Tensor | None:  # noqa: ARG002 (the contract of a video network)
        return None

    def align(self, reference: tuple[Tensor, ...], neighbour: tuple[Tensor, ...], motion: Tensor | None) -> tuple[Tensor, ...]:  # noqa: ARG002
        return (self.alignment(reference, neighbour),)  # (B, 64, H/4, W/4)

    def fuse(self, aligned: list[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
        return (self.fusion(torch.cat([feat for (feat,) in aligned], dim=1)),)  # C_t, (B, 64, H/4, W/4)

    def begin_as_identity(self) -> None:
        zero_last_convolution(self.reconstruction)

    def reconstruct(self, fused: tuple[Tensor, ...], reference: Tensor) -> Tensor:
        return reference + self.reconstruction(fused[0])  # R_t = B_t + rec(C_t)


class FlowMDCN(MDCN):
    """`MDCN` that aligns by flow in place of deformable convolutions: the two variants that the thesis compares.

    Source: section 3.3.1, eq. (3-1)-(3-7). Either the neighbour's picture is warped, and features are computed of what comes out, or its
    features are warped by the flow brought to their resolution.
    Decided: all else is as in `MDCN` (the source names no network), features are warped at every level of the pyramid, what is read outside the
    frame is 0, which is mid-grey in a picture, and the flow network gets the frames as they are.

    Stages: `features` puts out the pyramid, or, where pictures are warped, the centred frame; `motion` the flow at full resolution.

    Args:
        pyramid: as for `MDCN`.
        alignment: from the reference's pyramid and the warped one, which it does not move any more, to one map.
        fusion: as for `MDCN`.
        reconstruction: as for `MDCN`.
        flow: flow network.
        warps: `features` or `pictures`.
        receptive_radius: of the convolutions without the flow network; flow reaches further.
    """

    def __init__(
        self,
        *,
        pyramid: nn.ModuleList,
        alignment: nn.Module,
        fusion: nn.Module,
        reconstruction: nn.Module,
        flow: FlowNet,
        warps: Literal["features", "pictures"],
        receptive_radius: int,
    ) -> None:
        super().__init__(
            pyramid=pyramid, alignment=alignment, fusion=fusion, reconstruction=reconstruction, receptive_radius=receptive_radius
        )
        self.flow = flow
        self.warps_pictures = warps == "pictures"
        self.aligns_features = not self.warps_pictures
        self.size_multiple = math.lcm(self.size_multiple, flow.size_multiple)
        self.receptive_radius += flow.receptive_radius

    def features(self, frame: Tensor) -> tuple[Tensor, ...]:
        return (frame - CENTRE,) if self.warps_pictures else super().features(frame)  # (3-4), (3-5)

    def motion(self, reference: Tensor, neighbour: Tensor) -> Tensor:
        return self.flow(reference, neighbour)  # (3-1); (B, 2, H, W)

    def align(self, reference: tuple[Tensor, ...], neighbour: tuple[Tensor, ...], motion: Tensor | None) -> tuple[Tensor, ...]:
        warped = neighbour if motion is None else tuple(_warped(each, motion) for each in neighbour)  # (3-2); (3-6), (3-7)
        if self.warps_pictures:
            reference, warped = self.levels(reference[0]), self.levels(warped[0])  # (3-3)
        return super().align(reference, warped, None)


def _warped(feat: Tensor, flow: Tensor) -> Tensor:
    return flow_warp(feat, flow_resize(flow, size=(feat.shape[-2], feat.shape[-1])))


class DeformAlign(nn.Module):
    """Alignment of one level.

    Source: eq. (3-8)-(3-10).
    Decided: two convolutions for the offset ("a series of"), the last starting at zero, so that the untrained sampling is the
    regular one, as in the deformable convolution that the thesis builds on.

    Args:
        width: features of the level.
        kernel_size: of the deformable convolution.

    Shape:
        two of (B, width, H, W) -> (B, width, H, W)
    """

    def __init__(self, *, width: int, kernel_size: int = 3) -> None:
        super().__init__()
        self.sample = DeformConv(in_channels=width, out_channels=width, kernel_size=kernel_size)
        self.compare = nn.Conv2d(2 * width, width, 3, padding=1)
        self.offset = CoordinateConv(in_channels=width, out_channels=2 * self.sample.taps, starts_at_zero=True)

    def forward(self, reference: Tensor, neighbour: Tensor) -> Tensor:
        offset = self.offset(torch.relu(self.compare(torch.cat((neighbour, reference), dim=1))))  # (3-10)
        return self.sample(neighbour, offset)  # (3-8)


class KeepUnaligned(nn.Module):
    """The neighbour's features as they are: what stands in for the alignment of a level in an ablation."""

    def forward(self, reference: Tensor, neighbour: Tensor) -> Tensor:  # noqa: ARG002 (the alignment's signature)
        return neighbour


class PyramidAlign(nn.Module):
    """Alignment on every level, each passed on to the next coarser one.

    Source: section 3.3.2 and figure 3-7.
    Decided: one 3x3 convolution, with a ReLU, for each step down and each fusion of two levels.

    Args:
        aligners: one module a level, finest first, (reference, neighbour) -> aligned, of the level's width.
        widths: features of each level.

    Shape:
        two pyramids of (B, widths[l], H/2^l, W/2^l) -> (B, widths[-1], H/2^L, W/2^L), L the last level
    """

    def __init__(self, *, aligners: Sequence[nn.Module], widths: tuple[int, ...]) -> None:
        super().__init__()
        steps = list(pairwise(widths))
        self.aligners = nn.ModuleList(aligners)
        self.downs = nn.ModuleList(_conv_relu(fine, coarse, stride=2) for fine, coarse in steps)
        self.merges = nn.ModuleList(_conv_relu(2 * coarse, coarse) for _, coarse in steps)

    def forward(self, reference: tuple[Tensor, ...], neighbour: tuple[Tensor, ...]) -> Tensor:
        aligned = [align(ref, nbr) for align, ref, nbr in zip(self.aligners, reference, neighbour, strict=True)]
        passed: Tensor = aligned[0]
        for down, merge, level in zip(self.downs, self.merges, aligned[1:], strict=True):
            passed = merge(torch.cat((down(passed), level), dim=1))
        return passed


def mdcn(
    *,
    widths: tuple[int, ...] = (16, 32, 64),
    num_blocks: int = 2,
    kernel_size: int = 3,
    alignment: Alignment = "deformable",
    flow: Mapping[str, object] | None = DEFAULTS,
) -> MDCN:
    """Build `MDCN` from plain values.

    Decided: every level of the pyramid is one 3x3 convolution with a ReLU, the coarser ones with stride 2.

    Args:
        widths: features at full, half, quarter resolution.
        num_blocks: residual blocks of the fusion and of each stage of the reconstruction.
        kernel_size: of the deformable convolutions; K is its square.
        alignment: `deformable` is the network; `features` and `pictures` align these by flow, see `FlowMDCN`; `none` leaves frames as they are.
        flow: arguments of `PWCNet`, where features or pictures are aligned by flow; None for a flow of zero.

    Raises:
        ValueError: if there is no such alignment.
    """
    if alignment not in ("deformable", "features", "pictures", "none"):
        raise ValueError(f"alignment must be `deformable`, `features`, `pictures` or `none`, got {alignment!r}")
    inputs = (3, *widths[:-1])
    pyramid = nn.ModuleList(_conv_relu(inputs[i], widths[i], stride=2 if i else 1) for i in range(len(widths)))
    deformable = alignment == "deformable"
    aligners = [DeformAlign(width=width, kernel_size=kernel_size) if deformable else KeepUnaligned() for width in widths]
    fusion = nn.Sequential(
        nn.Conv2d(MDCN.num_frames * widths[-1], widths[-1], 1),
        nn.Conv2d(widths[-1], widths[-1], 3, padding=1),
        *(ResBlock(width=widths[-1], kernel_size=3) for _ in range(num_blocks)),
    )
    passing = PyramidAlign(aligners=aligners, widths=widths)
    reconstruction = Reconstruction(widths=widths, num_blocks=num_blocks)
    radius = _receptive_radius(levels=len(widths), num_blocks=num_blocks, align_reach=2 + kernel_size // 2 if deformable else 0)
    if alignment in ("features", "pictures"):
        return FlowMDCN(
            pyramid=pyramid,
            alignment=passing,
            fusion=fusion,
            reconstruction=reconstruction,
            flow=flow_network(flow),
            warps=alignment,
            receptive_radius=radius,
        )
    return MDCN(pyramid=pyramid, alignment=passing, fusion=fusion, reconstruction=reconstruction, receptive_radius=radius)


def _conv_relu(in_width: int, out_width: int, *, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(in_width, out_width, 3, stride=stride, padding=1), nn.ReLU(inplace=True))


def _receptive_radius(*, levels: int, num_blocks: int, align_reach: int) -> int:
    """The longest way through the convolutions, each adding a position of its resolution, a deconvolution one and a half."""
    full = 1 + align_reach + 1  # finest level: pyramid, offset and sampling; last convolution
    for level in range(1, levels):
        step, fine = 2**level, 2 ** (level - 1)
        full += fine + align_reach * step + fine + step  # pyramid, alignment, step down, merge
        full += 2 * step + 2 * num_blocks * fine  # deconvolution and blocks after it
    return full + 2 ** (levels - 1) * (1 + 2 * num_blocks)  # fusion
