"""What a data set is to be made of, and how: of clips, of sharp photos, or of dynamic scenes.

A plan has parts that do not depend on each other: a clip, or a draw, whose random numbers are seeded by the plan's seed and the part's number. So parts that are
made apart, by any process and in any order, are those of one process.
"""

import tempfile
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from unblur.errors import InputError, UnblurError
from unblur.synth.dynamic import DynamicBlur, draw_dynamic_pair
from unblur.synth.folder import DataSetFolder, blur_folder
from unblur.synth.highspeed import cache_frames, map_frames
from unblur.synth.response import Response, response_named
from unblur.synth.scene import motion
from unblur.synth.sequence import SequenceBlur, draw_sequence
from unblur.synth.sources import Clip, find_photos, open_clip, read_cutout, read_photo, sha256_of
from unblur.synth.stills import StillsBlur, draw_scene, photograph
from unblur.synth.video import VideoBlur, analyse, blur_clip, plan_windows

__all__ = ["DRAWS_A_UNIT", "ClipPlan", "Plan", "Progress", "ScenePlan", "StillsPlan", "Written"]

Progress = Callable[[str, int, int | None], None]
"""Called with what is being done, how much of it is done, and of how much (None if unknown)."""

DRAWS_A_UNIT = 25
"""Draws in a unit of a plan that draws; a clip is a unit by itself."""

Failed = list[tuple[str, str]]
"""Paths of sources that failed, each with the reason."""


@dataclass(frozen=True)
class Written:
    """What is known of parts that were written, as JSON-like values.

    Attributes:
        pairs: how many.
        sequences: their entries in the manifest.
        sources: entries in the manifest of what they were made of, by their names there, such as `sources` and `cutouts`.
        left_out: exposures that make no pair, by reason.
        failed: sources that failed.
        sets: the same of each set of a `MixedPlan`, with the set's number.
    """

    pairs: int
    sequences: list[dict[str, Any]]
    sources: dict[str, list[dict[str, Any]]]
    left_out: dict[str, int] = field(default_factory=dict)
    failed: Failed = field(default_factory=list)
    sets: list[dict[str, Any]] = field(default_factory=list)


class Plan(ABC):
    """What a data set is made of, and how; picklable."""

    @property
    @abstractmethod
    def parts(self) -> int:
        """How many parts there are."""

    @abstractmethod
    def check(self) -> None:
        """See that the arguments fit together, before any work.

        Raises:
            InputError: if not.
        """

    @abstractmethod
    def write(self, folder: DataSetFolder, *, parts: range, progress: Progress | None = None) -> Written:
        """Make some parts.

        Args:
            folder: where they are written.
            parts: which.
            progress: called with what is being done.

        Raises:
            InputError: if there is no source that can be used; a clip that cannot be used is no error.
            OutputError: if they cannot be written.
        """

    @abstractmethod
    def manifest(self, written: Written) -> dict[str, Any]:
        """What the manifest says, but for the version.

        Raises:
            InputError: if no pair was made.
        """

    @abstractmethod
    def joined(self, written: Sequence[Written]) -> Written:
        """What is known of all parts together.

        Args:
            written: of the parts, in their order.

        Raises:
            InputError: if the sources were others for one part than for another.
        """

    @abstractmethod
    def units(self) -> list[range]:
        """The parts in ranges, each of which is worth a process of its own."""

    @abstractmethod
    def anywhere(self, kept: Path) -> Self:
        """The same plan, carried out in any folder: with absolute paths.

        Args:
            kept: a folder for what is made once for all parts.
        """


def _absolute(paths: Sequence[Path]) -> tuple[Path, ...]:
    return tuple(path.absolute() for path in paths)


