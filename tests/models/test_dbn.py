import torch

from unblur.layers.warp import flow_warp
from unblur.models.dbn import dbn
from unblur.models.flow import ZeroFlow

TINY = {"width": 4, "flow": {"widths": (4, 6, 8), "decoder_widths": (8, 6), "context_widths": (6, 6, 6, 6, 6, 4)}}


def tiny(**changes):
    torch.manual_seed(0)
    return dbn(**{**TINY, **changes}).eval()


def clip(height=16, width=24):
    return torch.rand(1, 5, 3, height, width, generator=torch.Generator().manual_seed(1))


def test_what_a_network_without_residual_puts_out():
    blurry = clip()
    for bounded, expected in ((True, torch.sigmoid(blurry[:, 2])), (False, blurry[:, 2])):
        net = tiny(bounded=bounded)
        torch.nn.init.zeros_(net.decoders[-1][-1].weight)
        assert torch.equal(net(blurry), expected)


def test_stages_composed_by_hand_are_forward():
    net, blurry = tiny(), clip()
    frames = blurry.unbind(1)
    feats = [net.features(frame) for frame in frames]
    motions = [None if i == 2 else net.motion(frames[2], frame) for i, frame in enumerate(frames)]
    aligned = [net.align(feats[2], feat, motion) for feat, motion in zip(feats, motions, strict=True)]
    torch.testing.assert_close(aligned[4][0], flow_warp(frames[4] - 0.5, motions[4]))
    assert torch.equal(net.reconstruct(net.fuse(aligned), frames[2]), net(blurry))


def test_every_frame_counts_and_so_does_alignment():
    net, blurry = tiny(bounded=False), clip()
    restored = net(blurry)
    for i in range(5):
        changed = blurry.clone()
        changed[:, i] = 1 - changed[:, i]
        assert not torch.allclose(net(changed), restored)
    still = tiny(flow=None, bounded=False)
    assert isinstance(still.flow, ZeroFlow)
    assert (still.size_multiple, net.size_multiple) == (8, 8)
    still.load_state_dict({key: tensor for key, tensor in net.state_dict().items() if not key.startswith("flow.")})
    assert not torch.allclose(still(blurry), restored)


def test_skips_are_sums():
    """Without what comes up from below, the features of the first layer still reach the last ones."""
    net = tiny(flow=None, bounded=False)
    torch.nn.init.zeros_(net.ups[-1][-1].weight)
    torch.nn.init.zeros_(net.ups[-1][-1].bias)
    blurry = clip()
    expected = blurry[:, 2] + net.decoders[-1](net.entry((blurry - 0.5).flatten(1, 2)))
    torch.testing.assert_close(net(blurry), expected)


def test_the_residual_begins_small_in_training_whatever_the_frames():
    net = tiny(flow=None, bounded=False).train()
    blurry = clip()
    residual = net(blurry) - blurry[:, 2]
    torch.testing.assert_close(residual.std(dim=(0, 2, 3), correction=0), torch.full((3,), 0.1), rtol=1e-2, atol=0)
