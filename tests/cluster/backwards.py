"""A stand-in for the workers of a cluster."""

# ruff: noqa: ARG002 - it takes what the real ones take

import pickle

from unblur.cluster.schedule import Begun, Ended, Lost, Workers


class Backwards(Workers):
    """Does the last unit first, in this process, after it was pickled.

    Args:
        losses: attempts that are lost after the work was done.
    """

    def __init__(self, *, losses=0):
        self.losses, self.started = losses, []

    def room(self):
        return 1000

    def start(self, work, *, attempt, avoid):
        self.started.append(work)
        return pickle.dumps((work, attempt, len(self.started)))

    def events(self, handles, *, seconds):
        handle = handles[-1]
        work, attempt, _ = pickle.loads(handle)
        said = [Begun("here", "1")]
        result = work.run(said.append, attempt=attempt)
        self.losses -= 1
        said.append(Lost("killed") if self.losses >= 0 else Ended(result))
        return [(handle, event) for event in said]

    def kill(self, handle):
        raise AssertionError

    def stop(self, handles):
        pass
