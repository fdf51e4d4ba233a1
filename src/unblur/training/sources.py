"""Where the samples of a training come from: made of photos while it runs, or read from a data set.

Sample `slot` of step `step` is a pure function of the recipe's seed, the step, the slot and the order (a number that changes
when a training has gone back, so that it does not meet the same samples again). So a training that was stopped goes on with
the samples that it would have had, and several processes together see what one would.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields, is_dataclass
from itertools import groupby
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

import unblur
from unblur.data.layouts import Sample, read_layout
from unblur.data.pair_pool import PairPool
from unblur.data.transforms import Arrays, apply
from unblur.errors import InputError
from unblur.pixels import to_float
from unblur.synth.dynamic import DynamicBlur, kind_weights
from unblur.synth.highspeed import cache_frames, map_frames
from unblur.synth.sequence import SequenceBlur
from unblur.synth.sources import read_photo, sha256_of
from unblur.synth.stills import StillsBlur
from unblur.training.batch import Batch, to_batch, transforms_of
from unblur.training.maker import DynamicMaker, PhotoMaker
from unblur.training.recipe import ClipsKeys, DynamicKeys, PairsKeys, Recipe, SequencesKeys, StillsKeys

__all__ = ["Files", "Made", "Source", "identity_of", "open_source", "read_samples"]

_KEPT_BYTES = 2 * 2**30  # of decoded pictures; a small data set is decoded once

Field = NDArray[Any]


class Source(ABC):
    """Gives the samples of any step."""

    def __init__(self, *, recipe: Recipe) -> None:
        self.recipe = recipe
        self.waited = 0.0
        """Seconds spent on waiting for samples to be made, so far."""
        self._transforms = transforms_of(recipe)

    def batch(self, step: int, *, slots: range, order: int = 0) -> Batch:
        """The samples `slots` of a step, cropped and augmented."""
        samples = []
        for slot in slots:
            generator = np.random.default_rng([self.recipe.seed, 1, step, slot, order])
            samples.append(apply(self.draw(step, generator), self._transforms, generator))
        batch = to_batch(samples, slots=slots, photo=not self.recipe.several_frames)
        if self.recipe.middle_only:
            return batch.middle()
        return batch.alone() if self.recipe.reference_only else batch

    def stop(self) -> None:  # noqa: B027 (most sources have nothing to wait for)
        """Wait no longer for samples, since nobody wants them; a batch that still waits ends in an error."""

    @abstractmethod
    def draw(self, step: int, generator: np.random.Generator) -> Arrays:
        """A whole sample."""

    def _arrays(self, blurry: Field, sharp: Field, *, motion: Mapping[str, Field]) -> Arrays:
        """Floats where the augmentation calculates with light, bytes, which are quicker, elsewhere."""
        recipe = self.recipe
        if recipe.noise or any(tuple(bounds) != (1.0, 1.0) for bounds in (recipe.brightness, recipe.contrast, recipe.saturation)):
            blurry, sharp = (to_float(field) for field in (blurry, sharp))
        return Arrays(blurry, sharp, **{name: field.astype(np.float32) for name, field in motion.items()})


class Made(Source):
    """Samples from a moving pool of pairs that other processes make."""

    def __init__(self, pool: PairPool, *, recipe: Recipe) -> None:
        super().__init__(recipe=recipe)
        self._pool = pool

    def stop(self) -> None:
        self._pool.stop()

    def draw(self, step: int, generator: np.random.Generator) -> Arrays:
        first, last = self._pool.range(step)
        waited = self._pool.waited
        pair = self._pool.pair(int(generator.integers(first, last)))
        self.waited += self._pool.waited - waited
        motion = {name: field for name, field in pair.items() if name not in ("blurry", "sharp")}
        return self._arrays(pair["blurry"], pair["sharp"], motion=motion)


class Files(Source):
    """Windows of frames from a data set."""

    def __init__(self, samples: Sequence[Sequence[Sample]], *, recipe: Recipe) -> None:
        super().__init__(recipe=recipe)
        self._samples = samples
        self._kept: dict[Path, Field] = {}
        self._bytes = 0
        self._lock = Lock()

    def draw(self, step: int, generator: np.random.Generator) -> Arrays:  # noqa: ARG002 (any sample may come at any step)
        window = self._samples[int(generator.integers(len(self._samples)))]
        truths = window if self.recipe.all_truths else [window[len(window) // 2]]
        blurry = [self._picture(sample.reference) for sample in window]
        sharp = [self._picture(sample.sharp[len(sample.sharp) // 2]) for sample in truths]
        if len({picture.shape for picture in (*blurry, *sharp)}) > 1:
            raise InputError(f"the pictures that belong to `{window[0].reference}` differ in size; see `unblur data check`")
        if min(blurry[0].shape[:2]) < self.recipe.crop:
            height, width = blurry[0].shape[:2]
            raise InputError(
                f"`{window[0].reference}` has {width}x{height} pixels, fewer than the crop; add `--set crop={min(height, width)}` or less"
            )
        return self._arrays(np.stack(blurry), np.stack(sharp), motion={})

    def _picture(self, path: Path) -> Field:
        kept = self._kept.get(path)
        if kept is None:
            kept = read_photo(path)
            with self._lock:
                if self._bytes + kept.nbytes <= _KEPT_BYTES and path not in self._kept:
                    self._kept[path] = kept
                    self._bytes += kept.nbytes
        return kept


def read_samples(layout: str, folders: Sequence[Path], *, choice: dict[str, str], num_frames: int, edges: str) -> list[list[Sample]]:
    """Windows of consecutive frames of all sequences in all folders.

    Args:
        layout: name of a layout.
        folders: data sets in that layout.
        choice: arguments of its reader.
        num_frames: frames of a window, which belongs to frame `num_frames // 2` of them: the middle one, or of an even number the first of the
            second half.
        edges: `drop` leaves out windows that are not whole, `repeat` repeats the frames at the ends.

    Raises:
        InputError: if nothing is found, or no sequence has so many frames.
    """
    shifts = range(-(num_frames // 2), num_frames - num_frames // 2)
    found: list[list[Sample]] = []
    for folder in folders:
        try:
            samples = read_layout(layout, folder, choice=choice)
        except TypeError as error:
            raise InputError(f"the layout `{layout}` cannot be read with {choice}: {error}") from error
        for _, group in groupby(samples, key=lambda sample: sample.sequence):
            clip = list(group)
            places = range(-shifts[0], len(clip) - shifts[-1]) if edges == "drop" else range(len(clip))
            found += [[clip[min(max(place + shift, 0), len(clip) - 1)] for shift in shifts] for place in places]
    if not found:
        named = ", ".join(f"`{folder}`" for folder in folders)
        raise InputError(f"no sequence in {named} has the {num_frames} frames that the network sees together")
    return found


@contextmanager
def open_source(
    recipe: Recipe,
    *,
    photos: Sequence[Path],
    data: Sequence[Path],
    num_frames: int,
    pool: Path,
    part: tuple[int, int],
    kernel: int | None = None,
    cutouts: Sequence[Path] = (),
    highspeed: Sequence[Path] = (),
    waiting: Callable[[int, int], None] | None = None,
) -> Iterator[Source]:
    """Open the recipe's source; closes it, and ends the processes that make samples, when the block ends.

    Args:
        recipe: what to do.
        photos: sharp pictures, for `stills`, `dynamic` and `sequences`.
        data: folders of data sets, for `pairs` and `clips`.
        num_frames: frames that the network sees.
        pool: folder of the samples that are made.
        part: number of this process and of all.
        kernel: side of the exact kernels that come with `stills`, see `PhotoMaker`; None for none.
        cutouts: objects with opacity, for `dynamic`.
        highspeed: clips of about 240 frames a second, for `dynamic`; decoded once, into `pool`/frames.
        waiting: see `PairPool`.

    Raises:
        InputError: if the recipe's data do not suit the network, or what it needs was not given or found.
    """
    keys = recipe.data
    if recipe.middle_only and num_frames > 1:
        raise InputError(f"network `{recipe.model}` sees {num_frames} frames; `data.middle_only` is for networks that see one")
    if (recipe.several_frames and not recipe.middle_only) != (num_frames > 1):
        fitting = "`clips` or `sequences`" if num_frames > 1 else "`stills`, `dynamic` or `pairs`"
        middle = f"; `data.middle_only: true` shows it the middle frame of `{keys.kind}`" if num_frames == 1 else ""
        raise InputError(
            f"network `{recipe.model}` sees {num_frames} frame(s), so that it needs `data.kind` to be {fitting}, not `{keys.kind}`{middle}"
        )
    if num_frames > 1 and not recipe.all_truths and recipe.frames != num_frames:
        raise InputError(f"network `{recipe.model}` sees {num_frames} frames; `data.frames` must be that, not {recipe.frames}")
    if isinstance(keys, PairsKeys | ClipsKeys):
        if not data:
            raise InputError(f"`data.kind: {keys.kind}` needs a data set in the layout `{keys.layout}`; name its folder with `--data`")
        yield Files(read_samples(keys.layout, data, choice=keys.choice, num_frames=recipe.frames, edges="drop"), recipe=recipe)
        return
    maker: PhotoMaker | DynamicMaker
    if isinstance(keys, DynamicKeys):
        maker = _dynamic_maker(recipe, photos=photos, cutouts=cutouts, highspeed=highspeed, folder=pool / "frames")
    else:
        maker = _photo_maker(recipe, photos=photos, kernel=kernel)
    with PairPool(
        maker,
        folder=pool,
        identity=identity_of(maker),
        layout=maker.layout,
        capacity=keys.pool,
        start=keys.pool_start,
        new_pairs=keys.new_pairs,
        workers=max(recipe.workers, 1),
        waiting=waiting,
        part=part,
    ) as pairs:
        yield Made(pairs, recipe=recipe)


def identity_of(maker: PhotoMaker | DynamicMaker) -> dict[str, object]:
    """All that the samples of a maker depend on, as JSON-like values: the version of the program, every argument, and of files their content.

    Decoded clips are named by their content and keep that name; where they lie, as where any other file lies, does not matter.
    """
    known: dict[str, object] = {"version": unblur.__version__, "maker": type(maker).__name__}
    for field in fields(maker):
        value = getattr(maker, field.name)
        if field.name == "frames":
            known["frames"] = [path.name for path in value]
        elif isinstance(value, tuple):
            known[field.name] = [sha256_of(path) for path in value]
        else:
            known[field.name] = asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
    return known


def _photo_maker(recipe: Recipe, *, photos: Sequence[Path], kernel: int | None) -> PhotoMaker:
    """What makes `stills` and `sequences`."""
    keys = recipe.data
    assert isinstance(keys, StillsKeys | SequencesKeys)
    if not photos:
        raise InputError(f"`data.kind: {keys.kind}` needs sharp photos (JPEG, PNG, WebP, TIFF); name a folder of them with `--photos`")
    return PhotoMaker(
        photos=tuple(photos),
        seed=recipe.seed,
        size=keys.pair_size,
        num_frames=recipe.frames,
        all_truths=recipe.all_truths,
        flow=recipe.objective.kind in ("flow", "flow_and_blur_field"),
        blur=(SequenceBlur if isinstance(keys, SequencesKeys) else StillsBlur)(**keys.blur),
        kernel=kernel,
    )


def _dynamic_maker(
    recipe: Recipe, *, photos: Sequence[Path], cutouts: Sequence[Path], highspeed: Sequence[Path], folder: Path
) -> DynamicMaker:
    """What makes `dynamic`; decodes the clips into `folder`, where they are not there yet."""
    if not photos and not highspeed:
        raise InputError(
            "`data.kind: dynamic` needs sharp photos, clips of about 240 frames a second, or both: `--photos DIR`, `--highspeed FILE`"
        )
    keys = recipe.data
    assert isinstance(keys, DynamicKeys)
    blur = DynamicBlur(**keys.blur)
    frames = tuple(cache_frames(clip, folder) for clip in highspeed)
    kind_weights(photos=bool(photos), sequences=[map_frames(path) for path in frames], size=keys.pair_size, blur=blur)  # fails early
    return DynamicMaker(photos=tuple(photos), cutouts=tuple(cutouts), frames=frames, seed=recipe.seed, size=keys.pair_size, blur=blur)
