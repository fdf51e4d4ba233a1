"""Blurry and sharp pairs from sharp photos: a hand shakes, things move by themselves, the sensor adds noise."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from unblur.pixels import to_float
from unblur.synth.camera import CameraRanges, develop, draw_factor, lit
from unblur.synth.response import GAMMA22, SRGB, Response, draw_curve
from unblur.synth.scene import Layer, blur_field, expose, instant, motion, steps_needed
from unblur.synth.trajectory import Trajectory, random_trajectory

__all__ = [
    "Pair",
    "Scene",
    "StillsBlur",
    "cut_out",
    "disc",
    "draw_length",
    "draw_pair",
    "draw_response",
    "draw_scene",
    "has_detail",
    "patch",
    "photograph",
    "resized",
]

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

_TRIES = 4
_DETAIL = 8.0  # mean absolute difference to the neighbours right and below, grey levels


@dataclass(frozen=True, kw_only=True)
class StillsBlur(CameraRanges):
    """Ranges from which a pair is drawn; every switch can be turned off by a share or range of zero.

    The faults of the camera are those of `CameraRanges`.

    Attributes:
        sharp_probability: share of pairs with almost no blur (below `sharp_length`), so that sharp input stays as it is.
        sharp_length: longest blur of these, pixels.
        length: shortest and longest blur of the others, pixels of arc; short ones are more frequent (log-uniform).
        wobble: lowest and highest `wobble` of `random_trajectory`.
        turn: largest standard deviation of the turn over the exposure, radians.
        zoom: largest standard deviation of the log zoom over the exposure.
        object_probability: share of pairs with a second layer that moves by itself.
        smallest_scale: photos are shrunk by a factor between this and 1 before use.
        tripod_probability: share of the others in which the camera stands still, and things in front of the background move alone.
        defocus_probability: share of layers of which a part, or all, is out of focus, in the truth too: it is to stay as it is.
        defocus_radius: smallest and largest radius of the disc that a point becomes there, pixels (log-uniform).
        dim_probability: share of pictures taken in too little light, in the truth too.
        dim: smallest and largest share of the light that is left then (log-uniform).
    """

    sharp_probability: float = 0.12
    sharp_length: float = 0.8
    length: tuple[float, float] = (2.0, 24.0)
    wobble: tuple[float, float] = (0.1, 1.0)
    turn: float = 0.012
    zoom: float = 0.008
    object_probability: float = 0.4
    smallest_scale: float = 0.6
    tripod_probability: float = 0.0
    defocus_probability: float = 0.0
    defocus_radius: tuple[float, float] = (1.0, 8.0)
    dim_probability: float = 0.0
    dim: tuple[float, float] = (0.05, 0.7)


@dataclass(frozen=True)
class Pair:
    """A blurry picture and its truth.

    Attributes:
        blurry: (H, W, 3) RGB, 8 bit.
        sharp: (H, W, 3) RGB, 8 bit: the scene in the middle of the exposure.
        blur_field: (H/4, W/4, 3) how each pixel is blurred, see `unblur.synth.scene.blur_field`.
        length: arc of the camera trajectory over the exposure, pixels.
    """

    blurry: Bytes
    sharp: Bytes
    blur_field: Floats
    length: float


@dataclass(frozen=True)
class Scene:
    """What stands before the camera, and how the camera moves.

    Attributes:
        layers: background first, in linear light.
        camera: the camera's trajectory; things near the camera follow it more strongly.
        response: the curve by which light becomes file values.
        length: arc of the camera trajectory over an exposure, pixels.
        highest_gain: largest light in the layers: above 1, highlights are brighter than the sensor can hold.
    """

    layers: tuple[Layer, ...]
    camera: Trajectory
    response: Response
    length: float
    highest_gain: float = 1.0


def draw_pair(generator: np.random.Generator, photos: Sequence[Bytes], *, size: int, blur: StillsBlur) -> Pair:
    """Draw one pair of `size`×`size` pixels; the same generator state gives the same bytes.

    Args:
        generator: source of all randomness.
        photos: sharp pictures (H, W, 3), RGB, 8 bit; smaller ones than `size` are enlarged.
        size: side of the pair.
        blur: ranges to draw from.
    """
    return photograph(draw_scene(generator, photos, size=size, blur=blur), generator, size=size, blur=blur)


def draw_scene(generator: np.random.Generator, photos: Sequence[Bytes], *, size: int, blur: StillsBlur) -> Scene:
    """Draw what `photograph` then takes; both together are `draw_pair`."""
    length, tripod = draw_length(generator, blur=blur)
    response = draw_response(generator, camera=blur)
    amount = min(1.0, length / blur.length[0])  # no turn or zoom of its own in a sharp pair
    camera = random_trajectory(
        generator,
        length=length,
        turn=amount * generator.uniform(0, blur.turn),
        zoom=amount * generator.uniform(0, blur.zoom),
        wobble=generator.uniform(*blur.wobble),
    )
    margin = 24
    ground = response.decode(patch(generator, photos, size=(size + 2 * margin,) * 2, smallest_scale=blur.smallest_scale))
    layers = [Layer(out_of_focus(ground, generator, blur=blur), (camera,), (margin, margin))]
    if generator.random() < blur.object_probability or tripod:
        amount = 1.0 if tripod else amount
        own = random_trajectory(generator, length=amount * generator.uniform(0, blur.length[1]), wobble=generator.uniform(*blur.wobble))
        light = response.decode(patch(generator, photos, size=(size + 2 * margin,) * 2, smallest_scale=blur.smallest_scale))
        layers.append(Layer(cut_out(out_of_focus(light, generator, blur=blur), generator), (own, camera), (margin, margin)))
    gain = draw_factor(generator, share=blur.highlight_probability, bounds=blur.highlight_gain)
    share = draw_factor(generator, share=blur.dim_probability, bounds=blur.dim)
    layers = [replace(layer, light=lit(layer.light, gain=gain, share=share)) for layer in layers]
    return Scene(tuple(layers), camera, response, length, gain * share)


def draw_length(generator: np.random.Generator, *, blur: StillsBlur) -> tuple[float, bool]:
    """Draw how far the camera moves over an exposure, pixels, and whether things move all the same, since it stands on a tripod."""
    if generator.random() < blur.sharp_probability:
        return generator.uniform(0, blur.sharp_length), False
    if blur.tripod_probability and generator.random() < blur.tripod_probability:
        return 0.0, True
    return float(np.exp(generator.uniform(*np.log(blur.length)))), False


def photograph(scene: Scene, generator: np.random.Generator, *, size: int, blur: StillsBlur) -> Pair:
    """Expose a scene once, with the faults of a camera in the blurry picture and none in the truth but its curve."""
    whole = (size, size)
    light = expose(scene.layers, size=whole, steps=steps_needed(scene.layers, size=whole))
    sharp = scene.response.encode_8bit(instant(scene.layers, 0.0, size=whole))
    blurry = develop([light], generator, response=scene.response, camera=blur)[0]
    field = motion(scene.layers, np.linspace(-0.5, 0.5, 13), size=whole, stride=4)
    return Pair(blurry, sharp, blur_field(field), scene.length)


def draw_response(generator: np.random.Generator, *, camera: CameraRanges) -> Response:
    """Draw sRGB or gamma 2.2, or a camera's own curve in `curve_probability` of the calls."""
    plain = SRGB if generator.random() < 0.5 else GAMMA22
    return draw_curve(generator) if camera.curve_probability and generator.random() < camera.curve_probability else plain


