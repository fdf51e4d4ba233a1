"""What every network that goes through a clip with a state promises, so that a stream carries the state from frame to frame.

A stream calls `step` once a frame and hands on the state for as long as the shot lasts. `forward` knows one window only: it
starts without a state at the window's beginning and goes through it up to the middle.

    frames      t-2      t-1       t      (t+1, t+2: not read)
                 │        │        │
    state  - ─ step ─── step ─── step ─ (dropped)
                                   │
                                restored
"""

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from unblur.errors import ShapeError
from unblur.layers.check import check_multiple, check_shape
from unblur.models.base import Net

__all__ = ["RecurrentNet", "State"]

State = tuple[Tensor, ...]
"""What a step leaves to the next one; batch is the first dimension of each tensor. Each network says what is in it."""


class RecurrentNet(Net):
    """A restoration network that goes through the frames in the order of time.

    The window of the contract has its reference in the middle, but such a network looks at most `context` frames ahead:
    what comes later in the window changes nothing. That keeps windows, truth and metrics the same for all networks.

    Args:
        memory: steps in a window before that of the middle frame, at least 1.
        context: frames before and after the one being restored that a step sees.
        step_radius: pixels on each side that reach one output pixel in one step.

    Attributes:
        num_frames: 2 (memory + context) + 1.
        receptive_radius: of all steps of a window. In a stream the state is older than a window, and reaches further.

    Shape:
        (B, num_frames, 3, H, W) -> (B, 3, H, W); values in [0, 1], the output not clamped.

    Raises:
        ValueError: if `memory` is below 1: a single step would leave what reads the state untrained.
        ShapeError: by `forward` and `unroll`, if the number of frames differs or a side is no multiple of `size_multiple`.
    """

    def __init__(self, *, memory: int, context: int = 0, step_radius: int) -> None:
        super().__init__()
        if memory < 1:
            raise ValueError(f"memory must be at least 1, got {memory}")
        self.memory = memory
        self.context = context
        self.num_frames = 2 * (memory + context) + 1
        self.receptive_radius = (memory + 1) * step_radius

    def forward(self, blurry: Tensor) -> Tensor:
        check_shape(blurry, ("B", self.num_frames, 3, "H", "W"), name="blurry")
        return self.unroll(blurry[:, : self.num_frames // 2 + self.context + 1])[:, -1]

    def unroll(self, clip: Tensor) -> Tensor:
        """Restore every frame of a clip that has `context` frames on both sides; training compares all of them.

        Shape:
            (B, T, 3, H, W) -> (B, T - 2 context, 3, H, W)
        """
        check_shape(clip, ("B", "T", 3, "H", "W"), name="clip")
        check_multiple(clip, self.size_multiple, name="clip")
        span = 2 * self.context + 1
        if clip.shape[1] < span:
            raise ShapeError(f"clip must have at least {span} frames, got {clip.shape[1]}")
        frames = clip.unbind(dim=1)
        restored: list[Tensor] = []
        state: State | None = None
        for first in range(len(frames) - span + 1):
            image, state = self.step(frames[first : first + span], state)
            restored.append(image)
        return torch.stack(restored, dim=1)

    @abstractmethod
    def step(self, frames: Sequence[Tensor], state: State | None) -> tuple[Tensor, State]:
        """Restore the middle one of 2 context + 1 frames (B, 3, H, W).

        Args:
            frames: in the order of time.
            state: what the step before left; None at the first frame.

        Returns:
            The restored frame (B, 3, H, W) and the state for the next step.
        """
