import pytest
import torch

from unblur.layers.recurrent_filter import four_way_filter
from unblur.models.svrnn import SVRNN


def tiny(**changes):
    torch.manual_seed(0)
    return SVRNN(**{"widths": (4, 6), "guide_widths": (4, 6, 8, 8), "num_filters": 2, **changes})


def photo(height=16, width=24):
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(1))


def with_weights(net, value):
    """The weight generation network puts out the same weight everywhere."""
    last = net.weigh.from_quarter[-2]
    torch.nn.init.zeros_(last.weight)
    torch.nn.init.constant_(last.bias, torch.atanh(torch.tensor(value)).item())
    return net


def test_model_is_as_large_as_published():
    """Quoted 37.1 MB, in single precision; a Caffe model has its layers' names beside the parameters."""
    with torch.device("meta"):
        net = SVRNN()
    count = sum(parameter.numel() for parameter in net.parameters())
    assert count == 9_227_027
    assert 4 * count / 1e6 == pytest.approx(37.1, rel=0.01)


def test_by_stages():
    net, blurry = tiny(), photo()
    entry = net.entry(blurry - 0.5)
    feat = net.features(entry)
    one, two = net.weigh(blurry - 0.5).split(24, dim=1)
    filtered = net.merges[1](four_way_filter(net.merges[0](four_way_filter(feat, one)), two))
    decoded = net.decode(torch.cat([feat, filtered], dim=1))
    doubled = torch.nn.functional.interpolate(decoded, scale_factor=2, mode="bilinear", align_corners=False)
    torch.testing.assert_close(net(blurry), net.picture(torch.cat([entry, doubled], dim=1)) + 0.5)


def test_weights_are_stable_and_differ_from_place_to_place():
    weights = torch.cat(tiny().filter_weights(photo()), dim=1)
    assert weights.shape == (1, 2 * 4 * 6, 8, 12)
    assert weights.abs().max() < 1
    assert (weights.std(dim=(2, 3)) > 0).all()


def test_convolutions_alone_do_not_reach_across_and_recurrences_do():
    """A pixel at the left is changed; what lies beyond the convolutions' radius hears of it through the recurrences only."""
    blurry = photo(8, 400)
    changed = blurry.clone()
    changed[..., :4] = 1 - changed[..., :4]
    for value, reaches in ((0.0, False), (0.95, True)):
        net = with_weights(tiny(), value).double()
        radius = net.receptive_radius
        assert radius < 300
        difference = (net(blurry.double()) - net(changed.double())).abs()[..., radius + 4 :]
        assert bool(difference.max() > 0) == reaches


def test_a_flat_picture_gives_flat_features_up_to_the_border():
    net = with_weights(tiny(), 0.9)
    flat = torch.ones(1, 6, 8, 12)
    torch.testing.assert_close(four_way_filter(flat, net.filter_weights(photo())[0]), torch.ones(1, 24, 8, 12))
