"""`swift_video`: `swift` with the previous and the next frame, whose optical flow tells the blur.

A blurry photo says little about the motion that blurred it. In a clip the motion goes on: flow to the neighbours gives the velocity, and velocity times the
fraction of the frame interval during which the shutter was open gives the motion blur. The neighbours also show detail that the reference has lost, since a
shaking hand is still at times.

    frames ─ unshuffle 4 ─ pyramid ──┐
                 │                   ├── flow to each neighbour at 1/16, 1/8, 1/4
                 │                   │       │
                 ├── warp ◄──────────┼───────┤
                 │                           │
                 └── reference, warped neighbours, flows ──┬── U-Net at 1/4 ── blur field
                                          │                │                       │
                                          │      sample along the blur ◄───────────┤
                                          │                │                       │
                                          └────────── concatenate ── restoration: U-Net at 1/4
                                                                            │
    reference ───────────────────────────────────────────────── + ◄── pixel shuffle 4
                                                                │
                                                             restored

As in `swift`, all convolutions are dense, 3x3, at 1/4 of the resolution and below. Flow is computed from features of single frames, so that a stream computes
them once.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle

from unblur.errors import ShapeError
from unblur.layers.blocks import ResBlock, zero_last_convolution
from unblur.layers.concatenate import concatenate
from unblur.layers.correlation import cost_volume
from unblur.layers.motion_blur import sample_along
from unblur.layers.pixel_unshuffle import pixel_unshuffle
from unblur.layers.unet import UNet
from unblur.layers.warp import flow_resize, flow_warp
from unblur.models.base import CENTRE
from unblur.models.diagnostic import Diagnostic, restored_diagnostic
from unblur.models.supervised import EstimatesFlowAndBlurField
from unblur.models.swift import LENGTH_UNIT, UNSHUFFLE, blur_field_diagnostic, lacks_only_blocks, widen, zero_new_blocks
from unblur.models.video import VideoNet

__all__ = ["FlowPyramid", "SwiftVideo", "constant_velocity", "from_photo_network"]


class FlowPyramid(nn.Module):
    """Features of single frames at 1/4, 1/8 and 1/16, and the flow between two of them from coarse to fine.

    As in PWC-Net (Sun et al., CVPR 2018), the neighbour is warped by the flow of the coarser level, compared in a cost volume, and the flow corrected. Decided
    otherwise: residual blocks, which suit matrix units; three levels from 1/4 on; costs are cosine similarities.

    Args:
        in_channels: of the unshuffled frame.
        widths: features at 1/4, 1/8, 1/16.
        radii: of the cost volumes there; 0 concatenates the features instead.

    Attributes:
        size_multiple: the sides of unshuffled frames are multiples of this.
        receptive_radius: of the convolutions, in positions of the unshuffled frame.
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

    def features(self, unshuffled: Tensor) -> tuple[Tensor, ...]:
        """(B, in_channels, H, W) to (B, widths[i], H/2^i, W/2^i)."""
        feats = [self.encoders[0](self.entry(unshuffled))]
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
    """Corrects the flow at one level."""

    def __init__(self, *, width: int, radius: int) -> None:
        super().__init__()
        self.radius = radius
        compared = (2 * radius + 1) ** 2 if radius else width
        self.entry = nn.Conv2d(width + compared + 2, width, 3, padding=1)
        self.block1 = ResBlock(width=width, kernel_size=3)
        self.block2 = ResBlock(width=width, kernel_size=3)
        self.exit = nn.Conv2d(width, 2, 3, padding=1)
        zero_last_convolution(self.exit)  # untrained, flow is zero

    def forward(self, reference: Tensor, neighbour: Tensor, flow: Tensor) -> Tensor:
        warped = flow_warp(neighbour, flow.detach())  # as in PWC-Net, no gradient through the warping
        compared = cost_volume(_unit(reference), _unit(warped), radius=self.radius) if self.radius else warped
        feat = self.entry(concatenate(reference, compared, flow))
        return flow + self.exit(self.block2(self.block1(feat))).float()


