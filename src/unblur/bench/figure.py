"""Figures as papers have them: crops of chosen places, blurry, as each method restored them, and sharp, with the PSNR of each crop.

The restored pictures are those that a run keeps (`unblur bench --save-pictures`), the blurry and sharp ones those of the data set. Of pictures that
have no reference, folders of restored ones are shown beside the blurry ones, without PSNR.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from math import ceil, isinf
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from unblur.bench.datasets import DataSet
from unblur.bench.rows import PictureRow, Row, read_rows
from unblur.bench.run import PICTURES, read_picture, saved_picture
from unblur.bench.table import display_names, pictures_of, summarise
from unblur.data.layouts import SUFFIXES, Sample
from unblur.errors import InputError
from unblur.io.whole import written_whole
from unblur.metrics import psnr
from unblur.pixels import to_levels, to_tensor

__all__ = ["Panel", "Place", "Subject", "draw_figure", "read_place", "write_figure", "write_figure_of_folders"]

Bytes = NDArray[np.uint8]

_WIDTH = 1600
"""Width of a figure, pixels."""

_WHOLE = (0.2, 0.66)
"""Least and greatest share of the width that the whole picture has."""

_MARGIN, _GAP, _FONT = 16, 10, 21
_LABEL = 2 * _FONT + 12
"""Height of the two lines below a crop."""

_MOST_COLUMNS = 5
_BOX = (215, 30, 40)


@dataclass(frozen=True)
class Place:
    """A box in a picture of a data set.

    Attributes:
        sequence: of the picture; empty where its name is enough.
        name: of the blurry file, with or without its suffix.
        left: of the box, pixels.
        top: of the box, pixels.
        width: of the box, pixels.
        height: of the box, pixels.
    """

    sequence: str
    name: str
    left: int
    top: int
    width: int
    height: int

    def of(self, picture: Bytes) -> Bytes:
        """What of a picture (H, W, 3) lies in the box."""
        return picture[self.top : self.top + self.height, self.left : self.left + self.width]


@dataclass(frozen=True, eq=False)
class Panel:
    """A picture in a figure.

    Attributes:
        label: what it is.
        picture: whole, (H, W, 3) RGB.
    """

    label: str
    picture: Bytes


@dataclass(frozen=True, eq=False)
class Subject:
    """What a figure shows of one place.

    Attributes:
        title: which picture it is.
        place: the box.
        panels: the blurry picture, the restored ones and, with a reference, the sharp one, all of one size.
        has_reference: whether the last panel is the reference, against which the crops are measured.
    """

    title: str
    place: Place
    panels: tuple[Panel, ...]
    has_reference: bool = True

    @property
    def whole(self) -> Bytes:
        """The picture that is shown whole: the reference, or the blurry one."""
        return self.panels[-1 if self.has_reference else 0].picture


def read_place(text: str) -> Place:
    """The place of `[SEQUENCE/]NAME:LEFT,TOP,WIDTH,HEIGHT`.

    Raises:
        InputError: if it is none.

    Example:
        >>> read_place("IMG_0021/00033:320,180,160,120")
        Place(sequence='IMG_0021', name='00033', left=320, top=180, width=160, height=120)
    """
    picture, _, box = text.rpartition(":")
    sequence, _, name = picture.rpartition("/")
    numbers = box.split(",")
    if not name or len(numbers) != 4 or not all(number.strip().isdecimal() for number in numbers):
        raise InputError(
            f"`{text}` is no place; write `SEQUENCE/NAME:LEFT,TOP,WIDTH,HEIGHT` in pixels, such as `IMG_0021/00033:320,180,160,120`"
        )
    left, top, width, height = (int(number) for number in numbers)
    if not width or not height:
        raise InputError(f"the box of `{text}` is empty; its width and height must be 1 or more")
    return Place(sequence, name, left, top, width, height)


def write_figure(
    runs: Sequence[Path],
    data: DataSet,
    places: Sequence[Place],
    target: Path,
    *,
    methods: Mapping[str, str] | None = None,
    overwrite: bool = False,
) -> None:
    """Draw places of a data set as each method of the runs restored them, and write the figure as PNG.

    Args:
        runs: folders of runs that keep their pictures.
        data: on which they were measured.
        places: one row of the figure each.
        target: the file.
        methods: labels of those to show by their names in reports, in this order; all of the runs, by their names, if None.
        overwrite: replace `target` if it exists.

    Raises:
        InputError: if a place is in no picture of the data set or reaches beyond it, a method was not measured there, or its picture was not kept.
        OutputError: if `target` exists or cannot be written.
    """
    subjects = [_subject(runs, data, place, methods=methods or {}) for place in places]
    _write_subjects(subjects, target, overwrite=overwrite)


def write_figure_of_folders(
    blurry: Path, results: Mapping[str, Path], places: Sequence[Place], target: Path, *, overwrite: bool = False
) -> None:
    """Draw places of pictures that have no reference, as they are and as each method restored them, and write the figure as PNG.

    Args:
        blurry: folder of the blurry pictures, `NAME` or `SEQUENCE/NAME`.
        results: folders of the restored ones by the label of their method, in the order of the figure; their files are called as the blurry ones,
            with any suffix of a picture.
        places: one row of the figure each.
        target: the file.
        overwrite: replace `target` if it exists.

    Raises:
        InputError: if a picture of a place is missing in a folder or of another size than the blurry one, or a place reaches beyond it.
        OutputError: if `target` exists or cannot be written.
    """
    if not results:
        raise InputError("a figure needs the restored pictures of one method at least")
    subjects = [_folder_subject(blurry, results, place) for place in places]
    _write_subjects(subjects, target, overwrite=overwrite)


def _write_subjects(subjects: Sequence[Subject], target: Path, *, overwrite: bool) -> None:
    figure = draw_figure(subjects)
    with written_whole(target, overwrite=overwrite) as partial:
        figure.save(partial, format="PNG")


def draw_figure(subjects: Sequence[Subject]) -> Image.Image:
    """Lay subjects out below each other.

    At the left is the whole sharp picture with the box, at the right are the crops, enlarged by bicubic interpolation, each with its label and the PSNR of the crop against the last
    one, which is the reference. Without a reference, the whole picture is the blurry one, and no PSNR is given. The whole picture is as tall as the crops, as far as it may be so wide.

    Args:
        subjects: at least one.

    Example:
        >>> grey = np.full((40, 60, 3), 90, np.uint8)
        >>> panels = (Panel("Blurry", grey), Panel("Reference", grey))
        >>> draw_figure([Subject("grey", Place("", "grey", 5, 5, 20, 10), panels)]).size[0]
        1600
    """
    bands = [_band(subject) for subject in subjects]
    figure = Image.new("RGB", (_WIDTH, sum(band.height for band in bands) + _MARGIN * (len(bands) + 1)), "white")
    top = _MARGIN
    for band in bands:
        figure.paste(band, (0, top))
        top += band.height + _MARGIN
    return figure


def _band(subject: Subject) -> Image.Image:
    """One subject: the whole picture and its crops."""
    place, panels = subject.place, subject.panels
    rows, columns = _grid(len(panels))
    whole_width = _whole_width(subject.whole, place, rows=rows, columns=columns)
    start = _MARGIN + whole_width + 2 * _GAP
    cell = (_WIDTH - _MARGIN - start - (columns - 1) * _GAP) // columns
    tall = max(1, round(cell * place.height / place.width))
    whole = _with_box(subject.whole, place, width=whole_width)
    height = max(rows * (tall + _LABEL) + (rows - 1) * _GAP, whole.height + _LABEL)
    band = Image.new("RGB", (_WIDTH, height), "white")
    pen = ImageDraw.Draw(band)
    band.paste(whole, (_MARGIN, 0))
    _write(pen, (_MARGIN + whole_width // 2, whole.height + 8), subject.title, width=whole_width)
    for number, panel in enumerate(panels):
        row, column = divmod(number, columns)
        left, top = start + column * (cell + _GAP), row * (tall + _LABEL + _GAP)
        crop = place.of(panel.picture)
        band.paste(Image.fromarray(crop).resize((cell, tall), Image.Resampling.BICUBIC), (left, top))
        _write(pen, (left + cell // 2, top + tall + 6), panel.label, width=cell)
        if subject.has_reference:
            second = "PSNR of the crop" if panel is panels[-1] else f"{_psnr(crop, place.of(subject.whole))} dB"
            _write(pen, (left + cell // 2, top + tall + 6 + _FONT + 3), second, width=cell, colour=(90, 90, 90))
    return band


def _grid(count: int) -> tuple[int, int]:
    """Rows and columns for so many crops: two rows or more from four on, with as few empty places as can be."""
    fitting = range(max(1, ceil(count / _MOST_COLUMNS)), max(1, count // 2) + 1)
    rows = min(fitting, key=lambda rows: (rows * ceil(count / rows) - count, abs(rows - 2), rows)) if count > 3 else 1
    return rows, ceil(count / rows)


def _whole_width(picture: Bytes, place: Place, *, rows: int, columns: int) -> int:
    """Width at which the whole picture, with its line, is as tall as the crops with theirs: a linear equation."""
    aspect, steep = picture.shape[0] / picture.shape[1], rows * place.height / place.width / columns
    room = _WIDTH - 2 * _MARGIN - 2 * _GAP - (columns - 1) * _GAP
    width = (steep * room + rows * _LABEL + (rows - 1) * _GAP - _FONT - 8) / (aspect + steep)
    least, most = (share * _WIDTH for share in _WHOLE)
    return round(min(max(width, least), most))


def _with_box(picture: Bytes, place: Place, *, width: int) -> Image.Image:
    """The picture, so wide, with the place framed."""
    scale = width / picture.shape[1]
    whole = Image.fromarray(picture).resize((width, max(1, round(picture.shape[0] * scale))), Image.Resampling.LANCZOS)
    pen = ImageDraw.Draw(whole)
    box = [place.left, place.top, place.left + place.width, place.top + place.height]
    left, top, right, bottom = (round(side * scale) for side in box)
    pen.rectangle((left - 4, top - 4, right + 3, bottom + 3), outline="white", width=5)
    pen.rectangle((left - 3, top - 3, right + 2, bottom + 2), outline=_BOX, width=3)
    return whole


def _write(
    pen: ImageDraw.ImageDraw, middle: tuple[int, int], text: str, *, width: int, colour: tuple[int, int, int] = (20, 20, 20)
) -> None:
    """Write a line, centred, smaller where it would not fit."""
    size = float(_FONT)
    while size > 11 and pen.textlength(text, font=ImageFont.load_default(size=size)) > width:
        size -= 1
    pen.text(middle, text, font=ImageFont.load_default(size=size), fill=colour, anchor="ma")


def _psnr(crop: Bytes, reference: Bytes) -> str:
    value = float(psnr(to_tensor(crop).double(), to_tensor(reference).double()))
    return "∞" if isinf(value) else f"{value:.2f}"


def _subject(runs: Sequence[Path], data: DataSet, place: Place, *, methods: Mapping[str, str]) -> Subject:
    sample = _sample(data, place)
    blurry, sharp = (_levels(path) for path in (sample.reference, sample.sharp[len(sample.sharp) // 2]))
    restored = _restored(runs, data, sample, methods=methods)
    return _fitting(
        Subject(_title(sample.sequence, sample.reference), place, (Panel("Blurry", blurry), *restored, Panel("Reference", sharp)))
    )


def _folder_subject(blurry: Path, results: Mapping[str, Path], place: Place) -> Subject:
    files = {label: _named(folder, place) for label, folder in {"Blurry": blurry, **results}.items()}
    panels = tuple(Panel(label, _levels(file)) for label, file in files.items())
    return _fitting(Subject(_title(place.sequence, files["Blurry"]), place, panels, has_reference=False))


def _named(folder: Path, place: Place) -> Path:
    """The picture that a place is in, in a folder."""
    at = folder / place.sequence
    pictures = [file for file in (sorted(at.iterdir()) if at.is_dir() else ()) if file.suffix.lower() in SUFFIXES]
    stem = Path(place.name).stem if Path(place.name).suffix.lower() in SUFFIXES else place.name
    found = [file for file in pictures if file.name == place.name] or [file for file in pictures if file.stem == stem]
    if len(found) != 1:
        what = "no picture" if not found else f"{len(found)} pictures"
        raise InputError(f"`{at}` has {what} called `{place.name}`; a figure needs one of each name")
    return found[0]


def _title(sequence: str, file: Path) -> str:
    return ", ".join(part for part in (sequence, file.stem) if part)


def _fitting(subject: Subject) -> Subject:
    """The subject, if its panels are of one size and hold its place."""
    place, (height, width) = subject.place, subject.whole.shape[:2]
    if place.left + place.width > width or place.top + place.height > height:
        raise InputError(
            f"the box of `{place.name}` ends at {place.left + place.width},{place.top + place.height}, beyond the picture's {width}x{height} pixels"
        )
    for panel in subject.panels:
        if panel.picture.shape != subject.whole.shape:
            raise InputError(
                f"`{panel.label}` of `{subject.title}` is of another size than its {'reference' if subject.has_reference else 'blurry picture'}"
            )
    return subject


def _sample(data: DataSet, place: Place) -> Sample:
    """The picture that a place is in."""
    named = [sample for sample in data.samples if place.name in (sample.reference.name, sample.reference.stem)]
    found = [sample for sample in named if place.sequence in ("", sample.sequence)]
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(
            f"several pictures of `{data.name}` are called `{place.name}`; name the sequence too, such as `{found[0].sequence}/{place.name}`"
        )
    known = [f"{sample.sequence}/{sample.reference.stem}" for sample in data.samples]
    near = get_close_matches(f"{place.sequence}/{place.name}", known, n=1, cutoff=0.0)
    raise InputError(f"`{data.name}` has no picture `{place.sequence}/{place.name}`; the nearest is `{near[0]}`")


def _restored(runs: Sequence[Path], data: DataSet, sample: Sample, *, methods: Mapping[str, str]) -> list[Panel]:
    """The picture as each method restored it; the blurry input itself is none."""
    files: dict[str, Path] = {}
    for run in runs:
        rows = read_rows(run)
        called = display_names(summarise(rows))
        for row in _rows_of(rows, data, sample):
            if row.model_sha256 and called[row.which] not in files:
                files[called[row.which]] = saved_picture(run / PICTURES, method=row.model, which=row.which, data=data.name, sample=sample)
    if not files:
        raise InputError(f"no method was measured on `{sample.reference.name}` of `{data.name}` in {', '.join(f'`{run}`' for run in runs)}")
    for method in methods:
        if method not in files:
            raise InputError(
                f"`{method}` was not measured on `{sample.reference.name}`; choose from {', '.join(f'`{name}`' for name in files)}"
            )
    panels: list[Panel] = []
    for method, label in (methods or {name: name for name in files}).items():
        if not files[method].is_file():
            raise InputError(
                f"what `{method}` restored was not kept: `{files[method]}` is missing; run the same `unblur bench` with `--save-pictures`"
            )
        panels.append(Panel(label, _levels(files[method])))
    return panels


def _rows_of(rows: Sequence[Row], data: DataSet, sample: Sample) -> list[PictureRow]:
    place = (data.name, sample.sequence, sample.frame, sample.reference.name)
    return [row for row in pictures_of(rows) if (row.data, row.sequence, row.frame, row.name) == place]


def _levels(path: Path) -> Bytes:
    return to_levels(read_picture(path), np.uint8)
