"""From a list of clips or photos to a data set on disk, with a manifest that says how each picture came about.

The manifest holds the version of `unblur`, the seed, all parameters, each source's name and SHA-256, each pair's origin, and
what was left out and why. Names of sources are file names without their folders, so that a manifest tells nothing about
the machine that it was made on.
"""

import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unblur.errors import InputError, UnblurError
from unblur.synth.dynamic import DynamicBlur, draw_dynamic_pair
from unblur.synth.folder import DataSetFolder, blur_folder
from unblur.synth.highspeed import cache_frames, map_frames
from unblur.synth.response import Response
from unblur.synth.scene import motion
from unblur.synth.sequence import SequenceBlur, draw_sequence
from unblur.synth.sources import Clip, find_photos, open_clip, read_cutout, read_photo, sha256_of
from unblur.synth.stills import StillsBlur, draw_scene, photograph
from unblur.synth.video import VideoBlur, analyse, blur_clip, plan_windows

__all__ = ["Made", "make_from_clips", "make_from_scenes", "make_from_stills"]

Progress = Callable[[str, int, int | None], None]
"""Called with what is being done, how much of it is done, and of how much (None if unknown)."""


@dataclass(frozen=True)
class Made:
    """What came out: pairs and sequences written, exposures left out by reason, and sources that failed, with the reason."""

    pairs: int
    sequences: int
    left_out: Counter[str] = field(default_factory=Counter)
    failed: tuple[tuple[Path, str], ...] = ()


def make_from_clips(
    clips: Sequence[Path],
    target: Path,
    *,
    response: Response,
    blur: VideoBlur,
    seed: int,
    version: str,
    split: str = "train",
    rate: float | None = None,
    start: float = 0.0,
    duration: float | None = None,
    scale: float = 1.0,
    progress: Progress | None = None,
) -> Made:
    """Make a GoPro data set from clips; a clip that cannot be used is counted and named, and the others go on.

    Args:
        clips: video files, or folders of numbered frames.
        target: folder to be made.
        response: the curve of the camera that took the clips.
        blur: how pairs are made.
        seed: of the camera's faults.
        version: of `unblur`, for the manifest.
        split: `train` or `test`.
        rate: frames a second, None for what the files say.
        start: first second of each clip to use.
        duration: seconds of each clip to use, None for all.
        scale: factor in (0, 1] by which frames are shrunk.
        progress: called with what is being done.

    Raises:
        InputError: if no pair could be made of any clip; nothing is written then.
        OutputError: if `target` cannot be written.
    """
    sources: list[dict[str, Any]] = []
    sequences: list[dict[str, Any]] = []
    left_out: Counter[str] = Counter()
    failed: list[tuple[Path, str]] = []
    names: Counter[str] = Counter()
    with DataSetFolder(target, split=split) as folder:
        for number, path in enumerate(clips):
            stem = path.stem or "clip"
            name = stem if not names[stem] else f"{stem}-{names[stem]}"
            names[stem] += 1
            try:
                clip = open_clip(path, rate=rate, start=start, duration=duration, scale=scale)
                source, made, objections = _blurred(
                    clip, folder, name=name, response=response, blur=blur, seed=[seed, number], progress=progress
                )
            except UnblurError as error:
                if isinstance(error, OSError):  # the target cannot be written: no clip will do better
                    raise
                failed.append((path, str(error)))
                continue
            sources.append(source)
            sequences += [{"source": len(sources) - 1, **sequence} for sequence in made]
            left_out.update(objections)
        if not folder.count:
            reasons = [f"{reason}: {count}" for reason, count in left_out.most_common()] + [message for _, message in failed]
            raise InputError(f"no pair could be made ({'; '.join(reasons) or 'no clip was given'})")
        folder.describe(
            {
                "unblur": version,
                "made by": "synth video",
                "seed": seed,
                "response": response.name,
                "parameters": asdict(blur),
                "sources": sources,
                "failed": [path.name for path, _ in failed],
                "left out": dict(left_out),
                "sequences": sequences,
            }
        )
        return Made(folder.count, len(sequences), left_out, tuple(failed))


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


def make_from_stills(
    photos: Sequence[Path],
    target: Path,
    *,
    blur: StillsBlur,
    seed: int,
    version: str,
    count: int,
    size: tuple[int, int],
    num_frames: int = 1,
    with_motion: bool = False,
    split: str = "train",
    progress: Progress | None = None,
) -> Made:
    """Make a GoPro data set from sharp photos; a photo that cannot be used is counted and named, and the others go on.

    Each draw is a sequence of its own, of `num_frames` frames. `motion/NUMBER.npz` holds, with `with_motion`:
    `blur_field` (H/4, W/4, 3), `opened` and `closed` (H, W, 2): displacement (dx, dy) in pixels of what each pixel of the truth
    shows, when the shutter opens and closes, and `trajectory` (33, 5): time in exposures and pose of the camera (pairs); or
    `blur_field`, `pose` (4,), and where there is such a frame `flow_to_next`, `visible_in_next`, `flow_to_previous` and
    `visible_in_previous` (sequences).

    Args:
        photos: pictures, or folders that are searched for them.
        target: folder to be made.
        blur: ranges to draw from; a `SequenceBlur` for more than one frame.
        seed: of all randomness; draw i is a pure function of the seed, i and the photos.
        version: of `unblur`, for the manifest.
        count: pairs or sequences.
        size: height and width, multiples of 4; a pair is square.
        num_frames: frames of a sequence; 1 for single pairs.
        with_motion: store the exact motion too.
        split: `train` or `test`.
        progress: called with what is being done.

    Raises:
        InputError: if an argument is out of range, or there is no photo that can be used.
        OutputError: if `target` cannot be written.
    """
    _check_stills(blur, count=count, size=size, num_frames=num_frames)
    pictures, sources, failed = _read_all(photos, read=read_photo)
    if not pictures:
        raise InputError(f"no photo can be used: {'; '.join(message for _, message in failed)}")
    sequences = []
    with DataSetFolder(target, split=split) as folder:
        for index in range(count):
            generator = np.random.default_rng([seed, index])
            name = f"stills_{index:05d}"
            if isinstance(blur, SequenceBlur):
                entry = _add_sequence(
                    folder, generator, pictures, name=name, size=size, num_frames=num_frames, blur=blur, with_motion=with_motion
                )
            else:
                entry = _add_pair(folder, generator, pictures, name=name, size=size[0], blur=blur, with_motion=with_motion)
            sequences.append({"name": name, **entry})
            if progress is not None:
                progress("drawing", index + 1, count)
        folder.describe(
            {
                "unblur": version,
                "made by": "synth stills",
                "seed": seed,
                "frames": num_frames,
                "size": list(size[::-1]),
                "parameters": asdict(blur),
                "sources": sources,
                "failed": [path.name for path, _ in failed],
                "sequences": sequences,
            }
        )
        return Made(folder.count, count, Counter(), tuple(failed))


