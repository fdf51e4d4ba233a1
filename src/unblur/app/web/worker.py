"""One thread that does the work of all visitors, one task after the other, so that two do not fight for the processor."""

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Stopped", "Task", "Worker"]

_LOG = logging.getLogger(__name__)


class Stopped(Exception):  # noqa: N818 - not an error
    """A visitor has stopped the work; raised inside it."""


@dataclass(frozen=True, eq=False)
class Task:
    """Something to do.

    Attributes:
        owner: who wants it; owners take turns.
        run: does it; says by itself what went wrong.
        urgent: done before all that is not; for what takes a moment.
    """

    owner: str
    run: Callable[[], None]
    urgent: bool = False


class Worker:
    """Runs tasks in a thread of its own, until it is closed."""

    def __init__(self) -> None:
        self._waiting: deque[Task] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._last = ""
        self._busy = False
        self._thread = threading.Thread(target=self._work, name="unblur-web-worker", daemon=True)
        self._thread.start()

    def submit(self, task: Task) -> None:
        """Have a task done."""
        with self._changed:
            self._waiting.append(task)
            self._changed.notify_all()

    def withdraw(self, owner: str) -> None:
        """Forget the tasks of an owner that have not begun."""
        with self._changed:
            self._waiting = deque(task for task in self._waiting if task.owner != owner)

    def wait_idle(self, timeout: float) -> bool:
        """Wait until nothing is left to do; false if that takes longer than so many seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not (self._waiting or self._busy), timeout)

    def close(self, timeout: float = 10.0) -> None:
        """Begin no task any more, and wait for the one at work."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify_all()
        self._thread.join(timeout)

    def _next(self) -> Task | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if self._closed:
                return None
            urgent = [task for task in self._waiting if task.urgent] or list(self._waiting)
            others = [task for task in urgent if task.owner != self._last] or urgent
            self._waiting.remove(others[0])
            self._last, self._busy = others[0].owner, True
            return others[0]

    def _work(self) -> None:
        while (task := self._next()) is not None:
            try:
                task.run()
            except Exception:  # noqa: BLE001 - the thread goes on with the work of others
                _LOG.exception("a task failed")
            del task  # what it holds may be large
            with self._changed:
                self._busy = False
                self._changed.notify_all()
