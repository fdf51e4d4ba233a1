"""How a network runs on pictures of any size, photos and frames alike: what a tile takes, smaller tiles where memory runs out, and the fail-safe."""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

from unblur.errors import DeviceError
from unblur.models.base import Net
from unblur.restore.memory import out_of_memory, peak_bytes
from unblur.restore.precision import Setup
from unblur.restore.safety import Guarded, guard

__all__ = ["bytes_per_pixel", "mixed_safely", "within_memory"]

_SIDE = 128  # pixels of the picture on which memory is measured, at least
_BESIDE_NETWORK = 5 * 12  # bytes a pixel: input, result, their difference for the fail-safe, and the sums of overlapping tiles, 3 fp32 each
_MEMORY_MARGIN = 1.2  # times what is measured: a fifth for what convolutions take inside

Result = TypeVar("Result")


def bytes_per_pixel(net: Net, setup: Setup) -> float:
    """Memory that restoring takes for each pixel of a tile, measured on a small window of as many frames as the network looks at."""
    height, width = net.fit_size(_SIDE, _SIDE)
    if net.num_frames == 1:
        blurry = torch.zeros(1, 3, height, width, device=setup.device).to(memory_format=torch.channels_last)
    else:
        blurry = torch.zeros(1, net.num_frames, 3, height, width, device=setup.device)
    return _MEMORY_MARGIN * peak_bytes(lambda: setup.run(net.in_torch, blurry)) / (height * width) + _BESIDE_NETWORK


def within_memory(attempt: Callable[[], Result], *, shrink: Callable[[], bool], net: Net, setup: Setup) -> Result:
    """The result of `attempt`, which is made again, by less memory each time, as long as memory runs out.

    Args:
        attempt: raises what torch raises where there is no memory; called until it does not.
        shrink: makes the next attempt take less; gives false if it cannot.
        net: for the message.
        setup: where it runs.

    Raises:
        DeviceError: if memory runs out and `shrink` gives false.
    """
    while True:
        try:
            return attempt()
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            if not shrink():
                raise _too_small(net, setup) from error
        if setup.device.type == "cuda":
            torch.cuda.empty_cache()


def mixed_safely(blurry: Tensor, restored: Tensor, *, strength: float) -> Guarded:
    """A mix of a picture and its restoration after the fail-safe.

    Shape:
        both (C, H, W), in [0, 1]
    """
    guarded = guard(blurry, restored)
    return Guarded(torch.lerp(blurry, guarded.restored, strength), guarded.kept)


def _too_small(net: Net, setup: Setup) -> DeviceError:
    tile, other = ("tile", "") if net.num_frames == 1 else (f"tile of {net.num_frames} frames", ", choose a photo network")
    elsewhere = "" if setup.device.type == "cpu" else ", or use `--device cpu`"
    return DeviceError(f"memory on `{setup.device}` is too small even for the smallest {tile}; close other programs{other}{elsewhere}")
