"""A picture joined from several sizes follows, in each place, the one that changes most there."""

import cv2
import numpy as np
import pytest

from unblur.models import create, names
from unblur.restore import multi_scale as module
from unblur.restore.multi_scale import LEAST_SIDE, Restored, area, finer_scales_add_nothing, joined, shapes, shrunk

STEP = 3**0.5


def smooth(height, width, *, seed=0, channels=3, cell=24):
    """A picture without fine detail, between 0.2 and 0.8."""
    coarse = np.random.default_rng(seed).random((-(-height // cell) + 1, -(-width // cell) + 1, channels), np.float32)
    return (0.2 + 0.6 * cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)).reshape(height, width, channels)


def changed(picture, change):
    return Restored(picture, (picture + change).astype(np.float32))


def test_sizes_go_from_the_smallest_to_the_pictures_own():
    assert shapes(720, 1280, step=3) == [(240, 427), (720, 1280)]
    assert shapes(3000, 4000, step=STEP)[-3:] == [(1000, 1333), (1732, 2309), (3000, 4000)]
    assert min(shapes(3000, 4000, step=STEP)[0]) >= LEAST_SIDE > min(shapes(3000, 4000, step=STEP)[0]) / STEP


@pytest.mark.parametrize(("shape", "step"), [((3000, 4000), None), ((200, 4000), 2), ((1, 1), 1.5)])
def test_a_network_without_steps_and_a_picture_without_pixels_have_one_size(shape, step):
    assert shapes(*shape, step=step) == [shape]
    assert area(*shape, step=step) == 1


def test_all_smaller_sizes_take_no_more_than_what_their_step_says():
    assert area(720, 1280, step=3) == pytest.approx(1 + 1 / 9, abs=1e-3)
    assert 1.44 < area(3000, 4000, step=STEP) < 1.5


def test_only_the_projects_own_networks_are_used_at_several_sizes():
    assert {name for name in names() if create(name).scale_step is not None} >= {"swift", "swift_best"}
    assert all(name.startswith("swift") for name in names() if create(name).scale_step is not None)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_smaller_picture_has_the_means_of_what_it_covers(dtype, channels):
    picture = (np.random.default_rng(0).random((30, 42, channels)) * (1 if dtype == np.float32 else np.iinfo(dtype).max)).astype(dtype)
    small = shrunk(picture, (10, 14))
    assert (small.dtype, small.shape) == (dtype, (10, 14, channels))
    np.testing.assert_allclose(small, picture.reshape(10, 3, 14, 3, channels).mean((1, 3)), atol=1e-6 if dtype == np.float32 else 0.51)
    assert shrunk(picture, (30, 42)) is picture


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [1, 3])
def test_one_size_alone_gives_what_was_made_of_it(dtype, channels):
    generator = np.random.default_rng(0)
    picture, restored = (
        (generator.random((45, 70, channels)) * (1 if dtype == np.float32 else np.iinfo(dtype).max)).astype(dtype) for _ in range(2)
    )
    result = joined(picture, [Restored(picture, restored)])
    assert (result.dtype, result.shape) == (dtype, picture.shape)
    np.testing.assert_allclose(result, restored, atol=1e-6 if dtype == np.float32 else 0)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_where_nothing_changes_the_picture_stays_bit_for_bit(dtype):
    picture = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (150, 170, 3), dtype, endpoint=True)
    small = shrunk(picture, (50, 57))
    np.testing.assert_array_equal(joined(picture, [Restored(small, small), Restored(picture, picture)]), picture)


def test_detail_that_a_smaller_size_lacks_stays():
    generator = np.random.default_rng(0)
    detail = 0.2 * generator.random((180, 240, 3), np.float32)
    picture = smooth(180, 240) - 0.1 + detail
    small = shrunk(picture, (60, 80))
    result = joined(picture, [changed(small, 0.1), changed(picture, 0)])
    np.testing.assert_allclose(result, picture + 0.1, atol=2e-3)


