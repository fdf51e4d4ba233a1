"""Deformable convolution: each tap of the kernel reads where an offset sends it.

The kernel weighs the features first, by one matrix product a kernel row, and the taps then only read and add: what an
output pixel gets from a kernel row is one weighted bag of 4 kw rows of a table. That reads no feature twice into memory,
which is what bounds the usual order (read all taps, then multiply) on a processor. With few channels that order is the faster one.
On CUDA, `deform_sample` reads the taps by a kernel of its own where that works (`unblur.layers.fused`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unblur.errors import ShapeError
from unblur.layers.check import check_shape
from unblur.layers.coordinates import CoordinateConv
from unblur.layers.fused import is_chosen, read_taps
from unblur.layers.sampling import (
    CORNERS,
    FEW_CHANNELS,
    bilinear_read,
    bilinear_rows,
    padded_rows,
    pixel_grid,
    reading_dtype,
    weighted_rows,
)

__all__ = ["DeformConv", "ModulatedDeformConv", "Taps", "deform_sample", "modulated_deform_sample", "recorded_taps"]


def deform_sample(feat: Tensor, offset: Tensor, weight: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """Sample features at displaced positions and combine the taps.

    out(p) = sum over k of w_k feat(p + p_k + offset_k) mask(p + p_k + offset_k), p_k the position of tap k in the kernel.

    Source: thesis eq. (3-8); with `mask`, eq. (4-1): the mask is read at the *sampled position*, bilinearly and apart from the
    feature, unlike DCNv2, where it belongs to the tap (`modulated_deform_sample`).
    Decided: taps run row by row from the upper left, the kernel's centre is at (kh // 2, kw // 2), stride and dilation are 1
    (the source does not say).

    Args:
        feat: features of the neighbour frame.
        offset: displacement of each tap, pixels at the resolution of `feat`, (dy, dx) of tap 0, then of tap 1, ...
        weight: of the taps.
        mask: sharpness of each position, in [0, 1].

    Returns:
        Aligned features in the precision of `feat`. Positions outside the frame read 0. Offsets, mask and reading are in single
        precision whatever `feat` is; only the product with `weight` is in the precision of `feat`, or of autocast.

    Shape:
        feat (B, C, H, W); offset (B, 2K, H, W), K = kh * kw; weight (O, C, kh, kw); mask (B, 1, H, W) -> (B, O, H, W)

    Raises:
        ShapeError: if the spatial sizes differ or `offset` has not 2K channels.

    Example:
        >>> feat, move = torch.arange(3.0).view(1, 1, 1, 3), torch.tensor([0.0, 0.5]).view(1, 2, 1, 1)
        >>> deform_sample(feat, move.expand(1, 2, 1, 3), torch.ones(1, 1, 1, 1))
        tensor([[[[0.5000, 1.5000, 1.0000]]]])
    """
    _check_taps(feat, offset, weight)
    batch, _, height, width = feat.shape
    if mask is not None:
        check_shape(mask, (batch, 1, height, width), name="mask")
    if is_chosen(feat, offset, weight, mask):
        return _weigh_columns(read_taps(feat, offset, kernel=(weight.shape[2], weight.shape[3]), mask=mask), weight, feat)
    y, x = _tap_positions(feat, offset, weight)  # (B, K, H, W)
    if mask is None:
        return _combine_taps(feat, y, x, weight, modulation=None)
    at_samples = bilinear_read(mask.to(y.dtype), y.flatten(1, 2), x.flatten(1, 2))  # (B, 1, K * H, W)
    return _combine_taps(feat, y, x, weight, modulation=at_samples.view(y.shape))


def modulated_deform_sample(feat: Tensor, offset: Tensor, weight: Tensor, *, modulation: Tensor, groups: int = 1) -> Tensor:
    """Sample features at displaced positions and combine the taps, each with a factor of its own at each output position.

    Source: Zhu et al. (CVPR 2019), DCNv2; thesis eq. (2-13).

    Args:
        feat: features.
        offset: as for `deform_sample`; those of the first group, then those of the second, ...
        weight: of the taps.
        modulation: factor of each tap at each output position, in [0, 1], in the same order.
        groups: G, equal parts of the channels, each with offsets and modulation of its own.

    Shape:
        feat (B, C, H, W); offset (B, 2GK, H, W); weight (O, C, kh, kw); modulation (B, GK, H, W) -> (B, O, H, W)

    Raises:
        ShapeError: if the spatial sizes differ, `offset` or `modulation` has not 2GK or GK channels, or C is no multiple of G.
    """
    if groups > 1:
        return _modulated_by_group(feat, offset, weight, modulation=modulation, groups=groups)
    _check_taps(feat, offset, weight)
    y, x = _tap_positions(feat, offset, weight)
    check_shape(modulation, tuple(y.shape), name="modulation")
    return _combine_taps(feat, y, x, weight, modulation=modulation.to(y.dtype))


def _modulated_by_group(feat: Tensor, offset: Tensor, weight: Tensor, *, modulation: Tensor, groups: int) -> Tensor:
    """Each group is read as a picture of the batch; then one matrix product weighs all of them."""
    check_shape(feat, ("B", "C", "H", "W"), name="feat")
    batch, channels, height, width = feat.shape
    check_shape(weight, ("O", channels, "kh", "kw"), name="weight")
    taps = weight.shape[2] * weight.shape[3]
    if channels % groups:
        raise ShapeError(f"feat must have a multiple of {groups} channels, one part a group, got {channels}")
    check_shape(offset, (batch, 2 * groups * taps, height, width), name="offset")
    check_shape(modulation, (batch, groups * taps, height, width), name="modulation")
    parts = feat.reshape(batch * groups, channels // groups, height, width)
    y, x = _tap_positions(parts, offset.reshape(batch * groups, 2 * taps, height, width), weight[:, : channels // groups])
    factors = modulation.to(y.dtype).reshape(batch * groups, taps, height * width)
    read = _read(parts, y, x, factors)  # (B * G, C / G, K, H * W)
    return _weigh(read.reshape(batch, channels, taps, height * width), weight, feat, height=height)


class DeformConv(nn.Module):
    """`deform_sample` with learned taps and a bias.

    Args:
        in_channels: of the features.
        out_channels: of the result.
        kernel_size: side of the kernel, odd.

    Attributes:
        taps: K, for which `offset` has 2K channels.

    Shape:
        feat (B, in_channels, H, W); offset (B, 2K, H, W); mask (B, 1, H, W) -> (B, out_channels, H, W)
    """

    def __init__(self, *, in_channels: int, out_channels: int, kernel_size: int = 3) -> None:
        super().__init__()
        self.taps = kernel_size**2
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, feat: Tensor, offset: Tensor, *, mask: Tensor | None = None) -> Tensor:
        return deform_sample(feat, offset, self.weight, mask=mask) + self.bias.to(feat.dtype)[:, None, None]


class ModulatedDeformConv(nn.Module):
    """`modulated_deform_sample` whose offsets and modulation a convolution makes from other features.

    Source: Zhu et al. (CVPR 2019): that convolution starts at zero, so that the untrained sampling is the regular
    one, with a modulation of a half.

    Args:
        width: features in and out, and of those that the offsets come from.
        kernel_size: side of the kernel, odd.
        groups: parts of the channels with offsets of their own.

    Shape:
        feat and guide (B, width, H, W) -> (B, width, H, W)
    """

    def __init__(self, *, width: int, kernel_size: int = 3, groups: int = 1) -> None:
        super().__init__()
        self.groups = groups
        self.offset = CoordinateConv(in_channels=width, out_channels=3 * groups * kernel_size**2, starts_at_zero=True)
        self.weight = nn.Parameter(torch.empty(width, width, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(width))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, feat: Tensor, guide: Tensor) -> Tensor:
        offset, modulation = self.taps_of(self.offset(guide))
        sampled = modulated_deform_sample(feat, offset, self.weight, modulation=modulation, groups=self.groups)
        return sampled + self.bias.to(feat.dtype)[:, None, None]

    @staticmethod
    def taps_of(predicted: Tensor) -> tuple[Tensor, Tensor]:
        """Offsets and modulation from the output of `offset`: (B, 3GK, H, W) to (B, 2GK, H, W), (dy, dx) of each tap, and (B, GK, H, W)."""
        y, x, modulation = predicted.chunk(3, dim=1)  # (B, G * K, H, W) each
        return torch.stack((y, x), dim=2).flatten(1, 2), torch.sigmoid(modulation)


@dataclass(frozen=True)
class Taps:
    """Where a deformable convolution read, T being its taps, those of all groups.

    Attributes:
        offset: (B, T, 2, H, W), (dx, dy) of each tap beside its regular position, in pixels.
        modulation: (B, T, H, W) in [0, 1]; None for a convolution without.
    """

    offset: Tensor
    modulation: Tensor | None = None


@contextmanager
def recorded_taps(module: nn.Module) -> Iterator[list[Taps]]:
    """Where the deformable convolutions inside `module` read, in the order of their calls while the context is open."""
    recorded: list[Taps] = []

    def plain(_: nn.Module, arguments: tuple[Tensor, ...], __: Tensor) -> None:
        recorded.append(Taps(_as_flow(arguments[1])))

    def modulated(_: nn.Module, __: tuple[Tensor, ...], predicted: Tensor) -> None:
        offset, modulation = ModulatedDeformConv.taps_of(predicted.float())
        recorded.append(Taps(_as_flow(offset), modulation))

    handles = []
    for inside in module.modules():
        if isinstance(inside, DeformConv):
            handles.append(inside.register_forward_hook(plain))
        elif isinstance(inside, ModulatedDeformConv):
            handles.append(inside.offset.register_forward_hook(modulated))
    try:
        yield recorded
    finally:
        for handle in handles:
            handle.remove()


def _as_flow(offset: Tensor) -> Tensor:
    """(B, 2T, H, W), (dy, dx) of each tap, to (B, T, 2, H, W), (dx, dy)."""
    return offset.float().reshape(offset.shape[0], -1, 2, *offset.shape[-2:]).flip(2)


def _check_taps(feat: Tensor, offset: Tensor, weight: Tensor) -> None:
    check_shape(feat, ("B", "C", "H", "W"), name="feat")
    batch, channels, height, width = feat.shape
    check_shape(weight, ("O", channels, "kh", "kw"), name="weight")
    kernel_height, kernel_width = weight.shape[-2:]
    if kernel_height % 2 == 0 or kernel_width % 2 == 0:
        raise ShapeError(f"weight must have a kernel of odd height and width, got {kernel_height}x{kernel_width}")
    check_shape(offset, (batch, 2 * kernel_height * kernel_width, height, width), name="offset")


def _tap_positions(feat: Tensor, offset: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Row and column that each tap reads, (B, K, H, W) each."""
    batch, _, height, width = feat.shape
    kernel_height, kernel_width = weight.shape[-2:]
    dtype = reading_dtype(feat, offset, weight)
    offset = offset.to(dtype).view(batch, kernel_height, kernel_width, 2, height, width)
    rows, columns = pixel_grid(feat, dtype=dtype)
    tap_rows = torch.arange(kernel_height, dtype=dtype, device=feat.device).view(-1, 1, 1, 1) - kernel_height // 2
    tap_columns = torch.arange(kernel_width, dtype=dtype, device=feat.device).view(-1, 1, 1) - kernel_width // 2
    y = offset[:, :, :, 0] + (rows + tap_rows)
    x = offset[:, :, :, 1] + (columns + tap_columns)
    return y.flatten(1, 2), x.flatten(1, 2)


