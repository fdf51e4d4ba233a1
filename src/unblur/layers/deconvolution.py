"""Undoing a known blur: Richardson-Lucy, turn by turn and in leaps."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.fft import irfft2, rfft2

from unblur.layers.windows import taper_ramp

__all__ = ["Blur", "accelerated_richardson_lucy", "edge_taper", "fourier_blur", "richardson_lucy"]

Blur = Callable[[Tensor], Tensor]
"""What a camera makes of sharp light, (N, C, H, W) each."""

_DARK = 1e-3  # light that is added to all, so that nothing is divided by nothing
_FASTEST = 0.95
_BRIGHTEST = 8.0  # light that is restored at most: a lamp, which a sensor that is full shows as white
_GONE = 1e-7  # share of a difference that is none
_SMALLEST = -80.0  # logarithm of the smallest number that a processor handles as fast as others
_FAINT = 1e-5  # share of a frequency's power below which it is as good as gone


def richardson_lucy(light: Tensor, *, blur: Blur, adjoint: Blur, iterations: Sequence[int], full: float = math.inf) -> list[Tensor]:
    """What `light` was before it was blurred, as the method has it after so many iterations; gradients flow, but for how far a turn looks ahead.

    Args:
        light: pictures in linear light.
        blur: what blurred them; keeps what is white white.
        adjoint: gives light back to where `blur` took it from. An approximation will do for few iterations.
        iterations: numbers of iterations after which the result is given; rising.
        full: light from which on the sensor was full, so that there may have been more: what blurs into more than that is no contradiction.

    Shape:
        light (N, C, H, W) -> as many of the same shape

    Source:
        Richardson (1972) and Lucy (1974), in the accelerated form of Biggs and Andrews (Applied Optics 1997): each turn begins
        further along the way that the last two went. That a full sensor contradicts nothing, Whyte, Sivic and Zisserman, "Deblurring Shaken
        and Partially Saturated Images" (IJCV 2014); decided: a step instead of their smooth curve.
    """
    least = (light >= full).to(light.dtype)  # of what multiplies light: 1 where there may have been more
    light = light + _DARK
    now = before = light
    step = earlier = torch.zeros((), device=light.device)
    results = []
    for iteration in range(1, max(iterations) + 1):
        ahead = now
        if iteration > 2:
            with torch.no_grad():
                share = (step * earlier).sum((1, 2, 3), keepdim=True) / earlier.square().sum((1, 2, 3), keepdim=True).clamp_min(1e-12)
            ahead = (now + share.clamp(0, _FASTEST) * (now - before)).clamp_min(1e-4)
        restored = (ahead * adjoint(torch.maximum(light / blur(ahead).clamp_min(_DARK), least).clamp_max(10))).clamp(1e-4, _BRIGHTEST)
        step, earlier = restored - ahead, step
        now, before = restored, now
        if iteration in iterations:
            results.append((now - _DARK).clamp_min(0))
    return results


def accelerated_richardson_lucy(
    light: Tensor, *, kernel: Tensor, iterations: Sequence[Sequence[int]], full: float = math.inf
) -> list[Tensor]:
    """What `light` was before it was blurred, in few steps, each of which goes as far as so many iterations of Richardson-Lucy; gradients flow.

    Where light is nearly even, a turn adds what the adjoint gives back of the difference between the picture and what it should look like, and that of
    T iterations is a geometric series in each frequency. Its sum takes the place of the adjoint here, so that a leap costs what a turn does. That blur gives no
    negative light, and where contrasts are high, it only comes near: each leap begins where the last one ended.

    Args:
        light: windows in linear light, of which borders meet, see `fourier_blur`.
        kernel: Fourier transform of each window's kernel, of sum 1.
        iterations: for which each leap stands, on the way to the first result, from there to the second, ...
        full: light from which on the sensor was full, see `richardson_lucy`.

    Shape:
        light (N, C, H, W), kernel (N, H, W//2 + 1) -> as many of light's shape as there are ways

    Source:
        Guo and others, "Rapid image deconvolution and multiview fusion for optical microscopy" (Nature Biotechnology 2020), who put a filter in the place of
        the adjoint. Decided: the one that stands for T iterations, where theirs is that of Wiener and Butterworth.
    """
    least = (light >= full).to(light.dtype)  # as in `richardson_lucy`
    light = light + _DARK
    forward = kernel[:, None]  # (N, 1, H, W//2 + 1)
    power = (forward * forward.conj()).real
    left = torch.log((1 - power).clamp_min(_GONE))  # of the difference, after a turn
    now, results = light, []
    for way in iterations:
        for count in way:
            series = (1 - torch.exp((count * left).clamp_min(_SMALLEST))) / power.clamp_min(_FAINT)  # 1 + (1-|k|²) + (1-|k|²)² + ...
            blurred = irfft2(rfft2(now).mul_(forward), s=light.shape[-2:])
            ratio = torch.maximum(light / blurred.clamp_min_(_DARK), least).clamp_max_(10)
            now = irfft2(rfft2(ratio).mul_(forward.conj() * series), s=light.shape[-2:]).mul_(now).clamp_(1e-4, _BRIGHTEST)
        results.append((now - _DARK).clamp_min(0))
    return results


def fourier_blur(kernel: Tensor) -> tuple[Blur, Blur]:
    """The blur of windows by one kernel each, and its adjoint. Borders meet: what a kernel reaches beyond one is taken from the other.

    Args:
        kernel: Fourier transform of each window's kernel.

    Shape:
        (N, H, W//2 + 1), complex
    """
    forward, back = kernel[:, None], kernel.conj()[:, None]
    return (
        lambda light: irfft2(rfft2(light) * forward, s=light.shape[-2:]),
        lambda light: irfft2(rfft2(light) * back, s=light.shape[-2:]),
    )


def edge_taper(light: Tensor, *, edge: int) -> Tensor:
    """Windows of which opposite borders meet: towards each, they fade into the mean of what is there and of what mirrors it at the other one.

    Where borders meet that show different things, a kernel that reaches across explains nothing, and deconvolution answers with waves that run far into the
    window.

    Args:
        light: windows in linear light.
        edge: how far from the border they fade, pixels.

    Shape:
        (N, C, H, W) -> (N, C, H, W)

    Source:
        `edgetaper` of MATLAB's Image Processing Toolbox fades into the blurred window, which takes transforms and gains 0.005 dB more.
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
