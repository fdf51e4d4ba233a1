"""Scenes of several layers with depth, each with a motion of its own, exposed quickly enough to make training data while training.

The same model as `unblur.synth.scene`, and two things more: objects rotate and scale about their own centre, and a layer may
deform smoothly. Speed comes from three choices. Layers are stored at twice their resolution, interpolated once with a cubic
kernel, so that bilinear sampling at each instant is sharp enough; an object is resampled only in its bounding box; and the
number of instants follows the length of the motion.

The reference shows the scene at time 0, in the middle of the exposure, as the middle frame of a high-speed clip does (Nah et al., "Deep Multi-scale
Convolutional Neural Network for Dynamic Scene Deblurring", CVPR 2017, section 2). It is not the centre of mass of the blur kernel, which may lie
beside the trajectory: networks that had learnt the middle were displaced by training with the centre of mass (docs/lab).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from unblur.synth.trajectory import Trajectory, affine

__all__ = ["MovingLayer", "average", "doubled", "instants_needed", "reference", "smooth_field"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

_HALFWAY = np.array([[-1, 9, 9, -1]], np.float32) / 16  # cubic convolution (Keys 1981, a = -1/2) halfway between samples


@dataclass(frozen=True, eq=False, kw_only=True)
class MovingLayer:
    """A flat picture, where it lies and how it moves.

    Attributes:
        light: (2h, 2w, 4) linear light multiplied by opacity, and the opacity, as `doubled` gives it.
        place: (x, y) in the picture of the top left pixel of `light` at rest.
        camera: trajectory of the camera as this layer sees it, about the centre of the picture.
        own: trajectory of the layer itself, about the centre of `light`.
        background: whether the layer fills the picture; beyond its border it is mirrored.
        field: (H, W) smooth deformation over the picture; None for a rigid layer.
        bend: trajectory whose shift is multiplied by `field` and added to the displacement.
    """

    light: Floats
    place: tuple[int, int]
    camera: Trajectory
    own: Trajectory
    background: bool
    field: Floats | None = None
    bend: Trajectory | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width at the resolution of the picture."""
        return self.light.shape[0] // 2, self.light.shape[1] // 2

    def corners(self, *, size: tuple[int, int]) -> Doubles:
        """(4, 3) homogeneous corners (x, y, 1) of what can be seen, in the picture at rest."""
        (x, y), (height, width) = ((0, 0), size) if self.background else (self.place, self.size)
        right, below = x + width - 1, y + height - 1
        return np.array([[x, y, 1], [right, y, 1], [x, below, 1], [right, below, 1]], np.float64)

    def matrices(self, times: Doubles, *, size: tuple[int, int]) -> Doubles:
        """Matrices (T, 3, 3) that take points of the picture at rest to their place at `times`."""
        height, width = self.size
        middle = (self.place[0] + (width - 1) / 2, self.place[1] + (height - 1) / 2)
        own = _affines(self.own.at(times), centre=middle)
        return _affines(self.camera.at(times), centre=((size[1] - 1) / 2, (size[0] - 1) / 2)) @ own

    def bends(self, times: Doubles) -> Doubles:
        """(T, 2) factors (dx, dy) of the deformation field at `times`."""
        return np.zeros((len(times), 2)) if self.bend is None else self.bend.at(times)[:, :2]


def average(layers: Sequence[MovingLayer], times: Doubles, *, size: tuple[int, int]) -> Floats:
    """Mean of the scene over `times`: (H, W, 3) in the values of the layers, without clipping.

    Args:
        layers: background first.
        times: instants, in exposures.
        size: height and width of the picture.
    """
    matrices = [layer.matrices(times, size=size) for layer in layers]
    inverse = [np.linalg.inv(each) for each in matrices]
    moved = [each @ layer.corners(size=size).T for each, layer in zip(matrices, layers, strict=True)]  # (T, 3, 4)
    bends = [layer.bends(times) for layer in layers]
    total = np.zeros((*size, 4), np.float32)
    for step in range(len(times)):
        picture: Floats | None = None
        for number, layer in enumerate(layers):
            box = (0, 0, size[1], size[0])
            if picture is not None:
                reach = np.abs(bends[number][step]).max() + 2
                low, high = moved[number][step].min(axis=1)[:2] - reach, moved[number][step].max(axis=1)[:2] + reach
                box = _clipped(low, high, size=size)
                if box[0] >= box[2] or box[1] >= box[3]:
                    continue
            drawn = _draw(layer, inverse[number][step], bends[number][step], box=box)
            if picture is None:
                picture = drawn
            else:
                _over(picture, drawn, box=box)
        assert picture is not None
        total += picture
    return _colours(total) / np.float32(len(times))


def reference(layers: Sequence[MovingLayer], *, size: tuple[int, int]) -> Floats:
    """The scene with all layers at rest, (H, W, 3), not resampled."""
    x, y = layers[0].place
    picture = _original(layers[0])[-y : size[0] - y, -x : size[1] - x].copy()
    for layer in layers[1:]:
        x, y = layer.place
        box = _clipped(np.array([x, y]), np.array([x + layer.size[1], y + layer.size[0]]) - 1, size=size)
        if box[0] < box[2] and box[1] < box[3]:
            _over(picture, _original(layer)[box[1] - y : box[3] - y, box[0] - x : box[2] - x], box=box)
    return _colours(picture)


