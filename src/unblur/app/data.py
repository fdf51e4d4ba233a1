"""`unblur data`: look at data sets. Thin, as all of the command line."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Look at data sets in their published layouts.")


@app.callback()
def _group() -> None:
    """Look at data sets in their published layouts."""


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
