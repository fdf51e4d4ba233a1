import math
import os

import numpy as np
import pytest
import torch
from nets import CPU, Identity

from unblur.errors import InputError
from unblur.restore import threads
from unblur.restore.deblurrer import Deblurrer
from unblur.restore.precision import Setup
from unblur.restore.threads import PIXELS_A_THREAD, Load, Threads, running_on

MANY = 100 * PIXELS_A_THREAD


@pytest.fixture
def eight(monkeypatch):
    """Torch that would take eight threads, and notes what it is set to."""
    asked = []
    count = [8]

    def set_num_threads(number):
        asked.append(number)
        count[0] = number

    monkeypatch.setattr(torch, "get_num_threads", lambda: count[0])
    monkeypatch.setattr(torch, "set_num_threads", set_num_threads)
    return asked


class Given(Load):
    """A load that is told."""

    def __init__(self, *free: float | None) -> None:
        self.free = list(free)

    def free_cores(self) -> float | None:
        return self.free.pop(0) if len(self.free) > 1 else self.free[0]


@pytest.mark.usefixtures("eight")
@pytest.mark.parametrize(("pixels", "count"), [(1, 1), (64 * 48, 1), (PIXELS_A_THREAD, 1), (2 * PIXELS_A_THREAD, 2), (MANY, 8)])
def test_threads_by_the_work(pixels, count):
    assert Threads(load=Given(8.0)).count(pixels) == count


@pytest.mark.usefixtures("eight")
@pytest.mark.parametrize(
    ("free", "count"), [(8.0, 8), (7.6, 8), (6.4, 6), (1.0, 1), (0.0, 1), (-1.0, 1), (100.0, 8), (math.inf, 8), (None, 8)]
)
def test_threads_by_what_is_free(free, count):
    if free == math.inf:
        free = 1e9
    assert Threads(load=Given(free)).count(MANY) == count


@pytest.mark.usefixtures("eight")
def test_a_number_that_was_asked_for_is_taken_whatever_is_free():
    assert Threads(3, load=Given(1.0)).count(MANY) == 3
    assert Threads(16, load=Given(1.0)).count(MANY) == 16
    assert Threads(16, load=Given(1.0)).count(64 * 48) == 1


@pytest.mark.usefixtures("eight")
def test_what_is_free_is_looked_at_again_but_not_each_time(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(threads.time, "monotonic", lambda: clock[0])
    chosen = Threads(load=Given(2.0, None, 5.0))
    counts = []
    for moment in (0.0, 0.1, 1.9, 2.0, 2.1):
        clock[0] = moment
        counts.append(chosen.count(MANY))
    assert counts == [2, 2, 2, 2, 5]  # at 2.0 it was not known, and is asked again at once


@pytest.mark.parametrize("number", [0, -1])
def test_less_than_one_thread_is_an_error(number):
    with pytest.raises(InputError, match="at least 1 thread"):
        Threads(number)


def test_torch_gets_its_threads_back(eight):
    with running_on(3), running_on(3):
        assert torch.get_num_threads() == 3
    with pytest.raises(RuntimeError), running_on(2):
        raise RuntimeError
    with running_on(8):
        pass
    assert torch.get_num_threads() == 8
    assert eight == [3, 8, 2, 8]


class Counting(Identity):
    """Notes on how many threads it runs."""

    def __init__(self) -> None:
        super().__init__()
        self.threads = {}

    def change(self, blurry):
        self.threads[tuple(blurry.shape[-2:])] = torch.get_num_threads()
        return blurry


@pytest.mark.usefixtures("eight")
def test_networks_run_on_what_was_chosen():
    net = Counting()
    restorer = Deblurrer(net, setup=Setup(CPU, torch.float32, threads=Threads(load=Given(3.0))), single_scale=True)
    for shape in ((48, 64), (400, 400), (800, 800)):
        restorer.photo(np.zeros((*shape, 3), np.uint8))
        list(restorer.frames([np.zeros((*shape, 3), np.uint8)]))
    assert [net.threads[shape] for shape in ((48, 64), (400, 400), (800, 800))] == [1, 2, 3]
    assert torch.get_num_threads() == 8


STAT = """cpu  0 0 0 0 0 0 0 0 0 0
cpu0 {0} {nice} 0 {idle} 0 0 0 0 0 0
cpu1 {1} 0 0 0 0 0 0 0 0 0
cpu2 {2} 0 0 0 0 0 0 0 0 0
intr 1 2 3
"""


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine of three cores, of which this process may use two; gives what sets its counters, in seconds."""
    clock = {"wall": 0.0, "own": 0.0}
    monkeypatch.setattr(threads, "_STAT", tmp_path / "stat")
    monkeypatch.setattr(threads, "_QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr(threads.time, "monotonic", lambda: clock["wall"])
    monkeypatch.setattr(os, "times", lambda: os.times_result((clock["own"], 0.0, 0.0, 0.0, 0.0)))
    monkeypatch.setattr(os, "sysconf", lambda _: 100, raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)

    def set_to(*busy: float, wall: float = 0.0, own: float = 0.0, nice: float = 0.0) -> None:
        clock.update(wall=wall, own=own)
        ticks = [round(100 * seconds) for seconds in busy]
        (tmp_path / "stat").write_text(STAT.format(*ticks, nice=round(100 * nice), idle=0))

    set_to(5, 5, 5)
    return set_to


@pytest.mark.parametrize(
    ("busy", "own", "nice", "free"),
    [
        ((5, 5, 15), 0, 0, 2.0),  # what happens on a core that is not ours
        ((15, 5, 5), 0, 0, 1.0),
        ((15, 15, 5), 0, 0, 0.0),
        ((15, 15, 5), 20, 0, 2.0),  # it is this process itself
        ((15, 15, 5), 15, 0, 1.5),
        ((5, 5, 5), 0, 10, 2.0),  # a program that gives way
    ],
)
def test_free_cores_are_what_others_leave(machine, busy, own, nice, free):
    load = Load()
    machine(*busy, wall=10.0, own=own, nice=nice)
    assert load.free_cores() == pytest.approx(free)


def test_a_moment_is_too_short_to_know(machine):
    load = Load()
    machine(15, 5, 5, wall=0.1)
    assert load.free_cores() is None
    machine(15, 5, 5, wall=10.0)
    assert load.free_cores() == pytest.approx(1.0)


@pytest.mark.parametrize(("text", "free"), [("max 100000", 2.0), ("50000 100000", 0.5), ("nonsense", 2.0)])
def test_the_limit_of_a_container_holds(machine, tmp_path, text, free):
    (tmp_path / "cpu.max").write_text(text)
    load = Load()
    machine(5, 5, 5, wall=10.0)
    assert load.free_cores() == pytest.approx(free)


def test_other_systems_do_not_say(monkeypatch, tmp_path):
    monkeypatch.setattr(threads, "_STAT", tmp_path / "missing")
    load = Load()
    assert load.free_cores() is None
    assert Threads(load=load).count(MANY) == torch.get_num_threads()
