import pytest
import torch
from blurred_pictures import CURVE, blurred, leaves

from unblur.errors import InputError, ShapeError
from unblur.layers.gate import GatingNet
from unblur.layers.kernel_refinement import CONFIDENCE_CHANNELS
from unblur.layers.light import GAMMA
from unblur.models.swift import Swift, widen
from unblur.models.swift_best import swift_best

SMALL = {"widths": (8, 12), "blocks": (1, 1), "motion_widths": (4, 8), "motion_blocks": (1, 1)}


def test_untrained_it_is_the_identity():
    blurry = torch.rand(1, 3, 16, 24)
    assert torch.equal(swift_best(**SMALL)(blurry), blurry)


def test_begins_as_the_swift_that_it_is_given():
    torch.manual_seed(0)
    photo, net = Swift(**SMALL), swift_best(**SMALL)
    for parameter in photo.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    net.load_state_dict(widen(photo.state_dict(), net=net))
    blurry = torch.rand(2, 3, 64, 48)
    torch.testing.assert_close(net(blurry), photo(blurry), rtol=1e-5, atol=1e-6)


def test_begins_as_a_narrower_one_and_learns_with_all_it_has():
    torch.manual_seed(0)
    wide, narrow = {"refiner_widths": (12, 16), "refiner_blocks": (1, 1)}, {"refiner_widths": (8, 8), "refiner_blocks": (1, 1)}
    small, net = swift_best(**SMALL, kernels=narrow), swift_best(**(SMALL | {"widths": (12, 12)}), kernels=wide)
    small.gate, net.gate = (
        GatingNet(changes=4, side_channels=3 + CONFIDENCE_CHANNELS, widths=widths, blocks=(1, 1)) for widths in ((8, 8), (12, 12))
    )
    for parameter in small.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    net.load_state_dict(widen(small.state_dict(), net=net))
    blurry = torch.rand(1, 3, 64, 48)
    torch.testing.assert_close(net(blurry), small(blurry), rtol=1e-4, atol=1e-5)
    net(blurry).square().sum().backward()
    for unet in (net.deconvolution.kernel_estimator.refiner.unet, net.gate.unet, net.restoration):
        assert unet.exit.weight.grad[:, 8:].any()  # what is new is the first to be heard there


def test_in_luma_it_sees_a_third_of_what_is_along_the_smear():
    """Of a grey picture as much as in colours, whose weights are added up."""
    torch.manual_seed(0)
    wide, net = (swift_best(**SMALL, colour_samples=colour_samples) for colour_samples in (True, False))
    own, along, rest = wide.restoration.entry.weight.detach().tensor_split([48, 240], dim=1)
    bright = along.reshape(len(along), 4, 3, 16, 3, 3).sum(2).flatten(1, 2)
    net.restoration.entry.load_state_dict({"weight": torch.cat([own, bright, rest], dim=1), "bias": wide.restoration.entry.bias})
    grey, coloured = torch.rand(1, 1, 64, 48).expand(1, 3, 64, 48), torch.rand(1, 3, 64, 48)
    blur_field, views = 8 * torch.randn(1, 3, 16, 12), torch.randn(1, 3, 64, 48)

    def heard(net, blurry):
        return net.restoration.entry(net.restoration_input(blurry, blur_field, views))

    torch.testing.assert_close(heard(net, grey), heard(wide, grey), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(heard(net, coloured), heard(wide, coloured), atol=1e-3)


def test_refuses_a_swift_of_other_widths():
    for other in ({"widths": (12, 12)}, {"positions": (-0.5, 0.5), "widths": (12, 16)}, {"motion_widths": (8, 8)}):
        with pytest.raises(ShapeError, match="no place"):
            widen(Swift(**(SMALL | other)).state_dict(), net=swift_best(**SMALL))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"iterations": ()}, "iterations"),
        ({"ensemble": 3}, "ensemble"),
        ({"scale": 1.1}, "scale"),
        ({"scale": 0.7}, "scale"),
        ({"scale": 0.0}, "scale"),
    ],
)
def test_refuses_what_makes_no_sense(wrong, says):
    with pytest.raises(ValueError, match=says):
        swift_best(**SMALL, **wrong)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"kernels": {"sise": 15}}, "`kernels` has no argument 'sise'; did you mean 'size'"),
        ({"windows": {"max_size": 288}}, "`windows` has no argument 'max_size'; did you mean 'max_side'"),
        ({"windows": None}, "`windows` must be a mapping"),
    ],
)
def test_arguments_of_parts_are_checked_by_name(wrong, says):
    with pytest.raises(InputError, match=says):
        swift_best(**SMALL, **wrong)


