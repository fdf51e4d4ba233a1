"""What one visitor has on the page: photos and clips, what becomes of each, and a folder for what belongs to nobody else."""

import contextlib
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.lib.format import open_memmap

from unblur.app.web.compare import jpeg_bytes
from unblur.app.web.engine import Engine
from unblur.app.web.film import Moment, film_of, sharpness_of_frames
from unblur.app.web.messages import in_words_of_page
from unblur.app.web.region import mixed, region_of
from unblur.app.web.worker import Stopped, Task, Worker
from unblur.errors import InputError, UnblurError
from unblur.io.animation import animation_of, is_animation
from unblur.io.clip_info import describe
from unblur.io.image import Image, read_image, read_rgb, size_of, write_image
from unblur.io.journal import frames_of, journal_of
from unblur.io.whole import refuse_inputs
from unblur.restore.batch import Job, Options, failure, photo_to_restore, plan
from unblur.restore.report import Outcome, kept_input_note
from unblur.weights import Quality

__all__ = ["MOST_FILES", "PREVIEW_SECONDS", "Item", "Preview", "Session", "Settings"]

MOST_FILES = 200
"""Photos and clips that one visitor may have on the page."""

PREVIEW_SECONDS = 2.0
"""Length of the preview, which is restored of a clip before the rest of it, seconds."""

Status = Literal["ready", "queued", "running", "paused", "done", "skipped", "failed", "cancelled"]
OPEN: tuple[Status, ...] = ("ready", "paused", "cancelled", "failed")
"""Status of the items that are restored when the visitor starts the queue."""


@dataclass(frozen=True)
class Settings:
    """How all is restored.

    Attributes:
        quality: of the weights.
        strength: 0 to 1.
        overwrite: replace results that exist.
    """

    quality: Quality = "best"
    strength: float = 1.0
    overwrite: bool = False


@dataclass(frozen=True)
class Preview:
    """A few seconds of a clip, before and after.

    Attributes:
        start: second of the clip.
        before: those seconds, encoded as `after` is.
        after: restored.
        sharpness: second and sharpness of each frame, before and after.
    """

    start: float
    before: Path
    after: Path
    sharpness: tuple[list[tuple[float, float]], list[tuple[float, float]]]


@dataclass(eq=False)
class Item:
    """A photo or clip.

    Attributes:
        number: of it in this session, from 1.
        job: what is restored, and to where.
        uploaded: whether it was sent, and its result is to be downloaded.
        width: pixels, as it is stored.
        height: pixels, as it is stored.
        frames: of a clip, about; 0 if unknown.
        length: of a clip, seconds; 0 if unknown.
        deep: whether a clip has more than 8 bit.
        animated: whether it is a GIF, animated WebP or APNG, which browsers show as they show pictures.
        status: what becomes of it.
        seconds: that it takes, about; None if unknown.
        expectation: a sentence on what to expect.
        done: frames.
        message: why it failed, or was skipped.
        warnings: what the visitor should know of the result.
        target: the result, once there is one.
        version: rises with each change of what there is to be seen.
        wish: of the visitor, while it is at work.
        own: what tells the result as it was written here from another file.
        had_journal: whether work on it had been kept before this session began it.
        pictures: `before` and `after`: of a photo for the slider, and of an animation.
        film: moments of a clip.
        preview: the last one that was made of a clip.
        previewing: says what becomes of one that is asked for; empty if none is.
        drawings: of how a photo was blurred, with their captions.
        drawing: says what becomes of them while they are made, or why they are not.
    """

    number: int
    job: Job
    uploaded: bool = False
    width: int = 0
    height: int = 0
    frames: int = 0
    length: float = 0.0
    deep: bool = False
    animated: bool = False
    status: Status = "ready"
    seconds: float | None = None
    expectation: str = ""
    done: int = 0
    message: str = ""
    warnings: tuple[str, ...] = ()
    target: Path | None = None
    version: int = 0
    wish: Literal["", "pause", "cancel"] = ""
    own: tuple[int, int] | None = None
    had_journal: bool | None = None
    pictures: dict[str, Path] = field(default_factory=dict)
    film: list[Moment] = field(default_factory=list)
    preview: Preview | None = None
    previewing: str = ""
    drawings: list[tuple[Path, str]] = field(default_factory=list)
    drawing: str = ""

    @property
    def name(self) -> str:
        """Name of the source file, with its suffix."""
        return self.job.source.name

    @property
    def pixels(self) -> float:
        """Number of pixels of all frames together; of a photo, those of the picture."""
        return float(self.width * self.height * max(self.frames, 1))


