import pytest
import torch
from moving_shapes import gains_on_moving_shapes

import unblur
from unblur.errors import ShapeError
from unblur.layers.warp import flow_warp
from unblur.models.flow import ZeroFlow
from unblur.models.ppnet import ppnet

FLOW = {"widths": (4, 6, 8), "decoder_widths": (8, 6), "context_widths": (6, 6, 6, 6, 6, 4)}
TINY = {
    "widths": (4, 6, 8),
    "num_blocks": 1,
    "kernel_size": 3,
    "reduction": 4,
    "flow": FLOW,
}


def count(net):
    return sum(parameter.numel() for parameter in net.parameters())


def tiny(**changes):
    torch.manual_seed(0)
    return ppnet(**{**TINY, **changes})


def clip(height=16, width=24, batch=1, frames=3):
    return torch.rand(batch, frames, 3, height, width, generator=torch.Generator().manual_seed(1))


def test_parameter_counts():
    with torch.device("meta"):
        counts = [count(ppnet(flow=None, pooling=p, attention=a)) for p in (False, True) for a in (False, True)]
        assert counts == [6_975_811, 6_978_094, 14_570_691, 14_579_254]
        assert count(ppnet()) == 14_579_254 + 9_374_274


def test_deconvolutions_are_those_of_figure_2():
    with torch.device("meta"):
        net = ppnet(flow=None)
    deconvolutions = [module for module in net.modules() if isinstance(module, torch.nn.ConvTranspose2d)]
    assert [(layer.kernel_size, layer.stride) for layer in deconvolutions] == [((5, 5), (2, 2))] * 2


def test_every_parameter_gets_a_finite_gradient():
    net = tiny(reduction=1)  # a hidden layer wide enough that no ReLU is dead for every input
    net(clip(batch=2)).square().mean().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0, name


def test_stages_composed_by_hand_are_forward():
    net, blurry = tiny(), clip()
    frames = blurry.unbind(1)
    feats = [net.features(frame) for frame in frames]
    motions = [net.motion(frames[1], frames[0]), None, net.motion(frames[1], frames[2])]
    aligned = [net.align(feats[1], feat, motion) for feat, motion in zip(feats, motions, strict=True)]
    torch.testing.assert_close(aligned[0][0], flow_warp(frames[0] - 0.5, motions[0]))
    assert torch.equal(aligned[1][0], frames[1] - 0.5)
    fused = net.fuse(aligned)
    assert [tuple(level.shape[1:]) for level in fused] == [(16, 4, 6), (6, 8, 12), (4, 16, 24)]
    restored = net.reconstruct(fused, frames[1])
    assert torch.equal(restored, net(blurry))
    assert [torch.equal(restored, scale) for scale in net.forward_scales(blurry)] == [True]


def test_every_frame_counts():
    net, blurry = tiny(), clip()
    restored = net(blurry)
    for i in range(3):
        changed = blurry.clone()
        changed[:, i] = 1 - changed[:, i]
        assert not torch.allclose(net(changed), restored)


def test_what_it_puts_out_untrained_of_parameters_is_mid_grey_or_the_middle_frame():
    blurry = clip()
    for adds_input, expected in ((False, torch.full_like(blurry[:, 1], 0.5)), (True, blurry[:, 1])):
        net = tiny(adds_input=adds_input)
        for parameter in net.decoder[-1][-1].parameters():
            torch.nn.init.zeros_(parameter)
        assert torch.equal(net(blurry), expected)


def test_ablations_are_other_parts():
    variants = [tiny(pooling=p, attention=a) for p in (True, False) for a in (True, False)]
    assert [isinstance(net.context, torch.nn.Identity) for net in variants] == [False, False, True, True]
    assert [isinstance(net.attention, torch.nn.Identity) for net in variants] == [False, True, False, True]
    assert [net.global_context for net in variants] == [True, True, True, False]
    assert len({count(net) for net in variants}) == 4
    still = tiny(flow=None)
    assert isinstance(still.flow, ZeroFlow)
    assert still.size_multiple == 4


def test_every_argument_counts():
    base = count(tiny())
    changes = [
        {"widths": (4, 6, 12)},
        {"num_blocks": 2},
        {"kernel_size": 5},
        {"reduction": 2},
        {"grids": (1, 2)},
        {"flow": FLOW | {"widths": (4, 6, 10)}},
    ]
    assert all(count(tiny(**change)) != base for change in changes if "grids" not in change)
    one, other = tiny(grids=(1, 2)), tiny(grids=(1, 3))
    other.load_state_dict(one.state_dict())
    assert not torch.allclose(one(clip()), other(clip()))


def test_sizes():
    net = tiny()
    assert (net.size_multiple, net.num_frames) == (8, 3)
    assert net(clip(8, 24)).shape == (1, 3, 8, 24)
    for wrong in (clip(12, 16), clip(frames=5), clip()[0]):
        with pytest.raises(ShapeError):
            net(wrong)


def test_nothing_beyond_the_receptive_radius_counts_without_flow_and_context():
    torch.manual_seed(0)
    net = ppnet(widths=(2, 2, 2), num_blocks=1, kernel_size=3, flow=None, pooling=False, attention=False)
    radius = net.receptive_radius
    blurry = clip(4, 4 * ((2 * radius + 20) // 4)).requires_grad_()
    column = blurry.shape[-1] // 2
    net(blurry)[..., column].sum().backward()
    reached = blurry.grad.abs().amax((0, 1, 2, 3)).nonzero().flatten()
    assert column - reached.min() <= radius
    assert reached.max() - column <= radius
    assert reached.max() - reached.min() > radius


def test_the_built_in_weights_sharpen_what_moves_and_need_the_neighbours():
    net = unblur.load("ppnet", device="cpu", precision="fp32").net
    gain, gain_of_copies = gains_on_moving_shapes(net, step=9, lengths=(5, 9, 5))
    assert gain > max(0.5, gain_of_copies)
