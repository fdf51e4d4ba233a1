"""Multi-axis gated MLPs: spatial mixing within blocks and over a dilated grid, with gates, and the blocks that MAXIM builds from them.

Source: Tu et al., "MAXIM: Multi-Axis MLP for Image Processing", CVPR 2022 (arXiv:2201.02973), sections 3.2 and 3.3, figures 2 and 3.
Decided by the authors' program (google-research/maxim), where the text is silent: GELU is the tanh approximation, the epsilon of every
layer normalisation is 1e-6, the leaky ReLU has a slope of 0.2, a gate is multiplied as `u · (mix(v) + 1)` inside the gated MLP and without
the 1 in cross-gating.

All features are (B, C, H, W) in channels-last memory, so that a matrix product over the channels reads them as they lie. A matrix product
whose output or input is split in two is calculated as two products with views of the weight, which saves the copies of the halves.
"""

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, layer_norm, leaky_relu, linear

__all__ = ["RCAB", "RDCAB", "ChannelAttention", "ChannelLinear", "ChannelNorm", "CrossGating", "MultiAxisGatedMLP", "SpatialMix"]

Axis = Literal["block", "grid"]

EPSILON = 1e-6
SLOPE = 0.2


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels of each position, (B, C, H, W) -> (B, C, H, W)."""

    def __init__(self, width: int) -> None:
        super().__init__(width, eps=EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        return layer_norm(x.permute(0, 2, 3, 1), self.normalized_shape, self.weight, self.bias, self.eps).permute(0, 3, 1, 2)


class ChannelLinear(nn.Linear):
    """A matrix product over the channels of each position: a 1x1 convolution. (B, in, H, W) -> (B, out, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        return _product(x, self.weight, self.bias)

    def halves(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The first and the second half of the output's channels, each in memory of its own."""
        weights, biases = self.weight.chunk(2), self.bias.chunk(2)
        return _product(x, weights[0], biases[0]), _product(x, weights[1], biases[1])

    def of_parts(self, *parts: Tensor) -> Tensor:
        """The output for inputs that are the parts of one input along the channels, without concatenating them."""
        weights = torch.split(self.weight, [part.shape[1] for part in parts], dim=1)
        total = _product(parts[0], weights[0], self.bias)
        for part, weight in zip(parts[1:], weights[1:], strict=True):
            total = _added(total, _product(part, weight, None))
        return total


def _product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Matrix product over the channels; the bias is added behind it, which on a processor takes less time than within."""
    y = linear(x.permute(0, 2, 3, 1), weight)
    return (y if bias is None else _added(y, bias)).permute(0, 3, 1, 2)


def _added(result: Tensor, other: Tensor) -> Tensor:
    """The sum of a result that nothing else refers to and another tensor: in the memory of the first where no gradient is kept."""
    if result.dtype != other.dtype or (torch.is_grad_enabled() and (result.requires_grad or other.requires_grad)):
        return result + other
    return result.add_(other)


def _gelu(x: Tensor) -> Tensor:
    """GELU in the tanh approximation, `x · σ(2·sqrt(2/π)·(x + 0.044715·x³))`: where no gradient is kept, in half the time of torch's on a processor."""
    if x.dtype != torch.float32 or x.device.type != "cpu" or x.requires_grad:
        return gelu(x, approximate="tanh")
    slope = 2 * (2 / math.pi) ** 0.5
    return torch.addcmul(x.new_tensor(slope), x, x, value=0.044715 * slope).mul_(x).sigmoid_().mul_(x)


class SpatialMix(nn.Module):
    """A matrix product over positions: those of each block, or those that lie on one dilated grid. All channels share the matrix.

    Source: section 3.2. `block` cuts the picture into blocks of `side`×`side` positions and mixes the positions of each; `grid` cuts it
    into `side`×`side` equal parts and mixes the positions that have the same place in all parts, which reaches over the whole picture.

    Args:
        side: of the block, or number of parts along each side of the grid.
        axis: which of the two.

    Shape:
        (B, C, H, W) -> (B, C, H, W), H and W multiples of `side`
    """

    def __init__(self, *, side: int, axis: Axis) -> None:
        super().__init__()
        self.side, self.axis = side, axis
        self.order = (2, 4, 0, 1, 3, 5) if axis == "block" else (1, 3, 0, 2, 4, 5)
        self.linear = nn.Linear(side * side, side * side)

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        side = self.side
        rows, columns = (height // side, width // side) if self.axis == "block" else (side, side)
        parts = x.permute(0, 2, 3, 1).reshape(batch, rows, height // rows, columns, width // columns, channels)
        mixed = parts.permute(self.order)  # the positions that are mixed first, so that this is one matrix product
        mixed = _added(self.linear.weight @ mixed.reshape(side * side, -1), self.linear.bias[:, None]).view(mixed.shape)
        parts = mixed.permute([self.order.index(axis) for axis in range(6)])  # (B, rows, H/rows, columns, W/columns, C)
        return parts.reshape(batch, height, width, channels).permute(0, 3, 1, 2)


class GatedMLP(nn.Module):
    """gMLP along one axis: half of the features, mixed over positions, gates the other half.

    Source: section 3.2, figure 3; the unit is that of Liu et al., "Pay Attention to MLPs" (2021).

    Args:
        width: number of features.
        side: see `SpatialMix`.
        axis: see `SpatialMix`.

    Shape:
        (B, width, H, W) -> (B, width, H, W)
    """

    def __init__(self, *, width: int, side: int, axis: Axis) -> None:
        super().__init__()
        self.norm, self.expand = ChannelNorm(width), ChannelLinear(width, 2 * width)
        self.gate_norm, self.mix = ChannelNorm(width), SpatialMix(side=side, axis=axis)
        self.project = ChannelLinear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        u, v = (_gelu(half) for half in self.expand.halves(self.norm(x)))
        return _added(self.project(torch.addcmul(u, u, self.mix(self.gate_norm(v)))), x)  # u · (mix(v) + 1)


class MultiAxisGatedMLP(nn.Module):
    """Multi-axis gated MLP block: one half of the features is mixed over the grid, the other within blocks.

    Source: section 3.2, figure 3 (left).

    Args:
        width: number of features.
        block: side of the blocks, positions.
        grid: parts along each side of the grid.

    Shape:
        (B, width, H, W) -> (B, width, H, W)
    """

    def __init__(self, *, width: int, block: int, grid: int) -> None:
        super().__init__()
        self.norm, self.expand = ChannelNorm(width), ChannelLinear(width, 2 * width)
        self.grid = GatedMLP(width=width, side=grid, axis="grid")
        self.block = GatedMLP(width=width, side=block, axis="block")
        self.project = ChannelLinear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        u, v = (_gelu(half) for half in self.expand.halves(self.norm(x)))
        return _added(self.project.of_parts(self.grid(u), self.block(v)), x)


class SpatialGate(nn.Module):
    """The gate that one input of cross-gating gives to the other: mixed over the grid and within blocks.

    Source: section 3.3, G(·).

    Shape:
        (B, width, H, W) -> (B, width, H, W)
    """

    def __init__(self, *, width: int, block: int, grid: int) -> None:
        super().__init__()
        self.norm, self.expand = ChannelNorm(width), ChannelLinear(width, 2 * width)
        self.grid, self.block = SpatialMix(side=grid, axis="grid"), SpatialMix(side=block, axis="block")
        self.project = ChannelLinear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        u, v = (_gelu(half) for half in self.expand.halves(self.norm(x)))
        return self.project.of_parts(self.grid(u), self.block(v))


class CrossGating(nn.Module):
    """Cross-gating block: two inputs gate each other. It gives the first, to which the second was added, and the second.

    Source: section 3.3, figure 3 (right).

    Args:
        widths: features of the two inputs.
        width: features of both outputs.
        block: side of the blocks, positions.
        grid: parts along each side of the grid.

    Shape:
        x (B, widths[0], H, W), y (B, widths[1], H, W) -> (B, width, H, W) twice
    """

    def __init__(self, *, widths: tuple[int, int], width: int, block: int, grid: int) -> None:
        super().__init__()
        self.enter_x, self.enter_y = (ChannelLinear(each, width) for each in widths)
        self.norm_x, self.norm_y = ChannelNorm(width), ChannelNorm(width)
        self.expand_x, self.expand_y = ChannelLinear(width, width), ChannelLinear(width, width)
        self.gate_x, self.gate_y = (SpatialGate(width=width, block=block, grid=grid) for _ in widths)
        self.project_x, self.project_y = ChannelLinear(width, width), ChannelLinear(width, width)

    def forward(self, x: Tensor | tuple[Tensor, ...], y: Tensor) -> tuple[Tensor, Tensor]:
        x = self.enter_x.of_parts(*x) if isinstance(x, tuple) else self.enter_x(x)
        y = self.enter_y(y)
        of_x = _gelu(self.expand_x(self.norm_x(x)))
        of_y = _gelu(self.expand_y(self.norm_y(y)))
        y = _added(self.project_y(of_y * self.gate_x(of_x)), y)
        return _added(_added(self.project_x(of_x * self.gate_y(of_y)), x), y), y


class ChannelAttention(nn.Module):
    """Squeeze and excitation: each channel is weighted by what the means of all channels say.

    Source: Hu et al., "Squeeze-and-Excitation Networks", CVPR 2018; MAXIM section 3.1, reduction 4.

    Shape:
        (B, width, H, W) -> (B, width, H, W)
    """

    def __init__(self, *, width: int, reduction: int) -> None:
        super().__init__()
        self.squeeze, self.excite = ChannelLinear(width, width // reduction), ChannelLinear(width // reduction, width)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.excite(torch.relu(self.squeeze(x.mean(dim=(2, 3), keepdim=True)))))


class RCAB(nn.Module):
    """Residual channel attention block: normalisation, convolution, leaky ReLU, convolution, channel attention, identity.

    Source: section 3.1; Zhang et al. (ECCV 2018).

    Shape:
        (B, width, H, W) -> (B, width, H, W)
    """

    def __init__(self, *, width: int, reduction: int) -> None:
        super().__init__()
        self.norm = ChannelNorm(width)
        self.conv1, self.conv2 = (nn.Conv2d(width, width, 3, padding=1) for _ in range(2))
        self.attention = ChannelAttention(width=width, reduction=reduction)

    def forward(self, x: Tensor) -> Tensor:
        return _added(self.attention(self.conv2(leaky_relu(self.conv1(self.norm(x)), SLOPE))), x)


class RDCAB(nn.Module):
    """Residual block like `RCAB`, with an MLP over the channels in the place of the convolutions; used at the lowest resolution.

    Source: section 3.1, "residual dense channel attention block".

    Shape:
        (B, width, H, W) -> (B, width, H, W)
    """

    def __init__(self, *, width: int, reduction: int) -> None:
        super().__init__()
        self.norm = ChannelNorm(width)
        self.expand, self.project = ChannelLinear(width, width), ChannelLinear(width, width)
        self.attention = ChannelAttention(width=width, reduction=reduction)

    def forward(self, x: Tensor) -> Tensor:
        return _added(self.attention(self.project(_gelu(self.expand(self.norm(x))))), x)
