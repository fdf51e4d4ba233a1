"""Flat panels with something to read, put into a scene in perspective and photographed with a shaking camera.

The blur is that of `unblur.synth`: a camera trajectory in linear light, a camera response, sensor noise and JPEG.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from unblur.pixels import to_levels
from unblur.synth.response import Response
from unblur.synth.scene import Layer
from unblur.synth.stills import Scene, StillsBlur, draw_length, draw_response, photograph
from unblur.synth.trajectory import random_trajectory

__all__ = ["BLUR", "OVERSAMPLING", "SIZE", "Panel", "TaskPicture", "photograph_panel"]

Bytes = NDArray[np.uint8]

OVERSAMPLING = 3
"""Panels are drawn at this many times the resolution of the picture, and averaged after the perspective."""

SIZE = 256
"""Side of the pictures, pixels."""

BLUR = StillsBlur(
    sharp_probability=0.0,
    length=(4.0, 24.0),
    object_probability=0.0,
    curve_probability=0.5,
    noise_probability=1.0,
    jpeg_probability=0.5,
)
"""Camera shake of 4 to 24 pixels, short ones more often (log-uniform), with noise in every picture and JPEG in half of them."""

_MARGIN = 24  # pixels of the scene beyond the border, which the shaking camera sees
_TURN = np.deg2rad(8)
_PERSPECTIVE = 0.06  # each corner moves by up to this share of the sides


@dataclass(frozen=True, eq=False)
class Panel:
    """Something to read, drawn flat.

    Attributes:
        pixels: (h, w, 3) RGB, 8 bit, at `OVERSAMPLING` times the resolution of the picture.
        text: what is to be read.
        detail: pixels of the picture: height of capital letters, or side of a code's module.
    """

    pixels: Bytes
    text: str
    detail: float


@dataclass(frozen=True, eq=False)
class TaskPicture:
    """A picture in which something is to be read.

    Attributes:
        name: of its file.
        text: what is to be read.
        blurry: (H, W, 3) RGB, 8 bit.
        sharp: the same of the sharp picture; None for a photo, of which there is none.
        length: arc of the camera trajectory over the exposure, pixels; None if it is not known.
        detail: as of the panel; None if it is not known.
    """

    name: str
    text: str
    blurry: Bytes
    sharp: Bytes | None
    length: float | None
    detail: float | None


def photograph_panel(panel: Panel, generator: np.random.Generator, *, name: str, size: int = SIZE, blur: StillsBlur = BLUR) -> TaskPicture:
    """Put a panel into a scene and photograph it; the same state of the generator gives the same bytes.

    Args:
        panel: fits into the picture.
        generator: source of all randomness.
        name: of the picture.
        size: side of the picture, pixels.
        blur: ranges to draw from; objects, defocus, dim light and highlights are not used.
    """
    length, _ = draw_length(generator, blur=blur)
    response = draw_response(generator, camera=blur)
    camera = random_trajectory(
        generator,
        length=length,
        turn=generator.uniform(0, blur.turn),
        zoom=generator.uniform(0, blur.zoom),
        wobble=generator.uniform(*blur.wobble),
    )
    light = _placed(panel, generator, side=size + 2 * _MARGIN, response=response)
    scene = Scene((Layer(light, (camera,), (_MARGIN, _MARGIN)),), camera, response, length)
    pair = photograph(scene, generator, size=size, blur=blur)
    return TaskPicture(name, panel.text, pair.blurry, pair.sharp, length, panel.detail)


def _placed(panel: Panel, generator: np.random.Generator, *, side: int, response: Response) -> NDArray[np.float32]:
    """Linear light (side, side, 3) of a panel near the middle of a textured wall, turned a little and in perspective."""
    wall = _wall(generator, side=side)
    height, width = panel.pixels.shape[:2]
    whole = side * OVERSAMPLING
    half = np.array([width, height]) / 2
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
    corners = corners + generator.uniform(-1, 1, (4, 2)) * _PERSPECTIVE * 2 * half
    turn = generator.uniform(-_TURN, _TURN)
    corners = corners @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    low, high = corners.min(axis=0), corners.max(axis=0)
    room = np.maximum(whole - 2 * _MARGIN * OVERSAMPLING - (high - low), 0)
    corners = corners + (whole - (low + high)) / 2 + generator.uniform(-0.35, 0.35, 2) * room
    flat = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    matrix = cv2.getPerspectiveTransform(flat, corners.astype(np.float32))
    drawn = cv2.warpPerspective(response.decode(panel.pixels), matrix, (whole, whole), flags=cv2.INTER_LINEAR)
    opacity = cv2.warpPerspective(np.ones((height, width), np.float32), matrix, (whole, whole), flags=cv2.INTER_LINEAR)
    drawn, opacity = (cv2.resize(each, (side, side), interpolation=cv2.INTER_AREA) for each in (drawn, opacity))
    return (drawn + (1 - opacity[..., None]) * response.decode(wall)).astype(np.float32)


def _wall(generator: np.random.Generator, *, side: int) -> Bytes:
    """A wall with soft patches and fine grain, (side, side, 3)."""
    values = np.full((side, side, 3), generator.uniform(0.25, 0.75) + generator.uniform(-0.08, 0.08, 3), np.float32)
    for cells, strength in ((4, 0.08), (16, 0.08), (64, 0.05)):
        coarse = generator.uniform(-strength, strength, (cells, cells, 1)) + generator.uniform(-0.02, 0.02, (cells, cells, 3))
        values += np.asarray(cv2.resize(coarse.astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC), np.float32)
    return to_levels(values, np.uint8)