@dataclass(frozen=True)
class ClipPlan(Plan):
    """Pairs by averaging frames of clips; a part is a clip.

    Attributes:
        clips: video files, or folders of numbered frames.
        response: name of the curve of the camera that took them, see `response_named`.
        blur: how pairs are made.
        seed: of the camera's faults.
        rate: frames a second, None for what the files say.
        start: first second of each clip to use.
        duration: seconds of each clip to use, None for all.
        scale: factor in (0, 1] by which frames are shrunk.
        prefix: before the names of all sequences.
    """

    clips: tuple[Path, ...]
    response: str
    blur: VideoBlur
    seed: int
    rate: float | None = None
    start: float = 0.0
    duration: float | None = None
    scale: float = 1.0
    prefix: str = ""

    @property
    def parts(self) -> int:
        return len(self.clips)

    def units(self) -> list[range]:
        return [range(number, number + 1) for number in range(self.parts)]

    def anywhere(self, kept: Path) -> Self:
        del kept
        return replace(self, clips=_absolute(self.clips))

    def check(self) -> None:
        response_named(self.response)

    def write(self, folder: DataSetFolder, *, parts: range, progress: Progress | None = None) -> Written:
        response = response_named(self.response)
        sources: list[dict[str, Any]] = []
        sequences: list[dict[str, Any]] = []
        left_out: Counter[str] = Counter()
        failed: Failed = []
        names: Counter[str] = Counter()
        for number, path in enumerate(self.clips):
            stem = path.stem or "clip"
            name = self.prefix + (stem if not names[stem] else f"{stem}-{names[stem]}")
            names[stem] += 1
            if number not in parts:
                continue
            try:
                clip = open_clip(path, rate=self.rate, start=self.start, duration=self.duration, scale=self.scale)
                source, made, objections = _blurred(
                    clip, folder, name=name, response=response, blur=self.blur, seed=[self.seed, number], progress=progress
                )
            except UnblurError as error:
                if isinstance(error, OSError):  # the target cannot be written: no clip will do better
                    raise
                failed.append((str(path), str(error)))
                continue
            sources.append(source)
            sequences += [{"source": len(sources) - 1, **sequence} for sequence in made]
            left_out.update(objections)
        return Written(folder.count, sequences, {"sources": sources}, dict(left_out), failed)

    def manifest(self, written: Written) -> dict[str, Any]:
        if not written.pairs:
            reasons = [f"{reason}: {count}" for reason, count in Counter(written.left_out).most_common()]
            reasons += [message for _, message in written.failed]
            raise InputError(f"no pair could be made ({'; '.join(reasons) or 'no clip was given'})")
        return {
            "made by": "synth video",
            "seed": self.seed,
            "response": response_named(self.response).name,
            "parameters": asdict(self.blur),
            **written.sources,
            "failed": [Path(path).name for path, _ in written.failed],
            "left out": written.left_out,
            "sequences": written.sequences,
        }

    def joined(self, written: Sequence[Written]) -> Written:
        sources: list[dict[str, Any]] = []
        sequences: list[dict[str, Any]] = []
        left_out: Counter[str] = Counter()
        for each in written:
            sequences += [sequence | {"source": sequence["source"] + len(sources)} for sequence in each.sequences]
            sources += each.sources["sources"]
            left_out.update(each.left_out)
        failed = [source for each in written for source in each.failed]
        return Written(sum(each.pairs for each in written), sequences, {"sources": sources}, dict(left_out), failed)


class _DrawnPlan(Plan):
    """Draws of which each is made of any of the sources, which all are read first."""

    def units(self) -> list[range]:
        return [range(begin, min(begin + DRAWS_A_UNIT, self.parts)) for begin in range(0, self.parts, DRAWS_A_UNIT)]

    def joined(self, written: Sequence[Written]) -> Written:
        first = written[0]
        if any((each.sources, each.failed) != (first.sources, first.failed) for each in written):
            raise InputError("the pictures have changed while pairs were made of them; make the data set anew")
        return replace(
            first,
            pairs=sum(each.pairs for each in written),
            sequences=[sequence for each in written for sequence in each.sequences],
        )


