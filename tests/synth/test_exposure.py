import numpy as np
import pytest

from unblur.synth.exposure import average, gather
from unblur.synth.response import GAMMA22, LINEAR


def test_averages_light_and_not_file_values():
    black, white = np.zeros((2, 3, 3), np.uint8), np.full((2, 3, 3), 255, np.uint8)
    assert average([black, white], response=GAMMA22) == pytest.approx(np.full((2, 3, 3), 0.5 ** (1 / 2.2)), rel=1e-6)  # 0.7297, by hand
    assert average([black, white], response=LINEAR) == pytest.approx(np.full((2, 3, 3), 0.5))


def test_equal_frames_stay_as_they_are():
    frame = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    blurry = average([frame] * 7, response=GAMMA22)
    assert np.array_equal(np.round(blurry * 255).astype(np.uint8), frame)


def test_does_not_change_its_input():
    frames = [np.full((1, 1, 3), 0.5, np.float32), np.full((1, 1, 3), 0.1, np.float32)]
    average(frames, response=LINEAR)
    assert frames[0][0, 0, 0] == np.float32(0.5)


def test_order_does_not_matter_and_any_iterable_will_do():
    frames = [np.random.default_rng(seed).random((3, 4, 3), dtype=np.float32) for seed in range(5)]
    assert average(iter(frames), response=GAMMA22) == pytest.approx(average(reversed(frames), response=GAMMA22), abs=1e-6)


def test_refuses_nothing_and_unequal_shapes():
    with pytest.raises(ValueError, match="at least one"):
        average([], response=LINEAR)
    with pytest.raises(ValueError, match="one shape"):
        average([np.zeros((2, 2, 3), np.uint8), np.zeros((2, 3, 3), np.uint8)], response=LINEAR)


def test_light_is_gathered_and_neither_lost_nor_gained():
    frames = np.random.default_rng(0).integers(0, 256, (9, 6, 7, 3), np.uint8)
    total = sum(GAMMA22.decode(frame).sum(dtype=np.float64) for frame in frames) / 9
    assert gather(frames, response=GAMMA22).sum(dtype=np.float64) == pytest.approx(total, rel=1e-5)


def test_a_lamp_that_passes_leaves_a_streak_brighter_than_its_share():
    lamp = np.zeros((5, 1, 5, 3), np.uint8)
    for place in range(5):
        lamp[place, 0, place] = 255
    assert gather(lamp, response=LINEAR) == pytest.approx(np.full((1, 5, 3), 0.2), abs=1e-6)
    assert gather(lamp, response=LINEAR, gain=4) == pytest.approx(np.full((1, 5, 3), 0.8), abs=1e-6)


def test_sixteen_bit_frames_average_as_finely():
    frames = [np.full((1, 1, 3), value, np.uint16) for value in (1000, 1003)]
    assert average(frames, response=LINEAR) == pytest.approx(np.full((1, 1, 3), 1001.5 / 65535), rel=1e-6)
