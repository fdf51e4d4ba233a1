"""`unblur bench`, `report`, `ablate` and `published`: measure methods and compare. Thin, as all of the command line."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from unblur.bench.published import Published

__all__ = ["published"]

_FORMATS = {"psnr": ".2f", "ssim": ".4f", "mssim": ".4f", "parameters_m": ".1f", "seconds": ".2f"}


def published(
    *,
    system: Annotated[str | None, typer.Option(help="Rows of this system only, such as `mscnn`.", show_default="all")] = None,
    data: Annotated[str | None, typer.Option(help="Rows of this data set only, such as `GoPro`.", show_default="all")] = None,
    sequences: Annotated[bool, typer.Option("--sequences", help="Also those of single sequences.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the rows as JSON.")] = False,
) -> None:
    """Print results as they were published, with their source and protocol."""
    from unblur.bench.published import find

    rows = find(system=system, data=data, sequences=sequences)
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in rows], indent=2, ensure_ascii=False))
        return
    console = Console()
    for source in dict.fromkeys(row.source for row in rows):
        own = [row for row in rows if row.source == source]
        console.print(f"[bold]{source}[/]: {escape(own[0].citation)}", highlight=False, soft_wrap=True)
        for name in dict.fromkeys(row.table for row in own):
            part = [row for row in own if row.table == name]
            hardware = f"; seconds on {part[0].hardware}" if part[0].hardware else ""
            console.print(f"  {escape(name)}, {part[0].data}. {escape(part[0].protocol + hardware)}", highlight=False, soft_wrap=True)
            console.print(_published_table(part, sequences=sequences), highlight=False)


def _published_table(rows: "list[Published]", *, sequences: bool) -> Table:
    table = Table(box=None, padding=(0, 2))
    measures = list(dict.fromkeys(measure for row in rows for measure in row.values))
    for heading in ("system", "row", *(["sequence"] if sequences else []), *measures):
        table.add_column(heading, justify="right" if heading in measures else "left")
    for row in rows:
        values = [f"{row.values[measure]:{_FORMATS[measure]}}" if measure in row.values else "" for measure in measures]
        table.add_row(row.system, escape(row.row), *([row.sequence or "all"] if sequences else []), *values)
    return table
