import cv2
import numpy as np
import pytest

from unblur.flow import bidirectional_flow
from unblur.synth.interpolate import Interpolator

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


def between(first: np.ndarray, second: np.ndarray, share: float) -> np.ndarray:
    return Interpolator(bidirectional_flow(first, second)).at(share)


def test_ends_are_the_frames_themselves():
    first, second = scene(0), scene(8)
    assert between(first, second, 0) is first
    assert between(first, second, 1) is second


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_frame_between_shows_things_where_they_are_then_and_not_twice(share):
    first, second = scene(0), scene(8)
    found, truth = between(first, second, share).astype(float), scene(8 * share).astype(float)
    blend = first * (1 - share) + second * share
    inside = (slice(32, 64), slice(32, 54))  # of the square, all the time
    assert np.abs(found - truth)[inside].mean() < 4
    assert np.abs(found - truth)[inside].mean() < 0.15 * np.abs(blend - truth)[inside].mean()
    assert np.abs(found - truth).mean() < 0.5 * np.abs(blend - truth).mean()


def test_what_stands_still_stays_as_it_is():
    assert np.array_equal(between(scene(0), scene(8), 0.5)[80:, :], scene(0)[80:, :])
    assert np.array_equal(between(scene(0), scene(0), 0.3), scene(0))


def test_sixteen_bit_frames_are_interpolated_in_sixteen_bit():
    first, second = (scene(x).astype(np.uint16) * 257 for x in (0, 8))
    found = between(first, second, 0.5)
    assert found.dtype == np.uint16
    assert np.abs(found / 257 - between(scene(0), scene(8), 0.5)).mean() < 1
