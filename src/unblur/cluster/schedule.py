"""Units of work on workers that may die: what is lost is tried again elsewhere, and given up after some attempts.

Nothing here knows what the work is, or what carries it to the workers: `Workers` does, for Ray in `unblur.cluster.workers`.
"""

import contextlib
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

__all__ = ["ATTEMPTS", "Begun", "Ended", "Event", "Frames", "GivenUp", "Lost", "Note", "Say", "Work", "Workers", "run", "unseen_message"]

ATTEMPTS = 3
"""How often a unit is tried before it is given up."""
_POLL = 1.0  # seconds between two checks of which units hang


def unseen_message(place: object, *, what: str) -> str:
    """That a node does not see a file or folder.

    Args:
        place: its path or address.
        what: all that must lie where every node sees it, such as `inputs and results`.
    """
    return f"a node does not see `{place}`: {what} must lie on storage that all nodes have under the same path"


@dataclass(frozen=True)
class Begun:
    """A worker has begun with a unit.

    Attributes:
        node: identity of its node.
        version: of `unblur` there.
    """

    node: str
    version: str


@dataclass(frozen=True)
class Frames:
    """So many frames of a unit are done, of about `total` if that is known."""

    done: int
    total: int | None


@dataclass(frozen=True)
class Note:
    """What the user should know, a sentence."""

    text: str


@dataclass(frozen=True)
class Ended:
    """A unit is done; `result` is what its work has returned."""

    result: Any


@dataclass(frozen=True)
class Lost:
    """An attempt came to no end, through no fault of its unit; `reason` is a clause."""

    reason: str


@dataclass(frozen=True)
class GivenUp:
    """A unit was lost in every attempt.

    Attributes:
        reasons: of each attempt, a clause.
    """

    reasons: tuple[str, ...]


Event = Begun | Frames | Note | Ended | Lost | GivenUp
Say = Callable[[Event], None]
"""Function by which work reports events; raises `KeyboardInterrupt` when the work is to end."""

Handle = TypeVar("Handle")


class Work(ABC):
    """What one unit does. It is pickled, and sent to a worker."""

    @abstractmethod
    def run(self, say: Say, *, attempt: int) -> Any:  # noqa: ANN401 - each has its own result
        """Carry out the work of the unit, and return its result, which can be pickled.

        Args:
            say: reports `Frames` and `Note`.
            attempt: 1 for the first; earlier ones may have done any part of it.

        Raises:
            MemoryError: if memory ran out; the unit is then lost here, and is tried elsewhere.
        """


class Workers(ABC, Generic[Handle]):
    """What carries work to the workers, and their events back."""

    @abstractmethod
    def room(self) -> int:
        """How many units may be handed out at a time, at least 1."""

    @abstractmethod
    def start(self, work: Work, *, attempt: int, avoid: Collection[str]) -> Handle:
        """Hand a unit out, if possible not to the nodes in `avoid`."""

    @abstractmethod
    def events(self, handles: Sequence[Handle], *, seconds: float) -> Iterable[tuple[Handle, Event]]:
        """Wait for events of units, at most so many seconds; gives some that there are."""

    @abstractmethod
    def kill(self, handle: Handle) -> None:
        """End the process that is at work on a unit."""

    @abstractmethod
    def stop(self, handles: Sequence[Handle]) -> None:
        """Ask units to end, and end them if they do not soon."""


@dataclass
class _Unit:
    work: Work
    reasons: list[str] = field(default_factory=list)
    lost_on: set[str] = field(default_factory=set)
    node: str = ""
    alive_at: float | None = None  # when it last reported; None before it has begun

    @property
    def attempt(self) -> int:
        return len(self.reasons) + 1


def run(
    works: deque[Work], workers: Workers[Handle], *, hang_after: float, clock: Callable[[], float] = time.monotonic
) -> Generator[tuple[Work, Event], None, None]:
    """Do all work, and yield what is reported of each; `Ended` or `GivenUp` is the last of a unit.

    When the iteration is ended early, by an error or `close`, the workers are asked to stop.

    Args:
        works: the units, taken from the left when there is room; more may be added meanwhile.
        workers: do the work.
        hang_after: seconds; a unit that has begun and reports nothing for so long is taken to hang, and its worker is killed.
        clock: gives the time in seconds.
    """
    running: dict[Handle, _Unit] = {}
    waiting: deque[_Unit] = deque()  # to be tried again
    try:
        while works or waiting or running:
            while (works or waiting) and len(running) < workers.room():
                unit = waiting.popleft() if waiting else _Unit(works.popleft())
                running[workers.start(unit.work, attempt=unit.attempt, avoid=frozenset(unit.lost_on))] = unit
            for handle, event in workers.events(list(running), seconds=_POLL):
                unit = running[handle]
                unit.alive_at = clock()
                if isinstance(event, Begun):
                    unit.node = event.node
                if isinstance(event, Ended | Lost):
                    del running[handle]
                yield from _after_loss(unit, event.reason, waiting) if isinstance(event, Lost) else [(unit.work, event)]
            for handle, unit in list(running.items()):
                if unit.alive_at is not None and clock() - unit.alive_at > hang_after:
                    workers.kill(handle)
                    del running[handle]
                    yield from _after_loss(unit, f"it reported nothing for {hang_after / 60:g} minutes", waiting)
    finally:
        with contextlib.suppress(KeyboardInterrupt):  # a second one ends the waiting
            workers.stop(list(running))


def _after_loss(unit: _Unit, reason: str, waiting: deque[_Unit]) -> Iterator[tuple[Work, Event]]:
    """Try a unit again before all others, or give it up."""
    unit.reasons.append(reason)
    unit.lost_on.add(unit.node)
    unit.alive_at, unit.node = None, ""
    if len(unit.reasons) >= ATTEMPTS:
        yield unit.work, GivenUp(tuple(unit.reasons))
        return
    waiting.appendleft(unit)
    yield unit.work, Lost(reason)
