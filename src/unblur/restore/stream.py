"""A clip of any length through a network that looks at several frames, in bounded memory and with nothing computed twice.

The clip is cut into shots where the scene changes. Before its first frame, each shot is taken to show that frame, and after its
last frame that one: windows at its ends are filled with copies, and none reaches across a cut. A stream gives what the
network's `forward` gives for each such window, to the last bit, but it computes the features of a frame once and not once a
window, each stage of a cascade once a frame, and what a repeated frame adds once. A recurrent network carries its state from the
shot's first frame on; that is what it was made for, and more than a window holds: there, the result is that of
`RecurrentNet.unroll`.
"""

import math
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from torch import Tensor

from unblur.errors import InputError
from unblur.models.base import Net
from unblur.models.cascade import CascadeNet
from unblur.models.recurrent import RecurrentNet, State
from unblur.models.video import VideoNet
from unblur.restore.cuts import CutDetector
from unblur.restore.precision import Setup
from unblur.restore.self_ensemble import mean_of_views, to_view
from unblur.restore.tiles import BAND, Pixels, restore_tiled

__all__ = ["Stream"]


class Stream:
    """Restores the frames of one clip in order.

    Frames go in one at a time by `push`, which gives back those that are restored by then; `finish` gives the rest. `restore` does
    both for an iterable. What is held are the frames and features of one window, or a recurrent network's state.

    A picture may be cut into tiles, each of which is then a stream of its own, joined as `restore_tiled` joins them. Tiles bound what
    the network needs while it runs; the features that wait for the next window are those of the whole picture all the same, unless
    `reuse` is false. With flow, offsets or a state, what reaches a pixel has no bound: a tile is then not restored
    exactly as the picture is.

    Args:
        net: the network, on its device; one that takes a single frame may be given, too.
        setup: device, precision and views; each view is a stream of its own.
        tile: largest side of a tile's core in pixels, or its largest height and width, or None for the whole picture.
        halo: context around a core in pixels; the network's receptive radius if None, which flow networks make very large.
        is_cut: called with every frame in order, tells whether a new scene begins with it; a `CutDetector` if None.
        reuse: false computes every window anew: slower, with less memory. A recurrent network then starts without a state at the
            beginning of each window.
    """

    def __init__(
        self,
        net: Net,
        *,
        setup: Setup,
        tile: int | tuple[int, int] | None = None,
        halo: int | None = None,
        is_cut: Callable[[Tensor], bool] | None = None,
        reuse: bool = True,
    ) -> None:
        self.net, self.setup = net, setup
        self._tile = (tile, tile) if isinstance(tile, int) else tile
        self._halo = (net.receptive_radius if halo is None else halo) + BAND
        self._is_cut = CutDetector().cuts if is_cut is None else is_cut
        self._reuse = reuse
        self._shots: list[list[_Shot]] = []  # of each tile, one a view
        self._picture: Pixels | None = None  # the last frame of the shot

    @property
    def delay(self) -> int:
        """Frames by which results may lag behind what was pushed."""
        return sum(stage.radius for stage in _stages(self.net, reuse=self._reuse))

    def restore(self, frames: Iterable[Tensor]) -> Iterator[Tensor]:
        """Restore all frames of a clip; yields as many as it takes, in order, reading at most `delay` ahead."""
        for frame in frames:
            yield from self.push(frame)
        yield from self.finish()

    def push(self, frame: Tensor) -> list[Tensor]:
        """Take the next frame.

        Args:
            frame: (3, H, W), float in [0, 1], on any device. A change of size begins a new shot.

        Returns:
            The frames that are restored by now and were not given back yet, in order; (3, H, W) in fp32, not clamped, on the
            network's device. None, one, or after a cut up to `delay` + 1.

        Raises:
            InputError: if the frame has another shape or type.
        """
        if frame.ndim != 3 or frame.shape[0] != 3 or not frame.is_floating_point() or not frame.numel():
            raise InputError(f"a frame must be a float tensor of shape (3, H, W), got {frame.dtype} of shape {tuple(frame.shape)}")
        cut = self._is_cut(frame)
        picture = np.ascontiguousarray(frame.detach().permute(1, 2, 0).float().cpu().numpy())
        restored = self.finish() if cut or (self._picture is not None and self._picture.shape != picture.shape) else []
        self._picture = picture
        return restored + self._advance(picture, push=True)

    def finish(self) -> list[Tensor]:
        """End the shot: the frames that waited for others after them. What is pushed next begins a new one."""
        if self._picture is None:
            return []
        restored = [image for _ in range(self.delay) for image in self._advance(self._picture, push=False)]
        self._shots, self._picture = [], None
        return restored

    def _advance(self, picture: Pixels, *, push: bool) -> list[Tensor]:
        """Move every tile's shot by one frame: by the one given, or by a copy of the last one."""
        place, waiting = 0, False

        def restore(cut: Pixels) -> Tensor:
            nonlocal place, waiting
            if place == len(self._shots):
                self._shots.append([_Shot(_stages(self.net, reuse=self._reuse)) for _ in range(self.setup.self_ensemble)])
            shots = self._shots[place]
            place += 1
            restored = self._run(shots, cut, push=push)
            waiting = restored is None
            return torch.zeros(3, *cut.shape[:2], device=self.setup.device) if restored is None else restored

        height, width = picture.shape[:2]
        core = (height, width) if self._tile is None else self._tile
        tiled = restore_tiled(picture, restore, core=core, halo=self._halo, multiple=self.net.tile_multiple, fit=self.net.fit_size)
        rows = [rows for _, rows in tiled]
        return [] if waiting else [torch.cat(rows, dim=1)]

    def _run(self, shots: "list[_Shot]", cut: Pixels, *, push: bool) -> Tensor | None:
        frame = torch.from_numpy(np.ascontiguousarray(cut)).permute(2, 0, 1)[None].to(self.setup.device)
        with self.setup.computing(math.prod(cut.shape[:2])):
            restored = [shot.push(to_view(frame, view)) if push else shot.repeat() for view, shot in enumerate(shots)]
            ready = [seen[0].float() for seen in restored if seen is not None]  # of all views or of none
            return mean_of_views(ready) if ready else None


