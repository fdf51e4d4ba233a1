"""`swift_best`: `swift`, which is also shown what blind deconvolution makes of the picture.

`swift` describes the smear of a pixel by a line. A hand draws curves and halts, and a picture that is blurred so can be
undone only by who knows the path. It can be sought (`unblur.layers.kernel_estimation`), and what was found made the path that a hand would draw (`unblur.layers.kernel_refinement`), but not everywhere: in a flat or
noisy place, or where two things move, the path is wrong and what it makes of the picture useless. To see which it is and to put
it in order is for the network, which is told how sure a path is.

    blurry ──┬── swift's motion network ── blur field ── read along the smear ──┐
             │                                                              ├── concatenate ── restoration: U-Net at 1/4
             ├── windows ── kernel ── path ── Richardson-Lucy ── joined ──┬─┘                      │
             │                         └── how sure it is ── joined ──┐   │                        │
             │                                                        └───┴── trust ◄── unfold 4: residual, and how much of each view
             + ◄──────────────────────────────────────────────────────────────────┘
             │
          restored

All that is known of a picture is looked at twice (`ensemble`), as it is and turned by half, and the mean is made of both. That takes a quarter more time, where
a second view of the picture takes as much again, since neither the smear nor the paths need be found anew. Training looks once.

The blur is undone in leaps (`unblur.layers.deconvolution.accelerated_richardson_lucy`), and the restoration sees what comes of it in luma; it is taken in colour.

`swift_quick` has other arguments: one look at a picture that is made a little smaller first (`scale`), since strong blur leaves nothing of the
finest resolution that could be told from noise, and all costs go with the pixels. The change is enlarged. Its search goes on from what it has found (`restart_edges`), and what it reads
along the smear is luma (`colour_samples`).

It begins as a `swift`: the weights for the new views are zero, and so is what is taken of them.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, pad, pixel_shuffle

from unblur.layers.box_mean import box_mean
from unblur.layers.check import check_multiple, check_shape
from unblur.layers.concatenate import concatenate
from unblur.layers.deconvolution import accelerated_richardson_lucy, edge_taper
from unblur.layers.gate import GATE_STRIDE, GatingNet
from unblur.layers.kernel_estimation import (
    SEARCH_ITERATIONS,
    blur_kernel,
    centre_kernel,
    evidence,
    exposure_midpoint,
    kernel_spectrum,
    normalise_contrast,
    transform_windows,
    unsaturated,
)
from unblur.layers.kernel_refinement import CONFIDENCE, KernelRefiner, kernel_confidence
from unblur.layers.motion_blur import sample_along
from unblur.layers.pixel_unshuffle import pixel_unshuffle
from unblur.layers.unet import UNet
from unblur.layers.windows import WindowLayout, from_window_values, from_windows, to_windows
from unblur.models.base import CENTRE
from unblur.models.swift import LENGTH_UNIT, MAX_BLUR_LENGTH, POSITIONS, UNSHUFFLE, BlurFieldNet

__all__ = ["BORDER", "GAMMA", "WHITE_LEVEL", "SwiftBest", "add_border", "deconvolve_windows", "luma", "remove_border"]

GAMMA = 2.2
"""Exponent that makes linear light of a picture's values."""

CHANGE_UNIT = 0.1
"""Change by deconvolution that is 1 inside the network."""

LUMA = (0.299, 0.587, 0.114)

DARKEST = 1e-6
"""Light below which nothing is told apart: the slope of the curve to a picture's values has no bound there."""

BORDER = 8
"""Pixels that are mirrored around a picture, so that deconvolution finds something beyond its border."""

WHITE_LEVEL = 0.985
"""Light from which on a picture may have been brighter than its file can say; noise and compression leave such places a little below 1."""

RESIZED = 5
"""Pixels that making a picture smaller, and its change as large again, may reach beyond what is theirs."""

RAISED = 1.3
"""How many times the finest detail of a change counts, of which making the picture smaller and the change larger takes some away."""

AT_ONCE = 16
"""Windows of which the transforms are in memory at a time."""

DECONVOLVED_AT_ONCE = 2
"""The same of windows in colour whose blur is undone: more of them leave a processor's cache."""

AT_ONCE_ON_GPU = 128
"""The same of both on a GPU, which fewer leave idle."""


