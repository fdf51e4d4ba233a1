"""What photo programs and textbooks do, for comparison: unsharp masking, and deconvolution with a known kernel.

Kernels are lines: the mean length and direction of the exact blur field of a synthetic picture, which is not known of a real one.
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.restoration import richardson_lucy, wiener

from unblur.pixels import to_levels

__all__ = ["CLASSICAL", "Method", "line_kernel"]

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float64]
Method = Callable[[Bytes, Floats | None], Bytes]
"""What makes a sharper picture of a blurry one and its kernel, if that is known."""


def unsharp(blurry: Bytes, kernel: Floats | None) -> Bytes:  # noqa: ARG001 - it needs no kernel
    """Unsharp masking, amount 1, radius 2 pixels."""
    soft = cv2.GaussianBlur(blurry, (0, 0), 2)
    return cv2.addWeighted(blurry, 2, soft, -1, 0).astype(np.uint8)


def by_richardson_lucy(blurry: Bytes, kernel: Floats | None) -> Bytes:
    """Richardson-Lucy, 20 iterations, in linear light."""
    assert kernel is not None
    return _channels(blurry, kernel, lambda light, psf: richardson_lucy(light + 1e-4, psf, num_iter=20))


def by_wiener(blurry: Bytes, kernel: Floats | None) -> Bytes:
    """Wiener filter with a Laplacian as the prior, balance 0.01, in linear light."""
    assert kernel is not None
    return _channels(blurry, kernel, lambda light, psf: wiener(light, psf, 0.01, clip=False))


CLASSICAL: dict[str, tuple[Method, bool]] = {
    "unsharp": (unsharp, False),
    "richardson-lucy": (by_richardson_lucy, True),
    "wiener": (by_wiener, True),
}
"""Methods by name, and whether they need the kernel."""


def line_kernel(blur_field: NDArray[np.float32]) -> Floats:
    """The mean of a blur field as a kernel of sum 1, (K, K): a line.

    Args:
        blur_field: (H/4, W/4, 3), see `unblur.synth.scene.blur_field`.
    """
    across, slant, length = (float(value) for value in blur_field.reshape(-1, 3).mean(axis=0))
    angle = np.arctan2(slant, across) / 2
    reach = int(np.ceil(length / 2)) + 1
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1))
    for position in np.linspace(-0.5, 0.5, 8 * reach + 1):
        x, y = reach + position * length * np.cos(angle), reach + position * length * np.sin(angle)
        left, top = int(np.floor(x)), int(np.floor(y))
        for row, down in ((top, 1 - (y - top)), (top + 1, y - top)):
            for column, right in ((left, 1 - (x - left)), (left + 1, x - left)):
                if down * right > 0:
                    kernel[row, column] += down * right
    return kernel / kernel.sum()


def _channels(blurry: Bytes, kernel: Floats, restore: Callable[[Floats, Floats], Floats]) -> Bytes:
    """Work on each channel in linear light (gamma 2.2), with mirrored borders."""
    edge = kernel.shape[0]
    light = np.pad((blurry / 255) ** 2.2, ((edge, edge), (edge, edge), (0, 0)), mode="reflect")
    restored = np.stack([restore(light[..., channel], kernel) for channel in range(3)], axis=2)[edge:-edge, edge:-edge]
    return to_levels(np.clip(restored, 0, 1) ** (1 / 2.2), np.uint8)
