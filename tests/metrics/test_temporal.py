import pytest
import torch

from unblur.errors import InputError, ShapeError
from unblur.metrics import warping_error
from unblur.metrics.temporal import estimate_flow, visible_positions


def travelling(scene, *, frames, down, right):
    """Windows of 64 x 96 that travel over the scene."""
    return [scene[..., 8 + down * i : 72 + down * i, 10 + right * i : 106 + right * i] for i in range(frames)]


def test_a_still_clip_has_no_error(picture):
    still = [picture(40, 48)] * 3
    result = warping_error(still, still)
    assert result.error == pytest.approx(0, abs=1e-9)
    assert (result.visible, result.pairs) == (1, 2)


def test_a_translated_clip_has_almost_none_and_flicker_shows_in_full(picture):
    clip = travelling(picture(100, 140), frames=4, down=2, right=3)
    steady = warping_error(clip, clip)
    assert steady.error < 0.004
    assert 0.85 < steady.visible < 1
    still_difference = (clip[0] - clip[1]).abs().mean().item()
    assert still_difference > 10 * steady.error  # without the motion it would be large
    flickering = [frame * (1.0 if i % 2 else 0.9) for i, frame in enumerate(clip)]
    level = 0.1 * torch.cat(clip).mean().item()
    assert warping_error(flickering, clip).error == pytest.approx(level, rel=0.1)
    softer = [frame * (1.0 if i % 2 else 0.95) for i, frame in enumerate(clip)]
    assert warping_error(softer, clip).error < warping_error(flickering, clip).error


def test_wobble_shows_only_under_a_guide_that_does_not_wobble(picture):
    clip = travelling(picture(100, 140), frames=4, down=0, right=2)
    wobbling = [frame.roll(2 * (i % 2), dims=-2) for i, frame in enumerate(clip)]
    assert warping_error(wobbling, clip).error > 3 * warping_error(wobbling, wobbling).error


def test_flow_points_from_the_reference_to_where_the_content_is(picture):
    clip = travelling(picture(100, 140), frames=2, down=2, right=3)
    flow = estimate_flow(clip[0], clip[1])[..., 12:-12, 12:-12]
    assert flow.mean((0, 2, 3)).tolist() == pytest.approx([-3, -2], abs=0.1)


def test_positions_that_leave_or_disagree_are_not_visible():
    forward = torch.zeros(1, 2, 20, 30, dtype=torch.float64)
    forward[:, 0] = 4
    consistent = visible_positions(forward, -forward)
    assert consistent[..., :26].all()
    assert not consistent[..., 26:].any()
    assert not visible_positions(forward, forward).any()


def test_most_of_a_scene_cut_is_masked(picture):
    first, second = picture(48, 64, seed=1), picture(48, 64, seed=2)
    clip = [first, first, second, second]
    result = warping_error(clip, clip)
    assert result.pairs == 3
    assert 2 / 3 <= result.visible < 0.8  # the two still pairs, and little of the cut
    unmasked = (first - second).abs().mean().item() / 3
    assert 0 < result.error < 0.5 * unmasked


def test_a_jump_that_the_guide_does_not_show_is_an_error(picture):
    still = picture(48, 64)
    jump = warping_error([still, still, still + 0.1], [still] * 3)
    assert jump.error == pytest.approx(0.05)


def test_frames_are_read_one_by_one(picture):
    still = picture(32, 32)
    assert warping_error((still for _ in range(3)), iter([still] * 3)).pairs == 2


def test_refusals(picture):
    still = picture(32, 32)
    with pytest.raises(InputError, match="at least two"):
        warping_error([still], [still])
    with pytest.raises(InputError, match="number of frames"):
        warping_error([still] * 3, [still] * 2)
    with pytest.raises(InputError, match="number of frames"):
        warping_error([still] * 2, [still] * 3)
    with pytest.raises(ShapeError, match="guide frame"):
        warping_error([still, still[..., 1:]], [still, still[..., 1:]])
    with pytest.raises(ShapeError, match="at least 12"):
        estimate_flow(still[..., :8], still[..., :8])
    with pytest.raises(ShapeError, match="same shape"):
        estimate_flow(still, still[..., 1:])
    with pytest.raises(ShapeError):
        visible_positions(torch.zeros(1, 2, 4, 4), torch.zeros(1, 2, 4, 5))
