"""The folder into which the frames of a clip are restored that is a folder of pictures itself.

Each frame appears under its own name when it is whole. Beside the folder, a hidden journal, JSON, says what work it was begun for, so that a run
that was stopped is gone on with by the same work only, and what the frames were that lay there before and are to be replaced: a frame is
finished if it is there and none of these.
"""

import contextlib
import hashlib
import json
import shutil
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from unblur.errors import InputError, OutputError
from unblur.io.image import Image, output_suffix, read_image, write_image
from unblur.io.journal import difference, journal_of
from unblur.io.picture import Pixels
from unblur.io.whole import file_identity, make_folder, written_whole
from unblur.pixels import to_rgb

__all__ = ["FrameFolder", "folder_work_of", "frame_targets", "frames_identity"]


_IS_INPUT = "`{}` is one of the frames themselves, and inputs are never changed; choose another place with `--output`"


def frames_identity(frames: Sequence[Path]) -> list[str | int]:
    """What tells the frames of a clip from others, or from themselves before they were changed, as JSON has it.

    Raises:
        OSError: if one cannot be looked at.
    """
    digest = hashlib.sha256()
    for frame in frames:
        about = frame.stat()
        digest.update(f"{frame.name}\0{about.st_size}\0{about.st_mtime_ns}\0".encode(errors="surrogateescape"))
    return [str(frames[0].parent.resolve()), len(frames), digest.hexdigest()]


def frame_targets(frames: Sequence[Path], folder: Path) -> list[Path]:
    """Where each frame goes: under its own name, with the suffix of a format that can be written."""
    return [folder / f"{frame.stem}{output_suffix(frame)}" for frame in frames]


def folder_work_of(folder: Path) -> dict[str, Any] | None:
    """The work that a folder of frames was begun for and that is not finished; None if there is none, or it cannot be read."""
    found = _read_journal(folder)
    return found["work"] if found else None


