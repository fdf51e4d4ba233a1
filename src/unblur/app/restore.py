"""`unblur restore`: photos, videos and folders, one after the other. It shows progress and says what happened; the work is done elsewhere."""

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

import unblur
from unblur.app.choices import WEIGHTS_HELP, Device, Precision
from unblur.errors import UnblurError

if TYPE_CHECKING:
    from rich.progress import Progress

    from unblur.restore.batch import Job, Options, Outcome
    from unblur.restore.choose import Choice, PhotoChoice
    from unblur.restore.resume import Settings

__all__ = ["restore"]


def restore(
    inputs: Annotated[list[Path], typer.Argument(metavar="INPUT...", help="Photos, videos or folders.", show_default=False)],
    *,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="File for the result, or folder: a name without a suffix is one.",
            show_default="beside the input, `_unblurred` added",
        ),
    ] = None,
    model: Annotated[
        str,
        typer.Option(
            help="Built-in weights (see `unblur models`), a `.safetensors` file, or the folder of a run; `auto` takes the best built-in "
            "ones for a photo or a video."
        ),
    ] = "auto",
    weights: Annotated[Path | None, typer.Option(help=WEIGHTS_HELP, show_default=False)] = None,
    strength: Annotated[float, typer.Option(min=0, max=1, help="0 leaves everything as it is, 1 restores fully.")] = 1.0,
    device: Annotated[Device, typer.Option(help="Where to run.")] = Device.auto,
    precision: Annotated[Precision, typer.Option(help="Of the arithmetic; `auto` takes what is fast here and tests it.")] = Precision.auto,
    tile: Annotated[str, typer.Option(help="Largest side of a tile in pixels, or `auto` to choose by free memory.")] = "auto",
    start: Annotated[float, typer.Option(min=0, help="First second of a clip to restore: a preview.")] = 0.0,
    duration: Annotated[float | None, typer.Option(min=0, help="Seconds of a clip to restore: a preview.", show_default=False)] = None,
    quality: Annotated[
        int | None,
        typer.Option(
            min=1, max=100, help="Of the written file: 1 is small, 100 is best.", show_default="as the source, without visible loss"
        ),
    ] = None,
    codec: Annotated[
        str | None, typer.Option(help="Of the written video: h264, hevc, vp9, av1, prores or ffv1.", show_default="that of the source")
    ] = None,
    allow_interlaced: Annotated[
        bool, typer.Option("--allow-interlaced", help="Restore interlaced video as it is, instead of refusing it.")
    ] = False,
    skip_sharp: Annotated[bool, typer.Option("--skip-sharp", help="Leave photos and frames alone, bit for bit, that are sharp.")] = False,
    temporal_fusion: Annotated[
        bool,
        typer.Option(
            help="Put each frame of a video together with its neighbours: sharper, with less flicker. Without it, in two thirds of the time."
        ),
    ] = True,
    self_ensemble: Annotated[
        int | None,
        typer.Option(
            help="1, 2, 4 or 8: restore so many mirrored and turned views and take their mean: better, and as much slower.",
            show_default="1, or that with which a clip was begun",
        ),
    ] = None,
    scale: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            max=1,
            help="Of the photo that the network sees; what it changes is enlarged, and what is finer stays: 0.5 takes a quarter of the time.",
            show_default="1, or less where a photo would take more than half a minute",
        ),
    ] = None,
    single_scale: Annotated[
        bool,
        typer.Option(
            "--single-scale", help="Restore at the size that there is, and not at smaller ones as well: worse on far blur, in less time."
        ),
    ] = False,
    threads: Annotated[
        int | None,
        typer.Option(
            min=1, help="Threads of the network on a processor, at most; small pictures take one.", show_default="as many as are free"
        ),
    ] = None,
    time_limit: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Minutes that all may take, about: takes the best built-in weights and number of views for that, and says which. "
            "A clip that was stopped is gone on with as it was begun.",
            show_default=False,
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace results that exist.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a file instead of text.")] = False,
) -> None:
    """Restore photos, videos and all that is in folders. Inputs are never changed."""
    from unblur.restore.batch import Job, Options, plan
    from unblur.restore.choose import Choice
    from unblur.weights import best_for

    if weights is not None and (model != "auto" or time_limit is not None):
        raise typer.BadParameter("it is the network to take; leave out `--model` and `--time-limit`", param_hint="--weights")
    if time_limit is not None and (model != "auto" or self_ensemble is not None):
        raise typer.BadParameter(
            "it chooses the weights and the views; leave out `--model` and `--self-ensemble`", param_hint="--time-limit"
        )
    tile_size = _tile(tile)
    jobs = list(plan(inputs, output))
    options = Options(
        strength=strength,
        scale=scale or 1.0,
        temporal_fusion=temporal_fusion,
        start=start,
        duration=duration,
        allow_interlaced=allow_interlaced,
        codec=codec,
        quality=quality,
        overwrite=overwrite,
    )

    def load(settings: "Settings") -> "unblur.Deblurrer":
        return unblur.load(
            settings.model if weights is None else None,
            weights=weights,
            device=device.value,
            precision=settings.precision,
            tile=tile_size,
            skip_sharp=skip_sharp,
            self_ensemble=settings.self_ensemble,
            single_scale=single_scale,
            threads=threads,
        )

    chooses = model == "auto" and weights is None
    named = str(weights) if weights is not None else model
    photo, video = (best_for("photo"), best_for("video")) if chooses else (named, named)
    asked = [
        name
        for name, is_asked in (("model", not chooses), ("precision", precision != "auto"), ("self_ensemble", self_ensemble))
        if is_asked
    ]
    run = _Run(load, Choice(photo, video, self_ensemble or 1), options=options, precision=precision, asked=asked, as_json=as_json)
    work = [job for job in jobs if isinstance(job, Job)]
    if time_limit is not None:
        run.choose_within(60 * time_limit, work)
    elif chooses:
        run.choose_for_photos(work, scale=scale)
    if not run.all(jobs):
        raise typer.Exit(1)