def _combine_taps(feat: Tensor, y: Tensor, x: Tensor, weight: Tensor, *, modulation: Tensor | None) -> Tensor:
    """Sum over the taps of weight times what is read at (y, x), times `modulation` (B, K, H, W)."""
    if max(feat.shape[1], weight.shape[0]) < FEW_CHANNELS:
        return _read_then_weigh(feat, y, x, weight, modulation)
    return _weigh_then_read(feat, y, x, weight, modulation)


def _read_then_weigh(feat: Tensor, y: Tensor, x: Tensor, weight: Tensor, modulation: Tensor | None) -> Tensor:
    return _weigh(_read(feat, y, x, None if modulation is None else modulation.flatten(2)), weight, feat, height=y.shape[2])


def _read(feat: Tensor, y: Tensor, x: Tensor, modulation: Tensor | None) -> Tensor:
    """What each tap reads times its factor (B, K, H * W): (B, C, K, H * W)."""
    batch, taps, height, width = y.shape
    read = bilinear_read(feat.to(y.dtype), y.flatten(1, 2), x.flatten(1, 2)).view(batch, -1, taps, height * width)
    return read if modulation is None else read * modulation[:, None]


def _weigh(read: Tensor, weight: Tensor, feat: Tensor, *, height: int) -> Tensor:
    """(O, C * K) times (B, C * K, H * W), in the precision of `feat`."""
    weighed = weight.to(feat.dtype).flatten(1) @ read.to(feat.dtype).flatten(1, 2)
    return weighed.view(read.shape[0], weight.shape[0], height, -1).to(feat.dtype)


