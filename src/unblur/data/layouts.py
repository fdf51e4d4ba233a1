"""Published data sets in the folders in which they are published; one reader for each, all giving the same samples.

    gopro     ROOT/{train,test}/SEQ/{blur,blur_gamma,sharp}/000001.png                   Nah et al., CVPR 2017
              ROOT/{train,test}/[GoPro/]{input,target}/SEQ-000001.png                    as MPRNet and Restormer repack it
              ROOT/{train,test}/[GoPro/]{blur,blur_gamma,sharp}/NAME.png                 as MIMO-UNet repacks it
    dvd       ROOT/[quantitative_datasets/]SEQ/{input,GT}/00000.jpg                      Su et al., CVPR 2017
    reds      ROOT/[train/]{train_blur,train_sharp}/000/00000000.png, and val            Nah et al., CVPRW 2019
    realblur  ROOT/RealBlur_{J,R}_{train,test}_list.txt, each line: truth and blurry     Rim et al., ECCV 2020
    hide      ROOT/{train,test/test-close-ups,test/test-long-shot,GT}/NAME.png           Shen et al., ICCV 2019
    kohler    ROOT/…/Blurry1_1.png, ROOT/…/GroundTruth1_1_1.png, at any depth            Köhler et al., ECCV 2012
    bsd       ROOT/[BSD_1ms8ms/]{train,valid,test}/000/{Blur,Sharp}/RGB/00000000.png     Zhong et al., ECCV 2020

What was published without truths (`qualitative_datasets` of DVD, `test` of REDS, `Raw` of BSD) is no pair. A reader lists files and opens none. What it cannot pair it leaves to `unblur.data.check`, or raises if nothing is left.
"""

import contextlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Literal

from unblur.errors import InputError

__all__ = [
    "DVD_TEST",
    "LAYOUTS",
    "SUFFIXES",
    "Layout",
    "Sample",
    "bsd",
    "dvd",
    "find_layout",
    "gopro",
    "hide",
    "kohler",
    "read_layout",
    "realblur",
    "reds",
    "windows",
]

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp"})

DVD_TEST = frozenset(
    ["720p_240fps_2", "IMG_0003", "IMG_0021", "IMG_0030", "IMG_0031", "IMG_0032", "IMG_0033", "IMG_0037", "IMG_0039", "IMG_0049"]
)
"""The ten test clips of DVD, as its authors named them; the other 61 are for training."""

_KOHLER_BLURRY = re.compile(r"Blurry(\d+)_(\d+)\.\w+")
_REPACKED = re.compile(r"(GOPR\d+_\d+_\d+)[-_](\d+)")
_KOHLER_TRUTH = re.compile(r"GroundTruth(\d+)_(\d+)_(\d+)\.\w+")


