import pytest
import torch
from moving_shapes import gains_on_moving_shapes
from small import TINY_FLOW

import unblur
from unblur.errors import ShapeError
from unblur.layers.warp import flow_resize, flow_warp
from unblur.models.flow import FlowNet
from unblur.models.mdcn import MDCN, FlowMDCN, KeepUnaligned, mdcn

TINY = {"widths": (4, 6, 8), "num_blocks": 1}


def count(net):
    return sum(parameter.numel() for parameter in net.parameters())


def tiny(**changes):
    torch.manual_seed(0)
    net = mdcn(**{**TINY, **changes})
    generator = torch.Generator().manual_seed(3)
    for name, parameter in net.named_parameters():
        if ".offset." in name:  # untrained offsets are zero
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.3
    return net


def clip(height=12, width=20, batch=1, frames=5):
    return torch.rand(batch, frames, 3, height, width, generator=torch.Generator().manual_seed(1))


def test_parameter_counts():
    with torch.device("meta"):
        assert count(mdcn()) == 595_449
        assert count(mdcn(alignment="none")) == 431_875
        assert count(mdcn(alignment="features", flow=None)) == count(mdcn(alignment="pictures", flow=None)) == 431_875


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
    assert [tuple(level.shape[1:]) for level in feats[0]] == [(4, 12, 20), (6, 6, 10), (8, 3, 5)]
    assert net.motion(frames[2], frames[0]) is None
    fused = net.fuse([net.align(feats[2], feat, None) for feat in feats])
    restored = net.reconstruct(fused, frames[2])
    assert torch.equal(restored, net(blurry))
    assert [torch.equal(restored, scale) for scale in net.forward_scales(blurry)] == [True]


def test_the_residual_is_added_to_the_middle_frame():
    net, blurry = tiny(), clip()
    torch.nn.init.zeros_(net.reconstruction[-1].weight)
    torch.nn.init.zeros_(net.reconstruction[-1].bias)
    assert torch.equal(net(blurry), blurry[:, 2])


def test_every_frame_counts():
    net, blurry = tiny(), clip()
    restored = net(blurry)
    for i in range(5):
        changed = blurry.clone()
        changed[:, i] = 1 - changed[:, i]
        assert not torch.allclose(net(changed), restored)


def test_every_argument_counts():
    base, restored = tiny(), tiny()(clip())
    assert count(tiny(widths=(4, 6, 10))) != count(base)
    assert count(tiny(num_blocks=2)) != count(base)
    assert count(tiny(kernel_size=1)) != count(base)
    unaligned = tiny(alignment="none")
    assert all(isinstance(aligner, KeepUnaligned) for aligner in unaligned.alignment.aligners)
    unaligned.load_state_dict(base.state_dict(), strict=False)
    assert not torch.allclose(unaligned(clip()), restored)


class Shift(FlowNet):
    """A flow of (4, 0): everything has moved four pixels to the right."""

    size_multiple = 8
    receptive_radius = 3

    def forward(self, reference, neighbour):
        assert reference.shape == neighbour.shape
        return torch.tensor([4.0, 0.0]).view(1, 2, 1, 1).expand(reference.shape[0], 2, *reference.shape[-2:])


def by_flow(warps, *, flow=None):
    base = tiny(alignment="none")
    parts = {"pyramid": base.pyramid, "alignment": base.alignment, "fusion": base.fusion, "reconstruction": base.reconstruction}
    return base, FlowMDCN(**parts, flow=flow or Shift(), warps=warps, receptive_radius=base.receptive_radius)


