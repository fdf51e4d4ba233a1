"""The part of `unblur bench` that reads text and codes: `--task`. Thin, as all of the command line."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from unblur.app.synth import Bar
from unblur.errors import InputError

if TYPE_CHECKING:
    from unblur.bench.contender import Contender
    from unblur.bench.fit import Method
    from unblur.bench.tasks.table import TaskSummary

__all__ = ["TaskOptions", "bench_tasks", "say_where"]


@dataclass(frozen=True)
class TaskOptions:
    """Options of the command: pictures to draw for each task and their seed, whether restored ones are kept, and whether to print JSON."""

    count: int
    seed: int
    save_pictures: bool
    as_json: bool


def bench_tasks(
    specs: Sequence[str],
    methods: "Sequence[Method]",
    contenders: "Iterable[Contender]",
    *,
    run: Path,
    options: TaskOptions,
    alone: bool,
) -> None:
    """Have pictures of tasks restored and read, and print the scores.

    Raises:
        InputError: if there is no such task, its reader is not installed, or a method looks at several frames; before any is loaded.
    """
    from unblur.bench.tasks.run import run_tasks
    from unblur.bench.tasks.source import open_source
    from unblur.bench.tasks.table import summarise_tasks

    several = [method for method in methods if method.frames > 1]
    if several and not alone:
        raise InputError(f"`{several[0].name}` looks at {several[0].frames} frames, but pictures of tasks are single ones; give `--alone`")
    sources = [open_source(spec, count=options.count, seed=options.seed) for spec in dict.fromkeys(specs)]
    with Bar() as bar:
        rows = run_tasks(contenders, sources, run=run, save_pictures=options.save_pictures, progress=bar.tell)
    summaries = summarise_tasks(rows)
    if options.as_json:
        typer.echo(json.dumps([asdict(summary) for summary in summaries], indent=2))
        return
    _show(summaries)
    say_where("rows, with all that was read,", run=run)


def say_where(rows: str, *, run: Path) -> None:
    """Say in which folder the rows of a run are, and what makes a page of them."""
    text = f"{rows} in {escape(str(run))}; `unblur report {escape(str(run))} -o report.html` makes a page of them"
    Console(stderr=True).print(text, highlight=False, soft_wrap=True)


def _show(summaries: "Sequence[TaskSummary]") -> None:
    """Print a table for each task, reader and pictures."""
    from unblur.bench.tasks.page import cells_of, title_of

    console = Console()
    for task, reader, data in dict.fromkeys((each.task, each.reader, each.data) for each in summaries):
        part = [each for each in summaries if (each.task, each.reader, each.data) == (task, reader, data)]
        console.print(f"[bold]{escape(title_of(part[0]))}[/]", highlight=False, soft_wrap=True)
        table = Table(box=None, padding=(0, 1))
        table.add_column("model")
        cells = [cells_of(each) for each in part]
        headings = list(dict.fromkeys(heading for each in cells for heading in each))
        for heading in headings:
            table.add_column(escape(heading), justify="right")
        for each, own in zip(part, cells, strict=True):
            table.add_row(escape(each.model), *(own.get(heading, "") for heading in headings))
        console.print(table, highlight=False)
        for each in part:
            way = {"tool": ", as the tool uses it", "alone": ", each frame alone"}.get(each.way, "")
            way += f", self-ensemble of {each.self_ensemble}" if each.self_ensemble > 1 else ""
            console.print(f"  {escape(each.model)}: {escape(each.device)}, {each.precision}{way}", highlight=False, soft_wrap=True)
    console.print(
        "±: 95 % confidence interval of the mean over pictures; of the gain, of the differences picture by picture. better, worse: pictures of which "
        "more, less was read after restoring. px: length of the blur, with blurry → restored (pictures). s: median of a picture.",
        highlight=False,
        soft_wrap=True,
    )
