"""`xiang`: video deblurring that is guided by features of a sharp picture of something else, the exemplar.

Source: Xiang, Wei, Pan, "Deep Video Deblurring Using Sharpness Features from Exemplars", IEEE Transactions on Image Processing 29, 2020.

    B_{t-1}, warped B_{t-1}, B_t,
    warped B_{t+1}, B_{t+1} ─ ⊕ ─ F_1 32 ────── ⊕ ─ F_2 ↓2 128 ─ ⊕ ─ ↓2 256 ─ blocks, ↑2 64 ─ ⊕ ─ blocks, ↑2 64 ─ ⊕ ─ blocks ─ R_t
                                                │                │                            │                    │
    exemplar ─ E_1 32 ─ E_2 ↓2 64              E_1              E_2                       F_2, E_2             F_1, E_1

36.60 M parameters and those of the flow network. Published as measured by the documents that the project follows: DVD 31.68 dB / 0.9157.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from unblur.layers.blocks import codec_radius, conv, deconv, res_blocks
from unblur.layers.check import check_shape
from unblur.models.arguments import DEFAULTS
from unblur.models.base import CENTRE
from unblur.models.flow import FlowNet
from unblur.models.pwcnet import flow_network
from unblur.models.supervised import TakesExemplar
from unblur.models.video import WarpingNet

__all__ = ["EXEMPLAR_SIDE", "Xiang", "xiang"]

EXEMPLAR_SIDE = 128
"""Side of the exemplar that belongs to the weights, pixels."""

STAGES = 3
"""Resolutions of encoder and decoder."""


class Xiang(WarpingNet, TakesExemplar):
    """Three frames in, the middle one restored.

    Stages: `motion` that of `WarpingNet`; `align` puts out the warped frame and the frame itself; `fuse` runs the encoder and puts out its levels and the exemplar's, finest
    first.
    Decided: frames are centred to [-0.5, 0.5]; the flow is PWC-Net's, where the source has FlowNetS; three copies of one picture are the exemplar, as when the source's authors
    restore clips of others, also in training, where they take three frames of another clip.

    Args:
        flow: flow network.
        width: features of the first convolution; the encoder has 4 and 8 times as many at its lower resolutions.
        num_blocks: residual blocks of each stage of encoder and decoder.
        kernel_size: of the convolutions.

    Attributes:
        exemplar: a sharp picture that belongs to the weights, (3, EXEMPLAR_SIDE, EXEMPLAR_SIDE) in [0, 1]: mid-grey until a training sets it. It is laid out over a frame by mirroring.
        global_context: true, since what lies beside a pixel of a frame depends on where the frame begins.
    """

    num_frames = 3
    global_context = True
    exemplar: Tensor

    def __init__(self, *, flow: FlowNet, width: int, num_blocks: int, kernel_size: int) -> None:
        super().__init__(flow=flow)

        def stage(inputs: int, features: int, *, stride: int) -> nn.Sequential:
            opening = conv(inputs, features, kernel_size=kernel_size, stride=stride, relu=True)
            return nn.Sequential(opening, *res_blocks(num_blocks, width=features, kernel_size=kernel_size))

        def up(features: int, ending: nn.Module) -> nn.Sequential:
            return nn.Sequential(*res_blocks(num_blocks, width=features, kernel_size=kernel_size), ending)

        self.sharpness = nn.ModuleList(
            [conv(9, width, kernel_size=kernel_size, relu=True), conv(width, 2 * width, kernel_size=kernel_size, stride=2, relu=True)]
        )
        self.encoder = nn.ModuleList(
            [stage(15, width, stride=1), stage(2 * width, 4 * width, stride=2), stage(6 * width, 8 * width, stride=2)]
        )
        self.decoder = nn.ModuleList(
            [
                up(8 * width, deconv(8 * width, 2 * width, relu=True)),
                up(8 * width, deconv(8 * width, 2 * width, relu=True)),
                up(4 * width, conv(4 * width, 3, kernel_size=kernel_size)),
            ]
        )
        self.register_buffer("exemplar", torch.full((3, EXEMPLAR_SIDE, EXEMPLAR_SIDE), CENTRE))
        self.size_multiple = math.lcm(2 ** (STAGES - 1), flow.size_multiple)
        self.receptive_radius = codec_radius(stages=STAGES, num_blocks=num_blocks, kernel_size=kernel_size) + flow.receptive_radius

    def restore_with(self, blurry: Tensor, exemplar: Tensor) -> Tensor:
        """As `forward`, with an exemplar for each window.

        Args:
            blurry: windows.
            exemplar: sharp pictures of anything, in [0, 1].

        Shape:
            (B, 3, 3, H, W), (B, 3, H, W) -> (B, 3, H, W)
        """
        check_shape(exemplar, (blurry.shape[0], 3, *blurry.shape[-2:]), name="exemplar")
        frames = blurry.unbind(dim=1)
        feats = [self.features(frame) for frame in frames]
        motions = [self.motion(frames[1], frames[0]), None, self.motion(frames[1], frames[2])]
        aligned = [self.align(feats[1], feat, motion) for feat, motion in zip(feats, motions, strict=True)]
        return self.reconstruct(self.fuse_with(aligned, exemplar), frames[1])

    @torch.no_grad()
    def keep_exemplar(self, sharp: Tensor) -> None:
        """Resize a sharp picture (3, H, W) to the exemplar that belongs to the weights."""
        side = (EXEMPLAR_SIDE, EXEMPLAR_SIDE)
        self.exemplar.copy_(interpolate(sharp[None], size=side, mode="bilinear", align_corners=False, antialias=True)[0])

    def align(self, reference: tuple[Tensor, ...], neighbour: tuple[Tensor, ...], motion: Tensor | None) -> tuple[Tensor, ...]:
        return (*super().align(reference, neighbour, motion), *neighbour)

    def fuse(self, aligned: list[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
        batch, _, height, width = aligned[0][0].shape
        laid = _mirrored(_mirrored(self.exemplar, height, axis=-2), width, axis=-1)  # (3, H, W)
        return self.fuse_with(aligned, laid.expand(batch, -1, -1, -1))

    def fuse_with(self, aligned: list[tuple[Tensor, ...]], exemplar: Tensor) -> tuple[Tensor, ...]:
        """As `fuse`, with an exemplar (B, 3, H, W) for each window."""
        (before, before_itself), (frame, _), (after, after_itself) = aligned
        sharp = self.sharpness[0](exemplar.to(frame).repeat(1, 3, 1, 1) - CENTRE)  # E_1; (B, 32, H, W)
        sharp_half = self.sharpness[1](sharp)  # E_2; (B, 64, H/2, W/2)
        feat = self.encoder[0](torch.cat([before_itself, before, frame, after, after_itself], dim=1))  # F_1; (B, 32, H, W)
        half = self.encoder[1](torch.cat([feat, sharp], dim=1))  # F_2; (B, 128, H/2, W/2)
        quarter = self.encoder[2](torch.cat([half, sharp_half], dim=1))  # (B, 256, H/4, W/4)
        return torch.cat([feat, sharp], dim=1), torch.cat([half, sharp_half], dim=1), quarter

    def reconstruct(self, fused: tuple[Tensor, ...], reference: Tensor) -> Tensor:  # noqa: ARG002 (no residual)
        feat, half, quarter = fused
        up = self.decoder[0](quarter)  # (B, 64, H/2, W/2)
        up = self.decoder[1](torch.cat([up, half], dim=1))  # (B, 64, H, W)
        return self.decoder[2](torch.cat([up, feat], dim=1)) + CENTRE  # R_t; (B, 3, H, W)


def _mirrored(picture: Tensor, length: int, *, axis: int) -> Tensor:
    """A picture, its mirror image, the picture again ..., as long as asked for along an axis."""
    side = picture.shape[axis]
    both = torch.cat([picture, picture.flip(axis)], dim=axis)
    copies = -(-length // (2 * side))
    return torch.cat([both] * copies, dim=axis).narrow(axis, 0, length)


def xiang(
    *,
    width: int = 32,
    num_blocks: int = 3,
    kernel_size: int = 5,
    flow: Mapping[str, object] | None = DEFAULTS,
) -> Xiang:
    """Build `Xiang` from plain values.

    Args:
        width: as for `Xiang`.
        num_blocks: as for `Xiang`.
        kernel_size: as for `Xiang`.
        flow: arguments of `PWCNet`; None for frames that are not aligned.
    """
    return Xiang(flow=flow_network(flow), width=width, num_blocks=num_blocks, kernel_size=kernel_size)
