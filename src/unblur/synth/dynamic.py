"""Blurry and sharp pairs of dynamic scenes: a moving camera before a scene with depth, moving objects, averages of real frames.

Each pair is of one kind: `sharp` (no motion or less than a pixel), `camera` (a moving camera before one photo), `layers` (moving
objects and parallax as well), `discrete` (the average of a few instants, as in data sets made of high-speed clips) and `frames`
(the average of real frames of such a clip). All kinds then pass through the faults of a camera.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from unblur.errors import InputError
from unblur.pixels import to_float
from unblur.synth.camera import CameraRanges, develop, draw_factor, lit
from unblur.synth.layered import MovingLayer, average, doubled, instants_needed, reference, smooth_field
from unblur.synth.response import GAMMA22, LINEAR, Response
from unblur.synth.sensor import capture, draw_sensor
from unblur.synth.stills import cut_out, draw_response, has_detail, patch, resized
from unblur.synth.trajectory import STILL, Trajectory, random_trajectory

__all__ = ["KINDS", "DynamicBlur", "DynamicPair", "draw_dynamic_pair", "kind_weights"]

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

KINDS = ("sharp", "camera", "layers", "discrete", "frames")
_FARTHEST_MARGIN = 0.25  # of the picture's side; beyond, the background is mirrored
_DETAIL = 6.0  # mean absolute difference to the neighbours right and below, grey levels
_TRIES = 4
_LARGEST_STEP = 4.0  # pixels between two discrete instants, where their number allows


@dataclass(frozen=True, kw_only=True)
class DynamicBlur(CameraRanges):
    """Ranges from which a pair is drawn, beside those of `CameraRanges`.

    The shares of the five kinds are weights: they need not add up to 1, and a kind whose source is missing is left out.

    Attributes:
        sharp_probability: weight of pairs without blur, or with less than `sharp_length`.
        camera_probability: weight of pairs in which the camera moves before one photo.
        layers_probability: weight of pairs with moving objects and depth.
        discrete_probability: weight of averages of a few instants; half of them have moving objects.
        frames_probability: weight of averages of real frames.
        still_probability: share of the sharp pairs without any motion.
        sharp_length: longest blur of the others, pixels.
        length: shortest and longest trajectory of the camera and of an object, pixels (log-uniform).
        jerky_probability: share of trajectories that change their direction within the exposure; the others are nearly straight.
        tripod_probability: share of pairs with moving objects in which the camera stands still.
        turn: largest standard deviation of the camera's rotation, radians.
        zoom: largest standard deviation of the camera's log zoom.
        objects: fewest and most objects; few are more frequent.
        own_rotation: largest standard deviation of an object's rotation, radians.
        own_zoom: largest standard deviation of an object's log scale.
        parallax: how many times the camera's shift the nearest object may move; the background moves 1 time.
        bend_probability: share of layers that deform: objects by motion of their own, backgrounds since they have depth.
        bend: largest deformation, as a share of the trajectory's length.
        smallest_scale: photos are shrunk by a factor between this and 1 before use.
        instants: most instants of a continuous exposure.
        discrete: fewest and most instants of a discrete average.
        frames: numbers of real frames that may be averaged; of an even number M the reference is frame M // 2, counted from 0.
        frames_scale: real frames are shrunk by a factor between these.
        plain_probability: share of discrete averages and of averages of frames that are made of file values instead of linear light.
        lamp_probability: share of pictures with small lamps far brighter than the sensor can hold, which leave streaks.
        lamp: lowest and highest light of a lamp (log-uniform).
        dim_probability: share of pictures taken in too little light, in the reference too.
        dim: smallest and largest share of the light that is left then (log-uniform).
        grain_probability: share of pictures with grain: noise in the luminance, correlated between neighbours.
        grain: smallest and largest standard deviation of the grain, as a share of the light.
        sensor_probability: share of pictures taken by `unblur.synth.sensor` in place of independent noise.
        sensor_shot: smallest and largest photon noise of these (variance at full well, log-uniform).
    """

    sharp_probability: float = 0.1
    camera_probability: float = 0.2
    layers_probability: float = 0.35
    discrete_probability: float = 0.15
    frames_probability: float = 0.2
    still_probability: float = 0.5
    sharp_length: float = 1.0
    length: tuple[float, float] = (1.0, 40.0)
    jerky_probability: float = 0.3
    tripod_probability: float = 0.25
    turn: float = 0.015
    zoom: float = 0.01
    objects: tuple[int, int] = (1, 6)
    own_rotation: float = 0.12
    own_zoom: float = 0.04
    parallax: float = 2.0
    bend_probability: float = 0.4
    bend: float = 0.25
    smallest_scale: float = 0.5
    instants: int = 24
    discrete: tuple[int, int] = (7, 23)
    frames: tuple[int, ...] = (5, 7, 8, 9, 10, 11, 13, 15, 17, 19, 21, 23)
    frames_scale: tuple[float, float] = (0.4, 1.0)
    plain_probability: float = 0.4
    lamp_probability: float = 0.08
    lamp: tuple[float, float] = (3.0, 60.0)
    dim_probability: float = 0.15
    dim: tuple[float, float] = (0.08, 0.7)
    grain_probability: float = 0.1
    grain: tuple[float, float] = (0.01, 0.08)
    sensor_probability: float = 0.3
    sensor_shot: tuple[float, float] = (5e-5, 4e-3)
    highlight_probability: float = 0.15
    curve_probability: float = 0.2
    noise_probability: float = 0.5
    sharpen_probability: float = 0.1
    jpeg_probability: float = 0.4

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.length[0] == 0:
            raise InputError(f"`length` must be two lengths above 0, the shorter first, got {self.length}")
        if self.parallax < 1:
            raise InputError(f"`parallax` must be 1 (none) or more, got {self.parallax}")
        if self.instants < 3 or self.discrete[0] < 2:
            raise InputError(f"an average needs 2 instants or more, got `instants` {self.instants} and `discrete` {self.discrete}")
        if not self.frames or min(self.frames) < 1:
            raise InputError(f"`frames` must name numbers of frames of 1 or more, got {self.frames}")
        if not 0 < self.frames_scale[0] <= self.frames_scale[1] <= 1:
            raise InputError(f"`frames_scale` must be two factors in (0, 1], the smaller first, got {self.frames_scale}")


@dataclass(frozen=True, eq=False)
class DynamicPair:
    """A blurry picture and its reference.

    Attributes:
        blurry: (H, W, 3) RGB, 8 bit.
        sharp: (H, W, 3) RGB, 8 bit, without the camera's faults but its curve.
        kind: one of `KINDS`.
    """

    blurry: Bytes
    sharp: Bytes
    kind: str


def draw_dynamic_pair(
    generator: np.random.Generator,
    *,
    photos: Sequence[Bytes],
    cutouts: Sequence[Bytes],
    sequences: Sequence[Bytes],
    size: int,
    blur: DynamicBlur,
) -> DynamicPair:
    """Draw one pair of `size`×`size` pixels; the same generator state gives the same bytes.

    Args:
        generator: source of all randomness.
        photos: sharp pictures (H, W, 3), RGB, 8 bit; needed for all kinds but `frames`.
        cutouts: objects (H, W, 4), RGB and opacity, 8 bit; without any, objects are shapes cut out of photos.
        sequences: consecutive frames at a high rate, (N, H, W, 3) RGB, 8 bit; needed for `frames`.
        size: side of the pair.
        blur: ranges to draw from.

    Raises:
        InputError: if no kind with a share above 0 has its source.
    """
    weights = kind_weights(photos=len(photos) > 0, sequences=sequences, size=size, blur=blur)
    kind = str(generator.choice(KINDS, p=list(weights.values())))
    if kind == "frames":
        light, sharp, response = _real(generator, sequences, size=size, blur=blur)
    else:
        light, sharp, response = _scene(generator, photos, cutouts, kind=kind, size=size, blur=blur)
    truth = response.encode_8bit(sharp)
    if blur.grain_probability and generator.random() < blur.grain_probability:
        light = light * _grain(generator, size=light.shape[:2], strength=float(generator.uniform(*blur.grain)))
    if blur.sensor_probability and generator.random() < blur.sensor_probability:
        light = capture(light, generator, sensor=draw_sensor(generator, shot=blur.sensor_shot))
        blur = replace(blur, noise_probability=0.0)
    return DynamicPair(develop([light], generator, response=response, camera=blur)[0], truth, kind)


def kind_weights(*, photos: bool, sequences: Sequence[Bytes], size: int, blur: DynamicBlur) -> dict[str, float]:
    """Share of each of `KINDS` where some have no source.

    Args:
        photos: whether there are photos.
        sequences: as for `draw_dynamic_pair`.
        size: side of the pair.
        blur: has the weights.

    Raises:
        InputError: if no kind with a weight above 0 has its source.
    """
    weights = {kind: float(getattr(blur, f"{kind}_probability")) for kind in KINDS}
    there = dict.fromkeys(KINDS, photos) | {"frames": bool(_usable(sequences, size=size, blur=blur))}
    total = sum(weight for kind, weight in weights.items() if there[kind])
    if not total:
        wanted = ", ".join(f"`{kind}`" for kind in KINDS if weights[kind])
        raise InputError(
            f"there is no source for the kinds of pairs that are wanted ({wanted or 'none'}): `frames` needs clips of {min(blur.frames)} "
            f"frames or more, with sides of {size} pixels or more; all others need photos"
        )
    return {kind: weight / total if there[kind] else 0.0 for kind, weight in weights.items()}


def _usable(sequences: Sequence[Bytes], *, size: int, blur: DynamicBlur) -> list[Bytes]:
    """The clips that are long and large enough."""
    return [frames for frames in sequences if min(frames.shape[1:3]) >= size and len(frames) >= min(blur.frames)]


def _real(generator: np.random.Generator, sequences: Sequence[Bytes], *, size: int, blur: DynamicBlur) -> tuple[Floats, Floats, Response]:
    """Blurry and sharp light of real frames; a rectangle that has some detail, forwards or backwards, mirrored at times."""
    usable = _usable(sequences, size=size, blur=blur)
    lengths = np.array([len(frames) for frames in usable], np.float64)
    frames = usable[generator.choice(len(usable), p=lengths / lengths.sum())]
    count = int(generator.choice([number for number in blur.frames if number <= len(frames)]))
    plain = generator.random() < blur.plain_probability
    backwards, mirrored = generator.random(2) < 0.5
    for _ in range(_TRIES):
        first = int(generator.integers(len(frames) - count, endpoint=True))
        scale = max(generator.uniform(*blur.frames_scale), size / min(frames.shape[1:3]))
        side = min(int(np.ceil(size / scale)), *frames.shape[1:3])
        top, left = (int(generator.integers(whole - side, endpoint=True)) for whole in frames.shape[1:3])
        chosen = range(first, first + count)[:: -1 if backwards else 1]
        middle = _cut(frames[chosen[count // 2]], top=top, left=left, side=side, size=size)
        if has_detail(middle, least=_DETAIL):
            break
    response = LINEAR if plain else GAMMA22
    table = response.decode(np.arange(256, dtype=np.uint8))
    total = np.zeros((size, size, 3), np.float32)
    for number in chosen:
        total += cv2.LUT(_cut(frames[number], top=top, left=left, side=side, size=size), table)
    light = total / np.float32(count)
    if plain:
        light = GAMMA22.decode(light)
    sharp = GAMMA22.decode(middle)
    share = draw_factor(generator, share=blur.dim_probability, bounds=blur.dim)
    if mirrored:
        light, sharp = light[:, ::-1], sharp[:, ::-1]
    return np.ascontiguousarray(light) * np.float32(share), np.ascontiguousarray(sharp) * np.float32(share), GAMMA22


def _scene(
    generator: np.random.Generator, photos: Sequence[Bytes], cutouts: Sequence[Bytes], *, kind: str, size: int, blur: DynamicBlur
) -> tuple[Floats, Floats, Response]:
    """Blurry and sharp light of a drawn scene."""
    plain = kind == "discrete" and generator.random() < blur.plain_probability
    response = LINEAR if plain else draw_response(generator, camera=blur)
    objects = 0
    if kind == "layers" or (kind == "discrete" and generator.random() < 0.5):
        objects = int(generator.integers(*blur.objects, endpoint=True, size=2).min())  # few are more frequent
    length = _draw_length(generator, kind=kind, tripod=objects > 0 and generator.random() < blur.tripod_probability, blur=blur)
    camera = _draw_trajectory(generator, length=length, turn=blur.turn, zoom=blur.zoom, blur=blur)
    gain = draw_factor(generator, share=blur.highlight_probability, bounds=blur.highlight_gain)
    share = draw_factor(generator, share=blur.dim_probability, bounds=blur.dim)
    share = float(GAMMA22.encode(np.array([share]))[0]) if plain else share  # layers are file values then
    layers = [_background(generator, photos, camera=camera, length=length, response=response, size=size, gain=gain, share=share, blur=blur)]
    for depth in np.sort(generator.uniform(1, blur.parallax, objects)):
        seen = camera.scaled(np.array([depth, depth, 1, 1]))
        light = _object_light(generator, photos, cutouts, response=response, size=size, blur=blur)
        layers.append(_object(generator, lit(light, gain=gain, share=share), camera=seen, size=size, blur=blur))
    whole = (size, size)
    sharp = reference(layers, size=whole)
    if length == 0 and not objects:
        light = sharp
    else:
        if kind == "discrete":
            fewest = instants_needed(layers, size=whole, most=blur.discrete[1], spacing=_LARGEST_STEP)
            steps = max(fewest, int(generator.integers(*blur.discrete, endpoint=True)))
        else:
            steps = instants_needed(layers, size=whole, most=blur.instants)
        light = average(layers, (np.arange(steps) + 0.5) / steps - 0.5, size=whole)
    if plain:
        return GAMMA22.decode(light), GAMMA22.decode(sharp), GAMMA22
    return np.maximum(light, 0), sharp, response


def _draw_length(generator: np.random.Generator, *, kind: str, tripod: bool, blur: DynamicBlur) -> float:
    """How far the camera moves, pixels."""
    if kind == "sharp":
        return 0.0 if generator.random() < blur.still_probability else generator.uniform(0, blur.sharp_length)
    return 0.0 if tripod else float(np.exp(generator.uniform(*np.log(blur.length))))


def _draw_trajectory(generator: np.random.Generator, *, length: float, turn: float, zoom: float, blur: DynamicBlur) -> Trajectory:
    """A nearly straight trajectory, as of a hand in a short exposure, or a jerky one; a short one has little rotation and zoom."""
    if length == 0:
        return STILL
    amount = min(1.0, length / 6)
    jerky = generator.random() < blur.jerky_probability
    return random_trajectory(
        generator,
        length=length,
        turn=amount * generator.uniform(0, turn),
        zoom=amount * generator.uniform(0, zoom),
        wobble=generator.uniform(0.7, 1.0) if jerky else generator.uniform(0.0, 0.5),
        max_rate=generator.uniform(1.2, 3.0) if jerky else 0.8,
        sines=4 if jerky else 2,
    )


def _background(
    generator: np.random.Generator,
    photos: Sequence[Bytes],
    *,
    camera: Trajectory,
    length: float,
    response: Response,
    size: int,
    gain: float,
    share: float,
    blur: DynamicBlur,
) -> MovingLayer:
    """A photo that fills the picture, with lamps and depth at times."""
    margin = int(min(np.ceil(length) + 8, _FARTHEST_MARGIN * size + 8))
    canvas = (size + 2 * margin,) * 2
    light = lit(
        response.decode(patch(generator, photos, size=canvas, smallest_scale=blur.smallest_scale, quick=True)), gain=gain, share=share
    )
    if blur.lamp_probability and generator.random() < blur.lamp_probability:
        light = _lamps(light, generator, brightness=blur.lamp)
    filled = np.asarray(cv2.cvtColor(light, cv2.COLOR_RGB2RGBA), np.float32)  # opacity 1
    field = bend = None
    if length > 1 and blur.bend_probability and generator.random() < blur.bend_probability:
        field = smooth_field(generator, size=(size, size), cells=int(generator.integers(2, 5)))
        amount = 4 * blur.bend * generator.random()  # at 1, some places move twice as far as the mean and others not at all
        bend = camera.scaled(np.array([amount, amount, 0, 0]))
    return MovingLayer(light=doubled(filled), place=(-margin, -margin), camera=camera, own=STILL, background=True, field=field, bend=bend)


def _object_light(
    generator: np.random.Generator, photos: Sequence[Bytes], cutouts: Sequence[Bytes], *, response: Response, size: int, blur: DynamicBlur
) -> Floats:
    """An object (h, w, 4), light multiplied by opacity: a cut-out, or a shape from a photo."""
    if cutouts and generator.random() < 0.6:
        picture = cutouts[int(generator.integers(len(cutouts)))]
        scale = min(generator.uniform(0.25, 0.9) * size / max(picture.shape[:2]), 1.1)
        opacity = np.clip((to_float(picture[..., 3:]) - 0.3) / 0.65, 0, 1)  # the rim still has light of what was behind it
        light = np.concatenate([response.decode(np.ascontiguousarray(picture[..., :3])) * opacity, opacity], axis=2)
        height, width = (max(4, round(side * scale)) for side in picture.shape[:2])
        light = cv2.resize(light, (width, height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        return np.ascontiguousarray(light[:, ::-1] if generator.random() < 0.5 else light, np.float32)
    side = max(16, int(generator.uniform(0.35, 1.0) * size))
    light = response.decode(patch(generator, photos, size=(side, side), smallest_scale=blur.smallest_scale, quick=True))
    light = cut_out(light, generator, middles=(0.45, 0.55))
    rows, columns = (np.flatnonzero(light[..., 3].max(axis=axis) > 1e-3) for axis in (1, 0))
    return light[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _object(generator: np.random.Generator, light: Floats, *, camera: Trajectory, size: int, blur: DynamicBlur) -> MovingLayer:
    """Place an object somewhere in the picture and let it move."""
    length = float(np.exp(generator.uniform(*np.log(blur.length))))
    own = _draw_trajectory(generator, length=length, turn=blur.own_rotation, zoom=blur.own_zoom, blur=blur)
    light = np.pad(light, ((2, 2), (2, 2), (0, 0)))
    place = tuple(round(float(generator.uniform(-side / 3, size - 2 * side / 3))) for side in light.shape[1::-1])
    field = bend = None
    if blur.bend_probability and generator.random() < blur.bend_probability:
        field = smooth_field(generator, size=(size, size), cells=int(generator.integers(3, 7)))
        bend = _draw_trajectory(generator, length=2 * blur.bend * length, turn=0, zoom=0, blur=blur)
    fine = np.maximum(doubled(light), 0)
    fine[..., 3] = np.minimum(fine[..., 3], 1)
    return MovingLayer(light=fine, place=(place[0], place[1]), camera=camera, own=own, background=False, field=field, bend=bend)


def _lamps(light: Floats, generator: np.random.Generator, *, brightness: tuple[float, float]) -> Floats:
    """Add a few small discs of warm to white light, softened over a pixel."""
    light = light.copy()
    rows, columns = np.mgrid[-8:9, -8:9]
    for _ in range(int(generator.integers(1, 7))):
        top, left = (int(generator.integers(side - 17)) for side in light.shape[:2])
        radius, ratio = generator.uniform(0.6, 3.5), generator.uniform(0.6, 1.4)
        disc = np.clip(radius + 0.5 - np.hypot(rows * ratio, columns / ratio), 0, 1).astype(np.float32)
        colour = np.array([1.0, generator.uniform(0.6, 1.0), generator.uniform(0.25, 1.0)], np.float32)
        strength = np.float32(np.exp(generator.uniform(*np.log(brightness))))
        light[top : top + 17, left : left + 17] += strength * disc[..., None] * colour
    return light


def _grain(generator: np.random.Generator, *, size: tuple[int, ...], strength: float) -> Floats:
    """Factors (H, W, 1) of mean 1, correlated over about a pixel."""
    noise = cv2.GaussianBlur(generator.standard_normal(size, dtype=np.float32), (0, 0), float(generator.uniform(0.5, 1.1)))
    return (1 + np.float32(strength) * noise / max(noise.std(), np.float32(1e-6))).astype(np.float32)[..., None]


def _cut(frame: Bytes, *, top: int, left: int, side: int, size: int) -> Bytes:
    """A square of a frame, which may be mapped from a file, at `size`×`size`."""
    square = np.asarray(frame[top : top + side, left : left + side])  # cv2 takes rows that lie apart, and copies nothing
    return np.ascontiguousarray(resized(square, (size, size), quick=True))
