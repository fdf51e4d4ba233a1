import pytest
import torch
from small import constant
from torch.nn.functional import interpolate

from unblur.layers.light import GAMMA, luma
from unblur.layers.motion_blur import line_blur
from unblur.models.swift import widen
from unblur.models.swift_video import SwiftVideo
from unblur.models.swift_video_best import LAGS, SPEEDS, ExposureRatio, SwiftVideoBest, slope_correlations

SMALL = {
    "widths": (8, 12),
    "blocks": (1, 1),
    "motion_widths": (4, 8),
    "motion_blocks": (1, 1),
    "flow_widths": (4, 8),
    "flow_radii": (0, 2),
}


def leaves(height: int = 96, width: int = 128) -> torch.Tensor:
    """Blots of several sizes with sharp edges, (1, 3, H, W) in linear light."""
    generator = torch.Generator().manual_seed(5)
    light = torch.full((1, 3, height, width), 0.2)
    for size in (16, 8, 4):
        cells = torch.rand(1, 3, height // size, width // size, generator=generator)
        shown = torch.rand(1, 1, height // size, width // size, generator=generator) < 0.4
        up = [interpolate(field.float(), size=(height, width), mode="nearest") for field in (cells, shown)]
        light = torch.where(up[1] > 0, up[0], light)
    return light


def evenly_moved(velocity=(10.0, 4.0), exposure_ratio=0.6):
    """Three frames of a scene that moves as a whole, its truth in the middle, (1, 3, 3, H, W) and (1, 3, H, W) as files have them."""
    scene = leaves(160, 192)
    line = torch.tensor(velocity)[None, :, None, None].expand(1, 2, 160, 192)
    blurry = line_blur(exposure_ratio * line, samples=33)(scene)
    frames = []
    for time in (-1, 0, 1):
        across, down = (round(32 - time * each) for each in velocity)
        frames.append(blurry[..., down : down + 96, across : across + 128])
    return torch.stack(frames, dim=1) ** (1 / GAMMA), scene[..., 32:128, 32:160] ** (1 / GAMMA)


def psnr(one, other, *, border=24):
    inner = (..., slice(border, -border), slice(border, -border))
    return float(-10 * torch.log10((one[inner] - other[inner]).square().mean()))


def test_untrained_it_is_the_identity():
    blurry = torch.rand(1, 3, 3, 16, 24)
    assert torch.equal(SwiftVideoBest(**SMALL)(blurry), blurry[:, 1])


def test_begins_as_the_swift_video_that_it_is_given():
    torch.manual_seed(0)
    video, net = SwiftVideo(**SMALL).eval(), SwiftVideoBest(**SMALL).eval()
    for part in (video.blur_field, video.restoration, *video.flow.decoders):
        torch.nn.init.normal_(part.exit.weight, std=0.05)
    net.load_state_dict(widen(video.state_dict(), net=net))
    blurry = torch.rand(1, 3, 3, 32, 40)
    with torch.no_grad():
        torch.testing.assert_close(net(blurry), video(blurry), rtol=1e-4, atol=1e-5)
        assert not torch.allclose(video(blurry), blurry[:, 1], atol=1e-2)


# What is undone


def test_undone_along_the_motion_it_is_nearer_to_the_truth():
    """And with each turn more; along another line it is not."""
    frames, sharp = evenly_moved()
    net, blurry = SwiftVideoBest(**SMALL, iterations=(2, 6)), frames[:, 1]
    views = luma(blurry) + net.changes(blurry, constant(6, 2.4))
    gains = [psnr(view, luma(sharp)) - psnr(luma(blurry), luma(sharp)) for view in views.split(1, dim=1)]
    assert gains[0] > 0.5
    assert gains[1] > gains[0] + 0.5
    across = (luma(blurry) + net.changes(blurry, constant(-2.4, 6))).split(1, dim=1)
    assert psnr(across[1], luma(sharp)) < psnr(across[0], luma(sharp)) < psnr(luma(blurry), luma(sharp)) + 0.1


def test_the_motion_is_found_and_halved():
    """Things move by the flow to one side; the flows to both sides are twice that."""
    frames, _ = evenly_moved()
    net = SwiftVideoBest(**SMALL).eval()
    with torch.no_grad():
        _, _, velocity, _ = net.fuse(aligned(net, frames))
    assert velocity[..., 32:-32, 32:-32].mean((2, 3))[0].tolist() == pytest.approx([10, 4], abs=0.5)


def test_at_an_end_of_a_shot_the_motion_is_that_of_the_other_side():
    frames, _ = evenly_moved()
    net = SwiftVideoBest(**SMALL).eval()
    frames[:, 0] = frames[:, 1]
    with torch.no_grad():
        _, _, velocity, _ = net.fuse(aligned(net, frames))
    assert velocity[..., 32:-32, 32:-32].mean((2, 3))[0].tolist() == pytest.approx([10, 4], abs=0.5)


def aligned(net, frames):
    pictures = frames.unbind(dim=1)
    feats = [net.features(picture) for picture in pictures]
    return [net.align(feats[1], feat, None if i == 1 else net.motion(pictures[1], pictures[i])) for i, feat in enumerate(feats)]


def test_what_does_not_move_does_not_change():
    """Also where it is colourful, whose luma in linear light is another one than in a file."""
    blurry = torch.rand(1, 3, 96, 128, generator=torch.Generator().manual_seed(2))
    assert float(SwiftVideoBest(**SMALL).changes(blurry, constant(0, 0)).abs().max()) < 2e-3


def test_longer_smears_than_the_longest_are_undone_so_far():
    blurry = evenly_moved()[0][:, 1]
    net = SwiftVideoBest(**SMALL, max_blur_length=6.0)
    assert torch.allclose(net.changes(blurry, constant(60, 0)), net.changes(blurry, constant(6, 0)), atol=1e-5)
    assert not torch.allclose(net.changes(blurry, constant(3, 0)), net.changes(blurry, constant(6, 0)), atol=1e-2)


def test_views_are_the_same_in_any_precision_and_let_no_gradient_through():
    blurry, line = evenly_moved()[0][:, 1].requires_grad_(), constant(6, 2).requires_grad_()
    net = SwiftVideoBest(**SMALL)
    exact = net.changes(blurry, line)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(net.changes(blurry, line), exact)
    assert not exact.requires_grad


def test_makes_of_each_change_as_much_as_it_trusts():
    frames, _ = evenly_moved()
    net, blurry = SwiftVideoBest(**SMALL, iterations=(3,)).eval(), frames[:, 1]
    with torch.no_grad():
        net.restoration.exit.bias[:48].normal_(std=0.1, generator=torch.Generator().manual_seed(0))
        fused = net.fuse(aligned(net, frames))
        own = net.reconstruct(fused, blurry) - blurry
        net.gate.unet.exit.bias.copy_(torch.tensor([-0.75, 0.5]))
        restored = net.reconstruct(fused, blurry)
        wanted = blurry + 0.25 * own + 0.5 * net.changes(blurry, fused[3] * fused[2])
    torch.testing.assert_close(restored, wanted, rtol=1e-4, atol=1e-5)


def test_what_is_taken_is_luma():
    """A share of one of a view makes the luma of the result that of the view, and leaves colours."""
    frames, _ = evenly_moved()
    net = SwiftVideoBest(**SMALL, iterations=(3,)).eval()
    with torch.no_grad():
        net.restoration.exit.bias[48:] = 1
        window, blur_field, velocity, _ = net.fuse(aligned(net, frames))
        exposure_ratio = torch.full((1, 1, 1, 1), 0.6)
        restored, blurry = net.reconstruct((window, blur_field, velocity, exposure_ratio), frames[:, 1]), frames[:, 1]
    torch.testing.assert_close(luma(restored), luma(blurry) + net.changes(blurry, 0.6 * velocity), atol=1e-4, rtol=0)
    torch.testing.assert_close(restored - luma(restored), blurry - luma(blurry), atol=1e-4, rtol=0)


@pytest.mark.parametrize("exposure_ratio", [0.4, 0.7])
def test_slopes_are_like_their_opposite_at_the_end_of_the_smear(exposure_ratio):
    """The place of the lowest correlation along the motion is the share itself."""
    frames, _ = evenly_moved(velocity=(24.0, 8.0), exposure_ratio=exposure_ratio)
    numbers = slope_correlations(luma(frames[:, 1]), constant(24, 8))
    along = numbers[0].view(len(SPEEDS) - 1, -1)[1, : len(LAGS)]
    assert LAGS[int(along.argmin())] == pytest.approx(exposure_ratio, abs=0.051)
    assert float(along.min()) < -0.1


def test_numbers_tell_how_much_moves_and_how_fast():
    numbers = slope_correlations(luma(leaves()), constant(8, 0))[0].view(len(SPEEDS) - 1, -1)
    assert numbers[:, -2].tolist() == [1, 0]
    assert numbers[:, -1].tolist() == pytest.approx([0.5, 0], abs=1e-5)
    assert not numbers[1].any()


def test_a_picture_that_does_not_move_is_all_zero():
    assert not slope_correlations(luma(leaves()), constant(0, 0)).any()


def test_untrained_it_believes_the_guess_and_trained_it_mends_it():
    net, light = ExposureRatio(), leaves()
    guess = torch.tensor([0.3, 0.8]).view(2, 1, 1, 1)
    given = (light.expand(2, -1, -1, -1), constant(9, 2).expand(2, -1, -1, -1))
    torch.testing.assert_close(net(*given, guess), guess)
    torch.nn.init.normal_(net.exit.weight)
    mended = net(*given, guess)
    assert not torch.allclose(mended, guess, atol=0.002)
    assert ((mended > 0) & (mended < 1)).all()
    assert torch.equal(net(*given, torch.zeros_like(guess)), net(*given, torch.full_like(guess, 0.05)))  # from there on, odds say nothing


def test_how_bright_a_picture_is_does_not_matter():
    light = luma(leaves())
    torch.testing.assert_close(
        slope_correlations(light, constant(9, 2)), slope_correlations(0.5 * light, constant(9, 2)), atol=2e-3, rtol=0
    )


@pytest.mark.parametrize(
    ("wrong", "says"), [({"iterations": ()}, "iterations"), ({"iterations": (0, 3)}, "iterations"), ({"samples": 0}, "samples")]
)
def test_refuses_what_makes_no_sense(wrong, says):
    with pytest.raises(ValueError, match=says):
        SwiftVideoBest(**SMALL, **wrong)


def test_size_of_the_built_in_network():
    net = SwiftVideoBest()
    grown = sum(p.numel() for p in net.parameters()) - sum(p.numel() for p in SwiftVideo().parameters())
    apart = sum(p.numel() for part in (ExposureRatio(), net.gate) for p in part.parameters())
    assert grown == 2 * 16 * 64 * 9 + 2 * 16 * (64 * 9 + 1) + apart  # two views more to see, and two shares to give
