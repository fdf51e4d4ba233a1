"""What carries work to Ray and events back, with a stand-in for Ray."""

import os
import sys
import threading
import time
from types import SimpleNamespace

import pytest

import unblur
from unblur.cluster import connect, workers
from unblur.cluster.schedule import Begun, Ended, Frames, Lost, Work
from unblur.errors import InputError, UnblurError

ERRORS = ("RayError", "TaskCancelledError", "OutOfMemoryError", "RayTaskError", "NodeDiedError", "WorkerCrashedError")


class StubError(Exception):
    pass


EXCEPTIONS = SimpleNamespace(RayError=StubError, **{name: type(name, (StubError,), {}) for name in ERRORS[1:]})


class Stub:
    """As much of Ray as `RayWorkers` takes."""

    exceptions = EXCEPTIONS
    util = SimpleNamespace(
        scheduling_strategies=SimpleNamespace(NodeAffinitySchedulingStrategy=lambda node, *, soft: (node, soft)),
    )

    def __init__(self, *resources):
        self.alive = [{"NodeID": str(place), "Alive": True, "Resources": each} for place, each in enumerate(resources)]
        self.started = []

    def nodes(self):
        return [*self.alive, {"NodeID": "dead", "Alive": False, "Resources": {"CPU": 64, "memory": 1 << 40}}]

    def remote(self, **how):
        self.how = how
        return lambda _: self.task()

    def task(self, **options):
        return SimpleNamespace(options=self.task, remote=lambda work, attempt: self.started.append((work, attempt, options)))

    def get(self, event):
        if isinstance(event, Exception):
            raise event
        return event


@pytest.fixture
def made(monkeypatch):
    def make(*resources, cpus=1, gpus=True):
        ray = Stub(*resources)
        monkeypatch.setattr(workers, "ray_module", lambda: ray)
        return ray, workers.RayWorkers(cpus=cpus, gpus=gpus)

    return make


GIB = 1 << 30


def test_room_is_counted_by_processors_and_memory(made):
    _, by_cpus = made({"CPU": 4, "memory": 64 * GIB}, {"CPU": 3, "memory": 64 * GIB}, cpus=2)
    assert by_cpus.room() == 3 + 1
    _, by_memory = made({"CPU": 64, "memory": 9 * GIB})
    assert by_memory.room() == 4 + 1


def test_a_node_with_little_memory_has_a_worker_all_the_same(made):
    ray, small = made({"CPU": 2, "memory": GIB})
    assert ray.how["memory"] == GIB
    assert small.room() == 1 + 1


def test_gpus_are_taken_where_there_are_some_unless_the_processor_was_asked_for(made):
    nodes = ({"CPU": 8, "GPU": 2, "memory": 64 * GIB}, {"CPU": 8, "memory": 64 * GIB})
    ray, with_gpus = made(*nodes)
    assert (ray.how["num_gpus"], with_gpus.room()) == (1, 2 + 1)
    ray, without = made(*nodes, gpus=False)
    assert (ray.how["num_gpus"], without.room()) == (0, 16 + 1)


def test_ray_itself_tries_nothing_again(made):
    ray, _ = made({"CPU": 1, "memory": GIB})
    assert ray.how["max_retries"] == 0


def test_another_node_is_asked_for_if_there_is_one(made):
    ray, three = made(*[{"CPU": 1, "memory": 4 * GIB}] * 3)
    three.start("work", attempt=1, avoid=())
    three.start("work", attempt=2, avoid={"0"})
    three.start("work", attempt=3, avoid={"0", "1", "2"})
    wanted = [options.get("scheduling_strategy") for _, _, options in ray.started]
    assert wanted[0] is wanted[2] is None
    assert wanted[1][0] in {"1", "2"}
    assert wanted[1][1] is True


def test_no_node_with_so_many_processors(made):
    with pytest.raises(InputError, match="8 processors"):
        made({"CPU": 4, "memory": 64 * GIB}, cpus=8)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("OutOfMemoryError", "ran out of memory"),
        ("NodeDiedError", "node died"),
        ("WorkerCrashedError", "killed"),
        ("RayError", "StubError of Ray"),
    ],
)
def test_what_ray_says_of_lost_workers(made, error, said):
    _, one = made({"CPU": 1, "memory": GIB})
    event = one._event(iter([getattr(EXCEPTIONS, error)("x")]))
    assert isinstance(event, Lost)
    assert said in event.reason
    assert isinstance(one._event(iter([])), Lost)


