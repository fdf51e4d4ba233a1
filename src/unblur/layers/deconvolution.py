"""Non-blind deconvolution with a known blur: Richardson-Lucy, accelerated Richardson-Lucy, a hyper-Laplacian prior, and the boundary of windows."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from unblur.layers.finite_differences import divergence, forward_difference, laplacian_spectrum
from unblur.layers.fourier import irfft2, rfft2
from unblur.layers.kernels import power_spectrum
from unblur.layers.windows import taper_ramp

__all__ = ["Blur", "accelerated_richardson_lucy", "edge_taper", "fourier_blur", "hyper_laplacian", "richardson_lucy"]

Blur = Callable[[Tensor], Tensor]
"""A linear operator from sharp light to blurry light, (N, C, H, W) each."""

_OFFSET = 1e-3  # added to all light, so that no ratio has a denominator of 0
_MAX_MOMENTUM = 0.95
_MAX_LIGHT = 8.0  # upper bound of restored light, times the white level: a lamp that saturated the sensor
_MIN_LIGHT = 1e-4
_MAX_RATIO = 10
_MIN_RESIDUAL = 1e-7  # smallest fraction of a frequency's error that an iteration leaves
_MIN_EXPONENT = -80.0  # below it, `exp` gives denormal numbers, which processors handle slowly
_PENALTIES = tuple(
    2.0 ** (1.5 * step) for step in range(6)
)  # of the splitting by which the hyper-Laplacian prior is minimised: 1, 2.8, 8, ... 181
_MIN_POWER = 1e-5  # power of a kernel's spectrum below which a frequency counts as lost


def richardson_lucy(light: Tensor, *, blur: Blur, adjoint: Blur, iterations: Sequence[int], white_level: float = math.inf) -> list[Tensor]:
    """Accelerated Richardson-Lucy deconvolution; gradients flow, but not through the momentum.

    Args:
        light: blurry pictures in linear light.
        blur: the forward operator; it keeps a constant picture constant.
        adjoint: of `blur`; an approximation will do for few iterations.
        iterations: numbers of iterations after which the result is given, rising.
        white_level: light from which on the sensor was saturated; there, more predicted light than observed contradicts nothing.

    Returns:
        A result for each entry of `iterations`, of the shape of `light`.

    Shape:
        light (N, C, H, W)

    Source:
        Richardson (1972) and Lucy (1974), accelerated by Biggs and Andrews (Applied Optics 1997): each iteration starts from an extrapolation of the last two.
        Saturation after Whyte, Sivic and Zisserman (IJCV 2014); decided: a step in place of their smooth response.
    """
    min_ratio = (light >= white_level).to(light.dtype)  # 1 where the sensor was saturated: no ratio below 1 there
    light = light + _OFFSET
    estimate = previous = light
    step = last_step = torch.zeros((), device=light.device)
    results = []
    for iteration in range(1, max(iterations) + 1):
        start = estimate
        if iteration > 2:
            with torch.no_grad():  # Biggs and Andrews, eq. (9)
                momentum = (step * last_step).sum((1, 2, 3), keepdim=True) / last_step.square().sum((1, 2, 3), keepdim=True).clamp_min(
                    1e-12
                )
            start = (estimate + momentum.clamp(0.0, _MAX_MOMENTUM) * (estimate - previous)).clamp_min(_MIN_LIGHT)
        ratio = torch.maximum(light / blur(start).clamp_min(_OFFSET), min_ratio).clamp_max(_MAX_RATIO)
        restored = (start * adjoint(ratio)).clamp(_MIN_LIGHT, _MAX_LIGHT)
        step, last_step = restored - start, step
        estimate, previous = restored, estimate
        if iteration in iterations:
            results.append((estimate - _OFFSET).clamp_min(0))
    return results


def accelerated_richardson_lucy(
    light: Tensor, *, kernel: Tensor, iterations: Sequence[Sequence[int]], white_level: float = math.inf
) -> list[Tensor]:
    """Richardson-Lucy in few steps, each of which goes about as far as a given number of iterations; gradients flow.

    For nearly constant light, an iteration adds the adjoint of the residual, and T iterations add a geometric series in each frequency:
    1 + (1-|k|^2) + ... + (1-|k|^2)^(T-1) = (1 - (1-|k|^2)^T) / |k|^2. Its sum takes the place of the adjoint, so a step costs as much as one iteration. For light of
    high contrast this is an approximation, so several steps are taken, each from the result of the one before.

    Args:
        light: windows in linear light, periodic, see `edge_taper`.
        kernel: spectrum of each window's kernel, of sum 1, see `kernel_spectrum`.
        iterations: for each result the numbers of iterations that its steps stand for, continuing from the result before.
        white_level: see `richardson_lucy`.

    Returns:
        A result for each entry of `iterations`, of the shape of `light`.

    Shape:
        light (N, C, H, W), kernel (N, H, W//2 + 1)

    Source:
        Guo et al., "Rapid image deconvolution and multiview fusion for optical microscopy" (Nature Biotechnology 2020), who replace the adjoint by another back
        projector. Decided: the one that equals T iterations, in place of their Wiener-Butterworth filter.
    """
    min_ratio = (light >= white_level).to(light.dtype)
    light = light + _OFFSET
    forward = kernel[:, None]  # (N, 1, H, W//2 + 1)
    power = power_spectrum(forward)
    log_residual = torch.log((1 - power).clamp_min(_MIN_RESIDUAL))  # of each frequency's error after one iteration
    estimate, results = light, []
    for steps in iterations:
        for count in steps:
            series = (1 - torch.exp((count * log_residual).clamp_min(_MIN_EXPONENT))) / power.clamp_min(_MIN_POWER)
            blurred = irfft2(rfft2(estimate).mul_(forward), s=light.shape[-2:])
            ratio = torch.maximum(light / blurred.clamp_min_(_OFFSET), min_ratio).clamp_max_(_MAX_RATIO)
            estimate = irfft2(rfft2(ratio).mul_(forward.conj() * series), s=light.shape[-2:]).mul_(estimate).clamp_(_MIN_LIGHT, _MAX_LIGHT)
        results.append((estimate - _OFFSET).clamp_min(0))
    return results


def hyper_laplacian(light: Tensor, *, kernel: Tensor, data_weight: float) -> Tensor:
    """The picture x with sparse gradients that the kernel blurs into the light y: minimise data_weight / 2 · |k * x - y|² + Σ |∂x|^½; gradients flow.

    Args:
        light: windows, periodic, see `edge_taper`.
        kernel: spectrum of each window's kernel, of sum 1, see `kernel_spectrum`.
        data_weight: the larger, the more detail and the more noise.

    Shape:
        light (N, C, H, W), kernel (N, H, W//2 + 1) -> (N, C, H, W)

    Source:
        Krishnan and Fergus, "Fast Image Deconvolution using Hyper-Laplacian Priors" (NeurIPS 2009), whose penalties are taken over, with one iteration each. The half-quadratic
        splitting has a closed form for the exponent 1/2, see `_shrink`. Decided: that form in place of their lookup table.
    """
    shape, forward = light.shape[-2:], kernel[:, None]  # (N, 1, H, W//2 + 1)
    data, power, laplacian = rfft2(light) * forward.conj(), power_spectrum(forward), laplacian_spectrum(shape, like=light)
    estimate = light
    for penalty in _PENALTIES:
        right, below = (_shrink(forward_difference(estimate, axis), penalty=penalty) for axis in (-1, -2))
        ratio = penalty / data_weight
        estimate = irfft2((data + ratio * rfft2(divergence(right, below))) / (power + ratio * laplacian), s=shape)
    return estimate


def _shrink(gradient: Tensor, *, penalty: float) -> Tensor:
    """The w that minimises |w|^½ + penalty / 2 · (w - gradient)².

    Source: the half-thresholding operator of Xu, Chang, Xu and Zhang, "L1/2 Regularization" (IEEE TNNLS 2012), with their λ = 2 / penalty.
    """
    weight = 2 / penalty
    least = 54 ** (1 / 3) / 4 * weight ** (2 / 3)  # a smaller gradient is set to 0
    size = gradient.abs().clamp_min(least)
    angle = torch.acos(weight / 8 * (size / 3) ** -1.5)
    shrunk = 2 / 3 * gradient * (1 + torch.cos(2 / 3 * (math.pi - angle)))
    return torch.where(gradient.abs() > least, shrunk, 0)


def fourier_blur(kernel: Tensor) -> tuple[Blur, Blur]:
    """Circular convolution of each window with its kernel, and the adjoint.

    Args:
        kernel: spectrum of each window's kernel, see `kernel_spectrum`.

    Shape:
        (N, H, W//2 + 1), complex
    """
    forward, back = kernel[:, None], kernel.conj()[:, None]
    return (
        lambda light: irfft2(rfft2(light) * forward, s=light.shape[-2:]),
        lambda light: irfft2(rfft2(light) * back, s=light.shape[-2:]),
    )


def edge_taper(light: Tensor, *, edge: int) -> Tensor:
    """Windows made periodic: towards each border, light fades into the mean of itself and its mirror image at the opposite border.

    Where opposite borders differ, circular deconvolution rings far into the window.

    Args:
        light: windows in linear light.
        edge: width of the fade, pixels.

    Shape:
        (N, C, H, W) -> (N, C, H, W)

    Source:
        Decided here. `edgetaper` of MATLAB's Image Processing Toolbox fades into the blurred window, which takes further transforms.
    """
    light = light.clone()
    for axis, sides in ((-1, (1, -1)), (-2, (-1, 1))):
        length = light.shape[axis]
        ramp = taper_ramp(length, edge=edge, like=light)
        first, last = light.narrow(axis, 0, len(ramp)), light.narrow(axis, length - len(ramp), len(ramp))
        change = (last.flip(axis) - first) * ((1 - ramp) / 2).view(sides)
        first += change
        last -= change.flip(axis)
    return light
