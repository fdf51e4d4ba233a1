"""Filters whose weights come from the input."""

from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

from unblur.layers.check import check_shape
from unblur.layers.portable import is_portable

__all__ = ["adaptive_filter", "dynamic_local_filter"]


def dynamic_local_filter(frames_features: Tensor, masks: Tensor, *, kernel_size: int) -> Tensor:
    """Sum the frames' features over a square around each position, each weighted by the mask at the position read.

    Source: thesis eq. (4-9), the dynamic local filtering layer (DLFL): Q = sum over d, n, m of F(d, x+n, y+m) M(d, x+n, y+m).
    Since the mask is read where the feature is, this is the box sum of the sum of F M over the frames: linear in the pixels,
    and each position is multiplied once, whatever the kernel. Positions outside the frame count 0. It learns nothing.

    Args:
        frames_features: aligned features of each frame.
        masks: sharpness of each position of each frame, warped as the features are.
        kernel_size: k = 2r + 1, odd.

    Shape:
        frames_features (B, N, C, H, W); masks (B, N, 1, H, W) -> (B, C, H, W)

    Raises:
        ShapeError: if the shapes do not fit.
        ValueError: if `kernel_size` is even or not positive.

    Example:
        >>> import torch
        >>> dynamic_local_filter(torch.ones(1, 2, 1, 1, 3), torch.full((1, 2, 1, 1, 3), 0.5), kernel_size=3)
        tensor([[[[2., 3., 2.]]]])
    """
    check_shape(frames_features, ("B", "N", "C", "H", "W"), name="frames_features")
    batch, frames, _, height, width = frames_features.shape
    check_shape(masks, (batch, frames, 1, height, width), name="masks")
    if kernel_size < 1 or kernel_size % 2 == 0:
        raise ValueError(f"kernel_size must be odd and positive, got {kernel_size}")
    weighted = (frames_features * masks).sum(dim=1)  # (B, C, H, W)
    if is_portable():  # exporters leave out the divisor without a word
        return kernel_size**2 * avg_pool2d(weighted, kernel_size, stride=1, padding=kernel_size // 2, count_include_pad=True)
    # With a divisor of 1 and zeros counted, average pooling is the sum over the square.
    return avg_pool2d(weighted, kernel_size, stride=1, padding=kernel_size // 2, count_include_pad=True, divisor_override=1)


def adaptive_filter(feat: Tensor, filters: Tensor, *, kernel_size: int) -> Tensor:
    """Filter every channel at every position with a kernel of its own.

    Source: Zhou et al. (ICCV 2019), the filter adaptive convolutional (FAC) layer:
    Q(c, x, y) = sum over n, m of F(c, x + n, y + m) K(c, n, m; x, y). Unlike in `dynamic_local_filter`, the weight belongs to
    the position that is written, not to the one that is read.
    Decided: the border is repeated, as in the authors' program; taps run row by row from the upper left.

    The taps are added one by one: side by side they would take k^2 times the memory of the features.

    Args:
        feat: what to filter.
        filters: kernels, the taps of channel 0 first, then those of channel 1, ...
        kernel_size: k, odd.

    Shape:
        feat (B, C, H, W); filters (B, C k^2, H, W) -> (B, C, H, W)

    Raises:
        ShapeError: if the shapes do not fit.
        ValueError: if `kernel_size` is even or not positive.

    Example:
        >>> import torch
        >>> shift = torch.zeros(1, 9, 1, 3)
        >>> shift[:, 5] = 1  # the tap to the right of the middle
        >>> adaptive_filter(torch.arange(3.0).view(1, 1, 1, 3), shift, kernel_size=3)
        tensor([[[[1., 2., 2.]]]])
    """
    if kernel_size < 1 or kernel_size % 2 == 0:
        raise ValueError(f"kernel_size must be odd and positive, got {kernel_size}")
    check_shape(feat, ("B", "C", "H", "W"), name="feat")
    batch, channels, height, width = feat.shape
    check_shape(filters, (batch, channels * kernel_size**2, height, width), name="filters")
    taps = filters.view(batch, channels, kernel_size**2, height, width).unbind(dim=2)
    reach = kernel_size // 2
    framed = pad(feat, (reach, reach, reach, reach), mode="replicate")
    read = (framed[:, :, row : row + height, column : column + width] for row in range(kernel_size) for column in range(kernel_size))
    filtered = next(read) * taps[0]
    for tap, pixels in zip(taps[1:], read, strict=True):
        filtered = filtered + pixels * tap
    return filtered
