"""A pool that moves along an endless row of synthetic pairs, made by other processes while the network trains.

Pair i of the row is a pure function of the seed and of i. At step s the training draws from the pairs
[first, last) of the pool, which moves on by `new_pairs` pairs a step; so each pair is seen a few times with other crops,
making pairs costs less than training on them, and a run that was stopped finds the same pairs again at the same step.
The pool lies in a file: what was made before a stop is not made twice.
"""

import json
import math
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unblur.errors import OutputError

__all__ = ["PairMaker", "PairPool", "pool_range"]

PairMaker = Callable[[int], Mapping[str, NDArray[Any]]]
"""Makes pair i as named arrays, whose shapes and types never change. Must be picklable."""

Layout = Mapping[str, tuple[tuple[int, ...], str]]
"""Shape and type of each of a pair's arrays."""

_PATIENCE = 2.0  # seconds in which a process ends that was asked to
_TELL_EVERY = 0.5  # seconds

_AHEAD = 256  # slots beyond the pool
_BEHIND = 128  # of these, slots that keep pairs which just left the pool, for readers that are a few steps behind


@dataclass(frozen=True)
class _Files:
    """The pool's arrays, shared between processes through the file system."""

    pairs: dict[str, NDArray[Any]]  # each (slots, ...)
    held: NDArray[np.int64]  # (slots,) number of the pair that each slot holds, -1 for none
    needed: NDArray[np.int64]  # (2,) first pair of the pool and the one after its last

    @classmethod
    def open(cls, folder: Path, *, slots: int, layout: Layout) -> "_Files":
        folder.mkdir(parents=True, exist_ok=True)
        pairs = {name: _array(folder / f"{name}.raw", (slots, *shape), dtype) for name, (shape, dtype) in layout.items()}
        return cls(pairs, _array(folder / "held.raw", (slots,), "int64", fill=-1), _array(folder / "needed.raw", (2,), "int64"))


def _array(path: Path, shape: tuple[int, ...], dtype: str, *, fill: int | None = None) -> NDArray[Any]:
    is_new = not path.exists()
    array = np.memmap(path, dtype=dtype, mode="w+" if is_new else "r+", shape=shape)
    if is_new and fill is not None:
        array[:] = fill
    return array


def pool_range(step: int, *, capacity: int, start: int, new_pairs: float) -> tuple[int, int]:
    """First pair of the pool and the one after its last at `step`."""
    last = start + int(step * new_pairs)
    return max(0, last - capacity), last


