"""Workers that are tasks of Ray: one process a unit at a time, reused for the next, on any node that has room.

An attempt is one task that yields its events. Ray itself tries nothing again (`max_retries=0`): `unblur.cluster.schedule` does, since a task that hangs is no
fault to Ray.
"""

import ctypes
import queue
import sys
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import cv2

import unblur
from unblur.cluster.connect import ray_module
from unblur.cluster.schedule import Begun, Ended, Event, Frames, Lost, Work, Workers
from unblur.errors import InputError, UnblurError

__all__ = ["MEMORY", "RayWorkers", "perform"]

MEMORY = 2 << 30
"""Bytes that a worker is taken to need, so that a node with many processors gets no more workers than it has memory for."""

_ENDING = 5.0  # seconds in which units that are stopped may end by themselves
_EVERY = 0.5  # seconds between two reports of progress
_NODES_EVERY = 5.0  # seconds between two counts of the nodes
_M_ARENA_MAX = -8  # of glibc's mallopt
_TICK = 0.2


class RayWorkers(Workers[Any]):
    """Tasks on the cluster to which this process is connected.

    Args:
        cpus: processors of each worker, and threads of its network.
        gpus: whether each worker takes a GPU, if nodes have some.

    Raises:
        InputError: if no node has so many processors.
    """

    def __init__(self, *, cpus: int, gpus: bool = True) -> None:
        self._ray, self._cpus = ray_module(), cpus
        nodes = self._nodes()
        self._gpus = int(gpus and any(node["Resources"].get("GPU", 0) >= 1 for node in nodes))
        self._memory = min(MEMORY, max((node["Resources"].get("memory", 0) for node in nodes), default=0))
        self._counted_at, self._room = -_NODES_EVERY, 0
        if not any(map(self._places, nodes)):
            raise InputError(f"no node of the cluster has {cpus} processors for a worker; take fewer `--threads`")
        how = {"num_returns": "streaming", "max_retries": 0, "num_cpus": cpus, "num_gpus": self._gpus, "memory": self._memory}
        self._task = self._ray.remote(**how)(perform)

    def room(self) -> int:
        if time.monotonic() - self._counted_at >= _NODES_EVERY:
            self._counted_at, self._room = time.monotonic(), sum(map(self._places, self._nodes()))
        return max(self._room, 1) + 1  # one waits, so that no worker does

    def start(self, work: Work, *, attempt: int, avoid: Collection[str]) -> Any:  # noqa: ANN401 - Ray's generator of references
        task = self._task
        others = [node["NodeID"] for node in self._nodes() if node["NodeID"] not in avoid and self._places(node)] if avoid else []
        if others:
            strategies = self._ray.util.scheduling_strategies
            task = task.options(scheduling_strategy=strategies.NodeAffinitySchedulingStrategy(others[attempt % len(others)], soft=True))
        return task.remote(work, attempt)

    def events(self, handles: Sequence[Any], *, seconds: float) -> Iterator[tuple[Any, Event]]:
        ready, _ = self._ray.wait(list(handles), num_returns=1, timeout=seconds)
        for handle in ready:
            yield handle, self._event(handle)

    def kill(self, handle: Any) -> None:  # noqa: ANN401
        self._ray.cancel(handle, force=True)

    def stop(self, handles: Sequence[Any]) -> None:
        for handle in handles:
            self._ray.cancel(handle, force=False)
        until = time.monotonic() + _ENDING
        left = list(handles)
        while left and (seconds := until - time.monotonic()) > 0:
            for handle, event in self.events(left, seconds=seconds):
                if isinstance(event, Ended | Lost):
                    left.remove(handle)
        for handle in left:
            self.kill(handle)

    def _event(self, handle: Any) -> Event:  # noqa: ANN401
        errors = self._ray.exceptions
        try:
            event: Event = self._ray.get(next(handle))
        except StopIteration:
            return Lost("its worker ended without a result")
        except errors.TaskCancelledError:
            return Lost("it was cancelled")
        except errors.OutOfMemoryError:
            return Lost("its worker was killed as its node ran out of memory")
        except errors.RayTaskError as error:
            if isinstance(error, errors.TaskCancelledError):
                return Lost("it was cancelled")
            raise UnblurError(f"a worker cannot do its work: {error}; is `unblur` installed on every node of the cluster?") from error
        except errors.NodeDiedError:
            return Lost("its node died")
        except errors.WorkerCrashedError:
            return Lost("its worker was killed, or crashed")
        except errors.RayError as error:
            return Lost(f"{type(error).__name__} of Ray")
        if isinstance(event, Begun) and event.version != unblur.__version__:
            raise InputError(f"a node of the cluster has unblur {event.version}, and this machine {unblur.__version__}; install the same")
        return event

    def _nodes(self) -> list[dict[str, Any]]:
        return [node for node in self._ray.nodes() if node["Alive"]]

    def _places(self, node: dict[str, Any]) -> int:
        """Workers for which a node has room."""
        has, needs = node["Resources"], {"CPU": self._cpus, "GPU": self._gpus, "memory": self._memory}
        return int(min(has.get(name, 0) // amount for name, amount in needs.items() if amount))


def perform(work: Work, attempt: int) -> Iterator[Event]:
    """Do the work of a unit in a thread, and yield what it reports; runs on a worker."""
    ray = ray_module()
    _share_one_heap()
    cv2.setNumThreads(max(1, int(ray.get_runtime_context().get_assigned_resources().get("CPU", 1))))
    line = _Line()
    yield Begun(ray.get_runtime_context().get_node_id(), unblur.__version__)
    thread = threading.Thread(target=line.do, args=(work, attempt), name="unblur-unit", daemon=True)
    thread.start()
    try:
        yield from line.events()
    except BaseException:
        line.ends.set()
        thread.join(_ENDING)  # what is half written is removed
        raise


class _Line:
    """Queue of events from the thread that works to the thread that reports.

    Attributes:
        ends: set when the work is to end.
    """

    def __init__(self) -> None:
        self.ends = threading.Event()
        self._events: queue.SimpleQueue[Event | BaseException] = queue.SimpleQueue()
        self._said_at = -_EVERY

    def do(self, work: Work, attempt: int) -> None:
        try:
            self._events.put(Ended(work.run(self.say, attempt=attempt)))
        except MemoryError:
            self._events.put(Lost("memory ran out"))
        except BaseException as error:  # noqa: BLE001 - raised again in the other thread
            self._events.put(error)

    def say(self, event: Event) -> None:
        """Report, but not every frame."""
        if self.ends.is_set():
            raise KeyboardInterrupt
        now = time.monotonic()
        if isinstance(event, Frames) and event.done != event.total and now - self._said_at < _EVERY:
            return
        self._said_at = now
        self._events.put(event)

    def events(self) -> Iterator[Event]:
        """All of them; the last ends the unit."""
        while True:
            try:
                event = self._events.get(timeout=_TICK)  # so that a request to end is noticed meanwhile
            except queue.Empty:
                continue
            if isinstance(event, BaseException):
                raise event
            yield event
            if isinstance(event, Ended | Lost):
                return


def _share_one_heap() -> None:
    """Let the C library give all threads memory from one heap.

    A thread's own heap in glibc takes blocks of at most 64 MB and gives the rest back to the kernel, so that what
    `unblur.restore.memory.keep_freed_memory` asks for would not hold there. Elsewhere nothing is done.
    """
    system: str = sys.platform
    if system.startswith("linux"):
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(_M_ARENA_MAX, 1)
