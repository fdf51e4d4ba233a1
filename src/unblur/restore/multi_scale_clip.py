"""The frames of a clip, each restored at several sizes and joined (`unblur.restore.multi_scale`).

At each size the clip is a stream of its own, with the motion that it shows there. Results come out of all of them in the order of the frames, but not at
once, as one may see a cut where another does not; they wait for each other.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from unblur.io.video import Frame
from unblur.restore.clip import ClipRestorer, Done
from unblur.restore.multi_scale import Restored, joined, shapes, shrunk

__all__ = ["MultiScaleClip"]


class MultiScaleClip:
    """Takes the frames of one clip in order and gives them back restored, as a `ClipRestorer` does.

    Args:
        restorer: makes one that has seen nothing yet.
        step: see `unblur.restore.multi_scale.shapes`; None for the frames' own size alone.
    """

    def __init__(self, restorer: Callable[[], ClipRestorer], *, step: float | None) -> None:
        self._make, self._step = restorer, step
        self._shape: tuple[int, ...] = ()
        self._sizes: list[_Size] = []  # from the smallest to the frames' own
        self._ended: list[_Size] = []  # of frames of another shape

    @property
    def kept_input(self) -> float:
        """Sum over the frames of the share of the area where the fail-safe kept the input, at their own size."""
        return sum(size.restorer.kept_input for size in (*self._ended, *self._sizes) if size.is_own)

    @property
    def network_seconds(self) -> float:
        """How long the network and the fail-safe have worked."""
        return sum(size.restorer.network_seconds for size in (*self._ended, *self._sizes))

    def push(self, frame: Frame) -> Done:
        """Take the next frame; gives those restored by now, in order, each with its pixels."""
        done: Done = []
        if frame.pixels.shape != self._shape:
            done = self.finish()
            self._ended += self._sizes
            self._shape = frame.pixels.shape
            self._sizes = [
                _Size(self._make(), shape, is_own=shape == self._shape[:2]) for shape in shapes(*self._shape[:2], step=self._step)
            ]
        for size in self._sizes:
            size.push(frame)
        return done + self._ready()

    def finish(self) -> Done:
        """End the shot: the frames that waited for others after them."""
        for size in self._sizes:
            size.finish()
        return self._ready()

    def _ready(self) -> Done:
        done: Done = []
        while self._sizes and all(size.done for size in self._sizes):
            frames, sizes = zip(*(size.done.popleft() for size in self._sizes), strict=True)
            own = frames[-1]
            done.append((own, sizes[0].restored if len(sizes) == 1 else joined(own.pixels, sizes)))
        return done


class _Size:
    """A clip at one size, with what was restored of it and waits for the other sizes."""

    def __init__(self, restorer: ClipRestorer, shape: tuple[int, int], *, is_own: bool) -> None:
        self.restorer, self.shape, self.is_own = restorer, shape, is_own
        self.done: deque[tuple[Frame, Restored]] = deque()

    def push(self, frame: Frame) -> None:
        small: NDArray[Any] = shrunk(frame.pixels, self.shape)
        self._take(self.restorer.push(replace(frame, pixels=small)))

    def finish(self) -> None:
        self._take(self.restorer.finish())

    def _take(self, done: Done) -> None:
        self.done.extend((frame, Restored(frame.pixels, pixels)) for frame, pixels in done)
