"""The sessions of all visitors, by the names that the browser's window has for the server."""

import contextlib
import secrets
import shutil
import threading
from pathlib import Path

from unblur.app.web.engine import Engine
from unblur.app.web.session import Session
from unblur.app.web.worker import Worker
from unblur.errors import InputError

__all__ = ["MOST_SESSIONS", "Sessions"]

MOST_SESSIONS = 50
"""Windows that may be open at once."""


class Sessions:
    """Opens and closes sessions; their folders have names that nobody can guess.

    Args:
        root: folder in which each has one of its own.
        engine: of all of them.
        worker: of all of them.
    """

    def __init__(self, root: Path, *, engine: Engine, worker: Worker) -> None:
        self._root, self._engine, self._worker = root, engine, worker
        self._open: dict[str, Session] = {}
        self._lock = threading.Lock()

    def of(self, window: str) -> Session:
        """The session of a window, opened at its first word.

        Raises:
            InputError: if too many are open.
        """
        with self._lock:
            if window not in self._open:
                if len(self._open) >= MOST_SESSIONS:
                    raise InputError(f"{MOST_SESSIONS} windows are open already; close one, and load this page again")
                self._open[window] = Session(self._root / secrets.token_urlsafe(24), engine=self._engine, worker=self._worker)
            return self._open[window]

    def close(self, window: str) -> None:
        """Close the session of a window that is gone; what was finished of clips stays."""
        with self._lock:
            session = self._open.pop(window, None)
        if session is not None:
            session.close()

    def close_all(self) -> None:
        """Close all, end the work, and remove their folders."""
        for window in list(self._open):
            self.close(window)
        self._worker.close()
        with contextlib.suppress(OSError):
            shutil.rmtree(self._root)
