"""`unblur train`, `unblur recipes` and `unblur export-weights`. Thin, as all of the command line."""

import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from unblur.app.choices import changes_option
from unblur.app.ending import ends_soon
from unblur.errors import InputError
from unblur.models import is_import_path

__all__ = ["export_weights", "recipes", "train"]

Folders = list[Path] | None


def train(
    recipe: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE",
            help="A file, or a built-in recipe such as `swift/stills`; `unblur recipes` lists them.",
            show_default=False,
        ),
    ],
    *,
    data: Annotated[
        Folders,
        typer.Option("--data", metavar="DIR", help="A data set to train on or to validate with; may be repeated.", show_default=False),
    ] = None,
    photos: Annotated[
        Folders, typer.Option("--photos", metavar="DIR", help="Sharp photos that samples are made of; may be repeated.", show_default=False)
    ] = None,
    cutouts: Annotated[
        Folders,
        typer.Option(
            "--cutouts",
            metavar="DIR",
            help="Objects with opacity (PNG, WebP) for `data.kind: dynamic`; may be repeated.",
            show_default=False,
        ),
    ] = None,
    highspeed: Annotated[
        Folders,
        typer.Option(
            "--highspeed",
            metavar="FILE",
            help="Clip of about 240 frames a second for `data.kind: dynamic`; may be repeated.",
            show_default=False,
        ),
    ] = None,
    changes: Annotated[
        list[str] | None,
        changes_option("Change a key of the recipe, such as `steps`, `data.pair_size` or `arguments.width`"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="RUN", help="Folder of the run; one that exists goes on.", show_default="runs/SYSTEM-RECIPE"),
    ] = None,
    cpu: Annotated[bool, typer.Option("--cpu", help="Train on the processor even if there is a GPU.")] = False,
) -> None:
    """Train a network by a recipe, or go on where its run was stopped. Started by `accelerate launch`, on many GPUs."""
    from unblur.synth.sources import find_photos
    from unblur.training.recipe import parse_changes, read_recipe
    from unblur.training.recipe_files import find_recipe

    chosen = read_recipe(recipe, changes=parse_changes(changes or []))
    run = out or Path("runs") / f"{chosen.model.replace(':', '.')}-{find_recipe(recipe).stem}"
    pictures = find_photos(photos) if photos else []
    objects = find_photos(cutouts) if cutouts else []
    try:
        from unblur.training.loop import train as train_network
    except ImportError as error:
        raise InputError(f"training needs more packages ({error}); `pip install 'unblur[train]'`") from error
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=console, disable=not console.is_terminal, speed_estimate_period=600)
    task = bar.add_task(chosen.model, total=chosen.steps)
    records = train_network(
        chosen,
        out=run,
        photos=pictures,
        data=data or [],
        cpu=cpu,
        cutouts=objects,
        highspeed=highspeed or [],
        may_lower_rate=True,
        waiting=_Waiting(bar, task, name=chosen.model),
    )
    with ends_soon(), closing(records), bar:
        for record in records:
            text = _line(record)
            if "loss" in record:
                bar.update(
                    task, completed=record["step"], description=f"{chosen.model}, loss {record['loss']:.4f}, gain {record['gain']:+.2f} dB"
                )
            if "loss" not in record or not console.is_terminal:
                bar.console.print(escape(text), highlight=False, soft_wrap=True)
                sys.stderr.flush()
    named = f" --network {chosen.model}" if is_import_path(chosen.model) else ""
    console.print(
        f"the run is in {escape(str(run))}; `--model {escape(str(run) + named)}` restores with it", highlight=False, soft_wrap=True
    )


def recipes(
    name: Annotated[
        str | None, typer.Argument(metavar="[RECIPE]", help="A file, or a built-in recipe, to print with all its keys.", show_default=False)
    ] = None,
) -> None:
    """List the built-in recipes; or print one with all its keys, those of the recipes that it extends and the defaults included."""
    import yaml

    from unblur.training.recipe import read_recipe
    from unblur.training.recipe_files import find_recipe, first_comment, recipe_names

    if name is not None:
        typer.echo(yaml.safe_dump(read_recipe(name).model_dump(mode="json"), sort_keys=False, width=120), nl=False)
        return
    for each in recipe_names():
        typer.echo(f"{each:<40}{first_comment(find_recipe(each))}".rstrip())


def export_weights(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.", show_default=False)],
    *,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="File of the weights, `NAME.safetensors`; the card is written beside it.", show_default=False),
    ],
    summary: Annotated[str, typer.Option(help="One line about the weights.", show_default="the network and how far it was trained")] = "",
    training_data: Annotated[str, typer.Option(help="What it was trained on, in words.", show_default="the recipe's `data`")] = "",
    licence: Annotated[str, typer.Option(help="Of the weights.")] = "none given",
    other: Annotated[
        str | None, typer.Option(help="Weights of the same network to mix with, such as those that the run began from.", show_default=False)
    ] = None,
    other_weight: Annotated[float, typer.Option(min=0, max=1, help="Share of those in the mix.")] = 0.5,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
) -> None:
    """Write the averaged weights of a run as a file with a card, for `unblur restore --model NAME.safetensors`."""
    from unblur.training.export import export_weights as export
    from unblur.weights import card_of
    from unblur.weights.run import is_run

    known = card_of(run) if is_run(run) else None
    card = export(
        run,
        output,
        summary=summary or (known.summary if known else ""),
        training_data=training_data or (known.training_data if known else ""),
        licence=licence,
        other=other,
        other_weight=other_weight,
        overwrite=overwrite,
    )
    Console(stderr=True).print(f"[green]done[/] {escape(str(output))}: {escape(card.summary)}", highlight=False, soft_wrap=True)


class _Waiting:
    """Says how many pairs are made while the training waits for them: in the bar, or where there is none, in a line now and then.

    Args:
        bar: of the training.
        task: of the bar.
        name: of the network.
    """

    _EVERY = 30.0  # seconds from one line to the next

    def __init__(self, bar: Progress, task: TaskID, *, name: str) -> None:
        self._bar, self._task, self._name = bar, task, name
        self._said_at = -self._EVERY

    def __call__(self, made: int, wanted: int) -> None:
        text = f"making pairs, {made} of {wanted}"
        self._bar.update(self._task, description=f"{self._name}, {text}")
        if not self._bar.console.is_terminal and time.monotonic() - self._said_at >= self._EVERY:
            self._said_at = time.monotonic()
            self._bar.console.print(text, highlight=False, soft_wrap=True)


def _line(record: dict[str, Any]) -> str:
    """A record in words."""
    if "event" in record:
        return f"step {record['step']}: {record['event']}"
    if "protocol" in record:
        beside = {"psnr": f" (blurry input {record['input_psnr']:.4g})"} if "input_psnr" in record else {}
        left_out = ("step", "protocol", "input_psnr")
        measures = ", ".join(f"{key} {value:.4g}{beside.get(key, '')}" for key, value in record.items() if key not in left_out)
        return f"step {record['step']}: {measures} ({record['protocol']})"
    return f"step {record['step']}: loss {record['loss']:.4f}, gain {record['gain']:+.2f} dB, {record['crops_s']:.1f} crops/s"