def instants_needed(layers: Sequence[MovingLayer], *, size: tuple[int, int], most: int, spacing: float = 1.25) -> int:
    """Number of instants, at least 3 and at most `most`, one for each `spacing` pixels that the fastest corner of a layer moves."""
    times = np.linspace(-0.5, 0.5, 33)
    longest = 0.0
    for layer in layers:
        places = np.einsum("tij,cj->cti", layer.matrices(times, size=size), layer.corners(size=size))[..., :2]
        longest = max(longest, float(np.linalg.norm(np.diff(places, axis=1), axis=2).sum(axis=1).max()))
    return int(np.clip(np.ceil(longest / spacing) + 2, 3, most))


def doubled(light: Floats) -> Floats:
    """Twice the resolution by cubic interpolation: (2h, 2w, 4) from (h, w, 4), whose samples are kept at even places."""
    height, width, _ = light.shape
    full = np.empty((2 * height, 2 * width, 4), np.float32)
    pixels = _whole_pixels(full)
    right = _halfway(light, across=True)
    parts = (light, right, _halfway(light, across=False), _halfway(right, across=False))
    for place, part in enumerate(parts):
        pixels[place // 2 :: 2, place % 2 :: 2] = _whole_pixels(np.ascontiguousarray(part, np.float32))
    return full


def smooth_field(generator: np.random.Generator, *, size: tuple[int, int], cells: int) -> Floats:
    """A smooth random field (H, W) of mean about 0 and values in [-1, 1], with about `cells` bumps across."""
    coarse = generator.uniform(-1, 1, (cells, cells)).astype(np.float32)
    field = cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC)
    return np.clip(field, -1, 1).astype(np.float32, copy=False)


def _whole_pixels(light: Floats) -> NDArray[np.complex128]:
    """A view of (h, w, 4) floats as (h, w) values of 16 bytes, which are copied several times faster; no arithmetic makes sense with them."""
    return light.view(np.complex128)[..., 0]


def _original(layer: MovingLayer) -> Floats:
    """The layer (h, w, 4) before it was doubled."""
    return np.ascontiguousarray(_whole_pixels(layer.light)[::2, ::2])[..., None].view(np.float32)


def _colours(picture: Floats) -> Floats:
    """Leave the opacity out: (H, W, 3)."""
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGBA2RGB), np.float32)


def _halfway(light: Floats, *, across: bool) -> Floats:
    kernel, anchor = (_HALFWAY, (1, 0)) if across else (_HALFWAY.T, (0, 1))
    filtered = cv2.filter2D(light, -1, np.ascontiguousarray(kernel), anchor=anchor, borderType=cv2.BORDER_REFLECT_101)
    return np.asarray(filtered, np.float32).reshape(light.shape)


def _affines(poses: Doubles, *, centre: tuple[float, float]) -> Doubles:
    """`affine` of poses (T, 4) as homogeneous matrices (T, 3, 3)."""
    matrices = np.zeros((len(poses), 3, 3))
    matrices[:, :2], matrices[:, 2, 2] = affine(poses, centre=centre), 1
    return matrices


def _clipped(low: NDArray[np.floating], high: NDArray[np.floating], *, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the whole pixels from `low` to `high` (x, y) that lie in the picture."""
    left, top = (max(0, int(np.floor(value))) for value in low)
    return left, top, min(size[1], int(np.ceil(high[0])) + 1), min(size[0], int(np.ceil(high[1])) + 1)


def _draw(layer: MovingLayer, inverse: Doubles, bend: Doubles, *, box: tuple[int, int, int, int]) -> Floats:
    """Resample the layer in a box of the picture, (h, w, 4); `inverse` takes the picture to the picture at rest."""
    left, top, right, bottom = box
    columns, rows = np.arange(left, right, dtype=np.float64), np.arange(top, bottom, dtype=np.float64)
    maps = []
    for axis in (0, 1):
        a, b, c = 2 * inverse[axis]  # layers are stored at twice the resolution
        across, down = (a * columns).astype(np.float32), (b * rows + c - 2 * layer.place[axis]).astype(np.float32)
        coordinates = across[None] + down[:, None]
        if layer.field is not None and bend[axis]:
            coordinates -= np.float32(2 * bend[axis]) * layer.field[top:bottom, left:right]
        maps.append(coordinates)
    mode = cv2.BORDER_REFLECT_101 if layer.background else cv2.BORDER_CONSTANT
    return np.asarray(cv2.remap(layer.light, maps[0], maps[1], cv2.INTER_LINEAR, borderMode=mode), np.float32)


def _over(picture: Floats, front: Floats, *, box: tuple[int, int, int, int]) -> None:
    """Lay `front` (premultiplied) over the box of `picture`, in place."""
    behind = picture[box[1] : box[3], box[0] : box[2]]
    clear = 1 - cv2.extractChannel(front, 3)
    behind *= cv2.cvtColor(clear, cv2.COLOR_GRAY2BGRA)  # over four channels, eight times faster than to broadcast; opacity stays 1
    behind += front
