import pytest
import torch

from unblur.errors import ShapeError
from unblur.layers.pixel_unshuffle import pixel_unshuffle
from unblur.layers.warp import flow_warp
from unblur.models.base import CENTRE
from unblur.models.swift import Swift
from unblur.models.swift_video import FlowPyramid, SwiftVideo, constant_velocity, from_photo_network

SMALL = {
    "widths": (8, 12),
    "blocks": (1, 1),
    "motion_widths": (4, 8),
    "motion_blocks": (1, 1),
    "flow_widths": (4, 8),
    "flow_radii": (0, 2),
}


def trained(**arguments) -> SwiftVideo:
    """With random weights also where training starts from zero."""
    torch.manual_seed(0)
    net = SwiftVideo(**(SMALL | arguments)).eval()
    for part in (net.blur_field, net.restoration, *net.flow.decoders):
        torch.nn.init.normal_(part.exit.weight, std=0.05)
    return net


def clip(frames: int = 3, height: int = 32, width: int = 40) -> torch.Tensor:
    return torch.rand(1, frames, 3, height, width, generator=torch.Generator().manual_seed(1))


def test_untrained_it_is_the_identity():
    blurry = clip()
    assert torch.equal(SwiftVideo(**SMALL)(blurry), blurry[:, 1])


def test_every_frame_of_the_window_matters():
    net, blurry = trained(), clip()
    with torch.no_grad():
        restored = net(blurry)
        for frame in range(3):
            changed = blurry.clone()
            changed[:, frame, :, 12:20, 12:20] = 0
            assert not torch.allclose(net(changed), restored)


def test_time_has_a_direction():
    """The neighbours are not interchangeable: they have flows of their own."""
    net, blurry = trained(), clip()
    with torch.no_grad():
        assert not torch.allclose(net(blurry), net(blurry.flip(1)))


def test_a_neighbour_is_brought_to_the_reference():
    """With a flow of two positions to the right, eight pixels are read to the right."""
    net, picture = trained(), clip()[:, 0] - CENTRE
    flow = torch.zeros(1, 2, 8, 10)
    flow[:, 0] = 2
    folded, told = net.warped(picture, flow)
    moved = flow_warp(picture, torch.nn.functional.pad(torch.full((1, 1, 32, 40), 8.0), (0, 0, 0, 0, 0, 1)))
    assert torch.allclose(folded, pixel_unshuffle(moved, factor=4))
    assert torch.equal(told[:, 0], torch.ones(1, 8, 10))  # in units of eight pixels
    assert torch.equal(moved[..., :32], picture[..., 8:])


def test_what_align_finds_is_what_fuse_is_told():
    net, blurry = trained(), clip()
    frames = blurry.unbind(dim=1)
    feats = [net.features(frame) for frame in frames]
    flow = net.flow(feats[1][2:], feats[0][2:])[0]
    aligned = net.align(feats[1], feats[0], net.motion(frames[1], frames[0]))
    assert aligned[0].all()  # another picture than the reference
    for found, told in zip(aligned[1:], net.warped(frames[0] - CENTRE, flow), strict=True):
        assert torch.equal(found, told)
    (folded,) = net.align(feats[1], feats[1], None)
    assert torch.equal(folded, pixel_unshuffle(frames[1] - CENTRE, factor=4))


def test_at_an_end_of_a_shot_the_motion_goes_on_evenly():
    """What is known of one neighbour stands in for the other, of which there is but a copy of the reference."""
    net, blurry = trained(), clip()
    before, middle, after = (net.features(frame) for frame in blurry.unbind(dim=1))
    frames = blurry.unbind(dim=1)
    known = net.align(middle, after, net.motion(frames[1], frames[2]))
    copied = net.align(middle, middle, net.motion(frames[1], frames[1]))
    assert not copied[0].any()
    folded, flow = constant_velocity(copied, known)
    assert torch.equal(folded, known[1])
    assert torch.equal(flow, -known[2])
    there = net.align(middle, before, net.motion(frames[1], frames[0]))
    assert all(torch.equal(*each) for each in zip(constant_velocity(there, known), there[1:], strict=True))
    assert all(torch.equal(*each) for each in zip(constant_velocity(copied, copied), copied[1:], strict=True))


def test_each_clip_of_a_batch_has_its_own_ends():
    net = trained()
    first, whole = clip(), clip().flip(1)
    first[:, 0] = first[:, 1]
    with torch.no_grad():
        together = net(torch.cat([first, whole]))
        assert torch.allclose(together, torch.cat([net(first), net(whole)]), atol=1e-5)


