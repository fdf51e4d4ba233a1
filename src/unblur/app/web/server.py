"""Serves the page: folders for what is temporary, the key, and Gradio's server behind them."""

import errno
import ipaddress
import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from unblur.app.web.guard import Guard
from unblur.errors import InputError, UnblurError

if TYPE_CHECKING:
    from unblur.restore.precision import Device

__all__ = ["INSTALL", "Served", "is_local", "served"]

INSTALL = "`unblur web` needs Gradio: pip install 'unblur[web]'"
LOCAL_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]", "[::1"})
LARGEST = 2 << 30
"""Bytes of one file that is sent through the browser."""


@dataclass(frozen=True)
class Served:
    """A page that is served.

    Attributes:
        url: address of the page, with the key.
        key: secret in the address, without which the page is refused.
        folder: for temporary files; removed when the server ends.
        local: whether files may be named by their paths.
    """

    url: str
    key: str
    folder: Path
    local: bool


def is_local(host: str) -> bool:
    """Whether only this machine reaches a server at this address.

    Example:
        >>> [is_local(host) for host in ("127.0.0.1", "localhost", "0.0.0.0", "192.168.1.7", "example.org")]
        [True, True, False, False, False]
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def port_for(host: str, port: int | None) -> int:
    """The port to listen at: a free one if none is asked for.

    Raises:
        InputError: if it is taken, or this machine has no such address.
    """
    try:
        with socket.create_server((host, port or 0)) as server:
            return int(server.getsockname()[1])
    except OSError as error:
        why = error.strerror or error
        if port is not None and error.errno in (errno.EADDRINUSE, errno.EACCES):
            raise InputError(f"cannot listen at port {port}: {why}; choose another `--port`, or leave it out") from error
        raise InputError(f"this machine cannot be reached at `{host}`: {why}; leave out `--host`, or give 0.0.0.0") from error


@contextmanager
def served(*, host: str = "127.0.0.1", port: int | None = None, device: "Device" = "auto", largest: int = LARGEST) -> Iterator[Served]:
    """Serve the page while the block runs; what is temporary is removed at its end.

    Args:
        host: address to listen at; files are taken by their paths only if that is this machine's own.
        port: to listen at; a free one if None.
        device: where to run.
        largest: bytes of one file that is sent through the browser.

    Raises:
        UnblurError: if Gradio is not installed, or the address or port cannot be used.
    """
    port = port_for(host, port)
    folder = Path(tempfile.mkdtemp(prefix="unblur-web-")).resolve()
    before = {name: os.environ.get(name) for name in ("GRADIO_TEMP_DIR", "GRADIO_ANALYTICS_ENABLED")}
    os.environ["GRADIO_TEMP_DIR"], os.environ["GRADIO_ANALYTICS_ENABLED"] = str(folder / "uploads"), "False"
    try:
        yield from _served(folder, host=host, port=port, device=device, largest=largest)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _served(folder: Path, *, host: str, port: int, device: "Device", largest: int) -> Iterator[Served]:
    try:
        import gradio as gr
        from starlette.middleware import Middleware
    except ImportError as error:
        raise UnblurError(INSTALL) from error
    from unblur.app.web.engine import Engine
    from unblur.app.web.events import Events
    from unblur.app.web.layout import build, head
    from unblur.app.web.sessions import Sessions
    from unblur.app.web.worker import Worker

    local, key = is_local(host), secrets.token_urlsafe(24)
    sessions = Sessions(folder / "sessions", engine=Engine(device), worker=Worker())
    page = build(Events(sessions, local=local), local=local)
    guard = Middleware(Guard, key=key, hosts=LOCAL_NAMES if local else None)
    page.queue(default_concurrency_limit=8, api_open=False)
    try:
        page.launch(
            server_name=host,
            server_port=port,
            prevent_thread_lock=True,
            quiet=True,
            share=False,
            ssr_mode=False,
            mcp_server=False,
            pwa=False,
            enable_monitoring=False,
            run_history=False,
            show_error=True,
            inbrowser=False,
            footer_links=[],
            max_file_size=largest,
            allowed_paths=[str(folder / "sessions")],
            app_kwargs={"middleware": [guard], "docs_url": None, "redoc_url": None, "openapi_url": None},
            head=head(),
            theme=gr.themes.Default(font="system-ui", font_mono="ui-monospace"),
        )
        shown = "localhost" if host == "localhost" else f"[{host}]" if ":" in host else host
        yield Served(f"http://{shown}:{port}/?key={key}", key, folder, local)
    finally:
        page.close(verbose=False)
        sessions.close_all()
