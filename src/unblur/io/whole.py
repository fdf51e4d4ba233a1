"""Files that appear under their name only when they are whole."""

import errno
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from unblur.errors import OutputError

__all__ = ["file_identity", "output_error", "refuse_inputs", "written_whole"]


@contextmanager
def written_whole(target: Path, *, overwrite: bool = False, inputs: Iterable[Path] = ()) -> Iterator[Path]:
    """Give a path beside `target` to write to, and rename it to `target` when the block ends well.

    The path has the suffix of `target`, since writers choose the format by it. When the block raises, what was
    written is removed and `target` is as it was before.

    Args:
        target: where the finished file is to be.
        overwrite: replace `target` if it exists; otherwise it is left alone and an error raised, both before the
            block runs and when it ends.
        inputs: files that must not be replaced, see `refuse_inputs`.

    Raises:
        OutputError: if `target` exists and `overwrite` is false, it is one of `inputs`, its folder cannot be made or written to, or the disk
            is full.
    """
    inputs = tuple(inputs)
    refuse_inputs(target, inputs)
    _refuse_existing(target, overwrite=overwrite)
    partial = target.with_name(f".{target.stem}.{secrets.token_hex(4)}.partial{target.suffix}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial.touch(exist_ok=False)
    except OSError as error:
        raise output_error(target, error) from error
    try:
        yield partial
        refuse_inputs(target, inputs)
        _refuse_existing(target, overwrite=overwrite)
        _flush_to_disk(partial)
        partial.replace(target)
    except OutputError:
        raise
    except OSError as error:
        raise output_error(target, error) from error
    finally:
        partial.unlink(missing_ok=True)


def refuse_inputs(target: Path, inputs: Iterable[Path]) -> None:
    """Refuse to write over a file that is read, by whatever path, symbolic or hard link `target` reaches it.

    Raises:
        OutputError: if `target` is one of `inputs`.
    """
    own = file_identity(target)
    for path in inputs:
        if own is not None and own == file_identity(path):
            raise OutputError(
                f"`{target}` is the input `{path}` itself, and inputs are never changed; choose another place with `--output`"
            )


def file_identity(path: Path) -> tuple[int, int] | None:
    """Device and number of a file, which all of its names and links have in common; None if it is not there."""
    try:
        about = path.stat()
    except (OSError, ValueError):
        return None
    return about.st_dev, about.st_ino


def output_error(target: Path, error: OSError) -> OutputError:
    """Say in the user's words why `target` cannot be written."""
    if error.errno == errno.ENOSPC:
        return OutputError(f"the disk is full: cannot finish `{target}`; make room, or choose another place with `--output`")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return OutputError(f"no permission to write `{target}`; choose another place with `--output`")
    return OutputError(f"cannot write `{target}`: {error.strerror or error}; choose another place with `--output`")


def _refuse_existing(target: Path, *, overwrite: bool) -> None:
    if target.is_dir():
        raise OutputError(f"`{target}` is a folder; name a file")
    if target.exists() and not overwrite:
        raise OutputError(f"`{target}` exists; add `--overwrite` to replace it, or choose another place with `--output`")


def _flush_to_disk(path: Path) -> None:
    """Make sure that the bytes are on the disk before the name points to them, so that a power cut loses nothing."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())
