"""On how many threads of the processor a network runs: as many as the work is worth and as are free.

Threads of one operator wait for each other at its end. Where another program has a core, the last of them arrives when that program has had its
turn, and a small picture takes many times as long as on one thread. So each thread gets a least number of pixels, and cores on which others
work are left to them.
"""

import contextlib
import math
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from unblur.errors import InputError

__all__ = ["PIXELS_A_THREAD", "Load", "Threads", "running_on"]

PIXELS_A_THREAD = 1 << 16
"""Pixels of a picture for which another thread pays."""

_EVERY = 2.0  # seconds between two looks at what is free
_LEAST = 0.2  # seconds over which the load is known; the system counts in hundredths
_STAT = Path("/proc/stat")
_QUOTA = Path("/sys/fs/cgroup/cpu.max")


@contextlib.contextmanager
def running_on(count: int) -> Iterator[None]:
    """Let torch use `count` threads for what this thread asks of it inside the block."""
    before = torch.get_num_threads()
    if count == before:
        yield
        return
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Threads:
    """Chooses the number of threads, again and again while it works.

    Args:
        most: how many at most, whatever is free; None for as many as are free and torch would take by itself (`OMP_NUM_THREADS`).
        load: what others do on this machine; None to look at it from now on.

    Attributes:
        most: how many it takes at most.

    Raises:
        InputError: if `most` is less than 1.
    """

    def __init__(self, most: int | None = None, *, load: "Load | None" = None) -> None:
        if most is not None and most < 1:
            raise InputError(f"at least 1 thread is needed, got {most}")
        self.most = torch.get_num_threads() if most is None else most
        self._load = load or Load()
        self._free: float = self.most
        self._checks_load = most is None and self.most > 1
        self._looked_at = -math.inf

    def count(self, pixels: int) -> int:
        """Threads for operators on a picture of so many pixels."""
        wanted = min(self.most, max(1, pixels // PIXELS_A_THREAD))
        if wanted == 1 or not self._checks_load:
            return wanted
        if time.monotonic() - self._looked_at >= _EVERY and (free := self._load.free_cores()) is not None:
            self._free, self._looked_at = free, time.monotonic()
        return max(1, min(wanted, round(self._free)))

    def running(self, pixels: int) -> contextlib.AbstractContextManager[None]:
        """Context in which torch uses `count(pixels)` threads."""
        return running_on(self.count(pixels))


@dataclass(frozen=True)
class _Seconds:
    """Clock readings at one moment, seconds; only differences of two readings have a meaning."""

    wall: float
    busy: float  # of all cores that this process may use, in all programs of usual priority
    own: float  # of this process, on all cores


class Load:
    """How busy other programs keep the processor, on average since the last look; known on Linux."""

    def __init__(self) -> None:
        self._last = _now()

    def free_cores(self) -> float | None:
        """Cores that others leave, in fractions; None if that is not known, or the last look was a moment ago.

        Programs that gave way to all others (`nice`) leave theirs.
        """
        now = _now()
        if now is None or self._last is None:
            return None
        passed = now.wall - self._last.wall
        if passed < _LEAST:
            return None
        others = max((now.busy - self._last.busy) - (now.own - self._last.own), 0.0) / passed
        self._last = now
        return min(len(_own_cores()) - others, _quota())


def _now() -> _Seconds | None:
    if not hasattr(os, "sysconf"):
        return None
    try:
        lines = _STAT.read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return None
    cores = {f"cpu{number}" for number in _own_cores()}
    busy = 0
    for name, *counts in (line.split() for line in lines):
        if name in cores:
            user, _, system, _, _, irq, softirq, steal, *_ = map(int, counts)
            busy += user + system + irq + softirq + steal
    times = os.times()
    return _Seconds(time.monotonic(), busy / os.sysconf("SC_CLK_TCK"), times.user + times.system)


def _own_cores() -> set[int]:
    """Numbers of the cores that this process may use."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))


def _quota() -> float:
    """Cores that a container may use in all (Linux, Documentation/admin-guide/cgroup-v2.rst); infinity if there is no limit."""
    try:
        quota, period = _QUOTA.read_text(encoding="ascii").split()
        return math.inf if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return math.inf
