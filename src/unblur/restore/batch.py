"""Many files and folders: where each result goes, which folders are clips, and going on past files that cannot be restored."""

import errno
import functools
import logging
import os
import shutil
import time
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from unblur.errors import InputError, OutputError, UnblurError, UnreadableError
from unblur.io.animation import is_animation
from unblur.io.animation_write import animation_suffix
from unblur.io.encoders import check_codec
from unblur.io.fields import check_interlaced
from unblur.io.frame_folder import frame_targets
from unblur.io.image import Image, check_target, format_note, read_image, write_image
from unblur.io.image import output_suffix as photo_suffix
from unblur.io.journal import frames_of, journal_of
from unblur.io.kind import Kind, kind_of
from unblur.io.numbered import NumberedFrames, numbered_frames
from unblur.io.video import Interlaced
from unblur.io.video import output_suffix as video_suffix
from unblur.io.whole import file_identity, refuse_inputs, written_whole
from unblur.restore.checks import check_how
from unblur.restore.deblurrer import Deblurrer
from unblur.restore.report import Outcome, VideoReport, kept_input_note

__all__ = [
    "Folders",
    "Job",
    "Options",
    "check_folders",
    "failure",
    "photo_to_restore",
    "plan",
    "restore_job",
    "result_exists",
    "result_is_there",
    "what_remains",
]

ENDING = "_unblurred"
Folders = Literal["auto", "clips", "photos"]
"""How a folder of numbered pictures is read, see `plan`."""