def test_restoration_depends_on_the_spread_also_through_what_is_read():
    net, blurry = trained(), clip()
    frames = blurry.unbind(dim=1)
    feats = [net.features(frame) for frame in frames]
    window, blur_field = net.fuse([net.align(feats[1], feat, None if i == 1 else net.motion(*frames[:2])) for i, feat in enumerate(feats)])
    assert blur_field.shape == (1, 3, 8, 10)
    still, moved = (net.reconstruct((window, torch.full_like(blur_field, length)), frames[1]) for length in (0, 6))
    assert not torch.allclose(still, moved)
    assert (
        torch.equal(net.reconstruct((window, blur_field + 48), frames[1]), net.reconstruct((window, blur_field + 480), frames[1])) is False
    )
    bounded = trained(max_blur_length=4.0)
    assert torch.equal(*(bounded.reconstruct((window, torch.full_like(blur_field, length)), frames[1]) for length in (4, 400)))


# Flow


def test_untrained_nothing_moves_and_every_resolution_has_a_flow():
    pyramid = FlowPyramid(in_channels=3, widths=(4, 8, 8), radii=(0, 1, 2))
    feats = [pyramid.features(torch.rand(2, 3, 16, 24)) for _ in range(2)]
    assert [feat.shape for feat in feats[0]] == [(2, 4, 16, 24), (2, 8, 8, 12), (2, 8, 4, 6)]
    flows = pyramid(*feats)
    assert [flow.shape for flow in flows] == [(2, 2, 16, 24), (2, 2, 8, 12), (2, 2, 4, 6)]
    assert all(not flow.any() for flow in flows)


def test_costs_are_cosines():
    """The contrast of a frame does not change where it is matched."""
    torch.manual_seed(0)
    decoder = FlowPyramid(in_channels=3, widths=(4,), radii=(2,)).decoders[0]
    torch.nn.init.normal_(decoder.exit.weight)
    seen = []
    decoder.entry.register_forward_pre_hook(lambda _, given: seen.append(given[0][:, 4:-2]))
    reference, neighbour, flow = torch.rand(1, 4, 8, 8) + 1, torch.rand(1, 4, 8, 8) + 1, torch.zeros(1, 2, 8, 8)
    for contrast in (1.0, 0.5):
        decoder(reference, contrast * neighbour, flow)
    torch.testing.assert_close(seen[0], seen[1], atol=1e-3, rtol=0)
    expected = torch.nn.functional.cosine_similarity(reference, neighbour, dim=1)
    torch.testing.assert_close(seen[0][:, 12], expected, atol=1e-4, rtol=0)  # the middle of the square


def test_flow_can_be_learnt():
    """A pair can be learnt by heart."""
    torch.manual_seed(0)
    pyramid = FlowPyramid(in_channels=3, widths=(8, 16), radii=(1, 2))
    optimiser = torch.optim.Adam(pyramid.parameters(), lr=3e-3)
    scene = torch.rand(1, 3, 20, 20)
    for _ in range(30):
        flows = pyramid(pyramid.features(scene[..., 2:18, 2:18]), pyramid.features(scene[..., :16, 1:17]))
        error = (flows[0] - torch.tensor([1.0, 2.0]).view(1, 2, 1, 1)).norm(dim=1).mean()
        optimiser.zero_grad()
        error.backward()
        optimiser.step()
    assert error < 0.5 * 5**0.5


def test_sizes_and_radii_must_belong_together():
    with pytest.raises(ValueError, match="one entry a resolution"):
        FlowPyramid(in_channels=3, widths=(4, 8), radii=(1,))


@pytest.mark.parametrize("fewer", [{}, {"blocks": (1, 0)}, {"motion_blocks": (1, 0)}])
def test_it_may_begin_as_a_photo_network(fewer):
    torch.manual_seed(3)
    names = ("widths", "blocks", "motion_widths", "motion_blocks")
    photo, net = Swift(**({name: SMALL[name] for name in names} | fewer)), trained()
    for part in (photo.motion, photo.restoration):
        torch.nn.init.normal_(part.exit.weight, std=0.05)
    flow = {name: tensor.clone() for name, tensor in net.flow.state_dict().items()}
    net.load_state_dict(from_photo_network(photo.state_dict(), net=net))
    blurry = clip()
    with torch.no_grad():
        torch.testing.assert_close(net(blurry), photo(blurry[:, 1]), atol=1e-5, rtol=0)
        assert not torch.allclose(photo(blurry[:, 1]), blurry[:, 1], atol=1e-2)
    assert all(torch.equal(tensor, flow[name]) for name, tensor in net.flow.state_dict().items())


@pytest.mark.parametrize("changes", [{"widths": (12, 12)}, {"blocks": (2, 1)}, {"motion_widths": (4, 12)}])
def test_another_photo_network_does_not_fit(changes):
    names = ("widths", "blocks", "motion_widths", "motion_blocks")
    photo = Swift(**({name: SMALL[name] for name in names} | changes))
    with pytest.raises(ShapeError, match="photo network"):
        from_photo_network(photo.state_dict(), net=SwiftVideo(**SMALL))


def test_size_of_the_built_in_network():
    assert sum(parameter.numel() for parameter in SwiftVideo().parameters()) == pytest.approx(3.08e6, rel=0.01)
