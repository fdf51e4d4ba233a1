"""Whether a data set is what it should be: its layout, counts and sizes, and every file that is missing, odd or broken."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unblur.data.layouts import SUFFIXES, Sample, find_layout, read_layout
from unblur.errors import InputError

__all__ = ["PUBLISHED_PAIRS", "Part", "Report", "check_data"]

PUBLISHED_PAIRS = {
    ("gopro", "train, blur"): 2103,
    ("gopro", "train, blur_gamma"): 2103,
    ("gopro", "test, blur"): 1111,
    ("gopro", "test, blur_gamma"): 1111,
    ("reds", "train, blur"): 24000,
    ("reds", "val, blur"): 3000,
    ("realblur", "J, train"): 3758,
    ("realblur", "J, test"): 980,
    ("realblur", "R, train"): 3758,
    ("realblur", "R, test"): 980,
    ("hide", "train"): 6397,
    ("hide", "test"): 2025,
    ("kohler", "all"): 48,
    ("dvd", "train"): 5708,
    ("dvd", "test"): 1000,
}
"""Pairs that each part has as it was published."""

_WITHOUT_TRUTH = {"dvd": ("qualitative_datasets",), "reds": ("test_blur", "test_blur_comp", "test"), "bsd": ("raw",)}
"""Folders of layouts, in small letters, whose pictures have no truth."""

_MANIFEST = "manifest.json"
_OUR_FOLDERS = ("motion",)  # beside `sharp`, made by `unblur synth`
_IGNORED = frozenset({"thumbs.db", "desktop.ini", ".ds_store"})


@dataclass(frozen=True)
class Part:
    """One part of a data set: pairs and sequences found, sizes (width, height) and how many pairs have each, and the number published."""

    name: str
    pairs: int
    sequences: int
    sizes: dict[tuple[int, int], int]
    published: int | None


@dataclass(frozen=True)
class Report:
    """What was found: the layout, its parts, and a sentence for each thing that is wrong. `notes` are worth knowing but not wrong."""

    layout: str
    parts: tuple[Part, ...]
    problems: tuple[str, ...]
    notes: tuple[str, ...]


def check_data(root: Path, *, decode: bool = False) -> Report:
    """Look through a data set.

    Wrong are pictures without a partner, pairs of two sizes, files that are no pictures, and files that cannot be opened.
    With `decode` every picture is read to its end too: what is broken off, or entirely of one colour, is wrong.

    Args:
        root: its folder.
        decode: read every picture; takes as long as reading the data set once.

    Raises:
        InputError: if it has no layout that is known.
    """
    layout = find_layout(root)
    parts: list[Part] = []
    problems: list[str] = []
    notes: list[str] = []
    used: set[Path] = set()
    opened: dict[Path, tuple[int, int] | None] = {}
    for choice, label in zip(layout.choices, layout.labels(), strict=True):
        try:
            samples = read_layout(layout.name, root, choice=choice)
        except InputError as error:
            if layout.name == "realblur" and "line" in str(error):
                problems.append(str(error))
            continue
        sizes: Counter[tuple[int, int]] = Counter()
        for sample in samples:
            used.update((*sample.blurry, *sample.sharp))
            found = [_size(path, root, problems, opened=opened, decode=decode) for path in (*sample.blurry, *sample.sharp)]
            real = [size for size in found if size is not None]
            if len(set(real)) > 1:
                problems.append(f"{_short(sample.reference, root)} is {_by(real[0])}, its truth {_by(real[-1])}")
            elif real:
                sizes[real[0]] += 1
        published = None if (root / _MANIFEST).is_file() else PUBLISHED_PAIRS.get((layout.name, label))
        if published is not None and published != len(samples):
            notes.append(f"{label}: {len(samples)} pairs, {published} were published")
        parts.append(Part(label, len(samples), len({sample.sequence for sample in samples}), dict(sizes), published))
        notes += _holes(samples, label)
    if not parts:
        problems.append(f"{layout.name} it seems, but not one pair was found")
    without = Counter(folder for path in root.rglob("*") if path.is_file() and (folder := _without_truth(path, root, layout.name)))
    notes += [f"`{folder}`: {count} files for which no truth was published" for folder, count in sorted(without.items())]
    problems += (each for each in _odd(root, used, layout=layout.name))
    return Report(layout.name, tuple(parts), tuple(dict.fromkeys(problems)), tuple(notes))


def _size(
    path: Path, root: Path, problems: list[str], *, opened: dict[Path, tuple[int, int] | None], decode: bool
) -> tuple[int, int] | None:
    """Width and height of a picture, None if it cannot be opened; each is opened once."""
    if path not in opened:
        opened[path] = None
        try:
            opened[path] = _opened(path, decode=decode)
        except (InputError, OSError) as error:
            problems.append(str(error) if isinstance(error, InputError) else f"{_short(path, root)} cannot be opened: {error}")
    return opened[path]


def _opened(path: Path, *, decode: bool) -> tuple[int, int]:
    if decode:
        from unblur.io.image import read_image

        pixels = read_image(path).pixels
        if np.ptp(pixels) == 0:
            raise InputError(f"`{path}` shows nothing: all its pixels are alike")
        return pixels.shape[1], pixels.shape[0]
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            return picture.size
    except FileNotFoundError as error:
        raise InputError(f"`{path}` is missing") from error
    except UnidentifiedImageError as error:
        raise InputError(f"`{path}` is not a picture, whatever its name says") from error


def _without_truth(path: Path, root: Path, layout: str) -> str:
    """The folder of a file that belongs to the data set, and of which no truth was published; empty for any other file."""
    return next((part for part in path.relative_to(root).parts[:-1] if part.lower() in _WITHOUT_TRUTH.get(layout, ())), "")


def _odd(root: Path, used: set[Path], *, layout: str) -> Iterator[str]:
    """Files that belong to no pair."""
    for path in sorted(root.rglob("*")):
        if not path.is_file() or path in used or path.name.lower() in _IGNORED or path.name.startswith("."):
            continue
        if _without_truth(path, root, layout):
            continue
        if path.suffix.lower() in SUFFIXES:
            yield f"{_short(path, root)} has no partner"
        elif (
            path.name != _MANIFEST and path.parent.name not in _OUR_FOLDERS and path.suffix.lower() not in (".txt", ".md", ".json", ".mat")
        ):
            yield f"{_short(path, root)} does not belong here"


def _holes(samples: list[Sample], label: str) -> Iterator[str]:
    """Sequences whose numbered frames skip a number: windows over the hole would join what does not follow."""
    numbers: dict[str, list[int]] = {}
    for sample in samples:
        if sample.reference.stem.isdecimal():
            numbers.setdefault(sample.sequence, []).append(int(sample.reference.stem))
    for sequence, found in numbers.items():
        missing = set(range(min(found), max(found) + 1)) - set(found)
        if missing:
            yield f"{label}: {sequence} skips {len(missing)} number(s), the first {min(missing)}"


def _short(path: Path, root: Path) -> str:
    return f"`{path.relative_to(root) if path.is_relative_to(root) else path}`"


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}×{size[1]}"
