"""`dbgan`: the network that learns to deblur (DBGAN), the one that learns to blur (BGAN), and their discriminator.

Source: Zhang, Luo, Zhong, Ma, Stenger, Liu, Li, "Deblurring by Realistic Blurring", CVPR 2020.

    DBGAN:  B ─┬─ conv ─┬─ 16 ResBlocks ─ conv ─ + ─ conv ─ + ─ restored
               │        └────────────────────────┘         │
               └───────────────────────────────────────────┘
    BGAN:   the same with 9 ResBlocks; S ⊕ noise (4 channels) in, a blurry picture out

    ResBlock: five 3x3 convolutions of 64 features, a ReLU after each but the last, and the identity

2.99 M parameters in DBGAN. On GoPro (test) Tang et al. (2022) quote 31.10 dB / 0.9424.

Its perceptual loss compares features of a VGG network trained on ImageNet; the project ships no such weights, so recipes use the losses of
`unblur.losses` in its place.
"""

import torch
from torch import Tensor, nn

from unblur.layers.blocks import conv
from unblur.layers.check import check_multiple, check_shape
from unblur.models.adversary import Blurrer, Discriminator
from unblur.models.base import CENTRE, Net

__all__ = ["BGAN", "DBGAN", "NOISE_CHANNELS", "DBGANDiscriminator"]

NOISE_CHANNELS = 4
"""Channels of the noise that BGAN gets beside the sharp picture."""

BLOCK_CONVS = 5
"""Convolutions of a ResBlock."""


class DBGAN(Net):
    """Residual blocks at full resolution, which correct the blurry picture.

    Source: section 3 and figure 2 of the paper. There is no normalisation.
    Decided: the features before the blocks are added to those after them, and the picture to the output, which is not clamped, as with every network
    here; pictures are centred to [-0.5, 0.5].

    Args:
        width: features.
        num_blocks: residual blocks.
    """

    size_multiple = 1

    def __init__(self, *, width: int = 64, num_blocks: int = 16) -> None:
        super().__init__()
        self.correct = _Residual(in_channels=3, width=width, num_blocks=num_blocks)
        self.receptive_radius = self.correct.receptive_radius

    def forward(self, blurry: Tensor) -> Tensor:
        check_shape(blurry, ("B", 3, "H", "W"), name="blurry")
        check_multiple(blurry, self.size_multiple, name="blurry")
        return blurry + self.correct(blurry - CENTRE)


class BGAN(Blurrer):
    """Blurs a sharp picture as real cameras do: in training, it makes pairs for DBGAN.

    Source and decisions as for `DBGAN`; the noise says which of the blurs that are possible to make. It is drawn for each pixel, uniform in [-0.5, 0.5].

    Args:
        width: features.
        num_blocks: residual blocks.
    """

    def __init__(self, *, width: int = 64, num_blocks: int = 9) -> None:
        super().__init__()
        self.correct = _Residual(in_channels=3 + NOISE_CHANNELS, width=width, num_blocks=num_blocks)

    def forward(self, sharp: Tensor, *, generator: torch.Generator) -> Tensor:
        """A blurry picture.

        Args:
            sharp: values in [0, 1].
            generator: draws the noise; a CPU generator serves every device.

        Shape:
            (B, 3, H, W) -> (B, 3, H, W)
        """
        check_shape(sharp, ("B", 3, "H", "W"), name="sharp")
        batch, _, height, width = sharp.shape
        noise = torch.rand((batch, NOISE_CHANNELS, height, width), generator=generator, device=generator.device).to(sharp)
        return sharp + self.correct(torch.cat([sharp - CENTRE, noise - CENTRE], dim=1))


class DBGANDiscriminator(Discriminator):
    """Scores whole pictures, without a sigmoid: the discriminator of BGAN and of DBGAN, each with weights of its own.

    Source: the paper names that of SRGAN (Ledig et al., CVPR 2017): eight 3x3 convolutions of 64 to 512 features, every second with stride 2, leaky ReLU of slope 0.2, and
    two fully connected layers.
    Decided: without its batch normalisation; features are averaged over all positions before the fully connected layers, so that crops of any size can be scored.

    Args:
        width: features of the first convolution, an eighth of those of the last.

    Shape:
        (B, 3, H, W), values in [0, 1], H and W multiples of 16 -> (B, 1), one score a picture
    """

    adversarial_loss = "relativistic"

    def __init__(self, *, width: int = 64) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for features in (width, 2 * width, 4 * width, 8 * width):
            layers += [conv(inputs, features, kernel_size=3, relu=True, negative_slope=0.2)]
            layers += [conv(features, features, kernel_size=3, stride=2, relu=True, negative_slope=0.2)]
            inputs = features
        self.features = nn.Sequential(*layers)
        self.score = nn.Sequential(nn.Linear(8 * width, 16 * width), nn.LeakyReLU(0.2, inplace=True), nn.Linear(16 * width, 1))

    def forward(self, image: Tensor) -> Tensor:
        check_shape(image, ("B", 3, "H", "W"), name="image")
        check_multiple(image, 16, name="image")
        feat = self.features(image - CENTRE)  # (B, 512, H/16, W/16)
        return self.score(feat.mean(dim=(2, 3)))  # (B, 1)


class _Residual(nn.Module):
    """What both generators add to their picture: (B, C, H, W) -> (B, 3, H, W)."""

    def __init__(self, *, in_channels: int, width: int, num_blocks: int) -> None:
        super().__init__()
        self.head = conv(in_channels, width, kernel_size=3)
        self.blocks = nn.Sequential(*(_Block(width=width) for _ in range(num_blocks)))
        self.tail = conv(width, width, kernel_size=3)
        self.picture = conv(width, 3, kernel_size=3)
        self.receptive_radius = 1 + BLOCK_CONVS * num_blocks + 2

    def forward(self, x: Tensor) -> Tensor:
        feat = self.head(x)  # (B, 64, H, W)
        return self.picture(feat + self.tail(self.blocks(feat)))


class _Block(nn.Module):
    def __init__(self, *, width: int) -> None:
        super().__init__()
        convs = [conv(width, width, kernel_size=3, relu=True) for _ in range(BLOCK_CONVS - 1)]
        self.layers = nn.Sequential(*convs, conv(width, width, kernel_size=3))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)
