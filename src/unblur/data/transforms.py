"""Paired transforms: what is done to a sample before training, the same for its blurry frames, its truths and its motion.

A transform is a callable `(sample, generator) -> sample` that leaves its input as it is; `apply` runs an ordered list of them.
The functions under them (`crop`, `flip`, `rotate90`, …) take what is drawn as arguments. Motion is turned along: flow
is a vector for each pixel, and the blur field of `unblur.synth.scene` is an axis, whose angle counts twice.

The published recipes, in their order:

- `deepdeblur`: Crop, Flip, Rotate90, PermuteChannels, Adjust (saturation alone), Noise with a drawn deviation of 2/255.
- `mdcn` and `astcn`: Crop, Reverse, Adjust (all three), Flip, then Noise of 0.01 on the inputs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unblur.errors import ShapeError

__all__ = [
    "Adjust",
    "Arrays",
    "Crop",
    "Flip",
    "Noise",
    "PermuteChannels",
    "Reverse",
    "Rotate90",
    "Transform",
    "adjust",
    "apply",
    "crop",
    "flip",
    "permute_channels",
    "reverse",
    "rotate90",
]

Field = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Arrays:
    """A sample in memory; what there is not is None. A photo has one frame.

    Attributes:
        blurry: (N, H, W, 3) RGB, integers, or floats in [0, 1].
        sharp: (M, H, W, 3) its truths: one for the reference, or one for each frame.
        blur_field: (N, H/s, W/s, 3) the blur field, see `unblur.synth.scene.blur_field`; s is 4 mostly.
        flow_to_next: (N - 1, H/s, W/s, 2) (dx, dy) in pixels, from each frame to the next.
        flow_to_previous: (N - 1, H/s, W/s, 2) from each frame but the first to the one before.
        kernel: (K, K) where the light of the whole picture's points fell, see `unblur.synth.scene.trajectory_kernel`; it is turned along, and a
            crop of the picture leaves it as it is.

    Raises:
        ShapeError: if the sizes do not fit.
    """

    blurry: Field
    sharp: Field
    blur_field: Field | None = None
    flow_to_next: Field | None = None
    flow_to_previous: Field | None = None
    kernel: Field | None = None

    def __post_init__(self) -> None:
        for name, field in self.fields().items():
            channels = {"blurry": 3, "sharp": 3, "blur_field": 3}.get(name, 2)
            if field.ndim != 4 or field.shape[3] != channels:
                raise ShapeError(f"`{name}` must have shape (N, H, W, {channels}), got {field.shape}")
            if self.size[0] % field.shape[1] or self.size[1] * field.shape[1] != self.size[0] * field.shape[2]:
                raise ShapeError(f"`{name}` of {field.shape[1:3]} does not divide pictures of {self.size}")
        if self.kernel is not None and (self.kernel.ndim != 2 or self.kernel.shape[0] != self.kernel.shape[1]):
            raise ShapeError(f"`kernel` must have shape (K, K), got {self.kernel.shape}")

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.blurry.shape[1], self.blurry.shape[2]

    def fields(self) -> dict[str, Field]:
        """The arrays that there are for each pixel, by name."""
        return {name: field for name, field in vars(self).items() if field is not None and name != "kernel"}


Transform = Callable[[Arrays, np.random.Generator], Arrays]


def apply(sample: Arrays, transforms: Sequence[Transform], generator: np.random.Generator) -> Arrays:
    """Apply transforms one after the other; each draws from the same generator in its turn."""
    for transform in transforms:
        sample = transform(sample, generator)
    return sample


def crop(sample: Arrays, *, top: int, left: int, size: tuple[int, int]) -> Arrays:
    """Cut out `size` (height, width) from (`top`, `left`); fields of motion are cut at their own scale.

    Raises:
        ShapeError: if the crop does not lie inside, or not on whole pixels of a smaller field.
    """
    if top < 0 or left < 0 or top + size[0] > sample.size[0] or left + size[1] > sample.size[1]:
        raise ShapeError(f"a crop of {size} at ({top}, {left}) does not lie in pictures of {sample.size}")

    def cut(field: Field) -> Field:
        scale = sample.size[0] // field.shape[1]
        if any(number % scale for number in (top, left, *size)):
            raise ShapeError(f"a crop of {size} at ({top}, {left}) must be in multiples of {scale}, as its motion is")
        return field[:, top // scale : (top + size[0]) // scale, left // scale : (left + size[1]) // scale]

    return Arrays(**{name: cut(field) for name, field in sample.fields().items()}, kernel=sample.kernel)


def flip(sample: Arrays, *, horizontal: bool = False, vertical: bool = False) -> Arrays:
    """Mirror left to right, top to bottom, or both."""
    across, down = (-1 if horizontal else 1), (-1 if vertical else 1)
    turned = {name: field[:, ::down, ::across] for name, field in sample.fields().items()}
    kernel = None if sample.kernel is None else sample.kernel[::down, ::across]
    return _with_motion(turned, kernel, flow=np.array([[across, 0], [0, down]]), blur_field=(1, across * down))


def rotate90(sample: Arrays, *, turns: int) -> Arrays:
    """Turn by `turns` quarters counter-clockwise."""
    turned = {name: np.rot90(field, k=turns, axes=(1, 2)) for name, field in sample.fields().items()}
    flow = np.linalg.matrix_power(np.array([[0, 1], [-1, 0]]), turns % 4)  # what moved down moves to the right
    sign = -1 if turns % 2 else 1  # a quarter turn adds π to the doubled angle
    kernel = None if sample.kernel is None else np.rot90(sample.kernel, k=turns)
    return _with_motion(turned, kernel, flow=flow, blur_field=(sign, sign))


def reverse(sample: Arrays) -> Arrays:
    """Run the time backwards: frames in the other order, flow to the next becomes flow to the previous."""
    turned = {name: field[::-1] for name, field in sample.fields().items()}
    to_next, to_previous = turned.pop("flow_to_previous", None), turned.pop("flow_to_next", None)
    return Arrays(**turned, flow_to_next=to_next, flow_to_previous=to_previous, kernel=sample.kernel)


def permute_channels(sample: Arrays, *, order: Sequence[int]) -> Arrays:
    """Reorder red, green and blue."""
    return replace(sample, blurry=sample.blurry[..., list(order)], sharp=sample.sharp[..., list(order)])


def adjust(sample: Arrays, *, brightness: float = 1.0, contrast: float = 1.0, saturation: float = 1.0) -> Arrays:
    """Multiply brightness, contrast and saturation, in this order, of blurry and sharp alike, and clip to [0, 1].

    Decided: contrast is about the mean luma (BT.601) of the blurry frames, saturation about each pixel's luma.

    Raises:
        ShapeError: if the pictures are integers.
    """
    _floats(sample)
    luma = np.array([0.299, 0.587, 0.114], np.float32)
    middle = float((sample.blurry @ luma).mean()) * brightness

    def change(pictures: Field) -> Field:
        values = (pictures * np.float32(brightness) - middle) * np.float32(contrast) + np.float32(middle)
        grey = (values @ luma)[..., None]
        return np.clip(grey + np.float32(saturation) * (values - grey), 0, 1).astype(pictures.dtype)

    return replace(sample, blurry=change(sample.blurry), sharp=change(sample.sharp))


@dataclass(frozen=True)
class Crop:
    """Cut a random square of `size` pixels; its place is a multiple of `multiple`, which motion at a smaller scale needs."""

    size: int
    multiple: int = 4

    def __call__(self, sample: Arrays, generator: np.random.Generator) -> Arrays:
        """Draw the place and cut."""
        if min(sample.size) < self.size:
            raise ShapeError(f"pictures of {sample.size} are smaller than the crop of {self.size}")
        room = [(side - self.size) // self.multiple for side in sample.size]
        top, left = (int(place) * self.multiple for place in generator.integers(room, endpoint=True))
        return crop(sample, top=top, left=left, size=(self.size, self.size))


@dataclass(frozen=True)
class Flip:
    """Mirror left to right in a share `horizontal` of the samples, and top to bottom in a share `vertical`."""

    horizontal: float = 0.5
    vertical: float = 0.0

    def __call__(self, sample: Arrays, generator: np.random.Generator) -> Arrays:
        """Draw whether, and mirror."""
        across = bool(self.horizontal) and generator.random() < self.horizontal
        down = bool(self.vertical) and generator.random() < self.vertical
        return flip(sample, horizontal=bool(across), vertical=bool(down))


@dataclass(frozen=True)
class Rotate90:
    """Turn by 0 to 3 quarters, evenly drawn."""

    def __call__(self, sample: Arrays, generator: np.random.Generator) -> Arrays:
        """Draw how far, and turn."""
        return rotate90(sample, turns=int(generator.integers(4)))


@dataclass(frozen=True)
class Reverse:
    """Run the time backwards in a share of the samples."""

    share: float = 0.5

    def __call__(self, sample: Arrays, generator: np.random.Generator) -> Arrays:
        """Draw whether, and reverse."""
        return reverse(sample) if generator.random() < self.share else sample


@dataclass(frozen=True)
class PermuteChannels:
    """Put red, green and blue into a random order in a share of the samples."""

    share: float = 1.0

    def __call__(self, sample: Arrays, generator: np.random.Generator) -> Arrays:
        """Draw whether and how, and permute."""
        if generator.random() < self.share:
            return permute_channels(sample, order=[int(channel) for channel in generator.permutation(3)])
        return sample


@dataclass(frozen=True)
class Adjust:
    """Multiply brightness, contrast and saturation by factors drawn evenly from ranges; (1, 1) changes nothing."""

    brightness: tuple[float, float] = (0.8, 1.2)
    contrast: tuple[float, float] = (0.8, 1.2)
    saturation: tuple[float, float] = (0.8, 1.2)

    def __call__(self, sample: Arrays, generator: np.random.Generator) -> Arrays:
        """Draw the factors and multiply."""
        factors = [float(generator.uniform(*bounds)) for bounds in (self.brightness, self.contrast, self.saturation)]
        return adjust(sample, brightness=factors[0], contrast=factors[1], saturation=factors[2])


@dataclass(frozen=True)
class Noise:
    """Add Gaussian noise to the blurry frames, not to the truths; nothing is clipped.

    Attributes:
        deviation: standard deviation, pictures being in [0, 1].
        drawn: draw each sample's standard deviation from N(0, deviation²), as DeepDeblur does.
    """

    deviation: float
    drawn: bool = False

    def __call__(self, sample: Arrays, generator: np.random.Generator) -> Arrays:
        """Draw the noise and add it."""
        _floats(sample)
        deviation = abs(generator.normal(0, self.deviation)) if self.drawn else self.deviation
        noise = generator.standard_normal(sample.blurry.shape, dtype=np.float32) * np.float32(deviation)
        return replace(sample, blurry=(sample.blurry + noise).astype(sample.blurry.dtype))


def _with_motion(turned: dict[str, Field], kernel: Field | None, *, flow: NDArray[Any], blur_field: tuple[int, int]) -> Arrays:
    """Turn the vectors of flow by a matrix, and the axes of the blur field by signs of their two components."""
    for name, field in turned.items():
        if name.startswith("flow"):
            turned[name] = (field @ flow.T.astype(field.dtype)).astype(field.dtype, copy=False)
        elif name == "blur_field":
            turned[name] = field * np.array([*blur_field, 1], field.dtype)
    return Arrays(**turned, kernel=kernel)


def _floats(sample: Arrays) -> None:
    if not np.issubdtype(sample.blurry.dtype, np.floating):
        raise ShapeError(f"pictures must be floats in [0, 1] here, got {sample.blurry.dtype}; divide them by their largest value")
