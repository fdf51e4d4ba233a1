"""Similarity of gradient magnitudes: whether edges are as steep as in the reference, wherever they lie in brightness."""

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from unblur.metrics.pictures import checked_pair, luma

__all__ = ["gmsd"]

C = 170.0
"""Stabilising constant for levels 0 ... 255; Xue et al. 2014, section II.C."""


def gmsd(restored: Tensor, reference: Tensor) -> Tensor:
    """Gradient magnitude similarity deviation, of the grey picture at half its size; 0 for identical pictures, lower is better.

    With the gradient magnitudes m_r and m_d of reference and restored picture, by Prewitt's filters with taps ±1/3,

        GMS(p) = (2 m_r m_d + c) / (m_r² + m_d² + c),    GMSD = √( mean (GMS - mean GMS)² ).

    Source: Xue et al., "Gradient magnitude similarity deviation: a highly efficient perceptual image quality index", IEEE TIP 2014,
    eqs. (4), (5) and (7), c = 170 for levels 0 ... 255, after averaging 2x2 blocks. Where the paper is silent this follows the authors' program:
    zeros outside the picture, both for the blocks at an odd last row or column and for the gradients. Decided: RGB becomes 0.299 R +
    0.587 G + 0.114 B without rounding, and the deviation divides by N as in eq. (7), where the program divides by N - 1.

    Args:
        restored: what is measured; values beyond [0, 1] are taken as they are.
        reference: the sharp picture, in [0, 1].

    Returns:
        One value a picture, double precision, on the CPU.

    Shape:
        restored, reference (B, 3, H, W) -> (B,)

    Raises:
        ShapeError: if the two differ in shape, or there are not three channels.
        InputError: if a picture is not of a floating type or not finite, or `reference` leaves [0, 1].

    Example:
        >>> picture = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
        >>> gmsd(picture, picture)
        tensor([0.], dtype=torch.float64)
    """
    distorted, original = (_magnitudes(255 * luma(pictures)) for pictures in checked_pair(restored, reference, name="reference"))
    similarity = (2 * original * distorted + C) / (original.square() + distorted.square() + C)
    return similarity.flatten(1).std(1, correction=0)


def _magnitudes(levels: Tensor) -> Tensor:
    """Gradient magnitudes at half the size; (B, 1, H, W) -> (B, 1, ⌈H/2⌉, ⌈W/2⌉)."""
    height, width = levels.shape[-2:]
    even = pad(levels, (0, width % 2, 0, height % 2))
    halved = (even[..., ::2, ::2] + even[..., 1::2, ::2] + even[..., ::2, 1::2] + even[..., 1::2, 1::2]) / 4
    across = torch.tensor([[1.0, 0, -1]] * 3, dtype=levels.dtype) / 3
    gradients = conv2d(halved, torch.stack([across, across.T])[:, None], padding=1)
    return gradients.square().sum(1, keepdim=True).sqrt()