class PairPool:
    """Context manager that keeps `workers` processes making pairs and gives out those of the pool.

    Args:
        maker: makes pair i; runs in the workers.
        folder: where the pool's files lie; made if missing, and begun anew if `identity` has changed.
        identity: all that the pairs depend on (seed, ranges, sources), as JSON-like values.
        layout: shape and type of each of a pair's arrays.
        capacity: pairs in the pool when it is full.
        start: pairs in the pool at step 0; training begins when these are made.
        new_pairs: pairs by which the pool moves on each step.
        workers: processes.
        waiting: called now and then, while a pair is waited for that has not been made, with how many pairs of the pool there are and how many
            it has; from the thread that waits.
        part: which of how many trainings side by side this is; they share the folder, and each makes its part of the pairs.
            The first must have opened it before the others do.

    Raises:
        OutputError: if the disk has no room for the pool, whose files take their room only when pairs are written.
    """

    def __init__(
        self,
        maker: PairMaker,
        *,
        folder: Path,
        identity: object,
        layout: Layout,
        capacity: int,
        start: int,
        new_pairs: float,
        workers: int,
        waiting: Callable[[int, int], None] | None = None,
        part: tuple[int, int] = (0, 1),
    ) -> None:
        self._waiting = waiting
        self._capacity, self._start, self._new_pairs = capacity, start, new_pairs
        self._slots = capacity + _AHEAD
        stamp = folder / "identity.json"
        text = json.dumps([identity, dict(layout), self._slots], sort_keys=True)
        if not stamp.exists() or stamp.read_text() != text:
            folder.mkdir(parents=True, exist_ok=True)
            for stale in folder.glob("*.raw"):
                stale.unlink()
            _check_room(folder, slots=self._slots, layout=layout)
            stamp.write_text(text)
        self._files = _Files.open(folder, slots=self._slots, layout=layout)
        spawn = get_context("spawn")
        self._first_worker, self._all_workers = part[0] * workers, part[1] * workers
        self._workers: list[BaseProcess] = [
            spawn.Process(
                target=_work,
                kwargs={
                    "maker": maker,
                    "folder": folder,
                    "slots": self._slots,
                    "layout": layout,
                    "worker": self._first_worker + worker,
                    "workers": self._all_workers,
                },
                daemon=True,
            )
            for worker in range(workers)
        ]
        self._stopped = False
        self.waited = 0.0
        """Seconds that `pair` has waited for the makers so far."""

    def __enter__(self) -> "PairPool":
        self.range(0)
        for worker in self._workers:
            worker.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for worker in self._workers:
            worker.terminate()
        for worker in self._workers:
            worker.join(_PATIENCE)
            if worker.exitcode is None:
                worker.kill()
                worker.join()

    def range(self, step: int) -> tuple[int, int]:
        """First pair of the pool and the one after its last at `step`; lets the makers go on to it."""
        first, last = pool_range(step, capacity=self._capacity, start=self._start, new_pairs=self._new_pairs)
        self._files.needed[:] = first, last
        return first, last

    def stop(self) -> None:
        """Wait no longer for pairs that are being made: for threads that would outlive a training that has ended."""
        self._stopped = True

    def pair(self, index: int) -> dict[str, NDArray[Any]]:
        """The arrays of pair `index`; waits until it has been made.

        Raises:
            RuntimeError: if the process that makes it has died, or after `stop`.
        """
        slot = index % self._slots
        began, reported = time.monotonic(), 0.0
        while self._files.held[slot] != index:
            if self._stopped:
                raise RuntimeError(f"pair {index} has not been made, and is no longer waited for")
            for worker in self._workers:
                if worker.exitcode is not None:
                    raise RuntimeError(f"a process that makes pairs has ended with exit code {worker.exitcode}; its error is above")
            if self._waiting is not None and time.monotonic() - reported >= _TELL_EVERY:
                reported = time.monotonic()
                first, last = (int(bound) for bound in self._files.needed)
                self._waiting(int(((self._files.held >= first) & (self._files.held < last)).sum()), last - first)
            time.sleep(0.005)
        self.waited += time.monotonic() - began
        return {name: array[slot] for name, array in self._files.pairs.items()}


def _check_room(folder: Path, *, slots: int, layout: Layout) -> None:
    needed = slots * sum(np.dtype(dtype).itemsize * math.prod(shape) for shape, dtype in layout.values())
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise OutputError(
            f"the pairs that are made for the training take {needed / 1e9:.1f} GB in `{folder}`, where {free / 1e9:.1f} GB are free; make room, "
            "name another `--out`, or add `--set data.pool=N` with fewer pairs"
        )


def _work(*, maker: PairMaker, folder: Path, slots: int, layout: Layout, worker: int, workers: int) -> None:
    if hasattr(os, "nice"):
        os.nice(10)  # the network has the first claim on the processor
    files = _Files.open(folder, slots=slots, layout=layout)
    parent, index = parent_process(), worker
    while parent is None or parent.is_alive():  # no longer than the training lives
        first, last = files.needed
        if index < first:
            index += workers
        elif index >= min(first + slots, last + _AHEAD) - _BEHIND:
            time.sleep(0.02)
        else:
            slot = index % slots
            if files.held[slot] != index:
                files.held[slot] = -1
                for name, array in maker(index).items():
                    files.pairs[name][slot] = array
                files.held[slot] = index
            index += workers
