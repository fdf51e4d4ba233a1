"""Blind deconvolution in overlapping windows, each of which has a blur kernel of its own.

    picture ── linear light, mirrored border ──┬── windows ── kernel estimation ── refinement ──┬── kernels ──────┐
                                               │                                                └── confidence    │
                                               └── windows ───────────────────────────────── Richardson-Lucy ◄────┘
                                                                                                      └── blended: deconvolved pictures

The windows that are deconvolved may be narrower than those in which kernels are estimated, since deconvolution needs less context.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from unblur.layers.deconvolution import accelerated_richardson_lucy, edge_taper
from unblur.layers.kernel_estimation import ITERATIONS, estimate_kernel, prepare_windows
from unblur.layers.kernel_evidence import kernel_evidence
from unblur.layers.kernel_input import normalise_contrast, unsaturated
from unblur.layers.kernel_refinement import KernelRefiner, kernel_confidence
from unblur.layers.kernels import centre_kernel, exposure_midpoint, kernel_spectrum
from unblur.layers.light import GAMMA, MIN_LIGHT, luma
from unblur.layers.portable import is_portable
from unblur.layers.windows import WindowLayout, from_window_values, from_windows, to_windows

__all__ = ["BORDER", "WHITE_LEVEL", "BlindDeconvolution", "KernelEstimator", "add_border", "deconvolve_windows", "remove_border"]

BORDER = 8
"""Width of the mirrored border around a picture during deconvolution, pixels."""

WHITE_LEVEL = 0.985
"""Linear light from which on the sensor may have been saturated; noise and compression leave such places a little below 1."""

_WINDOWS_AT_ONCE = 16  # windows whose transforms are in memory at a time on a CPU
_DECONVOLVED_AT_ONCE = 2  # windows that are deconvolved at a time on a CPU; more leave the cache
_MOST_AT_ONCE = 128  # windows that are transformed or deconvolved at a time on a GPU, which fewer do not fill, and in exports, whose graph repeats the operators of each group


class KernelEstimator(nn.Module):
    """Blind estimation of a blur kernel in each window: search (`estimate_kernel`), centring on the middle of the exposure, and refinement by a network.

    Args:
        size: side of the kernels, pixels, odd.
        iterations: of the search at full scale, at the next coarser one, ..., see `estimate_kernel`.
        threshold: of the search, see `estimate_kernel`.
        restart_edges: of the search, see `estimate_kernel`.
        refiner_widths: features of the network that refines kernels, see `KernelRefiner`.
        refiner_blocks: its residual blocks.
    """

    def __init__(
        self,
        *,
        size: int = 31,
        iterations: Sequence[int] = ITERATIONS,
        threshold: float = 0.1,
        restart_edges: bool = True,
        refiner_widths: Sequence[int] = (64, 128, 192),
        refiner_blocks: Sequence[int] = (1, 2, 2),
    ) -> None:
        super().__init__()
        if size % 2 == 0 or size < 3:
            raise ValueError(f"the `size` of kernels must be odd and at least 3, got {size}")
        if not iterations or min(iterations) < 0 or not any(iterations):
            raise ValueError(f"the `iterations` of kernel estimation are numbers at each scale, some of them above 0, got {iterations}")
        self.size, self.iterations, self.threshold, self.restart_edges = size, tuple(iterations), threshold, restart_edges
        self.refiner = KernelRefiner(widths=tuple(refiner_widths), blocks=tuple(refiner_blocks))

    def forward(self, light: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The refined kernel of each window, and the evidence that it was refined from.

        Args:
            light: luma of the windows in linear light.
            mask: weight of each pixel, see `unsaturated`.

        Shape:
            (N, H, W), (N, H, W) -> (N, K, K) of sum 1, (N, 8, K, K)
        """
        windows = prepare_windows(normalise_contrast(light, mask=mask), size=self.size, mask=mask)
        kernel = estimate_kernel(windows, iterations=self.iterations, threshold=self.threshold, restart_edges=self.restart_edges)
        evidence = kernel_evidence(windows, centre_kernel(kernel, exposure_midpoint(kernel)))  # (N, 8, K, K)
        return self.refiner(evidence), evidence