class _Shot:
    """The frames of one shot, or of one tile of it, with copies of the first and last one around them."""

    def __init__(self, stages: "list[_Stage]") -> None:
        self._stages = stages
        self._last: Tensor | None = None

    def push(self, frame: Tensor) -> Tensor | None:
        """Take a frame; gives the restored one that is ready, if any."""
        if self._last is None:
            for _ in range(sum(stage.radius for stage in self._stages)):
                self._feed(frame)
        self._last = frame
        return self._feed(frame)

    def repeat(self) -> Tensor | None:
        """Take a copy of the last frame."""
        assert self._last is not None
        return self._feed(self._last)

    def _feed(self, frame: Tensor) -> Tensor | None:
        passed: Tensor | None = frame
        for stage in self._stages:
            passed = None if passed is None else stage.feed(passed)
        return passed


class _Stage(ABC):
    """Windows of 2 radius + 1 frames, each giving its middle one."""

    def __init__(self, radius: int) -> None:
        self.radius = radius
        self.frames: deque[Tensor] = deque(maxlen=2 * radius + 1)

    def feed(self, frame: Tensor) -> Tensor | None:
        """Take a frame; gives the restored middle of the window, once it is full."""
        self.enter(frame)
        self.frames.append(frame)
        return self.restored() if len(self.frames) == self.frames.maxlen else None

    def enter(self, frame: Tensor) -> None:  # noqa: B027 - most stages have nothing to do here
        """Prepare for a frame that is about to enter the window."""

    @abstractmethod
    def restored(self) -> Tensor: ...


class _WholeWindows(_Stage):
    """Every window by itself, from its frames; nothing is kept for the next one."""

    def __init__(self, net: Net) -> None:
        super().__init__(net.num_frames // 2)
        self._net = net

    def restored(self) -> Tensor:
        return self._net(self.frames[0] if self._net.num_frames == 1 else torch.stack(tuple(self.frames), dim=1))


class _Windows(_Stage):
    """Windows of a video network; features wait for the next ones."""

    def __init__(self, net: VideoNet) -> None:
        super().__init__(net.num_frames // 2)
        self._net = net
        self._feats: deque[tuple[Tensor, ...]] = deque(maxlen=net.num_frames)

    def enter(self, frame: Tensor) -> None:
        repeated = bool(self.frames) and self.frames[-1] is frame
        self._feats.append(self._feats[-1] if repeated else self._net.features(frame))

    def restored(self) -> Tensor:
        return self._net.restore_window(tuple(self.frames), tuple(self._feats))


class _Steps(_Stage):
    """Steps of a recurrent network."""

    def __init__(self, net: RecurrentNet) -> None:
        super().__init__(net.context)
        self._net = net
        self._state: State | None = None

    def restored(self) -> Tensor:
        image, self._state = self._net.step(tuple(self.frames), self._state)
        return image


def _stages(net: Net, *, reuse: bool) -> list[_Stage]:
    if reuse and isinstance(net, VideoNet):
        return [_Windows(net)]
    if reuse and isinstance(net, CascadeNet):
        return [_Windows(net.net) for _ in range(net.num_stages)]
    if reuse and isinstance(net, RecurrentNet):
        return [_Steps(net)]
    return [_WholeWindows(net)]
