import pytest
import torch

from unblur.errors import ShapeError
from unblur.layers.deform import deform_sample
from unblur.layers.filtering import dynamic_local_filter
from unblur.layers.warp import flow_warp
from unblur.models.astcn import DcnAlign, NoAlign, ZeroOffset, astcn
from unblur.models.flow import FlowNet, ZeroFlow

FLOW = {"widths": (4, 6, 8), "decoder_widths": (8, 6), "context_widths": (6, 6, 6, 6, 6, 4)}
TINY = {
    "widths": (4, 6, 8),
    "num_blocks": 1,
    "cost_radius": 1,
    "flow": FLOW,
}


def count(net):
    return sum(parameter.numel() for parameter in net.parameters())


def tiny(**changes):
    torch.manual_seed(0)
    net = astcn(**{**TINY, **changes})
    generator = torch.Generator().manual_seed(3)
    for name, parameter in net.named_parameters():
        if ".offset." in name:  # untrained offsets are the flow
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.5
    return net


def clip(height=16, width=24, batch=1, frames=5):
    return torch.rand(batch, frames, 3, height, width, generator=torch.Generator().manual_seed(1))


def test_parameter_counts():
    with torch.device("meta"):
        assert count(astcn(flow=None)) == 1_513_366
        assert count(astcn()) == 1_513_366 + 9_374_274
        assert count(astcn(align=False)) == 1_308_676
        assert count(astcn(flow=None, residual_offset=False)) == 1_456_260


def test_every_parameter_gets_a_finite_gradient():
    net = tiny()
    net(clip(batch=2)).square().mean().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0, name


def test_stages_composed_by_hand_are_forward():
    net, blurry = tiny(), clip()
    frames = blurry.unbind(1)
    feats = [net.features(frame) for frame in frames]
    assert feats[0][0].shape == (1, 8, 4, 6)
    assert feats[0][1].shape == (1, 1, 4, 6)
    motions = [net.motion(frames[2], frame) for frame in frames]
    assert motions[0].shape == (1, 2, 4, 6)
    motions[2] = None
    fused = net.fuse([net.align(feats[2], feat, motion) for feat, motion in zip(feats, motions, strict=True)])
    restored = net.reconstruct(fused, frames[2])
    assert torch.equal(restored, net(blurry))
    assert [torch.equal(restored, scale) for scale in net.forward_scales(blurry)] == [True]


def test_alignment_is_equations_4_1_to_4_7():
    torch.manual_seed(0)
    reference, neighbour = torch.randn(2, 1, 3, 5, 6).unbind()
    mask, flow = torch.rand(1, 1, 5, 6), torch.randn(1, 2, 5, 6)
    seen = {}

    class Residual(torch.nn.Module):
        def forward(self, reference, warped):
            seen.update(reference=reference, warped=warped)
            return torch.arange(18.0).view(1, 18, 1, 1).expand(1, 18, 5, 6) / 10

    align = DcnAlign(width=3, residual=Residual())
    aligned, warped_mask = align(reference, neighbour, mask, flow)
    assert torch.equal(seen["reference"], reference)
    assert torch.equal(seen["warped"], flow_warp(neighbour, flow))  # (4-5)
    offset = torch.empty(1, 18, 5, 6)
    for k in range(9):  # (4-3), with offsets (dy, dx) and flow (dx, dy)
        offset[:, 2 * k] = flow[:, 1] + 2 * k / 10
        offset[:, 2 * k + 1] = flow[:, 0] + (2 * k + 1) / 10
    torch.testing.assert_close(aligned, deform_sample(neighbour, offset, align.sample.weight, mask=mask))  # (4-1)
    torch.testing.assert_close(warped_mask, flow_warp(mask, flow))


