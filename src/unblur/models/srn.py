"""`srn`: scale-recurrent network.

Source: Tao, Gao, Shen, Wang, Jia, "Scale-recurrent Network for Deep Image Deblurring", CVPR 2018.

    B_i, ↑L_{i+1} ─ ⊕ ─ E1 ─┬─ E2 ─┬─ E3 ─ ConvLSTM ─ D3 ─ + ─ D2 ─ + ─ D1 ─ L_i
                            │      └─────────│────────────┘        │
                            └────────────────│─────────────────────┘
                          ↑ state of scale i+1 ┘     E: conv, 3 ResBlocks; D: 3 ResBlocks, deconv; 5x5

8.06 M parameters with the 3x3 ConvLSTM (quoted: 8.1 M). Reimplementations give the ConvLSTM the network's 5x5 kernel
and have 10.16 M (quoted: 10.2 M); 6.88 M without it. Published on GoPro (test): 30.26 dB / 0.9342, re-measured as
30.20 / 0.9334 by Tang et al. (2022).
"""

import torch
from torch import Tensor, nn

from unblur.layers.blocks import Decoder, Encoder, codec_radius
from unblur.layers.check import check_multiple, check_shape
from unblur.layers.pyramid import area_halve, double, pyramid
from unblur.layers.recurrent import ConvLSTM
from unblur.models.base import Net

__all__ = ["SRN"]


class SRN(Net):
    """One encoder-decoder that runs from the coarsest scale to the finest and remembers what it saw.

    Source: section 3; the variants without recurrence and without sharing are those that the paper compares.
    Decided: a ReLU follows the strided convolutions and the deconvolutions; a scale puts out the picture itself;
    pictures and states are resized bilinearly; pictures stay in [0, 1], not centred, as the source names no other range.

    Args:
        num_scales: number of scales.
        widths: features of the stages E1, E2, E3.
        num_blocks: residual blocks of a stage.
        kernel_size: of all convolutions but the deconvolutions (4x4) and the ConvLSTM.
        recurrent: whether the ConvLSTM carries a state from scale to scale; if not, E3 feeds D3.
        lstm_kernel_size: of the ConvLSTM.
        shared_scales: whether all scales are one network (the paper's) or each has its own.
    """

    def __init__(
        self,
        *,
        num_scales: int = 3,
        widths: tuple[int, ...] = (32, 64, 128),
        num_blocks: int = 3,
        kernel_size: int = 5,
        recurrent: bool = True,
        lstm_kernel_size: int = 3,
        shared_scales: bool = True,
    ) -> None:
        super().__init__()
        self.num_scales = num_scales
        self.scales = nn.ModuleList(
            _Scale(
                widths=widths,
                num_blocks=num_blocks,
                kernel_size=kernel_size,
                memory=ConvLSTM(width=widths[-1], kernel_size=lstm_kernel_size) if recurrent else None,
            )
            for _ in range(1 if shared_scales else num_scales)
        )
        self.size_multiple = 2 ** (len(widths) - 1 + num_scales - 1)
        self.receptive_radius = 0
        for scale in range(num_scales):
            coarser = 2 * self.receptive_radius + 2 if scale else 0  # halved and doubled again
            memory = 2 ** (len(widths) - 1) * (lstm_kernel_size // 2) if recurrent else 0
            self.receptive_radius = coarser + memory + codec_radius(stages=len(widths), num_blocks=num_blocks, kernel_size=kernel_size)

    def forward(self, blurry: Tensor) -> Tensor:
        return self.forward_scales(blurry)[0]

    def forward_scales(self, blurry: Tensor) -> list[Tensor]:
        check_shape(blurry, ("B", 3, "H", "W"), name="blurry")
        check_multiple(blurry, self.size_multiple, name="blurry")
        levels = pyramid(blurry, levels=self.num_scales, halve=area_halve)
        restored: list[Tensor] = []
        state: tuple[Tensor, Tensor] | None = None
        for i in reversed(range(self.num_scales)):
            coarser = double(restored[0]) if restored else levels[i]
            state = (double(state[0]), double(state[1])) if state else None
            scale = self.scales[i if len(self.scales) > 1 else 0]
            image, state = scale(torch.cat([levels[i], coarser], dim=1), state)  # (B, 3, H/2^i, W/2^i)
            restored.insert(0, image)
        return restored


class _Scale(nn.Module):
    """The encoder-decoder of one scale, with its skip connections and its memory, if any."""

    def __init__(self, *, widths: tuple[int, ...], num_blocks: int, kernel_size: int, memory: ConvLSTM | None) -> None:
        super().__init__()
        self.encoder = Encoder(in_channels=6, widths=widths, num_blocks=num_blocks, kernel_size=kernel_size, relu=True)
        self.memory = memory
        self.decoder = Decoder(out_channels=3, widths=widths, num_blocks=num_blocks, kernel_size=kernel_size, relu=True)

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor] | None) -> tuple[Tensor, tuple[Tensor, Tensor] | None]:
        *skips, x = self.encoder.levels(x)  # (B, widths[s], H/2^s, W/2^s); the last reach the decoder through the memory only
        if self.memory is not None:
            state = self.memory(x, state)
            x = state[0]
        return self.decoder.with_skips(x, skips), state
