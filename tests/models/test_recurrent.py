import pytest
import torch

from unblur.errors import ShapeError
from unblur.models.recurrent import RecurrentNet


class Counter(RecurrentNet):
    """Restores the brightest of its frames, plus a hundredth for every step before."""

    size_multiple = 2

    def __init__(self, *, memory, context):
        super().__init__(memory=memory, context=context, step_radius=3)

    def step(self, frames, state):
        assert len(frames) == 2 * self.context + 1
        (steps,) = state or (torch.zeros(()),)
        return torch.stack(tuple(frames)).amax(dim=0) + steps / 100, (steps + 1,)


def clip(frames, start=0):
    levels = torch.arange(start, start + frames).view(1, -1, 1, 1, 1)
    return levels.expand(1, frames, 3, 2, 2).float()


def test_a_window_ends_at_its_middle():
    net = Counter(memory=2, context=0)
    assert (net.num_frames, net.receptive_radius) == (5, 9)
    torch.testing.assert_close(net(clip(5)), torch.full((1, 3, 2, 2), 2.02))
    (only,) = net.forward_scales(clip(5))
    assert torch.equal(only, net(clip(5)))


def test_a_step_sees_its_context_and_the_window_grows_by_it():
    net = Counter(memory=1, context=2)
    assert net.num_frames == 7
    torch.testing.assert_close(net(clip(7)), torch.full((1, 3, 2, 2), 5.01))  # frame 3 with frames 1 to 5, one step before


def test_unroll_restores_every_frame_that_has_its_context():
    restored = Counter(memory=1, context=1).unroll(clip(6))
    torch.testing.assert_close(restored[0, :, 0, 0, 0], torch.tensor([2.0, 3.01, 4.02, 5.03]))


def test_wrong_arguments():
    with pytest.raises(ValueError, match="memory"):
        Counter(memory=0, context=1)
    net = Counter(memory=1, context=1)
    with pytest.raises(ShapeError, match="at least 3"):
        net.unroll(clip(2))
    with pytest.raises(ShapeError, match="multiple"):
        net.unroll(clip(3)[..., :1])