def patch(
    generator: np.random.Generator, photos: Sequence[Bytes], *, size: tuple[int, int], smallest_scale: float, quick: bool = False
) -> Bytes:
    """The first of a few random rectangles that has some detail: blur on a flat wall teaches nothing.

    Args:
        generator: source of all randomness.
        photos: sharp pictures (H, W, 3), RGB, 8 bit; smaller ones than `size` are enlarged.
        size: height and width of the patch.
        smallest_scale: photos are shrunk by a factor between this and 1 before use.
        quick: see `resized`.
    """
    for _ in range(_TRIES):
        cut = _rectangle(generator, photos, size=size, smallest_scale=smallest_scale, quick=quick)
        if has_detail(cut, least=_DETAIL):
            break
    return cut


def has_detail(picture: Bytes, *, least: float) -> bool:
    """Whether neighbours below and to the right differ, in green and on average, by more than `least` grey levels in all.

    Args:
        picture: (H, W, 3) RGB, 8 bit.
        least: grey levels.
    """
    green = picture[..., 1].astype(np.float32)
    return float(np.abs(np.diff(green, axis=0)).mean() + np.abs(np.diff(green, axis=1)).mean()) > least


def resized(picture: Bytes, size: tuple[int, int], *, quick: bool) -> Bytes:
    """A picture at another height and width: enlarged along cubic curves, shrunk by area.

    Args:
        picture: (H, W, 3) RGB, 8 bit.
        size: height and width.
        quick: shrink bilinearly down to half the height, which reads all pixels and is ten times faster than by area.
    """
    if picture.shape[:2] == size:
        return picture
    shrinking = picture.shape[0] > size[0]
    how = cv2.INTER_CUBIC if not shrinking else cv2.INTER_LINEAR if quick and picture.shape[0] <= 2 * size[0] else cv2.INTER_AREA
    return cv2.resize(picture, size[::-1], interpolation=how).astype(np.uint8, copy=False)


