"""Residual blocks in 8-bit integers, for processors that multiply those far faster than floats.

Many x86 processors have an instruction for it (VNNI: Intel's since about 2020, AMD's since Zen 4) and none for bf16. Integers suit the residual
blocks, where most of the arithmetic is and whose slips are small beside what the identity carries. They do not suit the convolutions
that see the picture itself, which tell shades apart whose sums cancel, so those stay as they are.

Every call measures its input's range: no calibration is needed, and nothing is ever cut off.
"""

import torch
from torch import Tensor, nn

from unblur.layers.blocks import ResBlock

__all__ = ["Int8Conv2d", "float_blocks", "int8_blocks", "quantised", "suits_int8", "supports_int8"]

FEWEST = 32
"""Features below which a block is left as it is: it waits for memory, and not for arithmetic."""

_LEVELS = 254
"""Steps between the least and the greatest value: one less than a byte holds, so that rounding never leaves it."""


class Int8Conv2d(nn.Module):
    """A convolution computed in integers: the same parameters, nearly the same result, no gradient.

    The input is quantised to 255 levels between its least and its greatest value, the weights to 255 levels a feature, symmetric about 0;
    sums are exact.

    Args:
        conv: a convolution on the CPU. Its parameters are shared; integers are taken of them now, and not again when they change.

    Attributes:
        floating: the convolution, in a tuple so that its parameters do not count twice.

    Shape:
        (B, in_channels, H, W) floating -> (B, out_channels, H', W') in single precision, channels last
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.floating = (conv,)
        self.weight, self.bias = conv.weight, conv.bias
        self._geometry = (conv.stride, conv.padding, conv.dilation, conv.groups)
        weight = conv.weight.detach().float()
        self._step = weight.abs().amax(dim=(1, 2, 3)).clamp_min(1e-12) / 127
        self._zeros = torch.zeros(len(weight), dtype=torch.int64)
        whole = (weight / self._step[:, None, None, None]).round().to(torch.int8)
        self._packed: Tensor = torch.ops.onednn.qconv_prepack(whole, self._step, 1.0, 0, *self._geometry, None)

    def forward(self, x: Tensor) -> Tensor:
        levels, scale, zero = quantised(x)
        weight = (self._packed, self._step, self._zeros, None if self.bias is None else self.bias.float())
        plain: tuple[object, ...] = (1.0, 0, torch.float32, "none", [], "")  # in single precision, with nothing after it
        result: Tensor = torch.ops.onednn.qconv2d_pointwise(levels, scale, zero, *weight, *self._geometry, *plain)
        return result


def quantised(x: Tensor) -> tuple[Tensor, float, int]:
    """Bytes for `x`, the size of a step, and the byte that means 0: x is about scale · (levels - zero).

    Shape:
        (B, C, H, W) floating -> bytes (B, C, H, W), channels last
    """
    x = x.float().contiguous(memory_format=torch.channels_last)
    low, high = (float(bound) for bound in torch.aminmax(x.permute(0, 2, 3, 1).flatten()))  # flat takes torch a twentieth of the time
    low, high = min(low, 0.0), max(high, 0.0)  # 0, which convolutions pad with, must be a level
    scale = max((high - low) / _LEVELS, 1e-12)
    zero = round(-low / scale)
    signed = torch.add(x.new_tensor(zero - 128.0), x, alpha=1 / scale).round_().to(torch.int8)  # torch is slow at making bytes without sign
    return signed.view(torch.uint8).bitwise_xor_(128), scale, zero


def int8_blocks(net: nn.Module) -> None:
    """Have the residual blocks of a network on the CPU computed in integers from now on."""
    for block, name, conv in _convs(net):
        block.register_module(name, Int8Conv2d(conv))


def float_blocks(net: nn.Module) -> None:
    """Undo `int8_blocks`."""
    found = [(block, name, conv) for block in net.modules() for name, conv in block.named_children() if isinstance(conv, Int8Conv2d)]
    for block, name, conv in found:
        block.register_module(name, conv.floating[0])


def suits_int8(net: nn.Module) -> bool:
    """Whether a network, as it is made, has anything that `int8_blocks` would turn to integers."""
    return bool(_convs(net))


def supports_int8() -> bool:
    """Whether the processor multiplies 8-bit integers in hardware (x86 with VNNI, of 512 or 256 bits) and torch makes use of it."""
    has: dict[str, object] = dict(getattr(torch.cpu, "get_capabilities", dict)())
    called = all(hasattr(torch.ops.onednn, name) for name in ("qconv_prepack", "qconv2d_pointwise"))
    return called and any(has.get(name, False) for name in ("avx512_vnni", "avx_vnni"))


def _convs(net: nn.Module) -> list[tuple[ResBlock, str, nn.Conv2d]]:
    blocks = [block for block in net.modules() if isinstance(block, ResBlock)]
    convs = [(block, name, conv) for block in blocks for name, conv in block.named_children() if isinstance(conv, nn.Conv2d)]
    return [(block, name, conv) for block, name, conv in convs if conv.in_channels >= FEWEST]
