"""Choices that several commands offer."""

from enum import StrEnum
from typing import Any

import typer

__all__ = [
    "NETWORK_HELP",
    "WEIGHTS_HELP",
    "Device",
    "Folders",
    "Interlaced",
    "Precision",
    "Quality",
    "Runtime",
    "changes_option",
    "cluster_option",
]

WEIGHTS_HELP = (
    "Instead of `--model`: the published checkpoint of a third-party network (NAFNet, FFTformer, ...), a `.pth`, `.pt`, `.ckpt` or `.safetensors` file. "
    "Needs the extra `peers`."
)
"""What `--weights` is for."""


NETWORK_HELP = "Import path of the network of `--model`, if that is one of your own: `package.module:function`. Its code is run."
"""What `--network` is for."""


def cluster_option(what: str) -> Any:  # noqa: ANN401 - typer does not say
    """The option `--cluster` of a command.

    Args:
        what: what is done there, as the beginning of its help.
    """
    return typer.Option(metavar="auto|HOST:PORT", help=f"{what} Needs the extra `cluster`.", show_default=False)


def changes_option(what: str) -> Any:  # noqa: ANN401 - typer does not say
    """The option `--set` of a command.

    Args:
        what: what it changes, as the beginning of its help.
    """
    return typer.Option("--set", metavar="KEY=VALUE", help=f"{what}; may be repeated.", show_default=False)


class Device(StrEnum):
    """Where to run."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"
    mps = "mps"


class Folders(StrEnum):
    """How a folder of numbered pictures is read."""

    auto = "auto"
    clips = "clips"
    photos = "photos"


class Interlaced(StrEnum):
    """What is done with interlaced video."""

    refuse = "refuse"
    keep = "keep"
    deinterlace = "deinterlace"


class Quality(StrEnum):
    """Of a restoration, by the effort that it may take."""

    fast = "fast"
    good = "good"
    best = "best"


class Precision(StrEnum):
    """Of the network's arithmetic."""

    auto = "auto"
    fp32 = "fp32"
    bf16 = "bf16"
    fp16 = "fp16"
    int8 = "int8"


class Runtime(StrEnum):
    """What computes a network."""

    torch = "torch"
    onnx = "onnx"
    openvino = "openvino"
    auto = "auto"
