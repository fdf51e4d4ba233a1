import cv2
import numpy as np
import pytest

from unblur.synth.sharpness import blurred_fraction, detail


def picture(seed: int = 0) -> np.ndarray:
    return cv2.resize(np.random.default_rng(seed).integers(0, 256, (24, 32), np.uint8), (128, 96), interpolation=cv2.INTER_NEAREST)


def moving(dx: float, dy: float) -> np.ndarray:
    return np.broadcast_to(np.array([dx, dy], np.float32), (96, 128, 2)).copy()


def smear(length: int, *, down: bool = False) -> np.ndarray:
    box = np.full((length, 1) if down else (1, length), 1 / length)
    return cv2.filter2D(picture(), -1, box)


def test_detail_falls_with_blur():
    values = [detail(cv2.GaussianBlur(picture(), (0, 0), sigma)) for sigma in (0.3, 1.0, 2.0)]
    assert values == sorted(values, reverse=True)
    assert detail(np.full((10, 10), 7, np.uint8)) == 0


def test_sharp_things_are_not_smeared_however_fast():
    assert blurred_fraction(picture(), moving(12, 0)) == 0


@pytest.mark.parametrize("down", [False, True])
def test_smear_along_the_motion_is_found(down):
    along = moving(0, 12) if down else moving(12, 0)
    assert blurred_fraction(smear(15, down=down), along) > 0.4


def test_smear_across_the_motion_is_not_this_motions():
    assert blurred_fraction(smear(15, down=True), moving(12, 0)) < 0.1


def test_longer_smears_are_found_more():
    assert blurred_fraction(smear(3), moving(12, 0)) < blurred_fraction(smear(15), moving(12, 0))


def test_what_rests_or_shows_nothing_is_not_counted():
    assert blurred_fraction(smear(15), moving(1, 0)) == 0
    assert blurred_fraction(np.full((96, 128), 90, np.uint8), moving(12, 0)) == 0


def test_share_is_that_of_the_picture():
    flow = moving(12, 0)
    flow[:, 64:] = 0
    assert blurred_fraction(smear(15), flow) == pytest.approx(blurred_fraction(smear(15), moving(12, 0)) / 2, abs=0.1)