def _check_stills(blur: StillsBlur, *, count: int, size: tuple[int, int], num_frames: int) -> None:
    if count < 1 or num_frames < 1:
        raise InputError(f"at least one draw of one frame is needed, got {count} of {num_frames}")
    if min(size) < 16 or size[0] % 4 or size[1] % 4:
        raise InputError(f"sides must be multiples of 4 of 16 pixels or more, got {size[1]}×{size[0]}")
    if num_frames > 1 and not isinstance(blur, SequenceBlur):
        raise InputError("sequences need a `SequenceBlur`")
    if num_frames == 1 and size[0] != size[1]:
        raise InputError(f"a pair from a still is square, got {size[1]}×{size[0]}; give one number as its side")


def make_from_scenes(
    photos: Sequence[Path],
    target: Path,
    *,
    cutouts: Sequence[Path],
    highspeed: Sequence[Path],
    blur: DynamicBlur,
    seed: int,
    version: str,
    count: int,
    size: int,
    split: str = "train",
    progress: Progress | None = None,
) -> Made:
    """Make a GoPro data set of dynamic scenes; photos and cut-outs that cannot be used are named, and the others go on.

    Args:
        photos: pictures, or folders that are searched for them.
        target: folder to be made.
        cutouts: objects with opacity, or folders of them.
        highspeed: clips of about 240 frames a second, or folders of numbered frames; decoded into a temporary folder beside `target`.
        blur: ranges to draw from.
        seed: of all randomness; draw i is a pure function of the seed, i and the sources.
        version: of `unblur`, for the manifest.
        count: pairs.
        size: side of the pairs.
        split: `train` or `test`.
        progress: called with what is being done.

    Raises:
        InputError: if an argument is out of range, a clip cannot be read, or no kind of pair has a source that can be used.
        OutputError: if `target` cannot be written.
    """
    if count < 1 or size < 16:
        raise InputError(f"at least one pair with a side of 16 pixels is needed, got {count} of {size}")
    pictures, sources, failed = _read_all(photos, read=read_photo)
    objects, object_sources, object_failed = _read_all(cutouts, read=read_cutout)
    sequences: list[dict[str, Any]] = []
    with DataSetFolder(target, split=split) as folder, tempfile.TemporaryDirectory(prefix=".frames.", dir=target.parent) as place:
        clips = [map_frames(cache_frames(path, Path(place))) for path in highspeed]
        clip_sources = [
            {"name": path.name, "sha256": sha256_of(path), "size": list(frames.shape[2:0:-1])}
            for path, frames in zip(highspeed, clips, strict=True)
        ]
        for index in range(count):
            generator = np.random.default_rng([seed, index])
            pair = draw_dynamic_pair(generator, photos=pictures, cutouts=objects, sequences=clips, size=size, blur=blur)
            name = f"dynamic_{index:05d}"
            folder.add(name, 0, blurry=pair.blurry, sharp=pair.sharp, folder="blur_gamma")
            sequences.append({"name": name, "kind": pair.kind})
            if progress is not None:
                progress("drawing", index + 1, count)
        failed += object_failed
        folder.describe(
            {
                "unblur": version,
                "made by": "synth dynamic",
                "seed": seed,
                "size": [size, size],
                "parameters": asdict(blur),
                "sources": sources,
                "cutouts": object_sources,
                "highspeed": clip_sources,
                "failed": [path.name for path, _ in failed],
                "sequences": sequences,
            }
        )
        return Made(folder.count, count, Counter(), tuple(failed))


def _read_all(
    places: Sequence[Path], *, read: Callable[[Path], NDArray[np.uint8]]
) -> tuple[list[NDArray[np.uint8]], list[dict[str, Any]], list[tuple[Path, str]]]:
    """Pictures of files and folders, their entries in the manifest, and those that cannot be read, with the reason."""
    pictures: list[NDArray[np.uint8]] = []
    sources: list[dict[str, Any]] = []
    failed: list[tuple[Path, str]] = []
    for path in find_photos(places) if places else []:
        try:
            pictures.append(read(path))
            sources.append({"name": path.name, "sha256": sha256_of(path), "size": list(pictures[-1].shape[1::-1])})
        except InputError as error:
            failed.append((path, str(error)))
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
