"""Batches ahead of the training: read and augmented by threads while the network works."""

import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from unblur.training.batch import Batch
from unblur.training.sources import Source

__all__ = ["Prefetch"]


class Prefetch:
    """Context manager that gives the batches of one process, step after step.

    Args:
        source: where they come from.
        slots: places of this process's samples in a step's whole batch.
        threads: how many read at a time; 0 reads when asked.
    """

    def __init__(self, source: Source, *, slots: range, threads: int) -> None:
        self._source, self._slots = source, slots
        self._pool = ThreadPoolExecutor(threads) if threads else None
        self._ahead: deque[tuple[tuple[int, int], Future[Batch]]] = deque()
        self._depth = 2 * threads
        self.waited = 0.0
        """Seconds that `batch` has waited so far."""

    def __enter__(self) -> "Prefetch":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._source.stop()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def batch(self, step: int, *, order: int, last: int) -> Batch:
        """The batch of a step; begins on those after it, up to step `last`."""
        began = time.monotonic()
        if self._pool is None:
            batch = self._source.batch(step, slots=self._slots, order=order)
        else:
            if not self._ahead or self._ahead[0][0] != (step, order):
                for _, future in self._ahead:
                    future.cancel()
                self._ahead.clear()
            following = step + len(self._ahead)
            while following < last and len(self._ahead) <= self._depth:
                future = self._pool.submit(self._source.batch, following, slots=self._slots, order=order)
                self._ahead.append(((following, order), future))
                following += 1
            batch = self._ahead.popleft()[1].result()
        self.waited += time.monotonic() - began
        return batch