@dataclass(frozen=True)
class StillsPlan(_DrawnPlan):
    """Pairs, or sequences, by moving sharp photos before a camera; a part is a draw, a sequence of its own.

    `motion/NUMBER.npz` holds, with `with_motion`: `blur_field` (H/4, W/4, 3), `opened` and `closed` (H, W, 2): displacement (dx, dy) in pixels of what each
    pixel of the truth shows, when the shutter opens and closes, and `trajectory` (33, 5): time in exposures and pose of the camera (pairs); or
    `blur_field`, `pose` (4,), and where there is such a frame `flow_to_next`, `visible_in_next`, `flow_to_previous` and `visible_in_previous` (sequences).

    Attributes:
        photos: pictures, or folders that are searched for them; one that cannot be used is named, and the others are used.
        blur: ranges to draw from; a `SequenceBlur` for more than one frame.
        seed: of all randomness; draw i is a pure function of the seed, i and the photos.
        count: pairs or sequences.
        size: height and width, multiples of 4; a pair is square.
        num_frames: frames of a sequence; 1 for single pairs.
        with_motion: store the exact motion too.
        prefix: before the names of all sequences.
    """

    photos: tuple[Path, ...]
    blur: StillsBlur
    seed: int
    count: int
    size: tuple[int, int]
    num_frames: int = 1
    with_motion: bool = False
    prefix: str = ""

    @property
    def parts(self) -> int:
        return self.count

    def anywhere(self, kept: Path) -> Self:
        del kept
        return replace(self, photos=_absolute(self.photos))

    def check(self) -> None:
        count, num_frames, size = self.count, self.num_frames, self.size
        if count < 1 or num_frames < 1:
            raise InputError(f"at least one draw of one frame is needed, got {count} of {num_frames}")
        if min(size) < 16 or size[0] % 4 or size[1] % 4:
            raise InputError(f"sides must be multiples of 4 of 16 pixels or more, got {size[1]}×{size[0]}")
        if num_frames > 1 and not isinstance(self.blur, SequenceBlur):
            raise InputError("sequences need a `SequenceBlur`")
        if num_frames == 1 and size[0] != size[1]:
            raise InputError(f"a pair from a still is square, got {size[1]}×{size[0]}; give one number as its side")

    @cached_property
    def _pictures(self) -> "_Pictures":
        return _read_all(self.photos, read=read_photo)

    def write(self, folder: DataSetFolder, *, parts: range, progress: Progress | None = None) -> Written:
        pictures, sources, failed = self._pictures
        if not pictures:
            raise InputError(f"no photo can be used: {'; '.join(message for _, message in failed)}")
        sequences = []
        for done, index in enumerate(parts):
            generator = np.random.default_rng([self.seed, index])
            name = f"{self.prefix}stills_{index:05d}"
            if isinstance(self.blur, SequenceBlur):
                entry = _add_sequence(
                    folder,
                    generator,
                    pictures,
                    name=name,
                    size=self.size,
                    num_frames=self.num_frames,
                    blur=self.blur,
                    with_motion=self.with_motion,
                )
            else:
                entry = _add_pair(folder, generator, pictures, name=name, size=self.size[0], blur=self.blur, with_motion=self.with_motion)
            sequences.append({"name": name, **entry})
            if progress is not None:
                progress("drawing", done + 1, len(parts))
        return Written(folder.count, sequences, {"sources": sources}, {}, failed)

    def manifest(self, written: Written) -> dict[str, Any]:
        return {
            "made by": "synth stills",
            "seed": self.seed,
            "frames": self.num_frames,
            "size": list(self.size[::-1]),
            "parameters": asdict(self.blur),
            **written.sources,
            "failed": [Path(path).name for path, _ in written.failed],
            "sequences": written.sequences,
        }