def test_a_moved_frame_is_aligned_by_its_true_flow():
    class Shift(FlowNet):
        size_multiple, receptive_radius = 1, 0

        def forward(self, reference, neighbour):  # noqa: ARG002
            return torch.tensor([8.0, 0.0]).view(1, 2, 1, 1).expand(reference.shape[0], 2, *reference.shape[-2:])

    net = tiny(residual_offset=False)
    net.flow = Shift()
    scene = torch.rand(1, 3, 16, 168)
    reference, neighbour = scene[..., 8:], scene[..., :-8]  # what is at p in the one is at p + 8 in the other
    feats = net.features(reference), net.features(neighbour)
    still, _ = net.align(feats[0], feats[0], None)
    moved, _ = net.align(feats[0], feats[1], net.motion(reference, neighbour))
    inner = (..., slice(15, 25))  # away from the borders, whose padding differs
    torch.testing.assert_close(moved[inner], still[inner])
    unmoved, _ = net.align(feats[0], feats[1], None)
    assert not torch.allclose(unmoved[inner], still[inner], rtol=0.1)


def test_fusion_is_equation_4_9_and_a_1x1_convolution():
    net = tiny(filter_size=5)
    feats, masks = torch.randn(1, 5, 8, 4, 6), torch.rand(1, 5, 1, 4, 6)
    (fused,) = net.fuse(list(zip(feats.unbind(1), masks.unbind(1), strict=True)))
    torch.testing.assert_close(fused, net.fusion.mix(dynamic_local_filter(feats, masks, kernel_size=5)))


def test_every_frame_counts():
    net, blurry = tiny(), clip()
    restored = net(blurry)
    for i in range(5):
        changed = blurry.clone()
        changed[:, i] = 1 - changed[:, i]
        assert not torch.allclose(net(changed), restored)


def test_ablations_are_other_parts():
    assert isinstance(tiny(flow=None).flow, ZeroFlow)
    assert isinstance(tiny(residual_offset=False).alignment.residual, ZeroOffset)
    unaligned = tiny(align=False)
    assert isinstance(unaligned.alignment, NoAlign)
    assert isinstance(unaligned.flow, ZeroFlow)
    base = tiny()
    restored = [base(clip())]
    for change in ({"flow": None}, {"residual_offset": False}, {"align": False}, *({"filter_size": k} for k in (1, 5, 7))):
        net = tiny(**change)
        net.load_state_dict({name: tensor for name, tensor in base.state_dict().items() if name in net.state_dict()})
        restored.append(net(clip()))
    for i, one in enumerate(restored):
        assert all(not torch.allclose(one, other, atol=1e-5) for other in restored[:i])


def test_every_other_argument_counts():
    base = count(tiny())
    changes = [
        {"widths": (4, 6, 10)},
        {"num_blocks": 2},
        {"deform_size": 1},
        {"cost_radius": 2},
        {"flow": FLOW | {"widths": (4, 6, 10)}},
    ]
    assert all(count(tiny(**change)) != base for change in changes)


def test_sizes():
    net = tiny()
    assert (net.size_multiple, net.num_frames) == (8, 5)
    assert tiny(flow=None).size_multiple == 4
    assert net(clip(8, 24)).shape == (1, 3, 8, 24)
    for wrong in (clip(12, 16), clip(frames=3), clip()[0]):
        with pytest.raises(ShapeError):
            net(wrong)


def test_nothing_beyond_the_receptive_radius_counts_while_nothing_moves():
    torch.manual_seed(0)
    net = astcn(widths=(2, 2, 2), num_blocks=1, cost_radius=1, flow=None)
    radius = net.receptive_radius
    blurry = clip(4, 4 * ((2 * radius + 20) // 4)).requires_grad_()
    column = blurry.shape[-1] // 2
    net(blurry)[..., column].sum().backward()
    reached = blurry.grad.abs().amax((0, 1, 2, 3)).nonzero().flatten()
    assert column - reached.min() <= radius
    assert reached.max() - column <= radius
    assert reached.max() - reached.min() > radius


def test_bf16_under_autocast_agrees_with_single_precision():
    net, blurry = tiny().eval(), clip()
    with torch.no_grad():
        expected = net(blurry)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            restored = net(blurry)
    residual = (expected - blurry[:, 2]).square().mean().sqrt()
    assert (restored.float() - expected).square().mean().sqrt() < 0.05 * residual
