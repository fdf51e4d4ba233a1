"""Short sequences from still photos for video networks: motion that goes on from frame to frame, with exact flow.

The scene is made of layers at several depths. Near ones follow the camera's shift more strongly than the background
(parallax), each may move by itself, and each covers what is behind it. Frame i is exposed around the time i − (N − 1)/2
frame intervals; its truth is the scene at that instant. Since trajectories are formulas of time, flow between truths is exact.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from unblur.errors import InputError
from unblur.synth.camera import develop, draw_factor, lit
from unblur.synth.scene import Layer, blur_field, expose, instant, motion, owners, steps_needed
from unblur.synth.stills import Scene, StillsBlur, cut_out, draw_length, draw_response, out_of_focus, patch
from unblur.synth.trajectory import Trajectory, random_trajectory

__all__ = ["SequenceBlur", "StillsSequence", "draw_moving_scene", "draw_sequence", "film", "flow_between"]

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

_FARTHEST_MARGIN = 1.0  # of the picture's longer side: what photos can be expected to hold; beyond, layers are mirrored


@dataclass(frozen=True, kw_only=True)
class SequenceBlur(StillsBlur):
    """Ranges from which a sequence is drawn: those of `StillsBlur` and these.

    `length` is the mean arc of the camera's shift over an exposure; single frames have less or more, down to none.
    `object_probability` is not used.

    Attributes:
        objects: fewest and most layers before the background.
        parallax: how many times the camera's shift the nearest layer may move; the background moves 1 time.
        exposure: lowest and highest share of the frame interval in which the shutter is open.
        shake: fastest sine of the trajectories, cycles in a frame interval.
        short_probability: share of sequences in bright light: things move as in the others, but the shutter is open for a part of the time only, so that frames
            are nearly sharp.
        short: smallest and largest such part.
    """

    wobble: tuple[float, float] = (0.7, 1.0)
    length: tuple[float, float] = (1.0, 16.0)
    objects: tuple[int, int] = (1, 3)
    parallax: float = 1.8
    exposure: tuple[float, float] = (0.3, 0.95)
    shake: float = 0.25
    short_probability: float = 0.0
    short: tuple[float, float] = (0.03, 0.3)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.exposure[0] <= self.exposure[1] <= 1:
            raise InputError(f"`exposure` is a share of the frame interval and must lie in (0, 1], got {self.exposure}")
        if not 0 < self.short[0] <= self.short[1] <= 1:
            raise InputError(f"`short` is a part of the exposure and must lie in (0, 1], got {self.short}")
        if self.shake <= 0:
            raise InputError(f"`shake` must be above 0, got {self.shake}")
        if self.parallax < 1:
            raise InputError(f"`parallax` must be 1 (none) or more, got {self.parallax}")


@dataclass(frozen=True)
class StillsSequence:
    """Consecutive frames with their truth.

    Attributes:
        blurry: (N, H, W, 3) RGB, 8 bit.
        sharp: (N, H, W, 3) RGB, 8 bit: the scene in the middle of each exposure.
        blur_field: (N, H/4, W/4, 3) how each pixel is blurred, see `unblur.synth.scene.blur_field`.
        flow_to_next: (N - 1, H, W, 2) (dx, dy) in pixels: what stands at p in `sharp[i]` stands at p + flow in `sharp[i + 1]`.
        flow_to_previous: (N - 1, H, W, 2) the same from `sharp[i + 1]` to `sharp[i]`.
        visible_in_next: (N - 1, H, W) whether it is inside `sharp[i + 1]` and nothing covers it there.
        visible_in_previous: (N - 1, H, W) the same from `sharp[i + 1]` to `sharp[i]`.
        trajectory: (N, 4) pose of the camera in the middle of each exposure, see `unblur.synth.trajectory`.
        exposure: share of the frame interval in which the shutter is open.
    """

    blurry: Bytes
    sharp: Bytes
    blur_field: Floats
    flow_to_next: Floats
    flow_to_previous: Floats
    visible_in_next: NDArray[np.bool_]
    visible_in_previous: NDArray[np.bool_]
    trajectory: NDArray[np.float64]
    exposure: float


def draw_sequence(
    generator: np.random.Generator, photos: Sequence[Bytes], *, size: tuple[int, int], num_frames: int, blur: SequenceBlur
) -> StillsSequence:
    """Draw one sequence; the same generator state gives the same bytes.

    Args:
        generator: source of all randomness.
        photos: sharp pictures (H, W, 3), RGB, 8 bit; smaller ones than needed are enlarged.
        size: height and width, multiples of 4.
        num_frames: N, 1 or more.
        blur: ranges to draw from.

    Raises:
        InputError: if `size` or `num_frames` is not as said.
    """
    if num_frames < 1 or min(size) < 4 or size[0] % 4 or size[1] % 4:
        raise InputError(f"a sequence needs a frame or more with sides that are multiples of 4, got {num_frames} of {size[1]}×{size[0]}")
    exposure = float(generator.uniform(*blur.exposure))
    if blur.short_probability and generator.random() < blur.short_probability:
        part = generator.uniform(*blur.short)
        exposure *= part
        blur = replace(blur, length=(part * blur.length[0], part * blur.length[1]), turn=part * blur.turn, zoom=part * blur.zoom)
    scene = draw_moving_scene(generator, photos, size=size, num_frames=num_frames, exposure=exposure, blur=blur)
    return film(scene, generator, size=size, num_frames=num_frames, exposure=exposure, blur=blur)


def draw_moving_scene(
    generator: np.random.Generator,
    photos: Sequence[Bytes],
    *,
    size: tuple[int, int],
    num_frames: int,
    exposure: float,
    blur: SequenceBlur,
) -> Scene:
    """Draw what `film` then takes: layers whose trajectories stay within reach for `num_frames` frames."""
    span = max(1.0, (num_frames - 1) / exposure + 1)
    length, tripod = draw_length(generator, blur=blur)
    amount = min(1.0, length / blur.length[0])
    response = draw_response(generator, camera=blur)
    rate = blur.shake * exposure  # in exposures, as trajectories count
    camera = random_trajectory(
        generator,
        length=length,
        turn=amount * generator.uniform(0, blur.turn),
        zoom=amount * generator.uniform(0, blur.zoom),
        wobble=generator.uniform(*blur.wobble),
        min_rate=rate / 4,
        max_rate=rate,
        span=span,
    )
    amount = 1.0 if tripod else amount  # of what things move by themselves
    depths = np.sort(generator.uniform(1, blur.parallax, size=int(generator.integers(*blur.objects, endpoint=True))))
    gain = draw_factor(generator, share=blur.highlight_probability, bounds=blur.highlight_gain)
    share = draw_factor(generator, share=blur.dim_probability, bounds=blur.dim)
    layers: list[Layer] = []
    for depth in (1.0, *depths):
        seen = camera.scaled(np.array([depth, depth, 1, 1]))
        trajectories: tuple[Trajectory, ...] = (seen,)
        if layers:
            own = random_trajectory(
                generator,
                length=amount * generator.uniform(0, blur.length[1]),
                turn=amount * generator.uniform(0, blur.turn),
                wobble=generator.uniform(*blur.wobble),
                min_rate=rate / 4,
                max_rate=rate,
                span=span,
            )
            trajectories = (own, seen)
        margin = _margin(Layer(np.zeros((1, 1, 3), np.float32), trajectories, (0, 0)), span=span, size=size)
        canvas = (size[0] + 2 * margin, size[1] + 2 * margin)
        light = response.decode(patch(generator, photos, size=canvas, smallest_scale=blur.smallest_scale))
        light = out_of_focus(light, generator, blur=blur)
        if layers:
            inner = margin / min(canvas)
            light = cut_out(light, generator, middles=(inner, 1 - inner))
        layers.append(Layer(lit(light, gain=gain, share=share), trajectories, (margin, margin)))
    return Scene(tuple(layers), camera, response, length, gain * share)


def film(
    scene: Scene, generator: np.random.Generator, *, size: tuple[int, int], num_frames: int, exposure: float, blur: SequenceBlur
) -> StillsSequence:
    """Expose a scene N times, with the faults of one camera in all blurry frames and none in the truths but its curve."""
    middles = ((np.arange(num_frames) - (num_frames - 1) / 2) / exposure).astype(np.float64)  # in exposures
    lights, sharp, blur_fields = [], [], []
    for middle in middles:
        shutter = {"opens": middle - 0.5, "closes": middle + 0.5}
        lights.append(expose(scene.layers, size=size, steps=steps_needed(scene.layers, size=size, **shutter), **shutter))
        sharp.append(scene.response.encode_8bit(instant(scene.layers, middle, size=size)))
        times = middle + np.linspace(-0.5, 0.5, 13)
        blur_fields.append(blur_field(motion(scene.layers, times, size=size, stride=4, start=middle)))
    blurry = develop(lights, generator, response=scene.response, camera=blur)
    forward = [flow_between(scene.layers, a, b, size=size) for a, b in pairwise(middles)]
    backward = [flow_between(scene.layers, b, a, size=size) for a, b in pairwise(middles)]
    none = (np.zeros((0, *size, 2), np.float32), np.zeros((0, *size), np.bool_))
    return StillsSequence(
        blurry=np.stack(blurry),
        sharp=np.stack(sharp),
        blur_field=np.stack(blur_fields),
        flow_to_next=np.stack([flow for flow, _ in forward]) if forward else none[0],
        flow_to_previous=np.stack([flow for flow, _ in backward]) if backward else none[0],
        visible_in_next=np.stack([seen for _, seen in forward]) if forward else none[1],
        visible_in_previous=np.stack([seen for _, seen in backward]) if backward else none[1],
        trajectory=scene.camera.at(middles),
        exposure=exposure,
    )


def flow_between(layers: Sequence[Layer], start: float, end: float, *, size: tuple[int, int]) -> tuple[Floats, NDArray[np.bool_]]:
    """Exact flow of what each pixel shows at `start` to its place at `end`, and whether it can be seen there.

    Args:
        layers: background first.
        start: instant of the pixels, in exposures.
        end: instant to which they are followed.
        size: height and width of the picture.

    Returns:
        (H, W, 2) displacement (dx, dy) in pixels, and (H, W) whether the place lies in the picture and belongs to the same layer.
    """
    flow = motion(layers, np.array([end]), size=size, start=start)[0]
    rows, columns = np.mgrid[: size[0], : size[1]]
    x, y = np.round(columns + flow[..., 0]).astype(int), np.round(rows + flow[..., 1]).astype(int)
    inside = (x >= 0) & (x < size[1]) & (y >= 0) & (y < size[0])
    there = owners(layers, end, size=size)[np.clip(y, 0, size[0] - 1), np.clip(x, 0, size[1] - 1)]
    return flow, inside & (there == owners(layers, start, size=size))


def _margin(layer: Layer, *, span: float, size: tuple[int, int]) -> int:
    """How much more of a layer than the picture is needed, so that its border does not come into view over `span` exposures."""
    corners = np.array([[0, 0, 1], [size[1] - 1, 0, 1], [0, size[0] - 1, 1], [size[1] - 1, size[0] - 1, 1]], np.float64)
    times = np.linspace(-span / 2, span / 2, round(8 * span) + 1)
    places = np.einsum("tij,cj->cti", layer.matrices(times, size=size), corners) - corners[:, None, :2]
    return int(min(np.ceil(np.abs(places).max()) + 8, _FARTHEST_MARGIN * max(size)))
