import pytest
import torch

from unblur.errors import ShapeError
from unblur.models.mdcn import MDCN, KeepUnaligned, mdcn

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
        assert count(mdcn(aligned=False)) == 431_875


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
    unaligned = tiny(aligned=False)
    assert all(isinstance(aligner, KeepUnaligned) for aligner in unaligned.alignment.aligners)
    unaligned.load_state_dict(base.state_dict(), strict=False)
    assert not torch.allclose(unaligned(clip()), restored)


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
