"""Third-party networks under the contract of our own, with stand-ins for what spandrel describes."""

import pytest
import torch
from spandrels import Bigger, FakeDescriptor, SizeRequirements, tiny_net

from unblur.errors import ShapeError, WeightsError
from unblur.models.foreign import ForeignNet


def foreign(**facts):
    return ForeignNet(FakeDescriptor(tiny_net(), **facts), source="a.pth")


def test_facts_come_from_the_descriptor():
    net = foreign(size_requirements=SizeRequirements(minimum=40, multiple_of=24, square=True), supports_half=True, supports_bfloat16=False)
    assert (net.size_multiple, net.size_minimum, net.size_square, net.num_frames) == (24, 40, True, 1)
    assert net.fit_size(10, 50) == (72, 72)
    assert net.precisions == ("fp32", "fp16")
    assert (net.system, net.tags) == ("TinyNet", ("3w",))
    assert net.scale_step is None
    assert foreign().precisions == ("fp32", "bf16")


def test_what_nobody_stated_is_assumed_with_care():
    net = foreign()
    assert (net.receptive_radius, net.global_context) == (192, True)


@pytest.mark.parametrize(("multiple", "begin"), [(1, 64), (8, 64), (24, 192), (128, 128)])
def test_tiles_begin_where_strides_that_are_not_stated_do(multiple, begin):
    assert foreign(size_requirements=SizeRequirements(multiple_of=multiple)).tile_multiple == begin


def test_pictures_of_a_batch_go_through_the_network_one_by_one():
    net = foreign().eval()
    blurry = torch.rand(3, 3, 32, 48, generator=torch.Generator().manual_seed(0))
    expected = tiny_net()(blurry).clamp(0, 1)
    torch.testing.assert_close(net(blurry), expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(net(blurry.to(memory_format=torch.channels_last)), expected, rtol=0, atol=1e-6)
    (only,) = net.forward_scales(blurry)
    torch.testing.assert_close(only, expected, rtol=0, atol=1e-6)


def test_parameters_are_those_of_the_network():
    net = foreign()
    torch.testing.assert_close(net.state_dict(), {f"network.{name}": value for name, value in tiny_net().state_dict().items()})
    assert net.to(torch.float64)._descriptor.model.down.weight.dtype == torch.float64


@pytest.mark.parametrize(
    ("needs", "size"),
    [
        (SizeRequirements(multiple_of=8), (32, 36)),
        (SizeRequirements(minimum=40), (32, 64)),
        (SizeRequirements(square=True), (32, 64)),
    ],
)
def test_sizes_that_do_not_fit_are_refused(needs, size):
    with pytest.raises(ShapeError, match=f"not of {size[0]}x{size[1]}"):
        foreign(size_requirements=needs)(torch.zeros(1, 3, *size))


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"purpose": "Inpainting"}, "an inpainting network"),
        ({"purpose": "SR", "scale": 4}, "super-resolution network, which enlarges 4 times"),
        ({"purpose": "FaceSR"}, "purpose is FaceSR"),
        ({"input_channels": 1, "output_channels": 1}, "1 input and 1 output channels"),
        ({"input_channels": 4}, "4 input and 3 output channels"),
    ],
)
def test_other_purposes_are_refused_with_a_reason(facts, words):
    with pytest.raises(WeightsError, match=f"`a.pth` holds a BigNet.*{words}.*restoration networks|RGB"):
        ForeignNet(FakeDescriptor(Bigger(), name="BigNet", **facts), source="a.pth")
