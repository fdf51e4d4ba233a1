"""Pictures as the metrics take them: (B, C, H, W) in [0, 1], and the conversions that protocols ask for."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unblur.errors import InputError, ShapeError
from unblur.layers.check import check_shape
from unblur.pixels import rounded_to_8_bit, unit_range

__all__ = ["checked_pair", "crop_border", "from_uint8", "luma", "studio_luma", "to_8_bit"]

RANGE_SLACK = 1e-4
"""How far outside [0, 1] a sharp picture may lie: the error of single precision, far below one 8-bit level."""


def from_uint8(array: NDArray[np.uint8]) -> Tensor:
    """Turn 8-bit pictures, as image files hold them, into what the metrics take.

    Args:
        array: RGB levels 0 ... 255, one picture or several of the same size.

    Returns:
        The levels divided by 255, in double precision.

    Shape:
        (H, W, 3) -> (1, 3, H, W); (B, H, W, 3) -> (B, 3, H, W)

    Raises:
        ShapeError: if the last dimension is not 3, or there are not 3 or 4 dimensions.
        InputError: if the array is not of type uint8.

    Example:
        >>> from_uint8(np.full((4, 5, 3), 255, dtype=np.uint8)).shape
        torch.Size([1, 3, 4, 5])
    """
    if array.dtype != np.uint8:
        raise InputError(f"from_uint8 takes levels of type uint8, got {array.dtype}; divide other types by their own largest value")
    if array.ndim not in (3, 4) or array.shape[-1] != 3:
        raise ShapeError(f"from_uint8 takes an array (H, W, 3) or (B, H, W, 3), got {array.shape}")
    pictures = torch.from_numpy(np.ascontiguousarray(array.reshape(-1, *array.shape[-3:])))
    return unit_range(pictures.permute(0, 3, 1, 2), dtype=torch.float64)


def to_8_bit(pictures: Tensor) -> Tensor:
    """Clamp to [0, 1] and round to the nearest of the 256 levels of an 8-bit file, in double precision.

    Decided: ties go to the even level, as numpy and torch round. Public test code that casts to uint8 instead cuts
    the fraction off, which darkens the picture by half a level and costs about 0.03 dB at 33 dB.
    """
    return rounded_to_8_bit(pictures.to(torch.float64))


def crop_border(pictures: Tensor, border: int) -> Tensor:
    """Cut `border` pixels off each side.

    Raises:
        InputError: if `border` is negative.
        ShapeError: if nothing would be left.
    """
    if border < 0:
        raise InputError(f"border must not be negative, got {border}")
    height, width = pictures.shape[-2:]
    if 2 * border >= min(height, width):
        raise ShapeError(f"a border of {border} pixels leaves nothing of a picture of {height}x{width}")
    return pictures[..., border : height - border, border : width - border]


def luma(pictures: Tensor) -> Tensor:
    """Grey value 0.299 R + 0.587 G + 0.114 B, full range: what the Köhler benchmark measures on.

    Shape:
        (B, 3, H, W) -> (B, 1, H, W)

    Raises:
        ShapeError: if there are not three channels.
    """
    return _weighted(pictures, (0.299, 0.587, 0.114))


def studio_luma(pictures: Tensor) -> Tensor:
    """Y of BT.601 in studio range, 16/255 for black to 235/255 for white, as MATLAB's `rgb2ycbcr` defines it.

    Decided: Y is not rounded to a level again.

    Shape:
        (B, 3, H, W) -> (B, 1, H, W)

    Raises:
        ShapeError: if there are not three channels.
    """
    return (_weighted(pictures, (65.481, 128.553, 24.966)) + 16) / 255


def _weighted(pictures: Tensor, weights: tuple[float, float, float]) -> Tensor:
    check_shape(pictures, ("B", 3, "H", "W"), name="pictures")
    factors = torch.tensor(weights, dtype=torch.float64, device=pictures.device).view(1, 3, 1, 1)
    return (pictures.to(torch.float64) * factors).sum(1, keepdim=True)


def checked_pair(restored: Tensor, sharp: Tensor, *, name: str = "sharp") -> tuple[Tensor, Tensor]:
    """Check that two batches can be compared and return them on the CPU in double precision.

    `restored` may overshoot [0, 1], as the output of a network does; `sharp` may not, so that pictures in 0 ... 255
    are noticed. `name` is what messages call the second.

    Raises:
        ShapeError: if the two are not (B, C, H, W) of the same size.
        InputError: if either is not of a floating type or not finite, or if `sharp` leaves [0, 1].
    """
    for called, pictures in (("restored", restored), (name, sharp)):
        check_shape(pictures, ("B", "C", "H", "W"), name=called)
        if not pictures.is_floating_point():
            raise InputError(
                f"{called} must be of a floating type in [0, 1], got {pictures.dtype}; use metrics.from_uint8 for 8-bit levels"
            )
        if not pictures.isfinite().all():
            raise InputError(f"{called} holds NaN or infinite values, so no measure of it means anything; look at what produced it")
    if restored.shape != sharp.shape:
        raise ShapeError(f"restored and {name} must have the same shape, got {tuple(restored.shape)} and {tuple(sharp.shape)}")
    if not sharp.numel():
        raise ShapeError(f"restored and {name} hold no pixel: {tuple(sharp.shape)}")
    low, high = sharp.min().item(), sharp.max().item()
    if low < -RANGE_SLACK or high > 1 + RANGE_SLACK:
        raise InputError(f"{name} must lie in [0, 1], but holds {low:.4g} ... {high:.4g}; divide 8-bit levels by 255")
    return restored.detach().to("cpu", torch.float64), sharp.detach().to("cpu", torch.float64)
