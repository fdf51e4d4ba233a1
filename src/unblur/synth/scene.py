"""Scenes of flat layers that move: what stands before the camera while its shutter is open.

The first layer fills the picture; each further one has an opacity, lies in front of those before it and may move by
itself. All of it is linear light, so that averaging instants is exposing a sensor.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from unblur.synth.trajectory import Trajectory, affine

__all__ = ["Layer", "blur_field", "expose", "instant", "motion", "owners", "steps_needed", "trajectory_kernel"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Layer:
    """A flat picture and its trajectories.

    Attributes:
        light: (h, w, 3) linear light in [0, 1], or (h, w, 4) with opacity last and the light multiplied by it.
        trajectories: followed one after the other, the layer's own first and the camera's last.
        origin: point (x, y) of `light` that lies at the top left of the picture when all trajectories are at rest.
    """

    light: Floats
    trajectories: tuple[Trajectory, ...]
    origin: tuple[int, int]

    def matrices(self, times: Doubles, *, size: tuple[int, int]) -> Doubles:
        """Matrices (T, 2, 3) that take points of the picture at rest to their place at `times`.

        Turns and zooms are about the middle of the picture, whose (height, width) is `size`.
        """
        centre = ((size[1] - 1) / 2, (size[0] - 1) / 2)
        whole = np.broadcast_to(np.eye(3), (len(times), 3, 3))
        for trajectory in self.trajectories:
            step = np.stack([np.vstack([affine(pose, centre=centre), [0, 0, 1]]) for pose in trajectory.at(times)])
            whole = step @ whole
        return whole[:, :2]


def instant(layers: Sequence[Layer], time: float, *, size: tuple[int, int]) -> Floats:
    """The scene at one instant, (H, W, 3) in linear light; at time 0, layers lie pixel on pixel, unresampled."""
    times = np.array([time])
    return _compose(layers, [layer.matrices(times, size=size)[0] for layer in layers], size=size)


def expose(layers: Sequence[Layer], *, size: tuple[int, int], steps: int, opens: float = -0.5, closes: float = 0.5) -> Floats:
    """Average the scene over the time from `opens` to `closes`: the light that the sensor gathers, (H, W, 3).

    Args:
        layers: background first.
        size: height and width of the picture.
        steps: instants that are averaged, evenly spaced, the middle of the exposure among them if odd; `steps_needed`
            gives a number without ghosting.
        opens: time at which the shutter opens, in exposures.
        closes: time at which it closes.
    """
    times = _instants(steps, opens=opens, closes=closes)
    matrices = [layer.matrices(times, size=size) for layer in layers]
    total = np.zeros((*size, 3), np.float32)
    for step in range(steps):
        total += _compose(layers, [matrix[step] for matrix in matrices], size=size)
    return total / np.float32(steps)


def motion(layers: Sequence[Layer], times: Doubles, *, size: tuple[int, int], stride: int = 1, start: float = 0.0) -> Floats:
    """Exact displacement of what each pixel shows at `start`, (T, H, W, 2) as (dx, dy) in pixels at `times`.

    A pixel belongs to the front-most layer that is more than half opaque there.

    Args:
        layers: background first.
        times: instants, in exposures.
        size: height and width of the picture.
        stride: give only every stride-th pixel in both directions, the first at stride // 2.
        start: instant at which the pixels are looked at, in exposures.
    """
    rows, columns = np.mgrid[stride // 2 : size[0] : stride, stride // 2 : size[1] : stride].astype(np.float64)
    points = np.stack([columns, rows, np.ones_like(rows)], axis=-1)  # (h, w, 3)
    belongs = owners(layers, start, size=size)[stride // 2 :: stride, stride // 2 :: stride]
    field = np.zeros((len(times), *rows.shape, 2), np.float32)
    for number, layer in enumerate(layers):
        rested = points
        if start != 0:
            back = np.linalg.inv(np.vstack([layer.matrices(np.array([start]), size=size)[0], [0, 0, 1]]))
            rested = points @ back.T
        moved = np.einsum("tij,hwj->thwi", layer.matrices(times, size=size), rested) - points[..., :2]
        mine = belongs == number
        field[:, mine] = moved[:, mine]
    return field


def owners(layers: Sequence[Layer], time: float, *, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Number of the front-most layer that is more than half opaque in each pixel at `time`, (H, W)."""
    belongs = np.zeros(size, np.uint8)
    for number, layer in enumerate(layers):
        if layer.light.shape[2] == 4:
            opacity = _draw(layer, layer.matrices(np.array([time]), size=size)[0], size=size)[..., 3]
            belongs[opacity > 0.5] = number
    return belongs