_LIKELY_CLIP = 8  # numbered pictures of one size that are worth a word when they are read as photos
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """One file to restore, or one folder of frames.

    Attributes:
        source: the file or folder.
        target: of the result.
        kind: what it holds; `video` of a folder of frames.
        in_batch: whether it is one of several files, or was found in a folder: a finished result is not made again.
        frames: of a clip whose frames are pictures; empty of any other.
        note: what the user should know of how it is read, a sentence.
    """

    source: Path
    target: Path
    kind: Kind
    in_batch: bool = False
    frames: tuple[Path, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Options:
    """What holds for every file of a run; see `unblur.restore.api.restore`.

    Raises:
        InputError: if a number is out of its bounds, or there is no such codec or way to take interlaced frames.
    """

    strength: float = 1.0
    scale: float | None = None
    temporal_fusion: bool = True
    start: float = 0.0
    duration: float | None = None
    interlaced: Interlaced = "refuse"
    codec: str | None = None
    file_quality: int | None = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        check_how(strength=self.strength, scale=self.scale, start=self.start, duration=self.duration, file_quality=self.file_quality)
        check_interlaced(self.interlaced)
        if self.codec is not None:
            check_codec(self.codec)


def check_folders(folders: object) -> None:
    """Raise an `InputError` unless this is a way to read folders."""
    if folders not in get_args(Folders):
        raise InputError(f"folders are read as one of {', '.join(map(repr, get_args(Folders)))}, got {folders!r}")


def plan(
    inputs: Iterable[Path], output: Path | None, *, folders: Folders = "auto", takes_clips: Callable[[], bool] = lambda: False
) -> Iterator[Job | Outcome]:
    """The jobs for `inputs`, with an `Outcome` in place of each that cannot be one.

    A file `clip.mp4` becomes `clip_unblurred.mp4` beside it, a folder `shots` becomes `shots_unblurred` with the same
    sub-folders and names. `output` names the file for a single file, else a folder; a path that is a folder already, or
    has no suffix, is a folder. In a folder, hidden files and the results of earlier runs are passed over: all in `output`,
    and what is called `_unblurred` beside the file or folder that it was made from. So are results of inputs that are inputs themselves, as `*.jpg` names them.

    A folder, or one below it, whose pictures are numbered one after the other and of one size (`unblur.io.numbered`) can be a clip: one job, whose
    target is a folder.

    Args:
        inputs: files and folders.
        output: file or folder for the results.
        folders: `clips` reads every folder of pictures as a clip, and allows numbers to be missing; `photos` none; `auto` does as `clips` where the
            network takes clips, but for missing numbers.
        takes_clips: tells whether the network that was asked for looks at several frames; called when a folder of pictures is met.

    Raises:
        InputError: if there is no input, or `output` is a file for several inputs.
    """
    sources = list(inputs)
    if not sources:
        raise InputError("there is nothing to restore; give a photo, a video or a folder")
    if output is not None and output.is_file() and (len(sources) > 1 or os.path.isdir(sources[0])):  # noqa: PTH112 - never raises
        raise InputError(f"`{output}` is a file, but the input is more than one; name a folder with `--output`")
    if output is not None and output.suffix.lower() in _MEDIA and not output.is_dir() and (len(sources) > 1 or sources[0].is_dir()):
        raise InputError(
            f"`{output}` is the name of one file, but the input is more than one; name a folder with `--output`, without a suffix"
        )
    reading = _Reading(folders, takes_clips)
    named = {(source.parent, source.stem): source for source in sources} if output is None else {}
    jobs: list[Job | Outcome] = []
    for source in sources:
        origin = _origin(source.stem)
        if origin and (made_from := named.get((source.parent, origin))) is not None:
            jobs.append(Outcome(source, "skipped", message=f"it is the result of `{made_from}`, which is an input too"))
        else:
            jobs += _jobs(source, output, reading, several=len(sources) > 1)
    inputs_of = (
        (job.source, *(job.frames if isinstance(job, Job) else ())) for job in jobs if isinstance(job, Job) or job.status == "failed"
    )
    originals = {identity: path for paths in inputs_of for path in paths if path and (identity := file_identity(path)) is not None}
    taken: set[Path] = set()
    resolved = _Resolver()
    for job in jobs:
        if isinstance(job, Outcome):
            yield job
        elif (identity := _first_identity(job, among=originals)) is not None:
            yield Outcome(
                job.source,
                "failed",
                message=f"its result `{job.target}` would replace the input `{originals[identity]}`, and inputs are never changed; "
                "choose another `--output`",
            )
        elif (place := resolved(job.target)) in taken:
            yield Outcome(job.source, "failed", message=f"another input is restored to `{job.target}` already; restore it on its own")
        else:
            taken.add(place)
            yield job


def _first_identity(job: Job, *, among: Container[tuple[int, int]]) -> tuple[int, int] | None:
    """What a result of a job would replace; None if that is none of the files `among` which it must not be."""
    results = (job.target, *frame_targets(job.frames, job.target))
    return next((identity for result in results if (identity := file_identity(result)) is not None and identity in among), None)


def restore_job(
    deblurrer: Deblurrer,
    job: Job,
    *,
    options: Options,
    progress: Callable[[int, int | None], None] | None = None,
    notify: Callable[[str], None] | None = None,
) -> Outcome:
    """Restore one file.

    Args:
        deblurrer: does the work.
        job: the file.
        options: how.
        progress: as for `Deblurrer.video`; a photo counts as one frame.
        notify: as for `Deblurrer.video`.

    Raises:
        Exception: of any kind; `failure` says what it means.
    """
    began = time.monotonic()
    if job.note and notify is not None:
        notify(job.note)
    if there := _what_is_there(job, options):
        return Outcome(job.source, "skipped", job.target, job.kind, message=there)
    frames, before, scale = 1, 0, 1.0
    if job.kind == "video":
        report = _restore_clip(deblurrer, job, options, progress=progress, notify=notify)
        frames, before, warnings = report.frames, report.resumed_after, report.warnings
    else:
        scale, warnings = options.scale or 1.0, _restore_photo(deblurrer, job, options)
        if progress is not None:
            progress(1, 1)
    warnings = (*([job.note] if job.note else []), *warnings)
    seconds = time.monotonic() - began
    return Outcome(job.source, "done", job.target, job.kind, frames, before, seconds, warnings=warnings, model=deblurrer.model, scale=scale)


def failure(error: Exception, job: Job) -> UnblurError:
    """An error of a file as one whose message says what is wrong and what to do."""
    if isinstance(error, UnblurError):
        return type(error)(f"{error}{what_remains(job)}")
    if isinstance(error, MemoryError):
        return InputError(f"there is not enough memory to open `{job.source}`; close other programs, or scale it down")
    if isinstance(error, OSError):
        advice = "; choose a shorter name with `--output`" if error.errno == errno.ENAMETOOLONG else ""
        return OutputError(f"cannot restore `{job.source}` to `{job.target}`: {error.strerror or error}{advice}{what_remains(job)}")
    _LOG.debug("unexpected error", exc_info=error)
    return UnblurError(f"unexpected {type(error).__name__}: {error}; please report this with the file{what_remains(job)}")


def what_remains(job: Job) -> str:
    """Says so if a clip that was stopped can be gone on with."""
    try:
        kept = next((path for path in (journal_of(job.target), frames_of(job.target)) if path.is_file() and not path.is_symlink()), None)
    except OSError:
        return ""
    return f"; the same command goes on from where it was stopped (`{kept}` holds what is done)" if kept else ""


def result_is_there(job: Job) -> bool:
    """Whether there is a whole result under the name of the target, of this run or another."""
    if not job.frames:
        return job.target.exists()
    return all(target.exists() for target in frame_targets(job.frames, job.target)) and not what_remains(job)


def result_exists(job: Job) -> OutputError:
    """That a result would be replaced, which nobody asked for."""
    return OutputError(f"`{job.target}` exists; add `--overwrite` to replace it, or choose another place with `--output`")


def _what_is_there(job: Job, options: Options) -> str:
    """What to say of a result of a batch that is finished and is not to be made again; empty if there is none."""
    if options.overwrite or not job.in_batch or not result_is_there(job):
        return ""
    return (
        "its frames are there already; `--overwrite` makes them again"
        if job.frames
        else "its result is there already; `--overwrite` makes it again"
    )


def _restore_clip(
    deblurrer: Deblurrer,
    job: Job,
    options: Options,
    *,
    progress: Callable[[int, int | None], None] | None,
    notify: Callable[[str], None] | None,
) -> VideoReport:
    if not job.frames and is_animation(job.source):
        if options.start or options.duration is not None or options.codec is not None:
            raise InputError(
                f"`{job.source}` is an animation, which is restored whole and has no codec; leave out `--start`, `--duration` and `--codec`"
            )
        return deblurrer.animation(
            job.source,
            job.target,
            strength=options.strength,
            temporal_fusion=options.temporal_fusion,
            file_quality=options.file_quality,
            overwrite=options.overwrite,
            progress=progress,
        )
    if not job.frames:
        return deblurrer.video(
            job.source,
            job.target,
            strength=options.strength,
            temporal_fusion=options.temporal_fusion,
            start=options.start,
            duration=options.duration,
            interlaced=options.interlaced,
            codec=options.codec,
            file_quality=options.file_quality,
            overwrite=options.overwrite,
            progress=progress,
            notify=notify,
        )
    if options.start or options.duration is not None:
        raise InputError(
            f"the frames in `{job.source}` have no times, so that there is no `--start` and `--duration`; put those to restore into a folder"
        )
    return deblurrer.frame_folder(
        job.frames,
        job.target,
        strength=options.strength,
        temporal_fusion=options.temporal_fusion,
        file_quality=options.file_quality,
        overwrite=options.overwrite,
        progress=progress,
    )


def photo_to_restore(job: Job, *, overwrite: bool) -> Image:
    """The photo of a job; what its result would be refused for is found before the work, not after it.

    Raises:
        InputError: if it cannot be read.
        OutputError: if its result cannot be written, or exists and `overwrite` is false.
    """
    refuse_inputs(job.target, (job.source,))
    if job.target.exists() and not overwrite:
        raise result_exists(job)
    image = read_image(job.source)
    check_target(job.target, image)
    return image


def _restore_photo(deblurrer: Deblurrer, job: Job, options: Options) -> tuple[str, ...]:
    image = photo_to_restore(job, overwrite=options.overwrite)
    report = deblurrer.photo_report(image.pixels, strength=options.strength, scale=options.scale or 1.0)
    is_alone = options.file_quality is None and not image.pages
    if report.skipped_sharp and is_alone and job.target.suffix.lower() == job.source.suffix.lower():
        with written_whole(job.target, overwrite=options.overwrite) as partial:
            shutil.copyfile(job.source, partial)
        return ("it is sharp, and was copied as it is",)
    pages = tuple(functools.partial(_restored_page, page, deblurrer, options) for page in image.pages)
    restored = replace(image.with_pixels(report.picture), pages=pages)
    lost = write_image(job.target, restored, quality=options.file_quality, overwrite=options.overwrite)
    return (*image.notes, *lost, *([kept_input_note(report.kept_input)] if report.kept_input else []))


def _restored_page(page: Callable[[], Image], deblurrer: Deblurrer, options: Options) -> Image:
    """A further page, restored when it is written."""
    image = page()
    report = deblurrer.photo_report(image.pixels, strength=options.strength, scale=options.scale or 1.0)
    notes = (*image.notes, *([kept_input_note(report.kept_input)] if report.kept_input else []))
    return replace(image.with_pixels(report.picture), notes=notes)


class _Resolver:
    """Resolves paths as `Path.resolve` does, each folder once: many files lie in few folders."""

    def __init__(self) -> None:
        self._folders: dict[Path, Path] = {}

    def __call__(self, path: Path) -> Path:
        if path.name in ("", "..") or os.path.islink(path):  # noqa: PTH114 - never raises
            return path.resolve()
        folder = self._folders.get(path.parent)
        if folder is None:
            folder = self._folders[path.parent] = path.parent.resolve()
        return folder / path.name


class _Reading:
    """Which folders of pictures are clips.

    Args:
        folders: as for `plan`.
        takes_clips: as for `plan`.
    """

    def __init__(self, folders: Folders, takes_clips: Callable[[], bool]) -> None:
        self._folders, self._takes_clips = folders, takes_clips

    def clip(self, photos: Sequence[Path]) -> NumberedFrames | None:
        """The frames of the pictures of one folder, or None if they are photos.

        Raises:
            InputError: if they should be a clip and are none.
        """
        asked = self._folders == "clips"
        if self._folders == "photos" or not (asked or self._takes_clips()):
            return None
        try:
            return numbered_frames(photos, gaps=asked)
        except InputError as error:
            text = f"the pictures in `{photos[0].parent}` are no clip: {error}"
            hint = (
                "the network that was chosen takes clips only; choose one for photos, or allow numbers to be missing by `--folders clips`"
            )
            raise InputError(text if asked else f"{text}; {hint}") from error

    def note_of_photos(self, photos: Sequence[Path]) -> str:
        """What to say of pictures that are read as photos, and could be a clip; empty if there is nothing."""
        if self._folders != "auto" or len(photos) < _LIKELY_CLIP:
            return ""
        try:
            numbered_frames(photos)
        except UnblurError:
            return ""
        return f"the {len(photos)} pictures in `{photos[0].parent}` are read as photos; `--folders clips` restores them as a clip"


def _jobs(source: Path, output: Path | None, reading: _Reading, *, several: bool) -> Iterator[Job | Outcome]:
    try:
        kind = kind_of(source)
    except UnreadableError as error:
        yield Outcome(source, "failed", message=str(error))
        return
    if kind == "folder":
        whole = source.resolve()  # `.` and `..` have no name of their own
        folder = output / whole.name if output is not None and several else output
        yield from _jobs_in(source, folder or whole.with_name(whole.name + ENDING), reading, output=output)
        return
    name = source.stem + ENDING + _suffix(source, kind)
    if output is None:
        target = source.with_name(name)
    elif several or output.is_dir() or not output.suffix:
        target = output / name
    else:
        target = output
    note = format_note(source) if kind == "photo" and target.suffix == _suffix(source, kind) else ""
    yield Job(source, target, kind, in_batch=several, note=note)


def _jobs_in(folder: Path, target: Path, reading: _Reading, *, output: Path | None) -> Iterator[Job | Outcome]:
    """Photos and videos below `folder`; other files are passed over, and so is what an earlier run has made."""
    whole = folder.resolve()
    if target.resolve() == whole:
        yield Outcome(folder, "failed", message=f"the results would lie among the originals in `{folder}`; choose another `--output`")
        return
    results = [place for place in (target.resolve(), output.resolve() if output else None) if place and whole in place.parents]
    files, unreadable = _files_below(folder)
    yield from unreadable
    resolved = _Resolver()
    paths = [path for path in files if _is_original(path, folder, results, resolved)]
    originals = {resolved(path) for path in paths}
    kinds: dict[Path, Kind] = {}
    broken: dict[Path, Outcome] = {}
    for path in paths:
        try:
            kinds[path] = kind_of(path)
        except UnreadableError as error:
            if path.suffix.lower() in _MEDIA:
                broken[path] = Outcome(path, "failed", message=str(error))
    photos: dict[Path, list[Path]] = {}
    for path, kind in kinds.items():
        if kind == "photo":
            photos.setdefault(path.parent, []).append(path)
    clips = {parent: _clip_in(parent, own, target / parent.relative_to(folder), reading) for parent, own in photos.items()}
    for path in paths:
        clip = clips.get(path.parent)
        if path in broken:
            yield broken[path]
        elif clip is not None and kinds.get(path) == "photo":
            if path == photos[path.parent][0]:
                yield clip
        elif path in kinds:
            place = (target / path.relative_to(folder)).with_suffix(_suffix(path, kinds[path]))
            notes = [reading.note_of_photos(photos[path.parent])] if path == photos.get(path.parent, [None])[0] else []
            if kinds[path] == "photo" and place.suffix != path.suffix:
                notes.append(format_note(path))
            note = "; ".join(filter(None, notes))
            if resolved(place) in originals:
                yield Outcome(path, "failed", message=f"its result would replace the original `{place}`; choose another `--output`")
            else:
                yield Job(path, place, kinds[path], in_batch=True, note=note)
    if not (kinds or unreadable):
        yield Outcome(folder, "failed", message=f"there is no photo or video in `{folder}`")


def _clip_in(folder: Path, photos: Sequence[Path], target: Path, reading: _Reading) -> Job | Outcome | None:
    """The job of a folder that is read as a clip, why it cannot be one, or None if its pictures are photos."""
    try:
        clip = reading.clip(photos)
    except InputError as error:
        return Outcome(folder, "failed", message=str(error))
    if clip is None:
        return None
    return Job(folder, target, "video", in_batch=True, frames=clip.files, note=clip.reading())


def _files_below(folder: Path) -> tuple[list[Path], list[Outcome]]:
    """All files below a folder, but for hidden ones, and the folders that cannot be looked into."""
    files: list[Path] = []
    unreadable: dict[Path, Outcome] = {}

    def note(error: OSError) -> None:
        where = Path(error.filename or folder)
        unreadable[where] = Outcome(where, "failed", message=f"cannot look into the folder `{where}`: {error.strerror or error}")

    for name, folders, names in os.walk(folder, onerror=note):
        where = Path(name)
        folders[:] = [each for each in folders if not each.startswith(".")]
        try:
            files += [where / each for each in names if not each.startswith(".") and (where / each).is_file()]
        except PermissionError as error:  # it may be listed, and not searched
            error.filename = str(where)
            note(error)
            folders.clear()
    return sorted(files), [unreadable[where] for where in sorted(unreadable)]


def _is_original(path: Path, folder: Path, results: list[Path], resolved: _Resolver) -> bool:
    inside = path.relative_to(folder)
    if results and any(place in resolved(path).parents for place in results):
        return False
    return not any(_is_result(folder / step) for step in (inside, *inside.parents) if step.name)


def _origin(name: str) -> str:
    """The name, without a suffix, of what a result of this name was made from; empty if it is the name of no result."""
    return name.removesuffix(ENDING) if name.endswith(ENDING) else ""


def _is_result(path: Path) -> bool:
    """Whether a file or folder has the name of a result, and what it was made from is beside it."""
    if ENDING not in path.name:
        return False
    source = _origin(path.stem if path.is_file() else path.name)
    if not source:
        return False
    beside = (other for other in path.parent.iterdir() if other.is_file() == path.is_file())
    return any((other.stem if path.is_file() else other.name) == source for other in beside)


def _suffix(source: Path, kind: Kind) -> str:
    """The suffix of the result: the source's, or one of a format that can be written."""
    if kind == "video" and is_animation(source):
        return animation_suffix(source)
    return photo_suffix(source) if kind == "photo" else video_suffix(source)


_MEDIA = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v"}
"""Suffixes that promise a photo or video: a file in a folder that breaks the promise is reported, any other passed over."""
