import torch

from unblur.models.ovd import OVD, KeepPresent, TemporalBlending


def tiny(**changes):
    torch.manual_seed(0)
    return OVD(**{"width": 8, "num_blocks": 1, **changes})


def clip(frames=9):
    return torch.rand(1, frames, 3, 4, 6, generator=torch.Generator().manual_seed(1))


def test_blending_by_hand():
    """The comparison is made to put out 2 present - past: w = |tanh(2 p - q)| + beta, at most 1."""
    blend = TemporalBlending(width=1)
    torch.nn.init.zeros_(blend.compare.weight)
    torch.nn.init.zeros_(blend.compare.bias)
    blend.compare.weight.data[0, :, 2, 2] = torch.tensor([2.0, -1.0])
    present, past = torch.tensor([0.3, 0.5, 5.0]).view(3, 1, 1, 1), torch.tensor([0.1, 1.0, 1.0]).view(3, 1, 1, 1)
    for beta in (0.0, 0.25):
        blend.beta.data.fill_(beta)
        weight = (torch.tanh(2 * present - past).abs() + beta).clamp(max=1)
        torch.testing.assert_close(blend(present, past), weight * present + (1 - weight) * past)


def test_equal_features_stay_whatever_the_weights():
    torch.manual_seed(0)
    feat = torch.randn(1, 4, 5, 6)
    torch.testing.assert_close(TemporalBlending(width=4)(feat, feat), feat)


def test_the_state_is_recalled_features_and_blended_ones():
    net, frames = tiny(), clip(6).unbind(1)
    _, state = net.step(frames[:5], None)
    assert [tuple(tensor.shape) for tensor in state] == [(1, 4, 2, 3), (1, 8, 2, 3)]
    restored, _ = net.step(frames[1:], state)
    for changed in ((state[0] + 1, state[1]), (state[0], state[1] + 1)):
        assert not torch.allclose(net.step(frames[1:], changed)[0], restored)
    zeros = tuple(torch.zeros_like(tensor) for tensor in state)
    assert torch.equal(net.step(frames[1:], None)[0], net.step(frames[1:], zeros)[0])


def test_two_frames_ahead_count_and_no_more():
    net, blurry = tiny(), clip()
    assert net.num_frames == 9
    restored = net(blurry)
    for i in range(9):
        changed = blurry.clone()
        changed[:, i] = 1 - changed[:, i]
        assert torch.equal(net(changed), restored) == (i > 6)


def test_variants():
    assert isinstance(tiny(blending=False).blend, KeepPresent)
    plain, residual = tiny(), tiny(adds_input=True)
    torch.testing.assert_close(residual(clip()) - plain(clip()), clip()[:, 4] - 0.5)