class BlindDeconvolution(nn.Module):
    """A picture deconvolved window by window with estimated kernels, and the confidence in them.

    Args:
        kernel_estimator: estimates the kernel of each window.
        layout: of the windows; its `overlap` bounds that of the windows which are deconvolved, and not of those in which kernels are estimated.
        iterations: for each deconvolved picture the numbers of Richardson-Lucy iterations that its steps stand for, see `accelerated_richardson_lucy`.
        cell: side of the cells in which the confidence is given, pixels.

    Attributes:
        receptive_radius: pixels on each side that can influence one: those of the widest window.
    """

    def __init__(
        self, *, kernel_estimator: KernelEstimator, layout: WindowLayout, iterations: Sequence[Sequence[int]], cell: int = 8
    ) -> None:
        super().__init__()
        if layout.side < 3 * BORDER:
            raise ValueError(f"windows are at least {3 * BORDER} pixels wide, got {layout.side}")
        if not iterations or min(min(steps, default=0) for steps in iterations) < 1:
            raise ValueError(f"`iterations` names one step or more for each deconvolved picture, of 1 iteration or more, got {iterations}")
        self.kernel_estimator = kernel_estimator
        self.layout, self.deconvolution_layout = replace(layout, overlap=0), layout
        self.iterations, self.cell = tuple(map(tuple, iterations)), cell
        self.receptive_radius = max(layout.side, layout.max_side)

    def forward(self, blurry: Tensor) -> tuple[Tensor, Tensor]:
        """The n deconvolved pictures, one after each entry of `iterations`, and the confidence in each window's kernel, see `kernel_confidence`.

        Shape:
            (B, 3, H, W) -> (B, 3n, H, W) in [0, 1], (B, 13, H/cell, W/cell)
        """
        with torch.autocast(blurry.device.type, enabled=False):
            light, down, across = add_border(blurry)
            shape = light.shape[-2:]
            # Kernels are estimated without the border, in which the trajectory is mirrored.
            windows = remove_border(to_windows(self.search_input(light), layout=self.layout), down, across)  # (N·B, 2, h, w)
            narrower = to_windows(light, layout=self.deconvolution_layout)  # (N·B, 3, h, w)
            parts = _parts(windows, on_cpu=_WINDOWS_AT_ONCE)
            pairs = zip(windows.tensor_split(parts), narrower.tensor_split(parts), strict=True)
            deconvolved, confidence = zip(*(self._deconvolve_windows(*pair) for pair in pairs), strict=True)
            whole = from_windows(torch.cat(list(chain.from_iterable(deconvolved))), shape, layout=self.deconvolution_layout)
            inside = remove_border(whole, down, across)
            cells = from_window_values(torch.cat(confidence), shape, layout=self.layout, border=(down, across), cell=self.cell)
            return inside.clamp(MIN_LIGHT, 1.0).pow_(1 / GAMMA), cells  # (B, 3n, H, W), (B, 13, H/cell, W/cell)

    def search_input(self, light: Tensor) -> Tensor:
        """What kernels are estimated from: the luma of linear light, and the mask of places without clipped highlights.

        Shape:
            (B, 3, H, W) -> (B, 2, H, W)
        """
        reach = self.kernel_estimator.size // 2
        return torch.cat([luma(light), unsaturated(light, white_level=WHITE_LEVEL, reach=reach)[:, None]], dim=1)

    def _deconvolve_windows(self, windows: Tensor, narrower: Tensor) -> tuple[list[Tensor], Tensor]:
        """The deconvolved `narrower` windows, some at a time, and the confidence in all kernels; `windows` are those of `search_input`."""
        light, mask = windows.unbind(1)  # (N, H, W)
        kernel, evidence = self.kernel_estimator(light, mask)
        parts = _parts(windows, on_cpu=_DECONVOLVED_AT_ONCE)
        pairs = zip(narrower.tensor_split(parts), kernel.tensor_split(parts), strict=True)
        deconvolved = [torch.cat(deconvolve_windows(*pair, iterations=self.iterations), dim=1) for pair in pairs]  # (., 3n, h, w)
        return deconvolved, kernel_confidence(kernel, evidence, light)  # (N, 13)


def _parts(windows: Tensor, *, on_cpu: int) -> int:
    """Into how many parts windows are divided, of `on_cpu` or fewer each on a CPU."""
    return math.ceil(len(windows) / (on_cpu if windows.device.type == "cpu" and not is_portable() else _MOST_AT_ONCE))


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
