"""`deblurgan`: generator and critic of DeblurGAN.

Source: Kupyn, Budzan, Mykhailych, Mishkin, Matas, "DeblurGAN: Blind Motion Deblurring Using Conditional Adversarial
Networks", CVPR 2018.

    B ─┬─ conv7 ─ conv3 s2 ─ conv3 s2 ─ 9 ResBlocks ─ deconv3 s2 ─ deconv3 s2 ─ conv7 ─ tanh ─ + ─ restored
       │   64       128        256         256           128          64          3           │
       └──────────────────────────────────────────────────────────────────────────────────────┘

11.37 M parameters in the generator, 2.76 M in the critic. On GoPro (test) Tang et al. (2022) measured 27.02 dB / 0.8973.

Its content loss compares features of a VGG network trained on ImageNet; the project ships no such weights, so recipes
use the losses of `unblur.losses` in its place.
"""

from torch import Tensor, nn

from unblur.errors import ShapeError
from unblur.layers.check import check_multiple, check_shape
from unblur.models.adversary import Discriminator
from unblur.models.base import CENTRE, Net

__all__ = ["DeblurGAN", "DeblurGANCritic"]

STRIDE = 4
"""Stride of the two strided convolutions together."""


class DeblurGAN(Net):
    """A residual network between two strided convolutions and two deconvolutions, which corrects its input.

    Source: the paper's section on network architecture. Instance normalisation and ReLU after every convolution but the last; dropout after
    the first convolution of a block.
    Decided: dropout acts in training only; borders are reflected except at the strided convolutions, as in the style
    transfer network that the source takes over; the range inside is [-1, 1]; the sum is not clamped, as with every network
    here; convolutions before a normalisation have no bias, which it would take away again.

    Args:
        width: features of the first convolution.
        num_blocks: residual blocks.
        dropout: share of the features that a block sets to zero in training.

    Attributes:
        global_context: true, for instance normalisation averages over the whole picture.
    """

    global_context = True
    size_multiple = 2 * STRIDE  # not STRIDE: a map of one position has no spread to be normalised by

    def __init__(self, *, width: int = 64, num_blocks: int = 9, dropout: float = 0.5) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, width, 7, padding=3, padding_mode="reflect", bias=False),
            *_normalise(width),
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1, bias=False),
            *_normalise(2 * width),
            nn.Conv2d(2 * width, 4 * width, 3, stride=2, padding=1, bias=False),
            *_normalise(4 * width),
            *(_Block(width=4 * width, dropout=dropout) for _ in range(num_blocks)),
            nn.ConvTranspose2d(4 * width, 2 * width, 3, stride=2, padding=1, output_padding=1, bias=False),
            *_normalise(2 * width),
            nn.ConvTranspose2d(2 * width, width, 3, stride=2, padding=1, output_padding=1, bias=False),
            *_normalise(width),
            nn.Conv2d(width, 3, 7, padding=3, padding_mode="reflect"),
            nn.Tanh(),
        )
        self.receptive_radius = 3 + 1 + 2 + STRIDE * 2 * num_blocks + 2 + 1 + 3

    def forward(self, blurry: Tensor) -> Tensor:
        check_shape(blurry, ("B", 3, "H", "W"), name="blurry")
        check_multiple(blurry, self.size_multiple, name="blurry")
        residual = self.layers((blurry - CENTRE) * 2)  # both in [-1, 1]
        return blurry + residual / 2


class DeblurGANCritic(Discriminator):
    """Scores overlapping patches of a picture: the PatchGAN of 70x70 pixels, without a sigmoid, for WGAN-GP.

    Source: as the generator; the paper names the PatchGAN of Isola et al. (CVPR 2017): 4x4 convolutions, three of stride 2, then two
    of stride 1; instance normalisation and leaky ReLU of slope 0.2 between.
    Decided: as there, none of the normalisation after the first convolution.

    Args:
        width: features of the first convolution; doubled by each of the next three.

    Shape:
        (B, 3, H, W), values in [0, 1] -> (B, 1, H/8 - 2, W/8 - 2), one score a patch

    Raises:
        ShapeError: if the height or width is no multiple of 8, or below 32.
    """

    adversarial_loss = "wasserstein"

    def __init__(self, *, width: int = 64) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2, inplace=True)]
        for i, stride in enumerate((2, 2, 1)):
            inputs = width * 2**i
            layers += [
                nn.Conv2d(inputs, 2 * inputs, 4, stride=stride, padding=1, bias=False),
                nn.InstanceNorm2d(2 * inputs),
                nn.LeakyReLU(0.2, inplace=True),
            ]
        self.layers = nn.Sequential(*layers, nn.Conv2d(8 * width, 1, 4, padding=1))

    def forward(self, image: Tensor) -> Tensor:
        check_shape(image, ("B", 3, "H", "W"), name="image")
        check_multiple(image, 8, name="image")
        if min(image.shape[-2:]) < 32:
            raise ShapeError(f"image must be at least 32x32 for the critic, got {image.shape[-2]}x{image.shape[-1]}; take larger crops")
        return self.layers((image - CENTRE) * 2)  # (B, 1, H/8 - 2, W/8 - 2)


class _Block(nn.Module):
    def __init__(self, *, width: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, padding_mode="reflect", bias=False),
            *_normalise(width),
            nn.Dropout(dropout),
            nn.Conv2d(width, width, 3, padding=1, padding_mode="reflect", bias=False),
            nn.InstanceNorm2d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


def _normalise(width: int) -> tuple[nn.Module, nn.Module]:
    return nn.InstanceNorm2d(width), nn.ReLU(inplace=True)