@dataclass(frozen=True)
class ScenePlan(_DrawnPlan):
    """Pairs of dynamic scenes, see `unblur.synth.dynamic`; a part is a draw.

    Attributes:
        photos: pictures, or folders that are searched for them; one that cannot be used is named, and the others are used.
        cutouts: objects with opacity, or folders of them.
        highspeed: clips of about 240 frames a second, or folders of numbered frames.
        blur: ranges to draw from.
        seed: of all randomness; draw i is a pure function of the seed, i and the sources.
        count: pairs.
        size: side of the pairs.
        kept: folder in which decoded clips stay; None for a temporary one beside the data set.
        prefix: before the names of all sequences.
    """

    photos: tuple[Path, ...]
    cutouts: tuple[Path, ...]
    highspeed: tuple[Path, ...]
    blur: DynamicBlur
    seed: int
    count: int
    size: int
    kept: Path | None = None
    prefix: str = ""

    @property
    def parts(self) -> int:
        return self.count

    def anywhere(self, kept: Path) -> Self:
        return replace(self, kept=kept, photos=_absolute(self.photos), cutouts=_absolute(self.cutouts), highspeed=_absolute(self.highspeed))

    def check(self) -> None:
        if self.count < 1 or self.size < 16:
            raise InputError(f"at least one pair with a side of 16 pixels is needed, got {self.count} of {self.size}")

    @cached_property
    def _pictures(self) -> "tuple[_Pictures, _Pictures]":
        return _read_all(self.photos, read=read_photo), _read_all(self.cutouts, read=read_cutout)

    def write(self, folder: DataSetFolder, *, parts: range, progress: Progress | None = None) -> Written:
        (pictures, sources, failed), (objects, object_sources, object_failed) = self._pictures
        sequences: list[dict[str, Any]] = []
        with ExitStack() as stack:
            place = self.kept or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=".frames.", dir=folder.target.parent)))
            clips = [map_frames(cache_frames(path, place)) for path in self.highspeed]
            clip_sources = [
                {"name": path.name, "sha256": sha256_of(path), "size": list(frames.shape[2:0:-1])}
                for path, frames in zip(self.highspeed, clips, strict=True)
            ]
            for done, index in enumerate(parts):
                generator = np.random.default_rng([self.seed, index])
                pair = draw_dynamic_pair(generator, photos=pictures, cutouts=objects, sequences=clips, size=self.size, blur=self.blur)
                name = f"{self.prefix}dynamic_{index:05d}"
                folder.add(name, 0, blurry=pair.blurry, sharp=pair.sharp, folder="blur_gamma")
                sequences.append({"name": name, "kind": pair.kind})
                if progress is not None:
                    progress("drawing", done + 1, len(parts))
            del clips  # no folder is removed while a file in it is mapped
        made_of = {"sources": sources, "cutouts": object_sources, "highspeed": clip_sources}
        return Written(folder.count, sequences, made_of, {}, failed + object_failed)

    def manifest(self, written: Written) -> dict[str, Any]:
        return {
            "made by": "synth dynamic",
            "seed": self.seed,
            "size": [self.size, self.size],
            "parameters": asdict(self.blur),
            **written.sources,
            "failed": [Path(path).name for path, _ in written.failed],
            "sequences": written.sequences,
        }