def _unit(feat: Tensor) -> Tensor:
    """Features normalised to a root mean square of 1 at each position, so that costs are cosine similarities.

    Without it an untrained pyramid learns nothing for a long time, since its costs are too small.
    """
    return feat * torch.rsqrt(feat.float().square().mean(dim=1, keepdim=True) + 1e-4).to(feat.dtype)


class SwiftVideo(VideoNet, EstimatesFlowAndBlurField):
    """Restores the middle one of three frames.

    Stages: `features` gives the centred frame, the unshuffled frame and its pyramid; `motion` a flow of zero, since `align` estimates flow from features; `align` gives the
    warped, unshuffled neighbour and the flow, and first whether the neighbour is another picture than the reference; `fuse` gives the network's input and the blur field;
    `reconstruct` restores.

    At the first and last frame of a shot, a stream gives a copy of the reference as the neighbour. Its flow of zero would be wrong; the other neighbour and its reversed flow take
    its place, as if the velocity were constant.

    Args:
        widths: features of the restoration at 1/4, 1/8, 1/16, ... resolution.
        blocks: its residual blocks there, see `UNet`.
        motion_widths: features of the U-Net that estimates the blur field, likewise.
        motion_blocks: its residual blocks there.
        flow_widths: features of the flow at 1/4, 1/8, 1/16.
        flow_radii: of its cost volumes there, see `FlowPyramid`.
        positions: where the reference is sampled along the blur, in units of its length from its middle.
        max_blur_length: longest blur along which it is sampled, pixels.
    """

    num_frames = 3
    scale_step = 3.0
    aligns_features = False  # pictures are aligned
    estimate_stride = UNSHUFFLE

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
            UNSHUFFLE * reach + UNSHUFFLE - 1 + int(max_blur_length * max((abs(position) for position in positions), default=0)) + 1
        )

    def tensors_from(self, tensors: Mapping[str, Tensor], *, architecture: str) -> dict[str, Tensor]:
        """As `Net.tensors_from`, also from a `swift` of the same widths, and from the same network with fewer features or fewer residual blocks."""
        if architecture == "swift":
            return from_photo_network(tensors, net=self)
        if lacks_only_blocks(tensors, net=self):
            return widen(tensors, net=self)
        return super().tensors_from(tensors, architecture=architecture)

    def features(self, frame: Tensor) -> tuple[Tensor, ...]:
        unshuffled = pixel_unshuffle(frame - CENTRE, factor=UNSHUFFLE)  # (B, 48, H/4, W/4)
        return (frame - CENTRE, unshuffled, *self.flow.features(unshuffled))

    def motion(self, reference: Tensor, neighbour: Tensor) -> Tensor:  # noqa: ARG002 (found in `align`, from features)
        return reference.new_zeros(reference.shape[0], 2, 1, 1)

    def align(self, reference: tuple[Tensor, ...], neighbour: tuple[Tensor, ...], motion: Tensor | None) -> tuple[Tensor, ...]:
        if motion is None:
            _, unshuffled, *_ = neighbour
            return (unshuffled,)
        finest, *_ = self.flows(reference, neighbour)
        return self.aligned(reference, neighbour, motion, flow=finest)

    def flows(self, reference: tuple[Tensor, ...], neighbour: tuple[Tensor, ...]) -> list[Tensor]:
        (_, _, *reference_pyramid), (_, _, *pyramid) = reference, neighbour
        return self.flow(reference_pyramid, pyramid)

    def aligned(self, reference: tuple[Tensor, ...], neighbour: tuple[Tensor, ...], motion: Tensor, *, flow: Tensor) -> tuple[Tensor, ...]:  # noqa: ARG002
        """`align` with a given flow, (B, 2, H/4, W/4) in pixels of that resolution."""
        (centred_reference, *_), (centred, *_) = reference, neighbour
        other = (centred_reference != centred).flatten(1).any(dim=1)[:, None, None, None]  # (B, 1, 1, 1)
        return (other, *self.warped(centred, flow))

    def fuse(self, aligned: list[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
        before, (reference,), after = aligned
        window = concatenate(*constant_velocity(before, after), reference, *constant_velocity(after, before))  # (B, 3·48 + 4, H/4, W/4)
        return (window, LENGTH_UNIT * self.blur_field(window).float())

    def reconstruct(self, fused: tuple[Tensor, ...], reference: Tensor) -> Tensor:
        window, blur_field = fused
        blur_field = blur_field.clamp(-self.max_blur_length, self.max_blur_length)
        samples = (
            [pixel_unshuffle(sample_along(reference - CENTRE, blur_field, positions=self.positions), factor=UNSHUFFLE)]
            if self.positions
            else []
        )
        residual = self.restoration(concatenate(window, *samples, blur_field / LENGTH_UNIT))  # (B, 48, H/4, W/4)
        return reference + pixel_shuffle(residual, UNSHUFFLE).float()  # (B, 3, H, W)

    def warped(self, centred: Tensor, flow: Tensor) -> tuple[Tensor, Tensor]:
        """The neighbour warped to the reference and unshuffled, and the flow, scaled for `fuse`. No gradient reaches the flow through the warping.

        Shape:
            centred (B, 3, H, W), flow (B, 2, H/4, W/4) in pixels of that resolution -> (B, 48, H/4, W/4), (B, 2, H/4, W/4)
        """
        warped = flow_warp(centred, flow_resize(flow.detach(), size=(centred.shape[-2], centred.shape[-1])))
        return pixel_unshuffle(warped, factor=UNSHUFFLE), flow * (UNSHUFFLE / LENGTH_UNIT)

    def flow_found(self, motion: Tensor | None, aligned: tuple[Tensor, ...]) -> Tensor:  # noqa: ARG002 (found in `align`)
        _, _, flow, *_ = aligned
        return flow * (LENGTH_UNIT / UNSHUFFLE)  # (B, 2, H/4, W/4), the inverse of the scaling by `warped`

    def stage_diagnostics(
        self,
        frames: Sequence[Tensor],
        feats: Sequence[tuple[Tensor, ...]],  # noqa: ARG002
        aligned: Sequence[tuple[Tensor, ...]],
    ) -> list[Diagnostic]:
        """The estimated blur field and the restored picture."""
        reference = frames[len(frames) // 2]
        fused = _, blur_field = self.fuse(list(aligned))
        return [blur_field_diagnostic(blur_field, picture=reference), restored_diagnostic(self.reconstruct(fused, reference))]


def constant_velocity(neighbour: tuple[Tensor, ...], opposite: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """A neighbour and the flow to it; where it is a copy of the reference, the opposite neighbour and its reversed flow.

    Args:
        neighbour: as given by `SwiftVideo.align`, with one flow or more.
        opposite: the neighbour on the other side.

    Shape:
        two of bool (B, 1, 1, 1), (B, C, H, W), (B, 2, ...) ... -> (B, C, H, W), (B, 2, ...) ...
    """
    (other, unshuffled, *flows), (known, instead, *back) = neighbour, opposite
    keep = other | ~known
    return (torch.where(keep, unshuffled, instead), *(torch.where(keep, flow, -reverse) for flow, reverse in zip(flows, back, strict=True)))


def from_photo_network(photo: Mapping[str, Tensor], *, net: SwiftVideo) -> dict[str, Tensor]:
    """Tensors with which `net` restores each frame as a `swift` of the same widths does: all weights of the neighbours are zero.

    Args:
        photo: tensors of the `swift`.
        net: the video network; its flow stays as it is, and further residual blocks become identities.

    Raises:
        ShapeError: if the widths differ.
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
