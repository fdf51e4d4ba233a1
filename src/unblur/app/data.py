"""`unblur data`: look at data sets, and cut them into crops. Thin, as all of the command line."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

__all__ = ["app"]

DataSet = Annotated[
    str,
    typer.Argument(
        metavar="DIR|LAYOUT:DIR", help="Data set, such as `gopro/train/blur_gamma:DIR`; as for `unblur bench`.", show_default=False
    ),
]

app = typer.Typer(no_args_is_help=True, help="Look at data sets in their published layouts, and cut them into crops.")


@app.callback()
def _group() -> None:
    """Look at data sets in their published layouts, and cut them into crops."""


@app.command()
def check(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder that a data set was unpacked into.", show_default=False)],
    *,
    decode: Annotated[bool, typer.Option("--decode", help="Read every picture to its end: finds those broken off or black.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Say which layout a data set has, count pairs, and name files that are missing, odd or broken."""
    from unblur.data.check import check_data

    report = check_data(folder, decode=decode)
    if as_json:
        parts = [asdict(part) | {"sizes": {f"{w}x{h}": count for (w, h), count in part.sizes.items()}} for part in report.parts]
        typer.echo(json.dumps(asdict(report) | {"parts": parts}, indent=2))
    else:
        console = Console()
        console.print(f"[bold]{report.layout}[/] layout in {escape(str(folder))}", highlight=False, soft_wrap=True)
        table = Table(box=None, padding=(0, 2))
        for heading in ("part", "pairs", "sequences", "published", "sizes"):
            table.add_column(heading)
        for part in report.parts:
            sizes = ", ".join(f"{w}×{h}: {count}" for (w, h), count in sorted(part.sizes.items(), key=lambda each: -each[1])[:4])
            more = f" and {len(part.sizes) - 4} more" if len(part.sizes) > 4 else ""
            table.add_row(part.name, str(part.pairs), str(part.sequences), str(part.published or ""), sizes + more)
        console.print(table, highlight=False)
        for note in report.notes:
            console.print(f"[yellow]note:[/] {escape(note)}", highlight=False, soft_wrap=True)
        for problem in report.problems:
            console.print(f"[red]wrong:[/] {escape(problem)}", highlight=False, soft_wrap=True)
        if not report.problems:
            console.print("[green]all is well[/]", highlight=False)
    if report.problems:
        raise typer.Exit(1)


@app.command()
def prepare(
    data: DataSet,
    *,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="OUT", help="Folder for the crops.", show_default=False)],
    size: Annotated[int, typer.Option(min=16, help="Side of a crop, pixels.")] = 512,
    step: Annotated[
        int | None, typer.Option(min=1, help="From one crop to the next, pixels.", show_default="three quarters of the side")
    ] = None,
) -> None:
    """Cut the pairs of a data set into crops for training, which are read in a fraction of the time; a run that was stopped goes on."""
    from unblur import __version__
    from unblur.app.synth import Bar
    from unblur.bench.datasets import open_data
    from unblur.data.prepare import prepare as cut

    found = open_data(data, parts=("train",))
    with Bar() as bar:
        made = cut(
            found.samples,
            output,
            size=size,
            step=step or max(size * 3 // 4, 1),
            source=found.name,
            version=__version__,
            progress=lambda done, total: bar.tell("cutting", done, total),
        )
    console = Console(stderr=True)
    before = f", {made.there} were there already" if made.there else ""
    console.print(f"[green]done[/] {made.written} crops → {escape(str(output))}{before}", highlight=False, soft_wrap=True)
    if made.too_small:
        console.print(f"  left out: {made.too_small} pictures that are smaller than a crop", highlight=False, soft_wrap=True)
    console.print(
        f"train on them with `--data {escape(str(output))} --set data.layout=gopro --set 'data.choice={{split: train, blur: blur}}'`",
        highlight=False,
        soft_wrap=True,
    )


@app.command()
def distil(
    data: DataSet,
    *,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="OUT", help="Folder for the pairs.", show_default=False)],
    model: Annotated[
        str, typer.Option(help="The network whose restorations are the sharp pictures: built-in weights, or a file.")
    ] = "auto",
    most_psnr: Annotated[float, typer.Option(help="Leave out pairs whose blurry picture is nearer to the truth than that, in dB.")] = 36.0,
) -> None:
    """Make pairs whose sharp picture is what a network restores, to train a smaller network on them; a run that was stopped goes on."""
    from unblur import __version__
    from unblur.app.synth import Bar
    from unblur.bench.datasets import open_data
    from unblur.restore.load import load_network
    from unblur.training.distillation import distil as make
    from unblur.weights import best_for

    found = open_data(data, parts=("train",))
    name = best_for("photo") if model == "auto" else model
    deblurrer = load_network(name)
    with Bar() as bar:
        made = make(
            found.samples,
            output,
            restore=deblurrer.photo,
            most_psnr=most_psnr,
            facts={
                "made_by": f"unblur {__version__} data distil",
                "source": found.name,
                "model": name,
                "network": deblurrer.fingerprint(),
                "most_psnr": most_psnr,
            },
            progress=lambda done, total: bar.tell("restoring", done, total),
        )
    console = Console(stderr=True)
    before = f", {made.there} were there already" if made.there else ""
    console.print(f"[green]done[/] {made.written} pairs → {escape(str(output))}{before}", highlight=False, soft_wrap=True)
    if made.with_truth:
        console.print(f"  {made.with_truth} of them have the truth, to which the restoration is no nearer", highlight=False, soft_wrap=True)
    if made.left_out:
        console.print(f"  left out: {made.left_out} that are nearly sharp", highlight=False, soft_wrap=True)