class _Run:
    """Restores files one after the other, each with the network that is chosen for it, and says what became of them.

    Args:
        load: loads a network.
        choice: the weights and views where nothing else is chosen.
        options: what holds for every file.
        precision: of the arithmetic.
        asked: names of the settings that the user has chosen, see `unblur.restore.resume.Loader`.
        as_json: whether to print one JSON object a file instead of text.
    """

    def __init__(
        self,
        load: "Callable[[Settings], unblur.Deblurrer]",
        choice: "Choice",
        *,
        options: "Options",
        precision: Precision,
        asked: list[str],
        as_json: bool,
    ) -> None:
        from unblur.restore.resume import Loader

        self._console = Console(stderr=True)
        self._load, self._choice, self._options = load, choice, options
        self._precision, self._as_json = precision, as_json
        self._network = Loader(self._load_and_note, default=self._settings, asked=asked)
        self._photos: dict[Path, PhotoChoice] = {}

    def choose_within(self, seconds: float, jobs: "list[Job]") -> None:
        """Choose the weights and views with which all files are done in so many seconds, and say which."""
        from unblur.restore.choose import choose, fusion_seconds_a_pixel, pixels_of, seconds_a_pixel

        with self._console.status("seeing how fast it goes here"):
            work = pixels_of(jobs, options=self._options)
            fusion_seconds = fusion_seconds_a_pixel() if self._options.temporal_fusion and work.get("video") else 0.0
            self._choice = choose(
                work,
                time_limit=seconds,
                speed=lambda name: seconds_a_pixel(self._load(self._settings_of(name, self_ensemble=1))),
                fusion_seconds=fusion_seconds,
            )
        if work:
            self._console.print(escape(self._choice.summary(work, time_limit=seconds)), highlight=False, soft_wrap=True)

    def choose_for_photos(self, jobs: "list[Job]", *, scale: float | None) -> None:
        """Choose the weights and the scale of each photo by how long it would take here."""
        from unblur.restore.choose import photo_choice, pixels_of, usual_seconds_a_pixel

        speed = cache(
            lambda name: usual_seconds_a_pixel(self._network.load(self._settings_of(name, self_ensemble=self._choice.self_ensemble)))
        )
        for job in jobs:
            if job.kind == "photo":
                pixels = pixels_of([job], options=self._options).get("photo", 0.0)
                self._photos[job.source] = photo_choice(pixels, speed=speed, scale=scale)

    def all(self, jobs: "Iterable[Job | Outcome]") -> bool:
        """Restore all files; gives whether none has failed."""
        from unblur.restore.batch import Job

        jobs = list(jobs)
        if first := next((job for job in jobs if isinstance(job, Job)), None):
            self._network(first)  # what is wrong with it is said before the work begins
        outcomes = []
        with _progress(self._console, shown=not self._as_json and self._console.is_terminal) as progress:
            for job in jobs:
                outcomes.append(self._one(job, progress) if isinstance(job, Job) else job)
                _report(outcomes[-1], console=progress.console, as_json=self._as_json)
        if len(outcomes) > 1 and not self._as_json:
            _summarise(outcomes, console=self._console)
        return all(outcome.status != "failed" for outcome in outcomes)

    def _one(self, job: "Job", progress: "Progress") -> "Outcome":
        from unblur.restore.batch import Outcome, restore_file, what_remains

        said: set[str] = set()

        def notify(text: str) -> None:
            said.add(text)
            progress.console.print(f"[yellow]note:[/] {escape(text)}", highlight=False, soft_wrap=True)

        task = progress.add_task(job.source.name, total=None)
        photo = self._photos.get(job.source)
        try:
            outcome = restore_file(
                self._network(job),
                job,
                options=replace(self._options, scale=photo.scale) if photo else self._options,
                progress=lambda done, total: progress.update(task, completed=done, total=total),
                notify=None if self._as_json else notify,
            )
        except UnblurError as error:  # its network cannot be loaded
            outcome = Outcome(job.source, "failed", None, job.kind, message=str(error))
        except (KeyboardInterrupt, SystemExit):
            self._console.print(f"stopped at {escape(str(job.source))}{escape(what_remains(job))}", highlight=False, soft_wrap=True)
            raise
        progress.remove_task(task)
        warnings = (*outcome.warnings, photo.note() if photo else "")
        return replace(outcome, warnings=tuple(text for text in warnings if text and text not in said))

    def _settings(self, job: "Job") -> "Settings":
        photo = self._photos.get(job.source)
        return self._settings_of(photo.weights if photo else self._choice.weights(job.kind), self_ensemble=self._choice.self_ensemble)

    def _settings_of(self, weights: str, *, self_ensemble: int) -> "Settings":
        from unblur.restore.resume import Settings

        return Settings(weights, self._precision.value, self_ensemble)

    def _load_and_note(self, settings: "Settings") -> "unblur.Deblurrer":
        with self._console.status("loading the network"):
            made = self._load(settings)
        if made.setup.note:
            self._console.print(f"[yellow]note:[/] {escape(made.setup.note)}", highlight=False)
        return made


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