def out_of_focus(light: Floats, generator: np.random.Generator, *, blur: StillsBlur) -> Floats:
    """Put a random part of a layer, or in one of three cases all of it, out of focus in `defocus_probability` of the calls.

    Every point becomes a disc of even light, as behind a round aperture.

    Args:
        light: (H, W, 3) linear light.
        generator: source of all randomness; with a share of 0 no number is drawn.
        blur: says how often and how far.
    """
    if not blur.defocus_probability or generator.random() >= blur.defocus_probability:
        return light
    radius = float(np.exp(generator.uniform(*np.log(blur.defocus_radius))))
    soft = np.asarray(cv2.filter2D(light, -1, disc(radius), borderType=cv2.BORDER_REFLECT_101), np.float32)
    if generator.random() < 1 / 3:
        return soft
    share = _blob(generator, size=light.shape[:2], middles=(0.2, 0.8))[..., None]
    return light + share * (soft - light)


def disc(radius: float) -> Floats:
    """A disc of sum 1, its edge softened over a pixel."""
    reach = int(np.ceil(radius + 0.5))
    across = np.arange(-reach, reach + 1)
    disc = np.clip(radius + 0.5 - np.hypot(*np.meshgrid(across, across)), 0, 1).astype(np.float32)
    return disc / disc.sum()


def cut_out(light: Floats, generator: np.random.Generator, *, middles: tuple[float, float] = (0.2, 0.8)) -> Floats:
    """Cut a random smooth shape out of a picture: (H, W, 4) with its opacity last, and the light multiplied by it.

    Args:
        light: (H, W, 3) linear light.
        generator: source of all randomness.
        middles: where the middle of the shape may lie, as shares of the height and width.
    """
    opacity = _blob(generator, size=light.shape[:2], middles=middles)[..., None]
    return np.concatenate([light * opacity, opacity], axis=2)


def _rectangle(
    generator: np.random.Generator, photos: Sequence[Bytes], *, size: tuple[int, int], smallest_scale: float, quick: bool
) -> Bytes:
    """A rectangle of a random photo at a random scale; photos are drawn by their area, mirrored left to right at times."""
    areas = np.array([photo.shape[0] * photo.shape[1] for photo in photos], np.float64)
    photo = photos[generator.choice(len(photos), p=areas / areas.sum())]
    scale = max(generator.uniform(smallest_scale, 1.0), size[0] / photo.shape[0], size[1] / photo.shape[1])
    tall, wide = (min(int(np.ceil(side / scale)), whole) for side, whole in zip(size, photo.shape[:2], strict=True))
    top = int(generator.integers(photo.shape[0] - tall, endpoint=True))
    left = int(generator.integers(photo.shape[1] - wide, endpoint=True))
    cut = resized(photo[top : top + tall, left : left + wide], size, quick=quick)
    if generator.random() < 0.5:
        cut = cut[:, ::-1]
    return np.ascontiguousarray(cut, np.uint8)


def _blob(generator: np.random.Generator, *, size: tuple[int, int], middles: tuple[float, float]) -> Floats:
    """Opacity of a random smooth shape with an edge about one pixel wide, somewhere in the picture."""
    corners = int(generator.integers(5, 12))
    around = np.linspace(0, 2 * np.pi, corners, endpoint=False) + generator.uniform(0, 2 * np.pi / corners, corners)
    radius = generator.uniform(0.12, 0.4) * min(size) * generator.uniform(0.5, 1.3, corners)
    middle = generator.uniform(*middles, 2) * np.array(size[::-1])
    outline = middle + radius[:, None] * np.stack([np.cos(around), np.sin(around)], axis=1)
    mask = np.zeros(size, np.uint8)
    cv2.fillPoly(mask, [np.round(outline * 16).astype(np.int32)], (255,), lineType=cv2.LINE_AA, shift=4)
    softness = float(generator.uniform(0.6, 1.5))
    return to_float(cv2.GaussianBlur(mask, (0, 0), softness))
