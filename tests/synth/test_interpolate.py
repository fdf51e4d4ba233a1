import cv2
import numpy as np
import pytest

from unblur.synth.interpolate import grey, match

SIZE = (96, 128)


def texture(seed: int, size=SIZE) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (size[0] // 4, size[1] // 4, 3), np.uint8)
    return cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC)


def scene(x: float) -> np.ndarray:
    """A textured square that has moved to the right by x pixels in front of a still background."""
    picture = texture(0).copy()
    front = cv2.warpAffine(
        texture(1)[:40, :40], np.array([[1, 0, x % 1], [0, 1, 0]], np.float32), (40, 40), borderMode=cv2.BORDER_REPLICATE
    )
    left = 20 + int(x)
    picture[28:68, left : left + 40] = front
    return picture


def test_ends_are_the_frames_themselves():
    span = match(scene(0), scene(8))
    assert span.at(0) is span.first
    assert span.at(1) is span.second


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_frame_between_shows_things_where_they_are_then_and_not_twice(share):
    first, second = scene(0), scene(8)
    between, truth = match(first, second).at(share).astype(float), scene(8 * share).astype(float)
    blend = first * (1 - share) + second * share
    inside = (slice(32, 64), slice(32, 54))  # of the square, all the time
    assert np.abs(between - truth)[inside].mean() < 4
    assert np.abs(between - truth)[inside].mean() < 0.15 * np.abs(blend - truth)[inside].mean()
    assert np.abs(between - truth).mean() < 0.5 * np.abs(blend - truth).mean()


def test_what_stands_still_stays_as_it_is():
    between = match(scene(0), scene(8)).at(0.5)
    assert np.array_equal(between[80:, :], scene(0)[80:, :])
    assert np.array_equal(match(scene(0), scene(0)).at(0.3), scene(0))


def test_flow_is_in_pixels_from_first_to_second():
    span = match(texture(0), np.roll(texture(0), 5, axis=1))
    assert np.median(span.forward[20:-20, 20:-20], axis=(0, 1)) == pytest.approx([5, 0], abs=0.3)
    assert np.median(span.backward[20:-20, 20:-20], axis=(0, 1)) == pytest.approx([-5, 0], abs=0.3)
    assert span.speed == pytest.approx(5, abs=2)


def test_disagreement_tells_good_flow_from_none():
    good, bad = match(scene(0), scene(4)), match(texture(0), texture(5))
    assert good.disagreement < 0.15
    assert bad.disagreement > 0.5
    assert match(scene(0), scene(0)).disagreement == 0


def test_cuts_are_told_from_motion():
    assert match(texture(0), texture(5)).is_cut
    assert not match(scene(0), scene(6)).is_cut
    assert not match(texture(0), np.roll(texture(0), 4, axis=0)).is_cut


def test_sixteen_bit_frames_are_interpolated_in_sixteen_bit():
    first, second = (scene(x).astype(np.uint16) * 257 for x in (0, 8))
    between = match(first, second).at(0.5)
    assert between.dtype == np.uint16
    assert np.abs(between / 257 - match(scene(0), scene(8)).at(0.5)).mean() < 1


def test_grey_is_luma_of_either_depth():
    red = np.zeros((2, 2, 3), np.uint8)
    red[..., 0] = 200
    assert grey(red)[0, 0] == round(0.299 * 200)
    assert np.array_equal(grey(red.astype(np.uint16) * 257), grey(red))
