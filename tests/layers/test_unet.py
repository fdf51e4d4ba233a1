import pytest
import torch

from unblur.layers.unet import UNet


def positive(**arguments) -> UNet:
    """All weights positive and every path alive."""
    net = UNet(in_channels=2, out_channels=3, **arguments).double()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.fill_(1 / max(parameter[0].numel(), 1))
    return net


@pytest.mark.parametrize(("widths", "blocks"), [((4,), (1,)), ((4, 6), (1, 2)), ((4, 4, 4), (1, 1, 1)), ((4, 4, 4), (2, 0, 3))])
def test_receptive_radius_is_tight(widths, blocks):
    net = positive(widths=widths, blocks=blocks)
    side = 2 * (net.receptive_radius + net.size_multiple) // net.size_multiple * net.size_multiple + net.size_multiple
    x = torch.ones(1, 2, net.size_multiple, side, dtype=torch.float64, requires_grad=True)
    row = net(x)[0, :, 0].sum(dim=0)
    reach = 0
    for column in range(side // 2, side // 2 + net.size_multiple):
        (gradient,) = torch.autograd.grad(row[column], x, retain_graph=True)
        reach = max(reach, int((gradient.abs().sum(dim=(0, 1, 2)).nonzero() - column).abs().max()))
    assert 0.8 * net.receptive_radius <= reach <= net.receptive_radius


def test_untrained_it_says_nothing():
    assert not UNet(in_channels=2, out_channels=3, widths=(4, 6), blocks=(1, 1))(torch.rand(1, 2, 8, 6)).any()


def test_shapes_and_multiple():
    net = positive(widths=(4, 6, 8), blocks=(1, 0, 1))
    assert net.size_multiple == 4
    assert net(torch.rand(2, 2, 12, 20, dtype=torch.float64)).shape == (2, 3, 12, 20)


def test_figures_must_match():
    with pytest.raises(ValueError, match="one entry a resolution"):
        UNet(in_channels=2, out_channels=3, widths=(4, 6), blocks=(1,))
