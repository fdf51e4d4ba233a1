"""What the networks promise that a training pits against the one it trains: discriminators, and networks that learn to blur."""

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

__all__ = ["Blurrer", "Discriminator"]


class Discriminator(nn.Module, ABC):
    """Tells restored pictures from sharp ones.

    Attributes:
        adversarial_loss: what it learns by, and the network from it: `logistic` (`unblur.losses.adversarial_discriminator`, `adversarial_generator`), `wasserstein`
            with a gradient penalty, or the `relativistic` average.

    Shape:
        (B, 3, H, W), values in [0, 1] -> (B, ...), higher for sharp pictures
    """

    adversarial_loss: ClassVar[Literal["logistic", "wasserstein", "relativistic"]] = "logistic"

    @abstractmethod
    def forward(self, picture: Tensor) -> Tensor: ...


class Blurrer(nn.Module, ABC):
    """Blurs sharp pictures, so that a training can make pairs."""

    @abstractmethod
    def forward(self, sharp: Tensor, *, generator: torch.Generator) -> Tensor:
        """A blurry picture of the same shape, (B, 3, H, W) in [0, 1]; a CPU generator serves every device."""
