"""`pssnsc`: parameter selective sharing and nested skip connections.

Source: Gao, Tao, Shen, Jia, "Dynamic Scene Deblurring with Parameter Selective Sharing and Nested Skip Connections",
CVPR 2019.

    B_i ───────┬──────────────────────────────────────────────────────────────────────────────────────────┐
    ↑L_{i+1} ─ ⊕ ─ conv ─ T1 ─┬─ conv ─ T2 ─┬─ conv ─ T3 ─ T4 ─ deconv ─ + ─ T5 ─ deconv ─ + ─ T6 ─ conv ─ + ─ L_i
                              │             └────────────────────────────┘                 │
                              └────────────────────────────────────────────────────────────┘
    conv, deconv: each scale has its own (they extract features of that scale)
    T: two modules of four nested residual blocks; all scales share them (they transform features)

3.88 M parameters. Tang et al. (2022) quote 11.6 M, which no reading of the source gives: sharing everything makes 3.36 M,
sharing nothing 10.08 M, and without the reuse of a module these are 6.98 M, 6.46 M and 19.38 M. On GoPro (test) they
measured 30.96 dB / 0.9421.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from unblur.layers.blocks import codec_radius, conv, deconv, res_blocks
from unblur.layers.check import check_multiple, check_shape
from unblur.layers.pyramid import area_halve, double, pyramid
from unblur.models.base import CENTRE, Net

__all__ = ["PSSNSC"]

KERNEL = 3


class PSSNSC(Net):
    """An encoder-decoder at every scale, coarse to fine, that shares with the other scales what should be the same.

    Source: the paper's section 3. Nested skips: y = x + n_1 + ... + n_m, where block i computes
    n_i from x + n_1 + ... + n_{i-1}. Written so, that is a chain of residual blocks, and it is built as one.
    Decided: all three colours go through together; the gradient passes from scale to scale; bilinear resizing.

    Args:
        sharing: which weights the scales share: "selective" the transformations (the paper's), "all", or "none".
        num_scales: number of scales.
        widths: features at full, half and quarter resolution.
        num_blocks: nested blocks of a module.
        num_modules: modules in a row at each place.
        reuse_modules: whether the modules at one place are one module, applied again (the paper's), or have weights
            of their own.
    """

    def __init__(
        self,
        *,
        sharing: Literal["selective", "all", "none"] = "selective",
        num_scales: int = 3,
        widths: tuple[int, ...] = (32, 64, 128),
        num_blocks: int = 4,
        num_modules: int = 2,
        reuse_modules: bool = True,
    ) -> None:
        super().__init__()
        if sharing not in ("selective", "all", "none"):
            raise ValueError(f"sharing must be 'selective', 'all' or 'none', got {sharing!r}")
        self.num_scales = num_scales
        self.times = num_modules if reuse_modules else 1
        modules = 1 if reuse_modules else num_modules
        self.extractions = nn.ModuleList(_Extraction(widths=widths) for _ in range(1 if sharing == "all" else num_scales))
        self.transformations = nn.ModuleList(
            nn.ModuleList(
                nn.ModuleList(res_blocks(num_blocks, width=width, kernel_size=KERNEL) for _ in range(modules))
                for width in (*widths, *reversed(widths))
            )
            for _ in range(num_scales if sharing == "none" else 1)
        )
        self.size_multiple = 2 ** (len(widths) - 1 + num_scales - 1)
        self.receptive_radius = 0
        for scale in range(num_scales):
            coarser = 2 * self.receptive_radius + 2 if scale else 0  # halved and doubled again
            self.receptive_radius = coarser + codec_radius(stages=len(widths), num_blocks=num_blocks * num_modules, kernel_size=KERNEL)

    def forward(self, blurry: Tensor) -> Tensor:
        return self.forward_scales(blurry)[0]

    def forward_scales(self, blurry: Tensor) -> list[Tensor]:
        check_shape(blurry, ("B", 3, "H", "W"), name="blurry")
        check_multiple(blurry, self.size_multiple, name="blurry")
        levels = pyramid(blurry - CENTRE, levels=self.num_scales, halve=area_halve)
        restored: list[Tensor] = []
        for i in reversed(range(self.num_scales)):
            coarser = double(restored[0]) if restored else levels[i]
            image = self._restore_scale(i, torch.cat([levels[i], coarser], dim=1))
            restored.insert(0, levels[i] + image)  # (B, 3, H/2^i, W/2^i)
        return [scale + CENTRE for scale in restored]

    def _restore_scale(self, scale: int, x: Tensor) -> Tensor:
        """(B, 6, H, W) -> residual (B, 3, H, W)."""
        own = self.extractions[scale % len(self.extractions)]
        transformations = self.transformations[scale % len(self.transformations)]
        assert isinstance(own, _Extraction)
        assert isinstance(transformations, nn.ModuleList)
        places = iter(transformations)
        skips: list[Tensor] = []
        for down in own.downs:
            x = self._transform(next(places), down(x))  # (B, widths[s], H/2^s, W/2^s)
            skips.append(x)
        x = self._transform(next(places), skips.pop())
        for up in own.ups:
            x = self._transform(next(places), up(x) + skips.pop())
        return own.exit(x)

    def _transform(self, modules: nn.Module, x: Tensor) -> Tensor:
        assert isinstance(modules, nn.ModuleList)
        for _ in range(self.times):
            for module in modules:
                x = module(x)
        return x


class _Extraction(nn.Module):
    """The convolutions of a scale that change the number of features."""

    def __init__(self, *, widths: tuple[int, ...]) -> None:
        super().__init__()
        inputs = (6, *widths[:-1])
        levels = range(len(widths))
        self.downs = nn.ModuleList(conv(inputs[i], widths[i], kernel_size=KERNEL, stride=2 if i else 1, relu=True) for i in levels)
        self.ups = nn.ModuleList(deconv(widths[i], widths[i - 1], relu=True) for i in reversed(levels) if i)
        self.exit = conv(widths[0], 3, kernel_size=KERNEL)
