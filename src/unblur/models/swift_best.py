"""`swift_best`: `swift` with blind deconvolution as further input.

`swift` describes the motion blur of a pixel by a line. The trajectory of a hand-held camera is a curve, and its blur can be undone only with the kernel of that curve. The
kernel is estimated in overlapping windows, refined by a network, and used to deconvolve the window (`unblur.layers.blind_deconvolution`). In flat or noisy windows, or where two things move differently, the kernel is wrong; measurements of confidence go
with it, and a gating network decides in each place how much of each deconvolved picture to use.

    blurry ──┬── motion U-Net of swift ── blur field ── samples along the blur ────────┐
             │                                                                         ├── concatenate ── restoration: U-Net at 1/4
             ├── windows ── kernel ── refinement ── Richardson-Lucy ── blended ──────┬─┘                      │
             │                            └── confidence ── blended ──┐              │                        │
             │                                                        └──────────────┴── gate ◄── pixel shuffle: residual and weights
             + ◄──────────────────────────────────────────────────────────────────────────┘
             │
          restored

The restoration runs twice by default (`ensemble`): on its inputs and on the inputs rotated by 180 degrees, of which the mean is taken. That takes a quarter more time, where the
self-ensemble of a whole picture takes as much again, since blur field and kernels need not be estimated anew. In training it runs once.

Deconvolution is accelerated Richardson-Lucy. The restoration sees its results as luma; the weights that it predicts apply to the colours.

`swift_quick` is the same network with other arguments: one pass, on a picture that is downscaled first (`scale`), since strong blur leaves nothing of the finest
resolution that could be told from noise, and all costs go with the number of pixels. The change is upscaled. Its kernels and windows are smaller, its kernel search continues from earlier edges, and
its samples along the blur are luma (`colour_samples`).

Before training it restores as a `swift` does: the weights for the new inputs are zero, and so are those of the deconvolved pictures.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, pixel_shuffle

from unblur.layers.blind_deconvolution import BORDER, BlindDeconvolution, KernelEstimator, add_border, deconvolve_windows, remove_border
from unblur.layers.box_mean import box_mean
from unblur.layers.check import check_multiple, check_shape
from unblur.layers.concatenate import concatenate
from unblur.layers.gate import GATE_STRIDE, GatingNet
from unblur.layers.kernel_refinement import CONFIDENCE_CHANNELS
from unblur.layers.light import GAMMA, luma
from unblur.layers.motion_blur import sample_along
from unblur.layers.pixel_unshuffle import pixel_unshuffle
from unblur.layers.resize import resized
from unblur.layers.unet import UNet
from unblur.layers.windows import WindowLayout
from unblur.models.arguments import DEFAULTS, build
from unblur.models.base import CENTRE
from unblur.models.diagnostic import Diagnostic, recorded_calls, restored_diagnostic
from unblur.models.supervised import EstimatesCameraKernel
from unblur.models.swift import LENGTH_UNIT, MAX_BLUR_LENGTH, POSITIONS, UNSHUFFLE, BlurFieldNet, blur_field_diagnostic, widen

__all__ = ["SwiftBest", "gates_diagnostic", "swift_best"]

CHANGE_UNIT = 0.1
"""Change of luma by deconvolution that is 1 inside the network."""

RESIZE_RADIUS = 5
"""Pixels beyond its own by which downscaling the picture and upscaling the change extend the receptive field."""

DETAIL_GAIN = 1.3
"""Factor on the finest detail of a change before it is upscaled, which attenuates it."""

_SHOWN_ITERATIONS = ((2, 3),)  # of accelerated Richardson-Lucy, for the picture beside a camera kernel


class SwiftBest(BlurFieldNet, EstimatesCameraKernel):
    """`Swift` with deconvolved pictures beside the samples along the blur.

    Args:
        motion: see `BlurFieldNet`.
        restoration: see `BlurFieldNet`; its inputs are those of `restoration_input`, its outputs the residual and a weight of each deconvolved picture.
        deconvolution: gives the deconvolved pictures, with the confidence in cells of 8x8 pixels.
        gate: gates the network's own change and those by deconvolution.
        colour_samples: whether the restoration sees the samples along the blur in colour, or as luma.
        ensemble: passes of the restoration whose mean is taken: 1, or 2 with the inputs rotated by 180 degrees.
        scale: of the picture that is restored, 0.5 to 1, such that `inner_multiple / scale` is a whole number. Kernels, windows and blur are in pixels at that scale.
        scale_step: see `Net`.

    Attributes:
        num_deconvolved: deconvolved pictures that the network sees.
    """

    def __init__(
        self,
        *,
        motion: UNet,
        restoration: UNet,
        deconvolution: BlindDeconvolution,
        gate: GatingNet,
        colour_samples: bool = True,
        ensemble: int = 2,
        scale: float = 1.0,
        scale_step: float = math.sqrt(3),
    ) -> None:
        if ensemble not in (1, 2):
            raise ValueError(f"`ensemble` is 1 or 2, got {ensemble}")
        super().__init__(motion=motion, restoration=restoration, positions=POSITIONS, max_blur_length=MAX_BLUR_LENGTH)
        self.deconvolution, self.gate = deconvolution, gate
        self.num_deconvolved = len(deconvolution.iterations)
        self.colour_samples, self.ensemble, self.scale, self.scale_step = colour_samples, ensemble, scale, scale_step
        self.receptive_radius = max(self.receptive_radius, deconvolution.receptive_radius)
        self.receptive_radius += GATE_STRIDE * (gate.unet.receptive_radius + 1)
        self.inner_multiple = max(self.inner_multiple, GATE_STRIDE)
        if not 0.5 <= scale <= 1 or not math.isclose(round(self.inner_multiple / scale) * scale, self.inner_multiple):
            raise ValueError(f"`scale` is from a half to 1, and {self.inner_multiple} divided by it a whole number, got {scale}")
        self.size_multiple = round(self.inner_multiple / scale)
        if scale < 1:
            self.receptive_radius = math.ceil(self.receptive_radius / scale) + RESIZE_RADIUS
        self.global_context = True  # the positions of windows depend on the size of the picture

    def tensors_from(self, tensors: Mapping[str, Tensor], *, architecture: str) -> dict[str, Tensor]:
        """As `BlurFieldNet.tensors_from`, also from a `swift`, as which this network then restores."""
        if architecture == "swift":
            return widen(tensors, net=self)
        return super().tensors_from(tensors, architecture=architecture)

    @property
    def camera_kernel_size(self) -> int:
        return self.deconvolution.kernel_estimator.size

    @property
    def largest_crop(self) -> int:
        return self.deconvolution.layout.side - 2 * BORDER

    def camera_kernel(self, blurry: Tensor) -> tuple[Tensor, Tensor]:
        light, down, across = add_border(blurry)
        windows = remove_border(self.deconvolution.search_input(light), down, across)  # (B, 2, H, W)
        kernel, _ = self.deconvolution.kernel_estimator(*windows.unbind(1))  # (B, K, K)
        with torch.no_grad():
            (deconvolved,) = deconvolve_windows(light, kernel, iterations=_SHOWN_ITERATIONS)
        return kernel, remove_border(deconvolved, down, across).clamp(0, 1) ** (1 / GAMMA)

    def compile_camera_kernel(self) -> None:
        self.deconvolution.kernel_estimator.refiner.compile()

    def downscaled(self, blurry: Tensor) -> Tensor:
        """The picture at `scale`.

        Shape:
            (B, 3, H, W) -> (B, 3, h, w)

        Raises:
            ShapeError: if the sides are not multiples of `size_multiple`.
        """
        check_shape(blurry, ("B", 3, "H", "W"), name="blurry")
        check_multiple(blurry, self.size_multiple, name="blurry")
        if self.scale == 1:
            return blurry
        shape = [side // self.size_multiple * self.inner_multiple for side in blurry.shape[-2:]]
        return resized(blurry.contiguous(), shape, mode="bicubic")

    def apply_change(self, restored: Tensor, *, small: Tensor, blurry: Tensor) -> Tensor:
        """The picture plus the upscaled change that was made at `scale`: (B, 3, h, w) to (B, 3, H, W)."""
        if self.scale == 1:
            return restored
        change = (restored - small).contiguous()
        change = torch.lerp(box_mean(change), change, DETAIL_GAIN)
        return blurry + resized(change, blurry.shape[-2:], mode="bicubic")  # (B, 3, H, W)

    def restore(self, blurry: Tensor, blur_field: Tensor) -> Tensor:
        return self.restore_from_inputs(*self.restore_inputs(blurry, blur_field))

    def restore_from_inputs(self, *inputs: Tensor) -> Tensor:
        """All passes of restoration and gating: as `restore_once`, and where `ensemble` is 2, the mean with the same of the picture rotated by 180 degrees."""
        restored = self.restore_once(*inputs)  # (B, 3, H, W)
        if self.training or self.ensemble == 1:
            return restored
        rotated = self.restore_once(
            *(each.flip(-2, -1) for each in inputs)
        )  # a rotation by 180 degrees leaves the axes of blur as they are
        return (restored + rotated.flip(-2, -1)) / 2

    def restore_inputs(self, blurry: Tensor, blur_field: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The inputs of `restore_once`: picture, blur field, changes by deconvolution, and confidence.

        Shape:
            (B, 3, H, W), (B, 3, H/4, W/4) -> (B, 3, H, W), (B, 3, H/4, W/4), (B, n, 3, H, W), (B, 13, H/8, W/8)
        """
        deconvolved, confidence = self.deconvolution(blurry)  # (B, 3n, H, W), (B, 13, H/8, W/8)
        changes = deconvolved.view(-1, self.num_deconvolved, *blurry.shape[1:]) - blurry[:, None]  # (B, n, 3, H, W)
        return blurry, blur_field.clamp(-self.max_blur_length, self.max_blur_length), changes, confidence

    def restore_once(self, blurry: Tensor, blur_field: Tensor, changes: Tensor, confidence: Tensor) -> Tensor:
        """One pass of restoration and gating; n is `num_deconvolved`.

        Shape:
            (B, 3, H, W), (B, 3, H/4, W/4), (B, n, 3, H, W), (B, 13, H/8, W/8) -> (B, 3, H, W)
        """
        change_luma = luma(changes.flatten(0, 1)).view(-1, self.num_deconvolved, *blurry.shape[2:])  # (B, n, H, W)
        outputs = self.restoration(self.restoration_input(blurry, blur_field, change_luma))  # (B, 48 + 16n, H/4, W/4)
        residual, weights = pixel_shuffle(outputs, UNSHUFFLE).float().tensor_split([3], dim=1)  # (B, 3, H, W), (B, n, H, W)
        own = luma(residual) + (weights * change_luma).sum(1, keepdim=True)  # (B, 1, H, W), luma of residual + weights · changes
        gates = self.gates(blurry, torch.cat([own, change_luma], dim=1), blur_field, confidence)  # (B, 1 + n, H, W)
        restored = blurry + gates[:, :1] * residual  # (B, 3, H, W)
        for i, weight in enumerate((gates[:, :1] * weights + gates[:, 1:]).unbind(1)):
            restored = torch.addcmul(restored, weight[:, None], changes[:, i])
        return restored

    def restoration_input(self, blurry: Tensor, blur_field: Tensor, change_luma: Tensor) -> Tensor:
        """The input of the restoration: the picture, samples along its blur, the blur field, and the changes by deconvolution in luma.

        Shape:
            (B, 3, H, W), (B, 3, H/4, W/4), (B, n, H, W) -> (B, 48 + 4·48 + 3 + 16n, H/4, W/4); 4·16 where samples are luma
        """
        sampled = blurry if self.colour_samples else luma(blurry)
        samples = sample_along(sampled, blur_field, positions=self.positions)
        parts = (blurry - CENTRE, samples - CENTRE, change_luma / CHANGE_UNIT)
        own, along, deconvolved = (pixel_unshuffle(part, factor=UNSHUFFLE) for part in parts)
        return concatenate(own, along, blur_field / LENGTH_UNIT, deconvolved)

    def gates(self, blurry: Tensor, changes: Tensor, blur_field: Tensor, confidence: Tensor) -> Tensor:
        """Gates for the network's own change and for those by deconvolution, all as luma.

        Shape:
            (B, 3, H, W), (B, 1 + n, H, W), (B, 3, H/4, W/4), (B, 13, H/8, W/8) -> (B, 1 + n, H, W)
        """
        side = torch.cat([avg_pool2d(blur_field, GATE_STRIDE // UNSHUFFLE) / LENGTH_UNIT, confidence], dim=1)  # (B, 16, H/8, W/8)
        return self.gate(luma(blurry), changes, side)

    def diagnostics(self, blurry: Tensor) -> list[Diagnostic]:
        """The blur field, the kernel of each window as estimated and as refined, the deconvolved pictures, the gates of the first pass, and the restored picture."""
        small = self.downscaled(blurry)
        blur_field = self.blur_field(small)
        with recorded_calls(self.deconvolution.kernel_estimator.refiner) as refined:
            inputs = _, _, changes, _ = self.restore_inputs(small, blur_field)
        with recorded_calls(self.gate) as gated:
            restored = self.apply_change(self.restore_from_inputs(*inputs), small=small, blurry=blurry)
        deconvolved = (changes + small[:, None]).unbind(1)  # (1, 3, H, W) each
        iterations = tuple(accumulate(sum(steps) for steps in self.deconvolution.iterations))
        titles = [f"after {count} iterations" for count in iterations]
        return [
            blur_field_diagnostic(blur_field, picture=small),
            self._kernels_diagnostic(
                [(evidence[:, 0], kernel) for (evidence,), kernel in refined], size=(small.shape[-2], small.shape[-1])
            ),
            Diagnostic(
                name="deconvolved",
                kind="picture",
                caption="t deconvolved by Richardson-Lucy, an input of the network",
                rows=(dict(zip(titles, deconvolved, strict=True)),),
            ),
            gates_diagnostic(gated[0].result, iterations=iterations),
            restored_diagnostic(restored),
        ]

    def _kernels_diagnostic(self, pairs: Sequence[tuple[Tensor, Tensor]], *, size: tuple[int, int]) -> Diagnostic:
        """Kernels as estimated and as refined, some windows' at a time, (N, K, K) each, of a picture of a height and width."""
        rows, columns = (len(self.deconvolution.layout.along(length + 2 * BORDER)[0]) for length in size)
        grids = (
            torch.cat(kernels).flatten(1).T.reshape(1, -1, rows, columns) for kernels in zip(*pairs, strict=True)
        )  # (1, K², rows, columns)
        return Diagnostic(
            name="kernels",
            kind="kernel",
            caption="the kernels of the picture's windows: bright where the camera rested, in the middle where it was in the middle of the exposure",
            rows=(dict(zip(("found", "as a camera trajectory"), grids, strict=True)),),
        )


def gates_diagnostic(gates: Tensor, *, iterations: Sequence[int]) -> Diagnostic:
    """How much of each change is applied: of the network's own, and of those by deconvolution after so many iterations, (1, 1 + n, H, W)."""
    gates = gates.float()
    least, most = float(gates.min()), float(gates.max())
    titles = ["its own", *(f"after {count} iterations" for count in iterations)]
    return Diagnostic(
        name="gates",
        kind="map",
        caption=f"how much of each change the network applies: {least:.2f} violet to {most:.2f} yellow",
        rows=(dict(zip(titles, gates.chunk(gates.shape[1], dim=1), strict=True)),),
        value_range=(least, most),
    )


def swift_best(
    *,
    widths: tuple[int, ...] = (64, 96, 128),
    blocks: tuple[int, ...] = (2, 0, 0),
    motion_widths: tuple[int, ...] = (32, 64, 128),
    motion_blocks: tuple[int, ...] = (1, 2, 3),
    kernels: Mapping[str, object] = DEFAULTS,
    windows: Mapping[str, object] = DEFAULTS,
    iterations: tuple[tuple[int, ...], ...] = ((3,), (3, 3), (5, 6, 7)),
    colour_samples: bool = True,
    ensemble: int = 2,
    scale: float = 1.0,
    scale_step: float = math.sqrt(3),
) -> SwiftBest:
    """Build `SwiftBest` from plain values.

    Args:
        widths: as for `Swift`.
        blocks: as for `Swift`.
        motion_widths: as for `Swift`.
        motion_blocks: as for `Swift`.
        kernels: arguments of `KernelEstimator`.
        windows: arguments of `WindowLayout`; each window has a kernel of its own. `overlap` is that of the windows which are deconvolved.
        iterations: as for `BlindDeconvolution`.
        colour_samples: as for `SwiftBest`.
        ensemble: as for `SwiftBest`.
        scale: as for `SwiftBest`.
        scale_step: as for `SwiftBest`.

    Raises:
        InputError: if `kernels` or `windows` is no mapping, or names an argument that there is not.
    """
    count, pixels, luma_pixels = len(iterations), 3 * UNSHUFFLE**2, UNSHUFFLE**2
    samples = len(POSITIONS) * (pixels if colour_samples else luma_pixels)
    in_channels, out_channels = pixels + samples + 3 + count * luma_pixels, pixels + count * luma_pixels
    return SwiftBest(
        motion=UNet(in_channels=pixels, out_channels=3, widths=tuple(motion_widths), blocks=tuple(motion_blocks)),
        restoration=UNet(in_channels=in_channels, out_channels=out_channels, widths=tuple(widths), blocks=tuple(blocks)),
        deconvolution=BlindDeconvolution(
            kernel_estimator=build(KernelEstimator, kernels, called="the network's `kernels`"),
            layout=build(WindowLayout, windows, called="the network's `windows`"),
            iterations=iterations,
            cell=GATE_STRIDE,
        ),
        gate=GatingNet(changes=1 + count, side_channels=3 + CONFIDENCE_CHANNELS),
        colour_samples=colour_samples,
        ensemble=ensemble,
        scale=scale,
        scale_step=scale_step,
    )
