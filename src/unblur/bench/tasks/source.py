"""Where pictures of a task come from: drawn and blurred here, or photos of a folder."""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from unblur.bench.tasks.panel import SIZE, TaskPicture, photograph_panel
from unblur.bench.tasks.readers import TASKS, Task, open_task
from unblur.errors import InputError
from unblur.synth.sources import read_photo

__all__ = ["LIST", "TaskSource", "generated", "open_source", "photos"]

LIST = "text.csv"
"""File of a folder of photos that says what is written in them, with the columns `file` and `text`."""


@dataclass(frozen=True)
class TaskSource:
    """Pictures of a task.

    Attributes:
        task: what is read in them.
        name: of the pictures: size and seed, or the folder.
        count: of pictures.
        picture: gives the picture of a number, 0 first; always the same.
    """

    task: Task
    name: str
    count: int
    picture: Callable[[int], TaskPicture]


def open_source(spec: str, *, count: int, seed: int) -> TaskSource:
    """Load a task and its pictures.

    Args:
        spec: `text` or `codes`, whose pictures are drawn here; or `text:DIR`, `codes:DIR`, photos of a folder with a `text.csv`.
        count: pictures to be drawn.
        seed: of their drawing.

    Raises:
        InputError: if there is no such task, its library is not installed, or the folder lacks its list or a photo.
    """
    name, given, folder = spec.partition(":")
    if name not in TASKS:
        raise InputError(f"there is no task `{name}`; choose from {', '.join(TASKS)}")
    task = open_task(name)
    return photos(task, Path(folder)) if given else generated(task, count=count, seed=seed)


def generated(task: Task, *, count: int, seed: int, size: int = SIZE) -> TaskSource:
    """Panels, each blurred by another camera shake; picture i is a pure function of task, seed, size and i.

    Pictures are kept once they are drawn, 6 · size² bytes each, since each method is to restore them.

    Args:
        task: whose panels are drawn.
        count: of pictures.
        seed: of the pictures.
        size: side of the pictures, pixels.

    Raises:
        InputError: if there is no picture, or one too small.
    """
    if count < 1 or size < 64:
        raise InputError(f"at least one picture with a side of 64 pixels is needed, got {count} of {size}")

    @cache
    def picture(number: int) -> TaskPicture:
        generator = np.random.default_rng([seed, number])
        panel = task.draw(generator, size)
        return photograph_panel(panel, generator, name=f"{number:05d}.png", size=size)

    return TaskSource(task, f"{size}x{size}, seed {seed}", count, picture)


def photos(task: Task, folder: Path) -> TaskSource:
    """Blurry photos of a folder, without sharp ones; its `text.csv` says in the columns `file` and `text` what is to be read in each.

    Raises:
        InputError: if the list is missing, has other columns, no line, or a line without a photo or without letters or digits.
    """
    path = folder / LIST
    if not path.is_file():
        raise InputError(f"`{folder}` has no `{LIST}`; write one with the columns `file` and `text`, a line for each photo")
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = list(csv.DictReader(file))
    if not lines or not {"file", "text"} <= set(lines[0]):
        raise InputError(f"`{path}` needs a first line `file,text` and a line for each photo")
    for number, line in enumerate(lines, start=2):
        if not (folder / (line["file"] or "")).is_file():
            raise InputError(f"`{path}`, line {number}: there is no file `{line['file']}` in the folder")
        if not any(character.isalnum() for character in line["text"] or ""):
            raise InputError(f"`{path}`, line {number}: the text has neither a letter nor a digit")

    def picture(number: int) -> TaskPicture:
        line = lines[number]
        return TaskPicture(line["file"], line["text"], read_photo(folder / line["file"]), None, None, None)

    return TaskSource(task, folder.resolve().name, len(lines), picture)
