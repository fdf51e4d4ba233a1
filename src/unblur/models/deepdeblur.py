"""`deepdeblur`: multi-scale CNN and its discriminator.

Source: Nah, Kim, Lee, "Deep Multi-scale Convolutional Neural Network for Dynamic Scene Deblurring", CVPR 2017.

    B_1 ──────────────┐
     │                ⊕ ─ conv ─ 19 ResBlocks ─ conv ─ L_1 ─ restored
    halve             up
     B_2 ────────┐    └──────────────────────────────┐
     │           ⊕ ─ conv ─ 19 ResBlocks ─ conv ─ L_2┘
    halve        up
     B_3 ─┐      └───────────────────────────────┐
          └─ conv ─ 19 ResBlocks ─ conv ─── L_3 ─┘            all convolutions 5x5, 64 features

11.72 M parameters at K = 3. Published on GoPro (test, mean of 1111 pictures): K = 1 28.93 dB / 0.9100,
K = 2 29.23 / 0.9162, K = 3 29.08 / 0.9135.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from unblur.layers.blocks import ResBlock, conv, res_blocks, zero_last_convolution
from unblur.layers.check import check_multiple, check_shape
from unblur.layers.pyramid import pyramid
from unblur.models.adversary import Discriminator
from unblur.models.base import CENTRE, Net

__all__ = ["DeepDeblur", "DeepDeblurDiscriminator"]

KERNEL = 5


class DeepDeblur(Net):
    """K residual networks without shared weights, coarse to fine; each sees the coarser result next to its own picture.

    Source: section 3.2.
    Decided: the learned upconvolution is a 4x4 transposed convolution of stride 2 from 3 to 3 channels, and a level
    puts out the picture itself, not a residual to be added to its input (the source draws neither an addition nor a
    size). What the source claims to be worse can be had for comparison: a ReLU after each sum, and, instead of the upconvolution, fixed
    upsampling, which is decided to be bilinear: it reads the pixels that the 4x4 transposed convolution reads.

    Args:
        num_scales: K, the number of levels.
        width: features of every level.
        num_blocks: residual blocks of every level.
        relu_after_sum: whether a ReLU follows the sum of each residual block.
        upsampling: of the coarser result, `learned` or `fixed`.

    Raises:
        ValueError: if there is no scale, or `upsampling` is neither.
    """

    def __init__(
        self,
        *,
        num_scales: int = 3,
        width: int = 64,
        num_blocks: int = 19,
        relu_after_sum: bool = False,
        upsampling: Literal["learned", "fixed"] = "learned",
    ) -> None:
        super().__init__()
        if num_scales < 1:
            raise ValueError(f"num_scales must be at least 1, got {num_scales}")
        if upsampling not in ("learned", "fixed"):
            raise ValueError(f"upsampling must be `learned` or `fixed`, got {upsampling!r}")
        self.scales = nn.ModuleList(
            nn.Sequential(
                conv(3 if k == num_scales - 1 else 6, width, kernel_size=KERNEL),
                res_blocks(num_blocks, width=width, kernel_size=KERNEL, act_after_sum=relu_after_sum),
                conv(width, 3, kernel_size=KERNEL),
            )
            for k in range(num_scales)
        )
        self.ups = nn.ModuleList(
            nn.ConvTranspose2d(3, 3, 4, stride=2, padding=1)
            if upsampling == "learned"
            else nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
            for _ in range(num_scales - 1)
        )
        self.size_multiple = 2 ** (num_scales - 1)
        self.receptive_radius = _receptive_radius(num_scales=num_scales, num_blocks=num_blocks)

    @torch.no_grad()
    def begin_as_identity(self) -> None:
        """The first three features of each level pass the picture through, and the others put out nothing yet; not with `relu_after_sum`, which stops what is dark."""
        if any(isinstance(part, ResBlock) and part.act_after_sum for part in self.modules()):
            super().begin_as_identity()
        for level in self.scales:
            entry, *_, last = (part for part in level.modules() if isinstance(part, nn.Conv2d))
            assert entry.bias is not None
            entry.weight[:3], entry.bias[:3] = 0, 0
            zero_last_convolution(level)
            for convolution in (entry, last):
                convolution.weight[range(3), range(3), KERNEL // 2, KERNEL // 2] = 1
            for block in level.modules():
                if isinstance(block, ResBlock):
                    zero_last_convolution(block)

    def forward(self, blurry: Tensor) -> Tensor:
        return self.forward_scales(blurry)[0]

    def forward_scales(self, blurry: Tensor) -> list[Tensor]:
        check_shape(blurry, ("B", 3, "H", "W"), name="blurry")
        check_multiple(blurry, self.size_multiple, name="blurry")
        levels = pyramid(blurry - CENTRE, levels=len(self.scales))
        restored = [self.scales[-1](levels[-1])]  # (B, 3, H/2^(K-1), W/2^(K-1))
        for k in reversed(range(len(self.ups))):
            coarser = self.ups[k](restored[0])
            restored.insert(0, self.scales[k](torch.cat([levels[k], coarser], dim=1)))  # (B, 3, H/2^k, W/2^k)
        return [level + CENTRE for level in restored]


def _receptive_radius(*, num_scales: int, num_blocks: int) -> int:
    """Each convolution adds two pixels of its level; halving (3/2) and the upconvolution (3/2) add three."""
    level = (2 * num_blocks + 2) * (KERNEL // 2)
    radius = level
    for _ in range(num_scales - 1):
        radius = level + 2 * radius + 3
    return radius


class DeepDeblurDiscriminator(Discriminator):
    """Tells restored pictures from sharp ones; a picture of 256x256 to one number.

    Source: section 3.3 and table 1: eight 5x5 convolutions, 3 to 512 features, down to 4x4; a 4x4 convolution to
    1x1, a linear layer; leaky ReLU between.
    Decided: slope 0.2. The sigmoid that ends the source's table is left to the losses of `unblur.losses`, which take
    logits: log(1 - sigmoid(x)) overflows where softplus(x) does not.

    Args:
        width: features of the first layer; the later ones have 2, 4, 8 and 16 times as many.
        negative_slope: of the leaky ReLU.

    Shape:
        (B, 3, 256, 256), values in [0, 1] -> logits (B, 1)

    Raises:
        ShapeError: if the picture is not 256x256.
    """

    def __init__(self, *, width: int = 32, negative_slope: float = 0.2) -> None:
        super().__init__()
        sizes = [(3, 1, 2), (1, 2, 1), (2, 2, 2), (2, 4, 1), (4, 4, 4), (4, 8, 1), (8, 8, 4), (8, 16, 1)]
        layers: list[nn.Module] = []
        for i, (inputs, outputs, stride) in enumerate(sizes):
            in_width = inputs * width if i else inputs
            layers += [conv(in_width, outputs * width, kernel_size=KERNEL, stride=stride), nn.LeakyReLU(negative_slope, inplace=True)]
        layers += [nn.Conv2d(16 * width, 16 * width, 4, stride=4), nn.LeakyReLU(negative_slope, inplace=True)]
        self.features = nn.Sequential(*layers)
        self.classify = nn.Linear(16 * width, 1)

    def forward(self, image: Tensor) -> Tensor:
        check_shape(image, ("B", 3, 256, 256), name="image")
        feat = self.features(image - CENTRE)  # (B, 16 * width, 1, 1)
        return self.classify(feat.flatten(1))  # (B, 1)
