"""`astcn`: adaptive spatio-temporal network, alignment guided by flow and fusion weighted by sharpness.

Source: Duan, "Deformable Convolutional Networks for Video Deblurring", master's thesis, Harbin Institute of Technology, 2022,
chapter 4, eq. (4-1)-(4-9) and algorithm 1.

    B_t ──── features ─ F_t ────────────────────┐
                                              corr ─ conv ─ residual ─ + ─ offset ─┐
    B_{t+i} ─ features ─ F_{t+i} ──┬─── warp ───┘                      │           │
                │                  │      └──────────── U ─────────────┤           │
                └─ conv, sigmoid ─ mask ─ warp by U ─ M_{t+i}          │           │
                        │          │                                   │           │
    B_t, B_{t+i} ─ flow ┼──────────┼─────────────── U ─────────────────┘           │
                        └──────────┴───────── DcnAlign ────────────────────────────┘
                                                  └─ F̂_{t+i}

    Q = box sum over k x k of Σ_i F̂_{t+i} M_{t+i} ─ 1x1 ─ C_t ─ 2 x (deconv, 2 blocks) ─ conv ─ + B_t ─ R_t

1.51 M parameters and 9.37 M of PWC-Net. Published: DVD 32.54 dB / 0.9410, GoPro 32.18 / 0.9316; on DVD without alignment 29.26,
without residual offset 31.38, without flow 31.62; k = 1, 3, 5, 7: 32.26, 32.54, 32.58, 32.61.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from unblur.layers.blocks import ResBlock, zero_last_convolution
from unblur.layers.coordinates import CoordinateConv
from unblur.layers.correlation import cost_volume
from unblur.layers.deform import DeformConv
from unblur.layers.filtering import dynamic_local_filter
from unblur.layers.reconstruction import Reconstruction
from unblur.layers.sampling import reading_dtype
from unblur.layers.warp import flow_resize, flow_warp
from unblur.models.arguments import DEFAULTS
from unblur.models.base import CENTRE
from unblur.models.diagnostic import Diagnostic, frame_name
from unblur.models.flow import FlowNet
from unblur.models.pwcnet import flow_network
from unblur.models.video import VideoNet

__all__ = ["ASTCN", "DcnAlign", "LocalFusion", "NoAlign", "ResidualOffset", "ZeroOffset", "astcn"]


class ASTCN(VideoNet):
    """Five frames in, the middle one restored.

    Stages: `features` puts out F and the mask; `motion` the flow at the resolution of F; `align` the aligned features and the
    warped mask. The reference goes through the alignment too, with a flow of zero (decided: the flow network is not asked, as
    nothing has moved).
    Decided: frames are centred to [-0.5, 0.5] for the features; the flow network gets them as they are.

    Args:
        encoder: frame -> F.
        sharpness: F -> mask before the sigmoid, one channel.
        flow: flow network.
        alignment: (reference F, neighbour F, mask, flow) -> aligned features and warped mask.
        fusion: (features (B, N, C, h, w), masks (B, N, 1, h, w)) -> C_t.
        reconstruction: C_t -> residual picture.
        stride: resolution of the frame by that of F.
        receptive_radius: of the convolutions without the flow network; offsets and flow reach further.
    """

    num_frames = 5

    def __init__(
        self,
        *,
        encoder: nn.Module,
        sharpness: nn.Module,
        flow: FlowNet,
        alignment: nn.Module,
        fusion: nn.Module,
        reconstruction: nn.Module,
        stride: int,
        receptive_radius: int,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.sharpness = sharpness
        self.flow = flow
        self.alignment = alignment
        self.fusion = fusion
        self.reconstruction = reconstruction
        self.stride = stride
        self.size_multiple = math.lcm(stride, flow.size_multiple)
        self.receptive_radius = receptive_radius + flow.receptive_radius

    def features(self, frame: Tensor) -> tuple[Tensor, ...]:
        feat = self.encoder(frame - CENTRE)  # (B, 128, H/4, W/4)
        mask = torch.sigmoid(self.sharpness(feat))  # (4-8); (B, 1, H/4, W/4)
        return feat, mask

    def motion(self, reference: Tensor, neighbour: Tensor) -> Tensor:
        flow = self.flow(reference, neighbour)  # (4-4); (B, 2, H, W)
        return flow_resize(flow, size=(flow.shape[-2] // self.stride, flow.shape[-1] // self.stride))  # (3-6)

    def align(self, reference: tuple[Tensor, ...], neighbour: tuple[Tensor, ...], motion: Tensor | None) -> tuple[Tensor, ...]:
        (ref_feat, _), (feat, mask) = reference, neighbour
        flow = _no_motion(feat) if motion is None else motion
        aligned, warped_mask = self.alignment(ref_feat, feat, mask, flow)  # (4-1)-(4-7)
        return aligned, warped_mask

    def fuse(self, aligned: list[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
        feats, masks = (torch.stack(parts, dim=1) for parts in zip(*aligned, strict=True))  # (B, N, C, h, w), (B, N, 1, h, w)
        return (self.fusion(feats, masks),)  # (4-9); C_t

    def begin_as_identity(self) -> None:
        zero_last_convolution(self.reconstruction)

    def reconstruct(self, fused: tuple[Tensor, ...], reference: Tensor) -> Tensor:
        return reference + self.reconstruction(fused[0])  # R_t = B_t + rec(C_t)

    def stage_diagnostics(
        self, frames: Sequence[Tensor], feats: Sequence[tuple[Tensor, ...]], aligned: Sequence[tuple[Tensor, ...]]
    ) -> list[Diagnostic]:
        """The sharpness mask of each frame, and as it is warped to the reference; and the restored picture."""
        times = [frame_name(i - len(frames) // 2) for i in range(len(frames))]
        rows = [dict(zip(times, frames, strict=True))]
        for title, parts in (("mask", feats), ("warped mask", aligned)):
            masks = [mask.float() for _, mask in parts]
            titles = (
                f"{title} of {time}: {float(mask.min()):.2f} to {float(mask.max()):.2f}" for time, mask in zip(times, masks, strict=True)
            )
            rows.append(dict(zip(titles, masks, strict=True)))
        caption = "sharpness mask of each position: yellow (1) counts fully, violet (0) not at all"
        return [Diagnostic(name="masks", kind="map", caption=caption, rows=tuple(rows)), *super().stage_diagnostics(frames, feats, aligned)]


class DcnAlign(nn.Module):
    """Deformable convolution whose offsets start from the flow and whose mask belongs to the position sampled.

    Source: section 4.3, eq. (4-1)-(4-7).

    Args:
        width: features in and out.
        residual: (reference features, warped neighbour features) -> offsets (B, 2K, h, w), (dy, dx), pixels.
        kernel_size: of the deformable convolution.

    Shape:
        reference, neighbour (B, width, h, w); mask (B, 1, h, w); flow (B, 2, h, w), (dx, dy) -> (B, width, h, w) and the mask
        warped by the flow, (B, 1, h, w)
    """

    def __init__(self, *, width: int, residual: nn.Module, kernel_size: int = 3) -> None:
        super().__init__()
        self.residual = residual
        self.sample = DeformConv(in_channels=width, out_channels=width, kernel_size=kernel_size)

    def forward(self, reference: Tensor, neighbour: Tensor, mask: Tensor, flow: Tensor) -> tuple[Tensor, Tensor]:
        warped = flow_warp(neighbour, flow)  # (4-5)
        residual = self.residual(reference, warped)  # (4-6), (4-7); (B, 2K, h, w)
        offset = flow.flip(1).repeat(1, self.sample.taps, 1, 1) + residual  # (4-3); flow is (dx, dy), offsets are (dy, dx)
        return self.sample(neighbour, offset, mask=mask), flow_warp(mask, flow)  # (4-1)


class ResidualOffset(nn.Module):
    """Offsets that correct the flow, from the cost volume of the reference and the warped neighbour.

    Source: eq. (4-6), (4-7).
    Decided: radius 4, that of PWC-Net; two convolutions, the last starting at zero, so that untrained offsets are the flow.

    Args:
        taps: K.
        radius: of the cost volume.
        width: features between the convolutions.

    Shape:
        two of (B, C, h, w) -> (B, 2K, h, w), single precision
    """

    def __init__(self, *, taps: int, radius: int = 4, width: int = 64) -> None:
        super().__init__()
        self.radius = radius
        self.weigh = nn.Conv2d((2 * radius + 1) ** 2, width, 3, padding=1)
        self.offset = CoordinateConv(in_channels=width, out_channels=2 * taps, starts_at_zero=True)

    def forward(self, reference: Tensor, warped: Tensor) -> Tensor:
        cost = cost_volume(reference, warped, radius=self.radius)  # (4-6)
        return self.offset(torch.relu(self.weigh(cost)))  # (4-7)


class ZeroOffset(nn.Module):
    """No correction: what stands in for `ResidualOffset` in the ablation without residual offset.

    Args:
        taps: K.
    """

    def __init__(self, *, taps: int) -> None:
        super().__init__()
        self.taps = taps

    def forward(self, reference: Tensor, warped: Tensor) -> Tensor:  # noqa: ARG002 (the signature of ResidualOffset)
        return reference.new_zeros(reference.shape[0], 2 * self.taps, *reference.shape[-2:], dtype=reading_dtype(reference))


class NoAlign(nn.Module):
    """Features and mask as they are: what stands in for `DcnAlign` in the ablation without alignment.

    Decided: the masks stay, since the fusion needs them; nothing is warped.
    """

    def forward(self, reference: Tensor, neighbour: Tensor, mask: Tensor, flow: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        return neighbour, mask


class LocalFusion(nn.Module):
    """Dynamic local filtering over the frames, then a 1x1 convolution over the channels.

    Source: section 4.4, eq. (4-9).

    Args:
        width: features in and out.
        kernel_size: k, odd.

    Shape:
        features (B, N, width, h, w); masks (B, N, 1, h, w) -> (B, width, h, w)
    """

    def __init__(self, *, width: int, kernel_size: int = 3) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.mix = nn.Conv2d(width, width, 1)

    def forward(self, feats: Tensor, masks: Tensor) -> Tensor:
        return self.mix(dynamic_local_filter(feats, masks, kernel_size=self.kernel_size))  # (4-9)


def astcn(
    *,
    widths: tuple[int, ...] = (32, 64, 128),
    num_blocks: int = 2,
    filter_size: int = 3,
    deform_size: int = 3,
    cost_radius: int = 4,
    align: bool = True,
    residual_offset: bool = True,
    flow: Mapping[str, object] | None = DEFAULTS,
) -> ASTCN:
    """Build `ASTCN` from plain values.

    Decided: strides 1, 2, 2 and widths 32, 64, 128 (the text says stride 2 three times, but two deconvolutions bring the result
    back); 3x3 convolutions, no activation outside the blocks; two convolutions for the mask.

    Args:
        widths: features of the encoder's stages.
        num_blocks: residual blocks of each stage of encoder and reconstruction.
        filter_size: k of the fusion; 1, 3, 5 and 7 are reported.
        deform_size: side of the deformable kernel; K is its square.
        cost_radius: of the cost volume of the residual offset.
        align: false for the ablation without alignment (which uses no flow either).
        residual_offset: false for the ablation without residual offset.
        flow: arguments of `PWCNet`; None for the ablation without flow.
    """
    width, stride = widths[-1], 2 ** (len(widths) - 1)
    taps = deform_size**2
    residual = ResidualOffset(taps=taps, radius=cost_radius) if residual_offset else ZeroOffset(taps=taps)
    return ASTCN(
        encoder=_encoder(widths, num_blocks=num_blocks),
        sharpness=nn.Sequential(nn.Conv2d(width, width // 2, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(width // 2, 1, 3, padding=1)),
        flow=flow_network(flow if align else None),
        alignment=DcnAlign(width=width, residual=residual, kernel_size=deform_size) if align else NoAlign(),
        fusion=LocalFusion(width=width, kernel_size=filter_size),
        reconstruction=Reconstruction(widths=widths, num_blocks=num_blocks),
        stride=stride,
        receptive_radius=_receptive_radius(
            stages=len(widths), num_blocks=num_blocks, at_features=2 + cost_radius + 2 + deform_size // 2 + filter_size // 2
        ),
    )


def _encoder(widths: tuple[int, ...], *, num_blocks: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for i, width in enumerate(widths):
        layers.append(nn.Conv2d(widths[i - 1] if i else 3, width, 3, stride=2 if i else 1, padding=1))
        layers.extend(ResBlock(width=width, kernel_size=3) for _ in range(num_blocks))
    return nn.Sequential(*layers)


def _no_motion(feat: Tensor) -> Tensor:
    return feat.new_zeros(feat.shape[0], 2, *feat.shape[-2:], dtype=reading_dtype(feat))


def _receptive_radius(*, stages: int, num_blocks: int, at_features: int) -> int:
    """Every convolution adds a position of its resolution, a deconvolution two of the finer one."""
    radius = 1 + 1 + 2 * num_blocks * 2  # first and last convolution, and the blocks at full resolution on both ways
    for stage in range(1, stages):
        fine, step = 2 ** (stage - 1), 2**stage
        passes = 1 if stage == stages - 1 else 2
        radius += fine + 2 * fine + 2 * num_blocks * step * passes
    return radius + at_features * 2 ** (stages - 1)
