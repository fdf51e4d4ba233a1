"""`unblur export`: a network as a file of ONNX or OpenVINO. Thin, as all of the command line."""

import re
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from unblur.app.choices import NETWORK_HELP

__all__ = ["export"]


def export(
    model: Annotated[
        str,
        typer.Argument(
            help="Built-in or pulled weights (see `unblur models`), a `.safetensors` file, or the folder of a run.", show_default=False
        ),
    ],
    *,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", help="The `.onnx` file, or `.xml` for OpenVINO, beside which a `.bin` is written.", show_default=False
        ),
    ],
    size: Annotated[
        str,
        typer.Option(
            help="Of the pictures that it will take, HEIGHTxWIDTH in pixels, or `dynamic` for any; not all networks can be exported so."
        ),
    ] = "dynamic",
    opset: Annotated[int, typer.Option(help="Version of ONNX's operators, 18 or later.")] = 20,
    network: Annotated[str | None, typer.Option(metavar="PATH", help=NETWORK_HELP, show_default=False)] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
) -> None:
    """Write a network as a file of ONNX or OpenVINO, after comparing it with torch on two inputs. Needs the extra `export`.

    It takes one picture, or one window of frames, in single precision; tiles, several scales and temporal fusion are not in it.
    """
    from unblur.export.files import export_network
    from unblur.restore.load import load_network
    from unblur.weights import card_of

    shape = _size(size)
    net = load_network(model, device="cpu", precision="fp32", network=network).net
    card = card_of(model)
    about = {"weights": card.name, "sha256": card.sha256, "licence": card.licence, "training data": card.training_data}
    console = Console(stderr=True)
    with console.status("exporting"):
        done = export_network(net, output, size=shape, opset=opset, about=about, overwrite=overwrite)
    own = (
        f"; torch's own result changes by up to {done.own_change:.1g} with the input by half a level of 16 bits" if done.own_change else ""
    )
    console.print(
        f"[green]done[/] {escape(model)} → {escape(str(done.path))} ({done.megabytes:.1f} MB); largest difference from torch "
        f"{done.difference:.1g}, of values in \\[0, 1]{own}",
        highlight=False,
        soft_wrap=True,
    )


def _size(text: str) -> tuple[int, int] | None:
    if text == "dynamic":
        return None
    sides = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text)
    if sides is None:
        raise typer.BadParameter(f"`{text}` is neither `dynamic` nor a height and width such as `720x1280`", param_hint="--size")
    return int(sides[1]), int(sides[2])
