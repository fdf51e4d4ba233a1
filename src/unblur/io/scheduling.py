"""How the operating system shares the processor among this process and all others."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["THREADS", "scheduling_kept"]

THREADS = Path("/proc/self/task")
"""Where Linux lists the threads of a process."""


@contextlib.contextmanager
def scheduling_kept() -> Iterator[None]:
    """Give all threads the scheduling policy that the calling one had before.

    SVT-AV1 makes its threads and the calling one real-time threads of the highest priority where it may, which is so for root, as in many
    containers: nothing else on the machine would run any more while a clip is restored. To be put around what opens an encoder.
    """
    if not hasattr(os, "sched_setscheduler"):  # elsewhere than on Linux
        yield
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        if os.sched_getscheduler(0) != policy:
            for thread in [0, *(int(each.name) for each in THREADS.glob("*"))]:  # the calling one, and all where Linux lists them
                with contextlib.suppress(ProcessLookupError):  # one that has ended
                    os.sched_setscheduler(thread, policy, parameters)
