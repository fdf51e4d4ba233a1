import pytest
import torch

from unblur.layers.pixel_volume import pixel_volume
from unblur.models.pvdnet import pvdnet

FLOW = {"flow": {"widths": (4, 6, 8), "decoder_widths": (8, 6), "context_widths": (6, 6, 6, 6, 6, 4)}}


def tiny(**changes):
    torch.manual_seed(0)
    return pvdnet(**{"width": 4, "num_blocks": 1, "flow": None, **changes})


def clip(frames=7):
    return torch.rand(1, frames, 3, 8, 16, generator=torch.Generator().manual_seed(1))


def test_as_large_as_published_apart_from_the_flow():
    """Quoted 10.5 M; LiteFlowNet, which is not here, has 5.4 M of them."""
    with torch.device("meta"):
        net = pvdnet(flow=None)
    count = sum(parameter.numel() for parameter in net.parameters())
    assert count == 5_132_579
    assert count / 1e6 + 5.4 == pytest.approx(10.5, abs=0.05)


def test_the_flow_is_fixed_and_all_else_is_trained():
    net = tiny(**FLOW)
    net(clip()).sum().backward()
    assert sum(each.numel() for each in net.parameters()) == sum(each.numel() for part in (tiny(), net.flow) for each in part.parameters())
    for name, parameter in net.named_parameters():
        assert parameter.requires_grad == (parameter.grad is not None) == (not name.startswith("flow."))


def test_a_step_by_stages():
    net, (before, frame, after) = tiny(**FLOW), clip(3).unbind(1)
    restored_before = torch.rand(1, 3, 8, 16, generator=torch.Generator().manual_seed(2))
    before_grey, grey = (0.299 * image[:, :1] + 0.587 * image[:, 1:2] + 0.114 * image[:, 2:] for image in (restored_before, frame))
    volume = pixel_volume(before_grey, net.flow(frame, before), size=5, fallback=grey)
    pictures = net.pictures(torch.cat([frame, before, after], dim=1) - 0.5)
    full = net.entry(torch.cat([net.candidates(volume - 0.5), pictures], dim=1))
    half = net.to_half(full)
    quarter = net.to_quarter(half)
    feat = net.at_half(net.from_quarter(net.trunk(quarter) + quarter) + half)
    expected = frame + net.at_full(net.from_half(feat) + full)
    restored, state = net.step((before, frame, after), (restored_before,))
    torch.testing.assert_close(restored, expected)
    assert torch.equal(state[0], restored)


def test_the_past_of_the_first_frame_is_the_blurry_frame_before_it():
    net, (before, frame, after) = tiny(), clip(3).unbind(1)
    first = net.step((before, frame, after), None)[0]
    assert torch.equal(first, net.step((before, frame, after), (before,))[0])
    assert not torch.allclose(first, net.step((before, frame, after), (1 - before,))[0])


def test_one_frame_ahead_counts_and_no_more():
    net, blurry = tiny(), clip()
    assert net.num_frames == 7
    restored = net(blurry)
    for i in range(7):
        changed = blurry.clone()
        changed[:, i] = 1 - changed[:, i]
        assert torch.equal(net(changed), restored) == (i > 4)


def test_the_flow_network_is_fixed_and_all_else_learns():
    """A loss on the last frame reaches the steps before it through the candidates."""
    net, blurry = tiny(**FLOW), clip().requires_grad_()
    net(blurry).square().sum().backward()
    for name, parameter in net.named_parameters():
        assert (parameter.grad is None) == name.startswith("flow."), name
    assert blurry.grad[:, 0].any()


def test_without_motion_all_candidates_are_the_pixel_itself():
    net, (before, frame, _) = tiny(), clip(3).unbind(1)
    assert not net.motion(frame, before).any()
    assert tiny(volume_size=3).candidates[0][0].in_channels == 9
