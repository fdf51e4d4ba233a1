"""Networks to export."""

import torch
from small import SMALL
from torch import Tensor, nn

from unblur.layers.inverse_search import inverse_search
from unblur.models import create
from unblur.models.base import Net

FEWER = {"swift_best": {"kernels": {**SMALL["swift_best"]["kernels"], "iterations": (1,)}, "ensemble": 1}}
"""Arguments for fewer operators than those that make a network small."""


class Toy(Net):
    """A strided convolution of pictures whose sides are even, and a pixel shuffle."""

    size_multiple = 2
    receptive_radius = 4

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 12, 4, stride=2, padding=1)

    def forward(self, blurry: Tensor) -> Tensor:
        return blurry + nn.functional.pixel_shuffle(self.conv(blurry), 2)


class Searching(Toy):
    """Has an operation that is not torch's."""

    def forward(self, blurry: Tensor) -> Tensor:
        return blurry + inverse_search(blurry, blurry.flip(-1)).mean(1, keepdim=True)


class Deciding(Toy):
    """Adds a tenth to the picture or not, as rounding will have it."""

    def forward(self, blurry: Tensor) -> Tensor:
        return blurry + 0.1 * ((blurry[..., :1, :1].sum() * 2**22).floor() % 2)


class Halving(Toy):
    """Gives a picture of half the size."""

    def forward(self, blurry: Tensor) -> Tensor:
        return self.conv(blurry)[:, :3]


def small(name: str) -> Net:
    """A small network of the package, with weights that are nowhere 0."""
    torch.manual_seed(0)
    net = create(name, **{**SMALL.get(name, {}), **FEWER.get(name, {})}).eval()
    with torch.no_grad():
        for parameter in net.parameters():
            if not parameter.any():
                parameter.normal_(0, 0.05)
    return net