class SwiftBest(BlurFieldNet):
    """`Swift` with deconvolved views beside those read along the smear.

    Args:
        widths: see `Swift`.
        blocks: see `Swift`.
        motion_widths: see `Swift`.
        motion_blocks: see `Swift`.
        kernel_size: side of the kernels that are sought, pixels, odd.
        window: side of the windows that have a kernel each, pixels.
        stride: from one window to the next at most, pixels.
        widest: side of windows where fewer of them will do then, pixels, see `WindowLayout`.
        overlap: by which windows overlap at most when their blur is undone, pixels, for which they need not be as wide as to find it; 0 for as wide.
        search_iterations: iterations of the search for kernels at full size, at the next smaller one, ..., see `blur_kernel`.
        threshold: of that search.
        restart_edges: of that search.
        iterations: of Richardson-Lucy for which each leap stands, on the way to the first view, from there to the second, ..., see `accelerated_richardson_lucy`.
        refiner_widths: features of what makes a path of each kernel, see `KernelRefiner`.
        refiner_blocks: its residual blocks.
        gate_widths: features of what says how much of each change to make, at 1/8, 1/16, ... resolution.
        gate_blocks: its residual blocks there.
        colour_samples: whether the restoration sees three colours along the smear, or their luma.
        ensemble: how often it looks at what is known of a picture, 1 or 2.
        scale: how many times a picture's sides those are at which it is restored, such that a multiple of the picture's pixels is the multiple that the
            network needs there: 0.8 of 20 is 16. All that is said of pixels above holds there.
        scale_step: see `Net`.

    Attributes:
        views: deconvolved views that the network sees.
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
        widest: int = 0,
        overlap: int = 0,
        search_iterations: tuple[int, ...] = SEARCH_ITERATIONS,
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
            raise ValueError(f"a kernel has a middle: `kernel_size` is odd and at least 3, got {kernel_size}")
        if window < 3 * BORDER or not 0 < stride <= window:
            raise ValueError(f"windows are at least {3 * BORDER} pixels wide and overlap, got {window} every {stride}")
        if widest and widest < window:
            raise ValueError(f"`widest` is no less than `window`, which is {window}, or 0, got {widest}")
        if not iterations or min(min(way, default=0) for way in iterations) < 1:
            raise ValueError(f"`iterations` names one leap or more to each view, of 1 turn or more, got {iterations}")
        if not search_iterations or min(search_iterations) < 0 or not any(search_iterations):
            raise ValueError(f"`search_iterations` names iterations at each size, some of them above 0, got {search_iterations}")
        if ensemble not in (1, 2):
            raise ValueError(f"`ensemble` is 1 or 2, got {ensemble}")
        views = len(iterations)
        pixels = 3 * UNSHUFFLE**2
        along = len(POSITIONS) * (pixels if colour_samples else UNSHUFFLE**2)
        seen, given = pixels + along + 3 + views * UNSHUFFLE**2, pixels + views * UNSHUFFLE**2
        motion = UNet(in_channels=pixels, out_channels=3, widths=tuple(motion_widths), blocks=tuple(motion_blocks))
        restoration = UNet(in_channels=seen, out_channels=given, widths=tuple(widths), blocks=tuple(blocks))
        super().__init__(motion=motion, restoration=restoration, positions=POSITIONS, max_blur_length=MAX_BLUR_LENGTH)
        self.kernel_refiner = KernelRefiner(widths=tuple(refiner_widths), blocks=tuple(refiner_blocks))
        self.gate = GatingNet(changes=1 + views, beside=3 + CONFIDENCE, widths=tuple(gate_widths), blocks=tuple(gate_blocks))
        self.kernel_size, self.window, self.num_deconvolved = kernel_size, window, views
        self.layout = WindowLayout(side=window, stride=stride, widest=widest)
        self.narrower = replace(self.layout, overlap=overlap)
        self.search_iterations, self.threshold, self.restart_edges = tuple(search_iterations), threshold, restart_edges
        self.iterations = tuple(map(tuple, iterations))
        self.colour_samples, self.ensemble, self.scale, self.scale_step = colour_samples, ensemble, scale, scale_step
        self.receptive_radius = max(self.receptive_radius, window, widest) + GATE_STRIDE * (self.gate.unet.receptive_radius + 1)
        self.inner_multiple = max(self.inner_multiple, GATE_STRIDE)
        if not 0.5 <= scale <= 1 or not math.isclose(round(self.inner_multiple / scale) * scale, self.inner_multiple):
            raise ValueError(f"`scale` is from a half to 1, and {self.inner_multiple} divided by it a whole number, got {scale}")
        self.size_multiple = round(self.inner_multiple / scale)
        if scale < 1:
            self.receptive_radius = math.ceil(self.receptive_radius / scale) + RESIZED
        self.global_context = True  # where windows lie depends on the size of the picture

    def downscaled(self, blurry: Tensor) -> Tensor:
        """The picture at the size at which it is restored, see `scale`.

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
        """The picture with the change that was made to it at the size of `small`: (B, 3, h, w) to (B, 3, H, W)."""
        if self.scale == 1:
            return restored
        change = (restored - small).contiguous()
        change = torch.lerp(box_mean(change), change, RAISED)
        return blurry + interpolate(change, size=blurry.shape[-2:], mode="bicubic", align_corners=False, antialias=True)  # (B, 3, H, W)

    def restore(self, blurry: Tensor, blur_field: Tensor) -> Tensor:
        deconvolved, confidence = self.deconvolve(blurry)  # (B, 3·views, H, W), (B, 13, H/8, W/8)
        changes = deconvolved.view(-1, self.num_deconvolved, *blurry.shape[1:]) - blurry[:, None]  # (B, views, 3, H, W)
        del deconvolved  # the largest of all
        known = [blurry, blur_field.clamp(-self.max_blur_length, self.max_blur_length), changes, confidence]
        made = self.restore_once(*known)  # (B, 3, H, W)
        if self.training or self.ensemble == 1:
            return made
        turned = self.restore_once(*(each.flip(-2, -1) for each in known))  # a line that is turned by half is the same line
        return (made + turned.flip(-2, -1)) / 2

    def restore_once(self, blurry: Tensor, blur_field: Tensor, changes: Tensor, confidence: Tensor) -> Tensor:
        """The picture, changed by what is made of all that is known of it.

        Shape:
            (B, 3, H, W), (B, 3, H/4, W/4), (B, views, 3, H, W), (B, 13, H/8, W/8) -> (B, 3, H, W)
        """
        bright = luma(changes.flatten(0, 1)).view(-1, self.num_deconvolved, *blurry.shape[2:])  # (B, views, H, W)
        given = self.restoration(self.seen(blurry, blur_field, bright))  # (B, 48 + 16·views, H/4, W/4)
        residual, takes = pixel_shuffle(given, UNSHUFFLE).float().tensor_split([3], dim=1)  # (B, 3, H, W), (B, views, H, W)
        own = luma(residual) + (takes * bright).sum(1, keepdim=True)  # (B, 1, H, W), the luma of its own change: residual + takes · changes
        positions = self.gates(blurry, torch.cat([own, bright], dim=1), blur_field, confidence)  # (B, 1 + views, H, W)
        restored = blurry + positions[:, :1] * residual  # (B, 3, H, W)
        for view, take in enumerate((positions[:, :1] * takes + positions[:, 1:]).unbind(1)):
            restored = torch.addcmul(restored, take[:, None], changes[:, view])
        return restored

    def seen(self, blurry: Tensor, blur_field: Tensor, bright: Tensor) -> Tensor:
        """What the restoration sees: the picture, read along the smear, its blur field, and what the views change in luma.

        Shape:
            (B, 3, H, W), (B, 3, H/4, W/4), (B, views, H, W) -> (B, 48·(1 + shares) + 3 + 16·views, H/4, W/4); 16·shares where colours are not seen
        """
        read = blurry if self.colour_samples else luma(blurry)
        views = (blurry - CENTRE, sample_along(read, blur_field, positions=self.positions) - CENTRE, bright / CHANGE_UNIT)
        own, along, deconvolved = (pixel_unshuffle(view, factor=UNSHUFFLE) for view in views)  # (B, 48·1, 48·shares, 16·views, H/4, W/4)
        return concatenate(own, along, blur_field / LENGTH_UNIT, deconvolved)

    def gates(self, blurry: Tensor, changes: Tensor, blur_field: Tensor, confidence: Tensor) -> Tensor:
        """How far the network's own change and those of the views, in luma, are trusted.

        Shape:
            (B, 3, H, W), (B, 1 + views, H, W), (B, 3, H/4, W/4), (B, 13, H/8, W/8) -> (B, 1 + views, H, W)
        """
        beside = torch.cat([avg_pool2d(blur_field, GATE_STRIDE // UNSHUFFLE) / LENGTH_UNIT, confidence], dim=1)  # (B, 16, H/8, W/8)
        return self.gate(luma(blurry), changes, beside)

    def deconvolve(self, blurry: Tensor) -> tuple[Tensor, Tensor]:
        """The picture with the blur of each window undone, and how sure the path is there, see `kernel_confidence`.

        Shape:
            (B, 3, H, W) -> (B, views·3, H, W) in [0, 1], (B, 13, H/8, W/8)
        """
        with torch.autocast(blurry.device.type, enabled=False):
            light, down, across = add_border(blurry)
            shape = light.shape[-2:]
            # Kernels are sought within the border, as a mirrored path is another one.
            windows = remove_border(to_windows(self.search_input(light), layout=self.layout), down, across)  # (n·B, 2, h, w)
            narrower = to_windows(light, layout=self.narrower)  # (n·B, 3, h, w)
            parts = math.ceil(len(windows) / (AT_ONCE if windows.device.type == "cpu" else AT_ONCE_ON_GPU))
            pairs = zip(windows.tensor_split(parts), narrower.tensor_split(parts), strict=True)
            deconvolved, confidence = zip(*(self._deconvolve_windows(*pair) for pair in pairs), strict=True)
            whole = from_windows(torch.cat(list(chain.from_iterable(deconvolved))), shape, layout=self.narrower)  # of (n·B, 3·views, h, w)
            inside = remove_border(whole, down, across)
            confidence_map = from_window_values(torch.cat(confidence), shape, layout=self.layout, border=(down, across), cell=GATE_STRIDE)
            return inside.clamp(DARKEST, 1).pow_(1 / GAMMA), confidence_map  # (B, 3·views, H, W), (B, 13, H/8, W/8)

    def _deconvolve_windows(self, windows: Tensor, narrower: Tensor) -> tuple[list[Tensor], Tensor]:
        """Narrower windows without their blur, some at a time, and how sure all their paths are; windows are those of `search_input`."""
        path, told = self.estimate_kernels(windows)
        parts = math.ceil(len(windows) / (DECONVOLVED_AT_ONCE if windows.device.type == "cpu" else AT_ONCE_ON_GPU))
        pairs = zip(narrower.tensor_split(parts), path.tensor_split(parts), strict=True)
        deconvolved = [
            torch.cat(deconvolve_windows(some, along, iterations=self.iterations), dim=1) for some, along in pairs
        ]  # (some, 3·views, h, w)
        return deconvolved, kernel_confidence(path, told, windows[:, 0])  # (n, 13)

    def search_input(self, light: Tensor) -> Tensor:
        """What of linear light is looked at to find paths: its luma, and how much each place counts.

        Shape:
            (B, 3, H, W) -> (B, 2, H, W)
        """
        return torch.cat([luma(light), unsaturated(light, full=WHITE_LEVEL, reach=self.kernel_size // 2)[:, None]], dim=1)

    def estimate_kernels(self, windows: Tensor) -> tuple[Tensor, Tensor]:
        """The path of each window, and the evidence of which it was made.

        Args:
            windows: of `search_input`.

        Shape:
            (n, 2, H, W) -> (n, K, K) of sum 1, (n, 8, K, K)
        """
        bright, seen = windows.unbind(1)  # (n, H, W)
        ready = transform_windows(normalise_contrast(bright, seen=seen), size=self.kernel_size, seen=seen)
        kernel = blur_kernel(
            ready, iterations=self.search_iterations, threshold=self.threshold, restart_edges=self.restart_edges
        )  # (n, K, K)
        told = evidence(ready, centre_kernel(kernel, exposure_midpoint(kernel)))  # (n, 8, K, K)
        return self.kernel_refiner(told), told


def deconvolve_windows(windows: Tensor, path: Tensor, *, iterations: Sequence[Sequence[int]]) -> list[Tensor]:
    """Windows in linear light with the blur along a path each undone by `accelerated_richardson_lucy`.

    Shape:
        (n, 3, h, w), (n, K, K) -> as many of (n, 3, h, w) as there are ways
    """
    return accelerated_richardson_lucy(
        edge_taper(windows, edge=BORDER), kernel=kernel_spectrum(path, windows.shape[-2:]), iterations=iterations, full=WHITE_LEVEL
    )


def add_border(blurry: Tensor) -> tuple[Tensor, int, int]:
    """A picture's linear light with a border that mirrors it, and how wide that is above and below, and at the sides.

    Shape:
        (B, 3, H, W) -> (B, 3, H + 2·down, W + 2·across), down, across
    """
    down, across = (min(BORDER, side - 1) for side in blurry.shape[-2:])
    return pad(blurry.float().clamp(0, 1), (across, across, down, down), mode="reflect") ** GAMMA, down, across


def remove_border(picture: Tensor, down: int, across: int) -> Tensor:
    """What is within the border that `add_border` put on, (..., H + 2·down, W + 2·across) to (..., H, W)."""
    height, width = picture.shape[-2:]
    return picture[..., down : height - down, across : width - across]


def luma(picture: Tensor) -> Tensor:
    """How bright each pixel is, (B, 3, H, W) to (B, 1, H, W)."""
    red, green, blue = picture[:, :1], picture[:, 1:2], picture[:, 2:]
    return torch.add(LUMA[0] * red, green, alpha=LUMA[1]).add_(blue, alpha=LUMA[2])
