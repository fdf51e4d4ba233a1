"""A restored clip that flickers less and is sharper: each frame beside the ones before and after it, where these show the same.

What a network does not know it does a little differently in every frame, and that is seen as a flicker where nothing moves. And a hand that shakes
blurs every frame in another direction, so that each still has what another one has lost. So the neighbours of each frame are brought to it along the
motion, and in small windows all are put together, frequency by frequency: the more, the stronger it is in a frame, since blur only ever
weakens. What differs from the frame too much to be the same thing counts for nothing: what moved out of sight, what the motion was mistaken for, and
another scene.

Source: Delbracio and Sapiro, "Hand-held video deblurring via efficient Fourier aggregation" (IEEE Transactions on Computational Imaging 2015), eq. (4), there for
the blurry frames themselves. Decided: two neighbours; a power of 6, where they have 11, as restored frames differ less; flow by OpenCV's DIS.
"""

from collections import deque
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.fft import irfft2, rfft2

from unblur.flow import MIN_SIDE, quick_flow, warp
from unblur.pixels import to_float, to_levels

__all__ = ["TemporalFusion", "fourier_aggregation", "fuse_frames"]

TOLERANCE = 8 / 255
"""Difference from the frame at which a neighbour counts e times less, for values in [0, 1]."""

POWER = 6.0
"""Exponent of the magnitude of a frequency; the frames count in proportion to the result."""

_MEAN = np.full((1, 3), 1 / 3, np.float32)  # of the colours
_DIFFERENCE_SIGMA = 2.5  # pixels: standard deviation of the Gaussian by which differences are averaged
_SIDE = 64  # pixels: side of the windows whose spectra are mixed

Pixels = NDArray[Any]
Label = TypeVar("Label")


class TemporalFusion(Generic[Label]):
    """Takes the frames of a clip in order, each with a label, and gives them back fused with their neighbours, one frame later.

    Args:
        strength: see `fuse_frames`.
    """

    def __init__(self, *, strength: float = 1.0) -> None:
        self._strength = strength
        self._held: deque[tuple[Label, Pixels, bool]] = deque(maxlen=3)

    def push(self, label: Label, pixels: Pixels, *, alone: bool = False) -> list[tuple[Label, Pixels]]:
        """Take the next frame; gives those that are ready.

        Args:
            label: what comes back with it.
            pixels: (H, W, 3) of 8 or 16 bit.
            alone: leave this frame as it is, bit for bit; its neighbours may still look at it.
        """
        self._held.append((label, pixels, alone))
        return [self._ready(len(self._held) - 2)] if len(self._held) > 1 else []

    def finish(self) -> list[tuple[Label, Pixels]]:
        """The last frame, which waited for another one."""
        last = [self._ready(len(self._held) - 1)] if self._held else []
        self._held.clear()
        return last

    def _ready(self, place: int) -> tuple[Label, Pixels]:
        label, pixels, alone = self._held[place]
        others = [self._held[other][1] for other in (place - 1, place + 1) if 0 <= other < len(self._held)]
        return label, pixels if alone else fuse_frames(pixels, others, strength=self._strength)


def fuse_frames(frame: Pixels, neighbours: Sequence[Pixels], *, strength: float = 1.0) -> Pixels:
    """A frame and its neighbours, brought to it along the motion, put together where they show the same.

    Neighbours of another size or type are passed over, as is everything in pictures that are too small to see motion in.

    Args:
        frame: RGB, 8 or 16 bit.
        neighbours: the frames around it.
        strength: from 0, which leaves the frame as it is, to 1, which fuses it fully.

    Shape:
        (H, W, 3) each -> (H, W, 3), of the type of `frame`
    """
    alike = [other for other in neighbours if other.shape == frame.shape and other.dtype == frame.dtype]
    if not alike or min(frame.shape[:2]) < MIN_SIDE:
        return frame
    seen = to_float(frame)
    aligned = [seen]
    for other in alike:
        change = to_float(warp(other, quick_flow(frame, other))) - seen
        difference = cv2.GaussianBlur(cv2.transform(np.abs(change), _MEAN), (0, 0), _DIFFERENCE_SIGMA)
        aligned.append(seen + change * np.exp(np.square(difference) / -(TOLERANCE**2))[..., None])
    together = fourier_aggregation(torch.from_numpy(np.stack(aligned)).permute(0, 3, 1, 2)).permute(1, 2, 0).numpy()
    return to_levels(seen + strength * (together - seen), frame.dtype)


@torch.inference_mode()
def fourier_aggregation(aligned: Tensor, *, power: float = POWER) -> Tensor:
    """Aligned pictures of one scene, joined: each frequency of a window is a mean weighted by its magnitude in each picture, in grey; colours are the mean.

    Args:
        aligned: pictures that are aligned with each other.
        power: exponent of the magnitude; 0 gives the mean.

    Shape:
        (N, C, H, W) -> (C, H, W)
    """
    height, width = aligned.shape[-2:]
    half = _SIDE // 2
    grey = aligned.mean(dim=1)
    wide = _mirrored(_mirrored(grey, -1), -2)  # (N, H + ..., W + ...)
    fade = torch.hann_window(_SIDE, dtype=aligned.dtype).sqrt()  # once before and once after, so that windows half a side apart make one
    window = fade[:, None] * fade
    result = wide.new_zeros(wide.shape[1:])
    for top in range(0, wide.shape[-2] - half, half):
        spectra = rfft2(wide[:, top : top + _SIDE].unfold(-1, _SIDE, half).transpose(-3, -2) * window)  # (N, n, S, S/2 + 1)
        magnitude = spectra.abs()
        weight = (magnitude / magnitude.amax(dim=0, keepdim=True).clamp_min(1e-12)) ** power
        weight = weight / weight.sum(dim=0, keepdim=True).clamp_min(1e-12)
        parts = irfft2((spectra * weight).sum(dim=0), s=(_SIDE, _SIDE)) * window  # (n, S, S)
        for place, part in enumerate(parts):
            result[top : top + _SIDE, place * half : place * half + _SIDE] += part
    return result[half : half + height, half : half + width] + (aligned - grey[:, None]).mean(dim=0)


def _mirrored(picture: Tensor, axis: int) -> Tensor:
    """Continued on both sides by half a window or more, so that windows end where it ends."""
    length, half = picture.shape[axis], _SIDE // 2
    places = torch.arange(-half, -(-length // half) * half + half).remainder(2 * length)
    return picture.index_select(axis, torch.where(places < length, places, 2 * length - 1 - places))
