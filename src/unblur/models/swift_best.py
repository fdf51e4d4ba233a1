"""`swift_best`: `swift` with blind deconvolution as further input.

`swift` describes the motion blur of a pixel by a line. The trajectory of a hand-held camera is a curve, and its blur can be undone only with the kernel of that curve. The
kernel is estimated in overlapping windows (`unblur.layers.kernel_estimation`), refined by a network (`unblur.layers.kernel_refinement`), and used to
deconvolve the window (`unblur.layers.deconvolution`). In flat or noisy windows, or where two things move differently, the kernel is wrong; measurements of confidence go
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
resolution that could be told from noise, and all costs go with the number of pixels. The change is upscaled. Its kernel search continues from earlier edges (`restart_edges`), and
its samples along the blur are luma (`colour_samples`).

Before training it restores as a `swift` does: the weights for the new inputs are zero, and so are those of the deconvolved pictures.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import accumulate, chain

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, pad, pixel_shuffle

from unblur.layers.box_mean import box_mean
from unblur.layers.check import check_multiple, check_shape
from unblur.layers.concatenate import concatenate
from unblur.layers.deconvolution import accelerated_richardson_lucy, edge_taper
from unblur.layers.gate import GATE_STRIDE, GatingNet
from unblur.layers.kernel_estimation import ITERATIONS, estimate_kernel, prepare_windows
from unblur.layers.kernel_evidence import kernel_evidence
from unblur.layers.kernel_input import normalise_contrast, unsaturated
from unblur.layers.kernel_refinement import CONFIDENCE_CHANNELS, KernelRefiner, kernel_confidence
from unblur.layers.kernels import centre_kernel, exposure_midpoint, kernel_spectrum
from unblur.layers.motion_blur import sample_along
from unblur.layers.pixel_unshuffle import pixel_unshuffle
from unblur.layers.unet import UNet
from unblur.layers.windows import WindowLayout, from_window_values, from_windows, to_windows
from unblur.models.base import CENTRE
from unblur.models.diagnostic import Diagnostic, recorded_calls, restored_diagnostic
from unblur.models.swift import LENGTH_UNIT, MAX_BLUR_LENGTH, POSITIONS, UNSHUFFLE, BlurFieldNet, blur_field_diagnostic, widen

__all__ = ["BORDER", "GAMMA", "WHITE_LEVEL", "SwiftBest", "add_border", "deconvolve_windows", "gates_diagnostic", "luma", "remove_border"]

GAMMA = 2.2
"""Exponent from pixel values to linear light."""

CHANGE_UNIT = 0.1
"""Change of luma by deconvolution that is 1 inside the network."""

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue (ITU-R BT.601)."""

MIN_LIGHT = 1e-6
"""Smallest linear light before the inverse of gamma, whose slope has no bound at 0."""

BORDER = 8
"""Width of the mirrored border around a picture during deconvolution, pixels."""

WHITE_LEVEL = 0.985
"""Linear light from which on the sensor may have been saturated; noise and compression leave such places a little below 1."""

RESIZE_RADIUS = 5
"""Pixels beyond its own by which downscaling the picture and upscaling the change extend the receptive field."""

DETAIL_GAIN = 1.3
"""Factor on the finest detail of a change before it is upscaled, which attenuates it."""

WINDOWS_AT_ONCE = 16
"""Windows whose transforms are in memory at a time on a CPU."""

DECONVOLVED_AT_ONCE = 2
"""Windows that are deconvolved at a time on a CPU; more leave the cache."""

WINDOWS_AT_ONCE_ON_GPU = 128
"""Windows of both steps at a time on a GPU, which fewer leave idle."""


