"""The command line. Thin: it reads options, shows progress, and says what happened; the work is done elsewhere.

Nothing heavy is imported until a command needs it, so that `unblur --help` answers at once.
"""

import json
import signal
import sys
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from typer.core import TyperGroup

import unblur
from unblur.app import ablate, bench, data, inspect, pull, synth, train
from unblur.app.choices import WEIGHTS_HELP, Device, Precision
from unblur.errors import InputError, UnblurError, WeightsError

if TYPE_CHECKING:
    from rich.progress import Progress

    from unblur.restore.batch import Outcome

__all__ = ["app", "main"]


class _RestoreByDefault(TyperGroup):
    """`unblur photo.jpg` is short for `unblur restore photo.jpg`. An empty argument is refused: as a path it would be the current folder."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - typer and click each have a Context
        if any(not arg or (arg.startswith("--") and arg.endswith("=")) for arg in args):
            raise InputError("an argument is empty; perhaps a variable of the shell is not set")
        own = {"--help", "--version", "--install-completion", "--show-completion"}
        if args and args[0] not in self.commands and args[0].split("=")[0] not in own:
            args = ["restore", *args]
        return super().parse_args(ctx, args)


class _ShowByDefault(TyperGroup):
    """`unblur models` and `unblur models NAME` are short for `unblur models show` and `unblur models show NAME`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - typer and click each have a Context
        if not args or (args[0] not in self.commands and args[0] != "--help"):
            args = ["show", *args]
        return super().parse_args(ctx, args)


_LONGEST_RECIPE = 240  # characters of a recipe that a list of cards shows

app = typer.Typer(
    cls=_RestoreByDefault,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Remove motion blur from photos and videos. `unblur INPUT...` is short for `unblur restore INPUT...`.",
)

app.add_typer(synth.app, name="synth")
app.add_typer(data.app, name="data")
models_app = typer.Typer(
    cls=_ShowByDefault,
    help="List weights, print the card of one, or pull published ones of others. `unblur models [NAME]` is short for `unblur models show`.",
)
app.add_typer(models_app, name="models")
models_app.command()(pull.pull)
app.command()(train.train)
app.command()(train.export_weights)
app.command()(inspect.inspect)
for command in (bench.bench, bench.report, ablate.ablate, bench.published):
    app.command()(command)