@dataclass(frozen=True)
class Sample:
    """One thing to restore.

    Attributes:
        blurry: the blurry frames, the reference in the middle; one for a photo.
        sharp: the truth of the reference; Köhler has one for each instant of the camera trajectory, of which the best counts.
        sequence: name of the clip or scene.
        frame: place of the reference in its sequence, 0 first.
    """

    blurry: tuple[Path, ...]
    sharp: tuple[Path, ...]
    sequence: str
    frame: int

    @property
    def reference(self) -> Path:
        """The blurry frame that is to be restored."""
        return self.blurry[len(self.blurry) // 2]


def gopro(root: Path, *, split: Literal["train", "test"], blur: Literal["blur", "blur_gamma", "input"]) -> list[Sample]:
    """Read GoPro.

    Args:
        root: folder with `train` and `test`.
        split: which of them.
        blur: which blurry pictures: `blur_gamma` were averaged in linear light (gamma 2.2), `blur` as file values. Published
            numbers use one or the other; say which beside yours. `input` is for repacked pictures, of which the folder does not say which they
            are. There is no default.

    Raises:
        InputError: if nothing is found.
    """
    what = f"GoPro, {split}, {blur}"
    for top in (root / split, *sorted(root.glob(f"{split}/[Gg][Oo][Pp][Rr][Oo]*"))):
        for ending in ("", "_crops"):
            blurry, sharp = top / f"{blur}{ending}", top / f"{'target' if blur == 'input' else 'sharp'}{ending}"
            if blurry.is_dir() and sharp.is_dir() and top.name not in ("blur", "sharp"):
                return _some(_flat(blurry, sharp), top, what)
    if blur == "input":
        return _some([], root / split, what)
    return _sequences(root / split, blurry=blur, sharp="sharp", what=what)


def dvd(root: Path, *, split: Literal["train", "test"]) -> list[Sample]:
    """Read the quantitative part of DVD, divided into 61 clips for training and the 10 of `DVD_TEST`.

    Copies that were sorted into folders `train` and `test` already are read as they are sorted.

    Raises:
        InputError: if nothing is found.
    """
    top = root / "quantitative_datasets" if (root / "quantitative_datasets").is_dir() else root
    if top.name == "qualitative_datasets" or (top == root and (root / "qualitative_datasets").is_dir()):
        raise InputError(
            f"`{root}` holds the clips of DVD that have no truth (`qualitative_datasets`); restore them with `unblur --folders clips`, and name "
            "the folder with "
            "`quantitative_datasets` for pairs"
        )
    if (top / split).is_dir():
        return _sequences(top / split, blurry="input", sharp="GT", what=f"DVD, {split}")
    return _sequences(top, blurry="input", sharp="GT", what=f"DVD, {split}", wanted=lambda name: (name in DVD_TEST) == (split == "test"))


def reds(root: Path, *, split: Literal["train", "val", "test"], blur: Literal["blur", "blur_comp"] = "blur") -> list[Sample]:
    """Read REDS.

    Args:
        root: folder with `train_blur` and so on, or with `train/train_blur` as the archives unpack.
        split: `train` (240 clips) or `val` (30); the truth of `test` was never published, so that it is refused.
        blur: `blur`, or `blur_comp` for those compressed besides.

    Raises:
        InputError: if nothing is found.
    """
    if split == "test":
        raise InputError(
            f"the truth of REDS, test, was never published; measure on `val`, and restore `{root / 'test'}` with `unblur --folders clips`"
        )
    top = root / split if (root / split / f"{split}_sharp").is_dir() else root
    return _parallel(top / f"{split}_{blur}", top / f"{split}_sharp", what=f"REDS, {split}, {blur}")


def bsd(
    root: Path, *, split: Literal["train", "valid", "test"], exposure: Literal["1ms8ms", "2ms16ms", "3ms24ms"] | None = None
) -> list[Sample]:
    """Read one of the three parts of BSD, taken by two cameras at once; the pictures beside them in `Raw` are left out.

    Args:
        root: folder of one part, or the folder that holds `BSD_1ms8ms`, `BSD_2ms16ms` and `BSD_3ms24ms`.
        split: of the part.
        exposure: which part, of the sharp and the blurry camera; None if `root` is the folder of one.

    Raises:
        InputError: if nothing is found, or it is not clear of which part.
    """
    there = sorted(each.name.removeprefix("BSD_") for each in root.glob("BSD_*") if each.is_dir())
    if exposure is None and there:
        raise InputError(f"`{root}` holds the exposures {', '.join(there)} of BSD; choose one, such as `exposure: {there[0]}`")
    if exposure is not None:
        root = root / f"BSD_{exposure}"
    return _sequences(root / split, blurry="Blur/RGB", sharp="Sharp/RGB", what=f"BSD, {split}")


def realblur(root: Path, *, kind: Literal["J", "R"], split: Literal["train", "test"]) -> list[Sample]:
    """Read RealBlur by its lists.

    Args:
        root: folder with the lists and the folders of pictures that they name.
        kind: `J` from camera JPEGs, or `R` from raw.
        split: which list.

    Raises:
        InputError: if the list is missing or a line of it is not two paths.
    """
    listed = root / f"RealBlur_{kind}_{split}_list.txt"
    if not listed.is_file():
        raise InputError(f"`{listed}` is missing: RealBlur is divided by the lists of its authors; put them into `{root}`")
    pairs: list[tuple[str, Path, Path]] = []
    for number, line in enumerate(listed.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        parts = line.split()
        if len(parts) != 2:
            raise InputError(f"`{listed}`, line {number}: two paths are needed, truth and blurry, got `{line.strip()}`")
        truth, blurry = (root / part for part in parts)
        pairs.append((truth.parent.parent.name, blurry, truth))
    pairs.sort(key=lambda pair: (pair[0], _natural(pair[1].name)))
    return [
        Sample((blurry,), (truth,), scene, frame)
        for scene, group in groupby(pairs, key=lambda pair: pair[0])
        for frame, (_, blurry, truth) in enumerate(group)
    ]


def hide(root: Path, *, split: Literal["train", "test"]) -> list[Sample]:
    """Read HIDE; `test` has two parts, people near (`test-close-ups`) and far (`test-long-shot`), which name the sequence.

    Raises:
        InputError: if nothing is found.
    """
    top = root / "HIDE_dataset" if (root / "HIDE_dataset").is_dir() else root
    folders = [top / "train"] if split == "train" else sorted(each for each in (top / "test").glob("*") if each.is_dir())
    samples = []
    for folder in folders:
        found = [path for path in _pictures(folder) if (top / "GT" / path.name).is_file()]
        samples += [Sample((path,), (top / "GT" / path.name,), folder.name, frame) for frame, path in enumerate(found)]
    return _some(samples, top, f"HIDE, {split}")


def kohler(root: Path) -> list[Sample]:
    """Read Köhler: 4 pictures by 12 paths, each with a truth for every instant of the path (mostly 199).

    Raises:
        InputError: if nothing is found.
    """
    truths: dict[tuple[int, int], list[tuple[int, Path]]] = {}
    shots: dict[tuple[int, int], Path] = {}
    for path in sorted(root.rglob("*")):
        if match := _KOHLER_TRUTH.fullmatch(path.name):
            truths.setdefault((int(match[1]), int(match[2])), []).append((int(match[3]), path))
        elif match := _KOHLER_BLURRY.fullmatch(path.name):
            shots[int(match[1]), int(match[2])] = path
    samples = [
        Sample((path,), tuple(truth for _, truth in sorted(truths[key])), f"image{key[0]}", key[1] - 1)
        for key, path in sorted(shots.items())
        if key in truths
    ]
    return _some(samples, root, "Köhler")


def windows(samples: Sequence[Sample], *, num_frames: int, edges: Literal["drop", "repeat"]) -> list[Sample]:
    """Give each frame its neighbours, for networks that see several.

    Args:
        samples: single frames, each sequence in order.
        num_frames: frames that the network sees, odd.
        edges: frames too near to an end are left out (`drop`), or their missing neighbours are the end itself (`repeat`).

    Raises:
        InputError: if `num_frames` is even, or no window is left.
    """
    if num_frames < 1 or num_frames % 2 == 0:
        raise InputError(f"a window has an odd number of frames, so that one lies in the middle; got {num_frames}")
    half = num_frames // 2
    found: list[Sample] = []
    for _, group in groupby(samples, key=lambda sample: sample.sequence):
        clip = list(group)
        for place, sample in enumerate(clip):
            if edges == "drop" and not half <= place < len(clip) - half:
                continue
            nearby = (clip[min(max(place + shift, 0), len(clip) - 1)].reference for shift in range(-half, half + 1))
            found.append(Sample(tuple(nearby), sample.sharp, sample.sequence, sample.frame))
    if samples and not found:
        raise InputError(f"no sequence has {num_frames} frames; choose fewer, or repeat the frames at the ends")
    return found


@dataclass(frozen=True)
class Layout:
    """A published layout: its name, the choices that its reader needs, whether a folder looks like it, and its folders in words."""

    name: str
    choices: tuple[dict[str, str], ...]
    fits: Callable[[Path], bool]
    shape: str

    def labels(self) -> list[str]:
        """The choices in words, such as `test, blur_gamma`."""
        return [", ".join(choice.values()) or "all" for choice in self.choices]


def _any(root: Path, *patterns: str) -> bool:
    return any(next(root.glob(pattern), None) is not None for pattern in patterns)


_EXPOSURES: tuple[dict[str, str], ...] = ({}, *({"exposure": exposure} for exposure in ("1ms8ms", "2ms16ms", "3ms24ms")))

LAYOUTS = (
    Layout(
        "realblur",
        tuple({"kind": kind, "split": split} for kind in ("J", "R") for split in ("train", "test")),
        lambda root: _any(root, "RealBlur_[JR]_*_list.txt", "RealBlur-[JR]_*"),
        "DIR/RealBlur_J_train_list.txt and the folders that it names",
    ),
    Layout(
        "gopro",
        tuple({"split": split, "blur": blur} for split in ("train", "test") for blur in ("blur", "blur_gamma", "input")),
        lambda root: any(
            _any(root, f"{split}/*/sharp", f"{split}/*/blur*", f"{split}/sharp", f"{split}/target*", f"{split}/[Gg]o[Pp]*/target*")
            for split in ("train", "test")
        ),
        "DIR/{train,test}/SEQUENCE/{blur,blur_gamma,sharp}, DIR/{train,test}/{input,target} or DIR/{train,test}/{blur,sharp}",
    ),
    Layout(
        "hide",
        ({"split": "train"}, {"split": "test"}),
        lambda root: _any(root, "GT", "HIDE_dataset/GT"),
        "DIR/{train,test/test-close-ups,test/test-long-shot,GT}",
    ),
    Layout(
        "dvd",
        ({"split": "train"}, {"split": "test"}),
        lambda root: _any(root, "quantitative_datasets", "qualitative_datasets", "*/GT", "*/*/GT"),
        "DIR/quantitative_datasets/SEQUENCE/{input,GT}",
    ),
    Layout(
        "reds",
        tuple({"split": split, "blur": blur} for split in ("train", "val") for blur in ("blur", "blur_comp")),
        lambda root: _any(root, "train_sharp", "val_sharp", "train/train_sharp", "val/val_sharp", "train_blur*", "val_blur*"),
        "DIR/{train_blur,train_sharp,val_blur,val_sharp}/SEQUENCE",
    ),
    Layout(
        "bsd",
        tuple({"split": split} | more for more in _EXPOSURES for split in ("train", "valid", "test")),
        lambda root: _any(root, "*/*/Sharp", "*/*/Blur", "BSD_*/*/*/Sharp", "BSD_*/*/*/Blur"),
        "DIR/{train,valid,test}/SEQUENCE/{Blur,Sharp}/RGB, or DIR/BSD_1ms8ms/... with its two others",
    ),
    Layout(
        "kohler", ({},), lambda root: _any(root, "**/Blurry[0-9]*_[0-9]*.*"), "DIR/Blurry1_1.png and DIR/GroundTruth1_1_1.png, at any depth"
    ),
)
"""In the order in which `find_layout` tries them."""

_READERS: dict[str, Callable[..., list[Sample]]] = {
    "gopro": gopro,
    "dvd": dvd,
    "reds": reds,
    "realblur": realblur,
    "hide": hide,
    "kohler": kohler,
    "bsd": bsd,
}


def find_layout(root: Path) -> Layout:
    """Tell by its folders which layout a data set has.

    Raises:
        InputError: if it is no folder, or looks like none of them.
    """
    if not root.is_dir():
        raise InputError(f"`{root}` is not a folder; name the folder that a data set was unpacked into")
    for layout in LAYOUTS:
        if layout.fits(root):
            return layout
    raise InputError(
        f"`{root}` looks like none of the layouts {', '.join(sorted(layout.name for layout in LAYOUTS))}; "
        + (_nearest(root) or "name the folder that holds `train` and `test`, or the folders of pictures")
    )


def read_layout(name: str, root: Path, *, choice: dict[str, str]) -> list[Sample]:
    """Read the layout `name` with the arguments `choice` of its reader.

    Raises:
        InputError: if there is no such layout, or nothing is found.
    """
    reader = _READERS.get(name)
    if reader is None:
        raise InputError(f"there is no layout `{name}`; choose from {', '.join(sorted(_READERS))}")
    try:
        return reader(root, **choice)
    except InputError as error:
        hint = _elsewhere(name, root)
        raise (InputError(f"{error}; {hint}") if hint else error) from error


def _elsewhere(name: str, root: Path) -> str:
    """Where the pairs are that the layout `name` did not find, in words; empty if nobody knows."""
    try:
        fitting = find_layout(root)
    except InputError:
        return _nearest(root)
    if fitting.name != name:
        return f"`{root}` has the layout of {fitting.name}: {fitting.shape}"
    there = []
    for choice, label in zip(fitting.choices, fitting.labels(), strict=True):
        with contextlib.suppress(InputError):
            _READERS[name](root, **choice)
            there.append(f"`{label}`")
    return f"it holds {' and '.join(there)}" if there else ""


def _nearest(root: Path) -> str:
    """The layout that is nearest to that of a folder, in words; empty if none is near."""
    if not root.is_dir():
        return ""
    whole = root.resolve()
    for place in (*sorted(each for each in whole.iterdir() if each.is_dir() and not each.name.startswith(".")), whole.parent):
        for layout in LAYOUTS:
            if layout.name != "kohler" and layout.fits(place):  # which looks at any depth
                return f"`{place}` has the layout of {layout.name}: name that folder"
    names = {each.name.lower() for pattern in ("*", "*/*", "*/*/*") for each in whole.glob(pattern) if each.is_dir()}
    scores = {layout.name: len(names & set(re.findall(r"[\w-]+", layout.shape.lower()))) for layout in LAYOUTS}
    best = max(LAYOUTS, key=lambda layout: scores[layout.name])
    return f"the nearest is {best.name}, which is laid out as {best.shape}" if scores[best.name] else ""


def _sequences(top: Path, *, blurry: str, sharp: str, what: str, wanted: Callable[[str], bool] = lambda _: True) -> list[Sample]:
    """Sequences as folders, each with a folder of blurry and one of sharp frames of equal names."""
    samples: list[Sample] = []
    for clip in sorted(each for each in top.glob("*") if each.is_dir() and wanted(each.name)):
        samples += _pairs(clip / blurry, clip / sharp, sequence=clip.name)
    return _some(samples, top, what)


def _flat(blurry: Path, sharp: Path) -> list[Sample]:
    """A folder of blurry pictures beside one of sharp ones of equal names; those named `SEQUENCE-NUMBER` are frames of a sequence, others stand alone."""
    clips: dict[str, list[Sample]] = {}
    for sample in _pairs(blurry, sharp, sequence=""):
        match = _REPACKED.fullmatch(sample.reference.stem)
        own = clips.setdefault(match[1] if match else sample.reference.stem, [])
        own.append(Sample(sample.blurry, sample.sharp, match[1] if match else sample.reference.stem, len(own)))
    return [sample for _, clip in sorted(clips.items()) for sample in clip]


def _parallel(blurry: Path, sharp: Path, *, what: str) -> list[Sample]:
    """A tree of blurry frames beside a tree of sharp ones."""
    samples: list[Sample] = []
    for clip in sorted(each for each in sharp.glob("*") if each.is_dir()):
        samples += _pairs(blurry / clip.name, clip, sequence=clip.name)
    return _some(samples, blurry, what)


def _pairs(blurry: Path, sharp: Path, *, sequence: str) -> list[Sample]:
    truths = {path.stem: path for path in _pictures(sharp)}
    both = [path for path in _pictures(blurry) if path.stem in truths]
    return [Sample((path,), (truths[path.stem],), sequence, frame) for frame, path in enumerate(both)]


def _pictures(folder: Path) -> list[Path]:
    """Pictures of a folder by the numbers in their names, 2 before 10."""
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted(
        (path for path in found if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")), key=lambda path: _natural(path.name)
    )


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def _some(samples: Iterable[Sample], where: Path, what: str) -> list[Sample]:
    found = list(samples)
    if not found:
        raise InputError(f"`{where}` holds no pairs of {what}; look at it with `unblur data check`")
    return found