def _blurred(
    clip: Clip, folder: DataSetFolder, *, name: str, response: Response, blur: VideoBlur, seed: Sequence[int], progress: Progress | None
) -> tuple[dict[str, Any], list[dict[str, Any]], Counter[str]]:
    """Write one clip's pairs; its entry in the manifest, those of its sequences, and what was left out."""

    def tell(what: str, done: int, total: int | None) -> None:
        if progress is not None:
            progress(f"{what} {clip.path.name}", done, total)

    digest = sha256_of(clip.path)
    seen = analyse(clip, progress=lambda done: tell("looking at", done, None))
    windows, left_out = plan_windows(seen, rate=clip.rate, blur=blur)
    sequences: dict[str, dict[str, Any]] = {}
    for window in windows:
        seconds = blur.exposure(clip.rate, window.count) / clip.rate
        sequences.setdefault(
            window.sequence,
            {"name": f"{name}_{window.sequence}", "frames per blur": window.count, "exposure seconds": round(seconds, 6), "pairs": []},
        )
    for done, moment in enumerate(blur_clip(clip, windows, response=response, blur=blur, seed=seed)):
        sequence = sequences[moment.window.sequence]
        file = folder.add(sequence["name"], moment.window.place, blurry=moment.blurry, sharp=moment.sharp, folder=blur_folder(response))
        sequence["pairs"].append({"file": file, "frame": moment.number, "instants": len(moment.window.instants)})
        tell("blurring", done + 1, len(windows))
    source = {
        "name": clip.path.name,
        "sha256": digest,
        "frames": len(seen.numbers),
        "rate": clip.rate,
        "start": clip.start,
        "duration": clip.duration,
        "scale": clip.scale,
        "size": list(seen.size[::-1]),
    }
    return source, list(sequences.values()), left_out


_Pictures = tuple[list[NDArray[np.uint8]], list[dict[str, Any]], Failed]


def _read_all(places: Sequence[Path], *, read: Callable[[Path], NDArray[np.uint8]]) -> _Pictures:
    """Pictures of files and folders, their entries in the manifest, and those that cannot be read, with the reason."""
    pictures: list[NDArray[np.uint8]] = []
    sources: list[dict[str, Any]] = []
    failed: Failed = []
    for path in find_photos(places) if places else []:
        try:
            pictures.append(read(path))
            sources.append({"name": path.name, "sha256": sha256_of(path), "size": list(pictures[-1].shape[1::-1])})
        except InputError as error:
            failed.append((str(path), str(error)))
    return pictures, sources, failed


def _add_pair(
    folder: DataSetFolder,
    generator: np.random.Generator,
    pictures: Sequence[NDArray[np.uint8]],
    *,
    name: str,
    size: int,
    blur: StillsBlur,
    with_motion: bool,
) -> dict[str, Any]:
    scene = draw_scene(generator, pictures, size=size, blur=blur)
    pair = photograph(scene, generator, size=size, blur=blur)
    fields: dict[str, NDArray[Any]] | None = None
    if with_motion:
        opened, closed = motion(scene.layers, np.array([-0.5, 0.5]), size=(size, size))
        times = np.linspace(-0.5, 0.5, 33)
        trajectory = np.concatenate([times[:, None], scene.camera.at(times)], axis=1)
        fields = {"blur_field": pair.blur_field, "opened": opened, "closed": closed, "trajectory": trajectory}
    folder.add(name, 0, blurry=pair.blurry, sharp=pair.sharp, folder=blur_folder(scene.response), motion=fields)
    return {"response": scene.response.name, "length": round(scene.length, 4), "highlights": round(scene.highest_gain, 3)}


def _add_sequence(
    folder: DataSetFolder,
    generator: np.random.Generator,
    pictures: Sequence[NDArray[np.uint8]],
    *,
    name: str,
    size: tuple[int, int],
    num_frames: int,
    blur: SequenceBlur,
    with_motion: bool,
) -> dict[str, Any]:
    drawn = draw_sequence(generator, pictures, size=size, num_frames=num_frames, blur=blur)
    for number in range(num_frames):
        fields: dict[str, NDArray[Any]] | None = None
        if with_motion:
            fields = {"blur_field": drawn.blur_field[number], "pose": drawn.trajectory[number]}
            if number < num_frames - 1:
                fields |= {"flow_to_next": drawn.flow_to_next[number], "visible_in_next": drawn.visible_in_next[number]}
            if number > 0:
                fields |= {
                    "flow_to_previous": drawn.flow_to_previous[number - 1],
                    "visible_in_previous": drawn.visible_in_previous[number - 1],
                }
        folder.add(name, number, blurry=drawn.blurry[number], sharp=drawn.sharp[number], folder="blur_gamma", motion=fields)
    return {"exposure": round(drawn.exposure, 4)}
