import pytest
import torch

from unblur.models.ifirnn import IFIRNN


def tiny(**changes):
    torch.manual_seed(0)
    return IFIRNN(**{"width": 12, "hidden": 4, "num_blocks": 1, **changes})


def clip(frames=5):
    return torch.rand(1, frames, 3, 8, 12, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("dual", "iterations"), [(False, 1), (False, 3), (True, 1), (True, 2)])
def test_cells_by_hand(dual, iterations):
    net, frame = tiny(dual_cell=dual, iterations=iterations), clip()[:, 0]
    h = torch.randn(1, 4, 2, 3, generator=torch.Generator().manual_seed(2))
    restored, (after,) = net.step([frame], (h,))
    for cell in ([net.cells[0]] if dual else []) + [net.cells[-1]] * iterations:
        feat, h = cell(cell.blur(frame - 0.5), h)
    torch.testing.assert_close(after, h)
    torch.testing.assert_close(restored, net.picture(feat) + 0.5)


def test_the_state_starts_at_zero_and_counts():
    net, frame = tiny(), clip()[:, 0]
    restored, (h,) = net.step([frame], None)
    assert h.shape == (1, 4, 2, 3)
    torch.testing.assert_close(net.step([frame], (torch.zeros_like(h),))[0], restored)
    assert not torch.allclose(net.step([frame], (h,))[0], restored)


def test_frames_up_to_the_middle_count_and_none_after_it():
    net, blurry = tiny(), clip()
    restored = net(blurry)
    for i in range(5):
        changed = blurry.clone()
        changed[:, i] = 1 - changed[:, i]
        assert torch.equal(net(changed), restored) == (i > 2)


def test_variants():
    torch.testing.assert_close(tiny(adds_input=True)(clip()) - tiny()(clip()), clip()[:, 2] - 0.5)
    for wrong in ({"iterations": 0}, {"hidden": 12}, {"hidden": 0}):
        with pytest.raises(ValueError, match="must be at least 1"):
            tiny(**wrong)
