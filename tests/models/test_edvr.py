import pytest
import torch
from torch.nn.functional import leaky_relu

from unblur.errors import ShapeError
from unblur.models.edvr import PCDAlign, PredeblurPyramid, TSAFusion, edvr

TINY = {"width": 8, "groups": 2, "num_extract_blocks": 1, "num_blocks": 1, "head_width": 4}


def tiny(**changes):
    torch.manual_seed(0)
    net = edvr(**{**TINY, **changes})
    for name, parameter in net.named_parameters():
        if ".offset." in name:  # untrained offsets are zero
            torch.nn.init.normal_(parameter, std=0.3)
    return net


def clip(height=16, width=32, frames=5):
    return torch.rand(1, frames, 3, height, width, generator=torch.Generator().manual_seed(1))


def test_stages_composed_by_hand_are_forward():
    net, blurry = tiny(), clip()
    frames = blurry.unbind(1)
    feats = [net.features(frame) for frame in frames]
    assert [tuple(level.shape[1:]) for level in feats[0]] == [(8, 4, 8), (8, 2, 4), (8, 1, 2)]
    assert net.motion(frames[2], frames[0]) is None
    fused = net.fuse([net.align(feats[2], feat, None) for feat in feats])
    assert fused[0].shape == (1, 8, 4, 8)
    assert torch.equal(net.reconstruct(fused, frames[2]), net(blurry))


def test_the_residual_is_added_to_the_middle_frame():
    net, blurry = tiny(), clip()
    for parameter in net.reconstruction[-1].parameters():
        torch.nn.init.zeros_(parameter)
    assert torch.equal(net(blurry), blurry[:, 2])


def test_every_frame_counts():
    net, blurry = tiny(), clip()
    restored = net(blurry)
    for i in range(5):
        changed = blurry.clone()
        changed[:, i] = 1 - changed[:, i]
        assert not torch.allclose(net(changed), restored)


def test_alignment_runs_from_coarse_to_fine():
    """PCD, level by level."""
    torch.manual_seed(0)
    align = PCDAlign(width=4, groups=2)
    for name, parameter in align.named_parameters():
        if ".offset." in name:
            torch.nn.init.normal_(parameter, std=0.3)
    reference, neighbour = ([torch.randn(1, 4, 8 // 2**level, 8 // 2**level) for level in range(3)] for _ in range(2))

    def up(feat):
        return torch.nn.functional.interpolate(feat, scale_factor=2, mode="bilinear", align_corners=False)

    pairs = [torch.cat([nbr, ref], dim=1) for nbr, ref in zip(neighbour, reference, strict=True)]
    o3 = align.refine[2](align.compare[2](pairs[2]))
    o2 = align.refine[1](torch.cat([align.compare[1](pairs[1]), 2 * up(o3)], dim=1))
    o1 = align.refine[0](torch.cat([align.compare[0](pairs[0]), 2 * up(o2)], dim=1))
    a3 = leaky_relu(align.sample[2](neighbour[2], o3), 0.1)
    a2 = leaky_relu(align.merge[1](torch.cat([align.sample[1](neighbour[1], o2), up(a3)], dim=1)), 0.1)
    a1 = align.merge[0](torch.cat([align.sample[0](neighbour[0], o1), up(a2)], dim=1))
    last = align.last_sample(a1, align.last_offset(torch.cat([a1, reference[0]], dim=1)))
    torch.testing.assert_close(align(tuple(reference), tuple(neighbour)), leaky_relu(last, 0.1))


def test_temporal_attention_weighs_frames_by_their_likeness():
    """Untaught of space, and with θ and φ that pick one channel, a frame that points the other way is left out."""
    fusion = TSAFusion(width=2, num_frames=3)
    for parameter in fusion.parameters():
        torch.nn.init.zeros_(parameter)
    for embed in (fusion.theta, fusion.phi):
        embed.weight.data[0, 0, 1, 1] = 5.0
    fusion.merge[0].weight.data[0, [0, 2, 4]] = 1.0  # the sum of the frames' first channels
    frames = torch.ones(1, 3, 2, 4, 4)
    frames[:, 0] = -1
    merged = fusion(frames)
    expected = torch.sigmoid(torch.tensor(25.0)) * 2 - torch.sigmoid(torch.tensor(-25.0))
    torch.testing.assert_close(merged[0, 0], expected.expand(4, 4))


def test_parts_that_stand_in():
    assert isinstance(tiny().entry[-1], PredeblurPyramid)
    assert not isinstance(tiny(predeblur=False).entry[-1], PredeblurPyramid)
    assert not isinstance(tiny(attention=False).fusion, TSAFusion)
    assert [tiny(hr_in=h).size_multiple for h in (True, False)] == [16, 4]
    assert tiny(num_frames=3).num_frames == 3
    assert tiny(num_frames=3)(clip(frames=3)).shape == (1, 3, 16, 32)
    assert tiny(hr_in=False)(clip(4, 8)).shape == (1, 3, 4, 8)


def test_wrong_arguments_and_sizes():
    for wrong in ({"groups": 3}, {"num_frames": 4}):
        with pytest.raises(ValueError, match="odd"):
            edvr(**{**TINY, **wrong})
    for blurry in (clip(24, 16), clip(frames=3)):
        with pytest.raises(ShapeError):
            tiny()(blurry)


@pytest.mark.parametrize("hr_in", [True, False])
def test_nothing_beyond_the_receptive_radius_counts_while_offsets_are_zero(hr_in):
    torch.manual_seed(0)
    net = edvr(width=2, groups=1, num_extract_blocks=1, num_blocks=1, head_width=2, num_frames=3, hr_in=hr_in)
    radius = net.receptive_radius
    blurry = clip(16, 16 * ((2 * radius + 32) // 16), frames=3).requires_grad_()
    column = blurry.shape[-1] // 2
    net(blurry)[..., column].sum().backward()
    reached = blurry.grad.abs().amax((0, 1, 2, 3)).nonzero().flatten()
    assert column - reached.min() <= radius
    assert reached.max() - column <= radius
    assert reached.max() - reached.min() > radius
