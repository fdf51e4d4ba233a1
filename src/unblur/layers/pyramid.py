"""Image pyramids: the same picture at full, half, quarter, ... resolution, finest first.

Both ways of halving keep the picture's centre where it is (a coarse pixel lies in the middle of four fine ones), so that
they fit bilinear resizing without aligned corners and the 4x4 deconvolution, and both are made of means alone: a constant
stays that constant, and autocast leaves them in the input's precision.
"""

from collections.abc import Callable

from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, pad

from unblur.errors import ShapeError
from unblur.layers.check import check_multiple, check_shape

__all__ = ["area_halve", "double", "gaussian_halve", "pyramid"]


def gaussian_halve(image: Tensor) -> Tensor:
    """Halve a picture after smoothing it with the binomial kernel [1, 3, 3, 1] / 8 in both directions.

    Source: the Gaussian pyramid of Nah et al. (CVPR 2017), section 3.2.
    Decided: the binomial of four taps, because an even kernel keeps the centre; borders repeat.

    Shape:
        (B, C, H, W) -> (B, C, H/2, W/2)

    Raises:
        ShapeError: if the height or width is odd.
    """
    _check_even(image)
    smooth = avg_pool2d(avg_pool2d(pad(image, (1, 1, 1, 1), mode="replicate"), 2, stride=1), 2, stride=1)
    return avg_pool2d(smooth, 2)  # three means of two neighbours are [1, 3, 3, 1] / 8


def area_halve(image: Tensor) -> Tensor:
    """Halve a picture by the mean of each 2x2 square; bilinear resizing by 2 is the same.

    Shape:
        (B, C, H, W) -> (B, C, H/2, W/2)

    Raises:
        ShapeError: if the height or width is odd.
    """
    _check_even(image)
    return avg_pool2d(image, 2)


def double(image: Tensor) -> Tensor:
    """Double a picture or feature map bilinearly.

    Shape:
        (B, C, H, W) -> (B, C, 2H, 2W)
    """
    return interpolate(image, scale_factor=2, mode="bilinear", align_corners=False)


def pyramid(image: Tensor, *, levels: int, halve: Callable[[Tensor], Tensor] = gaussian_halve) -> list[Tensor]:
    """The picture and its repeated halvings, finest first.

    Args:
        image: the finest level.
        levels: number of pictures returned, at least 1.
        halve: how one level is made from the finer one.

    Shape:
        (B, C, H, W) -> list of (B, C, H/2^i, W/2^i), i = 0 ... levels - 1

    Raises:
        ValueError: if `levels` is below 1.
        ShapeError: if the height or width is not a multiple of 2^(levels - 1).

    Example:
        >>> import torch
        >>> [tuple(level.shape) for level in pyramid(torch.zeros(1, 3, 8, 12), levels=3)]
        [(1, 3, 8, 12), (1, 3, 4, 6), (1, 3, 2, 3)]
    """
    if levels < 1:
        raise ValueError(f"levels must be at least 1, got {levels}")
    check_shape(image, ("B", "C", "H", "W"), name="image")
    check_multiple(image, 2 ** (levels - 1), name="image")
    images = [image]
    while len(images) < levels:
        images.append(halve(images[-1]))
    return images


def _check_even(image: Tensor) -> None:
    height, width = image.shape[-2:]
    if height % 2 or width % 2:
        raise ShapeError(f"a picture to be halved must have even height and width, got {height}x{width}; pad it first")
