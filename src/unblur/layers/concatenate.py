"""Channels brought together for a convolution."""

import torch
from torch import Tensor

__all__ = ["compute_dtype", "concatenate"]


def concatenate(*parts: Tensor) -> Tensor:
    """Concatenate channels as the convolution that follows will read them: channels last, in the precision of autocast.

    The values that the convolution finds are those that it would have found, but that which is long is not copied three times: put together
    in single precision, in whatever layout one short part happened to have, then laid out anew, then rounded.

    Args:
        parts: of one size, any precision and layout; the first says the precision where there is no autocast.

    Shape:
        (B, C_i, H, W) each -> (B, ΣC_i, H, W), channels last
    """
    dtype = compute_dtype(parts[0])
    rows = [part.to(dtype).permute(0, 2, 3, 1).contiguous() for part in parts]  # (B, H, W, C_i)
    return torch.cat(rows, dim=3).permute(0, 3, 1, 2)


def compute_dtype(x: Tensor) -> torch.dtype:
    """In which a convolution would read `x` here: the precision of autocast where that is on, else its own; doubles stay doubles."""
    device = x.device.type
    lower = torch.is_autocast_enabled(device) and x.dtype != torch.float64
    return torch.get_autocast_dtype(device) if lower else x.dtype
