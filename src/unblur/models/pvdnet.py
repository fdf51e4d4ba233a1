"""`pvdnet`: a recurrent network that is shown several candidates for each pixel of the frame restored before.

Source: Son, Lee, Lee, Cho, Lee, "Recurrent Video Deblurring with Blur-Invariant Motion Estimation and Pixel Volumes", TOG 2021; sizes by the
authors' program.

    flow: (B_t, B_{t-1}) ─ pixel volume ─ 2 convs 64 ─┐
                R_{t-1} ───┘                          ⊕ ─ conv 64 ─┬─ ↓2 64 ─┬─ ↓2 128 ─┬─ 12 blocks ─ conv ─ + ─ ↑2 ─ + ─ ↑2 ─ + ─ conv ─ + B_t ─ R_t
    B_t, B_{t-1}, B_{t+1} ───────────── 2 convs 32 ───┘            │         │          └─────────────────────┘        │        │
                                                                   │         └─────────────────────────────────────────┘        │
                                                                   └────────────────────────────────────────────────────────────┘

5.13 M parameters, the flow network apart (quoted: 10.5 M with LiteFlowNet's 5.4 M). 14.51 M with PWC-Net.

Differs from the source: the flow is estimated by PWC-Net, as in all networks here, where the authors have LiteFlowNet.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from unblur.layers.blocks import ResBlock, conv, convs, deconv
from unblur.layers.light import luma
from unblur.layers.pixel_volume import pixel_volume
from unblur.models.arguments import DEFAULTS
from unblur.models.base import CENTRE
from unblur.models.diagnostic import Diagnostic
from unblur.models.flow import FlowNet
from unblur.models.pwcnet import flow_network
from unblur.models.recurrent import RecurrentNet, State

__all__ = ["PVDNet", "pvdnet"]


class PVDNet(RecurrentNet):
    """Three frames, and candidates of the frame restored before, give the present one.

    State: R_{t-1} (B, 3, H, W); at the first frame it is the blurry frame before.
    The flow network is fixed: it is trained beforehand, on blurry frames, and no gradient passes through the pixel volume to it. Its parameters
    require none, so that no optimiser has them.
    Decided: pictures are centred to [-0.5, 0.5].

    Args:
        flow: flow network; `ZeroFlow()` for the variant without motion, whose candidates are all the pixel itself.
        width: features at full and half resolution, even; twice as many at a quarter.
        num_blocks: residual blocks at a quarter of the resolution.
        volume_size: side of the square whose motions give candidates, odd.
        memory: as for `RecurrentNet`.
    """

    def __init__(self, *, flow: FlowNet, width: int = 64, num_blocks: int = 12, volume_size: int = 5, memory: int = 2) -> None:
        motion_radius = flow.receptive_radius + volume_size // 2
        super().__init__(memory=memory, context=1, step_radius=_step_radius(num_blocks=num_blocks) + motion_radius)
        self.flow = flow.requires_grad_(requires_grad=False)
        self.volume_size = volume_size
        wide, narrow = 2 * width, width // 2
        self.candidates = convs(volume_size**2, width, width, kernel_size=3)
        self.pictures = convs(9, narrow, narrow, kernel_size=3)
        self.entry = conv(width + narrow, width, kernel_size=5)
        self.to_half = nn.Sequential(conv(width, width, kernel_size=5, stride=2, relu=True), conv(width, width, kernel_size=5))
        self.to_quarter = nn.Sequential(conv(width, wide, kernel_size=5, stride=2, relu=True), convs(wide, wide, kernel_size=5))
        blocks = (ResBlock(width=wide, kernel_size=3, gate=nn.ReLU(inplace=True)) for _ in range(num_blocks))
        self.trunk = nn.Sequential(*blocks, conv(wide, wide, kernel_size=3, relu=True))
        self.from_quarter = deconv(wide, width)
        self.at_half = nn.Sequential(nn.ReLU(), convs(width, width, kernel_size=5))
        self.from_half = deconv(width, width)
        self.at_full = nn.Sequential(nn.ReLU(), convs(width, width, kernel_size=5), conv(width, 3, kernel_size=5))
        self.size_multiple = math.lcm(4, flow.size_multiple)

    def step(self, frames: Sequence[Tensor], state: State | None) -> tuple[Tensor, State]:
        before, frame, after = frames
        (restored_before,) = state or (before,)
        volume = pixel_volume(
            luma(restored_before), self.motion(frame, before), size=self.volume_size, fallback=luma(frame)
        )  # section 4; (B, 25, H, W)
        pictures = self.pictures(torch.cat([frame, before, after], dim=1) - CENTRE)  # (B, 32, H, W)
        full = self.entry(torch.cat([self.candidates(volume - CENTRE), pictures], dim=1))  # (B, 64, H, W)
        half = self.to_half(full)  # (B, 64, H/2, W/2)
        quarter = self.to_quarter(half)  # (B, 128, H/4, W/4)
        feat = self.from_quarter(self.trunk(quarter) + quarter) + half  # (B, 64, H/2, W/2)
        feat = self.from_half(self.at_half(feat)) + full  # (B, 64, H, W)
        restored = frame + self.at_full(feat)  # (B, 3, H, W)
        return restored, (restored,)

    def motion(self, frame: Tensor, before: Tensor) -> Tensor:
        """The flow from a blurry frame to the one before it, (B, 2, H, W), without gradients."""
        with torch.no_grad():
            return self.flow(frame, before)

    def diagnostics(self, blurry: Tensor) -> list[Diagnostic]:
        """The flow of the last step."""
        middle = blurry.shape[1] // 2
        flow = self.motion(blurry[:, middle], blurry[:, middle - 1]).float()
        caption = "where what is at a pixel of t lies in the frame before it, full resolution"
        return [Diagnostic(name="flow", kind="flow", caption=caption, rows=({"t to t-1": flow},))]


def pvdnet(
    *,
    width: int = 64,
    num_blocks: int = 12,
    volume_size: int = 5,
    memory: int = 2,
    flow: Mapping[str, object] | None = DEFAULTS,
) -> PVDNet:
    """Build `PVDNet` from plain values.

    Args:
        width: as for `PVDNet`.
        num_blocks: as for `PVDNet`.
        volume_size: as for `PVDNet`.
        memory: as for `PVDNet`.
        flow: arguments of `PWCNet`; None for the variant without motion.
    """
    return PVDNet(flow=flow_network(flow), width=width, num_blocks=num_blocks, volume_size=volume_size, memory=memory)


def _step_radius(*, num_blocks: int) -> int:
    """By resolution on the way down and up: a convolution adds its reach, a 4x4 deconvolution two positions of the finer resolution."""
    return (1 + 1 + 2) + 2 + 2 * (2 + 2) + 4 * (2 + 2 * num_blocks + 1) + 2 * (2 + 2) + 2 + 2 + 2
