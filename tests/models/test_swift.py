import pytest
import torch

from unblur.models.swift import Swift

SMALL = {"widths": (8, 12), "blocks": (1, 1), "motion_widths": (4, 8), "motion_blocks": (1, 1)}


def trained(**arguments) -> Swift:
    """With random weights also where training starts from zero."""
    torch.manual_seed(0)
    net = Swift(**(SMALL | arguments)).eval()
    for unet in (net.motion, net.restoration):
        torch.nn.init.normal_(unet.exit.weight, std=0.05)
    return net


def test_untrained_it_is_the_identity():
    blurry = torch.rand(1, 3, 16, 24)
    assert torch.equal(Swift(**SMALL)(blurry), blurry)


def test_stages_compose_to_forward():
    net, blurry = trained(), torch.rand(2, 3, 16, 24)
    assert torch.equal(net.restore(blurry, net.blur_field(blurry)), net(blurry))
    assert net.blur_field(blurry).shape == (2, 3, 4, 6)


def test_restoration_depends_on_the_spread_also_through_what_is_read():
    net, blurry = trained(), torch.rand(1, 3, 16, 24)
    blur_field = torch.zeros(1, 3, 4, 6)
    still, moved = net.restore(blurry, blur_field), net.restore(blurry, blur_field + 6)
    assert not torch.allclose(still, moved)
    blind = trained(positions=())
    assert blind.restoration.entry.in_channels == 48 + 3
    assert not torch.allclose(blind.restore(blurry, blur_field), blind.restore(blurry, blur_field + 6))


def test_longest_bounds_the_spread():
    net, blurry = trained(max_blur_length=4.0), torch.rand(1, 3, 16, 24)
    assert torch.equal(net.restore(blurry, torch.full((1, 3, 4, 6), 4.0)), net.restore(blurry, torch.full((1, 3, 4, 6), 400.0)))


def test_output_keeps_the_precision_of_the_input_under_autocast():
    """The residual may be coarse; the picture that it is added to must not be."""
    blurry = torch.rand(1, 3, 16, 24)
    with torch.autocast("cpu", torch.bfloat16):
        restored = Swift(**SMALL)(blurry)
    assert restored.dtype == torch.float32
    assert torch.equal(restored, blurry)


def test_size_of_the_built_in_network():
    assert sum(parameter.numel() for parameter in Swift().parameters()) == pytest.approx(1.93e6, rel=0.01)
