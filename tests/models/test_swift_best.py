import pytest
import torch
from blurred_pictures import CURVE, blurred, leaves

from unblur.errors import ShapeError
from unblur.layers.kernel_refinement import CONFIDENCE_CHANNELS
from unblur.layers.windows import to_windows
from unblur.models.swift import Swift, widen
from unblur.models.swift_best import BORDER, GAMMA, SwiftBest

SMALL = {"widths": (8, 12), "blocks": (1, 1), "motion_widths": (4, 8), "motion_blocks": (1, 1)}


def pictures():
    """A picture of three colours, sharp and blurred in linear light, (1, 3, 128, 128)."""
    light = leaves()[:, None] * torch.tensor([1.0, 0.8, 0.5])[:, None, None]
    sharp, blurry = light, blurred(light, CURVE[:, None]).clamp(0, 1)
    return blurry ** (1 / GAMMA), sharp ** (1 / GAMMA)


def psnr(one, other):
    return -10 * (one - other).detach().square().mean().log10().item()


def test_untrained_it_is_the_identity():
    blurry = torch.rand(1, 3, 16, 24)
    assert torch.equal(SwiftBest(**SMALL)(blurry), blurry)


def test_begins_as_the_swift_that_it_is_given():
    torch.manual_seed(0)
    photo, net = Swift(**SMALL), SwiftBest(**SMALL)
    for parameter in photo.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    net.load_state_dict(widen(photo.state_dict(), net=net))
    blurry = torch.rand(2, 3, 64, 48)
    torch.testing.assert_close(net(blurry), photo(blurry), rtol=1e-5, atol=1e-6)


def test_begins_as_a_narrower_one_and_learns_with_all_it_has():
    torch.manual_seed(0)
    wider = {"widths": (12, 12), "refiner_widths": (12, 16), "gate_widths": (12, 12)}
    narrow = {"refiner_widths": (8, 8), "refiner_blocks": (1, 1), "gate_widths": (8, 8), "gate_blocks": (1, 1)}
    small, net = SwiftBest(**(SMALL | narrow)), SwiftBest(**(SMALL | narrow | wider))
    for parameter in small.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    net.load_state_dict(widen(small.state_dict(), net=net))
    blurry = torch.rand(1, 3, 64, 48)
    torch.testing.assert_close(net(blurry), small(blurry), rtol=1e-4, atol=1e-5)
    net(blurry).square().sum().backward()
    for unet in (net.kernel_refiner.unet, net.gate.unet, net.restoration):
        assert unet.exit.weight.grad[:, small.kernel_refiner.unet.exit.in_channels :].any()  # what is new is the first to be heard there


def test_in_luma_it_sees_a_third_of_what_is_along_the_smear():
    """Of a grey picture as much as in colours, whose weights are added up."""
    torch.manual_seed(0)
    wide, net = (SwiftBest(**SMALL, colour_samples=colour_samples) for colour_samples in (True, False))
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
            widen(Swift(**(SMALL | other)).state_dict(), net=SwiftBest(**SMALL))


def test_deconvolved_views_are_nearer_to_the_truth():
    """And in their place, not moved by a few pixels."""
    blurry, sharp = pictures()
    views = SwiftBest(**SMALL, iterations=((2,), (5,))).deconvolve(blurry)[0].chunk(2, dim=1)
    gains = [psnr(view, sharp) - psnr(blurry, sharp) for view in views]
    assert gains[0] > 1
    assert gains[1] > gains[0]


def test_every_window_has_a_kernel_of_its_own():
    """Two pictures side by side, only one of which is blurred: the other one stays."""
    blurry, sharp = pictures()
    half = torch.cat([blurry, sharp.flip(-1)], dim=-1)
    truth = torch.cat([sharp, sharp.flip(-1)], dim=-1)
    deconvolved = SwiftBest(**SMALL, window=128, stride=96, iterations=((4,),)).deconvolve(half)[0][:, :3]
    assert deconvolved.shape == half.shape
    assert psnr(deconvolved[..., :96], truth[..., :96]) > psnr(half[..., :96], truth[..., :96]) + 0.7
    assert psnr(deconvolved[..., 208:-16], truth[..., 208:-16]) > 30