class Session:
    """The photos and clips of one visitor.

    Args:
        folder: of its own, for what is made; removed by `close`.
        engine: used by the worker's thread alone.
        worker: does the work of all sessions.
    """

    def __init__(self, folder: Path, *, engine: Engine, worker: Worker) -> None:
        self.folder, self.engine, self.worker = folder, engine, worker
        self.items: dict[int, Item] = {}
        self.settings = Settings()
        self.closed = False
        self._owner = folder.name
        self._lock = threading.Lock()
        self._next = 1
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, source: Path, *, uploaded: bool, settings: Settings) -> list[str]:
        """Take a photo, a clip, or all that is in a folder; gives what is wrong with what cannot be taken.

        Args:
            source: the file or folder.
            uploaded: whether the result goes to the session's folder, and not beside it.
            settings: by which the time is estimated.
        """
        wrong, self.settings = [], settings
        try:
            place = self._folder_of(self._next) if uploaded else None
            jobs = list(plan([source], place))
        except UnblurError as error:
            return [in_words_of_page(str(error))]
        for job in jobs:
            if isinstance(job, Outcome):
                wrong.append(in_words_of_page(job.message))
            elif len(self.items) >= MOST_FILES:
                wrong.append(f"“{job.source.name}” was not taken: there are {MOST_FILES} files on the page; restore and clear them first")
            elif any(job.source == item.job.source for item in self.items.values()):
                wrong.append(f"“{job.source.name}” is on the page already")
            else:
                try:
                    self._take(job, uploaded=uploaded)
                except UnblurError as error:
                    wrong.append(in_words_of_page(str(error)))
        return wrong

    def _folder_of(self, number: int) -> Path:
        folder = self.folder / str(number)
        folder.mkdir(exist_ok=True)
        return folder

    def _take(self, job: Job, *, uploaded: bool) -> None:
        item = Item(self._next, job, uploaded)
        if job.kind == "photo":
            item.width, item.height = size_of(job.source)
        elif is_animation(job.source):
            about = animation_of(job.source)
            item.animated, item.width, item.height, item.frames = True, about.width, about.height, about.pictures
            item.length = float(sum(about.durations))
        else:
            info = describe(job.source)
            item.deep = info.bit_depth > 8
            item.width, item.height, item.frames = info.width, info.height, info.frame_count or 0
            item.length = float(info.duration or 0)
        with self._lock:
            self.items[item.number] = item
            self._next += 1
        self.worker.submit(Task(self._owner, lambda: self._inspect(item), urgent=True))

    def _inspect(self, item: Item) -> None:
        """Estimate time and gain."""
        if self.closed:
            return
        with contextlib.suppress(UnblurError, OSError):  # said when its turn comes
            if item.job.kind == "video" and not item.film:
                item.film = film_of(item.job.source, self._folder_of(item.number), length=item.length)
            item.expectation = self.engine.expect(item.job, quality=self.settings.quality)
            item.version += 1
            seconds = self.engine.photo_seconds if item.job.kind == "photo" else self.engine.clip_seconds
            if item.pixels and (item.frames or item.job.kind == "photo"):
                item.seconds = seconds(item.pixels, quality=self.settings.quality)
        item.version += 1

    def estimate(self, settings: Settings) -> None:
        """Estimate again what is not done, for other settings."""
        self.settings = settings
        for item in list(self.items.values()):
            if item.status in OPEN:
                self.worker.submit(Task(self._owner, lambda item=item: self._inspect(item), urgent=True))  # type: ignore[misc]

    def start(self, settings: Settings) -> int:
        """Restore all that is not done, or go on with it; gives how many files that are."""
        self.settings = settings
        waiting = [item for item in self.items.values() if item.status in OPEN]
        for item in waiting:
            item.status, item.message, item.wish = "queued", "", ""
            self.worker.submit(Task(self._owner, lambda item=item: self._restore(item, settings)))  # type: ignore[misc]
        return len(waiting)

    def stop(self, wish: Literal["pause", "cancel"]) -> None:
        """Pause or cancel what is not done. What is finished of a clip is kept, and by `cancel` only if it was there before."""
        self.worker.withdraw(self._owner)
        for item in self.items.values():
            item.previewing = "" if item.previewing == "waiting" else item.previewing
            if item.status == "running" or item.previewing == "restoring":
                item.wish = wish
            elif item.status == "queued" or (item.status == "paused" and wish == "cancel"):
                item.status = "paused" if wish == "pause" else "cancelled"
                if wish == "cancel":
                    self._forget_work(item)

    def clear(self) -> None:
        """Take off the page what is not at work."""
        for number, item in list(self.items.items()):
            if item.status not in ("running", "queued") and item.previewing not in ("waiting", "restoring"):
                with self._lock:
                    del self.items[number]
                shutil.rmtree(self.folder / str(number), ignore_errors=True)

    @property
    def busy(self) -> bool:
        """Whether something is at work or about to be."""
        return any(
            item.status in ("running", "queued") or "waiting" in (item.drawing, item.previewing) or item.previewing == "restoring"
            for item in self.items.values()
        )

    def close(self) -> None:
        """Stop, and remove all that is in the session's folder."""
        self.closed = True
        self.stop("pause")
        self.worker.withdraw(self._owner)
        self.worker.submit(Task(self._owner, lambda: shutil.rmtree(self.folder, ignore_errors=True), urgent=True))

    def _check(self, item: Item) -> None:
        if item.wish or self.closed:
            raise Stopped

    def _restore(self, item: Item, settings: Settings) -> None:
        if self.closed or item.status != "queued":
            return
        item.status, item.done = "running", 0
        try:
            outcome = self._photo(item, settings) if item.job.kind == "photo" else self._clip(item, settings)
            item.status, item.target = outcome.status, outcome.target
            item.message, item.warnings = in_words_of_page(outcome.message), outcome.warnings
        except Stopped:
            item.status = "cancelled" if item.wish == "cancel" else "paused"
            if item.wish == "cancel":
                self._forget_work(item)
        except Exception as error:  # noqa: BLE001 - of a file that anyone can have made
            item.status, item.message = "failed", in_words_of_page(str(failure(error, item.job)))
        item.wish = ""
        item.version += 1

    def _photo(self, item: Item, settings: Settings) -> Outcome:
        source, target = item.job.source, item.job.target
        overwrite = settings.overwrite or self._is_own(item)
        image = photo_to_restore(item.job, overwrite=overwrite)
        report, note = self.engine.photo(image.pixels, quality=settings.quality, check=lambda: self._check(item))
        self._check(item)
        folder = self._folder_of(item.number)
        item.height, item.width = image.pixels.shape[:2]
        for old in folder.glob("restored*.npy"):
            old.unlink()
        np.save(folder / "restored.npy", report.picture)
        for name, pixels in (("before", image.pixels), ("after", report.picture)):
            self._new_picture(item, name, ".jpg").write_bytes(jpeg_bytes(pixels, icc=image.metadata.icc, quality=95))
        changed = mixed(image.pixels, report.picture, strength=settings.strength, region=None)
        pages = self._restored_pages(item, image, strength=settings.strength, quality=settings.quality)
        lost = write_image(target, replace(image.with_pixels(changed), pages=pages), overwrite=overwrite)
        item.own, item.done = _mark_of(target), 1
        kept = [kept_input_note(report.kept_input)] if report.kept_input else []
        notes = [item.job.note, note]
        return Outcome(source, "done", target, "photo", 1, warnings=(*image.notes, *lost, *kept, *filter(None, notes)))

    def _new_picture(self, item: Item, name: str, suffix: str) -> Path:
        """Where a picture for the page goes: another name has the browser read it again."""
        if name in item.pictures:
            item.pictures[name].unlink(missing_ok=True)
        item.pictures[name] = self._folder_of(item.number) / f"{name}-{item.version + 1}{suffix}"
        return item.pictures[name]

    def _restored_pages(self, item: Item, image: Image, *, strength: float, quality: Quality) -> tuple[Callable[[], Image], ...]:
        """The further pages of a TIFF, each restored when it is written; once that has been done, without the network."""

        def restored(page: Callable[[], Image], place: Path) -> Image:
            blurry = page()
            if not place.exists():
                report, _ = self.engine.photo(blurry.pixels, quality=quality, check=lambda: self._check(item))
                np.save(place, report.picture)
            return blurry.with_pixels(mixed(blurry.pixels, np.load(place), strength=strength, region=None))

        folder = self._folder_of(item.number)
        return tuple(partial(restored, page, folder / f"restored-{place}.npy") for place, page in enumerate(image.pages, 2))

    def save(self, number: int, *, strength: float, region: str, overwrite: bool) -> Path:
        """Write a restored photo again, with another strength or a region; gives where.

        Args:
            number: of the item.
            strength: 0 to 1.
            region: see `unblur.app.web.region.region_of`; of a TIFF with several pages, it is that of the first.
            overwrite: replace a result that is no longer as it was written here.

        Raises:
            UnblurError: if there is no such restored photo, or it cannot be written.
        """
        item = self.items.get(number)
        if item is None or item.job.kind != "photo" or item.target is None:
            raise InputError("there is no restored photo to save; restore it first")
        image = read_image(item.job.source)
        restored = open_memmap(self.folder / str(number) / "restored.npy", mode="r")
        changed = mixed(image.pixels, np.asarray(restored), strength=strength, region=region_of(region))
        refuse_inputs(item.target, (item.job.source,))
        pages = self._restored_pages(item, image, strength=strength, quality=self.settings.quality)
        write_image(item.target, replace(image.with_pixels(changed), pages=pages), overwrite=overwrite or self._is_own(item))
        item.own = _mark_of(item.target)
        return item.target

    def _clip(self, item: Item, settings: Settings) -> Outcome:
        job = item.job
        if item.had_journal is None:
            item.had_journal = journal_of(job.target).exists() or frames_of(job.target).exists()
        overwrite = settings.overwrite or self._is_own(item)
        options = Options(strength=settings.strength, overwrite=overwrite)
        notes: list[str] = []

        def progress(done: int, total: int | None) -> None:
            item.done, item.frames = done, total or item.frames
            self._check(item)

        outcome = self.engine.clip(job, quality=settings.quality, options=options, progress=progress, notify=notes.append)
        item.own = _mark_of(job.target)
        if item.animated and outcome.status == "done":
            for name, path in (("before", job.source), ("after", job.target)):
                shutil.copyfile(path, self._new_picture(item, name, path.suffix))
        return outcome

    def preview(self, number: int, *, start: float, settings: Settings) -> None:
        """Have two seconds of a clip restored for a look; `Item.preview` has them when that is done.

        Raises:
            InputError: if there is no such clip.
        """
        item = self.items.get(number)
        if item is None or item.job.kind != "video":
            raise InputError("choose a clip first")
        if item.animated:
            raise InputError("an animation is restored whole; press “Restore”")
        item.previewing, item.wish = "waiting", ""
        self.worker.submit(Task(self._owner, lambda: self._preview(item, max(start, 0.0), settings)))

    def _preview(self, item: Item, start: float, settings: Settings) -> None:
        folder = self._folder_of(item.number)
        ending = "webm" if item.deep else "mp4"  # browsers show VP9 of 10 bit, and H.264 of 8 bit alone
        item.previewing = "restoring"
        try:
            made = []
            for name, strength in (("before", 0.0), ("after", settings.strength)):
                job = Job(item.job.source, folder / f"{name}-{item.version + 1}.{ending}", "video")
                options = Options(
                    strength=strength, start=start, duration=PREVIEW_SECONDS, codec="vp9" if item.deep else "h264", overwrite=True
                )
                self.engine.clip(
                    job, quality=settings.quality, options=options, progress=lambda *_: self._check(item), notify=lambda _: None
                )
                made.append(job.target)
            before, after = made
            if item.preview is not None:
                for old in (item.preview.before, item.preview.after):
                    old.unlink(missing_ok=True)
            item.preview = Preview(
                start, before, after, (sharpness_of_frames(before, start=start), sharpness_of_frames(after, start=start))
            )
            item.previewing = ""
        except Stopped:
            item.previewing = ""
        except Exception as error:  # noqa: BLE001 - of a file that anyone can have made
            item.previewing = in_words_of_page(str(failure(error, item.job)))
        item.version += 1

    def draw(self, number: int, *, settings: Settings) -> None:
        """Have drawn how a photo was blurred; `Item.drawings` has that when it is done.

        Raises:
            InputError: if there is no such photo.
        """
        item = self.items.get(number)
        if item is None or item.job.kind != "photo":
            raise InputError("choose a photo first")
        item.drawing = "waiting"
        self.worker.submit(Task(self._owner, lambda: self._draw(item, settings), urgent=True))

    def _draw(self, item: Item, settings: Settings) -> None:
        try:
            folder, made = self._folder_of(item.number), []
            for drawing in self.engine.drawings(read_rgb(item.job.source), quality=settings.quality):
                path = folder / f"{drawing.name}-{item.version + 1}.jpg"
                path.write_bytes(jpeg_bytes(drawing.pixels))
                made.append((path, drawing.caption))
            item.drawings, item.drawing = made, ""
        except Exception as error:  # noqa: BLE001 - of a file that anyone can have made
            item.drawing = in_words_of_page(str(failure(error, item.job)))
        item.version += 1

    def _is_own(self, item: Item) -> bool:
        return item.own is not None and item.own == _mark_of(item.job.target)

    def _forget_work(self, item: Item) -> None:
        if item.job.kind == "video" and item.had_journal is False:
            for path in (journal_of(item.job.target), frames_of(item.job.target)):
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)


def _mark_of(path: Path) -> tuple[int, int] | None:
    """What tells a file from one that has been written or changed since."""
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_ino, about.st_mtime_ns
