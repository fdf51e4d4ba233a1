import torch

from unblur.models.cdvdtsp import cdvdtsp, temporal_sharpness

FLOW = {"widths": (4, 6, 8), "decoder_widths": (8, 6), "context_widths": (6, 6, 6, 6, 6, 4)}
TINY = {
    "widths": (4, 6, 8),
    "num_blocks": 1,
    "kernel_size": 3,
    "flow": FLOW,
}


def tiny(**changes):
    torch.manual_seed(0)
    return cdvdtsp(**{**TINY, **changes})


def clip(frames=5):
    return torch.rand(1, frames, 3, 16, 24, generator=torch.Generator().manual_seed(1))


def test_sharpness_by_hand():
    """Flat frames: D is three channels of 0.2² and of 0.4²."""
    frames = [torch.full((1, 3, 9, 9), level) for level in (0.3, 0.5, 0.9)]
    inside = [torch.ones(1, 1, 9, 9) for _ in frames]
    inside[2][..., 4] = 0
    sharpness = temporal_sharpness(frames, inside)
    expected = torch.exp(torch.tensor(-3 * (0.04 + 0.16) / 2))
    torch.testing.assert_close(sharpness[0, 0, 4, 2], expected)  # away from the border, where the patch is cut
    assert (sharpness[..., 4] == 0).all()


def test_frames_that_agree_are_sharp_and_the_prior_looks_at_patches():
    frame = torch.rand(1, 3, 9, 9, generator=torch.Generator().manual_seed(2))
    inside = [torch.ones(1, 1, 9, 9)] * 3
    assert torch.equal(temporal_sharpness([frame] * 3, inside), inside[0])
    spotted = frame.clone()
    spotted[..., 4, 4] += 1
    sharpness = temporal_sharpness([frame, frame, spotted], inside)
    assert (sharpness[0, 0, 2:7, 2:7] < 1).all()
    assert sharpness[0, 0, 1, 1] == 1


def test_no_gradient_flows_through_the_prior():
    frames = [torch.rand(1, 3, 5, 5, requires_grad=True) for _ in range(3)]
    assert not temporal_sharpness(frames, [torch.ones(1, 1, 5, 5)] * 3).requires_grad


def test_a_stage_puts_the_prior_beside_the_warped_frames():
    net = tiny().net
    frames = clip(3).unbind(1)
    feats = [net.features(frame) for frame in frames]
    motions = [net.motion(frames[1], frames[0]), None, net.motion(frames[1], frames[2])]
    aligned = [net.align(feats[1], feat, motion) for feat, motion in zip(feats, motions, strict=True)]
    assert (aligned[1][1] == 1).all()
    sharpness = temporal_sharpness([frame for frame, _ in aligned], [inside for _, inside in aligned])
    seen = torch.cat([*(frame for frame, _ in aligned), sharpness], dim=1)
    expected = net.encoder.stages[0](seen)
    fused = net.fuse(aligned)
    assert torch.equal(fused[0], expected)
    assert torch.equal(net.reconstruct(fused, frames[1]), net(torch.stack(frames, dim=1)))


def test_the_cascade_is_the_stage_on_its_own_output():
    net, blurry = tiny(), clip()
    first = [net.net(blurry[:, i : i + 3]) for i in range(3)]
    restored = net.forward_scales(blurry)
    torch.testing.assert_close(restored, [net.net(torch.stack(first, dim=1)), first[1]])


def test_variants():
    assert tiny(num_stages=1).num_frames == 3
    assert tiny(prior=False).net.encoder.stages[0][0][0].in_channels == 9
    assert (tiny().size_multiple, tiny(flow=None).size_multiple) == (8, 4)