@pytest.mark.parametrize(("small", "own"), [(0.1, 0.02), (0.02, 0.1), (-0.1, 0.03)])
def test_the_stronger_change_is_taken(small, own):
    picture = smooth(180, 240)
    result = joined(picture, [changed(shrunk(picture, (60, 80)), small), changed(picture, own)])
    np.testing.assert_allclose(result - picture, max(small, own, key=abs), atol=2e-3)


def test_of_two_alike_the_pictures_own_size_counts_more():
    picture = smooth(180, 240)
    ways = [joined(picture, [changed(shrunk(picture, (60, 80)), sign * 0.05), changed(picture, -sign * 0.05)]) for sign in (1, -1)]
    assert (ways[0] - picture).mean() < -0.02
    assert (ways[1] - picture).mean() > 0.02


def test_each_place_follows_the_size_that_changes_it():
    picture = smooth(360, 720)
    small = shrunk(picture, (120, 240))
    left, right = np.zeros((120, 240, 1), np.float32), np.zeros((360, 720, 1), np.float32)
    left[:, :120], right[:, 360:] = 0.1, -0.1
    change = joined(picture, [changed(small, left), changed(picture, right)]) - picture
    np.testing.assert_allclose(change[:, :280], 0.1, atol=5e-3)
    np.testing.assert_allclose(change[:, 440:], -0.1, atol=5e-3)


def test_each_band_follows_the_size_that_changes_it():
    picture = smooth(240, 240)
    fine = 0.03 * (-1.0) ** np.arange(240, dtype=np.float32)[None, :, None]
    result = joined(picture, [changed(shrunk(picture, (80, 80)), 0.1), changed(picture, fine)])
    inside = (result - picture)[20:-20, 20:-20]
    np.testing.assert_allclose(inside, np.broadcast_to(0.1 + fine[:, 20:-20], inside.shape), atol=6e-3)


@pytest.mark.parametrize("shape", [(333, 250), (190, 411)])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_change_is_enlarged_along_cubic_curves(shape, channels):
    picture, change = np.full((*shape, channels), 0.5, np.float32), smooth(70, 90, channels=channels, cell=5) - 0.5
    small = np.full_like(change, 0.5)
    expected = cv2.resize(change, shape[::-1], interpolation=cv2.INTER_CUBIC).reshape(picture.shape)
    rows = [
        module._enlarged(Restored(small, small + change), picture.shape, first, min(first + 47, shape[0]))
        for first in range(0, shape[0], 47)
    ]
    np.testing.assert_allclose(np.concatenate(rows), expected, atol=1e-5)


@pytest.mark.parametrize("height", [1000, 1337])
def test_rows_that_are_joined_one_after_the_other_show_no_seam(monkeypatch, height):
    generator = np.random.default_rng(0)
    picture = smooth(height, 90)
    sizes = [changed(small, 0.1 * (generator.random(small.shape) - 0.5)) for small in (shrunk(picture, (height // 3, 30)), picture)]
    whole = joined(picture, sizes)
    monkeypatch.setattr(module, "_PIXELS", 1)
    assert module._rows(90) < height / 3
    np.testing.assert_allclose(joined(picture, sizes), whole, atol=1e-5)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_the_strength_of_a_change_is_its_mean_square(dtype):
    white = 1 if dtype == np.float32 else np.iinfo(dtype).max
    before, after = ((np.random.default_rng(seed).random((700, 90, 3)) * white).astype(dtype) for seed in (0, 1))
    expected = np.square((after.astype(float) - before) / white).mean()
    assert module._mean_square(Restored(before, after)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("changes", "ended"),
    [
        ((), False),
        ((0.1,), False),
        ((0.1, 0.08), False),
        ((0.1, 0.06), True),
        ((0.002, 0.001), False),
        ((0.06, 0.1), False),
        ((0.1, 0.05, 0.05), False),
    ],
)
def test_larger_sizes_tell_nothing_after_a_clear_fall(changes, ended):
    assert finer_scales_add_nothing([changed(np.full((8, 9, 3), 0.4, np.float32), change) for change in changes]) == ended
