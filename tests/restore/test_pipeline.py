import itertools
import threading
import time

import pytest

from unblur.restore.pipeline import overlapped


def threads_of_the_pipeline() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("unblur-")]


@pytest.mark.parametrize("count", [0, 1, 2, 50])
@pytest.mark.parametrize("depth", [1, 3])
def test_order_is_kept_and_nothing_lost(count, depth):
    results = []
    overlapped(range(count), lambda item: 10 * item, results.append, depth=depth)
    assert results == [10 * i for i in range(count)]
    assert not threads_of_the_pipeline()


def test_all_three_are_at_work_at_the_same_time():
    together = threading.Barrier(3, timeout=30)

    def source():
        for i in range(5):
            if i == 2:
                together.wait()
            yield i

    def work(item):
        if item == 1:
            together.wait()
        return item

    def sink(item):
        if item == 0:
            together.wait()

    overlapped(source(), work, sink)  # would never end if one waited for another


def test_work_runs_in_the_callers_thread():
    names = []
    overlapped([1], lambda item: names.append(threading.current_thread()) or item, lambda _: None)
    assert names == [threading.current_thread()]


@pytest.mark.parametrize("depth", [1, 4])
def test_frames_in_between_are_bounded(depth):
    read, written, ahead = 0, 0, []

    def source():
        nonlocal read
        for i in range(40):
            read += 1
            ahead.append(read - written)
            yield i

    def sink(_item):
        nonlocal written
        time.sleep(0.003)
        written += 1

    overlapped(source(), lambda item: item, sink, depth=depth)
    most = 2 * depth + 3  # waiting on both sides, and one in each hand
    assert depth < max(ahead) <= most


@pytest.mark.parametrize("part", ["source", "work", "sink"])
@pytest.mark.parametrize("at", [0, 7])
@pytest.mark.parametrize("error", [ValueError("broken"), KeyboardInterrupt()])
def test_an_error_of_each_part_ends_all(part, at, error):
    def breaks(name, item):
        if name == part and item == at:
            raise error
        return item

    written = []
    with pytest.raises(type(error)) as raised:
        overlapped(
            (breaks("source", i) for i in itertools.count()),  # endless: only the error can end it
            lambda item: breaks("work", item),
            lambda item: written.append(breaks("sink", item)),
            depth=2,
        )
    assert raised.value is error
    assert written == list(range(len(written)))
    assert len(written) <= at
    assert not threads_of_the_pipeline()


def test_an_error_at_the_last_item_is_not_lost():
    def sink(item):
        if item == 9:
            raise OSError("disk full")

    for depth in (1, 20):
        with pytest.raises(OSError, match="disk full"):
            overlapped(range(10), lambda item: item, sink, depth=depth)


def test_an_error_after_the_last_item_is_not_lost():
    def source():
        yield 1
        raise ValueError("broken off")

    with pytest.raises(ValueError, match="broken off"):
        overlapped(source(), lambda item: item, lambda _: None)


@pytest.mark.parametrize("number", [1, 2])
def test_no_thread_outlives_a_signal_between_two_starts(monkeypatch, number):
    """Threads that still read or write files which the caller closes crash the process."""
    start, started = threading.Thread.start, itertools.count(1)

    def interrupted(thread):
        start(thread)
        if next(started) == number:
            raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        overlapped(itertools.count(), lambda item: item, lambda _: None)
    assert not threads_of_the_pipeline()


@pytest.mark.parametrize("times", [1, 3])
def test_no_thread_outlives_signals_while_it_is_waited_for(monkeypatch, times):
    """Who is impatient gives Ctrl-C again."""
    join, left = threading.Thread.join, [times]
    busy = threading.Event()

    def interrupted(thread, timeout=None):
        if left[0]:
            left[0] -= 1
            raise KeyboardInterrupt
        busy.set()
        join(thread, timeout)

    def sink(_item):
        busy.wait(10)

    def work(item):
        if item == 2:
            raise ZeroDivisionError
        return item

    monkeypatch.setattr(threading.Thread, "join", interrupted)
    with pytest.raises(KeyboardInterrupt):
        overlapped(range(5), work, sink)
    assert not threads_of_the_pipeline()
