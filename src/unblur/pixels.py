"""Values of pictures: integers of 8 and 16 bit over their whole range, and floats in [0, 1]; as arrays and as tensors.

Everywhere, black is 0 and white is the largest value of an integer type, or 1. What becomes an integer is clamped and rounded to the nearest,
ties to the even one. Colours come last in arrays, (H, W, C), and first in tensors, (C, H, W).
"""

import math
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from unblur.errors import ShapeError

if TYPE_CHECKING:  # file handling works without torch, which takes a second to import
    import torch
    from torch import Tensor

__all__ = [
    "as_8_bit",
    "as_16_bit",
    "linear_of_srgb",
    "peak_value",
    "rounded_to_8_bit",
    "srgb_of_linear",
    "to_float",
    "to_levels",
    "to_pixels",
    "to_rgb",
    "to_tensor",
    "unit_range",
]

Value = TypeVar("Value", bound=np.generic)

_STEP = 257  # 65535 / 255
_BLOCK = 1 << 20  # values that are converted at a time, so that no second copy of a whole picture is needed


def peak_value(dtype: np.dtype[Any] | type[np.generic]) -> float:
    """The value that is white: the largest of integers, 1 of floats."""
    return float(np.iinfo(dtype).max) if np.issubdtype(dtype, np.integer) else 1.0


def to_float(picture: NDArray[Any]) -> NDArray[np.float32]:
    """Levels as floats in [0, 1], single precision; floats are only converted to it.

    Example:
        >>> to_float(np.array([0, 51, 255], np.uint8)).tolist()
        [0.0, 0.20000000298023224, 1.0]
    """
    return picture.astype(np.float32) / np.float32(peak_value(picture.dtype))


def to_levels(values: NDArray[Any], dtype: np.dtype[Value] | type[Value]) -> NDArray[Value]:
    """Floats clamped to [0, 1], and for integers rounded to the levels of their type.

    Example:
        >>> to_levels(np.array([-0.5, 0.499 / 255, 0.501 / 255, 1.5]), np.uint8).tolist()
        [0, 0, 1, 255]
    """
    clamped = np.clip(values, 0, 1)
    return (np.round(clamped * peak_value(dtype)) if np.issubdtype(dtype, np.integer) else clamped).astype(dtype, copy=False)


def as_8_bit(picture: NDArray[Any]) -> NDArray[np.uint8]:
    """Levels of 16 bit and floats rounded to the nearest of 8 bit; those of 8 bit are given back as they are.

    Example:
        >>> as_8_bit(np.array([[0, 128, 129, 65535]], np.uint16)).tolist()
        [[0, 0, 1, 255]]
    """
    if picture.dtype == np.uint8:
        return picture
    if picture.dtype != np.uint16:
        return to_levels(picture, np.uint8)
    reduced = np.empty(picture.shape, np.uint8)
    rows = max(1, _BLOCK // max(1, math.prod(picture.shape[1:])))
    for top in range(0, len(picture), rows):
        reduced[top : top + rows] = (picture[top : top + rows].astype(np.uint32) + _STEP // 2) // _STEP
    return reduced


def as_16_bit(picture: NDArray[Any]) -> NDArray[np.uint16]:
    """Levels of 8 bit as the equal ones of 16 bit, and floats rounded to them; those of 16 bit are given back as they are."""
    if picture.dtype == np.uint8:
        return picture.astype(np.uint16) * np.uint16(_STEP)
    return picture if picture.dtype == np.uint16 else to_levels(picture, np.uint16)


def srgb_of_linear(light: NDArray[Any]) -> NDArray[np.float32]:
    """The transfer function of sRGB (IEC 61966-2-1), of linear light in [0, 1].

    Example:
        >>> srgb_of_linear(np.array([0, 0.2140411, 1], np.float32)).round(4).tolist()
        [0.0, 0.5, 1.0]
    """
    curve = 1.055 * np.maximum(light, 0.0031308) ** (1 / 2.4) - 0.055
    return np.where(light <= 0.0031308, 12.92 * light, curve).astype(np.float32, copy=False)


def linear_of_srgb(values: NDArray[Any]) -> NDArray[np.float32]:
    """The inverse of `srgb_of_linear`."""
    curve = ((np.maximum(values, 0.04045) + 0.055) / 1.055) ** 2.4
    return np.where(values <= 0.04045, values / 12.92, curve).astype(np.float32, copy=False)


def to_rgb(picture: NDArray[Value]) -> NDArray[Value]:
    """A picture with three channels: grey is repeated, opacity left out. A view of the same memory, read-only if grey.

    Shape:
        (H, W) or (H, W, 1 to 4) -> (H, W, 3)

    Raises:
        ShapeError: if it has another shape.
    """
    channels = picture[..., None] if picture.ndim == 2 else picture
    if channels.ndim != 3 or not 1 <= channels.shape[2] <= 4:
        raise ShapeError(f"a picture must be (H, W) or (H, W, C) with 1 to 4 channels, got {picture.shape}")
    return channels[..., :3] if channels.shape[2] >= 3 else np.broadcast_to(channels[..., :1], (*channels.shape[:2], 3))


def to_tensor(picture: NDArray[Any], device: "torch.device | str" = "cpu") -> "Tensor":
    """A picture as a batch of one in [0, 1], single precision, channels last in memory.

    Shape:
        (H, W, 1 or 3) -> (1, 3, H, W)
    """
    import torch

    peak = peak_value(picture.dtype)
    if picture.dtype == np.uint16:
        picture = picture.astype(np.int32)  # torch does little with uint16
    picture = np.ascontiguousarray(picture)
    levels = torch.from_numpy(picture if picture.flags.writeable else picture.copy()).to(device)  # torch warns of what is read-only
    return (levels.float() / peak).permute(2, 0, 1)[None].expand(1, 3, -1, -1).contiguous(memory_format=torch.channels_last)


def to_pixels(picture: "Tensor", dtype: np.dtype[Value] | type[Value]) -> NDArray[Value]:
    """A tensor clamped to [0, 1] as an array on the processor, for integers rounded to the levels of their type: 8 or 16 bit.

    Shape:
        (C, H, W) -> (H, W, C)
    """
    import torch

    values = picture.clamp(0, 1).permute(1, 2, 0)
    if np.issubdtype(dtype, np.integer):
        values = values.mul(peak_value(dtype)).round_().to(torch.uint8 if np.dtype(dtype) == np.uint8 else torch.int32)
    return values.cpu().numpy().astype(dtype, copy=False)


def unit_range(levels: "Tensor", *, dtype: "torch.dtype | None" = None) -> "Tensor":
    """Levels of 8 bit as floats in [0, 1] on the same device, of any shape; floats are only converted.

    Args:
        levels: bytes or floats.
        dtype: of the result, single precision by default.
    """
    import torch

    values = levels.to(dtype or torch.float32)
    return values if levels.is_floating_point() else values / 255


def rounded_to_8_bit(pictures: "Tensor") -> "Tensor":
    """Floats clamped to [0, 1] and rounded to the nearest of the 256 levels of 8 bit; they stay floats in [0, 1]."""
    return (pictures.clamp(0, 1) * 255).round() / 255
