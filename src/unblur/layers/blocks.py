"""Convolutional blocks shared by the networks, and the encoder and decoder that four of them are built from."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

__all__ = ["Decoder", "Encoder", "ResBlock", "codec_radius", "conv", "convs", "deconv", "res_blocks", "zero_last_convolution"]


class ResBlock(nn.Module):
    """Residual block: convolution, ReLU, convolution, identity; no activation after the sum.

    Source: Nah et al. (CVPR 2017), section 3.1 (kernel 5, 64 features). With `gate`, the HMPCARB of Tang et al. (2022),
    eq. (14)-(16): the gate weights the residual, never the identity. With `act_after_sum`, the block of He et al. (CVPR 2016) that Nah et al.
    compare with, here without its batch normalisation, so that the activation alone makes the difference.

    Args:
        width: number of features in and out.
        kernel_size: of both convolutions, odd.
        negative_slope: of the activation; 0 is the ReLU, anything else a leaky one.
        gate: applied to the residual before the sum, for instance a channel attention; it keeps the shape.
        act_after_sum: whether the same activation follows the sum.

    Shape:
        (B, width, H, W) -> (B, width, H, W)
    """

    def __init__(
        self,
        *,
        width: int,
        kernel_size: int = 5,
        negative_slope: float = 0.0,
        gate: nn.Module | None = None,
        act_after_sum: bool = False,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, kernel_size, padding=kernel_size // 2)
        self.act = _activation(negative_slope)
        self.conv2 = nn.Conv2d(width, width, kernel_size, padding=kernel_size // 2)
        self.gate = gate
        self.act_after_sum = act_after_sum

    def forward(self, x: Tensor) -> Tensor:
        residual = self.conv2(self.act(self.conv1(x)))
        total = x + (residual if self.gate is None else self.gate(residual))
        return self.act(total) if self.act_after_sum else total


def res_blocks(count: int, *, width: int, kernel_size: int = 5, negative_slope: float = 0.0, act_after_sum: bool = False) -> nn.Sequential:
    """A chain of `count` residual blocks."""
    return nn.Sequential(
        *(ResBlock(width=width, kernel_size=kernel_size, negative_slope=negative_slope, act_after_sum=act_after_sum) for _ in range(count))
    )


def conv(in_width: int, out_width: int, *, kernel_size: int, stride: int = 1, relu: bool = False, negative_slope: float = 0.0) -> nn.Module:
    """A convolution that keeps the size (or divides it by `stride`), followed by a ReLU, leaky or not, if asked for."""
    layer = nn.Conv2d(in_width, out_width, kernel_size, stride=stride, padding=kernel_size // 2)
    return nn.Sequential(layer, _activation(negative_slope)) if relu else layer


def convs(*widths: int, kernel_size: int) -> nn.Sequential:
    """Convolutions from each width to the next that keep the size, each followed by a ReLU."""
    return nn.Sequential(*(conv(inputs, outputs, kernel_size=kernel_size, relu=True) for inputs, outputs in pairwise(widths)))


def deconv(in_width: int, out_width: int, *, kernel_size: int = 4, relu: bool = False, negative_slope: float = 0.0) -> nn.Module:
    """A transposed convolution of stride 2 that doubles the size, followed by a ReLU, leaky or not, if asked for."""
    odd = kernel_size % 2
    layer = nn.ConvTranspose2d(in_width, out_width, kernel_size, stride=2, padding=(kernel_size - 1) // 2, output_padding=odd)
    return nn.Sequential(layer, _activation(negative_slope)) if relu else layer


def _activation(negative_slope: float) -> nn.Module:
    return nn.LeakyReLU(negative_slope, inplace=True) if negative_slope else nn.ReLU(inplace=True)


class Encoder(nn.Module):
    """Stages of (convolution, residual blocks); the first at full resolution, each later one halves it.

    Source: Tao et al. (CVPR 2018), whose encoder DMPHN, PSS-NSC and MSCNN took over with other sizes.

    Args:
        in_channels: of the input.
        widths: features of each stage.
        num_blocks: residual blocks a stage.
        kernel_size: of every convolution.
        relu: whether a ReLU follows the convolution that opens a stage.
        negative_slope: of every activation, 0 for the ReLU.

    Attributes:
        stages: one module a stage, for networks that need the output of each.

    Shape:
        (B, in_channels, H, W) -> (B, widths[-1], H/2^(S-1), W/2^(S-1)) for S stages
    """

    def __init__(
        self,
        *,
        in_channels: int,
        widths: tuple[int, ...],
        num_blocks: int,
        kernel_size: int,
        relu: bool = False,
        negative_slope: float = 0.0,
    ) -> None:
        super().__init__()
        inputs = (in_channels, *widths[:-1])
        self.stages = nn.ModuleList(
            nn.Sequential(
                conv(inputs[i], widths[i], kernel_size=kernel_size, stride=2 if i else 1, relu=relu, negative_slope=negative_slope),
                *res_blocks(num_blocks, width=widths[i], kernel_size=kernel_size, negative_slope=negative_slope),
            )
            for i in range(len(widths))
        )

    def forward(self, x: Tensor) -> Tensor:
        for stage in self.stages:
            x = stage(x)
        return x

    def levels(self, x: Tensor) -> list[Tensor]:
        """The features behind each stage, finest first."""
        feats = []
        for stage in self.stages:
            x = stage(x)  # (B, widths[s], H/2^s, W/2^s)
            feats.append(x)
        return feats


class Decoder(nn.Module):
    """The encoder's mirror: stages of (residual blocks, deconvolution); the last ends in a convolution to the picture.

    Args:
        out_channels: of the output.
        widths: features of each stage, in the encoder's order: the decoder runs through them backwards.
        num_blocks: residual blocks a stage.
        kernel_size: of every convolution but the deconvolutions.
        deconv_size: kernel of the deconvolutions, whose stride is 2.
        relu: whether a ReLU follows a deconvolution; none follows the last convolution.
        negative_slope: of every activation, 0 for the ReLU.

    Attributes:
        stages: one module a stage, coarsest first.

    Shape:
        (B, widths[-1], h, w) -> (B, out_channels, h*2^(S-1), w*2^(S-1)) for S stages
    """

    def __init__(
        self,
        *,
        out_channels: int,
        widths: tuple[int, ...],
        num_blocks: int,
        kernel_size: int,
        deconv_size: int = 4,
        relu: bool = False,
        negative_slope: float = 0.0,
    ) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            nn.Sequential(
                *res_blocks(num_blocks, width=widths[i], kernel_size=kernel_size, negative_slope=negative_slope),
                deconv(widths[i], widths[i - 1], kernel_size=deconv_size, relu=relu, negative_slope=negative_slope)
                if i
                else conv(widths[0], out_channels, kernel_size=kernel_size),
            )
            for i in reversed(range(len(widths)))
        )

    def forward(self, x: Tensor) -> Tensor:
        for stage in self.stages:
            x = stage(x)
        return x

    def with_skips(self, x: Tensor, skips: Sequence[Tensor]) -> Tensor:
        """As `forward`, with features of the encoder, finest first, added behind each stage but the last."""
        *stages, last = self.stages
        for stage, skip in zip(stages, reversed(skips), strict=True):
            x = stage(x) + skip
        return last(x)


def codec_radius(*, stages: int, num_blocks: int, kernel_size: int, deconv_size: int = 4) -> int:
    """Pixels on each side that reach one output pixel of an encoder followed by its decoder.

    A convolution of kernel 2p + 1 adds p positions of its resolution. Going down a level and up again adds p + 2 pixels
    of the finer one: p + 1/2 for the strided convolution, whose centre is half a pixel off, and 3/2 for the 4x4
    deconvolution. With a deconvolution of odd kernel 2q + 1 it adds p + q.

    Example:
        >>> codec_radius(stages=3, num_blocks=3, kernel_size=3)
        95
    """
    reach = kernel_size // 2
    blocks = sum(4 * num_blocks * reach * 2**stage for stage in range(stages))
    resampling = sum((reach + deconv_size // 2) * 2 ** (stage - 1) for stage in range(1, stages))
    return 2 * reach + blocks + resampling


@torch.no_grad()
def zero_last_convolution(module: nn.Module) -> None:
    """Set the weights of the last convolution of a module, plain or transposed, to zero: untrained, what it puts out is 0."""
    last = [part for part in module.modules() if isinstance(part, nn.Conv2d | nn.ConvTranspose2d)][-1]
    for parameter in last.parameters():
        parameter.zero_()
