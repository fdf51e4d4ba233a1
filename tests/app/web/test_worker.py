"""The thread that works for all visitors."""

import threading

from unblur.app.web.worker import Task, Worker


def held_worker():
    """A worker that waits in its first task until the event is set."""
    worker, begun, go = Worker(), threading.Event(), threading.Event()

    def wait():
        begun.set()
        go.wait()

    worker.submit(Task("held", wait))
    assert begun.wait(10)
    return worker, go


def test_owners_take_turns_and_what_is_urgent_comes_first():
    worker, go = held_worker()
    done = []
    for name in ("a1", "a2", "b1", "a3", "b2"):
        worker.submit(Task(name[0], lambda name=name: done.append(name)))
    worker.submit(Task("c", lambda: done.append("c"), urgent=True))
    go.set()
    assert worker.wait_idle(10)
    assert done == ["c", "a1", "b1", "a2", "b2", "a3"]
    worker.close()


def test_what_is_withdrawn_is_not_done():
    worker, go = held_worker()
    done = []
    for owner in ("a", "b"):
        worker.submit(Task(owner, lambda owner=owner: done.append(owner)))
    worker.withdraw("a")
    go.set()
    assert worker.wait_idle(10)
    assert done == ["b"]
    worker.close()


def test_a_task_that_fails_does_not_end_the_work(caplog):
    worker, done = Worker(), []
    worker.submit(Task("a", lambda: 1 / 0))
    worker.submit(Task("a", lambda: done.append(1)))
    assert worker.wait_idle(10)
    assert done == [1]
    assert "ZeroDivisionError" in caplog.text
    worker.close()


def test_nothing_begins_after_the_end():
    worker, go = held_worker()
    done = []
    worker.submit(Task("a", lambda: done.append(1)))
    threading.Timer(0.05, go.set).start()
    worker.close()
    assert done == []
