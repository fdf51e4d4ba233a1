"""`cdvdtsp`: cascaded video deblurring with a temporal sharpness prior.

Source: Pan, Bai, Tang, "Cascaded Deep Video Deblurring Using Temporal Sharpness Prior", CVPR 2020.

    I_{t-1} ─ warp ─┐
    I_t ────────────┼─ ⊕ ─ encoder ─ decoder with sums across ─ I'_t
    I_{t+1} ─ warp ─┤  │
                    └ S_t = exp(-D / 2), D = Σ |warped - I_t|²

    stage 1: B_{t-2} ... B_{t+2} -> I'_{t-1}, I'_t, I'_{t+1};  stage 2, the same network: these -> R_t

16.26 M parameters with PWC-Net (quoted: 16.2 M: 16.19 M with the authors' 3x3 deconvolutions, where the project's shared decoder
has 4x4 ones). Published: DVD 32.13 dB / 0.9268, GoPro 31.67 / 0.9279.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from unblur.layers.blocks import Decoder, Encoder, codec_radius
from unblur.layers.warp import flow_inside
from unblur.models.arguments import DEFAULTS
from unblur.models.base import CENTRE
from unblur.models.cascade import CascadeNet
from unblur.models.diagnostic import Diagnostic
from unblur.models.flow import FlowNet
from unblur.models.pwcnet import flow_network
from unblur.models.video import WarpingNet

__all__ = ["SharpnessNet", "cdvdtsp", "temporal_sharpness"]

PATCH = 5
"""Side of the square that the sharpness prior averages over."""


class SharpnessNet(WarpingNet):
    """One stage: three frames in, the middle one restored.

    Stages: up to `align` those of `WarpingNet`, but `align` also says where the flow stays inside the frame; `fuse` runs the
    encoder and puts out its stages, finest first.
    Decided: frames are centred to [-0.5, 0.5].

    Args:
        flow: flow network.
        widths: features of the encoder's stages.
        num_blocks: residual blocks of each stage of encoder and decoder.
        kernel_size: of the convolutions.
        prior: whether the sharpness prior is one of the inputs.
    """

    num_frames = 3

    def __init__(self, *, flow: FlowNet, widths: tuple[int, ...], num_blocks: int, kernel_size: int, prior: bool) -> None:
        super().__init__(flow=flow)
        in_channels = 3 * self.num_frames + prior
        self.encoder = Encoder(in_channels=in_channels, widths=widths, num_blocks=num_blocks, kernel_size=kernel_size, relu=True)
        self.decoder = Decoder(out_channels=3, widths=widths, num_blocks=num_blocks, kernel_size=kernel_size, relu=True)
        self.prior = prior
        self.size_multiple = math.lcm(2 ** (len(widths) - 1), flow.size_multiple)
        reach = codec_radius(stages=len(widths), num_blocks=num_blocks, kernel_size=kernel_size)
        self.receptive_radius = reach + (PATCH // 2 if prior else 0) + flow.receptive_radius

    def align(self, reference: tuple[Tensor, ...], neighbour: tuple[Tensor, ...], motion: Tensor | None) -> tuple[Tensor, ...]:
        (warped,) = super().align(reference, neighbour, motion)
        inside = warped.new_ones(warped.shape[0], 1, *warped.shape[-2:]) if motion is None else flow_inside(motion).to(warped.dtype)
        return warped, inside

    def fuse(self, aligned: list[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
        frames, inside = (list(parts) for parts in zip(*aligned, strict=True))
        feat = torch.cat([*frames, *([temporal_sharpness(frames, inside)] if self.prior else [])], dim=1)  # (B, 10, H, W)
        return tuple(self.encoder.levels(feat))  # (B, 32, H, W), (B, 64, H/2, W/2), (B, 128, H/4, W/4)

    def reconstruct(self, fused: tuple[Tensor, ...], reference: Tensor) -> Tensor:  # noqa: ARG002 (no residual)
        *skips, feat = fused
        return self.decoder.with_skips(feat, skips) + CENTRE  # (B, 64, H/2, W/2), (B, 32, H, W), (B, 3, H, W)

    def stage_diagnostics(
        self,
        frames: Sequence[Tensor],
        feats: Sequence[tuple[Tensor, ...]],
        aligned: Sequence[tuple[Tensor, ...]],
    ) -> list[Diagnostic]:
        """The sharpness prior, if there is one, and the restored picture."""
        restored = super().stage_diagnostics(frames, feats, aligned)
        if not self.prior:
            return restored
        pictures, inside = (list(parts) for parts in zip(*aligned, strict=True))
        prior = temporal_sharpness(pictures, inside).float()
        least = float(prior.min())
        return [
            Diagnostic(
                name="sharpness",
                kind="map",
                caption="sharpness prior: how well the warped neighbours agree with t",
                rows=({"t": frames[len(frames) // 2], f"{least:.2f} violet to 1 yellow": prior},),
                value_range=(least, 1.0),
            ),
            *restored,
        ]


def temporal_sharpness(frames: list[Tensor], inside: list[Tensor]) -> Tensor:
    """How sharp each position of the middle frame is, judged by how its warped neighbours agree: 1 is sharp.

    Source: the temporal sharpness prior: S = exp(-D / 2), D the sum over the neighbours of the squared difference to the middle frame.
    Decided: differences are those of means over 5x5 patches, summed over the channels, as the authors' program takes the means; it
    also takes the root of D, which the formula does not. No gradient flows back, as there. Where a neighbour was read outside
    its frame, S is 0.

    Args:
        frames: middle frame and warped neighbours, in the order of time.
        inside: 1 where a frame was read inside its borders, 0 elsewhere.

    Shape:
        list of (B, 3, H, W), list of (B, 1, H, W) -> (B, 1, H, W), in single precision or that of the frames
    """
    means = [avg_pool2d(frame.detach(), PATCH, stride=1, padding=PATCH // 2) for frame in frames]
    middle = means[len(means) // 2]
    distance = torch.stack([(mean - middle).square().sum(dim=1, keepdim=True) for mean in means]).sum(dim=0)
    return torch.exp(-distance / 2) * torch.stack(inside).prod(dim=0)


def cdvdtsp(
    *,
    widths: tuple[int, ...] = (32, 64, 128),
    num_blocks: int = 3,
    kernel_size: int = 5,
    prior: bool = True,
    num_stages: int = 2,
    flow: Mapping[str, object] | None = DEFAULTS,
) -> CascadeNet:
    """Build the cascade from plain values; what it is made of is `SharpnessNet`.

    Args:
        widths: as for `SharpnessNet`.
        num_blocks: as for `SharpnessNet`.
        kernel_size: as for `SharpnessNet`.
        prior: as for `SharpnessNet`.
        num_stages: how often the network is applied; 2 is the source's, over five frames.
        flow: arguments of `PWCNet`; None for frames that are not aligned.
    """
    net = SharpnessNet(flow=flow_network(flow), widths=widths, num_blocks=num_blocks, kernel_size=kernel_size, prior=prior)
    return CascadeNet(net=net, num_stages=num_stages)