def _weigh_columns(columns: Tensor, weight: Tensor, feat: Tensor) -> Tensor:
    """(B * H * W, K * C) times the taps, in the precision of `feat` or of autocast."""
    batch, _, height, width = feat.shape
    weighed = columns @ weight.to(feat.dtype).permute(2, 3, 1, 0).flatten(0, 2)
    return weighed.view(batch, height, width, -1).permute(0, 3, 1, 2).to(feat.dtype)


def _weigh_then_read(feat: Tensor, y: Tensor, x: Tensor, weight: Tensor, modulation: Tensor | None) -> Tensor:
    batch, taps, height, width = y.shape
    out_channels, _, kernel_height, kernel_width = weight.shape
    rows, shares = bilinear_rows(y.flatten(1, 2), x.flatten(1, 2), height=height, width=width)
    if modulation is not None:
        shares = shares * modulation.flatten(1, 2)[..., None]
    # A table of one row a pixel and tap; (B, H, W, K, 4) entries, so that each output pixel has its bag in one piece.
    per_pixel = (batch, taps, height, width, CORNERS)
    rows = rows.view(per_pixel).permute(0, 2, 3, 1, 4).flatten(0, 2) * kernel_width  # (B * H * W, K, 4)
    shares = shares.view(per_pixel).permute(0, 2, 3, 1, 4).flatten(0, 2)
    pixels = padded_rows(feat)
    by_row = weight.to(feat.dtype).permute(2, 1, 3, 0)  # (kh, C, kw, O)
    column = torch.arange(kernel_width, device=feat.device).view(-1, 1)
    bags = []
    for i in range(kernel_height):
        in_row = slice(i * kernel_width, (i + 1) * kernel_width)
        table = (pixels @ by_row[i].flatten(1)).view(-1, out_channels).to(shares.dtype)
        entries, parts = (rows[:, in_row] + column).flatten(1), shares[:, in_row].flatten(1)
        bags.append(weighted_rows(table, entries, parts))
    return sum(bags[1:], bags[0]).view(batch, height, width, out_channels).permute(0, 3, 1, 2).to(feat.dtype)
