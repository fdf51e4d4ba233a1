"""`ifirnn`: a recurrent network that adapts its state to the frame, by going through its cell again, before it restores it.

Source: Nah, Son, Lee, "Recurrent Neural Networks with Intra-Frame Iterations for Video Deblurring", CVPR 2019: C1H1 ... C2H3.

    cell:   B_t ─ F_B ─┐
                       ⊕ ─ F_R ─┬─ F_h ─ h'
                   h ──┘        └─ F_L ─ R_t

    h_{t-1} ─ cell 1 ─ h ─ cell 2 ─ h ─ cell 2 ─ h ─ cell 2 ─┬─ h_t          (C2H3; each reads B_t)
                                                             └─ R_t

1.64 M parameters with two cells (quoted: 1.64 M), 0.84 M with one. Published as measured by the documents that the project follows:
GoPro 29.97 dB / 0.8947.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from unblur.layers.blocks import ResBlock, conv, res_blocks
from unblur.models.base import CENTRE
from unblur.models.recurrent import RecurrentNet, State

__all__ = ["IFIRNN"]

STRIDE = 4
"""Stride of F_B: the frame's resolution over that of the features."""


class IFIRNN(RecurrentNet):
    """One or two recurrent cells that run several times a frame.

    State: h (B, hidden, H/4, W/4), 0 at the first frame.
    The first cell, if there are two, carries the state from frame to frame and restores nothing; the other one iterates.
    Decided: no activation outside of the blocks and 3x3 deconvolutions, as reimplementations have it; the number of iterations
    is fixed, where the source also trains with a random one; F_B does not depend on the state and is computed once a frame and cell;
    frames are centred to [-0.5, 0.5]; the network puts out the picture.

    Args:
        width: features of F_R.
        hidden: features of the state, part of `width`.
        num_blocks: residual blocks of F_R.
        iterations: n of CxHn, how often the state is updated by the last cell.
        dual_cell: C2 (true) or C1.
        adds_input: whether the network puts out a residual to the frame.
        memory: as for `RecurrentNet`.
    """

    def __init__(
        self,
        *,
        width: int = 80,
        hidden: int = 20,
        num_blocks: int = 6,
        iterations: int = 3,
        dual_cell: bool = True,
        adds_input: bool = False,
        memory: int = 2,
    ) -> None:
        if iterations < 1 or not 0 < hidden < width:
            raise ValueError(f"iterations must be at least 1 and hidden between 1 and width - 1, got {iterations} and {hidden} of {width}")
        passes = iterations + dual_cell
        # First convolution, F_B's others, F_R and F_h once a pass (the last F_h is not read), the deconvolutions and the last convolution.
        step_radius = 2 + 2 + 2 * 2 + STRIDE * (passes * (2 * num_blocks + 4)) + 2 + 1 + 2
        super().__init__(memory=memory, step_radius=step_radius)
        self.hidden = hidden
        self.iterations = iterations
        self.adds_input = adds_input
        self.cells = nn.ModuleList(_Cell(width=width, hidden=hidden, num_blocks=num_blocks) for _ in range(1 + dual_cell))
        fine = width // STRIDE
        self.picture = nn.Sequential(  # F_L
            nn.ConvTranspose2d(width, 2 * fine, 3, stride=2, padding=1, output_padding=1),
            nn.ConvTranspose2d(2 * fine, fine, 3, stride=2, padding=1, output_padding=1),
            conv(fine, 3, kernel_size=5),
        )
        self.size_multiple = STRIDE

    def step(self, frames: Sequence[Tensor], state: State | None) -> tuple[Tensor, State]:
        (frame,) = frames
        blurs = [cell.get_submodule("blur")(frame - CENTRE) for cell in self.cells]  # F_B; (B, 60, H/4, W/4)
        (h,) = state or (torch.zeros_like(blurs[0][:, :1]).repeat(1, self.hidden, 1, 1),)
        passes = [0] * (len(self.cells) - 1) + [-1] * self.iterations
        for cell in passes:
            feat, h = self.cells[cell](blurs[cell], h)  # (B, 80, H/4, W/4), (B, 20, H/4, W/4)
        restored = self.picture(feat) + (frame if self.adds_input else CENTRE)  # (B, 3, H, W)
        return restored, (h,)


class _Cell(nn.Module):
    """Features of the frame and state in, features and next state out."""

    def __init__(self, *, width: int, hidden: int, num_blocks: int) -> None:
        super().__init__()
        fine = width // STRIDE
        self.blur = nn.Sequential(
            conv(3, fine, kernel_size=5),
            conv(fine, 2 * fine, kernel_size=5, stride=2),
            conv(2 * fine, width - hidden, kernel_size=5, stride=2),
        )
        self.trunk = res_blocks(num_blocks, width=width, kernel_size=3)  # F_R
        self.update = nn.Sequential(  # F_h
            conv(width, hidden, kernel_size=3), ResBlock(width=hidden, kernel_size=3), conv(hidden, hidden, kernel_size=3)
        )

    def forward(self, blur: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        feat = self.trunk(torch.cat([blur, h], dim=1))
        return feat, self.update(feat)
