"""A third-party network, as the library spandrel describes it, under the contract of our own.

spandrel (https://github.com/chaiNNer-org/spandrel) knows the architectures of dozens of published networks and finds out by the names and
shapes of a checkpoint's tensors which one it is of. What it gives is a descriptor: the network with its weights, and what it takes. This
module turns a descriptor into a `Net`; it does not need spandrel to be imported.
"""

from math import lcm
from typing import Protocol

import torch
from torch import Tensor, nn

from unblur.errors import ShapeError, WeightsError
from unblur.layers.check import check_shape
from unblur.models.base import Net

__all__ = ["Descriptor", "ForeignNet"]

_TILE_MULTIPLE = 64
"""Tiles begin at multiples of this. Several networks accept any size and pad inside to what their strides and windows divide, which their
descriptors do not state: 16 pixels for NAFNet, 64 for SCUNet."""

_REACH = 192
"""Receptive radius that is assumed until it is measured (`unblur.restore.reach`), pixels."""


class SizeRequirements(Protocol):
    """What sides a network takes, pixels."""

    minimum: int
    multiple_of: int
    square: bool


class Architecture(Protocol):
    """What a network is called."""

    @property
    def name(self) -> str: ...


class Descriptor(Protocol):
    """A network as spandrel describes it (`spandrel.ImageModelDescriptor`)."""

    scale: int
    input_channels: int
    output_channels: int
    supports_half: bool
    supports_bfloat16: bool
    size_requirements: SizeRequirements
    tags: list[str]

    @property
    def model(self) -> nn.Module: ...
    @property
    def architecture(self) -> Architecture: ...
    @property
    def purpose(self) -> str: ...
    def __call__(self, image: Tensor) -> Tensor:
        """(1, C, H, W) in [0, 1] -> (1, C, H, W), clamped to [0, 1]."""


class ForeignNet(Net):
    """A third-party network that restores single images; for inference only, as its descriptor computes no gradients.

    spandrel does not state the receptive field: `receptive_radius` and `global_context` are what `unblur.restore.reach` measures; until then,
    192 pixels and global context are assumed. Parameters stay contiguous: authors ran their networks so, and some of them reshape features in
    ways that channels last does not allow. The result is clamped to [0, 1], as descriptors do it.

    Args:
        descriptor: of a network for restoration, with colour pictures of the same size going in and coming out.
        source: what to call its weights in messages.

    Attributes:
        system: name of the architecture.
        tags: what spandrel says of its size, such as `32w`.

    Raises:
        WeightsError: if the network is for super-resolution, inpainting or faces, or has other than three input and output channels.
    """

    memory_format = torch.contiguous_format
    global_context = True

    def __init__(self, descriptor: Descriptor, *, source: str) -> None:
        super().__init__()
        if reason := _why_not(descriptor):
            raise WeightsError(f"`{source}` holds a {descriptor.architecture.name}, {reason}")
        needs = descriptor.size_requirements
        self.size_multiple, self.size_minimum, self.size_square = needs.multiple_of, max(needs.minimum, 1), needs.square
        self.receptive_radius = _REACH
        self.system, self.tags = descriptor.architecture.name, tuple(descriptor.tags)
        lower = (("bf16", descriptor.supports_bfloat16), ("fp16", descriptor.supports_half))
        self.precisions = ("fp32", *(name for name, supported in lower if supported))
        self.network = descriptor.model
        self._descriptor = descriptor

    @property
    def tile_multiple(self) -> int:
        return lcm(self.size_multiple, _TILE_MULTIPLE)

    def forward(self, blurry: Tensor) -> Tensor:
        check_shape(blurry, ("B", 3, "H", "W"), name="blurry")
        height, width = blurry.shape[-2:]
        if self.fit_size(height, width) != (height, width):
            fit = "x".join(map(str, self.fit_size(height, width)))
            raise ShapeError(f"{self.system} takes pictures of {fit}, but not of {height}x{width}; use `unblur.load(...)`, which fits them")
        return torch.cat([self._descriptor(picture[None].contiguous()) for picture in blurry])  # descriptors take one at a time


def _why_not(descriptor: Descriptor) -> str:
    """Why a network cannot be used, as the end of a sentence; empty if it can."""
    channels = (descriptor.input_channels, descriptor.output_channels)
    if descriptor.purpose == "Inpainting":
        return "an inpainting network, which needs a mask; `unblur` takes restoration networks"
    if descriptor.scale != 1:
        return (
            f"a super-resolution network, which enlarges {descriptor.scale} times; `unblur` takes restoration networks, which keep the size"
        )
    if descriptor.purpose != "Restoration":
        return f"whose purpose is {descriptor.purpose}; `unblur` takes restoration networks"
    if channels != (3, 3):
        return f"with {channels[0]} input and {channels[1]} output channels; `unblur` takes networks for RGB, with 3 of each"
    return ""
