"""Exposure: a shutter that stays open while the picture moves is an average of sharp pictures in linear light."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unblur.synth.camera import raise_highlights
from unblur.synth.response import Response

__all__ = ["average", "gather"]


def average(frames: Iterable[NDArray[Any]], *, response: Response) -> NDArray[np.float32]:
    """Average file values of equal shape in linear light: g(1/M · Σ g⁻¹(frame)).

    Source: Nah et al. (CVPR 2017), section 2, equation (2).

    Args:
        frames: M latent frames, integers or floats in [0, 1]; read one at a time.
        response: the camera's curve g.

    Returns:
        The blurry frame in [0, 1], file values (not linear light), same shape.

    Raises:
        ValueError: if there is no frame or their shapes differ.
    """
    return response.encode(gather(frames, response=response))


def gather(frames: Iterable[NDArray[Any]], *, response: Response, gain: float = 1.0) -> NDArray[np.float32]:
    """The linear light that a sensor gathers while latent frames pass: 1/M · Σ g⁻¹(frame).

    Args:
        frames: M latent frames, integers or floats in [0, 1]; read one at a time.
        response: the camera's curve g.
        gain: how many times brighter than the file says white was, see `unblur.synth.camera.raise_highlights`; frames
            then have the shape (H, W, 3).

    Returns:
        Linear light in [0, gain], same shape.

    Raises:
        ValueError: if there is no frame or their shapes differ.
    """
    total: NDArray[np.float32] | None = None
    count = 0
    for frame in frames:
        light = raise_highlights(response.decode(frame), gain=gain)
        if total is None:
            total = light.astype(np.float32, copy=True)
        elif total.shape != light.shape:
            raise ValueError(f"frames must have one shape, got {total.shape} and {light.shape}")
        else:
            total += light
        count += 1
    if total is None:
        raise ValueError("an exposure needs at least one frame")
    return total / np.float32(count)
