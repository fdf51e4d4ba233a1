import pytest
import torch

from unblur.errors import ShapeError
from unblur.layers.warp import flow_warp
from unblur.models.xiang import EXEMPLAR_SIDE, _mirrored, xiang

TINY = {
    "width": 4,
    "num_blocks": 1,
    "kernel_size": 3,
    "flow": {"widths": (4, 6, 8), "decoder_widths": (8, 6), "context_widths": (6, 6, 6, 6, 6, 4)},
}


def tiny(**changes):
    torch.manual_seed(0)
    return xiang(**{**TINY, **changes})


def clip(height=16, width=24, batch=1, frames=3):
    return torch.rand(batch, frames, 3, height, width, generator=torch.Generator().manual_seed(1))


def exemplars(height=16, width=24, batch=1):
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(2))


def test_stages_composed_by_hand_are_forward():
    net, blurry = tiny(), clip()
    frames = blurry.unbind(1)
    feats = [net.features(frame) for frame in frames]
    motions = [net.motion(frames[1], frames[0]), None, net.motion(frames[1], frames[2])]
    aligned = [net.align(feats[1], feat, motion) for feat, motion in zip(feats, motions, strict=True)]
    torch.testing.assert_close(aligned[0][0], flow_warp(frames[0] - 0.5, motions[0]))
    assert torch.equal(aligned[0][1], frames[0] - 0.5)
    fused = net.fuse(aligned)
    assert [tuple(level.shape[1:]) for level in fused] == [(8, 16, 24), (24, 8, 12), (32, 4, 6)]
    assert torch.equal(net.reconstruct(fused, frames[1]), net(blurry))


def test_every_frame_and_the_exemplar_count():
    net, blurry, sharp = tiny(), clip(), exemplars()
    restored = net.restore_with(blurry, sharp)
    for i in range(3):
        changed = blurry.clone()
        changed[:, i] = 1 - changed[:, i]
        assert not torch.allclose(net.restore_with(changed, sharp), restored)
    assert not torch.allclose(net.restore_with(blurry, 1 - sharp), restored)


def test_the_exemplar_of_the_weights_is_laid_over_the_frame_and_saved_with_them():
    net, blurry = tiny(), clip()
    assert "exemplar" in net.state_dict()
    assert torch.equal(net(blurry), net.restore_with(blurry, torch.full((1, 3, 16, 24), 0.5)))
    net.exemplar.copy_(torch.rand(net.exemplar.shape, generator=torch.Generator().manual_seed(3)))
    assert torch.equal(net(blurry), net.restore_with(blurry, net.exemplar[None, :, :16, :24]))
    other = tiny()
    other.load_state_dict(net.state_dict())
    assert torch.equal(other(blurry), net(blurry))


def test_a_long_frame_gets_the_mirrored_exemplar():
    net = tiny(flow=None)
    net.exemplar.copy_(torch.rand(net.exemplar.shape, generator=torch.Generator().manual_seed(3)))
    blurry = clip(8, 2 * EXEMPLAR_SIDE)
    laid = torch.cat([net.exemplar[:, :8], net.exemplar[:, :8].flip(-1)], dim=-1)[None]
    assert torch.equal(net(blurry), net.restore_with(blurry, laid))


def test_mirroring_by_hand():
    assert _mirrored(torch.tensor([1, 2, 3]), 8, axis=0).tolist() == [1, 2, 3, 3, 2, 1, 1, 2]
    assert _mirrored(torch.tensor([1, 2, 3]), 2, axis=0).tolist() == [1, 2]


def test_windows_of_a_batch_have_exemplars_of_their_own():
    net, blurry, sharp = tiny(), clip(batch=2), exemplars(batch=2)
    together = net.restore_with(blurry, sharp)
    alone = torch.cat([net.restore_with(blurry[i : i + 1], sharp[i : i + 1]) for i in range(2)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


def test_sizes():
    net = tiny()
    assert (net.size_multiple, net.num_frames, tiny(flow=None).size_multiple) == (8, 3, 4)
    for wrong in (clip(12, 16), clip(frames=5), clip()[0]):
        with pytest.raises(ShapeError):
            net(wrong)
    with pytest.raises(ShapeError, match="exemplar"):
        net.restore_with(clip(), exemplars(8, 8))


def test_parameter_counts():
    with torch.device("meta"):
        assert sum(parameter.numel() for parameter in xiang(flow=None).parameters()) == 36_604_867
        assert sum(parameter.numel() for parameter in xiang().parameters()) == 36_604_867 + 9_374_274