def blur_field(field: Floats) -> Floats:
    """How far, and along which line, each pixel is blurred: (h, w, 3) from the displacements (T, h, w, 2) of `motion`.

    The places of a pixel over the exposure have a covariance; a steady motion of length L along the angle θ has the
    eigenvalues L²/12 and 0. With l1 ≥ l2 the lengths that belong to the two eigenvalues, the channels are
    (l1 − l2)·cos 2θ, (l1 − l2)·sin 2θ and l1, in pixels. Turning a motion round changes nothing, as it changes nothing
    in the blurry picture.
    """
    deviation = field - field.mean(axis=0)
    xx, yy = (deviation**2).mean(axis=0)[..., 0], (deviation**2).mean(axis=0)[..., 1]
    xy = (deviation[..., 0] * deviation[..., 1]).mean(axis=0)
    half, gap = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    long, short = np.sqrt(12 * (half + gap)), np.sqrt(12 * np.maximum(half - gap, 0))
    scale = (long - short) / np.maximum(gap, 1e-12)
    return np.stack([scale * (xx - yy) / 2, scale * xy, long], axis=-1).astype(np.float32)


def trajectory_kernel(field: Floats, *, side: int) -> Floats:
    """Where the light of points fell, seen from where each was at the start of `motion`: (side, side), of sum 1, from its (T, h, w, 2).

    It is the kernel of the blur where all points move alike, and the mean of their kernels elsewhere. Light that fell further away than half of
    `side` is left out.
    """
    reach = side // 2
    places = field.reshape(-1, 2) + np.float32(reach)  # (P, 2)
    places = places[((places >= 0) & (places <= side - 1)).all(axis=1)]
    corner = np.minimum(places.astype(np.int64), side - 2)
    right, below = (places - corner).T
    kernel = np.zeros((side, side), np.float32)
    for across, column in ((1 - right, 0), (right, 1)):
        for down, row in ((1 - below, 0), (below, 1)):
            np.add.at(kernel, (corner[:, 1] + row, corner[:, 0] + column), across * down)
    return kernel / max(kernel.sum(), np.float32(1e-6))


def steps_needed(layers: Sequence[Layer], *, size: tuple[int, int], opens: float = -0.5, closes: float = 0.5, largest: int = 65) -> int:
    """Odd number of instants for which no corner of the picture moves more than a pixel from one to the next."""
    times = np.linspace(opens, closes, 33)
    corners = np.array([[0, 0, 1], [size[1] - 1, 0, 1], [0, size[0] - 1, 1], [size[1] - 1, size[0] - 1, 1]], np.float64)
    longest = 0.0
    for layer in layers:
        places = np.einsum("tij,cj->cti", layer.matrices(times, size=size), corners)
        longest = max(longest, float(np.linalg.norm(np.diff(places, axis=1), axis=2).sum(axis=1).max()))
    return int(min(2 * np.ceil(longest / 2) + 3, largest))


def _instants(steps: int, *, opens: float, closes: float) -> Doubles:
    """Middles of `steps` equal parts of the exposure."""
    edges = np.linspace(opens, closes, steps + 1)
    return np.array([(a + b) / 2 for a, b in pairwise(edges)])


def _compose(layers: Sequence[Layer], matrices: Sequence[Doubles], *, size: tuple[int, int]) -> Floats:
    if not layers:
        raise ValueError("a scene needs at least one layer")
    drawn = [_draw(layer, matrix, size=size) for layer, matrix in zip(layers, matrices, strict=True)]
    picture = drawn[0]
    for front in drawn[1:]:
        *colours, opacity = cv2.split(front)  # whole planes: several times faster than to broadcast over three channels
        picture = picture * cv2.merge([1 - opacity] * 3) + cv2.merge(colours)
    return picture


def _draw(layer: Layer, matrix: Doubles, *, size: tuple[int, int]) -> Floats:
    """Resample a layer into the picture; beyond its border the background is mirrored, other layers are clear."""
    x, y = layer.origin
    if np.array_equal(matrix, np.eye(2, 3)):
        return layer.light[y : y + size[0], x : x + size[1]]
    to_light = matrix.copy()  # light → picture: first take off the origin, then move
    to_light[:, 2] -= matrix[:, :2] @ np.array([x, y], np.float64)
    mode = cv2.BORDER_REFLECT_101 if layer.light.shape[2] == 3 else cv2.BORDER_CONSTANT
    return cv2.warpAffine(layer.light, to_light, (size[1], size[0]), flags=cv2.INTER_CUBIC, borderMode=mode).astype(np.float32, copy=False)