@pytest.mark.parametrize("warps", ["features", "pictures"])
def test_neighbours_that_moved_are_aligned_by_their_flow(warps):
    """A clip whose neighbours are the middle frame, moved: away from the borders the result is that of a still clip without alignment."""
    base, net = by_flow(warps)
    scene = torch.rand(1, 3, 16, 104, generator=torch.Generator().manual_seed(2))
    still = scene[None, :, :, :, 4:].repeat(1, 5, 1, 1, 1).view(1, 5, 3, 16, 100)[..., :96]
    moved = still.clone()
    for i in (0, 1, 3, 4):
        moved[:, i] = scene[..., :96]
    inner = (..., slice(None), slice(32, 64))
    expected = base(still)[inner]
    error, error_of_still = ((net(blurry)[inner] - expected).abs().max() for blurry in (moved, still))
    assert error < 1e-5
    assert error_of_still > 10 * error  # of what is warped though it has not moved
    assert error_of_still > 1e-4


def test_pictures_and_features_are_warped_by_the_equations():
    """(3-2), (3-3): C(W(F, U)); (3-4) to (3-7): W(C(F), D(U)) at every level."""
    neighbour, flow = clip(16, 24)[:, 0], Shift()(clip(16, 24)[:, 0], clip(16, 24)[:, 0])
    for warps in ("pictures", "features"):
        base, net = by_flow(warps)
        feats = net.features(neighbour)
        if warps == "pictures":
            assert len(feats) == 1
            levels = net.levels(flow_warp(neighbour - 0.5, flow))
        else:
            levels = tuple(flow_warp(level, flow_resize(flow, size=tuple(level.shape[-2:]))) for level in net.levels(neighbour - 0.5))
        torch.testing.assert_close(net.align(feats, feats, flow), base.align(levels, levels, None))
        assert torch.equal(net.align(feats, feats, None)[0], base.align(*[net.levels(neighbour - 0.5)] * 2, None)[0])


def test_flow_variants_from_plain_values():
    for alignment in ("features", "pictures"):
        net = tiny(alignment=alignment, **TINY_FLOW)
        assert (net.size_multiple, net.aligns_features) == (8, alignment == "features")
        assert net.receptive_radius > tiny(alignment="none").receptive_radius
        assert tiny(alignment=alignment, flow=None)(clip()).shape == (1, 3, 12, 20)
        blurry = clip(16, 24)
        names = [found.name for found in net.diagnostics(blurry)]
        assert names[:2] == ["flow", "alignment"]
        net(blurry).square().mean().backward()
        assert all(parameter.grad is not None for parameter in net.parameters())
    with pytest.raises(ValueError, match="alignment must be"):
        mdcn(alignment="flow")


def test_sizes():
    net = tiny()
    assert (net.size_multiple, net.num_frames) == (4, 5)
    assert net(clip(4, 12)).shape == (1, 3, 4, 12)
    for wrong in (clip(6, 8), clip(frames=3), clip()[0]):
        with pytest.raises(ShapeError):
            net(wrong)


def test_nothing_beyond_the_receptive_radius_counts_while_offsets_are_zero():
    torch.manual_seed(0)
    net = mdcn(widths=(2, 2, 2), num_blocks=1)
    radius = net.receptive_radius
    blurry = clip(4, 4 * ((2 * radius + 20) // 4)).requires_grad_()
    column = blurry.shape[-1] // 2
    net(blurry)[..., column].sum().backward()
    reached = blurry.grad.abs().amax((0, 1, 2, 3)).nonzero().flatten()
    assert column - reached.min() <= radius
    assert reached.max() - column <= radius
    assert reached.max() - reached.min() > radius  # and the figure is not idly large


def test_parts_are_injected():
    class First(torch.nn.Module):
        def forward(self, reference, neighbour):  # noqa: ARG002
            return neighbour[-1]

    net = tiny()
    injected = MDCN(pyramid=net.pyramid, alignment=First(), fusion=net.fusion, reconstruction=net.reconstruction, receptive_radius=7)
    assert injected.receptive_radius == 7
    assert not torch.allclose(injected(clip()), net(clip()))


def test_the_built_in_weights_sharpen_what_moves_and_need_the_neighbours():
    net = unblur.load("mdcn", device="cpu", precision="fp32").net
    gain, gain_of_copies = gains_on_moving_shapes(net, step=5, lengths=(5, 5, 9, 5, 5))
    assert gain > max(0.5, gain_of_copies)