def main() -> None:
    """Entry point of the `unblur` command: errors that were foreseen are one line and exit code 1.

    A request to end ends like Ctrl-C: what was half written is removed.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        app()
    except (UnblurError, OSError) as error:  # OSError: of a path that no command has foreseen
        Console(stderr=True).print(f"[bold red]error:[/] {_plain(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(1)


def _version(*, wanted: bool) -> None:
    if wanted:
        typer.echo(f"unblur {unblur.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=lambda value: _version(wanted=value), is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command()
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
    only_blurred: Annotated[
        bool, typer.Option("--only-blurred", help="Leave photos and frames alone, bit for bit, that are sharp.")
    ] = False,
    steady: Annotated[
        bool,
        typer.Option(
            help="Put each frame of a video together with its neighbours: sharper, with less flicker. Without it, in two thirds of the time."
        ),
    ] = True,
    views: Annotated[
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
    one_size: Annotated[
        bool,
        typer.Option(
            "--one-size", help="Restore at the size that there is, and not at smaller ones as well: worse on far blur, in less time."
        ),
    ] = False,
    threads: Annotated[
        int | None,
        typer.Option(
            min=1, help="Threads of the network on a processor, at most; small pictures take one.", show_default="as many as are free"
        ),
    ] = None,
    within: Annotated[
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
    from unblur.restore.batch import Job, Options, Outcome, plan, restore_file, what_remains
    from unblur.restore.choose import SPEED_SIDE, Choice, PhotoChoice, choose, photo_choice, pixels_of, seconds_a_pixel, seconds_to_steady
    from unblur.restore.resume import Loader, Settings
    from unblur.weights import best_for

    tile_size = _tile(tile)
    if weights is not None and (model != "auto" or within is not None):
        raise typer.BadParameter("it is the network to take; leave out `--model` and `--within`", param_hint="--weights")
    if within is not None and (model != "auto" or views is not None):
        raise typer.BadParameter("it chooses the weights and the views; leave out `--model` and `--views`", param_hint="--within")
    jobs = list(plan(inputs, output))
    console = Console(stderr=True)
    outcomes: list[Outcome] = []
    model = model if weights is None else str(weights)
    choice = Choice(best_for("photo"), best_for("video"), views or 1) if model == "auto" else Choice(model, model, views or 1)

    def load(settings: Settings) -> unblur.Deblurrer:
        return unblur.load(
            settings.model if weights is None else None,
            weights=weights,
            device=device.value,
            precision=settings.precision,
            tile=tile_size,
            only_blurred=only_blurred,
            views=settings.views,
            one_size=one_size,
            threads=threads,
        )

    def load_and_note(settings: Settings) -> unblur.Deblurrer:
        with console.status("loading the network"):
            made = load(settings)
        if made.setup.note:
            console.print(f"[yellow]note:[/] {_plain(made.setup.note)}", highlight=False)
        return made

    asked = [name for name, is_asked in (("model", model != "auto"), ("precision", precision != "auto"), ("views", views)) if is_asked]
    speed = cache(lambda name: seconds_a_pixel(deblurrer_for.load(Settings(name, precision.value, choice.views)), side=SPEED_SIDE, runs=1))
    chosen: dict[Path, PhotoChoice] = {}

    def settings_for(job: Job) -> Settings:
        weights = choice.weights(job.kind)
        if model == "auto" and within is None and job.kind == "photo":
            pixels = pixels_of([job], options=options).get("photo", 0.0)
            weights = chosen.setdefault(job.source, photo_choice(pixels, speed=speed, scale=scale)).weights
        return Settings(weights, precision.value, choice.views)

    deblurrer_for = Loader(load_and_note, default=settings_for, asked=asked)
    options = Options(
        strength=strength,
        scale=scale or 1.0,
        steady=steady,
        start=start,
        duration=duration,
        allow_interlaced=allow_interlaced,
        codec=codec,
        quality=quality,
        overwrite=overwrite,
    )
    if within is not None:
        with console.status("seeing how fast it goes here"):
            work = pixels_of((job for job in jobs if isinstance(job, Job)), options=options)
            steadying = seconds_to_steady() if steady and work.get("video") else 0.0
            choice = choose(
                work,
                within=60 * within,
                speed=lambda name: seconds_a_pixel(load(Settings(name, precision.value, 1))),
                steadying=steadying,
            )
        if work:
            console.print(_plain(choice.told(work, within=60 * within)), highlight=False, soft_wrap=True)
    if first := next((job for job in jobs if isinstance(job, Job)), None):
        deblurrer_for(first)  # what is wrong with it is said before the work begins
    with _progress(console, shown=not as_json and console.is_terminal) as progress:
        said: set[str] = set()

        def notify(text: str) -> None:
            said.add(text)
            progress.console.print(f"[yellow]note:[/] {_plain(text)}", highlight=False, soft_wrap=True)

        for job in jobs:
            if isinstance(job, Outcome):
                outcome = job
            else:
                task = progress.add_task(job.source.name, total=None)
                try:
                    deblurrer, photo = deblurrer_for(job), chosen.get(job.source)
                    outcome = restore_file(
                        deblurrer,
                        job,
                        options=replace(options, scale=photo.scale) if photo else options,
                        progress=lambda done, total, task=task: progress.update(task, completed=done, total=total),  # type: ignore[misc]
                        notify=None if as_json else notify,
                    )
                    warnings = (*outcome.warnings, photo.note() if photo else "")
                    outcome = replace(outcome, warnings=tuple(text for text in warnings if text and text not in said))
                except UnblurError as error:  # its network cannot be loaded
                    outcome = Outcome(job.source, "failed", None, job.kind, message=str(error))
                except (KeyboardInterrupt, SystemExit):
                    console.print(f"stopped at {_plain(str(job.source))}{_plain(what_remains(job))}", highlight=False, soft_wrap=True)
                    raise
                progress.remove_task(task)
            outcomes.append(outcome)
            _report(outcome, console=progress.console, as_json=as_json)
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    if len(outcomes) > 1 and not as_json:
        done = sum(outcome.status == "done" for outcome in outcomes)
        skipped = sum(outcome.status == "skipped" for outcome in outcomes)
        console.print(f"{done} restored, {skipped} skipped, {len(failed)} failed", highlight=False)
        for outcome in failed:
            console.print(f"  [red]failed[/] {_plain(str(outcome.source))}", highlight=False, soft_wrap=True)
    if failed:
        raise typer.Exit(1)


@models_app.command("show")
def models(
    name: Annotated[
        str | None,
        typer.Argument(help="Built-in or pulled weights, a file or a run, of which to print all of the card.", show_default=False),
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the cards as JSON.")] = False,
) -> None:
    """List the built-in and pulled weights with their cards, of which recipes are cut short; or print one in full."""
    from unblur.weights import card_of, names, pulled_names

    pulled, cards = pulled_names(), []
    for each in [name] if name else [*names(), *pulled]:
        try:
            cards.append((card_of(each), ", pulled" if each in pulled else ""))
        except WeightsError as error:  # in a list, the others are shown
            if each == name or each not in pulled:
                raise
            Console(stderr=True).print(f"[yellow]note:[/] {_plain(str(error))}", highlight=False, soft_wrap=True)
    if as_json:
        typer.echo(json.dumps([card.model_dump() for card, _ in cards], indent=2))
        return
    console = Console()
    for card, how in cards:
        console.print(f"[bold]{card.name}[/] ({card.kind}{how}): {_plain(card.summary)}", highlight=False)
        table = Table(box=None, show_header=False, padding=(0, 2))
        for key, value in (
            ("architecture", f"{card.architecture} {json.dumps(card.arguments)}"),
            ("origin", f"{card.origin}; {card.training_data}"),
            ("recipe", card.recipe if name else _shortened(card.recipe, rest=f"unblur models {card.name}")),
            ("licence", card.licence),
            ("sha256", card.sha256),
        ):
            table.add_row(key, _plain(value))
        for result in card.results:
            table.add_row(
                "measured", _plain(f"{result.measure}: {result.value:g} on {result.data} by {result.protocol} (`{result.command}`)")
            )
        console.print(table, highlight=False)


def _shortened(recipe: str, *, rest: str) -> str:
    """The beginning of a long recipe, and the command that prints all of it."""
    return recipe if len(recipe) <= _LONGEST_RECIPE else f"{recipe[:_LONGEST_RECIPE].rpartition(' ')[0]} … (all of it: `{rest}`)"


@app.command("convert-weights")
def convert_weights_command(
    source: Annotated[
        Path, typer.Argument(metavar="PUBLISHED", help="File, or for `dmphn` and `maxim` the folder of files.", show_default=False)
    ],
    *,
    network: Annotated[str, typer.Option(help="Whose weights these are: dmphn, maxim or pwcnet.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="The `.safetensors` file; its card goes beside it.", show_default=False)],
    licence: Annotated[str, typer.Option(help="Of the weights, for the card; look it up where you got them.")] = "not stated",
    training_data: Annotated[str, typer.Option(help="What they were trained on, for the card.")] = "as published",
    num_stages: Annotated[int | None, typer.Option(help="First stages to take of `maxim`.", show_default="all", min=1, max=3)] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
) -> None:
    """Turn published weights into a `.safetensors` file and its card. Nothing in the files is run."""
    from unblur.weights.convert import convert_weights

    card = convert_weights(
        source, output, network=network, licence=licence, training_data=training_data, num_stages=num_stages, overwrite=overwrite
    )
    Console(stderr=True).print(
        f"[green]done[/] {_plain(str(source))} → {_plain(str(output))}: {card.architecture} {_plain(json.dumps(card.arguments))}",
        highlight=False,
        soft_wrap=True,
    )


@app.command()
def doctor(*, as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False) -> None:
    """Check versions, devices, precisions and codecs, and say whether all is well."""
    from unblur.app.doctor import examine

    console = Console(stderr=True)
    with console.status("looking"):
        findings = examine()
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        table = Table(box=None, show_header=False, padding=(0, 2))
        marks = {"good": "[green]good[/]", "note": "[yellow]note[/]", "bad": "[red]bad[/]"}
        for finding in findings:
            table.add_row(marks[finding.verdict], _plain(finding.subject), _plain(finding.text))
        Console().print(table, highlight=False)
        worst = [finding for finding in findings if finding.verdict == "bad"]
        verdict = (
            f"[red]{len(worst)} thing(s) to mend before `unblur` can work[/]"
            if worst
            else "[green]all is well[/]: `unblur` can work on this machine"
        )
        Console().print(verdict, highlight=False)
    if any(finding.verdict == "bad" for finding in findings):
        raise typer.Exit(1)


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
    source = _plain(str(outcome.source))
    if outcome.status == "done":
        frames = outcome.frames - outcome.gone_on_after
        rate = f", {frames / outcome.seconds:.2f} frames/s" if outcome.kind == "video" and outcome.seconds else ""
        rate += f", gone on after {outcome.gone_on_after} frames" if outcome.gone_on_after else ""
        console.print(
            f"[green]done[/] {source} → {_plain(str(outcome.target))} ({outcome.seconds:.1f} s{rate})", highlight=False, soft_wrap=True
        )
    else:
        colour = "red" if outcome.status == "failed" else "yellow"
        console.print(f"[{colour}]{outcome.status}[/] {source}: {_plain(outcome.message)}", highlight=False, soft_wrap=True)
    for warning in outcome.warnings:
        console.print(f"  [yellow]note:[/] {_plain(warning)}", highlight=False, soft_wrap=True)


def _plain(text: str) -> str:
    """Text that rich prints as it is."""
    from rich.markup import escape

    return escape(text)
