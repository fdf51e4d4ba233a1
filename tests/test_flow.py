import cv2
import numpy as np
import pytest

from unblur.errors import ShapeError
from unblur.flow import (
    MIN_BIDIRECTIONAL_SIDE,
    MIN_SIDE,
    BidirectionalFlow,
    bidirectional_flow,
    dis_flow,
    grey,
    is_consistent,
    quick_flow,
    warp,
)

SIZE = (96, 128)
SHIFTS = [(5, 0), (0, -4), (3, 2)]
"""(dx, dy) in pixels."""


def texture(seed: int, size=SIZE) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (size[0] // 4, size[1] // 4, 3), np.uint8)
    return cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC)


def square(x: int) -> np.ndarray:
    """A textured square that has moved to the right by x pixels in front of a still background."""
    picture = texture(0).copy()
    picture[28:68, 20 + x : 60 + x] = texture(1)[:40, :40]
    return picture


def shifted(picture: np.ndarray, shift: tuple[int, int]) -> np.ndarray:
    return np.roll(picture, shift[::-1], axis=(0, 1))


def constant(shift, size=SIZE) -> np.ndarray:
    return np.broadcast_to(np.array(shift, np.float32), (*size, 2)).copy()


def inner(field: np.ndarray) -> np.ndarray:
    return field[20:-20, 20:-20]


@pytest.mark.parametrize("shift", SHIFTS)
@pytest.mark.parametrize("depth", [8, 16])
def test_a_known_shift_is_found(shift, depth):
    first, second = texture(0), shifted(texture(0), shift)
    if depth == 16:
        first, second = (picture.astype(np.uint16) * 257 for picture in (first, second))
    both = bidirectional_flow(first, second)
    assert np.median(inner(both.forward), axis=(0, 1)) == pytest.approx(shift, abs=0.3)
    assert np.median(inner(both.backward), axis=(0, 1)) == pytest.approx([-shift[0], -shift[1]], abs=0.3)
    for flow in (quick_flow(first, second), dis_flow(grey(first), grey(second)), both.forward):
        assert flow.shape == (*SIZE, 2)
        assert flow.dtype == np.float32
        assert np.median(inner(flow), axis=(0, 1)) == pytest.approx(shift, abs=0.3)


def test_a_picture_has_not_moved_against_itself():
    picture = texture(0)
    assert not quick_flow(picture, picture).any()
    assert not dis_flow(grey(picture), grey(picture)).any()
    both = bidirectional_flow(picture, picture)
    assert not both.forward.any()
    assert both.speed == both.disagreement == 0
    assert not both.is_cut


def test_pictures_too_small_to_see_motion_in():
    small = texture(0, (MIN_SIDE - 4, 40))
    assert quick_flow(small, texture(1, (MIN_SIDE - 4, 40))).tolist() == np.zeros((MIN_SIDE - 4, 40, 2)).tolist()
    with pytest.raises(ShapeError, match=f"at least {MIN_SIDE}, got {MIN_SIDE - 4}x40"):
        dis_flow(grey(small), grey(small))
    least = texture(0, (MIN_SIDE, MIN_SIDE))
    assert quick_flow(least, least).shape == dis_flow(grey(least), grey(least)).shape == (MIN_SIDE, MIN_SIDE, 2)
    least = texture(0, (MIN_BIDIRECTIONAL_SIDE, MIN_BIDIRECTIONAL_SIDE))
    assert bidirectional_flow(least, least).backward.shape == (MIN_BIDIRECTIONAL_SIDE, MIN_BIDIRECTIONAL_SIDE, 2)


@pytest.mark.parametrize("channels", [None, 2, 3])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_warping_by_whole_pixels_reads_those_pixels(channels, dtype):
    shape = SIZE if channels is None else (*SIZE, channels)
    picture = np.random.default_rng(0).integers(0, 256, shape).astype(dtype)
    assert np.array_equal(warp(picture, constant((0, 0))), picture)
    warped = warp(picture, constant((3, -2)))
    assert warped.dtype == dtype
    assert np.array_equal(warped[2:, :-3], picture[:-2, 3:])
    assert np.array_equal(warped[2:, -3:], np.repeat(picture[:-2, -1:], 3, axis=1))  # beyond the border, its last pixel


def test_fields_are_read_linearly_and_pictures_along_cubic_curves():
    step = np.repeat(np.float32([[0, 0, 0, 100, 100, 100]]), 6, axis=0)
    half = constant((0.5, 0), step.shape)
    assert warp(step, half)[3].tolist() == [0, 0, 50, 100, 100, 100]
    assert warp(np.dstack([step] * 3), half)[3, 1, 0] < 0  # the undershoot of a cubic curve


def test_the_second_picture_warped_by_the_flow_is_the_first():
    first, second = texture(0), shifted(texture(0), (4, 2))
    before, after = (np.abs(each.astype(int) - first).mean() for each in (second, warp(second, quick_flow(first, second))))
    assert after < 0.2 * before


def test_a_flow_and_its_reverse_are_consistent_and_others_are_not():
    forward = constant((4, -1))
    assert is_consistent(forward, -forward).all()
    assert is_consistent(forward, constant((-4.9, 1))).all()  # within a pixel
    assert not is_consistent(forward, forward).any()
    assert is_consistent(constant((40, 0)), constant((-44.5, 0))).all()  # and a tenth of the length
    assert not is_consistent(constant((40, 0)), constant((-45.5, 0))).any()


def test_a_wrong_region_is_where_flow_disagrees():
    first = texture(0)
    forward, backward = constant((0, 0)), constant((0, 0))
    forward[:48, :, 0] = 10
    both = BidirectionalFlow(first, first, forward, backward)
    for consistent in both.consistent:
        assert consistent.tolist() == [[row >= 48] * SIZE[1] for row in range(SIZE[0])]
    assert both.disagreement == pytest.approx(0.5, abs=0.05)
    assert both.speed == 10
    assert both.residues[0][:40].mean() > 10
    assert not both.residues[0][52:].any()
    assert not both.residues[1].any()


def test_disagreement_tells_good_flow_from_none():
    assert bidirectional_flow(square(0), square(4)).disagreement < 0.15
    assert bidirectional_flow(texture(0), texture(5)).disagreement > 0.5


def test_cuts_are_told_from_motion():
    assert bidirectional_flow(texture(0), texture(5)).is_cut
    assert not bidirectional_flow(square(0), square(6)).is_cut
    assert not bidirectional_flow(texture(0), shifted(texture(0), (0, 4))).is_cut


def test_grey_is_luma_of_either_depth():
    red = np.zeros((2, 2, 3), np.uint8)
    red[..., 0] = 200
    assert grey(red)[0, 0] == round(0.299 * 200)
    assert np.array_equal(grey(red.astype(np.uint16) * 257), grey(red))
