"""`swift_video_best`: `swift_video`, which is also shown what its frames look like with the motion undone.

Where a thing stands in the frames around tells the path on which it was smeared, and who knows the path can undo the smear with a method of
1972: eight iterations of Richardson-Lucy along the flow, times the share of the time in which the shutter was open, may gain more than a small
network can. But flow is wrong where things come into view and where there is nothing to see, and then so is what it undoes. To see which it is is
for the network.

    frames ──┬── swift_video: warped neighbours, flows, blur field, read along the smear ─────────┐
             │                                            │                                   ├── concatenate ── restoration: U-Net at 1/4
             └── dense inverse search ── line ◄── share of the time ── Richardson-Lucy ────┬──┘                      │
                                                                                           └── trust ◄── unfold 4: residual, and how much of each view
    reference + ◄──────────────────────────────────────────────────────────────────────────────┘
              │
           restored

The share of the time is one number for the whole picture, and all depends on it: a shutter that is taken to be open a fifth longer than it was costs half of the
gain. It is read off what the smear leaves of the picture: the slope along the motion, which has an end of each edge at either end of the smear, so that it is
the opposite of itself so far away (`ExposureRatio`).

What is undone is luma; colours are the reference's. It begins as a `swift_video`: the weights for the new views are zero, and so is what is taken of
them.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, grid_sample, pad, pixel_shuffle

from unblur.layers.concatenate import concatenate
from unblur.layers.deconvolution import richardson_lucy
from unblur.layers.gate import GATE_STRIDE, GatingNet
from unblur.layers.inverse_search import inverse_search
from unblur.layers.motion_blur import blur_axis, line_blur, sample_along
from unblur.layers.pixel_unshuffle import pixel_unshuffle
from unblur.layers.unet import UNet
from unblur.models.base import CENTRE
from unblur.models.swift import LENGTH_UNIT, UNSHUFFLE
from unblur.models.swift_best import CHANGE_UNIT, GAMMA, luma
from unblur.models.swift_video import SwiftVideo, constant_velocity

__all__ = ["ExposureRatio", "SwiftVideoBest", "estimate_exposure_ratio"]

LAGS = tuple(place / 20 for place in range(1, 27))
"""At which shares of the way from frame to frame slopes are compared."""

SPEEDS = (3.0, 9.0, 100.0)
"""Bounds of the two ranges of speed in which they are compared, pixels a frame."""

_APART = 4  # pixels from one place that is compared to the next
_LEAST = 0.05  # share of the time at which a shutter is taken to be open


class SwiftVideoBest(SwiftVideo):
    """`SwiftVideo` with deconvolved views beside those read along the smear.

    Stages: as `SwiftVideo`, but `motion` is the flow by dense inverse search, which `align` hands on.

    Args:
        widths: see `SwiftVideo`.
        blocks: see `SwiftVideo`.
        motion_widths: see `SwiftVideo`.
        motion_blocks: see `SwiftVideo`.
        flow_widths: see `SwiftVideo`.
        flow_radii: see `SwiftVideo`.
        positions: see `SwiftVideo`.
        max_blur_length: longest smear that is read along or undone, pixels.
        iterations: of Richardson-Lucy after which its result is shown.
        samples: along the smear in each turn.
        gate_widths: see `SwiftBest`.
        gate_blocks: see `SwiftBest`.
    """

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
        iterations: tuple[int, ...] = (3, 8),
        samples: int = 9,
        gate_widths: tuple[int, ...] = (48, 64, 96),
        gate_blocks: tuple[int, ...] = (1, 1, 0),
    ) -> None:
        if not iterations or min(iterations) < 1:
            raise ValueError(f"`iterations` names one turn or more, from 1 on, got {iterations}")
        if samples < 1:
            raise ValueError(f"a smear is read at one place or more, got {samples}")
        super().__init__(
            widths=widths,
            blocks=blocks,
            motion_widths=motion_widths,
            motion_blocks=motion_blocks,
            flow_widths=flow_widths,
            flow_radii=flow_radii,
            positions=positions,
            max_blur_length=max_blur_length,
        )
        self.iterations, self.samples = tuple(iterations), samples
        undone = len(iterations) * UNSHUFFLE**2
        seen = self.restoration.entry.in_channels + undone
        given = self.restoration.exit.out_channels + undone
        self.restoration = UNet(in_channels=seen, out_channels=given, widths=tuple(widths), blocks=tuple(blocks))
        self.exposure_ratio = ExposureRatio()
        self.gate = GatingNet(changes=1 + len(iterations), beside=5, widths=tuple(gate_widths), blocks=tuple(gate_blocks))
        self.size_multiple = max(self.size_multiple, GATE_STRIDE)
        self.receptive_radius += int(max_blur_length) * max(iterations) + 1 + GATE_STRIDE * (self.gate.unet.receptive_radius + 1)
        self.global_context = True  # the share of the time is that of the whole picture

    def motion(self, reference: Tensor, neighbour: Tensor) -> Tensor:
        return inverse_search(reference, neighbour)  # (B, 2, H, W)

    def align(self, reference: tuple[Tensor, ...], neighbour: tuple[Tensor, ...], motion: Tensor | None) -> tuple[Tensor, ...]:
        aligned = super().align(reference, neighbour, motion)
        return (*aligned, reference[0]) if motion is None else aligned

    def aligned(self, reference: tuple[Tensor, ...], neighbour: tuple[Tensor, ...], motion: Tensor, *, flow: Tensor) -> tuple[Tensor, ...]:
        return (*super().aligned(reference, neighbour, motion, flow=flow), motion)

    def fuse(self, aligned: list[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
        before, (folded, reference), after = aligned
        window, blur_field = super().fuse([before[:3], (folded,), after[:3]])
        (_, coarse_back, back), (_, coarse_on, on) = constant_velocity(before, after), constant_velocity(after, before)
        velocity = (on - back) / 2  # (B, 2, H, W) pixels from frame to frame
        guess = estimate_exposure_ratio(blur_field, (coarse_on - coarse_back) * (LENGTH_UNIT / 2))
        return (window, blur_field, velocity, self.exposure_ratio(reference, velocity, guess))

    def reconstruct(self, fused: tuple[Tensor, ...], reference: Tensor) -> Tensor:
        window, blur_field, velocity, exposure_ratio = fused
        blur_field = blur_field.clamp(-self.max_blur_length, self.max_blur_length)
        line = exposure_ratio * velocity  # (B, 2, H, W)
        changes = self.changes(reference, line)  # (B, iterations, H, W)
        views = [sample_along(reference - CENTRE, blur_field, positions=self.positions), changes / CHANGE_UNIT]
        along, undone = (
            pixel_unshuffle(view, factor=UNSHUFFLE) for view in views
        )  # (B, 48·shares, H/4, W/4), (B, 16·iterations, H/4, W/4)
        given = self.restoration(concatenate(window, along, blur_field / LENGTH_UNIT, undone))  # (B, 48 + 16·iterations, H/4, W/4)
        residual, takes = pixel_shuffle(given, UNSHUFFLE).float().tensor_split([3], dim=1)  # (B, 3, H, W), (B, iterations, H, W)
        own = residual + (takes * changes).sum(1, keepdim=True)  # (B, 3, H, W)
        positions = self.gates(
            reference, torch.cat([luma(own), changes], dim=1), blur_field, line, exposure_ratio
        )  # (B, 1 + iterations, H, W)
        return reference + positions[:, :1] * own + (positions[:, 1:] * changes).sum(1, keepdim=True)  # (B, 3, H, W)

    def gates(self, reference: Tensor, changes: Tensor, blur_field: Tensor, line: Tensor, exposure_ratio: Tensor) -> Tensor:
        """How much to make of the network's own change and of those along the flow.

        Shape:
            (B, 3, H, W), (B, 1 + iterations, H, W), (B, 3, H/4, W/4), (B, 2, H, W), (B, 1, 1, 1) -> (B, 1 + iterations, H, W)
        """
        smear, length = avg_pool2d(blur_field, GATE_STRIDE // UNSHUFFLE), avg_pool2d(torch.hypot(*line.chunk(2, dim=1)), GATE_STRIDE)
        beside = torch.cat([smear / LENGTH_UNIT, length / LENGTH_UNIT, exposure_ratio.expand_as(length)], dim=1)  # (B, 5, H/8, W/8)
        return self.gate(luma(reference), changes, beside)

    @torch.no_grad()
    def changes(self, reference: Tensor, line: Tensor) -> Tensor:
        """What becomes brighter and darker in the reference when its smear along `line` is undone, after `iterations`; no gradient flows.

        Shape:
            (B, 3, H, W), (B, 2, H, W) in pixels -> (B, len(iterations), H, W), of values as files have them
        """
        with torch.autocast(reference.device.type, enabled=False):
            length = torch.hypot(*line.float().chunk(2, dim=1))
            blur = line_blur(line.float() * (self.max_blur_length / length.clamp_min(self.max_blur_length)), samples=self.samples)
            light = luma(reference.float().clamp(0, 1) ** GAMMA)  # (B, 1, H, W)
            results = richardson_lucy(light, blur=blur, adjoint=blur, iterations=self.iterations)
            return torch.cat(results, dim=1).clamp(0, 1) ** (1 / GAMMA) - light ** (1 / GAMMA)


class ExposureRatio(nn.Module):
    """The share of the time between frames in which the shutter was open, from one frame and how far things moved.

    Evenly smeared over the length l, an edge becomes a ramp: the slope along the motion is the difference of the sharp picture at two places that are l
    apart, so that it is like the opposite of itself l further on. The slope across the motion is like itself up to there. How alike they are at shares of the way
    is measured over the whole picture, for slow and fast things by themselves; what these numbers say of the share is learnt.

    Args:
        width: features of the two hidden layers.
    """

    def __init__(self, *, width: int = 64) -> None:
        super().__init__()
        ranges = len(SPEEDS) - 1
        self.hidden1 = nn.Linear(ranges * (2 * len(LAGS) + 2) + 1, width)
        self.hidden2 = nn.Linear(width, width)
        self.exit = nn.Linear(width, 1)
        for parameter in self.exit.parameters():
            nn.init.zeros_(parameter)  # untrained, it believes the guess

    def forward(self, reference: Tensor, velocity: Tensor, guess: Tensor) -> Tensor:
        """The share, by a guess that is mended.

        Args:
            reference: blurry frame.
            velocity: pixels from frame to frame.
            guess: as by `estimate_exposure_ratio`.

        Shape:
            (B, 3, H, W), (B, 2, H, W), (B, 1, 1, 1) -> (B, 1, 1, 1), in [0, 1]
        """
        with torch.autocast(reference.device.type, enabled=False):
            odds = torch.logit(guess.float().clamp(_LEAST, 1 - _LEAST)).flatten(1)  # (B, 1)
            feat = torch.cat([slope_correlations(luma(reference.float()), velocity.float()), odds], dim=1)
            mended = odds + self.exit(self.hidden2(self.hidden1(feat).relu()).relu())
            return mended.sigmoid()[:, :, None, None]


@torch.no_grad()
def slope_correlations(light: Tensor, velocity: Tensor) -> Tensor:
    """How alike slopes are to those at `LAGS` of the way that things moved, along the motion and across it, in both ranges of `SPEEDS`.

    Returns:
        for each range the correlations along, those across, the range's share of the picture, and its mean speed over 16 pixels.

    Shape:
        (B, 1, H, W), (B, 2, H, W) -> (B, 2·(2·26 + 2))
    """
    height, width = light.shape[-2:]
    wide = pad(light, (1, 1, 1, 1), mode="replicate")
    right, down = wide[..., 1:-1, 2:] - wide[..., 1:-1, :-2], wide[..., 2:, 1:-1] - wide[..., :-2, 1:-1]  # (B, 1, H, W)
    speed = torch.hypot(*velocity.chunk(2, dim=1))
    dx, dy = (velocity / speed.clamp_min(1e-3)).chunk(2, dim=1)
    slopes = torch.cat([dx * right + dy * down, dx * down - dy * right], dim=1)  # (B, 2, H, W)
    here, moved, fast = (field[..., ::_APART, ::_APART] for field in (slopes, velocity, speed))  # (B, ·, h, w)
    x, y = torch.arange(0, width, _APART, device=light.device), torch.arange(0, height, _APART, device=light.device)
    chosen = torch.cat([(fast > slowest) & (fast <= fastest) for slowest, fastest in pairwise(SPEEDS)], dim=1).float()  # (B, 2, h, w)
    count = chosen.mean((2, 3))  # (B, 2)
    alike = []
    for lag in LAGS:
        places = (
            torch.stack([(x + lag * moved[:, 0]) / max(width - 1, 1), (y[:, None] + lag * moved[:, 1]) / max(height - 1, 1)], dim=-1) * 2
            - 1
        )
        inside = (places.abs() <= 1).all(dim=-1)[:, None]  # (B, 1, h, w)
        there = grid_sample(slopes, places, padding_mode="border", align_corners=True)
        both, own = (torch.einsum("bshw,brhw->brs", product * inside, chosen) for product in (here * there, here.square()))
        alike.append(both / (own + 1e-6))  # (B, ranges, slopes)
    mean_speed = (chosen * fast).mean((2, 3)) / (count + 1e-6) / 16
    return torch.cat([torch.stack(alike, dim=-1).flatten(2), count[..., None], mean_speed[..., None]], dim=2).flatten(1)


def estimate_exposure_ratio(blur_field: Tensor, velocity: Tensor) -> Tensor:
    """How much shorter things were smeared than they moved from frame to frame, by least squares over the picture; 0 where nothing moves.

    Args:
        blur_field: see `unblur.layers.motion_blur`.
        velocity: pixels from frame to frame.

    Shape:
        (B, 3, H, W), (B, 2, H, W) -> (B, 1, 1, 1), in [0, 1]
    """
    smeared, moved = blur_axis(blur_field.detach().float()).norm(dim=1), velocity.detach().float().norm(dim=1)  # (B, H, W)
    exposure_ratio = (smeared * moved).mean((1, 2)) / (moved.square().mean((1, 2)) + 1e-2)
    return exposure_ratio.clamp(0, 1)[:, None, None, None]
