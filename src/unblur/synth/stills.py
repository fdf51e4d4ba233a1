"""Blurry and sharp pairs from sharp photos: a hand shakes, things move by themselves, the sensor adds noise."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from unblur.synth.camera import add_noise, compress_jpeg
from unblur.synth.response import GAMMA22, SRGB
from unblur.synth.scene import Layer, expose, instant, motion, spread, steps_needed
from unblur.synth.trajectory import random_path

__all__ = ["Pair", "StillsBlur", "draw_pair"]

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

_TRIES = 4
_DETAIL = 8.0  # mean absolute difference to the neighbours right and below, grey levels


@dataclass(frozen=True)
class StillsBlur:
    """Ranges from which a pair is drawn; every switch can be turned off by a share or range of zero.

    Attributes:
        sharp_share: share of pairs with almost no blur (below `sharp_length`), so that sharp input stays as it is.
        sharp_length: longest blur of these, pixels.
        length: shortest and longest blur of the others, pixels of arc; short ones are more frequent (log-uniform).
        wobble: lowest and highest `wobble` of `random_path`.
        turn: largest standard deviation of the turn over the exposure, radians.
        zoom: largest standard deviation of the log zoom over the exposure.
        object_share: share of pairs with a second layer that moves by itself.
        noise_share: share of pairs with sensor noise.
        shot: smallest and largest photon noise (variance at full light, log-uniform).
        jpeg_share: share of pairs whose blurry picture went through JPEG.
        jpeg_quality: lowest and highest JPEG quality.
        smallest_scale: photos are shrunk by a factor between this and 1 before use.
    """

    sharp_share: float = 0.12
    sharp_length: float = 0.8
    length: tuple[float, float] = (2.0, 24.0)
    wobble: tuple[float, float] = (0.1, 1.0)
    turn: float = 0.012
    zoom: float = 0.008
    object_share: float = 0.4
    noise_share: float = 0.8
    shot: tuple[float, float] = (3e-5, 1.5e-3)
    jpeg_share: float = 0.4
    jpeg_quality: tuple[int, int] = (75, 98)
    smallest_scale: float = 0.6


@dataclass(frozen=True)
class Pair:
    """A blurry picture and its truth.

    Attributes:
        blurry: (H, W, 3) RGB, 8 bit.
        sharp: (H, W, 3) RGB, 8 bit: the scene in the middle of the exposure.
        spread: (H/4, W/4, 3) how each pixel is smeared, see `unblur.synth.scene.spread`.
        length: arc of the camera's path over the exposure, pixels.
    """

    blurry: Bytes
    sharp: Bytes
    spread: Floats
    length: float


def draw_pair(generator: np.random.Generator, photos: Sequence[Bytes], *, size: int, blur: StillsBlur) -> Pair:
    """Draw one pair of `size`×`size` pixels; the same generator state gives the same bytes.

    Args:
        generator: source of all randomness.
        photos: sharp pictures (H, W, 3), RGB, 8 bit; smaller ones than `size` are enlarged.
        size: side of the pair.
        blur: ranges to draw from.
    """
    sharp_pair = generator.random() < blur.sharp_share
    length = generator.uniform(0, blur.sharp_length) if sharp_pair else float(np.exp(generator.uniform(*np.log(blur.length))))
    response = SRGB if generator.random() < 0.5 else GAMMA22
    amount = min(1.0, length / blur.length[0])  # no turn or zoom of its own in a sharp pair
    camera = random_path(
        generator,
        length=length,
        turn=amount * generator.uniform(0, blur.turn),
        zoom=amount * generator.uniform(0, blur.zoom),
        wobble=generator.uniform(*blur.wobble),
    )
    margin = 24
    ground = response.decode(_patch(generator, photos, size=size + 2 * margin, smallest_scale=blur.smallest_scale))
    layers = [Layer(ground, (camera,), (margin, margin))]
    if generator.random() < blur.object_share:
        own = random_path(generator, length=amount * generator.uniform(0, blur.length[1]), wobble=generator.uniform(*blur.wobble))
        patch = response.decode(_patch(generator, photos, size=size + 2 * margin, smallest_scale=blur.smallest_scale))
        opacity = _blob(generator, size=size + 2 * margin)[..., None]
        layers.append(Layer(np.concatenate([patch * opacity, opacity], axis=2), (own, camera), (margin, margin)))
    light = expose(layers, size=(size, size), steps=steps_needed(layers, size=(size, size)))
    sharp = response.encode_8bit(instant(layers, 0.0, size=(size, size)))
    if generator.random() < blur.noise_share:
        shot = float(np.exp(generator.uniform(*np.log(blur.shot))))
        light = add_noise(light, generator, shot=shot, read=np.sqrt(shot) / 20)
    blurry = response.encode_8bit(light)
    if generator.random() < blur.jpeg_share:
        blurry = compress_jpeg(blurry, quality=int(generator.integers(*blur.jpeg_quality, endpoint=True)))
    field = motion(layers, np.linspace(-0.5, 0.5, 13), size=(size, size), stride=4)
    return Pair(blurry, sharp, spread(field), length)


def _patch(generator: np.random.Generator, photos: Sequence[Bytes], *, size: int, smallest_scale: float) -> Bytes:
    """The first of a few random squares that has some detail: blur on a flat wall teaches nothing."""
    for _ in range(_TRIES):
        patch = _square(generator, photos, size=size, smallest_scale=smallest_scale)
        grey = patch[..., 1].astype(np.float32)
        if float(np.abs(np.diff(grey, axis=0)).mean() + np.abs(np.diff(grey, axis=1)).mean()) > _DETAIL:
            break
    return patch


def _square(generator: np.random.Generator, photos: Sequence[Bytes], *, size: int, smallest_scale: float) -> Bytes:
    """A square of a random photo at a random scale; photos are drawn by their area, mirrored left to right at times."""
    areas = np.array([photo.shape[0] * photo.shape[1] for photo in photos], np.float64)
    photo = photos[generator.choice(len(photos), p=areas / areas.sum())]
    side = min(photo.shape[:2])
    scale = max(generator.uniform(smallest_scale, 1.0), size / side)
    taken = min(int(np.ceil(size / scale)), side)
    top = int(generator.integers(photo.shape[0] - taken, endpoint=True))
    left = int(generator.integers(photo.shape[1] - taken, endpoint=True))
    patch = photo[top : top + taken, left : left + taken]
    if taken != size:
        resized = cv2.resize(patch, (size, size), interpolation=cv2.INTER_AREA if taken > size else cv2.INTER_CUBIC)
        patch = np.asarray(resized, np.uint8)
    if generator.random() < 0.5:
        patch = patch[:, ::-1]
    return np.ascontiguousarray(patch, np.uint8)


def _blob(generator: np.random.Generator, *, size: int) -> Floats:
    """Opacity of a random smooth shape with an edge about one pixel wide, somewhere in the picture."""
    corners = int(generator.integers(5, 12))
    around = np.linspace(0, 2 * np.pi, corners, endpoint=False) + generator.uniform(0, 2 * np.pi / corners, corners)
    radius = generator.uniform(0.12, 0.4) * size * generator.uniform(0.5, 1.3, corners)
    middle = generator.uniform(0.2, 0.8, 2) * size
    outline = middle + radius[:, None] * np.stack([np.cos(around), np.sin(around)], axis=1)
    mask = np.zeros((size, size), np.uint8)
    cv2.fillPoly(mask, [np.round(outline * 16).astype(np.int32)], (255,), lineType=cv2.LINE_AA, shift=4)
    softness = float(generator.uniform(0.6, 1.5))
    return (cv2.GaussianBlur(mask, (0, 0), softness) / np.float32(255)).astype(np.float32)
