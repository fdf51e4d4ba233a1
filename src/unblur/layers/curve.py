"""A kernel as a thin, smooth curve: what the path of a hand is, and what a kernel that was sought in a noisy picture is not quite.

The curve is a polynomial of third degree over the time that the shutter is open, `t` from -½ to ½. It knows where the middle of the exposure
is, t = 0, which the kernel alone does not say.
"""

import torch
from torch import Tensor

__all__ = ["curve_kernel", "fit_curve", "thinned"]

_DEGREE = 3
_PRICE = (0.0, 1e-4, 1e-3, 1e-3)  # of the square of each coefficient, pixels: a short kernel has no bends
_INSTANTS = 25
_WIDTH = 0.45  # standard deviation of what a point becomes, pixels: as wide as a pixel


@torch.no_grad()
def fit_curve(kernel: Tensor) -> Tensor:
    """The curve nearest to a kernel's light, if the path runs on along the longer axis of the kernel.

    The light is lined up along that axis; light goes by evenly, so that its place in line is the time at which it fell.

    Args:
        kernel: of sum 1.

    Returns:
        coefficients of 1, t, t², t³, (x, y) in pixels from the kernel's middle; the first is the middle of the exposure.

    Shape:
        (N, K, K) -> (N, 4, 2)
    """
    size = kernel.shape[-1]
    side = torch.arange(size, device=kernel.device, dtype=kernel.dtype) - size // 2
    place = torch.stack(torch.meshgrid(side, side, indexing="xy"), dim=-1).view(-1, 2)  # (P, 2)
    weight = kernel.flatten(1)  # (N, P)
    away = place - (weight @ place)[:, None]  # (N, P, 2)
    (xx, xy), (_, yy) = ((weight[..., None] * away).mT @ away).permute(1, 2, 0)
    angle = torch.atan2(2 * xy, xx - yy) / 2  # (N,) of the longer axis
    along = away[..., 0] * torch.cos(angle)[:, None] + away[..., 1] * torch.sin(angle)[:, None]  # (N, P)
    order = along.argsort(dim=1)
    share = weight.gather(1, order)
    powers = _powers(share.cumsum(1) - share / 2 - 0.5)  # (N, P, 4)
    weighted = (share[..., None] * powers).mT  # (N, 4, P)
    squares = weighted @ powers + torch.diag(kernel.new_tensor(_PRICE))
    return torch.linalg.solve(squares, weighted @ place[order])


@torch.no_grad()
def curve_kernel(curve: Tensor, *, size: int) -> Tensor:
    """The kernel of a path along a curve, of sum 1.

    Args:
        curve: as by `fit_curve`.
        size: side of the kernel, odd; the end of a curve that leaves it is lost.

    Shape:
        (N, 4, 2) -> (N, size, size)
    """
    powers = _powers(torch.linspace(-0.5, 0.5, _INSTANTS, device=curve.device, dtype=curve.dtype))
    place = powers @ curve  # (N, T, 2)
    side = torch.arange(size, device=curve.device, dtype=curve.dtype) - size // 2
    across, down = (torch.exp(-((place[..., axis, None] - side) / _WIDTH).square() / 2) for axis in (0, 1))  # (N, T, K)
    down[:, [0, -1]] /= 2  # the first and the last instant stand for half as long as the others
    kernel = down.mT @ across  # (N, K, K)
    return kernel / kernel.sum((1, 2), keepdim=True).clamp_min(1e-6)


def thinned(kernel: Tensor) -> tuple[Tensor, Tensor]:
    """The mean of a kernel and of that of its curve, and where the middle of the exposure is by the curve, (x, y) in pixels from the kernel's middle.

    Shape:
        (N, K, K) -> (N, K, K), (N, 2)
    """
    curve = fit_curve(kernel)
    return (kernel + curve_kernel(curve, size=kernel.shape[-1])) / 2, curve[:, 0]


def _powers(time: Tensor) -> Tensor:
    return torch.stack([time**power for power in range(_DEGREE + 1)], dim=-1)
