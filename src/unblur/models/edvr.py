"""`edvr`: alignment by deformable convolution from coarse to fine, fusion by attention over time and place.

Source: Wang, Chan, Yu, Dong, Loy, "EDVR: Video Restoration with Enhanced Deformable Convolutional Networks", CVPR workshops 2019:
the network for deblurring, whose input has full resolution; sizes by the authors' program.

    B_{t+i} ─ ↓4 ─ predeblur ─ 5 blocks ─ L1 ─ ↓2 ─ L2 ─ ↓2 ─ L3
                                           │         │         │
    PCD:   offsets  o1 ◄─────── ↑2 ─────── │ ─ o2 ◄─ ↑2 ────── │ ─ o3        o_l = convs(L_l of t+i ⊕ L_l of t ⊕ ↑o_{l+1})
           aligned  a1 ◄─────── ↑2 ─────── │ ─ a2 ◄─ ↑2 ────── │ ─ a3        a_l = conv(dcn(L_l, o_l) ⊕ ↑a_{l+1})
                    └─ dcn, offsets from (a1 ⊕ L1 of t) ─ F_{t+i}

    TSA:   F_{t+i} · sigmoid(<θ(F_t), φ(F_{t+i})>) ─ ⊕ over i ─ 1x1 ─ · spatial attention ─ 40 blocks ─ ↑4 ─ + B_t ─ R_t

23.60 M parameters (quoted: 23.6 M). Published as measured by the documents that the project follows: DVD 28.51 dB / 0.8637.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, leaky_relu, max_pool2d

from unblur.layers.blocks import ResBlock, conv, res_blocks
from unblur.layers.deform import ModulatedDeformConv
from unblur.layers.pyramid import double
from unblur.models.base import CENTRE
from unblur.models.video import VideoNet

__all__ = ["EDVR", "PCDAlign", "PredeblurPyramid", "TSAFusion", "edvr"]

SLOPE = 0.1
"""Negative slope of every leaky ReLU; the residual blocks have plain ones."""

LEVELS = 3


class EDVR(VideoNet):
    """A window of frames in, the middle one restored.

    Stages: `features` puts out the pyramid L1, L2, L3; there is no `motion`; `align` is PCD, which the reference goes through too; `fuse`
    is TSA.
    Decided: frames are centred to [-0.5, 0.5].

    Args:
        entry: frame -> features of the resolution at which the network works.
        extraction: features -> L1.
        downs: from each level of the pyramid to the next.
        alignment: (reference pyramid, neighbour pyramid) -> aligned features.
        fusion: aligned features (B, N, C, h, w) -> (B, C, h, w).
        reconstruction: merged features -> residual picture.
        num_frames: N, odd.
        stride: resolution of the frame by that of L1.
        receptive_radius: of the convolutions; offsets reach further.
    """

    def __init__(
        self,
        *,
        entry: nn.Module,
        extraction: nn.Module,
        downs: nn.ModuleList,
        alignment: nn.Module,
        fusion: nn.Module,
        reconstruction: nn.Module,
        num_frames: int,
        stride: int,
        receptive_radius: int,
    ) -> None:
        super().__init__()
        self.entry = entry
        self.extraction = extraction
        self.downs = downs
        self.alignment = alignment
        self.fusion = fusion
        self.reconstruction = reconstruction
        self.num_frames = num_frames
        self.size_multiple = stride * 2 ** len(downs)
        self.receptive_radius = receptive_radius

    def features(self, frame: Tensor) -> tuple[Tensor, ...]:
        levels = [self.extraction(self.entry(frame - CENTRE))]  # L1; (B, 128, H/4, W/4)
        for down in self.downs:
            levels.append(down(levels[-1]))  # L2, L3
        return tuple(levels)

    def motion(self, reference: Tensor, neighbour: Tensor) -> None:  # noqa: ARG002 (the contract of a video network)
        return None

    def align(self, reference: tuple[Tensor, ...], neighbour: tuple[Tensor, ...], motion: Tensor | None) -> tuple[Tensor, ...]:  # noqa: ARG002
        return (self.alignment(reference, neighbour),)  # (B, 128, H/4, W/4)

    def fuse(self, aligned: list[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
        return (self.fusion(torch.stack([feat for (feat,) in aligned], dim=1)),)  # (B, 128, H/4, W/4)

    def reconstruct(self, fused: tuple[Tensor, ...], reference: Tensor) -> Tensor:
        return reference + self.reconstruction(fused[0])


class PredeblurPyramid(nn.Module):
    """Blocks at three resolutions that make blurry features fit to be compared.

    Source: the PreDeblur module; one, two and five blocks from coarse to fine.

    Args:
        width: features in and out.

    Shape:
        (B, width, h, w) -> (B, width, h, w); h and w multiples of 4
    """

    def __init__(self, *, width: int) -> None:
        super().__init__()
        self.down2 = _leaky(width, width, stride=2)
        self.down3 = _leaky(width, width, stride=2)
        self.level3 = ResBlock(width=width, kernel_size=3)
        self.level2 = nn.ModuleList(ResBlock(width=width, kernel_size=3) for _ in range(2))
        self.level1 = nn.ModuleList(res_blocks(count, width=width, kernel_size=3) for count in (2, 3))
        self.mix = nn.Conv2d(width, width, 1)

    def forward(self, feat: Tensor) -> Tensor:
        half = self.down2(feat)
        quarter = self.level3(self.down3(half))
        half = self.level2[1](self.level2[0](half) + double(quarter))
        return self.mix(self.level1[1](self.level1[0](feat) + double(half)))


class PCDAlign(nn.Module):
    """Pyramid, cascading and deformable alignment: offsets and features are handed from each level to the finer one.

    Source: section on PCD alignment, eq. (3) and (4).

    Args:
        width: features of every level.
        groups: parts of the channels with offsets of their own.

    Shape:
        two pyramids of (B, width, h/2^l, w/2^l), finest first -> (B, width, h, w)
    """

    def __init__(self, *, width: int, groups: int) -> None:
        super().__init__()
        coarser = range(LEVELS - 1)  # levels that have a coarser one
        self.compare = nn.ModuleList(_leaky(2 * width, width) for _ in range(LEVELS))
        self.refine = nn.ModuleList(
            nn.Sequential(_leaky(2 * width, width), _leaky(width, width)) if level in coarser else _leaky(width, width)
            for level in range(LEVELS)
        )
        self.sample = nn.ModuleList(ModulatedDeformConv(width=width, groups=groups) for _ in range(LEVELS))
        self.merge = nn.ModuleList(nn.Conv2d(2 * width, width, 3, padding=1) for _ in coarser)
        self.last_offset = nn.Sequential(_leaky(2 * width, width), _leaky(width, width))
        self.last_sample = ModulatedDeformConv(width=width, groups=groups)

    def forward(self, reference: tuple[Tensor, ...], neighbour: tuple[Tensor, ...]) -> Tensor:
        feat = offset = None  # of the coarser level
        for level in reversed(range(LEVELS)):
            compared = self.compare[level](torch.cat([neighbour[level], reference[level]], dim=1))
            # A displacement is twice as many pixels at twice the resolution.
            offset = self.refine[level](compared if offset is None else torch.cat([compared, 2 * double(offset)], dim=1))  # (3)
            sampled = self.sample[level](neighbour[level], offset)
            sampled = sampled if feat is None else self.merge[level](torch.cat([sampled, double(feat)], dim=1))  # (4)
            feat = leaky_relu(sampled, SLOPE) if level else sampled
        assert feat is not None
        guide = self.last_offset(torch.cat([feat, reference[0]], dim=1))
        return leaky_relu(self.last_sample(feat, guide), SLOPE)


class TSAFusion(nn.Module):
    """Temporal and spatial attention: frames count by their likeness to the reference, places by what the frames hold there.

    Source: section on TSA fusion; eq. (5) and (6) for time.

    Args:
        width: features of a frame.
        num_frames: N, the reference in the middle.

    Shape:
        (B, N, width, h, w) -> (B, width, h, w); h and w multiples of 4
    """

    def __init__(self, *, width: int, num_frames: int) -> None:
        super().__init__()
        self.theta = nn.Conv2d(width, width, 3, padding=1)
        self.phi = nn.Conv2d(width, width, 3, padding=1)
        self.merge = _leaky(num_frames * width, width, kernel_size=1)
        self.attend = _leaky(num_frames * width, width, kernel_size=1)
        self.at_half = _leaky(2 * width, width, kernel_size=1)
        self.enter_half = _leaky(width, width, kernel_size=1)
        self.at_quarter = nn.Sequential(_leaky(2 * width, width), _leaky(width, width))
        self.leave_half = _leaky(width, width)
        self.mix = _leaky(width, width, kernel_size=1)
        self.scale = nn.Conv2d(width, width, 3, padding=1)
        self.shift = nn.Sequential(_leaky(width, width, kernel_size=1), nn.Conv2d(width, width, 1))

    def forward(self, aligned: Tensor) -> Tensor:
        frames = aligned.unbind(dim=1)
        reference = self.theta(frames[len(frames) // 2])
        likeness = [torch.sigmoid((self.phi(frame) * reference).sum(dim=1, keepdim=True)) for frame in frames]  # (5)
        stacked = torch.cat([frame * weight for frame, weight in zip(frames, likeness, strict=True)], dim=1)  # (6)
        half = self.at_half(_pool(self.attend(stacked)))  # (B, width, h/2, w/2)
        quarter = self.at_quarter(_pool(self.enter_half(half)))  # (B, width, h/4, w/4)
        attention = self.scale(double(self.mix(self.leave_half(half) + double(quarter))))  # (B, width, h, w)
        # The weight is doubled so that an untrained one is about 1.
        return self.merge(stacked) * torch.sigmoid(attention) * 2 + self.shift(attention)


def edvr(
    *,
    width: int = 128,
    groups: int = 8,
    num_frames: int = 5,
    num_extract_blocks: int = 5,
    num_blocks: int = 40,
    head_width: int = 64,
    predeblur: bool = True,
    hr_in: bool = True,
    attention: bool = True,
) -> EDVR:
    """Build `EDVR` from plain values.

    Args:
        width: features.
        groups: parts of the channels with offsets of their own.
        num_frames: N, odd.
        num_extract_blocks: residual blocks of the feature extraction.
        num_blocks: residual blocks of the reconstruction; 10 in the source's moderate model, with width 64.
        head_width: features at full resolution.
        predeblur: whether the frames go through `PredeblurPyramid` first.
        hr_in: whether the network works at a quarter of the resolution (the source's deblurring) or at all of it (its
            super-resolution, here without the enlargement).
        attention: false puts a 1x1 convolution in the place of TSA.

    Raises:
        ValueError: if `width` is no multiple of `groups`, or `num_frames` is even.
    """
    if width % groups or num_frames % 2 == 0:
        raise ValueError(f"width must be a multiple of groups and num_frames odd, got {width}, {groups} and {num_frames}")
    shrink = [_leaky(width, width, stride=2), _leaky(width, width, stride=2)] if hr_in else []
    enlarge = [_shuffled(width, width), _shuffled(width, head_width)] if hr_in else [_leaky(width, head_width)]
    return EDVR(
        entry=nn.Sequential(_leaky(3, width), *shrink, *([PredeblurPyramid(width=width)] if predeblur else [])),
        extraction=res_blocks(num_extract_blocks, width=width, kernel_size=3),
        downs=nn.ModuleList(nn.Sequential(_leaky(width, width, stride=2), _leaky(width, width)) for _ in range(LEVELS - 1)),
        alignment=PCDAlign(width=width, groups=groups),
        fusion=TSAFusion(width=width, num_frames=num_frames)
        if attention
        else nn.Sequential(nn.Flatten(1, 2), nn.Conv2d(num_frames * width, width, 1)),
        reconstruction=nn.Sequential(
            res_blocks(num_blocks, width=width, kernel_size=3),
            *enlarge,
            _leaky(head_width, head_width),
            nn.Conv2d(head_width, 3, 3, padding=1),
        ),
        num_frames=num_frames,
        stride=4 if hr_in else 1,
        receptive_radius=_receptive_radius(
            num_blocks=num_extract_blocks + num_blocks, predeblur=predeblur, hr_in=hr_in, attention=attention
        ),
    )


def _leaky(in_width: int, out_width: int, *, kernel_size: int = 3, stride: int = 1) -> nn.Module:
    return conv(in_width, out_width, kernel_size=kernel_size, stride=stride, relu=True, negative_slope=SLOPE)


def _shuffled(in_width: int, out_width: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(in_width, 4 * out_width, 3, padding=1), nn.PixelShuffle(2), nn.LeakyReLU(SLOPE, inplace=True))


def _pool(feat: Tensor) -> Tensor:
    """Largest and mean value of every second 3x3 square, side by side."""
    return torch.cat([max_pool2d(feat, 3, stride=2, padding=1), avg_pool2d(feat, 3, stride=2, padding=1)], dim=1)


def _receptive_radius(*, num_blocks: int, predeblur: bool, hr_in: bool, attention: bool) -> int:
    """The longest way; a convolution or pooling adds a position of its resolution, a doubling one of the coarser one."""
    at_features = 2 * num_blocks
    if predeblur:
        at_features += (1 + 2 + 2 * 4 + 4) + (4 * 2 + 2) + 5 * 2  # down, level 3, up; level 2, up; level 1
    at_features += (1 + 2 + 2 + 4) + (4 * 4 + 4) + (4 * 2 + 2 + 2) + (5 + 4)  # pyramid; PCD from coarse to fine; its last alignment
    if attention:
        at_features += 1 + (1 + 2 + 4 + 4 + 4) + 2 + 1  # φ; down and up again; up, scale
    outside = (1 + 1 + 2) + (4 + 2) + 1 + 1 if hr_in else 1 + 1 + 1 + 1
    return outside + (4 if hr_in else 1) * at_features