def _report(outcome: "Outcome", *, console: Console, as_json: bool) -> None:
    if as_json:
        values: dict[str, Any] = asdict(outcome) | {
            "source": str(outcome.source),
            "target": str(outcome.target) if outcome.target else None,
        }
        typer.echo(json.dumps(values))
        return
    source = escape(str(outcome.source))
    if outcome.status == "done":
        frames = outcome.frames - outcome.resumed_after
        rate = f", {frames / outcome.seconds:.2f} frames/s" if outcome.kind == "video" and outcome.seconds else ""
        rate += f", gone on after {outcome.resumed_after} frames" if outcome.resumed_after else ""
        console.print(
            f"[green]done[/] {source} → {escape(str(outcome.target))} ({outcome.seconds:.1f} s{rate})", highlight=False, soft_wrap=True
        )
    else:
        colour = "red" if outcome.status == "failed" else "yellow"
        console.print(f"[{colour}]{outcome.status}[/] {source}: {escape(outcome.message)}", highlight=False, soft_wrap=True)
    for warning in outcome.warnings:
        console.print(f"  [yellow]note:[/] {escape(warning)}", highlight=False, soft_wrap=True)


def _summarise(outcomes: "list[Outcome]", *, console: Console) -> None:
    count = {status: sum(outcome.status == status for outcome in outcomes) for status in ("done", "skipped", "failed")}
    console.print(f"{count['done']} restored, {count['skipped']} skipped, {count['failed']} failed", highlight=False)
    for outcome in outcomes:
        if outcome.status == "failed":
            console.print(f"  [red]failed[/] {escape(str(outcome.source))}", highlight=False, soft_wrap=True)
