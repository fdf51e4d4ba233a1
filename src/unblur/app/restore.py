"""`unblur restore`: photos, videos and folders, one after the other. It shows what `unblur.restore` does and says; the work is done there."""

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from unblur.app.choices import NETWORK_HELP, WEIGHTS_HELP, Device, Folders, Interlaced, Precision, Quality, Runtime, cluster_option
from unblur.app.piped import named, piped
from unblur.restore.observer import Observer

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    import unblur
    from unblur.restore.batch import Job
    from unblur.restore.report import Outcome, Report

__all__ = ["restore"]

Inputs = Annotated[
    list[Path],
    typer.Argument(
        metavar="INPUT...", parser=named, help="Photos, videos or folders; `-` for a photo from standard input.", show_default=False
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="<path>",
        parser=named,
        help="File for the result, or folder: a name without a suffix is one; `-` for standard output.",
        show_default="beside the input, `_unblurred` added",
    ),
]
Model = Annotated[
    str,
    typer.Option(
        help="Built-in weights (see `unblur models`), a `.safetensors` file, or the folder of a run; `auto` takes the best built-in "
        "ones for a photo or a video."
    ),
]
Network = Annotated[str | None, typer.Option(metavar="PATH", help=NETWORK_HELP, show_default=False)]
Weights = Annotated[Path | None, typer.Option(help=WEIGHTS_HELP, show_default=False)]
ByQuality = Annotated[
    Quality, typer.Option(help="Of the built-in weights: `best`, or `good` and `fast`, which take less time (see `unblur models`).")
]
Strength = Annotated[float, typer.Option(min=0, max=1, help="0 leaves everything as it is, 1 restores fully.")]
OnDevice = Annotated[Device, typer.Option(help="Where to run.")]
InPrecision = Annotated[Precision, typer.Option(help="Of the arithmetic; `auto` takes what is fast here and tests it.")]
ByRuntime = Annotated[
    Runtime,
    typer.Option(
        help="What computes the network of `--model`: `onnx` and `openvino` need the extra `export`; `auto` takes the fastest that passes its self-test."
    ),
]
Tile = Annotated[str, typer.Option(help="Largest side of a tile in pixels, or `auto` to choose by free memory.")]
Start = Annotated[float, typer.Option(min=0, help="First second of a clip to restore: a preview.")]
Duration = Annotated[float | None, typer.Option(min=0, help="Seconds of a clip to restore: a preview.", show_default=False)]
FileQuality = Annotated[
    int | None,
    typer.Option(min=1, max=100, help="Of the written file: 1 is small, 100 is best.", show_default="as the source, without visible loss"),
]
Codec = Annotated[
    str | None, typer.Option(help="Of the written video: h264, hevc, vp9, av1, prores or ffv1.", show_default="that of the source")
]
InterlacedVideo = Annotated[
    Interlaced,
    typer.Option(
        "--interlaced", help="Interlaced video: `refuse` it, `keep` its frames as if they were progressive, or `deinterlace` it first."
    ),
]
SkipSharp = Annotated[bool, typer.Option("--skip-sharp", help="Leave photos and frames alone, bit for bit, that are sharp.")]
TemporalFusion = Annotated[
    bool,
    typer.Option(
        help="Put each frame of a video together with its neighbours: sharper, with less flicker. Without it, in two thirds of the time."
    ),
]
SelfEnsemble = Annotated[
    int | None,
    typer.Option(
        help="1, 2, 4 or 8: restore so many mirrored and turned views and take their mean: better, and as much slower.",
        show_default="1, or that with which a clip was begun",
    ),
]
Scale = Annotated[
    float | None,
    typer.Option(
        min=0.1,
        max=1,
        help="Of the photo that the network sees; what it changes is enlarged, and what is finer stays: 0.5 takes a quarter of the time.",
        show_default="1, or less where a photo would take more than half a minute",
    ),
]
SingleScale = Annotated[
    bool,
    typer.Option(
        "--single-scale", help="Restore at the size that there is, and not at smaller ones as well: worse on far blur, in less time."
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(
        min=1, help="Threads of the network on a processor, at most; small pictures take one.", show_default="as many as are free"
    ),
]
TimeLimit = Annotated[
    float | None,
    typer.Option(
        min=0,
        help="Minutes that all may take, about: takes the best built-in weights and number of views for that, and says which. "
        "A clip that was stopped is gone on with as it was begun.",
        show_default=False,
    ),
]
ReadFolders = Annotated[
    Folders,
    typer.Option(
        help="How a folder of numbered pictures of one size is read: `clips` as the frames of a clip, `photos` one by one; "
        "`auto` as a clip if `--model` looks at several frames."
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace results that exist.")]
Cluster = Annotated[
    str | None,
    cluster_option(
        "Restore on the workers of a Ray cluster, at its address; `auto` takes the one that was started on this machine, or starts one of its processors. `--threads` is then of each worker, 1 by default."
    ),
]
HangAfter = Annotated[
    float,
    typer.Option(metavar="MINUTES", min=0.1, help="On a cluster: a file of which no frame is done for so long is tried on another worker."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object a file instead of text.")]

_KEYS = ("source", "status", "target", "kind", "frames", "resumed_after", "seconds", "message", "warnings")
"""Keys of the JSON object that `--json` prints for each file, in this order."""


def restore(
    inputs: Inputs,
    *,
    output: Output = None,
    model: Model = "auto",
    network: Network = None,
    weights: Weights = None,
    quality: ByQuality = Quality.best,
    strength: Strength = 1.0,
    device: OnDevice = Device.auto,
    precision: InPrecision = Precision.auto,
    runtime: ByRuntime = Runtime.torch,
    tile: Tile = "auto",
    start: Start = 0.0,
    duration: Duration = None,
    file_quality: FileQuality = None,
    codec: Codec = None,
    interlaced: InterlacedVideo = Interlaced.refuse,
    skip_sharp: SkipSharp = False,
    temporal_fusion: TemporalFusion = True,
    self_ensemble: SelfEnsemble = None,
    scale: Scale = None,
    single_scale: SingleScale = False,
    threads: Threads = None,
    time_limit: TimeLimit = None,
    folders: ReadFolders = Folders.auto,
    overwrite: Overwrite = False,
    cluster: Cluster = None,
    hang_after: HangAfter = 30.0,
    as_json: AsJson = False,
) -> None:
    """Restore photos, videos and all that is in folders. Inputs are never changed."""
    from unblur.restore.batch import Options
    from unblur.restore.networks import Request
    from unblur.restore.runner import restore_files

    _refuse_contradictions(model, quality, weights=weights, time_limit=time_limit, self_ensemble=self_ensemble)
    request = Request(
        model=model,
        weights=weights,
        quality=quality.value,
        self_ensemble=self_ensemble,
        single_scale=single_scale,
        skip_sharp=skip_sharp,
        device=device.value,
        precision=precision.value,
        tile=_tile(tile),
        threads=threads,
        time_limit=time_limit,
        network=network,
        runtime=runtime.value,
    )
    options = Options(
        strength=strength,
        scale=scale,
        temporal_fusion=temporal_fusion,
        start=start,
        duration=duration,
        interlaced=interlaced.value,
        codec=codec,
        file_quality=file_quality,
        overwrite=overwrite,
    )
    run = restore_files if cluster is None else _on_cluster(cluster, inputs, output, hang_after=hang_after)
    shown = (_Shown if cluster is None else _ShownTogether)(Console(stderr=True), as_json=as_json)
    with piped(inputs, output, as_json=as_json) as (sources, target), shown:
        report = run(sources, target, request=request, options=options, folders=folders.value, observer=shown)
    if len(report.outcomes) > 1 and not as_json:
        _summarise(report.outcomes, console=shown.console)
    if report.failed:
        raise typer.Exit(1)


class _Shown(Observer):
    """Shows on a terminal how the work gets on, and prints what became of each file. Entered around the work.

    Args:
        console: where text goes.
        as_json: whether to print one JSON object a file instead, on standard output.
    """

    def __init__(self, console: Console, *, as_json: bool) -> None:
        self.console, self._as_json = console, as_json
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._job: Job | None = None
        self._said: set[str] = set()

    def __enter__(self) -> "_Shown":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()
        if self._job is not None and kind is not None and issubclass(kind, KeyboardInterrupt | SystemExit):
            from unblur.restore.batch import what_remains

            self._print(f"stopped at {escape(str(self._job.source))}{escape(what_remains(self._job))}")

    def preparing(self, what: str) -> AbstractContextManager[object]:
        return nullcontext() if self._progress is not None else self.console.status(what)  # one live display at a time

    def loaded(self, deblurrer: "unblur.Deblurrer") -> None:
        if deblurrer.setup.note:
            self.console.print(f"[yellow]note:[/] {escape(deblurrer.setup.note)}", highlight=False)

    def chosen(self, summary: str) -> None:
        self._print(escape(summary))

    def begins(self, job: "Job") -> None:
        if self._progress is None:
            self._progress = _progress(self.console, shown=not self._as_json and self.console.is_terminal)
            self._progress.start()
        self._job, self._said = job, set()
        self._task = self._progress.add_task(job.source.name, total=None)

    def note(self, text: str) -> None:
        if not self._as_json:
            self._said.add(text)
            self._print(f"[yellow]note:[/] {escape(text)}")

    def progress(self, done: int, total: int | None) -> None:
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=done, total=total)

    def ends(self, outcome: "Outcome") -> None:
        if self._progress is not None and self._task is not None:
            self._progress.remove_task(self._task)
        warnings = [text for text in outcome.warnings if text not in self._said]
        self._job, self._task, self._said = None, None, set()
        if self._as_json:
            values = {key: getattr(outcome, key) for key in _KEYS}
            target = str(outcome.target) if outcome.target else None
            typer.echo(json.dumps(values | {"source": str(outcome.source), "target": target, "warnings": warnings}))
            return
        self._print(_outcome_line(outcome))
        for warning in warnings:
            self._print(f"  [yellow]note:[/] {escape(warning)}")

    def _print(self, text: str) -> None:
        self.console.print(text, highlight=False, soft_wrap=True)


class _ShownTogether(_Shown):
    """Shows files that are restored side by side: one bar for the frames of all."""

    def __init__(self, console: Console, *, as_json: bool) -> None:
        super().__init__(console, as_json=as_json)
        self._count = self._ended = 0

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        super().__exit__(kind, *rest)
        if kind is not None and issubclass(kind, KeyboardInterrupt | SystemExit):
            self._print("stopped; the same command goes on with the clips that were begun")

    def begins(self, job: "Job") -> None:
        if self._progress is None:
            super().begins(job)
            self._job = None  # not the one at which it may stop
        self._count += 1
        self._describe()

    def ends(self, outcome: "Outcome") -> None:
        task, self._task = self._task, None  # the bar stays
        super().ends(outcome)
        self._task = task
        if self._progress is not None:
            self._ended += 1
            self._describe()

    def _describe(self) -> None:
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, description=f"{self._ended} of {self._count} files")


def _on_cluster(address: str, inputs: "Sequence[Path]", output: Path | None, *, hang_after: float) -> "Callable[..., Report]":
    """What restores files on a cluster."""
    from unblur.app.piped import DASH
    from unblur.cluster.restoring import restore_files

    if DASH in inputs or output == DASH:
        raise typer.BadParameter("`-` is of this machine alone; give the name of a file that all nodes see", param_hint="--cluster")
    return partial(restore_files, address=address, hang_after=60 * hang_after)


def _refuse_contradictions(
    model: str, quality: Quality, *, weights: Path | None, time_limit: float | None, self_ensemble: int | None
) -> None:
    """Say in the words of the command line which options exclude each other; `unblur.restore` refuses them as well."""
    chosen = model != "auto" or quality != Quality.best
    if weights is not None and (chosen or time_limit is not None):
        text = "it is the network to take; leave out `--model`, `--quality` and `--time-limit`"
        raise typer.BadParameter(text, param_hint="--weights")
    if time_limit is not None and (chosen or self_ensemble is not None):
        text = "it chooses the weights and the views; leave out `--model`, `--quality` and `--self-ensemble`"
        raise typer.BadParameter(text, param_hint="--time-limit")
    if model != "auto" and quality != Quality.best:
        raise typer.BadParameter("it chooses among the built-in weights; leave out `--model`", param_hint="--quality")


def _tile(text: str) -> int | None:
    if text == "auto":
        return None
    if not text.isdecimal():
        raise typer.BadParameter(f"`{text}` is neither `auto` nor a number of pixels", param_hint="--tile")
    return int(text)


def _progress(console: Console, *, shown: bool) -> "Progress":
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:.2f} frames/s" if task.speed else "")

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn())
    return Progress(*columns, console=console, disable=not shown, transient=True, speed_estimate_period=60)


def _outcome_line(outcome: "Outcome") -> str:
    """What became of a file, in a line."""
    source = escape(str(outcome.source))
    if outcome.status != "done":
        colour = "red" if outcome.status == "failed" else "yellow"
        return f"[{colour}]{outcome.status}[/] {source}: {escape(outcome.message)}"
    frames = outcome.frames - outcome.resumed_after
    rate = f", {frames / outcome.seconds:.2f} frames/s" if outcome.kind == "video" and outcome.seconds else ""
    rate += f", gone on after {outcome.resumed_after} frames" if outcome.resumed_after else ""
    return f"[green]done[/] {source} → {escape(str(outcome.target))} ({outcome.seconds:.1f} s{rate})"


def _summarise(outcomes: "Sequence[Outcome]", *, console: Console) -> None:
    count = {status: sum(outcome.status == status for outcome in outcomes) for status in ("done", "skipped", "failed")}
    console.print(f"{count['done']} restored, {count['skipped']} skipped, {count['failed']} failed", highlight=False)
    for outcome in outcomes:
        if outcome.status == "failed":
            console.print(f"  [red]failed[/] {escape(str(outcome.source))}", highlight=False, soft_wrap=True)
