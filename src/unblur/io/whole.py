"""Files that appear under their name only when they are whole."""

import contextlib
import errno
import hashlib
import os
import stat
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from unblur.errors import OutputError

if sys.platform != "win32":
    import fcntl

__all__ = ["file_identity", "hidden_beside", "make_folder", "open_hidden", "output_error", "refuse_inputs", "written_whole"]

_LOCKS = sys.platform != "win32"
_LONGEST = 143  # bytes of a file's name that every usual file system takes, encrypted ones as well


@contextmanager
def written_whole(target: Path, *, overwrite: bool = False, inputs: Iterable[Path] = ()) -> Iterator[Path]:
    """Give a path beside `target` to write to, and rename it to `target` when the block ends well.

    The path has the suffix of `target`, since writers choose the format by it. When the block raises, what was
    written is removed and `target` is as it was before. There is one such path for each target, so that what a
    process that was killed has left there is written over by the next.

    Args:
        target: where the finished file is to be.
        overwrite: replace `target` if it exists; otherwise it is left alone and an error raised, both before the
            block runs and when it ends.
        inputs: files that must not be replaced, see `refuse_inputs`.

    Raises:
        OutputError: if `target` exists and `overwrite` is false, it is one of `inputs`, another process is writing it
            (not detected on Windows), its folder cannot be made or written to, or the disk is full.
    """
    inputs = tuple(inputs)
    try:
        refuse_inputs(target, inputs)
        _refuse_existing(target, overwrite=overwrite)
        target.parent.mkdir(parents=True, exist_ok=True)
        with _claimed(hidden_beside(target, "partial", suffix=target.suffix), target) as partial:
            yield partial
            refuse_inputs(target, inputs)
            _refuse_existing(target, overwrite=overwrite)
            _flush_to_disk(partial)
            partial.replace(target)
    except OutputError:
        raise
    except OSError as error:
        raise output_error(target, error) from error


def hidden_beside(target: Path, what: str, *, suffix: str = "") -> Path:
    """The hidden file in which the program keeps `what` of a target; long names are shortened to a digest."""
    name = f".{target.name}.{what}{suffix}"
    if len(os.fsencode(name)) > _LONGEST:
        name = f".{hashlib.sha256(os.fsencode(target.name)).hexdigest()[:32]}.{what}{suffix}"
    return target.with_name(name)


def open_hidden(path: Path, flags: int) -> int:
    """Open a file of the program's own and give its descriptor; links and other things in its place are not followed.

    Args:
        path: of the file.
        flags: as of `os.open`.

    Raises:
        OutputError: if something else than an ordinary file with one name is there.
        OSError: as of `os.open`.
    """
    foreign = OutputError(f"`{path}` is a link, or no ordinary file; what is not finished is kept under that name: remove it, or rename it")
    if path.is_symlink():  # also where the system cannot be told not to follow
        raise foreign
    extra = ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY")
    descriptor = os.open(path, flags | sum(getattr(os, name, 0) for name in extra), 0o666)
    about = os.fstat(descriptor)
    if not stat.S_ISREG(about.st_mode) or about.st_nlink > 1:
        os.close(descriptor)
        raise foreign
    return descriptor


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


def output_error(target: Path, error: OSError, *, elsewhere: str = "choose another place with `--output`") -> OutputError:
    """Say in the user's words why `target` cannot be written, and with `elsewhere` what to do."""
    if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
        return OutputError(f"the disk is full: cannot finish `{target}`; make room, or {elsewhere}")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return OutputError(f"no permission to write `{target}`; {elsewhere}")
    return OutputError(f"cannot write `{target}`: {error.strerror or error}; {elsewhere}")


def make_folder(folder: Path) -> None:
    """Make a folder for results, and see that it can be written to, before there is any work to lose.

    Raises:
        OutputError: if it, or what it should lie in, is a file, it cannot be made or written to, or the disk is full.
    """
    elsewhere = "name another folder"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(bytes(4096))
    except (FileExistsError, NotADirectoryError) as error:
        file = next((place for place in (folder, *folder.parents) if place.is_file()), folder)
        raise OutputError(f"`{file}` is a file; {elsewhere}") from error
    except OSError as error:
        raise output_error(folder, error, elsewhere=elsewhere) from error


@contextmanager
def _claimed(partial: Path, target: Path) -> Iterator[Path]:
    """Make the file empty and keep other processes from writing it meanwhile; remove it if the block raises."""
    descriptor = _locked(partial, target)
    try:
        os.ftruncate(descriptor, 0)
        if sys.platform == "win32":  # where an open file cannot be renamed, and locks itself
            os.close(descriptor)
        yield partial
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    finally:
        if sys.platform != "win32":
            with contextlib.suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_UN)  # also for a process that was forked meanwhile
            os.close(descriptor)


def _locked(partial: Path, target: Path) -> int:
    while True:
        descriptor = open_hidden(partial, os.O_RDWR | os.O_CREAT)
        _lock(descriptor, target)
        about = os.fstat(descriptor)
        if not _LOCKS or file_identity(partial) == (about.st_dev, about.st_ino):
            return descriptor
        os.close(descriptor)  # the other run has just finished, and renamed it


def _lock(descriptor: int, target: Path) -> None:
    """Lock an open file, or close it and raise if another process has; a file system without locks goes on without, and so does Windows."""
    if sys.platform != "win32":
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                os.close(descriptor)
                raise OutputError(f"another run is writing `{target}`; wait for it, or choose another place with `--output`") from error


def _refuse_existing(target: Path, *, overwrite: bool) -> None:
    if target.is_dir():
        raise OutputError(f"`{target}` is a folder; name a file")
    if target.exists() and not overwrite:
        raise OutputError(f"`{target}` exists; add `--overwrite` to replace it, or choose another place with `--output`")


def _flush_to_disk(path: Path) -> None:
    """Make sure that the bytes are on the disk before the name points to them, so that a power cut loses nothing."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())
