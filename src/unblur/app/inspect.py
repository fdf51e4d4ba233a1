"""`unblur inspect`: draw what a network saw and did. Thin, as all of the command line."""

from math import prod
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from unblur.app.choices import NETWORK_HELP, WEIGHTS_HELP, Quality

__all__ = ["inspect"]


def inspect(
    source: Annotated[
        Path,
        typer.Argument(metavar="SOURCE", help="A photo, a video, or a folder of numbered pictures, its frames.", show_default=False),
    ],
    *,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the pictures.", show_default=False)],
    frame: Annotated[int | None, typer.Option(min=0, help="Of a clip: place of the frame, from 0.", show_default=False)] = None,
    model: Annotated[
        str,
        typer.Option(
            help="Built-in weights (see `unblur models`) or a `.safetensors` file; `auto` takes those that `unblur restore` takes."
        ),
    ] = "auto",
    quality: Annotated[Quality, typer.Option(help="Of the built-in weights, as for `unblur restore`.")] = Quality.best,
    weights: Annotated[Path | None, typer.Option(help=WEIGHTS_HELP, show_default=False)] = None,
    network: Annotated[str | None, typer.Option(help=NETWORK_HELP, show_default=False)] = None,
    side: Annotated[int, typer.Option(min=64, help="Longest side of the middle of the frame that is drawn, pixels.")] = 640,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace pictures that exist.")] = False,
) -> None:
    """Draw what a network sees and does with a photo or at a frame: window, flow, offsets, masks, alignment, before and after."""
    from unblur.io.image import size_of
    from unblur.io.kind import kind_of
    from unblur.restore.inspect import inspect_frame
    from unblur.restore.networks import Networks, Request

    if model != "auto" and weights is not None:
        raise typer.BadParameter("it names another network than `--model`; leave out one of them", param_hint="--weights")
    photo = kind_of(source) == "photo"
    if frame is None and not photo:
        raise typer.BadParameter(f"`{source}` is a clip; say which of its frames, such as `--frame 0`", param_hint="--frame")
    console = Console(stderr=True)
    networks = Networks(Request(model, weights, quality.value, network=network))
    with console.status("looking"):
        choice = networks.choice_for_photo(prod(size_of(source)), scale=None) if photo else None
        deblurrer = networks.for_kind("video") if choice is None else networks.for_photo(choice)
        drawings = inspect_frame(
            source,
            output,
            net=deblurrer.net,
            setup=deblurrer.setup,
            frame=frame or 0,
            scale=1.0 if choice is None else choice.scale,
            longest_side=side,
            overwrite=overwrite,
        )
    if choice is not None and choice.note():
        console.print(escape(choice.note()), highlight=False, soft_wrap=True)
    for drawing in drawings:
        console.print(f"[green]{escape(str(output / drawing.name))}.png[/] {escape(drawing.caption)}", highlight=False, soft_wrap=True)
