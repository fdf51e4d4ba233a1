"""Peak signal-to-noise ratio after the best global shift: a restored picture that is moved as a whole looks no worse for it.

Where a picture lies within the exposure is not determined by its blur, so that a restored picture may be sharp and right, but moved by a
pixel or two against the reference. That costs several dB of PSNR, which nobody sees.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad

from unblur.errors import InputError
from unblur.metrics.pictures import checked_pair, crop_border
from unblur.metrics.psnr import psnr

__all__ = ["ShiftedPsnr", "shifted_psnr"]

STEPS = 4
"""Shifts that are tried within a pixel, along each axis."""

LEAST_GAIN = 0.05
"""What a shift has to gain to be preferred to none, dB: more than fitting two numbers to the noise of a small picture does."""


class ShiftedPsnr(NamedTuple):
    """Result of `shifted_psnr`.

    Attributes:
        psnr: after the shift, dB; (B,).
        shift: how far the restored picture lies below and to the right of the reference, (dy, dx) in pixels; (B, 2).
    """

    psnr: Tensor
    shift: Tensor


def shifted_psnr(restored: Tensor, reference: Tensor, *, radius: int = 3) -> ShiftedPsnr:
    """PSNR after the best shift of up to `radius` pixels along each axis, to a quarter of a pixel.

    With the shift d = (dy, dx), over all channels and over the positions p of the same region for all shifts,

        PSNR(d) = -10 log10 mean (restored(p + d) - reference(p))².

    The region is the reference without `radius + 1` pixels at each side. Without a shift the value is `psnr` of both pictures without
    that border. Between pixels the restored picture is read from the Fourier series of the picture mirrored at its borders. Decided: not by
    bicubic interpolation, which smooths: it takes up to 4 dB off noise, so that a noisy picture would be found half a pixel from where it lies.

    The shift is searched on the mean of the channels, as the one that minimises

        e(d) = Σ restored(p + d)² + Σ reference(p)² - 2 Σ restored(p + d) reference(p),

    whose last sum, the cross-correlation, is evaluated from the cross-spectrum by matrix products (Guizar-Sicairos et al., "Efficient
    subpixel image registration algorithms", Optics Letters 33, 2008), and whose first, which shifts change at the border alone, is linear
    between whole pixels. Of no shift, the best one by whole pixels and the best one, the highest PSNR counts; less than 0.05 dB is no reason
    to shift.

    Args:
        restored: what is measured; values beyond [0, 1] are taken as they are.
        reference: the sharp picture, in [0, 1].
        radius: largest shift, pixels.

    Returns:
        For each picture the PSNR in dB and the shift; double precision, on the CPU. Identical pictures have an infinite PSNR.

    Shape:
        restored, reference (B, C, H, W), H and W at least 2 radius + 3 -> (B,), (B, 2)

    Raises:
        ShapeError: if the two differ in shape, or the border leaves nothing.
        InputError: if `radius` is negative, a picture is not of a floating type or not finite, or `reference` leaves [0, 1].

    Example:
        >>> picture = torch.rand(1, 3, 20, 20, generator=torch.Generator().manual_seed(0))
        >>> shifted_psnr(picture.roll(2, dims=-1), picture).shift.tolist()
        [[0.0, 2.0]]
    """
    if radius < 0:
        raise InputError(f"the radius of shifts must not be negative, got {radius}")
    restored, reference = checked_pair(restored, reference, name="reference")
    crop_border(reference, radius + 1)  # raises if nothing is left
    found = [_best(restored[i : i + 1], reference[i : i + 1], radius) for i in range(reference.shape[0])]
    return ShiftedPsnr(*(torch.tensor(values, dtype=torch.float64) for values in zip(*found, strict=True)))


def _best(restored: Tensor, reference: Tensor, radius: int) -> tuple[float, tuple[float, float]]:
    """PSNR and shift of one picture."""
    errors = _errors(restored, reference, radius)
    region = crop_border(reference, radius + 1)
    best, chosen = -math.inf, (0.0, 0.0)
    whole = _least(errors[::STEPS, ::STEPS], step=1, radius=radius)
    for shift in ((0.0, 0.0), whole, _least(errors, step=1 / STEPS, radius=radius)):
        value = psnr(_moved(restored, shift, radius + 1), region).item()
        if value > best + LEAST_GAIN:
            best, chosen = value, shift
    return best, chosen


def _least(errors: Tensor, *, step: float, radius: int) -> tuple[float, float]:
    row, column = divmod(int(errors.argmin()), errors.shape[1])
    return row * step - radius, column * step - radius


def _errors(restored: Tensor, reference: Tensor, radius: int) -> Tensor:
    """e(d) up to a constant, for shifts of -radius ... radius in steps of 1/STEPS; (n, n), rows are dy."""
    border = radius + 1
    height, width = reference.shape[-2:]
    restored, reference = restored[0].mean(0), reference[0].mean(0)  # (H, W)
    mean = crop_border(reference, border).mean()  # taken from both, which leaves their difference as it is
    moving = restored - mean
    fixed = torch.zeros_like(reference)
    fixed[border:-border, border:-border] = crop_border(reference - mean, border)
    cross = torch.fft.rfft2(_mirrored(_mirrored(moving, 0), 1)) * torch.fft.rfft2(fixed, s=(2 * height, 2 * width)).conj()  # (2H, W + 1)
    shifts = torch.arange(-radius * STEPS, radius * STEPS + 1, dtype=torch.float64) / STEPS
    down = _waves(shifts, torch.fft.fftfreq(2 * height, dtype=torch.float64))
    right = _waves(shifts, torch.fft.rfftfreq(2 * width, dtype=torch.float64))
    right[:, 1:-1] *= 2  # for the negative frequencies, which rfft leaves out
    correlation = (down @ (cross @ right.T)).real / (4 * height * width)
    return _energies(moving, radius, size=len(shifts)) - 2 * correlation


def _mirrored(pictures: Tensor, axis: int) -> Tensor:
    return torch.cat([pictures, pictures.flip(axis)], axis)


def _waves(shifts: Tensor, frequencies: Tensor) -> Tensor:
    """exp(2πi d f); (shifts, frequencies)."""
    return torch.exp(2j * math.pi * torch.outer(shifts, frequencies))


def _energies(moving: Tensor, radius: int, *, size: int) -> Tensor:
    """Sum of squares over the shifted region, between whole shifts linear; (size, size)."""
    inner = moving[1:-1, 1:-1].square()
    sums = pad(inner, (1, 0, 1, 0)).cumsum(0).cumsum(1)
    high, wide = inner.shape[0] - 2 * radius, inner.shape[1] - 2 * radius
    whole = sums[high:, wide:] - sums[:-high, wide:] - sums[high:, :-wide] + sums[:-high, :-wide]
    return interpolate(whole[None, None], size=(size, size), mode="bilinear", align_corners=True)[0, 0]


def _moved(pictures: Tensor, shift: tuple[float, float], border: int) -> Tensor:
    """pictures(p + shift) for the positions without `border`; (B, C, H, W) -> (B, C, H - 2 border, W - 2 border)."""
    for axis, distance in zip((2, 3), shift, strict=True):
        length, whole = pictures.shape[axis] - 2 * border, math.floor(distance)
        if distance != whole:
            pictures = _between(pictures, distance - whole, axis)
        pictures = pictures.narrow(axis, border + whole, length)
    return pictures


def _between(pictures: Tensor, distance: float, axis: int) -> Tensor:
    """Pictures at the positions that lie `distance` further along an axis."""
    size = pictures.shape[axis]
    frequencies = torch.fft.rfftfreq(2 * size, dtype=torch.float64)
    waves = _waves(torch.tensor([distance], dtype=torch.float64), frequencies)[0].view([-1 if place == axis else 1 for place in range(4)])
    spectrum = torch.fft.rfft(_mirrored(pictures, axis), dim=axis) * waves
    return torch.fft.irfft(spectrum, n=2 * size, dim=axis).narrow(axis, 0, size)
