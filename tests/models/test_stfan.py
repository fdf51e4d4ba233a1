import torch

from unblur.layers.filtering import adaptive_filter
from unblur.models.stfan import STFAN


def tiny(**changes):
    torch.manual_seed(0)
    return STFAN(**{"widths": (4, 6, 8), "num_blocks": 1, "filter_size": 3, **changes})


def clip(frames=5):
    return torch.rand(1, frames, 3, 8, 12, generator=torch.Generator().manual_seed(1))


def test_the_state_is_frame_result_and_features():
    net, (first, second) = tiny(), clip(2).unbind(1)
    restored, state = net.step([first], None)
    assert torch.equal(state[0], first)
    assert torch.equal(state[1], restored)
    assert state[2].shape == (1, 16, 2, 3)
    after, _ = net.step([second], state)
    for i in range(3):
        changed = [tensor + 0.3 if i == j else tensor for j, tensor in enumerate(state)]
        assert not torch.allclose(net.step([second], tuple(changed))[0], after)


def test_the_first_frame_is_its_own_past():
    net, (first, _) = tiny(), clip(2).unbind(1)
    feat = net.present(first - 0.5)
    twice = torch.cat([feat, feat], dim=1)
    torch.testing.assert_close(net.step([first], None)[0], net.step([first], (first, first, twice))[0])


def test_the_second_filter_network_sees_the_first_ones_filters():
    net, (first, second) = tiny(), clip(2).unbind(1)
    _, state = net.step([first], None)
    _, (_, _, feat) = net.step([second], state)
    past = net.past(torch.cat([second, first, state[1]], dim=1) - 0.5)
    align = net.align_net(past)
    deblur = net.deblur_net(torch.cat([past, net.between(align)], dim=1))
    deblurred = adaptive_filter(net.present(second - 0.5), deblur, kernel_size=3)
    aligned = adaptive_filter(net.recall(state[2]), align, kernel_size=3)
    torch.testing.assert_close(feat, torch.cat([deblurred, aligned], dim=1))


def test_frames_up_to_the_middle_count_and_none_after_it():
    net, blurry = tiny(), clip()
    restored = net(blurry)
    for i in range(5):
        changed = blurry.clone()
        changed[:, i] = 1 - changed[:, i]
        assert torch.equal(net(changed), restored) == (i > 2)
