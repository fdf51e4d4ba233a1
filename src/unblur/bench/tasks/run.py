"""Restore pictures of tasks with every method and have them read: one row a picture, and nothing is measured twice."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import unblur
from unblur.bench.contender import Contender
from unblur.bench.rows import Row, TaskRow, append, read_rows
from unblur.bench.run import PICTURES, Progress, new_model, open_run, save_picture, saved_picture
from unblur.bench.tasks.panel import TaskPicture
from unblur.bench.tasks.source import TaskSource
from unblur.data.layouts import Sample
from unblur.errors import InputError
from unblur.pixels import to_float, to_levels

__all__ = ["run_tasks"]

Bytes = NDArray[np.uint8]
_Readings = dict[tuple[str, str, str], str]  # by task, reader and digest of the picture


def run_tasks(
    contenders: Iterable[Contender],
    sources: Sequence[TaskSource],
    *,
    run: Path,
    save_pictures: bool = False,
    progress: Progress | None = None,
) -> list[Row]:
    """Read every picture blurry, restored by every method, and sharp, and add the rows to a run.

    A row that the run has already is not made again: the same weights and arguments of the network, picture, reader, device and precision, by the
    same version of the program. A run that was stopped is resumed. No picture is read twice in a run.

    Args:
        contenders: the methods; they may be loaded one by one, as they are asked for.
        sources: tasks with their pictures.
        run: folder, made if it is not there.
        save_pictures: keep restored pictures as PNG, see `unblur.bench.run.saved_picture`, and beside them, in `blurry` and `sharp`, what was
            given; those that were measured before and are not there are restored again.
        progress: see `unblur.bench.run.Progress`.

    Returns:
        All rows of the run, old ones too.

    Raises:
        InputError: if a method looks at several frames, and not at each alone, or a photo cannot be read.
        OutputError: if `run` is the folder of something else.
    """
    open_run(run)
    readings: _Readings = {}
    there: set[tuple[object, ...]] = set()
    for row in read_rows(run, mend=True):
        if isinstance(row, TaskRow):
            there.add(row.key)
            readings[row.task, row.reader, row.blurry_sha256] = row.read_blurry
            if row.read_sharp is not None:
                readings[row.task, row.reader, row.sharp_sha256] = row.read_sharp
    for contender in contenders:
        if contender.needs_clips and contender.way != "alone":
            text = f"`{contender.name}` looks at {contender.cost.frames} frames, but pictures of tasks are single ones; give `--alone`"
            raise InputError(text)
        append(run, new_model(contender, run))
        for source in sources:
            for number in range(source.count):
                _measure(contender, source, source.picture(number), run=run, there=there, readings=readings, keep=save_pictures)
                if progress is not None:
                    progress(f"{contender.name} on {source.task.name}", number + 1, source.count)
    return read_rows(run)


def _measure(
    contender: Contender,
    source: TaskSource,
    picture: TaskPicture,
    *,
    run: Path,
    there: set[tuple[object, ...]],
    readings: _Readings,
    keep: bool,
) -> None:
    """Restore one picture and read it, unless that was done."""
    row = _row(contender, source, picture)
    target = _saved(run / PICTURES, contender, source, picture) if keep else None
    if row.key in there and (target is None or target.is_file()):
        return
    (restored,) = contender.restore([to_float(picture.blurry)])
    if target is not None:
        save_picture(restored.picture, target)
        for kind, given in (("blurry", picture.blurry), ("sharp", picture.sharp)):
            beside = target.parents[2] / kind / target.parent.name / target.name
            if given is not None and not beside.is_file():
                save_picture(to_float(given), beside)
    if row.key in there:
        return

    def read(pixels: Bytes) -> str:
        known = (source.task.name, source.task.reader, _digest(pixels))
        if known not in readings:
            readings[known] = source.task.read(pixels)
        return readings[known]

    levels = to_levels(restored.picture, np.uint8)
    blurry, found = read(picture.blurry), read(levels)
    sharp = read(picture.sharp) if picture.sharp is not None else None
    score = source.task.score
    filled = {
        "read_blurry": blurry,
        "read_restored": found,
        "read_sharp": sharp,
        "blurry": score(picture.text, blurry),
        "restored": score(picture.text, found),
        "sharp": score(picture.text, sharp) if sharp is not None else None,
        "seconds": restored.seconds,
    }
    append(run, [row.model_copy(update=filled)])
    there.add(row.key)


def _row(contender: Contender, source: TaskSource, picture: TaskPicture) -> TaskRow:
    """A row of which nothing is measured yet."""
    return TaskRow(
        model=contender.name,
        model_sha256=contender.sha256,
        arguments_sha256=contender.arguments_sha256,
        version=unblur.__version__,
        device=contender.device,
        precision=contender.precision,
        way=contender.way,
        self_ensemble=contender.self_ensemble,
        task=source.task.name,
        measure=source.task.measure,
        reader=source.task.reader,
        data=source.name,
        name=picture.name,
        blurry_sha256=_digest(picture.blurry),
        sharp_sha256=_digest(picture.sharp) if picture.sharp is not None else "",
        width=picture.blurry.shape[1],
        height=picture.blurry.shape[0],
        length=picture.length,
        detail=picture.detail,
        text=picture.text,
        read_blurry="",
        read_restored="",
        read_sharp=None,
        blurry=0.0,
        restored=0.0,
        sharp=None,
        seconds=0.0,
    )


def _saved(folder: Path, contender: Contender, source: TaskSource, picture: TaskPicture) -> Path:
    """`METHOD-DIGEST/TASK-DATA/NAME.png`."""
    sample = Sample((Path(picture.name),), (), "task", 0)
    target = saved_picture(folder, method=contender.name, which=contender.which, data=f"{source.task.name} {source.name}", sample=sample)
    return target.parent.parent / target.name


def _digest(pixels: Bytes) -> str:
    """sha256 of a picture's size and pixels."""
    return hashlib.sha256(str(pixels.shape).encode() + np.ascontiguousarray(pixels).tobytes()).hexdigest()
