"""What a window says about an estimated blur kernel: maps that a network can refine the kernel by, and numbers that tell how far to trust it.

Decided here, no paper's: the choice of maps and of numbers.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor

from unblur.layers.fourier import rfft2
from unblur.layers.kernel_estimation import (
    ITERATIONS,
    KERNEL_REGULARISATION,
    KernelWindows,
    correlate,
    gradient_spectra,
    restrict,
    sharp_edges,
)
from unblur.layers.kernels import frequencies, kernel_spectrum, power_spectrum
from unblur.layers.windows import taper

__all__ = ["BANDS", "EVIDENCE_CHANNELS", "kernel_evidence", "spectral_correlation"]

BANDS = (0.02, 0.08, 0.16, 0.28, 0.45)
"""Limits of the frequency bands of `spectral_correlation`, cycles a pixel."""

EVIDENCE_CHANNELS = 8
"""Maps that `kernel_evidence` gives."""

_SPARSITY = 4e-3 / 1.1 ** ITERATIONS[0]  # weight of the number of gradients after the last iteration of the search
_EPSILON = 1e-7  # smallest power of a gradient
_GRADIENT_OFFSET = 1.5  # added to the logarithm of a gradient's magnitude, to bring usual ones near 0
_BRIGHTNESS_OFFSET = 0.3  # subtracted from the mean brightness, likewise
_RING_WIDTH = 0.01  # cycles a pixel: width of the rings over which the mean log power is taken away
_AXIS_WIDTH = 0.008  # cycles a pixel: frequencies nearer to an axis show the window's border
_VARIANCE_EPSILON = 1e-3  # added to the product of variances: an identity kernel correlates with nothing
_NOISE_POWER = 3e-3  # power of a kernel's spectrum below which noise hides the picture


@torch.no_grad()
def kernel_evidence(windows: KernelWindows, kernel: Tensor) -> Tensor:
    """Evidence for each window's kernel, as maps of the kernel's size.

    Args:
        windows: see `prepare_windows`.
        kernel: of each window; sharp edges are placed by its origin.

    Returns:
        Channels: (0) the kernel; (1) the least-squares kernel between the sharp edges that it leads to and the light, nothing dropped; (2) the correlation of these edges
        with the light; (3, 4) the autocorrelation of the light's horizontal and vertical gradients; all three 1 at displacement 0 for a sharp window; and, constant over the map,
        (5, 6) the logarithms of the power of horizontal gradients and of their second differences, and (7) the mean brightness.

    Shape:
        (N, K, K) -> (N, 8, K, K)
    """
    light, weight, grid, size = windows.light, windows.weight, windows.grid, windows.grid.size
    edges = sharp_edges(windows, kernel, start=light, sparsity=_SPARSITY)
    cross, power = correlate(gradient_spectra(edges, weight=weight), windows.gradients)
    solved, correlation = restrict(torch.stack([cross * (power + KERNEL_REGULARISATION).reciprocal(), cross]), grid=grid)  # (N, K, K) each
    edge, right, below = restrict(torch.stack([power, *power_spectrum(windows.gradients)]), grid=grid)
    edge_power, right_power, below_power = (
        each[:, size // 2, None, size // 2, None].clamp_min(_EPSILON) for each in (edge, right, below)
    )  # at displacement 0
    slope = (light.roll(-1, -1) - light) * weight
    bend = slope.roll(-1, -1) - 2 * slope + slope.roll(1, -1)
    strengths = [torch.log10(each.square().mean((1, 2)) + _EPSILON) / 2 + _GRADIENT_OFFSET for each in (slope, bend)]
    numbers = [each[:, None, None].expand_as(kernel) for each in (*strengths, light.mean((1, 2)) - _BRIGHTNESS_OFFSET)]
    return torch.stack([kernel, solved, correlation / edge_power, right / right_power, below / below_power, *numbers], dim=1)


@torch.no_grad()
def spectral_correlation(light: Tensor, kernel: Tensor) -> Tensor:
    """How well the dark places of a kernel's spectrum agree with those of its window's spectrum, by frequency band.

    Where the spectrum of a kernel is near 0, so is that of the blurred picture. The power of natural pictures falls with frequency and is about the same in
    all directions, so the mean of the logarithm over rings of one frequency is taken away from both before they are compared.

    Args:
        light: windows in linear light, one channel.
        kernel: of each window.

    Returns:
        For each of the four bands, the correlation of both log spectra; then for each, the standard deviation of the kernel's.

    Shape:
        (N, H, W), (N, K, K) -> (N, 8)
    """
    shape, size = light.shape[-2:], kernel.shape[-1]
    vertical, horizontal = (each / (2 * math.pi) for each in frequencies(shape, like=light))
    radius = (vertical.square() + horizontal.square()).sqrt()  # (H, W//2 + 1)
    used = (radius >= BANDS[0]) & (radius < BANDS[-1]) & (vertical.abs() > _AXIS_WIDTH) & (horizontal > _AXIS_WIDTH)
    ring = torch.where(used, (radius / _RING_WIDTH).long() + 1, 0).flatten()  # (F,); ring 0 holds all that is not used
    bands = torch.stack([(used & (radius >= low) & (radius < high)).flatten() for low, high in pairwise(BANDS)], dim=1).to(
        light.dtype
    )  # (F, 4)
    window = taper(shape, edge=max(size // 2, 4), like=light)
    spectrum = rfft2((light - light.mean((1, 2), keepdim=True)) * window)
    of_light = torch.log(power_spectrum(spectrum) + _EPSILON).flatten(1)  # (N, F)
    of_kernel = torch.log(power_spectrum(kernel_spectrum(kernel, shape)) + _NOISE_POWER).flatten(1)
    zeros = light.new_zeros(math.ceil(BANDS[-1] / _RING_WIDTH) + 1)
    count = zeros.index_add(0, ring, torch.ones_like(radius).flatten()).clamp_min(1)
    of_light, of_kernel = (each - (zeros.repeat(len(each), 1).index_add_(1, ring, each) / count)[:, ring] for each in (of_light, of_kernel))
    covariance, light_variance, kernel_variance = (
        (one * other) @ bands / bands.sum(0).clamp_min(1)
        for one, other in ((of_light, of_kernel), (of_light, of_light), (of_kernel, of_kernel))
    )
    return torch.cat([covariance / (light_variance * kernel_variance + _VARIANCE_EPSILON).sqrt(), kernel_variance.sqrt()], dim=1)
