"""Results of units that one command needs all of: the first that cannot be done ends it."""

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

from unblur.cluster.connect import connected
from unblur.cluster.schedule import Ended, Frames, GivenUp, Work, run
from unblur.cluster.workers import RayWorkers
from unblur.errors import UnblurError

__all__ = ["HANG_AFTER", "results_of"]

HANG_AFTER = 1800.0
"""Seconds after which a unit that reports nothing is taken to hang."""


def results_of(
    works: Sequence[Work],
    *,
    names: Sequence[str],
    counts: Sequence[int],
    address: str,
    threads: int = 1,
    gpus: bool = True,
    hang_after: float = HANG_AFTER,
    progress: Callable[[int, int], None] | None = None,
) -> list[Any]:
    """Do all work on a cluster, and give its results, in the order of the work.

    Args:
        works: the units; what their work returns is the result, or an `UnblurError` where it cannot be done.
        names: of each unit, for errors.
        counts: what each unit counts for in the progress, of which it has done the share that its `Frames` say.
        address: see `unblur.cluster.connect.connected`.
        threads: processors of each worker.
        gpus: whether each worker takes a GPU, if nodes have some.
        hang_after: seconds after which a unit that reports nothing is tried elsewhere.
        progress: called with how much of all counts is done, and their sum.

    Raises:
        UnblurError: the first of a unit, or if one was lost in every attempt. The others are stopped.
    """
    places = {id(work): place for place, work in enumerate(works)}
    results: list[Any] = [None] * len(works)
    done = [0] * len(works)
    with connected(address):
        workers = RayWorkers(cpus=threads, gpus=gpus)
        with closing(run(deque(works), workers, hang_after=hang_after)) as events:
            for work, event in events:
                place = places[id(work)]
                if isinstance(event, GivenUp):
                    raise UnblurError(f"{names[place]} was lost in every attempt: {'; '.join(event.reasons)}")
                if isinstance(event, Ended):
                    if isinstance(event.result, UnblurError):
                        raise event.result
                    results[place], done[place] = event.result, counts[place]
                elif isinstance(event, Frames) and event.total:
                    done[place] = counts[place] * min(event.done, event.total) // event.total
                if progress is not None and isinstance(event, Ended | Frames):
                    progress(sum(done), sum(counts))
    return results
