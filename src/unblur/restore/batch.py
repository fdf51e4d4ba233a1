"""Many files and folders: where each result goes, and going on past files that cannot be restored."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from unblur.errors import InputError, OutputError, UnblurError, UnreadableError
from unblur.io.image import output_suffix as photo_suffix
from unblur.io.image import read_image, write_image
from unblur.io.kind import Kind, kind_of
from unblur.io.video import output_suffix as video_suffix
from unblur.restore.deblurrer import Deblurrer

__all__ = ["Job", "Options", "Outcome", "plan", "restore_file"]

ENDING = "_unblurred"


@dataclass(frozen=True)
class Job:
    """One file to restore. With `in_folder`, it was found in a folder, and a finished result is not made again."""

    source: Path
    target: Path
    kind: Kind
    in_folder: bool = False


@dataclass(frozen=True)
class Options:
    """What holds for every file of a run; see `Deblurrer.video`."""

    strength: float = 1.0
    start: float = 0.0
    duration: float | None = None
    allow_interlaced: bool = False
    codec: str | None = None
    quality: int | None = None
    overwrite: bool = False


@dataclass(frozen=True)
class Outcome:
    """What became of one file: `done`, `skipped` (its result was there already) or `failed` (`message` says why)."""

    source: Path
    status: str
    target: Path | None = None
    kind: str = ""
    frames: int = 0
    seconds: float = 0.0
    message: str = ""
    warnings: tuple[str, ...] = ()


def plan(inputs: Iterable[Path], output: Path | None) -> Iterator[Job | Outcome]:
    """The jobs for `inputs`, with an `Outcome` in place of each that cannot be one.

    A file `clip.mp4` becomes `clip_unblurred.mp4` beside it, a folder `shots` becomes `shots_unblurred` with the same
    sub-folders and names. `output` names the file for a single file, else a folder; a path that is a folder already, or
    ends with a slash, is a folder.

    Raises:
        InputError: if there is no input, or `output` is a file's name for several inputs.
    """
    sources = list(inputs)
    if not sources:
        raise InputError("there is nothing to restore; give a photo, a video or a folder")
    if output is not None and output.is_file() and (len(sources) > 1 or sources[0].is_dir()):
        raise InputError(f"`{output}` is a file, but the input is more than one; name a folder with `--output`")
    taken: set[Path] = set()
    for source in sources:
        for job in _jobs(source, output, several=len(sources) > 1):
            if isinstance(job, Outcome):
                yield job
            elif job.target in taken:
                yield Outcome(job.source, "failed", message=f"another input is restored to `{job.target}` already; restore it on its own")
            else:
                taken.add(job.target)
                yield job


def restore_file(
    deblurrer: Deblurrer,
    job: Job,
    *,
    options: Options,
    progress: Callable[[int, int | None], None] | None = None,
) -> Outcome:
    """Restore one file; errors that concern only it become a failed `Outcome`.

    Args:
        deblurrer: does the work.
        job: the file.
        options: how.
        progress: as for `Deblurrer.video`; a photo counts as one frame.
    """
    began = time.monotonic()
    if job.in_folder and job.target.exists() and not options.overwrite:
        return Outcome(job.source, "skipped", job.target, job.kind, message="its result is there already; `--overwrite` makes it again")
    try:
        if job.kind == "video":
            report = deblurrer.video(
                job.source,
                job.target,
                strength=options.strength,
                start=options.start,
                duration=options.duration,
                allow_interlaced=options.allow_interlaced,
                codec=options.codec,
                quality=options.quality,
                overwrite=options.overwrite,
                progress=progress,
            )
            frames, warnings = report.frames, report.warnings
        else:
            warnings = _restore_photo(deblurrer, job, options)
            frames = 1
            if progress is not None:
                progress(1, 1)
    except UnblurError as error:
        return Outcome(job.source, "failed", None, job.kind, seconds=time.monotonic() - began, message=str(error))
    return Outcome(job.source, "done", job.target, job.kind, frames, time.monotonic() - began, warnings=warnings)


def _restore_photo(deblurrer: Deblurrer, job: Job, options: Options) -> tuple[str, ...]:
    if job.target.exists() and not options.overwrite:  # before the work, not after it
        raise OutputError(f"`{job.target}` exists; add `--overwrite` to replace it, or choose another place with `--output`")
    image = read_image(job.source)
    restored = deblurrer.photo(image.pixels, strength=options.strength)
    write_image(job.target, image.with_pixels(restored), quality=options.quality, overwrite=options.overwrite)
    if deblurrer.kept_input:
        return (
            *image.notes,
            f"the network's result looked wrong on {100 * deblurrer.kept_input:.1f} % of the area; the input was kept there",
        )
    return image.notes


def _jobs(source: Path, output: Path | None, *, several: bool) -> Iterator[Job | Outcome]:
    try:
        kind = kind_of(source)
    except UnreadableError as error:
        yield Outcome(source, "failed", message=str(error))
        return
    if kind == "folder":
        folder = output / source.name if output is not None and several else output
        yield from _jobs_in(source, folder or source.resolve().with_name(source.resolve().name + ENDING))
        return
    name = source.stem + ENDING + _suffix(source, kind)
    if output is None:
        target = source.with_name(name)
    elif several or output.is_dir() or str(output).endswith(("/", "\\")) or not output.suffix:
        target = output / name
    else:
        target = output
    yield Job(source, target, kind)


def _jobs_in(folder: Path, target: Path) -> Iterator[Job | Outcome]:
    """Photos and videos below `folder`; other files are passed over, and so is `target` if it lies inside."""
    found = False
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.name.startswith(".") or target.resolve() in path.resolve().parents:
            continue
        try:
            kind = kind_of(path)
        except UnreadableError as error:
            if path.suffix.lower() in _MEDIA:
                yield Outcome(path, "failed", message=str(error))
            continue
        found = True
        place = target / path.relative_to(folder)
        yield Job(path, place.with_suffix(_suffix(path, kind)), kind, in_folder=True)
    if not found:
        yield Outcome(folder, "failed", message=f"there is no photo or video in `{folder}`")


def _suffix(source: Path, kind: Kind) -> str:
    """The suffix of the result: the source's, or one of a format that can be written."""
    return photo_suffix(source) if kind == "photo" else video_suffix(source)


_MEDIA = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v"}
"""Suffixes that promise a photo or video: a file in a folder that breaks the promise is reported, any other passed over."""
