import dataclasses

import cv2
import numpy as np
import pytest

from unblur.synth.sensor import capture, draw_sensor

SHOT = (1e-4, 1e-3)


def sensors(count=12, **changes):
    drawn = [draw_sensor(np.random.default_rng(seed), shot=SHOT) for seed in range(count)]
    return [dataclasses.replace(sensor, **changes) for sensor in drawn]


def soft(seed=0, size=64) -> np.ndarray:
    noise = np.random.default_rng(seed).uniform(0, 1, (size, size, 3)).astype(np.float32)
    picture = cv2.GaussianBlur(noise, (0, 0), 4)
    return (0.05 + 0.9 * (picture - picture.min()) / (picture.max() - picture.min())).astype(np.float32)


@pytest.mark.parametrize("layout", ["RGGB", "GRBG", "GBRG", "BGGR"])
@pytest.mark.parametrize("edge_aware", [False, True])
def test_flat_colours_come_back_without_noise(layout, edge_aware):
    colours = np.array([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [0.7, 0.1, 0.2], [0.05, 0.4, 0.9], [0.02, 0.03, 0.01]], np.float32)
    for sensor in sensors(4, shot=0.0, read=0.0, layout=layout, edge_aware=edge_aware):
        for colour in colours:
            light = np.broadcast_to(colour, (9, 11, 3))
            assert capture(light, np.random.default_rng(0), sensor=sensor) == pytest.approx(light, abs=2e-4)


def test_soft_pictures_are_neither_changed_nor_displaced_without_noise():
    shifts = []
    for seed, sensor in enumerate(sensors(shot=0.0, read=0.0)):
        light = soft(seed)
        taken = capture(light, np.random.default_rng(0), sensor=sensor)
        assert np.abs(taken - light).mean() < 0.004
        assert (taken - light).mean(axis=(0, 1)) == pytest.approx(np.zeros(3), abs=0.002)
        for channel in range(3):
            down, right = np.gradient(light[..., channel])
            slopes = np.stack([right.ravel(), down.ravel()], axis=1)
            shifts.append(np.linalg.lstsq(slopes, (light - taken)[..., channel].ravel(), rcond=None)[0])
    assert np.abs(shifts).max() < 0.02  # pixels; a displaced mosaic gives half a pixel or a whole one


def test_noise_has_mean_zero_also_in_the_dark_and_grows_with_light():
    deviations = []
    for level in (0.0, 0.02, 0.5):
        light = np.full((128, 128, 3), level, np.float32)
        for sensor in sensors(3, shot=2e-3, read=2e-3):
            taken = capture(light, np.random.default_rng(1), sensor=sensor)
            assert taken.mean(axis=(0, 1)) == pytest.approx(np.full(3, level), abs=0.002)
            deviations.append(float(taken[..., 1].std()))
    assert deviations[0] < deviations[3] < deviations[6]


def test_what_is_brighter_than_full_is_white():
    light = np.full((16, 16, 3), 20.0, np.float32)
    light[..., 2] = 4.0
    for sensor in sensors(shot=0.0, read=0.0):
        assert capture(light, np.random.default_rng(0), sensor=sensor) == pytest.approx(np.ones((16, 16, 3)), abs=1e-3)


def test_noise_is_correlated_between_neighbours_by_the_mosaic():
    sensor = sensors(1, shot=4e-3, read=0.0, edge_aware=False)[0]
    red = capture(np.full((128, 128, 3), 0.5, np.float32), np.random.default_rng(0), sensor=sensor)[..., 0] - 0.5
    assert float((red[:, 1:] * red[:, :-1]).mean() / red.var()) > 0.3


def test_same_state_same_picture():
    sensor = sensors(1)[0]
    first, second = (capture(soft(), np.random.default_rng(3), sensor=sensor) for _ in range(2))
    assert np.array_equal(first, second)
