"""Fine detail: how much a restored picture has, and how much of it is that of the reference.

PSNR prefers a soft picture to one with detail in a slightly wrong place, and sees neither ringing nor invented texture as such. Here both
are told apart: the contrast of the finest detail, which sharpening and noise raise, and its coherent part, which only the right detail raises.
"""

from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unblur.metrics.pictures import checked_pair, luma

__all__ = ["WINDOW", "Detail", "detail"]

Plane = NDArray[np.float64]
"""One channel, (H, W)."""

TAPS = np.array([1, 4, 6, 4, 1], dtype=np.float64) / 16
"""Low-pass filter of the pyramid; Burt and Adelson 1983, section II, a = 3/8."""

OCTAVES = 2

WINDOW = 15
"""Side of the windows in which detail is compared, pixels."""

LEAST = 1e-10
"""Root mean square of bands below which a reference has no detail: rounding of a constant picture makes as much."""


class Detail(NamedTuple):
    """Result of `detail`.

    Attributes:
        ratio: contrast of the restored picture's fine detail over that of the reference; below 1 soft, above 1 noisy or ringing; (B,).
        coherent: part of the reference's fine detail that the restored picture shows, at most 1 and at most `ratio`; (B,).
    """

    ratio: Tensor
    coherent: Tensor


def detail(restored: Tensor, reference: Tensor) -> Detail:
    """Contrast of the finest two octaves of the grey picture over that of the reference, and its coherent part.

    With r_b and s_b, the bands b = 0, 1 of the Laplacian pyramid of restored picture and reference (Burt and Adelson, "The Laplacian pyramid
    as a compact image code", 1983), without subsampling, so that the position in the grid does not matter; and with ⟨·⟩_w, the mean over the
    window of 15x15 pixels around each pixel w,

        ratio    = √( Σ_b Σ_w ⟨r_b²⟩_w  /  Σ_b Σ_w ⟨s_b²⟩_w ),
        coherent = Σ_b Σ_w min(a_bw, 1) ⟨s_b²⟩_w  /  Σ_b Σ_w ⟨s_b²⟩_w,    a_bw = ⟨r_b s_b⟩_w / ⟨s_b²⟩_w.

    a_bw is the coefficient of the linear regression of the restored band on the reference's in that window: the contrast with which the
    reference's detail is there. What does not correlate with the reference, as noise, ringing and invented texture, does not change
    its expectation. Limited to 1, what is exaggerated in one place, as in halos, does not make up for what is missing in
    another; because of that limit, noise lowers the coherent part a little. Detail of reversed contrast, as strong blur causes, counts against it.

    Both are on the scale of contrast, the root of energy: a restored picture whose detail is half as strong has 0.5 and 0.5. Both are the same if
    both pictures are multiplied by the same factor. A shift of a pixel makes the finest detail incoherent: read this beside `shifted_psnr`.

    Decided: grey is 0.299 R + 0.587 G + 0.114 B; pictures and windows are mirrored at the border, without repeating its pixels.

    Args:
        restored: what is measured; values beyond [0, 1] are taken as they are.
        reference: the sharp picture, in [0, 1].

    Returns:
        Both for each picture, double precision, on the CPU; NaN where the reference has no detail.

    Shape:
        restored, reference (B, 3, H, W) -> (B,), (B,)

    Raises:
        ShapeError: if the two differ in shape, or there are not three channels.
        InputError: if a picture is not of a floating type or not finite, or `reference` leaves [0, 1].

    Example:
        >>> picture = torch.rand(1, 3, 20, 20, generator=torch.Generator().manual_seed(0))
        >>> detail(picture, picture).coherent
        tensor([1.], dtype=torch.float64)
    """
    restored, reference = (luma(pictures) for pictures in checked_pair(restored, reference, name="reference"))
    found = [_compare(r[0].numpy(), s[0].numpy()) for r, s in zip(restored, reference, strict=True)]
    return Detail(*(torch.tensor(values, dtype=torch.float64) for values in zip(*found, strict=True)))


def _compare(restored: Plane, reference: Plane) -> tuple[float, float]:
    own = whole = coherent = 0.0
    for r, s in zip(_bands(restored), _bands(reference), strict=True):
        energy = _window_means(s * s)
        own += float(_window_means(r * r).sum())
        whole += float(energy.sum())
        coherent += float(np.minimum(_window_means(r * s), energy).sum())
    known = whole > LEAST**2 * reference.size
    return (float(np.sqrt(own / whole)), coherent / whole) if known else (float("nan"), float("nan"))


def _bands(plane: Plane) -> list[Plane]:
    """Bands of the Laplacian pyramid at full size, the finest first."""
    bands: list[Plane] = []
    for octave in range(OCTAVES):
        taps = np.zeros((len(TAPS) - 1) * 2**octave + 1)
        taps[:: 2**octave] = TAPS
        low = np.asarray(cv2.sepFilter2D(plane, cv2.CV_64F, taps, taps, borderType=cv2.BORDER_REFLECT_101), dtype=np.float64)
        bands.append(plane - low)
        plane = low
    return bands


def _window_means(plane: Plane) -> Plane:
    return np.asarray(cv2.boxFilter(plane, cv2.CV_64F, (WINDOW, WINDOW), borderType=cv2.BORDER_REFLECT_101), dtype=np.float64)
