"""Bring a restored picture onto the truth before measuring, as two benchmarks do.

The camera of the truth and that of the blurry picture never stood in exactly the same place (RealBlur), or the sharp
picture could be any moment of the exposure (Köhler). Both benchmarks first scale the restored picture's intensity by
the factor that fits the truth best, Σ sharp·restored / Σ restored², then move it: RealBlur by a homography, Köhler by
whole pixels. What is returned is not clamped to [0, 1], because neither benchmark clamps.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unblur.errors import ShapeError
from unblur.layers.check import check_shape
from unblur.metrics.pictures import checked_pair

__all__ = ["Aligned", "align_homography", "align_translation"]

ITERATIONS = 100
SMOOTHING = 5
"""Side of the Gaussian filter, pixels, by which ECC smooths its gradients."""

ROUND = 5
SETTLED = 1e-3
"""The search has ended when a round of steps moves no corner of the picture by more than this, pixels."""

LEAST_COVERAGE = 0.5
"""Part of the truth that an aligned picture must cover; below it the search has run away."""


@dataclass(frozen=True)
class Aligned:
    """A restored picture on the truth's grid.

    Attributes:
        restored: intensity scaled, moved, 0 where the truth is not covered; (1, 3, H, W), double precision.
        sharp: the truth, 0 where it is not covered; (1, 3, H, W).
        mask: 1 where the truth is covered, else 0; (1, 1, H, W).
        scale: factor by which the intensity was multiplied.
        transform: maps truth positions (x, y, 1) to restored positions; (3, 3).
        found: whether an alignment was found; if not, `transform` is the identity.
    """

    restored: Tensor
    sharp: Tensor
    mask: Tensor
    scale: float
    transform: Tensor
    found: bool


def align_homography(restored: Tensor, sharp: Tensor, *, iterations: int = ITERATIONS) -> Aligned:
    """Scale the intensity, then find the homography that maximises the correlation coefficient (ECC).

    Source: the public evaluation of RealBlur (Rim et al. 2020): `cv2.findTransformECC` on the grey pictures, 100
    iterations without early stop, gradients smoothed by 5x5; cubic sampling; positions outside the restored picture
    are masked. Descendants of that script stop early and smooth by 3x3; this follows the original.
    Decided: steps that move nothing any more are left out. The search goes in rounds, whose steps are those of one
    long search to the bit, and ends with one that moves no corner by 1/1000 pixel, mostly the third to tenth of twenty.
    Decided: where the search does not converge, or ends where less than half of the truth is covered, the picture
    stays in place and `found` is False. The original script ends with an error there.

    Args:
        restored: one picture.
        sharp: its truth, in [0, 1].
        iterations: steps of the search; each costs about as much as filtering the picture.

    Returns:
        The aligned pair. Search and sampling are OpenCV's, in single precision, as in the public evaluation. OpenCV's
        search underestimates the scale a little (its issue 29774): 0.2 pixels at the corners of a picture of 96x128,
        0.03 at 300x400.

    Shape:
        restored, sharp (1, 3, H, W)

    Raises:
        ShapeError: if the two do not have that shape.
        InputError: if a picture is not of a floating type or not finite, or if `sharp` leaves [0, 1].
    """
    restored, sharp = _one_pair(restored, sharp)
    scale = _intensity_scale(restored, sharp)
    moving = np.ascontiguousarray((restored[0] * scale).permute(1, 2, 0).numpy().astype(np.float32))
    fixed = np.ascontiguousarray(sharp[0].permute(1, 2, 0).numpy().astype(np.float32))
    height, width = fixed.shape[:2]
    homography = np.eye(3, dtype=np.float32)
    found = _search(fixed, moving, homography, iterations=iterations)
    if found:
        ones = np.ones((height, width), dtype=np.float32)
        nearest = cv2.INTER_NEAREST + cv2.WARP_INVERSE_MAP
        covered = cv2.warpPerspective(ones, homography, (width, height), flags=nearest, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
        found = float(covered.mean()) >= LEAST_COVERAGE
    if not found:
        return Aligned(restored * scale, sharp, torch.ones(1, 1, height, width, dtype=torch.float64), scale, _identity(), found=False)
    cubic = cv2.INTER_CUBIC + cv2.WARP_INVERSE_MAP
    moved = cv2.warpPerspective(moving, homography, (width, height), flags=cubic, borderMode=cv2.BORDER_REFLECT)
    mask = torch.from_numpy(np.asarray(covered, dtype=np.float64))[None, None]
    on_grid = torch.from_numpy(np.asarray(moved, dtype=np.float64)).permute(2, 0, 1)[None]
    transform = torch.from_numpy(homography.astype(np.float64))
    return Aligned(on_grid * mask, sharp * mask, mask, scale, transform, found=True)


def _search(fixed: NDArray[np.float32], moving: NDArray[np.float32], homography: NDArray[np.float32], *, iterations: int) -> bool:
    """Improve `homography` in place; whether something was found."""
    height, width = fixed.shape[:2]
    grey = (cv2.cvtColor(fixed, cv2.COLOR_RGB2GRAY), cv2.cvtColor(moving, cv2.COLOR_RGB2GRAY))
    outline = np.array([[[0, 0], [width, 0], [0, height], [width, height]]], dtype=np.float64)
    corners = outline
    for first in range(0, iterations, ROUND):
        criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, min(ROUND, iterations - first), 0.0)
        try:
            cv2.findTransformECC(*grey, homography, cv2.MOTION_HOMOGRAPHY, criteria, None, SMOOTHING)  # type: ignore[call-overload]
        except cv2.error:  # no convergence: uncorrelated or constant pictures
            return False
        before, corners = corners, np.asarray(cv2.perspectiveTransform(outline, homography.astype(np.float64)), np.float64)
        if np.abs(corners - before).max() < SETTLED:
            break
    return bool(np.isfinite(homography).all())


def align_translation(restored: Tensor, sharp: Tensor) -> Aligned:
    """Scale the intensity, then move by the whole pixels at which the circular cross-correlation peaks.

    Source: Köhler et al. 2012 and the benchmark's public evaluation: correlation of the channel means by
    Fourier transform, no subpixel refinement. Being circular, it meets the opposite edge: a picture with little
    detail stays where its edges fit, not where its content does.

    Args:
        restored: one picture.
        sharp: its truth, in [0, 1].

    Returns:
        The aligned pair; `found` is always True.

    Shape:
        restored, sharp (1, 3, H, W)

    Raises:
        ShapeError: if the two do not have that shape.
        InputError: if a picture is not of a floating type or not finite, or if `sharp` leaves [0, 1].
    """
    restored, sharp = _one_pair(restored, sharp)
    scale = _intensity_scale(restored, sharp)
    height, width = sharp.shape[-2:]
    spectra = [torch.fft.rfft2(picture[0].mean(0)) for picture in (sharp, restored * scale)]
    correlation = torch.fft.irfft2(spectra[0] * spectra[1].conj(), s=(height, width))
    row, column = divmod(int(correlation.argmax()), width)
    # The upper half of each axis stands for moves up and to the left; the benchmark draws the line at size // 2.
    down = row if row < height // 2 else row - height
    right = column if column < width // 2 else column - width
    mask = _shift(torch.ones(1, 1, height, width, dtype=torch.float64), down=down, right=right)
    transform = _identity()
    transform[0, 2], transform[1, 2] = -right, -down
    return Aligned(_shift(restored * scale, down=down, right=right), sharp * mask, mask, scale, transform, found=True)


def _one_pair(restored: Tensor, sharp: Tensor) -> tuple[Tensor, Tensor]:
    check_shape(restored, (1, 3, "H", "W"), name="restored")
    check_shape(sharp, (1, 3, "H", "W"), name="sharp")
    restored, sharp = checked_pair(restored, sharp)
    if min(sharp.shape[-2:]) < SMOOTHING:
        raise ShapeError(f"pictures to align need height and width of at least {SMOOTHING}, got {sharp.shape[-2]}x{sharp.shape[-1]}")
    return restored, sharp


def _intensity_scale(restored: Tensor, sharp: Tensor) -> float:
    energy = restored.square().sum().item()
    return (restored * sharp).sum().item() / energy if energy else 1.0  # a black picture cannot be scaled


def _shift(pictures: Tensor, *, down: int, right: int) -> Tensor:
    """Move by whole pixels; positions that come from outside read 0."""
    height, width = pictures.shape[-2:]
    moved = torch.zeros_like(pictures)
    rows, columns = slice(max(down, 0), height + min(down, 0)), slice(max(right, 0), width + min(right, 0))
    from_rows, from_columns = slice(max(-down, 0), height - max(down, 0)), slice(max(-right, 0), width - max(right, 0))
    moved[..., rows, columns] = pictures[..., from_rows, from_columns]
    return moved


def _identity() -> Tensor:
    return torch.eye(3, dtype=torch.float64)
