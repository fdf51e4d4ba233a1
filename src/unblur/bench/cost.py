"""What a network costs before it has run: parameters and multiply-adds."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from unblur.models import create
from unblur.models.base import Net

__all__ = ["Cost", "cost_of", "cost_of_network"]


@dataclass(frozen=True)
class Cost:
    """Cost of a network.

    Attributes:
        parameters: numbers learnt.
        multiply_adds: for one frame that comes out.
        frames: frames that go in for it.
    """

    parameters: int
    multiply_adds: int
    frames: int


def cost_of(name: str, arguments: Mapping[str, object], *, width: int = 1280, height: int = 720) -> Cost:
    """Count the parameters of a network and its multiply-adds for one restored frame.

    Nothing is computed: tensors have shapes but no values, so that a network that needs 100 GB is counted in seconds.

    Decided: multiply-adds are those of convolutions and matrix products, as papers count them; elementwise operations, sampling and
    the products of a cost volume are left out. Sides are rounded up to the multiple that the network takes, since that is what it
    computes. A window is counted whole, although a stream computes the features of a frame once.

    Args:
        name: for `unblur.models.create`.
        arguments: of its constructor.
        width: pixels of the frame.
        height: pixels of the frame.

    Example:
        >>> cost_of("deepdeblur", {"num_scales": 1, "width": 8, "num_blocks": 1}, width=16, height=8).parameters
        4427
    """
    with FakeTensorMode():
        return cost_of_network(create(name, **arguments), width=width, height=height)


def cost_of_network(net: Net, *, width: int = 1280, height: int = 720) -> Cost:
    """Count the same of a network that is already built: its parameters, and multiply-adds for one restored frame. It is left in evaluation mode.

    Args:
        net: on any device.
        width: pixels of the frame.
        height: pixels of the frame.
    """
    frames = (net.num_frames,) if net.num_frames > 1 else ()
    device = next((parameter.device for parameter in net.parameters()), torch.device("cpu"))
    with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad(), FlopCounterMode(display=False) as counter:
        net.eval()(torch.zeros(1, *frames, 3, *net.fit_size(height, width), device=device))
    return Cost(
        parameters=sum(parameter.numel() for parameter in net.parameters()),
        multiply_adds=counter.get_total_flops() // 2,
        frames=net.num_frames,
    )