def test_windows_are_wider_where_one_will_do():
    blurry, _ = pictures()
    side = blurry.shape[-1] + 2 * BORDER
    many, wide, one = (SwiftBest(**SMALL, window=w, stride=s, max_window=m) for w, s, m in ((96, 80, 0), (96, 80, side), (side, 80, 0)))
    assert torch.equal(wide.deconvolve(blurry)[0], one.deconvolve(blurry)[0])
    assert not torch.equal(wide.deconvolve(blurry)[0], many.deconvolve(blurry)[0])


def test_windows_are_narrower_to_undo_blur_where_they_overlap_by_much():
    blurry, sharp = pictures()
    plain, wide, narrow = (SwiftBest(**SMALL, window=96, stride=80, overlap=overlap) for overlap in (0, 96, 16))
    seen = [net.deconvolve(blurry) for net in (plain, wide, narrow)]
    assert torch.equal(seen[0][0], seen[1][0])
    assert not torch.equal(seen[0][0], seen[2][0])
    assert all(torch.equal(seen[0][1], other[1]) for other in seen)  # the paths are the same
    assert psnr(seen[2][0][:, :3], sharp) > psnr(blurry, sharp) + 0.5


def test_light_that_was_cut_off_reaches_into_other_windows():
    light = torch.full((1, 3, 64, 128), 0.2)
    light[..., 24:40, 66:74] = 1.0  # beside the first window
    net = SwiftBest(**SMALL, window=64, stride=64, kernel_size=15)
    bright, seen = to_windows(net.search_input(light), layout=net.layout)[0]
    torch.testing.assert_close(bright, torch.full_like(bright, 0.2))
    assert float(seen[32, 63]) == 0
    assert float(seen[32, 48]) == 1  # further than half a kernel away


def test_a_kernel_must_hold_the_path():
    """That is 7 pixels long: half of it is not enough."""
    blurry, sharp = pictures()
    small, large = (psnr(SwiftBest(**SMALL, kernel_size=size).deconvolve(blurry)[0][:, 3:6], sharp) for size in (5, 31))
    assert large > small + 0.5


@pytest.mark.parametrize("shape", [(8, 8), (8, 64), (56, 16)])
def test_small_pictures_have_views_too(shape):
    deconvolved, confidence = SwiftBest(**SMALL).deconvolve(torch.rand(1, 3, *shape))
    assert deconvolved.shape == (1, 9, *shape)
    assert confidence.shape == (1, CONFIDENCE_CHANNELS, shape[0] // 8, shape[1] // 8)
    assert deconvolved.isfinite().all()
    assert confidence.isfinite().all()


def test_learns_of_its_views_what_the_path_is():
    """A gradient flows to what makes paths of kernels, also where a picture is black."""
    blurry, sharp = pictures()
    blurry[..., :20, :] = 0
    net = SwiftBest(**SMALL)
    (net.deconvolve(blurry)[0][:, -3:] - sharp).square().mean().backward()
    gradients = [parameter.grad for parameter in net.kernel_refiner.unet.exit.parameters()]
    assert all(gradient.isfinite().all() and gradient.abs().max() > 0 for gradient in gradients)


def test_views_are_the_same_in_any_precision():
    blurry, _ = pictures()
    net = SwiftBest(**SMALL)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(net.deconvolve(blurry)[0], net.deconvolve(blurry.clone())[0])
        rounded = net.deconvolve(blurry)
    assert all(torch.equal(one, other) for one, other in zip(rounded, net.deconvolve(blurry), strict=True))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"kernel_size": 30}, "odd"),
        ({"window": 40}, "windows"),
        ({"stride": 300}, "overlap"),
        ({"iterations": ()}, "iterations"),
        ({"iterations": ((1,), (0,))}, "iterations"),
        ({"iterations": ((1,), ())}, "iterations"),
        ({"search_iterations": (0, 0)}, "search_iterations"),
        ({"ensemble": 3}, "ensemble"),
        ({"max_window": 32}, "max_window"),
        ({"scale": 1.1}, "scale"),
        ({"scale": 0.7}, "scale"),
        ({"scale": 0.0}, "scale"),
    ],
)
def test_refuses_what_makes_no_sense(wrong, says):
    with pytest.raises(ValueError, match=says):
        SwiftBest(**SMALL, **wrong)


