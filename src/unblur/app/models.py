"""`unblur models verify` and `path`: whether weights are whole, and where they are. Thin, as all of the command line."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

__all__ = ["path", "verify"]


def verify(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="Built-in or pulled weights, or files.", show_default="all that are built in or pulled"),
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object for each.")] = False,
) -> None:
    """Check that weights are those of their cards: the SHA-256, finite values, and names and shapes of the network. The exit code is 1 if some are not."""
    from unblur.weights import names as built_in
    from unblur.weights import pulled_names
    from unblur.weights.verify import verify as check

    console = Console()
    failed = False
    for name in names or [*built_in(), *pulled_names()]:
        found = check(name)
        failed |= bool(found.fault)
        if as_json:
            values = {"name": name, "sound": not found.fault, "fault": found.fault, "sha256": found.sha256, "revision": found.revision}
            typer.echo(json.dumps(values))
        elif found.fault:
            console.print(f"[red]bad[/] {escape(name)}: {escape(found.fault)}", highlight=False, soft_wrap=True)
        else:
            revision = f", revision {escape(found.revision)}" if found.revision else ""
            console.print(f"[green]good[/] {escape(name)}: sha256 {found.sha256}{revision}", highlight=False, soft_wrap=True)
    if failed:
        raise typer.Exit(1)


def path(
    name: Annotated[str | None, typer.Argument(help="Built-in or pulled weights.", show_default="the folder of pulled weights")] = None,
    *,
    card: Annotated[bool, typer.Option("--card", help="The card of the weights instead.")] = False,
) -> None:
    """Print where a file of weights is, or the folder that weights are pulled into, which UNBLUR_WEIGHTS names."""
    from unblur.weights import card_path, store_folder, weights_path

    if name is None:
        found: Path = store_folder()
    else:
        found = card_path(name) if card else weights_path(name)
    typer.echo(found)
