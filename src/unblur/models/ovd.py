"""`ovd`: online video deblurring, a recurrent network that blends its features with those of the frame before.

Source: Kim, Lee, Schölkopf, Hirsch, "Online Video Deblurring via Dynamic Temporal Blending Network", ICCV 2017: STRCNN + DTB.

    B_{t-2} ... B_{t+2} ─ conv5 64 ─ ↓2 32 ─ ⊕ ─ 4 blocks ─ h ─ blend ─ h̃_t ─ 4 blocks ─┬─ ↑2 ─ conv ─ R_t
                                    F_{t-1} ─┘                  │                       └─ conv 32 ─ F_t
                                                             h̃_{t-1}
    blend: w = min(1, |tanh(conv5(h ⊕ h̃_{t-1}))| + β),  h̃_t = w h + (1 - w) h̃_{t-1}

0.92 M parameters (quoted by later papers: 0.93 M, whose blocks are normalised). Published as measured by the documents that the
project follows: DVD 29.95 dB / 0.8692.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from unblur.layers.blocks import conv, deconv, res_blocks
from unblur.models.base import CENTRE
from unblur.models.diagnostic import Diagnostic, recorded_calls, restored_diagnostic
from unblur.models.recurrent import RecurrentNet, State

__all__ = ["OVD", "KeepPresent", "TemporalBlending"]

KERNEL = 3


class OVD(RecurrentNet):
    """Five frames around the present one and the features of the last step give the present one.

    State: F_{t-1} (B, width / 2, H/2, W/2) and h̃_{t-1} (B, width, H/2, W/2), both 0 at the first frame.
    Decided: the project's residual blocks, without normalisation and without an activation after the sum; frames are centred to
    [-0.5, 0.5]; the network puts out the picture.

    Args:
        width: features of the blocks, even.
        num_blocks: residual blocks of the encoder and of the decoder.
        blending: false leaves dynamic temporal blending out, for the source's STRCNN.
        adds_input: whether the network puts out a residual to the present frame.
        memory: as for `RecurrentNet`.
    """

    def __init__(self, *, width: int = 64, num_blocks: int = 4, blending: bool = True, adds_input: bool = False, memory: int = 2) -> None:
        super().__init__(memory=memory, context=2, step_radius=2 + 1 + 2 * (4 * num_blocks + 1 + 2 * blending) + 2 + 1)
        half = width // 2
        pictures = 3 * (2 * self.context + 1)
        self.encoder = nn.Sequential(
            conv(pictures, width, kernel_size=5, relu=True), conv(width, half, kernel_size=KERNEL, stride=2, relu=True)
        )
        self.merge = res_blocks(num_blocks, width=2 * half, kernel_size=KERNEL)
        self.blend: nn.Module = TemporalBlending(width=2 * half) if blending else KeepPresent()
        self.trunk = res_blocks(num_blocks, width=2 * half, kernel_size=KERNEL)
        self.picture = nn.Sequential(deconv(2 * half, width, relu=True), conv(width, 3, kernel_size=KERNEL))
        self.recall = conv(2 * half, half, kernel_size=KERNEL, relu=True)
        self.adds_input = adds_input
        self.size_multiple = 2

    def step(self, frames: Sequence[Tensor], state: State | None) -> tuple[Tensor, State]:
        feat = self.encoder(torch.cat(tuple(frames), dim=1) - CENTRE)  # (B, 32, H/2, W/2)
        recalled, blended = state or (torch.zeros_like(feat), torch.zeros_like(feat).repeat(1, 2, 1, 1))
        merged = self.merge(torch.cat([feat, recalled], dim=1))  # h; (B, 64, H/2, W/2)
        blended = self.blend(merged, blended)  # h̃_t
        trunk = self.trunk(blended)
        restored = self.picture(trunk) + (frames[self.context] if self.adds_input else CENTRE)  # (B, 3, H, W)
        return restored, (self.recall(trunk), blended)

    def diagnostics(self, blurry: Tensor) -> list[Diagnostic]:
        """The blending weights of the last step, mean over the features, and the restored picture; nothing without blending."""
        if not isinstance(self.blend, TemporalBlending):
            return []
        with recorded_calls(self.blend) as calls:
            restored = self(blurry)
        weight = self.blend.weight(*calls[-1].arguments).float().mean(dim=1, keepdim=True)  # (1, 1, H/2, W/2)
        return [
            Diagnostic(
                name="blending", kind="map", caption="weight of the present features against the past ones", rows=({"0 to 1": weight},)
            ),
            restored_diagnostic(restored),
        ]


class TemporalBlending(nn.Module):
    """Mix the present features with the past ones, by weights that depend on how they agree.

    Source: the dynamic temporal blending network of Kim et al. (ICCV 2017).
    Decided: one weight a feature and position, by a 5x5 convolution; β is one learned number that starts at 0, and weights are
    kept in [0, 1].

    Args:
        width: features.

    Shape:
        two of (B, width, H, W) -> (B, width, H, W)
    """

    def __init__(self, *, width: int) -> None:
        super().__init__()
        self.compare = nn.Conv2d(2 * width, width, 5, padding=2)
        self.beta = nn.Parameter(torch.zeros(1))

    def forward(self, present: Tensor, past: Tensor) -> Tensor:
        return past + self.weight(present, past) * (present - past)

    def weight(self, present: Tensor, past: Tensor) -> Tensor:
        """Weight of the present features against the past ones, in [0, 1]: two of (B, width, H, W) to (B, width, H, W)."""
        return (torch.tanh(self.compare(torch.cat([present, past], dim=1))).abs() + self.beta).clamp(0, 1)


class KeepPresent(nn.Module):
    """The present features as they are: what stands in for `TemporalBlending` in the variant without it."""

    def forward(self, present: Tensor, past: Tensor) -> Tensor:  # noqa: ARG002 (the signature of TemporalBlending)
        return present