def test_parts_keep_the_defaults_of_what_is_left_out():
    net = swift_best(**SMALL, kernels={"size": 15, "refiner_widths": [8, 8], "refiner_blocks": [0, 0]}, windows={"overlap": 48})
    default = swift_best(**SMALL)
    estimator = net.deconvolution.kernel_estimator
    assert (estimator.size, estimator.refiner.unet.exit.in_channels) == (15, 8)
    assert estimator.iterations == default.deconvolution.kernel_estimator.iterations
    assert net.deconvolution.layout == default.deconvolution.layout
    assert net.deconvolution.deconvolution_layout.overlap == 48


def test_size_of_the_built_in_network():
    net = swift_best()
    parts = sum(p.numel() for part in (net.gate, net.deconvolution) for p in part.parameters())
    grown = sum(p.numel() for p in net.parameters()) - sum(p.numel() for p in Swift().parameters()) - parts
    assert grown == 3 * 16 * 64 * 9 + 3 * 16 * (64 * 9 + 1)  # three views more to see, and three shares to give


def test_looks_at_all_it_knows_upright_and_turned_by_half(monkeypatch):
    """So that it does not matter which of them is upright; in training it looks once."""
    net = swift_best(**SMALL)
    generator = torch.Generator().manual_seed(0)
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.1, generator=generator)
    blurry, smear = torch.rand(1, 3, 64, 48, generator=generator), 8 * torch.randn(1, 3, 16, 12, generator=generator)
    views, confidence = torch.rand(1, 9, 64, 48, generator=generator), torch.rand(1, CONFIDENCE_CHANNELS, 8, 6, generator=generator)

    def difference():
        monkeypatch.setattr(net.deconvolution, "forward", lambda _: (views, confidence))
        upright = net.restore(blurry, smear)
        monkeypatch.setattr(net.deconvolution, "forward", lambda _: (views.flip(-2, -1), confidence.flip(-2, -1)))
        turned = net.restore(blurry.flip(-2, -1), smear.flip(-2, -1))
        return (turned.flip(-2, -1) - upright).abs().max()

    with torch.no_grad():
        assert difference() > 0.01
        net.eval()
        assert difference() < 1e-5
        net.ensemble = 1
        assert difference() > 0.01


def drawn_net(**arguments):
    """One that changes a picture, with the same weights each time."""
    net, generator = swift_best(**SMALL, **arguments).eval(), torch.Generator().manual_seed(0)
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.1, generator=generator)
    return net


@pytest.mark.parametrize("shape", [(60, 100), (20, 10), (130, 70)])
def test_restored_smaller_it_is_as_large_as_it_was(shape):
    net = drawn_net(scale=0.8)
    blurry = torch.rand(1, 3, *shape)
    with torch.no_grad():
        assert net(blurry).shape == blurry.shape
        assert net.downscaled(blurry).shape[-2:] == (shape[0] * 4 // 5, shape[1] * 4 // 5)
        assert not torch.equal(net(blurry), blurry)


def test_restored_smaller_it_keeps_what_the_smaller_picture_does_not_show():
    """Untrained, it gives back the picture with its finest detail."""
    blurry = torch.rand(1, 3, 60, 40)
    torch.testing.assert_close(swift_best(**SMALL, scale=0.8)(blurry), blurry, rtol=0, atol=1e-6)


def test_a_change_of_the_smaller_picture_comes_to_its_place(monkeypatch):
    wave = torch.linspace(0, 9, 100).sin()[None] * torch.linspace(0, 7, 60).cos()[:, None]
    blurry = 0.5 + 0.4 * wave.expand(1, 3, 60, 100)
    net = swift_best(**SMALL, scale=0.8)
    monkeypatch.setattr(net, "restore", lambda small, _: 0.5 * small)
    torch.testing.assert_close(net(blurry), 0.5 * blurry, rtol=0, atol=4e-3)


def test_makes_of_each_change_as_much_as_it_trusts():
    blurry = blurred(leaves()[:, None].expand(-1, 3, -1, -1), CURVE[:, None]).clamp(0, 1) ** (1 / GAMMA)
    net = swift_best(**SMALL, iterations=((2,), (4,))).eval()
    with torch.no_grad():
        net.restoration.exit.bias.normal_(std=0.1, generator=torch.Generator().manual_seed(0))
        own = net(blurry) - blurry
        first, second = net.deconvolution(blurry)[0].chunk(2, dim=1)
        net.gate.unet.exit.bias.copy_(torch.tensor([-0.75, 0.5, -0.125]))
        wanted = blurry + 0.25 * own + 0.5 * (first - blurry) - 0.125 * (second - blurry)
        torch.testing.assert_close(net(blurry), wanted, rtol=1e-4, atol=1e-5)
