"""A process that ends within seconds of SIGTERM, whatever it is doing."""

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["ends_soon"]

SECONDS = 5.0
"""Time for removing half-written files after a request to end, seconds; then the process ends without it."""


@contextmanager
def ends_soon(*, seconds: float = SECONDS) -> Iterator[None]:
    """In the block, a process that has not ended so many seconds after SIGTERM is ended.

    Python calls the handler of a signal between two of its own instructions. A step of a large network, or a library that waits, may last minutes
    in between. The interpreter notes at once that a signal came (`signal.set_wakeup_fd`), which a thread waits for here. What is on the disk is
    whole at every moment, so that the next run goes on from it. Does nothing outside the main thread.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard, signalled = socket.socketpair()
    signalled.setblocking(False)  # noqa: FBT003 - its only argument
    before = signal.set_wakeup_fd(signalled.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(heard, seconds), name="unblur-ending", daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        with contextlib.suppress(OSError):
            signalled.close()  # the thread reads the end, and ends


def _watch(heard: socket.socket, seconds: float) -> None:
    with heard:
        while signals := heard.recv(64):
            if signal.SIGTERM in signals:
                time.sleep(seconds)
                os._exit(128 + signal.SIGTERM)
