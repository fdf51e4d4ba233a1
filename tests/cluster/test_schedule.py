"""Units on workers that die, hang or end, played by a fake."""

# ruff: noqa: ARG002 - stand-ins take what the real ones take

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unblur.cluster.schedule import ATTEMPTS, Begun, Ended, Frames, GivenUp, Lost, Work, Workers, run


class Named(Work):
    def __init__(self, name):
        self.name = name

    def run(self, say, *, attempt):
        raise AssertionError("the fake does not run it")


class Played(Workers):
    """Plays a script for each attempt of each unit: events, or None for a second in which nothing comes."""

    def __init__(self, scripts, *, room=2):
        self.scripts = {name: deque(attempts) for name, attempts in scripts.items()}
        self.places, self.now = room, 0.0
        self.started, self.killed, self.stopped, self.most = [], [], None, 0
        self.left = {}

    def clock(self):
        return self.now

    def room(self):
        return self.places

    def start(self, work, *, attempt, avoid):
        handle = (work.name, attempt)
        self.started.append((work.name, attempt, set(avoid)))
        self.left[handle] = deque(self.scripts[work.name].popleft())
        return handle

    def events(self, handles, *, seconds):
        self.most = max(self.most, len(handles))
        self.now += seconds
        for handle in handles:
            event = self.left[handle].popleft() if self.left[handle] else None
            if event is not None:
                yield handle, event

    def kill(self, handle):
        self.killed.append(handle)

    def stop(self, handles):
        self.stopped = list(handles)


def ends(result, *, node="a"):
    return [Begun(node, "1"), Ended(result)]


def lost(*, node="a", reason="killed"):
    return [Begun(node, "1"), Lost(reason)]


def played(scripts, *, hang_after=100.0, room=2):
    workers = Played(scripts, room=room)
    events = [(work.name, event) for work, event in run(deque(map(Named, scripts)), workers, hang_after=hang_after, clock=workers.clock)]
    return workers, events


@given(st.integers(1, 12), st.integers(1, 5))
def test_every_unit_ends_once_and_no_more_run_than_there_is_room_for(count, room):
    workers, events = played({str(i): [ends(i)] for i in range(count)}, room=room)
    assert sorted(event.result for _, event in events if isinstance(event, Ended)) == list(range(count))
    assert workers.most <= room
    assert workers.stopped == []


def test_what_is_lost_is_tried_again_elsewhere_and_first():
    workers, events = played({"x": [lost(node="a"), ends("done", node="b")], "y": [ends("y")], "z": [ends("z")]}, room=1)
    assert [started for started in workers.started if started[0] == "x"] == [("x", 1, set()), ("x", 2, {"a"})]
    assert workers.started[1][0] == "x"
    assert ("x", Lost("killed")) in events
    assert ("x", Ended("done")) in events


def test_after_three_attempts_a_unit_is_given_up_and_the_others_go_on():
    reasons = [f"reason {i}" for i in range(ATTEMPTS)]
    workers, events = played({"x": [lost(reason=reason) for reason in reasons], "y": [ends("y")]})
    assert [event for name, event in events if name == "x"][-1] == GivenUp(tuple(reasons))
    assert ("y", Ended("y")) in events
    assert len([started for started in workers.started if started[0] == "x"]) == ATTEMPTS == 3


def test_what_reports_nothing_for_too_long_is_killed_and_tried_again():
    silent = [Begun("a", "1"), *[None] * 50, Ended("too late")]
    workers, events = played({"x": [silent, ends("in time")]}, hang_after=10.0)
    assert workers.killed == [("x", 1)]
    assert [event.result for _, event in events if isinstance(event, Ended)] == ["in time"]


def test_frames_and_waiting_for_a_worker_are_no_hanging():
    slow = [None] * 30 + [Begun("a", "1")]
    for done in range(5):
        slow += [*[None] * 8, Frames(done, 5)]
    workers, events = played({"x": [[*slow, Ended("done")]]}, hang_after=10.0)
    assert workers.killed == []
    assert events[-1] == ("x", Ended("done"))


def test_who_ends_the_iteration_stops_the_workers():
    workers = Played({"x": [[Begun("a", "1"), Frames(1, 2), Ended(1)]], "y": [ends(2)]}, room=1)
    events = run(deque(map(Named, "xy")), workers, hang_after=100.0, clock=workers.clock)
    next(events)
    events.close()
    assert workers.stopped == [("x", 1)]
    assert [started[0] for started in workers.started] == ["x"]


def test_an_error_stops_the_workers_and_is_raised():
    class Broken(Played):
        def events(self, handles, *, seconds):
            raise ValueError("another version")

    workers = Broken({"x": [ends(1)]})
    with pytest.raises(ValueError, match="another version"):
        list(run(deque([Named("x")]), workers, hang_after=1.0))
    assert workers.stopped == [("x", 1)]


def test_work_may_be_added_while_others_run():
    workers = Played({"x": [ends("x")], "y": [ends("y")]})
    works = deque([Named("x")])
    seen = []
    for work, event in run(works, workers, hang_after=100.0, clock=workers.clock):
        if isinstance(event, Ended):
            seen.append(event.result)
            if work.name == "x":
                works.append(Named("y"))
    assert seen == ["x", "y"]
