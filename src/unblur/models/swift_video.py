"""`swift_video`: `swift` with the frames before and after, whose flow says how the picture was smeared.

A blurry photo says little about the motion that made it. In a video the motion goes on: where a thing stands in the frames
around tells how fast it moves, and the share of the time in which the shutter was open, which the network estimates, makes a
smear of that. The neighbours also show what the reference has lost, since a hand that shakes is still at times.

    frames ── fold 4 ── pyramid ──┐
                 │                ├── flow to each neighbour at 1/16, 1/8, 1/4
                 │                │       │
                 ├── warp ◄───────┼───────┤
                 │                        │
                 └── reference, warped neighbours, flows ──┬── motion: U-Net at 1/4 ── blur field
                                          │                │                             │
                                          │         read along the smear ◄───────────────┤
                                          │                │                             │
                                          └─────────── concatenate ── restoration: U-Net at 1/4
                                                                            │
    reference ───────────────────────────────────────────────── + ◄────── unfold 4
                                                                │
                                                             restored

As in `swift`, all convolutions are dense, 3x3, at a quarter of the resolution and below. Flow comes from features of which each
frame has its own, so that a stream computes them once.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle

from unblur.errors import ShapeError
from unblur.layers.blocks import ResBlock
from unblur.layers.concatenate import concatenate
from unblur.layers.correlation import cost_volume
from unblur.layers.motion_blur import sample_along
from unblur.layers.pixel_unshuffle import pixel_unshuffle
from unblur.layers.unet import UNet
from unblur.layers.warp import flow_resize, flow_warp
from unblur.models.base import CENTRE
from unblur.models.swift import LENGTH_UNIT, UNSHUFFLE, zero_new_blocks
from unblur.models.video import VideoNet

__all__ = ["FlowPyramid", "SwiftVideo", "constant_velocity", "from_photo_network"]


class FlowPyramid(nn.Module):
    """Features of single frames at 1/4, 1/8 and 1/16, and the flow between two of them from coarse to fine.

    The scheme is that of PWC-Net (Sun et al., CVPR 2018): warp the neighbour by the flow so far, compare, correct. Decided otherwise:
    residual blocks, which suit matrix units; three resolutions from 1/4 on; costs are cosines.

    Args:
        in_channels: of the folded frame.
        widths: features at 1/4, 1/8, 1/16.
        radii: of the cost volumes there; 0 lays the features side by side instead.

    Attributes:
        size_multiple: sides of the folded frames are multiples of this.
        receptive_radius: of the convolutions, in positions of the folded frame.
    """

    def __init__(self, *, in_channels: int, widths: tuple[int, ...], radii: tuple[int, ...]) -> None:
        super().__init__()
        if len(widths) != len(radii) or not widths:
            raise ValueError(f"widths and radii must have one entry a resolution, got {len(widths)} and {len(radii)}")
        self.radii = tuple(radii)
        self.entry = nn.Conv2d(in_channels, widths[0], 3, padding=1)
        self.downs = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in pairwise(widths))
        self.encoders = nn.ModuleList(ResBlock(width=width, kernel_size=3) for width in widths)
        self.decoders = nn.ModuleList(_FlowDecoder(width=width, radius=radius) for width, radius in zip(widths, radii, strict=True))
        self.size_multiple = 2 ** (len(widths) - 1)
        self.receptive_radius = sum(2**i * (12 + radius) for i, radius in enumerate(radii))

    def features(self, folded: Tensor) -> tuple[Tensor, ...]:
        """(B, in_channels, H, W) to (B, widths[i], H/2^i, W/2^i)."""
        feats = [self.encoders[0](self.entry(folded))]
        for down, encoder in zip(self.downs, list(self.encoders)[1:], strict=True):
            feats.append(encoder(down(feats[-1])))
        return tuple(feats)

    def forward(self, reference: Sequence[Tensor], neighbour: Sequence[Tensor]) -> list[Tensor]:
        """The flow from the features of one frame to those of another, at every resolution, finest first.

        Shape:
            two of (B, widths[i], H/2^i, W/2^i) -> (B, 2, H/2^i, W/2^i) each, (dx, dy) in pixels of its resolution
        """
        flow = reference[-1].new_zeros(reference[-1].shape[0], 2, *reference[-1].shape[-2:], dtype=torch.float32)
        flows: list[Tensor] = []
        for level in reversed(range(len(reference))):
            size = (reference[level].shape[-2], reference[level].shape[-1])
            flow = flow_resize(flow, size=size)
            flow = self.decoders[level](reference[level], neighbour[level], flow)
            flows.insert(0, flow)
        return flows


class _FlowDecoder(nn.Module):
    """One correction of the flow."""

    def __init__(self, *, width: int, radius: int) -> None:
        super().__init__()
        self.radius = radius
        compared = (2 * radius + 1) ** 2 if radius else width
        self.entry = nn.Conv2d(width + compared + 2, width, 3, padding=1)
        self.block1 = ResBlock(width=width, kernel_size=3)
        self.block2 = ResBlock(width=width, kernel_size=3)
        self.exit = nn.Conv2d(width, 2, 3, padding=1)
        for parameter in self.exit.parameters():
            nn.init.zeros_(parameter)  # untrained, nothing has moved

    def forward(self, reference: Tensor, neighbour: Tensor, flow: Tensor) -> Tensor:
        warped = flow_warp(neighbour, flow.detach())  # which learns by what is added to it, not by what it brings here
        compared = cost_volume(_unit(reference), _unit(warped), radius=self.radius) if self.radius else warped
        feat = self.entry(concatenate(reference, compared, flow))
        return flow + self.exit(self.block2(self.block1(feat))).float()


def _unit(feat: Tensor) -> Tensor:
    """Features of length 1 (times the root of their number) at each position, so that costs are cosines.

    Without it an untrained pyramid learns nothing for a long time: its costs are too small to be noticed.
    """
    return feat * torch.rsqrt(feat.float().square().mean(dim=1, keepdim=True) + 1e-4).to(feat.dtype)


class SwiftVideo(VideoNet):
    """Restores the middle one of three frames.

    Stages: `features` is the centred frame, the folded frame and its pyramid; `motion` a flow of zero, from which `align` begins;
    `align` the folded neighbour warped to the reference, the flow, and before them whether it is another picture than the reference; `fuse` and
    `reconstruct` the rest.

    The first frame of a shot has none before it, and a stream gives it a copy of itself. A copy says that nothing moved, which is wrong: what is known
    of the other neighbour stands in for it, as if the motion went on evenly.

    Args:
        widths: features of the restoration at 1/4, 1/8, 1/16, ... resolution.
        blocks: its residual blocks there, see `UNet`.
        motion_widths: features of the network that estimates the blur field, likewise.
        motion_blocks: its residual blocks there.
        flow_widths: features of the flow at 1/4, 1/8, 1/16.
        flow_radii: of its cost volumes there, see `FlowPyramid`.
        positions: where the reference is read along the smear, in shares of its length from its middle.
        max_blur_length: longest smear that is read along, pixels.
    """

    num_frames = 3
    scale_step = 3.0

    def __init__(
        self,
        *,
        widths: tuple[int, ...] = (64, 96, 128),
        blocks: tuple[int, ...] = (2, 0, 0),
        motion_widths: tuple[int, ...] = (32, 64, 128),
        motion_blocks: tuple[int, ...] = (1, 2, 3),
        flow_widths: tuple[int, ...] = (32, 64, 96),
        flow_radii: tuple[int, ...] = (0, 3, 4),
        positions: tuple[float, ...] = (-0.5, -0.25, 0.25, 0.5),
        max_blur_length: float = 48.0,
    ) -> None:
        super().__init__()
        pixels = 3 * UNSHUFFLE**2
        window = self.num_frames * pixels + 2 * (self.num_frames - 1)  # all frames and the flows
        self.positions, self.max_blur_length = tuple(positions), max_blur_length
        self.flow = FlowPyramid(in_channels=pixels, widths=tuple(flow_widths), radii=tuple(flow_radii))
        self.blur_field = UNet(in_channels=window, out_channels=3, widths=tuple(motion_widths), blocks=tuple(motion_blocks))
        self.restoration = UNet(
            in_channels=window + pixels * len(positions) + 3, out_channels=pixels, widths=tuple(widths), blocks=tuple(blocks)
        )
        self.size_multiple = UNSHUFFLE * max(part.size_multiple for part in (self.flow, self.blur_field, self.restoration))
        reach = self.flow.receptive_radius + self.blur_field.receptive_radius + 1 + self.restoration.receptive_radius
        self.receptive_radius = (
            UNSHUFFLE * reach + UNSHUFFLE - 1 + int(max_blur_length * max((abs(share) for share in positions), default=0)) + 1
        )

    def features(self, frame: Tensor) -> tuple[Tensor, ...]:
        folded = pixel_unshuffle(frame - CENTRE, factor=UNSHUFFLE)  # (B, 48, H/4, W/4)
        return (frame - CENTRE, folded, *self.flow.features(folded))

    def motion(self, reference: Tensor, neighbour: Tensor) -> Tensor:  # noqa: ARG002 (found in `align`, from features)
        return reference.new_zeros(reference.shape[0], 2, 1, 1)

    def align(self, reference: tuple[Tensor, ...], neighbour: tuple[Tensor, ...], motion: Tensor | None) -> tuple[Tensor, ...]:
        if motion is None:
            return (neighbour[1],)
        return self.aligned(reference, neighbour, motion, flow=self.flow(reference[2:], neighbour[2:])[0])

    def aligned(self, reference: tuple[Tensor, ...], neighbour: tuple[Tensor, ...], motion: Tensor, *, flow: Tensor) -> tuple[Tensor, ...]:  # noqa: ARG002
        """`align`, by a flow that is known, (B, 2, H/4, W/4) in pixels of that resolution."""
        other = (reference[0] != neighbour[0]).flatten(1).any(dim=1)[:, None, None, None]  # (B, 1, 1, 1)
        return (other, *self.warped(neighbour[0], flow))

    def fuse(self, aligned: list[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
        before, (reference,), after = aligned
        window = concatenate(*constant_velocity(before, after), reference, *constant_velocity(after, before))  # (B, 3·48 + 4, H/4, W/4)
        return (window, LENGTH_UNIT * self.blur_field(window).float())

    def reconstruct(self, fused: tuple[Tensor, ...], reference: Tensor) -> Tensor:
        window, blur_field = fused
        blur_field = blur_field.clamp(-self.max_blur_length, self.max_blur_length)
        views = (
            [pixel_unshuffle(sample_along(reference - CENTRE, blur_field, positions=self.positions), factor=UNSHUFFLE)]
            if self.positions
            else []
        )
        residual = self.restoration(concatenate(window, *views, blur_field / LENGTH_UNIT))  # (B, 48, H/4, W/4)
        return reference + pixel_shuffle(residual, UNSHUFFLE).float()  # (B, 3, H, W)

    def warped(self, centred: Tensor, flow: Tensor) -> tuple[Tensor, Tensor]:
        """A neighbour where the reference has it, and the flow that brought it there, for `fuse`.

        No gradient reaches the flow through the picture that was warped.

        Shape:
            centred (B, 3, H, W), flow (B, 2, H/4, W/4) in pixels of that resolution -> (B, 48, H/4, W/4), (B, 2, H/4, W/4)
        """
        moved = flow_warp(centred, flow_resize(flow.detach(), size=(centred.shape[-2], centred.shape[-1])))
        return pixel_unshuffle(moved, factor=UNSHUFFLE), flow * (UNSHUFFLE / LENGTH_UNIT)


def constant_velocity(neighbour: tuple[Tensor, ...], opposite: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """A neighbour and the flow to it; where it is a copy of the reference, the opposite one and its flow reversed.

    Args:
        neighbour: as `SwiftVideo.align` gives it, with one flow or more.
        opposite: the neighbour on the other side.

    Shape:
        two of bool (B, 1, 1, 1), (B, C, H, W), (B, 2, ...) ... -> (B, C, H, W), (B, 2, ...) ...
    """
    (other, folded, *flows), (known, instead, *back) = neighbour, opposite
    keep = other | ~known
    return (torch.where(keep, folded, instead), *(torch.where(keep, flow, -reverse) for flow, reverse in zip(flows, back, strict=True)))


def from_photo_network(photo: Mapping[str, Tensor], *, net: SwiftVideo) -> dict[str, Tensor]:
    """Tensors with which `net` restores each frame as a `swift` of the same widths would: the neighbours count for nothing yet.

    Args:
        photo: tensors of the `swift`.
        net: to be given them; its flow stays as it is, and residual blocks that it has beside say 0.

    Raises:
        ShapeError: if the two have other widths.
    """
    pixels = 3 * UNSHUFFLE**2  # channels of the reference, which come first in a `swift`
    neighbour = pixels + 2  # channels of the frame before, and again of the one after
    given = {f"blur_field.{name.removeprefix('motion.')}" if name.startswith("motion.") else name: tensor for name, tensor in photo.items()}
    tensors = zero_new_blocks(net, known=given)
    for name, tensor in given.items():
        target = tensors.get(name)
        widens = name.endswith(".entry.weight")
        if target is None or (target.shape[2:] if widens else target.shape) != (tensor.shape[2:] if widens else tensor.shape):
            raise ShapeError(f"the photo network's tensor for `{name}`, {tuple(tensor.shape)}, has no place in the video network")
        if not widens:
            target.copy_(tensor)
            continue
        if target.shape[0] != tensor.shape[0] or target.shape[1] != tensor.shape[1] + 2 * neighbour:
            raise ShapeError(f"the photo network's tensor for `{name}`, {tuple(tensor.shape)}, does not fit {tuple(target.shape)}")
        target.zero_()
        target[:, neighbour : neighbour + pixels] = tensor[:, :pixels]
        target[:, neighbour + pixels + neighbour :] = tensor[:, pixels:]
    return tensors
