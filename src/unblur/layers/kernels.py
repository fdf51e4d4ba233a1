"""Blur kernels: their spectra, their normalisation, and which of their points is the middle of the exposure.

A kernel is an (N, K, K) tensor of sum 1, K odd, whose origin is the middle pixel. All functions work in fp32 on any device.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad

from unblur.layers.fourier import rfft2
from unblur.layers.portable import is_portable
from unblur.layers.warp import flow_warp

__all__ = ["centre_kernel", "exposure_midpoint", "frequencies", "kernel_spectrum", "normalise_kernel", "power_spectrum"]

_LINK = 2.9  # pixels: longest step between two neighbouring points of a trajectory
_JUMP_COST = 3.0  # factor on the length of longer steps
_SOFTNESS = 0.3  # pixels: temperature of the soft minimum over candidate midpoints


def kernel_spectrum(kernel: Tensor, shape: Sequence[int]) -> Tensor:
    """Fourier transform of kernels, zero-padded to pictures of `shape`, with the kernel's middle pixel as origin.

    Shape:
        (N, K, K), (H, W) -> (N, H, W//2 + 1), complex
    """
    reach = kernel.shape[-1] // 2
    padded = pad(kernel, (0, shape[1] - kernel.shape[-1], 0, shape[0] - kernel.shape[-2]))
    return rfft2(torch.roll(padded, (-reach, -reach), (-2, -1)))


def power_spectrum(spectrum: Tensor) -> Tensor:
    """Squared magnitude of each complex coefficient, real, of the same shape."""
    return (spectrum * spectrum.conj()).real


def frequencies(shape: Sequence[int], *, like: Tensor) -> tuple[Tensor, Tensor]:
    """Angular frequencies of `rfft2` in radians a pixel: vertical (H, 1) and horizontal (1, W//2 + 1), on the device of `like`."""
    if is_portable():
        places = [torch.arange(length, device=like.device, dtype=torch.float32) for length in (shape[0], shape[1] // 2 + 1)]
        rows = torch.where(places[0] < (shape[0] + 1) // 2, places[0], places[0] - shape[0])
        return rows[:, None] * (1 / shape[0]) * 2 * math.pi, places[1][None] * (1 / shape[1]) * 2 * math.pi
    vertical = torch.fft.fftfreq(shape[0], device=like.device)[:, None] * 2 * math.pi
    horizontal = torch.fft.rfftfreq(shape[1], device=like.device)[None] * 2 * math.pi
    return vertical, horizontal


def normalise_kernel(kernel: Tensor) -> Tensor:
    """Kernels divided by their sum; where the sum is below 1e-6, the identity kernel.

    Shape:
        (N, K, K) -> (N, K, K)
    """
    identity = torch.zeros_like(kernel)
    identity[..., kernel.shape[-2] // 2, kernel.shape[-1] // 2] = 1
    total = kernel.sum((-2, -1), keepdim=True)
    return torch.where(total > 1e-6, kernel / total.clamp_min(1e-6), identity)


def centre_kernel(kernel: Tensor, origin: Tensor) -> Tensor:
    """Kernels shifted so that `origin` becomes their middle pixel, bilinearly, and normalised again.

    Args:
        kernel: of sum 1.
        origin: (x, y) relative to the middle pixel, in pixels.

    Shape:
        (N, K, K), (N, 2) -> (N, K, K)
    """
    shift = origin[..., None, None].expand(-1, -1, *kernel.shape[-2:])
    return normalise_kernel(flow_warp(kernel[:, None], shift)[:, 0])


@torch.no_grad()
def exposure_midpoint(kernel: Tensor, *, points: int = 96) -> Tensor:
    """The point of a kernel's trajectory at half of the exposure: the one with half of the light on either side along the trajectory.

    The trajectory is a graph of the kernel's strongest pixels. Two of them are joined by an edge of their distance; longer steps than to a diagonal
    neighbour but one cost three times their length. The midpoint minimises the mean shortest-path distance (Floyd-Warshall) to all light; a soft
    minimum gives it to fractions of a pixel.

    Decided here: no paper fixes where a blind kernel's origin is; the sharp reference is taken at the middle of the exposure (`unblur.synth`).

    Args:
        kernel: of sum 1.
        points: number of strongest pixels in the graph.

    Shape:
        (N, K, K) -> (N, 2), (x, y) relative to the middle pixel, in pixels
    """
    size = kernel.shape[-1]
    weight, index = kernel.flatten(1).topk(min(points, size * size), dim=1)  # (N, P)
    position = torch.stack([index % size, index // size], dim=-1).float()  # (N, P, 2)
    if is_portable():
        distance = (position[:, :, None] - position[:, None]).square().sum(-1).sqrt()  # (N, P, P)
    else:
        distance = torch.cdist(position, position, compute_mode="donot_use_mm_for_euclid_dist")
    distance = torch.where(distance < _LINK, distance, _JUMP_COST * distance)
    empty = weight <= 0
    distance = distance.masked_fill(empty[:, :, None] | empty[:, None], 9.0 * size)  # no path leads through pixels without light
    if is_portable():  # the same lengths in a few large operators: each round doubles the number of steps that a path may have
        for _ in range(math.ceil(math.log2(distance.shape[-1]))):
            distance = (distance[:, :, :, None] + distance[:, None]).amin(2)
    else:
        for via in range(distance.shape[-1]):  # Floyd-Warshall
            distance = torch.minimum(distance, distance[:, :, via, None] + distance[:, None, via])
    mean_distance = (distance * weight[:, None]).sum(-1)  # (N, P), weighted by the light at the other end
    weight = weight * torch.exp((mean_distance.amin(-1, keepdim=True) - mean_distance) / _SOFTNESS)
    return (position * weight[..., None]).sum(1) / weight.sum(1, keepdim=True) - size // 2
