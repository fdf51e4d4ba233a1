"""Structural similarity in the forms that deblurring papers print, which differ by more than many papers' gains.

| function | window | border | colour | who prints it |
|---|---|---|---|---|
| `ssim` | 11x11 Gaussian, σ 1.5 | 5 pixels cut | mean over channels | scikit-image with Wang's settings |
| `ssim_3d` | 11x11x11 Gaussian, σ 1.5 | replicated | the channels are the third axis of a volume | MATLAB's `ssim` on an RGB array |
| `ssim_y` | as `ssim` | as `ssim` | Y of BT.601 in studio range | super-resolution; for reference only |
| `ms_ssim` | as `ssim`, at five scales | as `ssim` | grey | Köhler's benchmark, as MSSIM |

All of them work in double precision on the CPU: variances come from differences of nearly equal numbers. Gaussian
windows are separable and run as two passes.

Sources: Wang et al., "Image quality assessment: from error visibility to structural similarity", 2004, eq. (13);
Wang et al., "Multi-scale structural similarity for image quality assessment", 2003, eq. (7).
"""

from collections.abc import Callable
from typing import Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unblur.errors import InputError, ShapeError
from unblur.layers.check import check_shape
from unblur.metrics.pictures import checked_pair, luma, studio_luma

__all__ = ["ms_ssim", "ssim", "ssim_3d", "ssim_y"]

Planes = NDArray[np.float64]
"""One picture as (H, W, C)."""

RADIUS = 5
WINDOW = 2 * RADIUS + 1
SIGMA = 1.5
C1, C2 = 0.01**2, 0.03**2
"""Stabilising constants (K L)² for a range L of 1; Wang et al. 2004, section III.C."""

SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of the five scales, finest first; Wang et al. 2003, section 3.2."""

LOW_PASS_9_7 = (0.037828455507260, -0.023849465019560, -0.110624404418440, 0.377402855612830, 0.852698679008890)
"""First half, up to the centre, of the analysis low-pass filter of the biorthogonal 9/7 wavelet."""


def ssim(restored: Tensor, sharp: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """Structural similarity with an 11x11 Gaussian window, averaged over channels.

    Source: Wang et al. 2004, eq. (13). Equal to scikit-image's `structural_similarity` with `gaussian_weights=True,
    sigma=1.5, use_sample_covariance=False, channel_axis=-1, data_range=1`, including its crop of 5 pixels a side.

    Args:
        restored: what is measured; values beyond [0, 1] are taken as they are.
        sharp: the truth, in [0, 1].
        mask: 1 where a position counts, 0 where not; positions are those of the window's centre. The pictures have
            to be equal outside it (`align` sets them to 0 there), because windows reach across its edge.

    Returns:
        One value a picture, at most 1, double precision, on the CPU. NaN if no position counts.

    Shape:
        restored, sharp (B, C, H, W), H and W at least 11; mask (B, 1, H, W) -> (B,)

    Raises:
        ShapeError: if the shapes do not fit each other, or a side is shorter than the window.
        InputError: if a picture is not of a floating type or not finite, or if `sharp` leaves [0, 1].

    Example:
        >>> picture = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
        >>> ssim(picture, picture)
        tensor([1.], dtype=torch.float64)
    """
    return _mean_over_pictures(restored, sharp, mask, _blur, crop=RADIUS)


def ssim_3d(restored: Tensor, sharp: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """Structural similarity of the H x W x C array as a volume, with an 11x11x11 Gaussian window.

    What MATLAB's `ssim(restored, sharp)` computes for an RGB array unless told that it has colours. With three
    channels and a window of eleven, replicate padding makes most of the window repeat the first and last channel.

    Args:
        restored: what is measured; values beyond [0, 1] are taken as they are.
        sharp: the truth, in [0, 1].
        mask: as for `ssim`. Decided: it is applied as there, no source combines the two.

    Returns:
        One value a picture, at most 1, double precision, on the CPU. NaN if no position counts.

    Shape:
        restored, sharp (B, C, H, W) of any size; mask (B, 1, H, W) -> (B,)

    Raises:
        ShapeError: if the shapes do not fit each other.
        InputError: if a picture is not of a floating type or not finite, or if `sharp` leaves [0, 1].
    """
    check_shape(sharp, ("B", "C", "H", "W"), name="sharp")
    mix = _channel_mix(sharp.shape[1])

    def blur(planes: Planes) -> Planes:
        return _separable(planes, _gaussian(), border=cv2.BORDER_REPLICATE) @ mix

    return _mean_over_pictures(restored, sharp, mask, blur, crop=0)


def ssim_y(restored: Tensor, sharp: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """`ssim` of the Y channel of BT.601 in studio range; for reference, no deblurring paper should be compared by it.

    Decided: the dynamic range stays 1 (255 levels) although Y spans only 219 of them, as in super-resolution code.

    Args:
        restored: what is measured.
        sharp: the truth, in [0, 1].
        mask: as for `ssim`.

    Returns:
        One value a picture, at most 1, double precision, on the CPU.

    Shape:
        restored, sharp (B, 3, H, W), H and W at least 11; mask (B, 1, H, W) -> (B,)

    Raises:
        ShapeError: if the shapes do not fit each other, or a side is shorter than the window.
        InputError: if a picture is not of a floating type or not finite, or if `sharp` leaves [0, 1].
    """
    restored, sharp = checked_pair(restored, sharp)
    return ssim(studio_luma(restored), studio_luma(sharp), mask=mask)


def ms_ssim(restored: Tensor, sharp: Tensor, *, form: Literal["wang", "metrix"] = "wang") -> Tensor:
    """Multi-scale structural similarity over five scales, of the grey picture.

    Source: Wang et al. 2003, eq. (7). Two programs compute it, and they disagree in the third digit:

    - `wang`: scales by averaging 2x2 blocks; contrast and structure are one map a scale, averaged once.
    - `metrix`: the MeTriX MuX package, which the Köhler benchmark calls MSSIM. It scales by the 9/7 wavelet's
      low-pass filter and every second pixel, and averages luminance, contrast and structure each on their own.

    Decided: RGB becomes 0.299 R + 0.587 G + 0.114 B first in both forms (MeTriX MuX does, Wang's paper is grey).
    A mean that is negative, which a fractional exponent cannot take, counts as 0. Windows that leave the picture do
    not count at any scale.

    Args:
        restored: what is measured; values beyond [0, 1] are taken as they are.
        sharp: the truth, in [0, 1].
        form: which program's definition.

    Returns:
        One value a picture, in [0, 1], double precision, on the CPU.

    Shape:
        restored, sharp (B, 3, H, W), H and W at least 161, so that the coarsest scale holds a window -> (B,)

    Raises:
        ShapeError: if the shapes differ, there are not three channels, or a side is too short.
        InputError: if a picture is not of a floating type or not finite, if `sharp` leaves [0, 1], or if there is no such form.
    """
    if form not in ("wang", "metrix"):
        raise InputError(f"ms_ssim has the forms 'wang' and 'metrix', not {form!r}")
    restored, sharp = checked_pair(restored, sharp)
    restored, sharp = luma(restored), luma(sharp)
    coarsest = min(_halved(side, times=len(SCALE_WEIGHTS) - 1) for side in sharp.shape[-2:])
    if coarsest < WINDOW:
        raise ShapeError(f"ms_ssim needs height and width of at least 161, got {sharp.shape[-2]}x{sharp.shape[-1]}")
    one = _wang if form == "wang" else _metrix
    return torch.tensor([one(_planes(r), _planes(s)) for r, s in zip(restored, sharp, strict=True)], dtype=torch.float64)


def _mean_over_pictures(restored: Tensor, sharp: Tensor, mask: Tensor | None, blur: Callable[[Planes], Planes], *, crop: int) -> Tensor:
    """SSIM of each picture of a batch: the mean of its map without `crop` positions at each side."""
    restored, sharp = checked_pair(restored, sharp)
    batch, _, height, width = sharp.shape
    if min(height, width) <= 2 * crop:
        raise ShapeError(f"this form of ssim needs height and width of at least {2 * crop + 1}, got {height}x{width}")
    if mask is not None:
        check_shape(mask, (batch, 1, height, width), name="mask")
    inner = np.s_[crop : height - crop, crop : width - crop]
    means = []
    for i in range(batch):
        luminance, contrast_structure = _terms(_planes(restored[i]), _planes(sharp[i]), blur)
        similarity = (luminance * contrast_structure)[inner].mean(axis=2)
        weights = None if mask is None else mask[i, 0].to("cpu", torch.float64).numpy()[inner]
        if weights is None:
            means.append(float(similarity.mean()))
        else:
            total = float(weights.sum())
            means.append(float((similarity * weights).sum()) / total if total else float("nan"))
    return torch.tensor(means, dtype=torch.float64)


def _moments(x: Planes, y: Planes, blur: Callable[[Planes], Planes]) -> tuple[Planes, Planes, Planes, Planes, Planes]:
    """Local means of both, their variances, and their covariance."""
    mean_x, mean_y = blur(x), blur(y)
    return mean_x, mean_y, blur(x * x) - mean_x * mean_x, blur(y * y) - mean_y * mean_y, blur(x * y) - mean_x * mean_y


def _terms(x: Planes, y: Planes, blur: Callable[[Planes], Planes]) -> tuple[Planes, Planes]:
    """The two factors of SSIM: luminance, and contrast times structure."""
    mean_x, mean_y, var_x, var_y, covariance = _moments(x, y, blur)
    return _luminance(mean_x, mean_y), (2 * covariance + C2) / (var_x + var_y + C2)


def _luminance(mean_x: Planes, mean_y: Planes) -> Planes:
    return (2 * mean_x * mean_y + C1) / (mean_x * mean_x + mean_y * mean_y + C1)


def _wang(x: Planes, y: Planes) -> float:
    product = 1.0
    for scale, weight in enumerate(SCALE_WEIGHTS):
        if scale:
            x, y = _block_means(x), _block_means(y)
        luminance, similarity = _terms(x, y, _blur)
        if scale == len(SCALE_WEIGHTS) - 1:
            similarity = luminance * similarity
        product *= _power(_inside(similarity), weight)
    return product


def _metrix(x: Planes, y: Planes) -> float:
    half = np.array(LOW_PASS_9_7)
    low_pass = np.concatenate([half, half[-2::-1]])
    low_pass /= low_pass.sum()
    product = 1.0
    for scale, weight in enumerate(SCALE_WEIGHTS):
        if scale:
            x, y = (_separable(p, low_pass, border=cv2.BORDER_REFLECT)[::2, ::2] for p in (x, y))
        mean_x, mean_y, var_x, var_y, covariance = _moments(x, y, _blur)
        deviations = np.sqrt(np.maximum(var_x, 0) * np.maximum(var_y, 0))
        contrast = (2 * deviations + C2) / (var_x + var_y + C2)
        structure = (covariance + C2 / 2) / (deviations + C2 / 2)
        product *= _power(_inside(contrast), weight) * _power(_inside(structure), weight)
        if scale == len(SCALE_WEIGHTS) - 1:
            product *= _power(_inside(_luminance(mean_x, mean_y)), weight)
    return product


def _power(mean: float, weight: float) -> float:
    return float(max(mean, 0.0) ** weight)


def _inside(values: Planes) -> float:
    """Mean over the positions whose window lies within the picture."""
    return float(values[RADIUS:-RADIUS, RADIUS:-RADIUS].mean())


def _halved(side: int, *, times: int) -> int:
    for _ in range(times):
        side = (side + 1) // 2
    return side


def _block_means(planes: Planes) -> Planes:
    """Means of 2x2 blocks; an odd last row or column is paired with itself."""
    height, width, _ = planes.shape
    even = np.pad(planes, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4


def _gaussian() -> NDArray[np.float64]:
    taps = np.exp(-(np.arange(-RADIUS, RADIUS + 1) ** 2) / (2 * SIGMA**2))
    return np.asarray(taps / taps.sum(), dtype=np.float64)


def _blur(planes: Planes) -> Planes:
    # Positions within 5 pixels of the border are cut afterwards, so the kind of border does not matter.
    return _separable(planes, _gaussian(), border=cv2.BORDER_REFLECT)


def _separable(planes: Planes, taps: NDArray[np.float64], *, border: int) -> Planes:
    filtered = cv2.sepFilter2D(np.ascontiguousarray(planes), cv2.CV_64F, taps, taps, borderType=border)
    return np.asarray(filtered, dtype=np.float64).reshape(planes.shape)  # OpenCV drops a single channel's axis


def _channel_mix(channels: int) -> NDArray[np.float64]:
    """The window's pass along the channels, with replicate padding, as a matrix that acts from the right."""
    mix = np.zeros((channels, channels))
    for centre in range(channels):
        for offset, tap in zip(range(-RADIUS, RADIUS + 1), _gaussian(), strict=True):
            mix[min(max(centre + offset, 0), channels - 1), centre] += tap
    return mix


def _planes(picture: Tensor) -> Planes:
    return np.asarray(picture.permute(1, 2, 0).contiguous().numpy(), dtype=np.float64)
