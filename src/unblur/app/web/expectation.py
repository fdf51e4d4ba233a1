"""What restoring a picture will do, in a sentence, as far as it is known before."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from unblur.pixels import to_float, to_rgb
from unblur.restore.blurred import DIRECTED_FROM, SHARP_BELOW, BlurMeter, MeasuredBlur
from unblur.weights import Card

__all__ = ["NOISY", "Measured", "measure", "measured_gain", "noise_level", "sentence"]

NOISY = 8.0
"""Standard deviation of the noise of brightness, of 255 levels, from which on the estimated blur says nothing: noise has fine detail of its own."""

_LAPLACIAN = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)  # Immerkær 1996: blind to edges that are straight
_GAIN = 6.0  # root of the sum of its squares
_MEDIAN = 0.6745  # median of |x| of a normal variable of deviation 1


@dataclass(frozen=True)
class Measured:
    """What is known of a picture before it is restored.

    Attributes:
        blur: its blur, as the network `swift` estimates it.
        noise: standard deviation of the noise, of 255 levels.
    """

    blur: MeasuredBlur
    noise: float


def noise_level(picture: NDArray[Any]) -> float:
    """Standard deviation of the noise, of 255 levels, which fine texture raises.

    Source: the operator of Immerkær, "Fast noise variance estimation", 1996, with the median of absolute values in place of
    their mean (Donoho and Johnstone, 1994), so that texture in less than half of the picture does not count.

    Args:
        picture: (H, W, 1 or 3), 8 or 16 bit.
    """
    grey = 255 * to_float(to_rgb(picture)).mean(axis=2)
    if min(grey.shape) < 3:
        return 0.0
    filtered = cv2.filter2D(grey, cv2.CV_32F, _LAPLACIAN)[1:-1, 1:-1]
    return float(np.median(np.abs(filtered)) / _MEDIAN / _GAIN)


def measure(picture: NDArray[Any], *, meter: BlurMeter) -> Measured:
    """Measure a picture of 8 or 16 bit, (H, W, 1 or 3)."""
    return Measured(meter.measure(picture), noise_level(picture))


def measured_gain(card: Card, *, data: str) -> float | None:
    """The gain in PSNR that a card states for a data set, dB; None if it states none."""
    return next((result.value for result in card.results if result.data == data and result.measure == "gain in PSNR, dB"), None)


def sentence(measured: Measured, *, card: Card) -> str:
    """What to expect of restoring a picture with the weights of a card."""
    blur = measured.blur
    if measured.noise >= NOISY:
        return f"Noisy, by about {measured.noise:.0f} of 255 levels: how blurred it is cannot be told, noise stays, and gain is uncertain."
    length = f"{blur.length:.1f} pixels"
    if blur.length < SHARP_BELOW:
        gain = measured_gain(card, data="photos, blur `near-sharp`")
        loss = f": nearly sharp photos lost {-gain:.1f} dB by {card.name} in its tests" if gain is not None and gain < 0 else ""
        return f"Sharp: motion blur of about {length}. Restoring it can make it worse{loss}."
    if blur.directed < DIRECTED_FROM:
        return (
            f"Blurred, alike in all directions: more likely out of focus, of which little is restored, than by a motion of about {length}."
        )
    data, what = ("photos", "photos of camera shake") if card.kind == "photo" else ("clips", "clips")
    gain = measured_gain(card, data=data)
    usual = f" {what.capitalize()} gained {gain:.1f} dB on average by {card.name} in its tests." if gain is not None else ""
    return f"Blurred by motion, by about {length}.{usual}"
