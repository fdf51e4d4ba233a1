"""Batches ahead of a training."""

from threading import Event

import pytest

from unblur.training.prefetch import Prefetch


class Waiting:
    """A source that has the first samples; all others never come."""

    def __init__(self):
        self.asked, self.stopped = Event(), Event()

    def batch(self, step, *, slots, order):
        if step == 0:
            return (step, slots, order)
        self.asked.set()
        if not self.stopped.wait(60):
            raise AssertionError("left waiting")
        raise RuntimeError("no longer waited for")

    def stop(self):
        self.stopped.set()


@pytest.mark.parametrize("threads", [1, 2])
def test_a_training_that_ends_does_not_wait_for_the_samples_ahead(threads):
    source = Waiting()
    with Prefetch(source, slots=range(1), threads=threads) as batches:
        assert batches.batch(0, order=0, last=10) == (0, range(1), 0)
        assert source.asked.wait(60)
    assert source.stopped.is_set()
