"""Rows of tasks, averaged."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from unblur.bench.rows import Row, TaskRow
from unblur.bench.table import OfModel
from unblur.bench.tasks.score import Mean, mean_of

__all__ = ["GROUPS", "LengthGroup", "TaskSummary", "summarise_tasks"]

GROUPS = (0.0, 8.0, 16.0, None)
"""Borders of the groups of blur lengths, pixels; the last has no upper one."""


@dataclass(frozen=True)
class LengthGroup:
    """The pictures whose blur length lies in [`least`, `most`), pixels; without an upper border if `most` is None."""

    least: float
    most: float | None
    pictures: int
    blurry: Mean
    restored: Mean


@dataclass(frozen=True, kw_only=True)
class TaskSummary(OfModel):
    """One method on the pictures of one task.

    Attributes beside those of `OfModel`, whose `data` are size and seed of the pictures, or their folder:
        task: `text` or `codes`.
        measure: what the scores are called.
        reader: library and version.
        blurry: mean score of the blurry pictures.
        restored: that of the restored ones.
        sharp: that of the sharp ones; None if there are none.
        gain: mean of restored minus blurry; its interval is that of the paired differences.
        better: pictures that were read better after restoring.
        worse: pictures that were read worse.
        groups: by blur length; empty if it is not known.
    """

    task: str
    measure: str
    reader: str
    blurry: Mean
    restored: Mean
    sharp: Mean | None
    gain: Mean
    better: int
    worse: int
    groups: tuple[LengthGroup, ...]


def summarise_tasks(rows: Sequence[Row]) -> list[TaskSummary]:
    """Average the task rows of one run or several, by task, reader and pictures, the best method first; other rows are passed over."""
    groups: dict[tuple[object, ...], dict[tuple[object, ...], TaskRow]] = {}
    for row in rows:
        if isinstance(row, TaskRow):
            groups.setdefault((row.task, row.reader, row.data, row.which), {})[row.key] = row
    found = [_summary(list(members.values())) for members in groups.values()]
    return sorted(found, key=lambda each: (each.task, each.reader, each.data, -each.restored.value))


def _summary(rows: Sequence[TaskRow]) -> TaskSummary:
    first = rows[0]
    sharp = [row.sharp for row in rows if row.sharp is not None]
    return TaskSummary(
        task=first.task,
        measure=first.measure,
        reader=first.reader,
        data=first.data,
        model=first.model,
        pictures=len(rows),
        blurry=mean_of([row.blurry for row in rows]),
        restored=mean_of([row.restored for row in rows]),
        sharp=mean_of(sharp) if sharp else None,
        gain=mean_of([row.restored - row.blurry for row in rows]),
        better=sum(row.restored > row.blurry for row in rows),
        worse=sum(row.restored < row.blurry for row in rows),
        groups=_by_length(rows),
        seconds=median(row.seconds for row in rows),
        device=first.device,
        precision=first.precision,
        way=first.way,
        self_ensemble=first.self_ensemble,
        model_sha256=first.model_sha256,
        arguments_sha256=first.arguments_sha256,
        version=first.version,
    )


def _by_length(rows: Sequence[TaskRow]) -> tuple[LengthGroup, ...]:
    found = []
    for least, most in pairwise(GROUPS):
        assert least is not None
        own = [row for row in rows if row.length is not None and least <= row.length and (most is None or row.length < most)]
        if own:
            blurry, restored = mean_of([row.blurry for row in own]), mean_of([row.restored for row in own])
            found.append(LengthGroup(least, most, len(own), blurry, restored))
    return tuple(found)
