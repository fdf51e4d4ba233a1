"""Channel concatenation with the memory layout and precision that convolutions on CPUs are fastest with."""

import torch
from torch import Tensor

__all__ = ["compute_dtype", "concatenate"]


def concatenate(*parts: Tensor) -> Tensor:
    """Concatenate channels as the convolution that follows will read them: channels last, in the precision of autocast.

    The values are those of `torch.cat`, with one copy of each part in place of three: concatenation in single precision, the change of layout, and rounding.

    Args:
        parts: of one height and width, any precision and layout; without autocast, the first one decides the precision.

    Shape:
        (B, C_i, H, W) each -> (B, ΣC_i, H, W), channels last
    """
    dtype = compute_dtype(parts[0])
    rows = [part.to(dtype).permute(0, 2, 3, 1).contiguous() for part in parts]  # (B, H, W, C_i)
    return torch.cat(rows, dim=3).permute(0, 3, 1, 2)


def compute_dtype(x: Tensor) -> torch.dtype:
    """The precision in which a convolution would read `x` here: that of autocast where it is on, else its own; float64 stays float64."""
    device = x.device.type
    lower = torch.is_autocast_enabled(device) and x.dtype != torch.float64
    return torch.get_autocast_dtype(device) if lower else x.dtype
