"""The kernel of a picture's motion blur, found from the picture alone: blind deconvolution.

A kernel is the path of the camera as the picture shows it: where the light of one point went while the shutter was open. It is sought by
iterations, from a small picture to the whole one: what would the edges be if this were the kernel, and which kernel would blur these
edges into the picture?

Sources: the iterations from coarse to fine and the kernel in closed form, Cho and Lee, "Fast Motion Deblurring" (SIGGRAPH Asia 2009); edges as the
picture with few gradients, Xu, Zheng and Jia, "Unnatural L0 Sparse Representation for Natural Image Deblurring" (CVPR 2013).
Decided: few and strong steps of its penalty, which is faster and finds more; light off the path is dropped by how little of it
lies together; windows of little contrast are given more (`normalise_contrast`), and what light that was cut off may reach is left out (`unsaturated`). Neither says where a picture lies in place; here the truth is the middle of the exposure (`exposure_midpoint`).

All of it is Fourier transforms of whole windows, batched, in fp32, on any device. No gradient flows through the search, and one to the kernel through `kernel_spectrum`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count, pairwise

import torch
from torch import Tensor
from torch.fft import irfft2, rfft2
from torch.nn.functional import avg_pool2d, interpolate, max_pool2d, pad

from unblur.layers.warp import flow_warp
from unblur.layers.windows import taper

__all__ = [
    "BANDS",
    "EVIDENCE",
    "SEARCH_ITERATIONS",
    "KernelWindows",
    "blur_kernel",
    "centre_kernel",
    "evidence",
    "exposure_midpoint",
    "kernel_spectrum",
    "normalise_contrast",
    "spectral_correlation",
    "transform_windows",
    "unsaturated",
]

BANDS = (0.02, 0.08, 0.16, 0.28, 0.45)
"""Borders of the bands of frequencies of `spectral_correlation`, cycles a pixel."""

EVIDENCE = 8
"""Maps of `evidence`."""

SEARCH_ITERATIONS = (2, 3, 4, 4, 4, 4, 4)
"""Turns of the search at full size, at the next smaller one, ..."""

_SHRINK = math.sqrt(0.5)  # from one size to the next
_PENALTIES = (2.0, 8.0, 32.0, 128.0, 512.0, 2048.0)  # of gradients that are dropped, times twice `_FEW`
_KNOWN = 2  # of them that edges which were found a turn before can do without
_FEW = 4e-3  # price of a gradient
_FEWER = 1.1  # by which it falls from turn to turn
_SMOOTH = 20.0  # price of the kernel's square
_TOGETHER = 0.05  # of the light: a place around which less lies is noise
_SURE = 0.3  # pixels by which a place must be nearer to all light than another, to count e times as much as the middle
_LEAST = 1e-7  # power of a gradient where there is none
_USUAL = 1.5  # the logarithm of the usual size of a gradient is less by this
_WIDE = 2  # pixels that are full side by side, and below each other, where light was cut off
_COARSE = 16  # pixels over which what is not seen fades
_LITTLE = 0.02  # of what is around, if little of it is seen, that is the mean of all
_CONTRAST = 0.2  # standard deviation of the light in a window of usual contrast
_FLATTEST = 8.0  # by which the contrast of a window is raised at most
_SMALLEST = 24  # side of the smallest picture worth a look, pixels
_RING = 0.01  # width of a ring of frequencies in which pictures have about as much power everywhere, cycles a pixel
_AXIS = 0.008  # frequencies down or across below which borders show, and not what is between them
_UNLIKE = 1e-3  # of the product of two variances: a kernel that blurs nothing is not alike to anything
_NOISE = 3e-3  # power of a kernel's spectrum below which nothing of the picture is seen


@dataclass(frozen=True)
class _Grid:
    """What transforms of windows of a shape need that is the same for all of them, and for all iterations.

    Attributes:
        shape: of windows, (H, W).
        size: of kernels, K.
        gradient: power of what takes gradients, (H, W//2 + 1).
        rows: iterations what was transformed down into the values for moves by less than half of `size`, (K, H), complex.
        across: the same of what was transformed across, real and imaginary, (2, W//2 + 1, K).
    """

    shape: Sequence[int]
    size: int
    gradient: Tensor
    rows: Tensor
    across: Tensor


@dataclass(frozen=True, kw_only=True)
class KernelWindows:
    """Windows in which a kernel is sought, and what of them is the same for all iterations of the search and after it.

    Attributes:
        light: (N, H, W).
        seen: how much each place counts, (N, H, W), or all of them the same.
        window: that, falling to 0 at the border, (N, H, W) or (H, W).
        spectrum: of the light, (N, H, W//2 + 1), complex.
        steps: transforms of its gradients, see `_steps`.
        grid: of their shape and of the kernels.
    """

    light: Tensor
    seen: Tensor | None
    window: Tensor
    spectrum: Tensor
    steps: Tensor
    grid: _Grid


@torch.no_grad()
def transform_windows(light: Tensor, *, size: int, seen: Tensor | None = None) -> KernelWindows:
    """Windows made ready for `blur_kernel` and `evidence`.

    Args:
        light: windows in linear light, one channel, as by `normalise_contrast`.
        size: side of the kernels, odd; what is blurred further than half of it is not found. In windows narrower than that, it is the
            largest odd number that they hold.
        seen: how much each place counts, in [0, 1], see `unsaturated`; all of them the same by default.

    Shape:
        (N, H, W), (N, H, W)
    """
    shape = list(light.shape[-2:])
    size = min(size, (min(shape) - 1) // 2 * 2 + 1)
    window = _window(shape, edge=max(size // 2, 4), like=light, seen=seen)
    steps, grid = _steps(light, window=window), _grid(shape, size=size, like=light)
    return KernelWindows(light=light, seen=seen, window=window, spectrum=rfft2(light), steps=steps, grid=grid)


@torch.no_grad()
def blur_kernel(
    windows: KernelWindows, *, iterations: Sequence[int] = SEARCH_ITERATIONS, threshold: float = 0.1, restart_edges: bool = True
) -> Tensor:
    """The kernel that blurred each window, (N, K, K) of sum 1.

    Args:
        windows: see `transform_windows`.
        iterations: at full size, at the next smaller one, ..., as far as windows are large enough.
        threshold: share of a kernel's largest value below which a value is noise.
        restart_edges: whether each turn looks for edges from the blurry picture on. If not, it goes on from those of the turn before at that size, without the
            weakest penalties, which takes less time.
    """
    kernel: Tensor | None = None
    for level in reversed(range(len(iterations))):
        here = _smaller(windows, share=_SHRINK**level) if level else windows
        if level and min(here.grid.shape) < _SMALLEST:
            continue
        side = here.grid.size
        kernel = _first_kernel(here.light, side) if kernel is None else _normal(_resized(kernel, [side, side]).clamp_min(0))
        edges = here.light
        for iteration in range(iterations[level]):
            goes_on = iteration > 0 and not restart_edges
            penalties = _PENALTIES[_KNOWN:] if goes_on else _PENALTIES
            edges = _sharp_edges(here, kernel, start=edges if goes_on else here.light, few=_FEW / _FEWER**iteration, penalties=penalties)
            kernel = _kernel_between(_steps(edges, window=here.window), here.steps, grid=here.grid, threshold=threshold)
    assert kernel is not None
    return kernel


@torch.no_grad()
def evidence(windows: KernelWindows, kernel: Tensor) -> Tensor:
    """What a window says of its kernel beside one that was found, as maps of the kernel's size.

    Args:
        windows: see `transform_windows`.
        kernel: of each; edges are put where it has its origin in the middle.

    Returns:
        the kernel; the least-squares kernel between the edges that it leads to and the light, of which nothing is dropped; how these
        two are correlated, 1 if they are the same; how the light's gradients are correlated with themselves, across and down, 1 in the middle; and, the
        same in all places, logarithms of the power of the gradients and of their own second differences, and how bright the window is.

    Shape:
        (N, K, K) -> (N, 8, K, K)
    """
    light, window, grid, size = windows.light, windows.window, windows.grid, windows.grid.size
    edges = _sharp_edges(windows, kernel, start=light, few=_FEW / _FEWER ** SEARCH_ITERATIONS[0])
    shared, power = _correlations(_steps(edges, window=window), windows.steps)
    found, alike = _near(torch.stack([shared * (power + _SMOOTH).reciprocal(), shared]), grid=grid)  # (N, K, K) each
    edge, right, below = _near(torch.stack([power, *_power(windows.steps)]), grid=grid)
    of_edge, of_right, of_below = (
        each[:, size // 2, None, size // 2, None].clamp_min(_LEAST) for each in (edge, right, below)
    )  # not moved
    across = _ahead(light, -1) * window
    bend = across.roll(-1, -1) - 2 * across + across.roll(1, -1)
    strength = [torch.log10(each.square().mean((1, 2)) + _LEAST) / 2 + _USUAL for each in (across, bend)]
    numbers = [each[:, None, None].expand_as(kernel) for each in (*strength, light.mean((1, 2)) - 0.3)]
    return torch.stack([kernel, found, alike / of_edge, right / of_right, below / of_below, *numbers], dim=1)


@torch.no_grad()
def spectral_correlation(light: Tensor, kernel: Tensor) -> Tensor:
    """How much kernels would change the spectra of windows, and whether that shows there.

    What blur takes away is gone: where a kernel's spectrum is dark, so is that of what it blurred. Pictures have less power at high
    frequencies, but about as much in all directions, so logarithms of power are compared less their mean on rings of one frequency.

    Args:
        light: windows in linear light, one channel.
        kernel: of each.

    Returns:
        of each of the `BANDS`, the correlation of both logarithms; then of each, by how much the kernel's varies (standard deviation).

    Shape:
        (N, H, W), (N, K, K) -> (N, 8)
    """
    shape, size = light.shape[-2:], kernel.shape[-1]
    down, across = (each / (2 * math.pi) for each in _frequencies(shape, like=light))
    far = (down.square() + across.square()).sqrt()  # (H, W//2 + 1)
    seen = (far >= BANDS[0]) & (far < BANDS[-1]) & (down.abs() > _AXIS) & (across > _AXIS)
    ring = torch.where(seen, (far / _RING).long() + 1, 0).flatten()  # (F,), all that is not seen on one of its own
    bands = torch.stack([(seen & (far >= low) & (far < high)).flatten() for low, high in pairwise(BANDS)], dim=1).to(light.dtype)  # (F, 4)
    window = _window(shape, edge=max(size // 2, 4), like=light)
    spectrum = rfft2((light - light.mean((1, 2), keepdim=True)) * window)
    power = torch.log(_power(spectrum) + _LEAST).flatten(1)  # (N, F)
    dark = torch.log(_power(kernel_spectrum(kernel, shape)) + _NOISE).flatten(1)
    rings = light.new_zeros(math.ceil(BANDS[-1] / _RING) + 1)
    count = rings.index_add(0, ring, torch.ones_like(far).flatten()).clamp_min(1)
    power, dark = (each - (rings.repeat(len(each), 1).index_add_(1, ring, each) / count)[:, ring] for each in (power, dark))
    both, own, of_kernel = (
        (one * other) @ bands / bands.sum(0).clamp_min(1) for one, other in ((power, dark), (power, power), (dark, dark))
    )
    return torch.cat([both / (own * of_kernel + _UNLIKE).sqrt(), of_kernel.sqrt()], dim=1)


def unsaturated(light: Tensor, *, full: float, reach: int) -> Tensor:
    """1 where no light that a full sensor cut off blurs into the picture, else 0.

    Where it does, no kernel explains the picture: a lamp smears into a streak that is as white as the lamp. Light counts as cut off where two of
    three channels are full over two or three pixels each way: less is mostly no brighter than it looks.

    Args:
        light: windows in linear light.
        full: light from which on some may have been cut off.
        reach: how far that blurs, pixels.

    Shape:
        (N, 3, H, W) -> (N, H, W)
    """
    one, two, three = light[:, None].unbind(2)  # (N, 1, H, W) each
    lower, upper = torch.minimum(one, two), torch.maximum(one, two)
    second = torch.maximum(lower, torch.minimum(upper, three))  # the median of three, in a twentieth of the time
    below = max_pool2d((second < full).to(light.dtype), _WIDE, stride=_WIDE, ceil_mode=True)  # (N, 1, H/2, W/2)
    clipped, side = 1 - below, 2 * math.ceil((reach + _WIDE) / _WIDE) + 1
    for sides in ((side, 1), (1, side)):
        clipped = max_pool2d(clipped, sides, stride=1, padding=(sides[0] // 2, sides[1] // 2))
    return 1 - interpolate(clipped, scale_factor=float(_WIDE), mode="nearest")[:, 0, : light.shape[-2], : light.shape[-1]]


def normalise_contrast(light: Tensor, *, seen: Tensor | None = None) -> Tensor:
    """Windows as kernels are sought in them.

    What is not seen fades into what is around it, so that the search makes no edges of it that reach into what is. What counts as an edge is an absolute
    number, so windows of little contrast are given more of it, as in a picture that was exposed for longer.

    Args:
        light: windows in linear light, one channel.
        seen: how much each place counts, as for `transform_windows`.

    Shape:
        (N, H, W), (N, H, W) -> (N, H, W)
    """
    share = torch.ones_like(light[:1]) if seen is None else seen
    count = share.sum((1, 2), keepdim=True).clamp_min(1)
    middle = (light * share).sum((1, 2), keepdim=True) / count
    deviation = (((light - middle).square() * share).sum((1, 2), keepdim=True) / count).sqrt()
    light = light if seen is None else _faded(light, seen, middle)
    return light * (_CONTRAST / deviation.clamp_min(_LEAST)).clamp(1, _FLATTEST)


def _faded(light: Tensor, seen: Tensor, middle: Tensor) -> Tensor:
    """What is not seen replaced by the mean of what is around it, or of all there is to see, smoothly."""
    rest = [-side % _COARSE for side in light.shape[-2:]]
    both = pad(torch.stack([light * seen, seen], dim=1), (0, rest[1], 0, rest[0]), mode="replicate")
    coarse = avg_pool2d(both, _COARSE)  # (N, 2, H/16, W/16)
    around, count = avg_pool2d(coarse, 5, stride=1, padding=2).chunk(2, dim=1)
    around = (around + _LITTLE * middle[:, None]) / (count + _LITTLE)
    share = (2 * coarse[:, 1:] - 1).clamp_min(0)  # none where half is not seen
    fine = interpolate(torch.cat([around, share], dim=1), scale_factor=float(_COARSE), mode="bilinear", align_corners=False)
    around, share = fine[..., : light.shape[-2], : light.shape[-1]].unbind(1)
    return torch.lerp(around, light, share * seen)


def kernel_spectrum(kernel: Tensor, shape: Sequence[int]) -> Tensor:
    """The Fourier transform of kernels whose middle is the origin, for pictures of a shape.

    Shape:
        (N, K, K), (H, W) -> (N, H, W//2 + 1), complex
    """
    reach = kernel.shape[-1] // 2
    padded = pad(kernel, (0, shape[1] - kernel.shape[-1], 0, shape[0] - kernel.shape[-2]))
    return rfft2(torch.roll(padded, (-reach, -reach), (-2, -1)))


def centre_kernel(kernel: Tensor, middle: Tensor) -> Tensor:
    """Kernels moved so that `middle` (N, 2), (x, y) from the kernel's middle in pixels, is their middle; of sum 1.

    Shape:
        (N, K, K) -> (N, K, K)
    """
    everywhere = middle[..., None, None].expand(-1, -1, *kernel.shape[-2:])
    return _normal(flow_warp(kernel[:, None], everywhere)[:, 0])


@torch.no_grad()
def exposure_midpoint(kernel: Tensor, *, points: int = 96) -> Tensor:
    """Where a kernel's path is when half of the exposure is over: the place with half of the light on either side along the path.

    The path is the kernel's strongest places, each joined to those less than three pixels away; a jump costs three times its length.

    Args:
        kernel: of sum 1.
        points: strongest places that are looked at.

    Shape:
        (N, K, K) -> (N, 2), (x, y) in pixels from the kernel's middle
    """
    size = kernel.shape[-1]
    weight, index = kernel.flatten(1).topk(min(points, size * size), dim=1)  # (N, P)
    place = torch.stack([index % size, index // size], dim=-1).float()  # (N, P, 2)
    way = torch.cdist(place, place, compute_mode="donot_use_mm_for_euclid_dist")
    way = torch.where(way < 2.9, way, 3 * way)
    dark = weight <= 0
    way = way.masked_fill(dark[:, :, None] | dark[:, None], 9.0 * size)  # no way leads over what is no part of the path
    for by in range(way.shape[-1]):
        way = torch.minimum(way, way[:, :, by, None] + way[:, None, by])  # the shortest way by this place or without it (Floyd)
    away = (way * weight[:, None]).sum(-1)  # (N, P) the mean way of all light to each place: the least to the middle
    share = weight * torch.exp((away.amin(-1, keepdim=True) - away) / _SURE)
    return (place * share[..., None]).sum(1) / share.sum(1, keepdim=True) - size // 2


def _grid(shape: Sequence[int], *, size: int, like: Tensor) -> _Grid:
    down, across = _frequencies(shape, like=like)
    gradient = (2 - 2 * torch.cos(down)) + (2 - 2 * torch.cos(across))
    moves = torch.arange(size, device=like.device) - size // 2
    turned = moves[:, None] * down.mT  # (K, H)
    twice = torch.full_like(across, 2)  # what is left away is the mirror image of the rest
    twice[:, 0] = 1
    if shape[1] % 2 == 0:
        twice[:, -1] = 1
    columns, weight = across.mT * moves, twice.mT / (shape[0] * shape[1])  # (W//2 + 1, K), (W//2 + 1, 1)
    parts = torch.stack([weight * torch.cos(columns), -weight * torch.sin(columns)])
    return _Grid(shape, size, gradient, torch.polar(torch.ones_like(turned), turned), parts)


def _smaller(windows: KernelWindows, *, share: float) -> KernelWindows:
    """The same windows, and kernels in them, so many times as large."""
    shape = [_quick(side * share) for side in windows.grid.shape]
    size = max(3, round(windows.grid.size * share) // 2 * 2 + 1)
    seen = None if windows.seen is None else interpolate(windows.seen[:, None], size=shape, mode="nearest-exact")[:, 0]
    return transform_windows(_resized(windows.light, shape), size=size, seen=seen)


def _sharp_edges(windows: KernelWindows, kernel: Tensor, *, start: Tensor, few: float, penalties: Sequence[float] = _PENALTIES) -> Tensor:
    """The picture with few gradients that the kernel blurs into the light of windows, (N, H, W), sought from `start` on."""
    shape, gradient = windows.grid.shape, windows.grid.gradient
    blur = kernel_spectrum(kernel, shape)
    back, power = blur.conj() * windows.spectrum, _power(blur)
    edges = start
    for penalty in penalties:
        penalty = 2 * few * penalty
        right, below = (_ahead(edges, axis) for axis in (-1, -2))
        keep = right.square().addcmul_(below, below).gt_(few / penalty)  # in numbers, by which it is quicker to multiply than by a bool
        divergence = _fall(right.mul_(keep), below.mul_(keep))  # in place: the memory takes longer than the transforms
        share = torch.add(power, gradient, alpha=penalty).reciprocal_()
        edges = irfft2(torch.add(back, rfft2(divergence), alpha=penalty).mul_(share), s=shape)
    return edges


def _kernel_between(edges: Tensor, light: Tensor, *, grid: _Grid, threshold: float) -> Tensor:
    """The kernel that best iterations the gradients of edges into those of light, both as of `_steps`."""
    shared, power = _correlations(edges, light)
    kernel = _near(shared * (power + _SMOOTH).reciprocal(), grid=grid).clamp_min(0)
    kernel = _normal(kernel * (kernel >= threshold * kernel.amax((-2, -1), keepdim=True)))
    side = 7 if grid.size >= 15 else 3
    together = avg_pool2d(kernel[:, None], side, stride=1, padding=side // 2)[:, 0] * side**2
    return _normal(kernel * (together >= _TOGETHER))


def _ahead(picture: Tensor, axis: int) -> Tensor:
    """What the next place has more, where borders meet."""
    return picture.roll(-1, axis).sub_(picture)


def _fall(right: Tensor, below: Tensor) -> Tensor:
    """How much less there is at each place of both than at the one before it, on the left and above: the divergence of gradients, negative."""
    return right.roll(1, -1).sub_(right).add_(below.roll(1, -2)).sub_(below)


def _steps(picture: Tensor, *, window: Tensor) -> Tensor:
    """Transforms of the gradients of pictures, across and down: (N, H, W) -> (2, N, H, W//2 + 1)."""
    return rfft2(torch.stack([_ahead(picture, axis) for axis in (-1, -2)]).mul_(window))


def _correlations(edges: Tensor, light: Tensor) -> tuple[Tensor, Tensor]:
    """Transforms of how gradients, as of `_steps`, are correlated with those of the light, and with themselves."""
    (right, below), (light_right, light_below) = edges.conj(), light
    return (right * light_right).addcmul_(below, light_below), _power(edges).sum(0)


def _power(transform_windows: Tensor) -> Tensor:
    return (transform_windows * transform_windows.conj()).real


def _near(transform_windows: Tensor, *, grid: _Grid) -> Tensor:
    """The values for moves by less than half of the grid's size, that for none in the middle: an inverse transform of which nothing else is made.

    Shape:
        (..., H, W//2 + 1) -> (..., K, K)
    """
    if transform_windows.is_complex():
        rows = grid.rows @ transform_windows  # (..., K, W//2 + 1)
        real, imaginary = rows.real, rows.imag
    else:
        real, imaginary = (part @ transform_windows for part in (grid.rows.real, grid.rows.imag))
    return real @ grid.across[0] + imaginary @ grid.across[1]


def _first_kernel(light: Tensor, size: int) -> Tensor:
    kernel = light.new_zeros(light.shape[0], size, size)
    middle = size // 2
    kernel[:, middle, middle - 1 : middle + 2] = light.new_tensor([0.25, 0.5, 0.25])
    return kernel


def _normal(kernel: Tensor) -> Tensor:
    """With sum 1; where there is no light at all, a kernel that blurs nothing."""
    still = torch.zeros_like(kernel)
    still[..., kernel.shape[-2] // 2, kernel.shape[-1] // 2] = 1
    total = kernel.sum((-2, -1), keepdim=True)
    return torch.where(total > 1e-6, kernel / total.clamp_min(1e-6), still)


def _frequencies(shape: Sequence[int], *, like: Tensor) -> tuple[Tensor, Tensor]:
    """Radians a pixel: down (H, 1) and across (1, W//2 + 1)."""
    down = torch.fft.fftfreq(shape[0], device=like.device)[:, None] * 2 * math.pi
    across = torch.fft.rfftfreq(shape[1], device=like.device)[None] * 2 * math.pi
    return down, across


def _window(shape: Sequence[int], *, edge: int, like: Tensor, seen: Tensor | None = None) -> Tensor:
    """How much each place is seen, falling to 0 within `edge` of the border: there, what lies outside blurs in."""
    window = taper(shape, edge=edge, like=like)
    return window if seen is None else window * seen


def _quick(length: float) -> int:
    """The length nearest to this whose transforms are quick, even and a product of primes up to 7: 180 takes a third of the time of 184, which is eight times 23."""
    nearest = max(2 * round(length / 2), 2)
    near = (side for step in count(0, 2) for side in sorted((nearest - step, nearest + step), key=lambda side: abs(side - length)))
    return next(side for side in near if side > 0 and _of_small_primes(side))


def _of_small_primes(number: int) -> bool:
    for prime in (2, 3, 5, 7):
        while number % prime == 0:
            number //= prime
    return number == 1


def _resized(pictures: Tensor, shape: Sequence[int]) -> Tensor:
    return interpolate(pictures[:, None], size=tuple(shape), mode="bilinear", align_corners=False, antialias=True)[:, 0]
