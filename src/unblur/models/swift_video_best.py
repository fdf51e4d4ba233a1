"""`swift_video_best`: `swift_video` with non-blind deconvolution along the flow as further input.

Flow to the neighbours gives the direction and speed of motion, so the blur of the reference is known up to one number: the exposure ratio, the fraction of the frame
interval during which the shutter is open. A few iterations of Richardson-Lucy with that blur can gain more than a small network. Flow is wrong at occlusions and in
flat places, and so is the deconvolution there; a gating network decides how much of it to use.

    frames ──┬── swift_video: warped neighbours, flows, blur field, samples along the blur ───┐
             │                                            │                                   ├── concatenate ── restoration: U-Net at 1/4
             └── dense inverse search ── line ◄── exposure ratio ── Richardson-Lucy ───────┬──┘                      │
                                                                                           └── gate ◄── pixel shuffle: residual and weights
    reference + ◄──────────────────────────────────────────────────────────────────────────────┘
              │
           restored

The exposure ratio is one number for the whole picture; an error of a fifth of it costs half of the gain. It is estimated from the slopes of the picture along the
motion: an edge that is blurred over a length l has slopes of opposite ends l apart (`ExposureRatio`).

Deconvolution is done on luma; colours are those of the reference. Before training the network restores as a `swift_video` does: the weights for the new inputs are
zero, and so are those of the deconvolved pictures.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, grid_sample, pad, pixel_shuffle

from unblur.errors import ShapeError
from unblur.layers.concatenate import concatenate
from unblur.layers.deconvolution import richardson_lucy
from unblur.layers.gate import GATE_STRIDE, GatingNet
from unblur.layers.inverse_search import inverse_search
from unblur.layers.light import GAMMA, luma
from unblur.layers.motion_blur import line_blur, sample_along
from unblur.layers.pixel_unshuffle import pixel_unshuffle
from unblur.layers.unet import UNet
from unblur.models.base import CENTRE
from unblur.models.diagnostic import Diagnostic, recorded_calls, restored_diagnostic
from unblur.models.supervised import estimate_exposure_ratio
from unblur.models.swift import LENGTH_UNIT, UNSHUFFLE, blur_field_diagnostic, widen
from unblur.models.swift_best import CHANGE_UNIT, gates_diagnostic
from unblur.models.swift_video import SwiftVideo, constant_velocity

__all__ = ["ExposureRatio", "SwiftVideoBest"]

LAGS = tuple(place / 20 for place in range(1, 27))
"""Displacements at which slopes are correlated, as fractions of the motion from frame to frame."""

SPEEDS = (3.0, 9.0, 100.0)
"""Limits of the two ranges of speed for which this is done, pixels a frame."""

_GRID_STEP = 4  # pixels between the places at which slopes are correlated
_MIN_RATIO = 0.05  # smallest exposure ratio


class SwiftVideoBest(SwiftVideo):
    """`SwiftVideo` with deconvolved pictures beside the samples along the blur.

    Stages: as `SwiftVideo`, but `motion` is flow by dense inverse search, which `align` passes on.

    Args:
        widths: see `SwiftVideo`.
        blocks: see `SwiftVideo`.
        motion_widths: see `SwiftVideo`.
        motion_blocks: see `SwiftVideo`.
        flow_widths: see `SwiftVideo`.
        flow_radii: see `SwiftVideo`.
        positions: see `SwiftVideo`.
        max_blur_length: longest blur along which the picture is sampled or deconvolved, pixels.
        iterations: of Richardson-Lucy after which the network is given its result.
        samples: points along the blur in each iteration.
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
    ) -> None:
        if not iterations or min(iterations) < 1:
            raise ValueError(f"`iterations` names one number of iterations or more, from 1 on, got {iterations}")
        if samples < 1:
            raise ValueError(f"`samples` must be at least 1, got {samples}")
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
        deconvolved = len(iterations) * UNSHUFFLE**2
        in_channels = self.restoration.entry.in_channels + deconvolved
        out_channels = self.restoration.exit.out_channels + deconvolved
        self.restoration = UNet(in_channels=in_channels, out_channels=out_channels, widths=tuple(widths), blocks=tuple(blocks))
        self.exposure_ratio = ExposureRatio()
        self.gate = GatingNet(changes=1 + len(iterations), side_channels=5)
        self.size_multiple = max(self.size_multiple, GATE_STRIDE)
        self.receptive_radius += int(max_blur_length) * max(iterations) + 1 + GATE_STRIDE * (self.gate.unet.receptive_radius + 1)
        self.global_context = True  # the exposure ratio is one for the whole picture

    def tensors_from(self, tensors: Mapping[str, Tensor], *, architecture: str) -> dict[str, Tensor]:
        """As `SwiftVideo.tensors_from`, but from a `swift_video`, as which this network then restores, and from no `swift`."""
        if architecture == "swift":
            raise ShapeError("`swift_video_best` begins from a `swift_video`, not from a `swift`")
        if architecture == "swift_video":
            return widen(tensors, net=self)
        return super().tensors_from(tensors, architecture=architecture)

    def motion(self, reference: Tensor, neighbour: Tensor) -> Tensor:
        return inverse_search(reference, neighbour)  # (B, 2, H, W)

    def align(self, reference: tuple[Tensor, ...], neighbour: tuple[Tensor, ...], motion: Tensor | None) -> tuple[Tensor, ...]:
        aligned = super().align(reference, neighbour, motion)
        centred, *_ = reference
        return (*aligned, centred) if motion is None else aligned

    def aligned(self, reference: tuple[Tensor, ...], neighbour: tuple[Tensor, ...], motion: Tensor, *, flow: Tensor) -> tuple[Tensor, ...]:
        return (*super().aligned(reference, neighbour, motion, flow=flow), motion)

    def fuse(self, aligned: list[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
        before, (unshuffled, reference), after = aligned
        window, blur_field = super().fuse([before[:3], (unshuffled,), after[:3]])
        (_, coarse_back, back), (_, coarse_on, on) = constant_velocity(before, after), constant_velocity(after, before)
        velocity = (on - back) / 2  # (B, 2, H, W) pixels from frame to frame
        initial = estimate_exposure_ratio(blur_field, (coarse_on - coarse_back) * (LENGTH_UNIT / 2))
        return (window, blur_field, velocity, self.exposure_ratio(reference, velocity, initial))

    def exposure_ratio_of(self, fused: tuple[Tensor, ...]) -> Tensor:
        _, _, _, exposure_ratio = fused
        return exposure_ratio

    def reconstruct(self, fused: tuple[Tensor, ...], reference: Tensor) -> Tensor:
        window, blur_field, velocity, exposure_ratio = fused
        blur_field = blur_field.clamp(-self.max_blur_length, self.max_blur_length)
        line = exposure_ratio * velocity  # (B, 2, H, W)
        changes = self.changes(reference, line)  # (B, iterations, H, W)
        parts = [sample_along(reference - CENTRE, blur_field, positions=self.positions), changes / CHANGE_UNIT]
        along, deconvolved = (
            pixel_unshuffle(part, factor=UNSHUFFLE) for part in parts
        )  # (B, 4·48, H/4, W/4), (B, 16·iterations, H/4, W/4)
        outputs = self.restoration(concatenate(window, along, blur_field / LENGTH_UNIT, deconvolved))  # (B, 48 + 16·iterations, H/4, W/4)
        residual, weights = pixel_shuffle(outputs, UNSHUFFLE).float().tensor_split([3], dim=1)  # (B, 3, H, W), (B, iterations, H, W)
        own = residual + (weights * changes).sum(1, keepdim=True)  # (B, 3, H, W)
        candidates = torch.cat([luma(own), changes], dim=1)
        gates = self.gates(reference, candidates, blur_field, line, exposure_ratio)  # (B, 1 + iterations, H, W)
        return reference + gates[:, :1] * own + (gates[:, 1:] * changes).sum(1, keepdim=True)  # (B, 3, H, W)

    def gates(self, reference: Tensor, changes: Tensor, blur_field: Tensor, line: Tensor, exposure_ratio: Tensor) -> Tensor:
        """Gates for the network's own change and for those by deconvolution along the flow.

        Shape:
            (B, 3, H, W), (B, 1 + iterations, H, W), (B, 3, H/4, W/4), (B, 2, H, W), (B, 1, 1, 1) -> (B, 1 + iterations, H, W)
        """
        field, length = avg_pool2d(blur_field, GATE_STRIDE // UNSHUFFLE), avg_pool2d(torch.hypot(*line.chunk(2, dim=1)), GATE_STRIDE)
        side = torch.cat([field / LENGTH_UNIT, length / LENGTH_UNIT, exposure_ratio.expand_as(length)], dim=1)  # (B, 5, H/8, W/8)
        return self.gate(luma(reference), changes, side)

    def stage_diagnostics(
        self,
        frames: Sequence[Tensor],
        feats: Sequence[tuple[Tensor, ...]],  # noqa: ARG002
        aligned: Sequence[tuple[Tensor, ...]],
    ) -> list[Diagnostic]:
        """The estimated blur field, the deconvolved luma, the gates and the restored picture."""
        reference = frames[len(frames) // 2]
        fused = _, blur_field, velocity, exposure_ratio = self.fuse(list(aligned))
        with recorded_calls(self.gate) as gated:
            restored = self.reconstruct(fused, reference)
        deconvolved = luma(reference) + self.changes(reference, exposure_ratio * velocity)  # (1, iterations, H, W)
        titles = [f"after {count} iterations" for count in self.iterations]
        pictures = [each.expand(-1, 3, -1, -1) for each in deconvolved.chunk(len(self.iterations), dim=1)]
        caption = (
            "t deconvolved by Richardson-Lucy, an input of the network, luma, by a shutter that is open for "
            f"{float(exposure_ratio):.2f} of the time between frames"
        )
        return [
            blur_field_diagnostic(blur_field, picture=reference),
            Diagnostic(name="deconvolved", kind="picture", caption=caption, rows=(dict(zip(titles, pictures, strict=True)),)),
            gates_diagnostic(gated[0].result, iterations=self.iterations),
            restored_diagnostic(restored),
        ]

    @torch.no_grad()
    def changes(self, reference: Tensor, line: Tensor) -> Tensor:
        """The change of luma when the reference is deconvolved along `line`, after each of `iterations`; no gradient flows.

        Shape:
            (B, 3, H, W), (B, 2, H, W) in pixels -> (B, len(iterations), H, W), of gamma-encoded values
        """
        with torch.autocast(reference.device.type, enabled=False):
            length = torch.hypot(*line.float().chunk(2, dim=1))
            blur = line_blur(line.float() * (self.max_blur_length / length.clamp_min(self.max_blur_length)), samples=self.samples)
            light = luma(reference.float().clamp(0, 1) ** GAMMA)  # (B, 1, H, W)
            results = richardson_lucy(light, blur=blur, adjoint=blur, iterations=self.iterations)
            return torch.cat(results, dim=1).clamp(0, 1) ** (1 / GAMMA) - light ** (1 / GAMMA)


class ExposureRatio(nn.Module):
    """Estimates the exposure ratio: the fraction of the frame interval during which the shutter was open.

    An edge that is blurred evenly over a length l becomes a ramp: the slope along the motion is the difference of the sharp picture at two places l apart, so it
    is correlated negatively with itself at a displacement of l. The slope across the motion is correlated positively up to there. Both are measured at fractions of the motion,
    over the whole picture, for slow and fast places separately; a small network learns the ratio from these numbers. Decided here, no paper's.

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
            nn.init.zeros_(parameter)  # untrained, it returns the initial estimate

    def forward(self, reference: Tensor, velocity: Tensor, initial: Tensor) -> Tensor:
        """The exposure ratio, as a correction of an initial estimate.

        Args:
            reference: blurry frame.
            velocity: pixels from frame to frame.
            initial: see `estimate_exposure_ratio`.

        Shape:
            (B, 3, H, W), (B, 2, H, W), (B, 1, 1, 1) -> (B, 1, 1, 1), in [0, 1]
        """
        with torch.autocast(reference.device.type, enabled=False):
            odds = torch.logit(initial.float().clamp(_MIN_RATIO, 1 - _MIN_RATIO)).flatten(1)  # (B, 1)
            feat = torch.cat([slope_correlations(luma(reference.float()), velocity.float()), odds], dim=1)
            corrected = odds + self.exit(self.hidden2(self.hidden1(feat).relu()).relu())
            return corrected.sigmoid()[:, :, None, None]


@torch.no_grad()
def slope_correlations(light: Tensor, velocity: Tensor) -> Tensor:
    """Correlations of slopes with those at `LAGS` of the motion, along and across it, in both ranges of `SPEEDS`.

    Returns:
        For each range the correlations along the motion, those across it, the fraction of the picture in the range, and its mean speed in units of 16 pixels.

    Shape:
        (B, 1, H, W), (B, 2, H, W) -> (B, 2·(2·26 + 2))
    """
    height, width = light.shape[-2:]
    wide = pad(light, (1, 1, 1, 1), mode="replicate")
    right, down = wide[..., 1:-1, 2:] - wide[..., 1:-1, :-2], wide[..., 2:, 1:-1] - wide[..., :-2, 1:-1]  # (B, 1, H, W)
    speed = torch.hypot(*velocity.chunk(2, dim=1))
    dx, dy = (velocity / speed.clamp_min(1e-3)).chunk(2, dim=1)
    slopes = torch.cat([dx * right + dy * down, dx * down - dy * right], dim=1)  # (B, 2, H, W)
    here, moved, fast = (field[..., ::_GRID_STEP, ::_GRID_STEP] for field in (slopes, velocity, speed))  # (B, ·, h, w)
    x, y = torch.arange(0, width, _GRID_STEP, device=light.device), torch.arange(0, height, _GRID_STEP, device=light.device)
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
