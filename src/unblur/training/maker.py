"""What the processes beside a training run: it makes samples of photos, objects and high-speed clips, and loads no torch."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from unblur.synth.dynamic import DynamicBlur, draw_dynamic_pair
from unblur.synth.highspeed import map_frames
from unblur.synth.scene import motion, trajectory_kernel
from unblur.synth.sequence import SequenceBlur, draw_sequence
from unblur.synth.sources import read_cutout, read_photo
from unblur.synth.stills import StillsBlur, draw_scene, photograph

__all__ = ["DynamicMaker", "PhotoMaker"]

Field = NDArray[Any]

_INSTANTS = 65  # at which points are followed along the trajectory
_STRIDE = 16  # pixels from one of these points to the next


@dataclass(frozen=True)
class PhotoMaker:
    """Makes pair, or short sequence, i from photos; picklable, decodes them once in each process.

    Attributes:
        photos: files.
        seed: of the recipe.
        size: side of the pictures made.
        num_frames: frames of a sequence; 1 makes pairs, by `draw_scene` and `photograph`.
        all_truths: keep the truths of all frames, not only of the middle one.
        flow: keep the exact flow of a sequence.
        blur: ranges to draw from.
        kernel: side of the kernel of the camera's trajectory that comes with each pair; None for none. Sequences have none.
    """

    photos: tuple[Path, ...]
    seed: int
    size: int
    num_frames: int
    all_truths: bool
    flow: bool
    blur: StillsBlur
    kernel: int | None = None

    @cached_property
    def _pictures(self) -> list[NDArray[np.uint8]]:
        cv2.setNumThreads(1)
        return [read_photo(path) for path in self.photos]

    @property
    def layout(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """Shapes and types of the arrays."""
        quarter = self.size // 4
        truths = self.num_frames if self.all_truths else 1
        layout: dict[str, tuple[tuple[int, ...], str]] = {
            "blurry": ((self.num_frames, self.size, self.size, 3), "uint8"),
            "sharp": ((truths, self.size, self.size, 3), "uint8"),
            "blur_field": ((self.num_frames, quarter, quarter, 3), "float16"),
        }
        if self.kernel is not None:
            layout["kernel"] = ((self.kernel, self.kernel), "float32")
        if self.flow:  # 64 pixels to 1/32 of one
            pair = ((self.num_frames - 1, self.size, self.size, 2), "float16")
            layout |= {"flow_to_next": pair, "flow_to_previous": pair}
        return layout

    def __call__(self, index: int) -> dict[str, Field]:
        generator = np.random.default_rng([self.seed, index])
        if not isinstance(self.blur, SequenceBlur):
            scene = draw_scene(generator, self._pictures, size=self.size, blur=self.blur)
            pair = photograph(scene, generator, size=self.size, blur=self.blur)
            fields: dict[str, Field] = {"blurry": pair.blurry[None], "sharp": pair.sharp[None], "blur_field": pair.blur_field[None]}
            if self.kernel is not None:
                moved = motion(scene.layers, np.linspace(-0.5, 0.5, _INSTANTS), size=(self.size, self.size), stride=_STRIDE)
                fields["kernel"] = trajectory_kernel(moved, side=self.kernel)
            return fields
        clip = draw_sequence(generator, self._pictures, size=(self.size, self.size), num_frames=self.num_frames, blur=self.blur)
        middle = self.num_frames // 2
        made: dict[str, Field] = {
            "blurry": clip.blurry,
            "sharp": clip.sharp if self.all_truths else clip.sharp[middle : middle + 1],
            "blur_field": clip.blur_field,
        }
        if self.flow:
            made |= {"flow_to_next": clip.flow_to_next, "flow_to_previous": clip.flow_to_previous}
        return made


@dataclass(frozen=True)
class DynamicMaker:
    """Makes pair i of dynamic scenes, see `unblur.synth.dynamic`; picklable, reads its sources once in each process.

    Attributes:
        photos: files of sharp pictures.
        cutouts: files of objects with opacity.
        frames: decoded clips, as `unblur.synth.highspeed.cache_frames` makes them.
        seed: of the recipe.
        size: side of the pictures made.
        blur: ranges to draw from.
    """

    photos: tuple[Path, ...]
    cutouts: tuple[Path, ...]
    frames: tuple[Path, ...]
    seed: int
    size: int
    blur: DynamicBlur

    @cached_property
    def _sources(self) -> dict[str, list[NDArray[np.uint8]]]:
        cv2.setNumThreads(1)
        return {
            "photos": [read_photo(path) for path in self.photos],
            "cutouts": [read_cutout(path) for path in self.cutouts],
            "sequences": [map_frames(path) for path in self.frames],
        }

    @property
    def layout(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """Shapes and types of the arrays."""
        return dict.fromkeys(("blurry", "sharp"), ((1, self.size, self.size, 3), "uint8"))

    def __call__(self, index: int) -> dict[str, Field]:
        generator = np.random.default_rng([self.seed, index])
        pair = draw_dynamic_pair(generator, **self._sources, size=self.size, blur=self.blur)
        return {"blurry": pair.blurry[None], "sharp": pair.sharp[None]}