def test_size_of_the_built_in_network():
    net = SwiftBest()
    parts = sum(p.numel() for part in (net.gate, net.kernel_refiner) for p in part.parameters())
    grown = sum(p.numel() for p in net.parameters()) - sum(p.numel() for p in Swift().parameters()) - parts
    assert grown == 3 * 16 * 64 * 9 + 3 * 16 * (64 * 9 + 1)  # three views more to see, and three shares to give


def test_looks_at_all_it_knows_upright_and_turned_by_half(monkeypatch):
    """So that it does not matter which of them is upright; in training it looks once."""
    net = SwiftBest(**SMALL)
    generator = torch.Generator().manual_seed(0)
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.1, generator=generator)
    blurry, smear = torch.rand(1, 3, 64, 48, generator=generator), 8 * torch.randn(1, 3, 16, 12, generator=generator)
    views, confidence = torch.rand(1, 9, 64, 48, generator=generator), torch.rand(1, CONFIDENCE_CHANNELS, 8, 6, generator=generator)

    def difference():
        monkeypatch.setattr(net, "deconvolve", lambda _: (views, confidence))
        upright = net.restore(blurry, smear)
        monkeypatch.setattr(net, "deconvolve", lambda _: (views.flip(-2, -1), confidence.flip(-2, -1)))
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
    net, generator = SwiftBest(**SMALL, **arguments).eval(), torch.Generator().manual_seed(0)
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
    torch.testing.assert_close(SwiftBest(**SMALL, scale=0.8)(blurry), blurry, rtol=0, atol=1e-6)


def test_a_change_of_the_smaller_picture_comes_to_its_place(monkeypatch):
    wave = torch.linspace(0, 9, 100).sin()[None] * torch.linspace(0, 7, 60).cos()[:, None]
    blurry = 0.5 + 0.4 * wave.expand(1, 3, 60, 100)
    net = SwiftBest(**SMALL, scale=0.8)
    monkeypatch.setattr(net, "restore", lambda small, _: 0.5 * small)
    torch.testing.assert_close(net(blurry), 0.5 * blurry, rtol=0, atol=4e-3)


def test_the_search_is_told_how_far_to_go():
    blurry, _ = pictures()
    told = ({}, {"search_iterations": (0, 0, 1)}, {"threshold": 0.5}, {"restart_edges": False})
    nets = [SwiftBest(**SMALL, **arguments) for arguments in told]
    found = [net.estimate_kernels(net.search_input(blurry**GAMMA))[1][:, 0] for net in nets]
    assert not torch.allclose(found[0], found[1], atol=1e-3)
    assert not torch.allclose(found[0], found[3], atol=1e-4)
    assert int((found[2] > 0).sum()) < int((found[0] > 0).sum())


def test_makes_of_each_change_as_much_as_it_trusts():
    blurry, _ = pictures()
    net = SwiftBest(**SMALL, iterations=((2,), (4,))).eval()
    with torch.no_grad():
        net.restoration.exit.bias.normal_(std=0.1, generator=torch.Generator().manual_seed(0))
        own = net(blurry) - blurry
        first, second = net.deconvolve(blurry)[0].chunk(2, dim=1)
        net.gate.unet.exit.bias.copy_(torch.tensor([-0.75, 0.5, -0.125]))
        wanted = blurry + 0.25 * own + 0.5 * (first - blurry) - 0.125 * (second - blurry)
        torch.testing.assert_close(net(blurry), wanted, rtol=1e-4, atol=1e-5)
