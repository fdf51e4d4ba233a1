"""What every network that restores the frames around before the frame itself promises: one network, applied again.

    frames       B_{t-2}  B_{t-1}   B_t    B_{t+1}  B_{t+2}
                     └───────┼───────┘        │        │        three windows of three
    stage 1               I_{t-1}   I_t    I_{t+1}
                             └───────┼───────┘                  one window of three
    stage 2                         R_t

A stream computes each frame of each stage once.
"""

from torch import Tensor

from unblur.layers.check import check_multiple, check_shape
from unblur.models.base import Net
from unblur.models.diagnostic import Diagnostic
from unblur.models.video import VideoNet

__all__ = ["CascadeNet"]


class CascadeNet(Net):
    """A video network that is applied to its own output.

    `forward_scales` returns the middle frame after every stage, the last first, all at full resolution.

    Args:
        net: what is applied in every stage.
        num_stages: how often.

    Attributes:
        num_frames: num_stages (net.num_frames - 1) + 1.

    Shape:
        (B, num_frames, 3, H, W) -> (B, 3, H, W); values in [0, 1], the output not clamped.

    Raises:
        ValueError: if `num_stages` is below 1.
        ShapeError: by `forward`, if the number of frames differs or a side is no multiple of `size_multiple`.
    """

    def __init__(self, *, net: VideoNet, num_stages: int) -> None:
        super().__init__()
        if num_stages < 1:
            raise ValueError(f"num_stages must be at least 1, got {num_stages}")
        self.net = net
        self.num_stages = num_stages
        self.num_frames = num_stages * (net.num_frames - 1) + 1
        self.size_multiple = net.size_multiple
        self.receptive_radius = num_stages * net.receptive_radius
        self.global_context = net.global_context

    def forward(self, blurry: Tensor) -> Tensor:
        return self.forward_scales(blurry)[0]

    def forward_scales(self, blurry: Tensor) -> list[Tensor]:
        check_shape(blurry, ("B", self.num_frames, 3, "H", "W"), name="blurry")
        check_multiple(blurry, self.size_multiple, name="blurry")
        frames = list(blurry.unbind(dim=1))
        span = self.net.num_frames
        restored: list[Tensor] = []
        for _ in range(self.num_stages):
            feats = [self.net.features(frame) for frame in frames]
            windows = range(len(frames) - span + 1)
            frames = [self.net.restore_window(frames[first : first + span], feats[first : first + span]) for first in windows]
            restored.insert(0, frames[len(frames) // 2])
        return restored

    def diagnostics(self, blurry: Tensor) -> list[Diagnostic]:
        """Those of the first stage, for the middle frame, but for what that stage restores."""
        first = (self.num_frames - self.net.num_frames) // 2
        found = self.net.diagnostics(blurry[:, first : first + self.net.num_frames])
        return [diagnostic for diagnostic in found if diagnostic.kind != "restored"]
