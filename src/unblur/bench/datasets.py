"""What to measure on: published layouts, and plain folders with `blurry` and `sharp`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from unblur.data.layouts import LAYOUTS, SUFFIXES, Sample, find_layout, read_layout
from unblur.errors import InputError

__all__ = ["DataSet", "open_data", "published_name"]

_CLIPS = frozenset({"gopro", "dvd", "reds", "bsd"})
_MANIFEST = "manifest.json"
_TESTED = ("test", "val")
_PUBLISHED_AS = {"gopro": "GoPro", "dvd": "DVD", "reds": "REDS", "bsd": "BSD", "hide": "HIDE", "kohler": "Köhler", "realblur": "RealBlur"}


@dataclass(frozen=True)
class DataSet:
    """Pictures to restore, with their truths.

    Attributes:
        name: such as `gopro/test/blur_gamma`; of a plain folder, or of data made here in a published layout, that of the folder.
        samples: one a picture, each sequence in order.
        clips: whether a sequence's frames follow each other in time.
    """

    name: str
    samples: tuple[Sample, ...]
    clips: bool

    def sequences(self) -> dict[str, list[Sample]]:
        """The samples of each sequence, in order."""
        found: dict[str, list[Sample]] = {}
        for sample in self.samples:
            found.setdefault(sample.sequence, []).append(sample)
        return found


def open_data(spec: str, *, parts: Sequence[str] = _TESTED) -> DataSet:
    """Find the pictures of a data set.

    Args:
        spec: `DIR`, `LAYOUT:DIR` or `LAYOUT/CHOICE/...:DIR`, such as `gopro/test/blur_gamma:data/GoPro`. A plain folder
            holds `blurry` and `sharp` with files of the same names: pictures, or a folder for each clip. Without a choice
            the part for testing is taken, if that leaves one.
        parts: names of the parts that are taken without a choice.

    Raises:
        InputError: if nothing is found, a picture has no truth, or the choice is not clear; the message lists the choices.
    """
    name, _, path = spec.partition(":")
    words = name.split("/")
    layout = next((layout for layout in LAYOUTS if layout.name == words[0]), None) if path else None
    if layout is None:
        root = Path(spec)
        if (root / "blurry").is_dir() and (root / "sharp").is_dir():
            return _plain(root)
        layout, wanted = find_layout(root), []
    else:
        root, wanted = Path(path), words[1:]
    found: dict[str, list[Sample]] = {}
    for choice in layout.choices:
        values = list(choice.values())
        if set(wanted) <= set(values) and (wanted or not choice.get("split") or choice["split"] in parts):
            try:
                found["/".join([layout.name, *values])] = read_layout(layout.name, root, choice=choice)
            except InputError:
                continue  # a part that is not there; that none is there is said below
    if len(found) != 1:
        choices = ", ".join(f"`{label}:{root}`" for label in found)
        problem = f"say which part of it: {choices}" if found else f"it holds no pairs for `{spec}`; look at it with `unblur data check`"
        raise InputError(f"`{root}` has the layout of {layout.name}; {problem}")
    label, samples = next(iter(found.items()))
    if (root / _MANIFEST).is_file():
        label = f"{root.resolve().name} ({label})"  # made by `unblur synth` in that layout: no published pictures
    return DataSet(label, tuple(samples), clips=layout.name in _CLIPS)


def published_name(name: str) -> str:
    """What papers call a data set of the name of `DataSet.name`; empty if it is not a published one."""
    return _PUBLISHED_AS.get(name.split("/")[0], "")


def _plain(root: Path) -> DataSet:
    samples: list[Sample] = []
    folders = sorted(each for each in (root / "blurry").iterdir() if each.is_dir())
    for folder in folders or [root / "blurry"]:
        sequence = folder.name if folders else root.resolve().name
        for frame, path in enumerate(sorted((each for each in folder.iterdir() if each.suffix.lower() in SUFFIXES), key=_in_order)):
            truth = root / "sharp" / path.relative_to(root / "blurry")
            if not truth.is_file():
                raise InputError(f"`{path}` has no truth: `{truth}` is missing")
            samples.append(Sample((path,), (truth,), sequence, frame))
    if not samples:
        raise InputError(f"`{root / 'blurry'}` holds no pictures")
    return DataSet(root.resolve().name, tuple(samples), clips=bool(folders))


def _in_order(path: Path) -> list[tuple[int, str]]:
    """Key by which 2 comes before 10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", path.name)]