def test_a_fault_of_the_program_is_no_loss(made):
    _, one = made({"CPU": 1, "memory": GIB})
    with pytest.raises(UnblurError, match="installed on every node"):
        one._event(iter([EXCEPTIONS.RayTaskError("No module named 'unblur'")]))


def test_another_version_is_refused(made):
    _, one = made({"CPU": 1, "memory": GIB})
    assert one._event(iter([Begun("a", unblur.__version__)])) == Begun("a", unblur.__version__)
    with pytest.raises(InputError, match=r"has unblur 0\.0\.9"):
        one._event(iter([Begun("a", "0.0.9")]))


class Played(Work):
    def __init__(self, steps):
        self.steps = steps

    def run(self, say, *, attempt):
        return self.steps(say, attempt)


def perform(monkeypatch, steps, *, attempt=1):
    context = SimpleNamespace(get_node_id=lambda: "here", get_assigned_resources=lambda: {"CPU": 1.0})
    monkeypatch.setattr(workers, "ray_module", lambda: SimpleNamespace(get_runtime_context=lambda: context))
    return workers.perform(Played(steps), attempt)


def test_events_of_a_unit_come_in_order_and_the_result_last(monkeypatch):
    def steps(say, attempt):
        say(Frames(1, 2))
        say(Frames(2, 2))
        return attempt

    assert list(perform(monkeypatch, steps, attempt=2)) == [Begun("here", unblur.__version__), Frames(1, 2), Frames(2, 2), Ended(2)]


def test_not_every_frame_is_reported(monkeypatch):
    def steps(say, _):
        for done in range(1, 1001):
            say(Frames(done, 1000))

    frames = [event for event in perform(monkeypatch, steps) if isinstance(event, Frames)]
    assert frames[-1] == Frames(1000, 1000)
    assert len(frames) < 500


def test_want_of_memory_is_a_loss_and_any_other_error_is_raised(monkeypatch):
    def full(_say, _attempt):
        raise MemoryError

    def odd(_say, _attempt):
        raise ZeroDivisionError

    assert list(perform(monkeypatch, full))[-1] == Lost("memory ran out")
    with pytest.raises(ZeroDivisionError):
        list(perform(monkeypatch, odd))


def test_who_is_stopped_ends_its_work(monkeypatch):
    ended = threading.Event()

    def steps(say, _):
        try:
            while True:
                say(Frames(1, None))
                time.sleep(0.01)
        finally:
            ended.set()

    events = perform(monkeypatch, steps)
    next(events)
    assert next(events) == Frames(1, None)
    events.close()
    assert ended.is_set()


def test_whether_a_cluster_runs_here(monkeypatch, tmp_path):
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert not connect._is_running()
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    assert connect._is_running()
    monkeypatch.delenv("RAY_ADDRESS")
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "ray_current_cluster").write_text("10.0.0.1:6379")
    assert connect._is_running()


@pytest.mark.parametrize("running", [True, False])
def test_a_cluster_that_is_started_here_is_for_this_machine_alone(monkeypatch, running):
    asked = {}
    stub = SimpleNamespace(is_initialized=lambda: False, init=lambda **how: asked.update(how), shutdown=lambda: asked.update(ended=True))
    monkeypatch.setitem(sys.modules, "ray", stub)
    monkeypatch.setattr(connect, "_is_running", lambda: running)
    monkeypatch.setenv(connect._LOOPBACK, "")
    monkeypatch.delenv(connect._LOOPBACK)  # what is set meanwhile is taken back
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    with connect.connected("auto"):
        assert asked["address"] == ("auto" if running else "local")
        assert ("include_dashboard" in asked) is not running
        assert os.environ.get(connect._LOOPBACK) == (None if running else "0")
    assert asked["ended"]


def test_a_cluster_that_does_not_answer_is_said(monkeypatch):
    def refuse(**_):
        raise ConnectionError("nobody there")

    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(is_initialized=lambda: False, init=refuse))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    with (
        pytest.raises(InputError, match=r"no cluster `10\.0\.0\.1:6379`: nobody there; start one by `ray start --head`"),
        connect.connected("10.0.0.1:6379"),
    ):
        pass
