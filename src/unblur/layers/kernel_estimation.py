"""Blind estimation of blur kernels: alternate between sharp edges and the kernel that blurs them, from coarse to fine.

Sources: coarse-to-fine alternation and the kernel in closed form from gradients, Cho and Lee, "Fast Motion Deblurring" (SIGGRAPH Asia 2009); sharp
edges as the picture with few non-zero gradients (L0), Xu, Zheng and Jia, "Unnatural L0 Sparse Representation for Natural Image Deblurring" (CVPR 2013).
Decided where they are silent: few, strong steps of the L0 penalty, which is faster and finds more kernels; kernel pixels with little light around them are
dropped as noise; windows are prepared by `unblur.layers.kernel_input`. The position of the kernel's origin is not determined by the blurry picture; see
`unblur.layers.kernels.exposure_midpoint`.

All work is done in batched Fourier transforms of whole windows, in fp32, on any device. No gradients flow through the estimation.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from unblur.layers.finite_differences import divergence, forward_difference, laplacian_spectrum
from unblur.layers.fourier import irfft2, phasors, rfft2
from unblur.layers.kernels import frequencies, kernel_spectrum, normalise_kernel, power_spectrum
from unblur.layers.resize import resized
from unblur.layers.windows import taper

__all__ = [
    "ITERATIONS",
    "KERNEL_REGULARISATION",
    "KernelWindows",
    "SpectralGrid",
    "correlate",
    "estimate_kernel",
    "gradient_spectra",
    "prepare_windows",
    "restrict",
    "sharp_edges",
]

ITERATIONS = (2, 3, 4, 4, 4, 4, 4)
"""Iterations of the alternation at full scale, at the next coarser scale, ..."""

KERNEL_REGULARISATION = 20.0
"""Weight of the squared norm of the kernel in its least-squares problem."""

_SCALE_STEP = math.sqrt(0.5)  # from one scale to the next coarser one
_MIN_SIDE = 24  # smallest window side at which a kernel is estimated, pixels
_PENALTIES = (2.0, 8.0, 32.0, 128.0, 512.0, 2048.0)  # half-quadratic penalties, in units of 2 * lambda
_SKIPPED_PENALTIES = 2  # weakest ones, left out when edges are continued from the iteration before
_LAMBDA = 4e-3  # weight of the L0 norm of the gradient
_LAMBDA_DECAY = 1.1  # divisor of lambda from iteration to iteration, as in Xu et al.
_MIN_SUPPORT = 0.05  # light that must lie around a kernel pixel, or it is noise


@dataclass(frozen=True)
class SpectralGrid:
    """Constants of the transforms for one shape of windows and one size of kernels.

    Attributes:
        shape: of the windows, (H, W).
        size: side of the kernels, K.
        laplacian: power spectrum of the gradient filters, (H, W//2 + 1).
        rows: inverse DFT over rows, restricted to the K displacements of a kernel, (K, H), complex.
        columns: inverse real DFT over columns, restricted likewise, real and imaginary part, (2, W//2 + 1, K).
    """

    shape: Sequence[int]
    size: int
    laplacian: Tensor
    rows: Tensor
    columns: Tensor


@dataclass(frozen=True, kw_only=True)
class KernelWindows:
    """Windows in which kernels are estimated, with all that stays the same over the iterations.

    Attributes:
        light: (N, H, W), linear.
        mask: weight of each pixel, (N, H, W), or None for 1 everywhere.
        weight: `mask` times a taper that falls to 0 at the border, (N, H, W) or (H, W).
        spectrum: transform of `light`, (N, H, W//2 + 1), complex.
        gradients: transforms of its gradients, see `gradient_spectra`.
        grid: constants of the transforms.
    """

    light: Tensor
    mask: Tensor | None
    weight: Tensor
    spectrum: Tensor
    gradients: Tensor
    grid: SpectralGrid


@torch.no_grad()
def prepare_windows(light: Tensor, *, size: int, mask: Tensor | None = None) -> KernelWindows:
    """Transform windows for `estimate_kernel` and `unblur.layers.kernel_evidence`.

    Args:
        light: windows in linear light, one channel, as given by `normalise_contrast`.
        size: side of the kernels, odd; in windows that are smaller, the largest odd number below the window's side. Blur that reaches further than
            half of it is not found.
        mask: weight of each pixel in [0, 1], see `unsaturated`; 1 everywhere by default.

    Shape:
        (N, H, W), (N, H, W)
    """
    shape = list(light.shape[-2:])
    size = min(size, (min(shape) - 1) // 2 * 2 + 1)
    weight = taper(shape, edge=max(size // 2, 4), like=light)  # within half a kernel of the border, what lies outside blurs in
    weight = weight if mask is None else weight * mask
    gradients, grid = gradient_spectra(light, weight=weight), _grid(shape, size=size, like=light)
    return KernelWindows(light=light, mask=mask, weight=weight, spectrum=rfft2(light), gradients=gradients, grid=grid)


@torch.no_grad()
def estimate_kernel(
    windows: KernelWindows, *, iterations: Sequence[int] = ITERATIONS, threshold: float = 0.1, restart_edges: bool = True
) -> Tensor:
    """The blur kernel of each window, (N, K, K) of sum 1.

    Args:
        windows: see `prepare_windows`.
        iterations: at full scale, at the next coarser one, ...; scales at which windows would be smaller than 24 pixels are left out.
        threshold: kernel values below this fraction of the largest are set to 0.
        restart_edges: whether each iteration finds its edges from the blurry picture. If False, it continues from those of the iteration before at the same
            scale, without the weakest penalties, which takes less time.
    """
    kernel: Tensor | None = None
    for level in reversed(range(len(iterations))):
        scaled = _rescale(windows, scale=_SCALE_STEP**level) if level else windows
        if level and min(scaled.grid.shape) < _MIN_SIDE:
            continue
        side = scaled.grid.size
        kernel = _first_kernel(scaled.light, side) if kernel is None else normalise_kernel(_resize(kernel, [side, side]).clamp_min(0))
        edges = scaled.light
        for iteration in range(iterations[level]):
            continued = iteration > 0 and not restart_edges
            penalties = _PENALTIES[_SKIPPED_PENALTIES:] if continued else _PENALTIES
            start = edges if continued else scaled.light
            edges = sharp_edges(scaled, kernel, start=start, sparsity=_LAMBDA / _LAMBDA_DECAY**iteration, penalties=penalties)
            kernel = _solve_kernel(gradient_spectra(edges, weight=scaled.weight), scaled.gradients, grid=scaled.grid, threshold=threshold)
    assert kernel is not None
    return kernel


def sharp_edges(
    windows: KernelWindows, kernel: Tensor, *, start: Tensor, sparsity: float = _LAMBDA, penalties: Sequence[float] = _PENALTIES
) -> Tensor:
    """The picture with few non-zero gradients that the kernel blurs into the windows, (N, H, W): Xu et al. (2013), eq. (7) to (10).

    Args:
        windows: blurry.
        kernel: of each window.
        start: from which the half-quadratic splitting begins.
        sparsity: lambda, the weight of the number of non-zero gradients.
        penalties: of the splitting, rising, in units of 2 * lambda.
    """
    shape, laplacian = windows.grid.shape, windows.grid.laplacian
    blur = kernel_spectrum(kernel, shape)
    data, power = blur.conj() * windows.spectrum, power_spectrum(blur)
    edges = start
    for penalty in penalties:
        beta = 2 * sparsity * penalty
        right, below = (forward_difference(edges, axis) for axis in (-1, -2))
        keep = right.square().addcmul_(below, below).gt_(sparsity / beta)  # a number, which multiplies faster than a bool
        sources = divergence(right.mul_(keep), below.mul_(keep))  # in place: memory takes longer than the transforms
        inverse = torch.add(power, laplacian, alpha=beta).reciprocal_()
        edges = irfft2(torch.add(data, rfft2(sources), alpha=beta).mul_(inverse), s=shape)
    return edges


def gradient_spectra(picture: Tensor, *, weight: Tensor) -> Tensor:
    """Transforms of the weighted horizontal and vertical gradients: (N, H, W) -> (2, N, H, W//2 + 1)."""
    return rfft2(torch.stack([forward_difference(picture, axis) for axis in (-1, -2)]).mul_(weight))


def correlate(edges: Tensor, light: Tensor) -> tuple[Tensor, Tensor]:
    """Spectra of the cross-correlation of gradients of edges with those of the light, and of the edges' autocorrelation; both inputs by `gradient_spectra`."""
    (right, below), (light_right, light_below) = edges.conj(), light
    return (right * light_right).addcmul_(below, light_below), power_spectrum(edges).sum(0)


def restrict(spectrum: Tensor, *, grid: SpectralGrid) -> Tensor:
    """The inverse transform at the K x K displacements of a kernel alone, displacement 0 in the middle, as two matrix products.

    Shape:
        (..., H, W//2 + 1) -> (..., K, K)
    """
    if spectrum.is_complex():
        rows = grid.rows @ spectrum  # (..., K, W//2 + 1)
        real, imaginary = rows.real, rows.imag
    else:
        real, imaginary = (part @ spectrum for part in (grid.rows.real, grid.rows.imag))
    return real @ grid.columns[0] + imaginary @ grid.columns[1]


def _grid(shape: Sequence[int], *, size: int, like: Tensor) -> SpectralGrid:
    vertical, horizontal = frequencies(shape, like=like)
    displacements = torch.arange(size, device=like.device) - size // 2
    phase = displacements[:, None] * vertical.mT  # (K, H)
    twice = torch.full_like(horizontal, 2)  # `rfft2` leaves out the mirror image of all but the first (and last) column
    twice[:, 0] = 1
    if shape[1] % 2 == 0:
        twice[:, -1] = 1
    columns, weight = horizontal.mT * displacements, twice.mT / (shape[0] * shape[1])  # (W//2 + 1, K), (W//2 + 1, 1)
    parts = torch.stack([weight * torch.cos(columns), -weight * torch.sin(columns)])
    return SpectralGrid(shape, size, laplacian_spectrum(shape, like=like), phasors(phase), parts)


def _rescale(windows: KernelWindows, *, scale: float) -> KernelWindows:
    """The windows, and the size of their kernels, at another scale."""
    shape = [_fast_length(side * scale) for side in windows.grid.shape]
    size = max(3, round(windows.grid.size * scale) // 2 * 2 + 1)
    mask = None if windows.mask is None else interpolate(windows.mask[:, None], size=shape, mode="nearest-exact")[:, 0]
    return prepare_windows(_resize(windows.light, shape), size=size, mask=mask)


def _solve_kernel(edges: Tensor, light: Tensor, *, grid: SpectralGrid, threshold: float) -> Tensor:
    """The regularised least-squares kernel between gradients of edges and of light, Cho and Lee (2009), eq. (10), without negative values and noise."""
    cross, power = correlate(edges, light)
    kernel = restrict(cross * (power + KERNEL_REGULARISATION).reciprocal(), grid=grid).clamp_min(0)
    kernel = normalise_kernel(kernel * (kernel >= threshold * kernel.amax((-2, -1), keepdim=True)))
    side = 7 if grid.size >= 15 else 3
    support = avg_pool2d(kernel[:, None], side, stride=1, padding=side // 2)[:, 0] * side**2
    return normalise_kernel(kernel * (support >= _MIN_SUPPORT))


def _first_kernel(light: Tensor, size: int) -> Tensor:
    """A horizontal kernel of three pixels, from which the coarsest scale begins."""
    kernel = light.new_zeros(light.shape[0], size, size)
    middle = size // 2
    kernel[:, middle, middle - 1 : middle + 2] = light.new_tensor([0.25, 0.5, 0.25])
    return kernel


def _fast_length(length: float) -> int:
    """The nearest length with a fast transform: even, with no prime factor above 7 (180 takes a third of the time of 184 = 8 * 23)."""
    nearest = max(2 * round(length / 2), 2)
    near = (side for step in count(0, 2) for side in sorted((nearest - step, nearest + step), key=lambda side: abs(side - length)))
    return next(side for side in near if side > 0 and _has_small_primes(side))


def _has_small_primes(number: int) -> bool:
    for prime in (2, 3, 5, 7):
        while number % prime == 0:
            number //= prime
    return number == 1


def _resize(pictures: Tensor, shape: Sequence[int]) -> Tensor:
    return resized(pictures[:, None], shape, mode="bilinear")[:, 0]
