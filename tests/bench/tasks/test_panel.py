"""Panels in a scene: the same generator gives the same bytes, the blur is that of the ranges, and nothing is cut off."""

from dataclasses import replace

import numpy as np
import pytest

from unblur.bench.tasks.panel import BLUR, OVERSAMPLING, Panel, photograph_panel

STILL = replace(BLUR, length=(1e-3, 1.1e-3), turn=0.0, zoom=0.0, noise_probability=0.0, jpeg_probability=0.0)


def bright(side=20):
    """A white square on a wall that is not white."""
    return Panel(np.full((side * OVERSAMPLING, side * OVERSAMPLING, 3), 255, np.uint8), "white", 1.0)


def photographed(seed, *, blur=BLUR, side=20, size=64):
    return photograph_panel(bright(side), np.random.default_rng(seed), name="0.png", size=size, blur=blur)


def test_the_same_seed_gives_the_same_pictures_and_another_one_others():
    one, same, other = photographed(1), photographed(1), photographed(2)
    assert np.array_equal(one.blurry, same.blurry)
    assert np.array_equal(one.sharp, same.sharp)
    assert not np.array_equal(one.blurry, other.blurry)


def test_pictures_have_the_size_and_the_blur_of_the_ranges():
    picture = photographed(3)
    assert picture.blurry.shape == picture.sharp.shape == (64, 64, 3)
    assert BLUR.length[0] <= picture.length <= BLUR.length[1]
    assert picture.text == "white"


def test_without_motion_and_noise_blurry_and_sharp_agree():
    picture = photographed(4, blur=STILL)
    assert np.abs(picture.blurry.astype(int) - picture.sharp).max() <= 1


def test_motion_takes_contrast_from_edges():
    blur = replace(STILL, length=(16.0, 16.1))
    picture = photographed(5, blur=blur)
    edges = [np.abs(np.diff(each.astype(float), axis=1)).max() for each in (picture.blurry, picture.sharp)]
    assert edges[0] < 0.7 * edges[1]


@pytest.mark.parametrize("seed", range(8))
def test_the_whole_panel_is_in_the_picture(seed):
    """Its area is that of the square but for the perspective, and its border lies inside."""
    white = photographed(seed, blur=STILL, side=40, size=64).sharp.min(axis=2) > 250
    assert 0.7 * 40**2 < white.sum() < 1.3 * 40**2
    border = np.concatenate([white[0], white[-1], white[:, 0], white[:, -1]])
    assert not border.any()
