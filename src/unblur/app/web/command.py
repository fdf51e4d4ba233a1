"""`unblur web`: a page in the browser that restores. Thin, as all of the command line."""

import threading
import webbrowser
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from unblur.app.choices import Device

__all__ = ["web"]


def web(
    *,
    host: Annotated[
        str,
        typer.Option(help="Address to listen at. Another than this machine's own opens the page to others: photos are sent unencrypted."),
    ] = "127.0.0.1",
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Port to listen at.", show_default="a free one")] = None,
    device: Annotated[Device, typer.Option(help="Where to run.")] = Device.auto,
    largest_file: Annotated[float, typer.Option(min=0.001, help="Gigabytes of one file that is sent through the browser, at most.")] = 2.0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in your browser.")] = True,
) -> None:
    """Open a page in the browser to restore photos and clips; it works without a network and reports to nobody."""
    from unblur.app.web.server import is_local, served

    console = Console(stderr=True)
    if not is_local(host):
        console.print(
            f"[bold yellow]warning:[/] with `--host {escape(host)}` everyone who has the address below can use this machine, over a connection "
            "that is not encrypted. Files of this machine cannot be named by their paths then; only uploads are restored.",
            highlight=False,
            soft_wrap=True,
        )
    console.print("starting …", highlight=False)
    try:
        with served(host=host, port=port, device=device.value, largest=round(largest_file * 2**30)) as page:
            console.print(f"The page is at {escape(page.url)}\nIt is gone when you press Ctrl-C.", highlight=False, soft_wrap=True)
            if browser:
                webbrowser.open(page.url)
            threading.Event().wait()
    except KeyboardInterrupt:
        console.print("stopped; what is finished of a clip that was at work is kept, and gone on with next time", highlight=False)
