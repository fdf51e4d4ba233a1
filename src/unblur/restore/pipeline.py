"""Reading, restoring and writing at the same time, with a bounded number of frames in between."""

import threading
from collections.abc import Callable, Iterable
from queue import Empty, Full, Queue
from typing import Generic, TypeVar

__all__ = ["overlapped"]

In = TypeVar("In")
Out = TypeVar("Out")
Item = TypeVar("Item")

_PATIENCE = 0.1  # seconds between two looks at whether the others have stopped


class _Stopped(Exception):  # noqa: N818
    """Another part of the pipeline has ended early."""


class _Line(Generic[Item]):
    """A bounded queue that ends, and whose users stop waiting when the pipeline stops."""

    def __init__(self, depth: int, stop: threading.Event) -> None:
        self._queue: Queue[tuple[Item] | None] = Queue(depth)
        self._stop = stop

    def put(self, item: Item) -> None:
        self._offer((item,))

    def end(self) -> None:
        self._offer(None)

    def _offer(self, entry: tuple[Item] | None) -> None:
        while not self._stop.is_set():
            try:
                return self._queue.put(entry, timeout=_PATIENCE)
            except Full:
                continue
        raise _Stopped

    def __iter__(self) -> "_Line[Item]":
        return self

    def __next__(self) -> Item:
        while not self._stop.is_set():
            try:
                entry = self._queue.get(timeout=_PATIENCE)
            except Empty:
                continue
            if entry is None:
                raise StopIteration
            return entry[0]
        raise _Stopped


def overlapped(source: Iterable[In], work: Callable[[In], Out], sink: Callable[[Out], None], *, depth: int = 3) -> None:
    """Do `sink(work(item))` for each item of `source`, in order, with all three at work at the same time.

    `source` is read in one thread and `sink` called in another; `work` runs in the caller's thread. The first error of
    any of them stops the others and is raised here; when this returns or raises, both threads have ended.

    Args:
        source: items in.
        work: what to do with each.
        sink: takes the results.
        depth: items that may wait on each side of `work`.
    """
    stop = threading.Event()
    errors: list[BaseException] = []
    incoming, outgoing = _Line[In](depth, stop), _Line[Out](depth, stop)

    def run(part: Callable[[], None]) -> None:
        try:
            part()
        except _Stopped:
            pass
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            errors.append(error)
            stop.set()

    def read() -> None:
        for item in source:
            incoming.put(item)
        incoming.end()

    def write() -> None:
        for result in outgoing:
            sink(result)

    threads = [threading.Thread(target=run, args=(part,), name=f"unblur-{part.__name__}", daemon=True) for part in (read, write)]
    try:
        for thread in threads:
            thread.start()
        for item in incoming:
            outgoing.put(work(item))
        outgoing.end()
        threads[1].join()
    except _Stopped:
        pass
    finally:
        stop.set()
        _wait_for(threads)
    if errors:
        raise errors[0]


def _wait_for(threads: Iterable[threading.Thread]) -> None:
    """Wait until all that were started have ended; a signal meanwhile is raised only then, as they use files that its handling closes."""
    interruption: BaseException | None = None
    for thread in threads:
        while thread.is_alive():
            try:
                thread.join()
            except (KeyboardInterrupt, SystemExit) as signal:
                interruption = signal
    if interruption is not None:
        raise interruption
