"""The part of a report that shows what could be read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from unblur.bench.tasks.score import Mean
from unblur.bench.tasks.table import LengthGroup, TaskSummary

__all__ = ["TaskLine", "TaskSection", "cells_of", "task_sections", "title_of"]


@dataclass(frozen=True)
class TaskLine:
    """A method, and its cells by heading."""

    method: str
    colour: str
    note: str
    cells: dict[str, str]


@dataclass(frozen=True)
class TaskSection:
    """One task by one reader on the same pictures."""

    title: str
    headings: list[str]
    lines: list[TaskLine]


def task_sections(
    summaries: Sequence[TaskSummary], *, names: Mapping[tuple[str, ...], str], colours: Mapping[tuple[str, ...], str]
) -> list[TaskSection]:
    """Tables for a report.

    Args:
        summaries: of tasks.
        names: what to call each method, by `which`.
        colours: of each method.
    """
    found = []
    for key in dict.fromkeys((each.task, each.reader, each.data) for each in summaries):
        own = [each for each in summaries if (each.task, each.reader, each.data) == key]
        lines = [_line(each, names[each.which], colours[each.which]) for each in own]
        headings = list(dict.fromkeys(heading for line in lines for heading in line.cells))
        found.append(TaskSection(title_of(own[0]), headings, lines))
    return found


def title_of(summary: TaskSummary) -> str:
    """Task, pictures, reader and measure in words."""
    return f"{summary.task} in {summary.data}, read by {summary.reader}: {summary.measure}, %"


def _percent(mean: Mean, *, sign: str = "", interval: bool = False) -> str:
    """A mean share in percent, with half the width of its confidence interval."""
    beside = f" ± {100 * mean.interval:.1f}" if interval and mean.interval is not None else ""
    return f"{100 * mean.value:{sign}.1f}{beside}"


def cells_of(summary: TaskSummary) -> dict[str, str]:
    """The cells of a table by their headings."""
    cells = {
        "pictures": str(summary.pictures),
        "blurry": _percent(summary.blurry),
        "restored": _percent(summary.restored, interval=True),
        "sharp": _percent(summary.sharp) if summary.sharp is not None else "",
        "gain": _percent(summary.gain, sign="+", interval=True),
        "better": str(summary.better),
        "worse": str(summary.worse),
    }
    by_length = {_length(group): f"{_percent(group.blurry)} → {_percent(group.restored)} ({group.pictures})" for group in summary.groups}
    return cells | by_length | {"s": f"{summary.seconds:.2f}"}


def _line(summary: TaskSummary, name: str, colour: str) -> TaskLine:
    return TaskLine(name, colour, f"{summary.device}, {summary.precision}", cells_of(summary))


def _length(group: LengthGroup) -> str:
    return f"{group.least:g}-{group.most:g} px" if group.most is not None else f"{group.least:g} px on"
