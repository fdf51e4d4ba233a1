"""The frames of a clip through a network that looks at several of them, with little memory and none lost when it runs out.

A restored frame comes some frames after its blurry one went in (`Stream`): until then the frame waits, with its time and all
else that belongs to it. The frames that the next windows still need are kept, so that a stream that ran out of memory can be
begun again there with smaller tiles.
"""

import time
from collections import deque
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from unblur.io.video import Frame
from unblur.models.base import Net
from unblur.models.cascade import CascadeNet
from unblur.models.recurrent import RecurrentNet
from unblur.models.video import VideoNet
from unblur.pixels import to_pixels, to_tensor
from unblur.restore.cuts import CutDetector
from unblur.restore.executor import bytes_per_pixel, mixed_safely, within_memory
from unblur.restore.precision import Setup
from unblur.restore.stream import Stream
from unblur.restore.tiles import BAND, best_core

__all__ = ["ClipRestorer", "Done"]

Done = list[tuple[Frame, NDArray[Any]]]
"""Frames with their restored pixels."""

_SIDE = 128  # pixels of the frame on which features are measured, at least
_SHARE_HELD = 0.5  # of the budget that features may take while they wait


class ClipRestorer:
    """Restores the frames of one clip in order; the fail-safe and `strength` work on each frame by itself.

    Where memory runs out, the stream is begun again with tiles of half the size, from the earliest frame that the next result
    needs: what comes out is what it would have been with such tiles from the start. Only the state of a recurrent network
    begins anew there, as early as in a window of `num_frames`.

    Args:
        net: a network of several frames, on its device.
        setup: device and precision.
        strength: above 0 and up to 1, the share of the network's result.
        tile: largest side of a tile's core in pixels, or None to choose by `budget`.
        smallest: smallest side of a core that is tried.
        halo: context around a core in pixels, without the band in which tiles overlap.
        budget: bytes that a tile and what waits for the next windows may take.

    Attributes:
        kept_input: sum over the frames of the share of the area where the fail-safe kept the input.
        network_seconds: how long the network and the fail-safe have worked.
    """

    def __init__(self, net: Net, *, setup: Setup, strength: float, tile: int | None, smallest: int, halo: int, budget: float) -> None:
        self.kept_input = 0.0
        self.network_seconds = 0.0
        self._net, self._setup, self._strength = net, setup, strength
        self._core = None if tile is None else (tile, tile)
        self._smallest, self._halo, self._budget = smallest, halo, budget
        self._reuse = True
        self._stream: Stream | None = None
        self._cuts = CutDetector()
        delay = Stream(net, setup=setup).delay
        self._seen: deque[Tensor] = deque(maxlen=net.num_frames // 2 + delay + 1)  # of this shot, that results to come need
        self._waiting: deque[Frame] = deque()  # the last ones of them

    def push(self, frame: Frame) -> Done:
        """Take the next frame; gives those restored by now, in order, each with its pixels."""
        blurry = to_tensor(frame.pixels)[0]
        done = self.finish() if self._cuts.cuts(blurry) else []
        self._seen.append(blurry)
        self._waiting.append(frame)
        return done + self._advance(ends=False)

    def finish(self) -> Done:
        """End the shot: the frames that waited for others after them."""
        done = self._advance(ends=True) if self._waiting else []
        self._seen.clear()
        return done

    def _advance(self, *, ends: bool) -> Done:
        return within_memory(lambda: self._try_to_advance(ends=ends), shrink=self._shrink, net=self._net, setup=self._setup)

    def _try_to_advance(self, *, ends: bool) -> Done:
        since = time.monotonic()
        if self._stream is None:
            self._stream = self._begin()
            restored = [image for blurry in self._seen for image in self._stream.push(blurry)]
            given = len(self._seen) - len(self._waiting)
        else:
            restored, given = [] if ends else self._stream.push(self._seen[-1]), 0
        restored = [*restored, *(self._stream.finish() if ends else ())][given:]
        done: Done = []
        kept = 0.0
        first = len(self._seen) - len(self._waiting)
        for i, image in enumerate(restored):
            frame, blurry = self._waiting[i], self._seen[first + i].to(image.device)
            mixed = mixed_safely(blurry, image, strength=self._strength)
            kept += mixed.kept
            done.append((frame, to_pixels(mixed.restored, frame.pixels.dtype)))
        for _ in done:  # only now that nothing can run out of memory any more
            self._waiting.popleft()
        self.kept_input += kept
        self.network_seconds += time.monotonic() - since
        return done

    def _begin(self) -> Stream:
        height, width = self._seen[-1].shape[-2:]
        if self._core is None:
            self._core = self._core_by_memory(height, width)
        self._core = min(self._core[0], height), min(self._core[1], width)
        return Stream(self._net, setup=self._setup, tile=self._core, halo=self._halo, is_cut=lambda _: False, reuse=self._reuse)

    def _shrink(self) -> bool:
        """Begin again with less memory: smaller tiles, and at last nothing that waits; false if there is nothing left to save."""
        self._stream = None
        core = self._core or (0, 0)
        if self._core is None or max(core) > self._smallest:
            side = max(max(core) // 2, self._smallest)
            self._core = min(core[0], side) or side, min(core[1], side) or side
        elif self._reuse and not isinstance(self._net, RecurrentNet):  # which lives on its state
            self._reuse = False
        else:
            return False
        return True

    def _core_by_memory(self, height: int, width: int) -> tuple[int, int]:
        """The largest core for the budget; also decides whether features may wait, which takes memory for the whole picture."""
        per_pixel = bytes_per_pixel(self._net, self._setup)
        held = self._held_per_pixel() * height * width
        self._reuse = held <= _SHARE_HELD * self._budget or isinstance(self._net, RecurrentNet)
        pixels = (self._budget - (held if self._reuse else 0)) / per_pixel
        halo = self._halo + BAND + self._net.size_multiple  # as tiles begin and end at multiples
        return best_core(height, width, pixels=pixels, halo=halo, smallest=self._smallest, largest=float("inf"))

    def _held_per_pixel(self) -> float:
        """Bytes of the features that wait for the next windows, for each pixel of the picture."""
        nets = [self._net.net] * self._net.num_stages if isinstance(self._net, CascadeNet) else [self._net]
        height, width = self._net.fit_size(_SIDE, _SIDE)
        frame = torch.zeros(1, 3, height, width, device=self._setup.device)
        with self._setup.computing(height * width):
            held = sum(net.num_frames * sum(feat.nbytes for feat in net.features(frame)) for net in nets if isinstance(net, VideoNet))
        return self._setup.self_ensemble * held / (height * width)
