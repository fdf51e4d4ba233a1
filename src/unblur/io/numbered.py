"""Pictures that are numbered one after the other: the frames of a clip in a folder."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from unblur.errors import InputError
from unblur.io.image import is_image, size_of

__all__ = ["NumberedFrames", "frames_in", "numbered_frames"]

_RUNS = re.compile(r"(\d+)")
_SHOWN = 3  # missing numbers that are named


@dataclass(frozen=True)
class NumberedFrames:
    """The frames of a clip.

    Attributes:
        files: in the order of their numbers.
        first: number of the first one.
        last: number of the last one.
        missing: numbers between them that no file has.
    """

    files: tuple[Path, ...]
    first: int
    last: int
    missing: tuple[int, ...] = ()

    def reading(self) -> str:
        """How the files are read, in a sentence."""
        files = f"`{self.files[0].name}` to `{self.files[-1].name}`"
        text = f"`{self.files[0].parent}` is read as a clip of {len(self.files)} frames, {files}"
        return f"{text}; {_named(self.missing)} missing, and the frames around are taken to follow each other" if self.missing else text


def numbered_frames(files: Sequence[Path], *, gaps: bool = False) -> NumberedFrames:
    """Order pictures by the one number that changes in their names, padded with zeros or not.

    Args:
        files: pictures of one folder, in any order.
        gaps: allow numbers to be missing.

    Raises:
        InputError: if they are no frames of one clip, with the reason: fewer than two, names that differ in more than one number, a number that is
            there twice or missing, or another size.

    Example:
        >>> from pathlib import Path
        >>> numbered_frames([Path("shot2_9.png")])
        Traceback (most recent call last):
        ...
        unblur.errors.InputError: it holds a single picture, and a clip has two frames at least
    """
    if len(files) < 2:
        raise InputError("it holds a single picture, and a clip has two frames at least")
    place = _changing_number(files)
    by_number: dict[int, Path] = {}
    for file in files:
        number = int(_parts(file)[place])
        if number in by_number:
            raise InputError(f"`{by_number[number].name}` and `{file.name}` have the same number")
        by_number[number] = file
    numbers = sorted(by_number)
    missing = tuple(number for before, after in pairwise(numbers) for number in range(before + 1, min(after, before + 1000)))
    if missing and not gaps:
        raise InputError(f"{_named(missing)} missing between `{by_number[numbers[0]].name}` and `{by_number[numbers[-1]].name}`")
    ordered = tuple(by_number[number] for number in numbers)
    sizes = {file: size_of(file) for file in ordered}
    odd = next((file for file in ordered if sizes[file] != sizes[ordered[0]]), None)
    if odd is not None:
        was, now = (f"`{file.name}` is of {sizes[file][0]}x{sizes[file][1]} pixels" for file in (ordered[0], odd))
        raise InputError(f"its pictures are of several sizes: {was}, {now}")
    return NumberedFrames(ordered, numbers[0], numbers[-1], missing)


def frames_in(folder: Path, *, gaps: bool = False) -> NumberedFrames:
    """The frames in a folder; hidden files and what is no picture are passed over.

    Raises:
        InputError: as of `numbered_frames`, with the folder's name.
    """
    try:
        return numbered_frames([path for path in sorted(folder.iterdir()) if not path.name.startswith(".") and is_image(path)], gaps=gaps)
    except InputError as error:
        raise InputError(f"`{folder}` is no clip: {error}") from error


def _parts(file: Path) -> list[str]:
    """A name in turns of text and number, and the suffix."""
    return [*_RUNS.split(file.stem), file.suffix.lower()]


def _changing_number(files: Sequence[Path]) -> int:
    """Which part of the names is the number of the frame."""
    first = _parts(files[0])
    changing: set[int] = set()
    for file in files[1:]:
        parts = _parts(file)
        differing = {place for place, (one, other) in enumerate(zip(first, parts, strict=False)) if one != other}
        if (
            len(parts) != len(first)
            or any(place % 2 == 0 or place == len(first) - 1 for place in differing)
            or len(changing | differing) > 1
        ):
            raise InputError(f"`{file.name}` is not numbered like `{files[0].name}`")
        changing |= differing
    return changing.pop()


def _named(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:_SHOWN])) + (f" and {len(numbers) - _SHOWN} more" if len(numbers) > _SHOWN else "")
    return f"number{'s' * (len(numbers) > 1)} {shown} {'are' if len(numbers) > 1 else 'is'}"