class FrameFolder:
    """Reads the frames of a clip, and writes those that are not finished. Entered around the work.

    Args:
        frames: of the clip, in order.
        folder: for the results.
        work: what is done with what, as JSON has it; what lies under `settings` is not compared.
        quality: of JPEG, WebP, HEIC and AVIF, see `unblur.io.image.write_image`.
        copy_unchanged: copy the file of a frame whose pixels are as they were, where that is possible.
        overwrite: replace results that exist.

    Attributes:
        finished: frames that an earlier run has finished.
        notes: sentences on what of files could not be kept, each with the number of its frames.

    Raises:
        OutputError: if a result is there already and `overwrite` is false, was made by other work, or is one of the frames; or the folder cannot be
            written to.
    """

    def __init__(
        self,
        frames: Sequence[Path],
        folder: Path,
        *,
        work: dict[str, Any],
        quality: int | None = None,
        copy_unchanged: bool = False,
        overwrite: bool = False,
    ) -> None:
        self._frames, self._folder, self._work, self._quality = frames, folder, work, quality
        self._copy_unchanged = copy_unchanged and quality is None
        self._targets = frame_targets(frames, folder)
        self._images: dict[int, Image] = {}
        self._lock = threading.Lock()
        self.notes: dict[str, int] = {}
        self._inputs = {file_identity(frame) for frame in frames}
        taken = next((target for target in self._targets if file_identity(target) in self._inputs - {None}), None)
        if taken is not None:
            raise OutputError(_IS_INPUT.format(taken))
        if len(set(self._targets)) < len(self._targets):
            raise OutputError(
                f"two frames would be written to one file in `{folder}`; give them names that differ in more than their suffix"
            )
        self._old = self._to_be_replaced(overwrite=overwrite)
        self._missing = [place for place, target in enumerate(self._targets) if not self._is_finished(target)]
        self.finished = len(frames) - len(self._missing)

    def __enter__(self) -> "FrameFolder":
        make_folder(self._folder)
        with written_whole(journal_of(self._folder), overwrite=True) as partial:
            partial.write_text(json.dumps({"work": self._work, "old": self._old}), encoding="utf-8")
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            journal_of(self._folder).unlink(missing_ok=True)

    def read(self, *, lead: int) -> Iterator[tuple[int, Pixels]]:
        """The frames from `lead` before the first that is not finished to as many after the last one, with their places.

        Yields:
            place and pixels, (H, W, 3) of 8 or 16 bit or floats; grey is spread over the channels.
        """
        if not self._missing:
            return
        for place in range(max(self._missing[0] - lead, 0), min(self._missing[-1] + lead + 1, len(self._frames))):
            image = _single(read_image(self._frames[place]))
            with self._lock:
                self._images[place] = image
            yield place, np.ascontiguousarray(to_rgb(image.pixels))

    def write(self, place: int, pixels: Pixels) -> bool:
        """Write a restored frame; gives whether it was to be written, and not only there to be seen beside its neighbours.

        Args:
            place: of the frame, as `read` gave it; each is given once.
            pixels: restored, of the shape and type that `read` gave.
        """
        with self._lock:
            image = self._images.pop(place)
        target = self._targets[place]
        if self._is_finished(target):
            return False
        if file_identity(target) in self._inputs - {None}:
            raise OutputError(_IS_INPUT.format(target))
        restored = _as_grey(pixels) if image.pixels.shape[2] == 1 else pixels
        if self._copy_unchanged and target.suffix == self._frames[place].suffix and np.array_equal(restored, image.pixels):
            with written_whole(target, overwrite=target.name in self._old) as partial:
                shutil.copyfile(self._frames[place], partial)
            return True
        lost = write_image(target, image.with_pixels(restored), quality=self._quality, overwrite=target.name in self._old)
        for note in (*image.notes, *lost):
            self.notes[note] = self.notes.get(note, 0) + 1
        return True

    def _to_be_replaced(self, *, overwrite: bool) -> dict[str, list[int]]:
        """Results that are there and do not count, by name, with size and time."""
        before = _read_journal(self._folder)
        if before is not None and not (change := difference(before["work"], self._work)):
            old: dict[str, list[int]] = before["old"]
        elif before is not None and not overwrite and any(target.exists() for target in self._targets):
            raise OutputError(
                f"`{self._folder}` holds frames of a run that was stopped and was another: {change}. The same command goes on with it; add `--overwrite` "
                "to make all frames anew, or choose another place with `--output`"
            )
        else:
            return self._refuse_existing({target.name: _state(target) for target in self._targets if target.exists()}, overwrite=overwrite)
        return self._refuse_existing(
            {name: state for name, state in old.items() if _state(self._folder / name) == state}, overwrite=overwrite
        )

    def _refuse_existing(self, old: dict[str, list[int]], *, overwrite: bool) -> dict[str, list[int]]:
        if old and not overwrite:
            raise OutputError(
                f"`{self._folder / next(iter(old))}` exists; add `--overwrite` to replace it, or choose another place with `--output`"
            )
        return old

    def _is_finished(self, target: Path) -> bool:
        return target.is_file() and (target.name not in self._old or _state(target) != self._old[target.name])


def _single(image: Image) -> Image:
    """The first page alone, with a sentence on the others."""
    if not image.pages:
        return image
    return replace(image, pages=(), notes=(*image.notes, "further pages of it were not kept, since a frame is one picture"))


def _as_grey(pixels: Pixels) -> Pixels:
    mean = pixels.mean(axis=2, keepdims=True)
    grey: Pixels = (mean.round() if np.issubdtype(pixels.dtype, np.integer) else mean).astype(pixels.dtype)
    return grey


def _state(path: Path) -> list[int]:
    """Size and time of a file; empty if it is not there."""
    try:
        about = path.stat()
    except OSError:
        return []
    return [about.st_size, about.st_mtime_ns]


def _read_journal(folder: Path) -> dict[str, Any] | None:
    path = journal_of(folder)
    if path.is_symlink():
        raise InputError(f"`{path}` is a link; what is not finished is noted under that name: remove it, or rename it")
    with contextlib.suppress(OSError, ValueError, RecursionError):
        found = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(found, dict) and isinstance(found.get("work"), dict) and isinstance(found.get("old"), dict):
            return found
    return None