class SwiftBest(BlurFieldNet):
    """`Swift` with deconvolved pictures beside the samples along the blur.

    Args:
        widths: see `Swift`.
        blocks: see `Swift`.
        motion_widths: see `Swift`.
        motion_blocks: see `Swift`.
        kernel_size: side of the kernels, pixels, odd.
        window: side of the windows, pixels; each has a kernel of its own.
        stride: largest distance from one window to the next, pixels.
        max_window: side up to which windows grow where fewer of them cover the picture then, pixels; 0 for no growth. See `WindowLayout`.
        overlap: largest overlap of the windows that are deconvolved, pixels, which may be narrower than those in which kernels are estimated; 0 for the same ones.
        search_iterations: of kernel estimation at full scale, at the next coarser one, ..., see `estimate_kernel`.
        threshold: of kernel estimation, see `estimate_kernel`.
        restart_edges: of kernel estimation, see `estimate_kernel`.
        iterations: for each deconvolved picture the numbers of Richardson-Lucy iterations that its steps stand for, see `accelerated_richardson_lucy`.
        refiner_widths: features of the network that refines kernels, see `KernelRefiner`.
        refiner_blocks: its residual blocks.
        gate_widths: features of the gating network at 1/8, 1/16, ... resolution.
        gate_blocks: its residual blocks there.
        colour_samples: whether the restoration sees the samples along the blur in colour, or as luma.
        ensemble: passes of the restoration whose mean is taken: 1, or 2 with the inputs rotated by 180 degrees.
        scale: of the picture that is restored, 0.5 to 1, such that `inner_multiple / scale` is a whole number. All pixels above are pixels at that scale.
        scale_step: see `Net`.

    Attributes:
        num_deconvolved: deconvolved pictures that the network sees.
    """

    def __init__(
        self,
        *,
        widths: tuple[int, ...] = (64, 96, 128),
        blocks: tuple[int, ...] = (2, 0, 0),
        motion_widths: tuple[int, ...] = (32, 64, 128),
        motion_blocks: tuple[int, ...] = (1, 2, 3),
        kernel_size: int = 31,
        window: int = 272,
        stride: int = 232,
        max_window: int = 0,
        overlap: int = 0,
        search_iterations: tuple[int, ...] = ITERATIONS,
        threshold: float = 0.1,
        restart_edges: bool = True,
        iterations: tuple[tuple[int, ...], ...] = ((3,), (3, 3), (5, 6, 7)),
        refiner_widths: tuple[int, ...] = (64, 128, 192),
        refiner_blocks: tuple[int, ...] = (1, 2, 2),
        gate_widths: tuple[int, ...] = (48, 64, 96),
        gate_blocks: tuple[int, ...] = (1, 1, 0),
        colour_samples: bool = True,
        ensemble: int = 2,
        scale: float = 1.0,
        scale_step: float = math.sqrt(3),
    ) -> None:
        if kernel_size % 2 == 0 or kernel_size < 3:
            raise ValueError(f"`kernel_size` must be odd and at least 3, got {kernel_size}")
        if window < 3 * BORDER or not 0 < stride <= window:
            raise ValueError(f"windows are at least {3 * BORDER} pixels wide and overlap, got {window} every {stride}")
        if max_window and max_window < window:
            raise ValueError(f"`max_window` is no less than `window`, which is {window}, or 0, got {max_window}")
        if not iterations or min(min(steps, default=0) for steps in iterations) < 1:
            raise ValueError(f"`iterations` names one step or more for each deconvolved picture, of 1 iteration or more, got {iterations}")
        if not search_iterations or min(search_iterations) < 0 or not any(search_iterations):
            raise ValueError(f"`search_iterations` names iterations at each scale, some of them above 0, got {search_iterations}")
        if ensemble not in (1, 2):
            raise ValueError(f"`ensemble` is 1 or 2, got {ensemble}")
        count, pixels, luma_pixels = len(iterations), 3 * UNSHUFFLE**2, UNSHUFFLE**2
        samples = len(POSITIONS) * (pixels if colour_samples else luma_pixels)
        in_channels, out_channels = pixels + samples + 3 + count * luma_pixels, pixels + count * luma_pixels
        motion = UNet(in_channels=pixels, out_channels=3, widths=tuple(motion_widths), blocks=tuple(motion_blocks))
        restoration = UNet(in_channels=in_channels, out_channels=out_channels, widths=tuple(widths), blocks=tuple(blocks))
        super().__init__(motion=motion, restoration=restoration, positions=POSITIONS, max_blur_length=MAX_BLUR_LENGTH)
        self.kernel_refiner = KernelRefiner(widths=tuple(refiner_widths), blocks=tuple(refiner_blocks))
        self.gate = GatingNet(
            changes=1 + count, side_channels=3 + CONFIDENCE_CHANNELS, widths=tuple(gate_widths), blocks=tuple(gate_blocks)
        )
        self.kernel_size, self.window, self.num_deconvolved = kernel_size, window, count
        self.layout = WindowLayout(side=window, stride=stride, max_side=max_window)
        self.deconvolution_layout = replace(self.layout, overlap=overlap)
        self.search_iterations, self.threshold, self.restart_edges = tuple(search_iterations), threshold, restart_edges
        self.iterations = tuple(map(tuple, iterations))
        self.colour_samples, self.ensemble, self.scale, self.scale_step = colour_samples, ensemble, scale, scale_step
        self.receptive_radius = max(self.receptive_radius, window, max_window) + GATE_STRIDE * (self.gate.unet.receptive_radius + 1)
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
        return interpolate(blurry.contiguous(), size=shape, mode="bicubic", align_corners=False, antialias=True)

    def apply_change(self, restored: Tensor, *, small: Tensor, blurry: Tensor) -> Tensor:
        """The picture plus the upscaled change that was made at `scale`: (B, 3, h, w) to (B, 3, H, W)."""
        if self.scale == 1:
            return restored
        change = (restored - small).contiguous()
        change = torch.lerp(box_mean(change), change, DETAIL_GAIN)
        return blurry + interpolate(change, size=blurry.shape[-2:], mode="bicubic", align_corners=False, antialias=True)  # (B, 3, H, W)

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
        deconvolved, confidence = self.deconvolve(blurry)  # (B, 3n, H, W), (B, 13, H/8, W/8)
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

    def deconvolve(self, blurry: Tensor) -> tuple[Tensor, Tensor]:
        """The picture deconvolved window by window, and the confidence in each window's kernel, see `kernel_confidence`.

        Shape:
            (B, 3, H, W) -> (B, 3n, H, W) in [0, 1], (B, 13, H/8, W/8)
        """
        with torch.autocast(blurry.device.type, enabled=False):
            light, down, across = add_border(blurry)
            shape = light.shape[-2:]
            # Kernels are estimated without the border, in which the trajectory is mirrored.
            windows = remove_border(to_windows(self.search_input(light), layout=self.layout), down, across)  # (N·B, 2, h, w)
            narrower = to_windows(light, layout=self.deconvolution_layout)  # (N·B, 3, h, w)
            parts = math.ceil(len(windows) / (WINDOWS_AT_ONCE if windows.device.type == "cpu" else WINDOWS_AT_ONCE_ON_GPU))
            pairs = zip(windows.tensor_split(parts), narrower.tensor_split(parts), strict=True)
            deconvolved, confidence = zip(*(self._deconvolve_windows(*pair) for pair in pairs), strict=True)
            whole = from_windows(torch.cat(list(chain.from_iterable(deconvolved))), shape, layout=self.deconvolution_layout)
            inside = remove_border(whole, down, across)
            cells = from_window_values(torch.cat(confidence), shape, layout=self.layout, border=(down, across), cell=GATE_STRIDE)
            return inside.clamp(MIN_LIGHT, 1).pow_(1 / GAMMA), cells  # (B, 3n, H, W), (B, 13, H/8, W/8)

    def _deconvolve_windows(self, windows: Tensor, narrower: Tensor) -> tuple[list[Tensor], Tensor]:
        """The deconvolved `narrower` windows, some at a time, and the confidence in all kernels; `windows` are those of `search_input`."""
        kernel, evidence = self.estimate_kernels(windows)
        parts = math.ceil(len(windows) / (DECONVOLVED_AT_ONCE if windows.device.type == "cpu" else WINDOWS_AT_ONCE_ON_GPU))
        pairs = zip(narrower.tensor_split(parts), kernel.tensor_split(parts), strict=True)
        deconvolved = [torch.cat(deconvolve_windows(*pair, iterations=self.iterations), dim=1) for pair in pairs]  # (., 3n, h, w)
        return deconvolved, kernel_confidence(kernel, evidence, windows[:, 0])  # (N, 13)

    def search_input(self, light: Tensor) -> Tensor:
        """What kernels are estimated from: the luma of linear light, and the mask of places without clipped highlights.

        Shape:
            (B, 3, H, W) -> (B, 2, H, W)
        """
        return torch.cat([luma(light), unsaturated(light, white_level=WHITE_LEVEL, reach=self.kernel_size // 2)[:, None]], dim=1)

    def estimate_kernels(self, windows: Tensor) -> tuple[Tensor, Tensor]:
        """The refined kernel of each window, and the evidence that it was refined from.

        Args:
            windows: of `search_input`.

        Shape:
            (N, 2, H, W) -> (N, K, K) of sum 1, (N, 8, K, K)
        """
        light, mask = windows.unbind(1)  # (N, H, W)
        prepared = prepare_windows(normalise_contrast(light, mask=mask), size=self.kernel_size, mask=mask)
        kernel = estimate_kernel(prepared, iterations=self.search_iterations, threshold=self.threshold, restart_edges=self.restart_edges)
        evidence = kernel_evidence(prepared, centre_kernel(kernel, exposure_midpoint(kernel)))  # (N, 8, K, K)
        return self.kernel_refiner(evidence), evidence

    def diagnostics(self, blurry: Tensor) -> list[Diagnostic]:
        """The blur field, the kernel of each window as estimated and as refined, the deconvolved pictures, the gates of the first pass, and the restored picture."""
        small = self.downscaled(blurry)
        blur_field = self.blur_field(small)
        with recorded_calls(self.kernel_refiner) as refined:
            inputs = self.restore_inputs(small, blur_field)
        with recorded_calls(self.gate) as gated:
            restored = self.apply_change(self.restore_from_inputs(*inputs), small=small, blurry=blurry)
        deconvolved = (inputs[2] + small[:, None]).unbind(1)  # (1, 3, H, W) each
        iterations = tuple(accumulate(sum(steps) for steps in self.iterations))
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
            gates_diagnostic(gated[0][1], iterations=iterations),
            restored_diagnostic(restored),
        ]

    def _kernels_diagnostic(self, pairs: Sequence[tuple[Tensor, Tensor]], *, size: tuple[int, int]) -> Diagnostic:
        """Kernels as estimated and as refined, some windows' at a time, (N, K, K) each, of a picture of a height and width."""
        rows, columns = (len(self.layout.along(length + 2 * BORDER)[0]) for length in size)
        grids = (
            torch.cat(kernels).flatten(1).T.reshape(1, -1, rows, columns) for kernels in zip(*pairs, strict=True)
        )  # (1, K², rows, columns)
        return Diagnostic(
            name="kernels",
            kind="kernel",
            caption="the kernels of the picture's windows: bright where the camera rested, in the middle where it was in the middle of the exposure",
            rows=(dict(zip(("found", "as the path of a hand"), grids, strict=True)),),
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


def deconvolve_windows(windows: Tensor, kernel: Tensor, *, iterations: Sequence[Sequence[int]]) -> list[Tensor]:
    """Windows in linear light, deconvolved with a kernel each by `accelerated_richardson_lucy`.

    Shape:
        (N, 3, h, w), (N, K, K) -> as many of (N, 3, h, w) as `iterations` has entries
    """
    tapered, spectrum = edge_taper(windows, edge=BORDER), kernel_spectrum(kernel, windows.shape[-2:])
    return accelerated_richardson_lucy(tapered, kernel=spectrum, iterations=iterations, white_level=WHITE_LEVEL)


def add_border(blurry: Tensor) -> tuple[Tensor, int, int]:
    """A picture as linear light with a mirrored border, and the border's height and width.

    Shape:
        (B, 3, H, W) -> (B, 3, H + 2·down, W + 2·across), down, across
    """
    down, across = (min(BORDER, side - 1) for side in blurry.shape[-2:])
    return pad(blurry.float().clamp(0, 1), (across, across, down, down), mode="reflect") ** GAMMA, down, across


def remove_border(picture: Tensor, down: int, across: int) -> Tensor:
    """The inverse of the padding by `add_border`: (..., H + 2·down, W + 2·across) to (..., H, W)."""
    height, width = picture.shape[-2:]
    return picture[..., down : height - down, across : width - across]


def luma(picture: Tensor) -> Tensor:
    """Weighted mean of the colours, (B, 3, H, W) to (B, 1, H, W)."""
    red, green, blue = picture[:, :1], picture[:, 1:2], picture[:, 2:]
    return torch.add(LUMA[0] * red, green, alpha=LUMA[1]).add_(blue, alpha=LUMA[2])
