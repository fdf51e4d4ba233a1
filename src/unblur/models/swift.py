"""`swift`: the project's own network, shaped for processors with bf16 matrix units.

Dense 3x3 convolutions with widths in multiples of 32, all of them at a quarter of the resolution and below: that is
where such processors reach their arithmetic peak, while full-resolution layers and depthwise convolutions wait for
memory (`benchmarks/`). The picture is folded into channels at the entry and unfolded at the exit, so no
full-resolution feature map ever exists.

    blurry ─ unfold 4 ─ conv ─ blocks ──────────────────── + ─ blocks ─ conv ─ fold 4 ─ + ─ restored
      │              64, 1/4     │                        up                            │
      │                         down ─ blocks ────── + ─ blocks                         │
      │                       128, 1/8    │         up                                  │
      │                                  down ─ blocks                                  │
      │                                192, 1/16                                        │
      └─────────────────────────────────────────────────────────────────────────────────┘

One pass, coarse to fine: the bottleneck sees the long motion, the quarter-resolution blocks put the edges in place.
"""

from typing import Literal, overload

from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from unblur.layers.blocks import ResBlock
from unblur.layers.check import check_multiple, check_shape
from unblur.models.base import CENTRE, Net

__all__ = ["Swift"]

FOLD = 4
"""Side of the square of pixels that becomes one position of the entry."""


class Swift(Net):
    """A U-Net of dense residual blocks between an unfolding entry and a folding exit.

    Args:
        widths: features at 1/4, 1/8, 1/16, ... resolution, multiples of 32 for speed.
        blocks: residual blocks at each of these resolutions; all but the last figure hold for the way down and again
            for the way up.
    """

    def __init__(self, *, widths: tuple[int, ...] = (64, 128, 192), blocks: tuple[int, ...] = (2, 2, 4)) -> None:
        super().__init__()
        if len(widths) != len(blocks) or not widths:
            raise ValueError(f"widths and blocks must have one entry a resolution, got {len(widths)} and {len(blocks)}")
        pixels = 3 * FOLD**2
        levels = range(len(widths) - 1)
        self.entry = nn.Conv2d(pixels, widths[0], 3, padding=1)
        self.encoders = nn.ModuleList(_chain(widths[i], blocks[i]) for i in levels)
        self.downs = nn.ModuleList(nn.Conv2d(widths[i], widths[i + 1], 2, stride=2) for i in levels)
        self.bottleneck = _chain(widths[-1], blocks[-1])
        self.ups = nn.ModuleList(nn.ConvTranspose2d(widths[i + 1], widths[i], 2, stride=2) for i in levels)
        self.decoders = nn.ModuleList(_chain(widths[i], blocks[i]) for i in levels)
        self.exit = nn.Conv2d(widths[0], pixels, 3, padding=1)
        for parameter in self.exit.parameters():
            nn.init.zeros_(parameter)  # untrained, the network is the identity
        self.size_multiple = FOLD * 2 ** len(levels)
        self.receptive_radius = _receptive_radius(blocks)

    @overload
    def forward(self, blurry: Tensor, *, all_scales: Literal[False] = ...) -> Tensor: ...

    @overload
    def forward(self, blurry: Tensor, *, all_scales: Literal[True]) -> list[Tensor]: ...

    def forward(self, blurry: Tensor, *, all_scales: bool = False) -> Tensor | list[Tensor]:
        check_shape(blurry, ("B", 3, "H", "W"), name="blurry")
        check_multiple(blurry, self.size_multiple, name="blurry")
        feat = self.entry(pixel_unshuffle(blurry - CENTRE, FOLD))  # (B, widths[0], H/4, W/4)
        skips = []
        for encoder, down in zip(self.encoders, self.downs, strict=True):
            skips.append(encoder(feat))
            feat = down(skips[-1])  # (B, widths[i+1], H/8, W/8), ...
        feat = self.bottleneck(feat)
        for decoder, up, skip in zip(reversed(self.decoders), reversed(self.ups), reversed(skips), strict=True):
            feat = decoder(up(feat) + skip)  # (B, widths[i], ...)
        restored = blurry + pixel_shuffle(self.exit(feat), FOLD)  # (B, 3, H, W)
        return [restored] if all_scales else restored


def _chain(width: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(ResBlock(width=width, kernel_size=3) for _ in range(count)))


def _receptive_radius(blocks: tuple[int, ...]) -> int:
    """Pixels on each side that reach one output pixel: every 3x3 convolution adds one position of its resolution,
    and every change of resolution at most one position of the coarser one.
    """
    radius = FOLD * 2 + FOLD - 1  # entry, exit, and the fold
    for level, count in enumerate(blocks):
        passes = 1 if level == len(blocks) - 1 else 2
        stride = FOLD * 2**level
        radius += stride * (2 * count * passes) + (stride if level else 0)
    return radius
