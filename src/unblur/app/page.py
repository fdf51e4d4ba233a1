"""`unblur page`: two photos with a slider between them, in one HTML file. Thin, as all of the command line."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

__all__ = ["page"]


def page(
    before: Annotated[Path, typer.Argument(metavar="BEFORE", help="The photo on the left.", show_default=False)],
    after: Annotated[Path, typer.Argument(metavar="AFTER", help="The photo on the right, of the same size.", show_default=False)],
    *,
    output: Annotated[Path, typer.Option("--output", "-o", help="The `.html` file.", show_default=False)],
    title: Annotated[str | None, typer.Option(help="Of the page.", show_default="the names of the photos")] = None,
    label_before: Annotated[str, typer.Option(help="Name of the photo on the left.")] = "before",
    label_after: Annotated[str, typer.Option(help="Name of the photo on the right.")] = "after",
    file_quality: Annotated[int, typer.Option(min=1, max=100, help="Of the two JPEGs in the page.")] = 92,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a page that exists.")] = False,
) -> None:
    """Write a page with a slider between two photos: one file, which needs no network.

    The photos are stored in it as JPEG, upright, with their colour profile and without EXIF, so that no place or name goes along.
    """
    from unblur.app.web.compare import page_of, read_pair
    from unblur.errors import OutputError
    from unblur.io.whole import written_whole

    if output.suffix.lower() not in (".html", ".htm"):
        raise OutputError(f"`{output}` must end in .html")
    images = read_pair(before, after)
    text = page_of(*images, labels=(label_before, label_after), title=title or f"{before.name}, {after.name}", quality=file_quality)
    with written_whole(output, overwrite=overwrite, inputs=(before, after)) as partial:
        partial.write_text(text, encoding="utf-8")
    megabytes = output.stat().st_size / 1e6
    Console(stderr=True).print(f"[green]done[/] {escape(str(output))} ({megabytes:.1f} MB)", highlight=False, soft_wrap=True)
