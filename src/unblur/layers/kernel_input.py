"""What a blur kernel is estimated from: windows of linear light of usual contrast, without the pixels that a saturated sensor spoils.

Sources: that saturated pixels contradict every kernel, Cho, Wang and Lee, "Handling Outliers in Non-Blind Image Deconvolution" (ICCV 2011), and
Whyte, Sivic and Zisserman, "Deblurring Shaken and Partially Saturated Images" (IJCV 2014). Decided here: a binary mask grown by the reach of the kernel, and
contrast normalisation, since the search counts gradients above an absolute threshold.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, max_pool2d, pad

__all__ = ["normalise_contrast", "unsaturated"]

_BLOCK = 2  # side of the squares that are saturated throughout where light was clipped, pixels
_CELL = 16  # side of the cells over which masked places are filled, pixels
_PRIOR = 0.02  # weight of the window's mean beside the mean of the cells nearby
_CONTRAST = 0.2  # standard deviation of linear light to which low-contrast windows are raised
_MAX_GAIN = 8.0  # largest factor on the contrast
_EPSILON = 1e-7  # smallest standard deviation


def unsaturated(light: Tensor, *, white_level: float, reach: int) -> Tensor:
    """Mask: 0 within `reach` of clipped highlights, else 1.

    A lamp brighter than the sensor's white level blurs into a streak that is as white as the lamp, which no kernel explains. A highlight counts as clipped where two
    of three channels are at the white level in a whole square of 2x2 pixels; smaller ones are mostly no brighter than they look.

    Args:
        light: windows in linear light.
        white_level: light from which on the sensor may have clipped.
        reach: pixels over which the blur carries light, in each direction.

    Shape:
        (N, 3, H, W) -> (N, H, W)
    """
    red, green, blue = light[:, None].unbind(2)  # (N, 1, H, W) each
    lower, upper = torch.minimum(red, green), torch.maximum(red, green)
    median = torch.maximum(lower, torch.minimum(upper, blue))  # of three values, in a twentieth of the time of `median`
    below = max_pool2d((median < white_level).to(light.dtype), _BLOCK, stride=_BLOCK, ceil_mode=True)  # (N, 1, H/2, W/2)
    clipped, side = 1 - below, 2 * math.ceil((reach + _BLOCK) / _BLOCK) + 1
    for window in ((side, 1), (1, side)):  # a separable dilation
        clipped = max_pool2d(clipped, window, stride=1, padding=(window[0] // 2, window[1] // 2))
    return 1 - interpolate(clipped, scale_factor=float(_BLOCK), mode="nearest")[:, 0, : light.shape[-2], : light.shape[-1]]


def normalise_contrast(light: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """Windows scaled to a standard deviation of at least 0.2, by a factor of at most 8, with masked places filled smoothly.

    Without the filling, the border of the mask would be an edge. Windows of higher contrast are not changed.

    Args:
        light: windows in linear light, one channel.
        mask: weight of each pixel in [0, 1], see `unsaturated`; 1 everywhere by default.

    Shape:
        (N, H, W), (N, H, W) -> (N, H, W)
    """
    weight = torch.ones_like(light[:1]) if mask is None else mask
    total = weight.sum((1, 2), keepdim=True).clamp_min(1)
    mean = (light * weight).sum((1, 2), keepdim=True) / total
    deviation = (((light - mean).square() * weight).sum((1, 2), keepdim=True) / total).sqrt()
    light = light if mask is None else _fill(light, mask, mean)
    return light * (_CONTRAST / deviation.clamp_min(_EPSILON)).clamp(1.0, _MAX_GAIN)


def _fill(light: Tensor, mask: Tensor, mean: Tensor) -> Tensor:
    """Replace masked places by the weighted mean of the 5x5 cells around them, and by `mean` (N, 1, 1) where little is left there."""
    extra = [-side % _CELL for side in light.shape[-2:]]
    both = pad(torch.stack([light * mask, mask], dim=1), (0, extra[1], 0, extra[0]), mode="replicate")
    cells = avg_pool2d(both, _CELL)  # (N, 2, H/16, W/16)
    local, weight = avg_pool2d(cells, 5, stride=1, padding=2).chunk(2, dim=1)
    local = (local + _PRIOR * mean[:, None]) / (weight + _PRIOR)
    kept = (2 * cells[:, 1:] - 1).clamp_min(0)  # 0 in cells of which half is masked
    fine = interpolate(torch.cat([local, kept], dim=1), scale_factor=float(_CELL), mode="bilinear", align_corners=False)
    local, kept = fine[..., : light.shape[-2], : light.shape[-1]].unbind(1)
    return torch.lerp(local, light, kept * mask)
