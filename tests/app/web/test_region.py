"""The part of a photo that is restored: outside it nothing changes, bit for bit."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unblur.app.web.region import FEATHER, MOST_POINTS, Region, mixed, region_of
from unblur.errors import InputError
from unblur.restore.executor import mixed_safely


def pictures(dtype=np.uint8, shape=(40, 60, 3), seed=0):
    generator = np.random.default_rng(seed)
    return [generator.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True) for _ in range(2)]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_ends_of_the_strength(dtype):
    blurry, restored = pictures(dtype)
    assert np.array_equal(mixed(blurry, restored, strength=1, region=None), restored)
    assert np.array_equal(mixed(blurry, restored, strength=0, region=None), blurry)


def test_half_the_strength_is_the_mean():
    blurry, restored = np.full((4, 4, 1), 100, np.uint8), np.full((4, 4, 1), 200, np.uint8)
    assert (mixed(blurry, restored, strength=0.5, region=None) == 150).all()


def test_the_mix_is_that_of_the_option():
    """As the command mixes at one scale, where the fail-safe has nothing to keep."""
    blurry = pictures()[0]
    restored = np.clip(blurry.astype(int) + 9, 0, 255).astype(np.uint8)
    tensors = [torch.from_numpy(picture).permute(2, 0, 1).float() / 255 for picture in (blurry, restored)]
    by_command = (mixed_safely(*tensors, strength=0.3).restored * 255).round().permute(1, 2, 0).numpy()
    assert np.abs(mixed(blurry, restored, strength=0.3, region=None) - by_command).max() <= 1


@given(st.integers(-20, 70), st.integers(-20, 50), st.integers(1, 80), st.integers(1, 60), st.sampled_from([0.4, 1.0]))
def test_nothing_changes_outside_a_rectangle(left, top, width, height, strength):
    blurry, restored = pictures(np.uint16)
    result = mixed(blurry, restored, strength=strength, region=Region(rectangle=(left, top, left + width, top + height)))
    outside = np.ones((40, 60), bool)
    outside[max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)] = False
    assert np.array_equal(result[outside], blurry[outside])


def test_the_middle_of_a_region_is_restored_in_full():
    blurry, restored = pictures()
    result = mixed(blurry, restored, strength=1, region=Region(rectangle=(5, 5, 55, 35)))
    inner = slice(5 + FEATHER, 35 - FEATHER), slice(5 + FEATHER, 55 - FEATHER)
    assert np.array_equal(result[inner], restored[inner])
    assert not np.array_equal(result[6:10, 6:54], restored[6:10, 6:54])  # it fades in


def test_a_region_of_the_whole_picture_is_all():
    blurry, restored = pictures()
    assert np.array_equal(mixed(blurry, restored, strength=1, region=Region(rectangle=(0, 0, 60, 40))), restored)


def test_no_edge_fades_at_the_border_of_the_picture():
    weights = Region(rectangle=(0, 0, 30, 40)).weights(40, 60)
    assert (weights[:, :20] == 1).all()
    assert (weights[:, 30:] == 0).all()


def test_a_stroke_covers_its_width():
    weights = Region(strokes=((9.0, ((10.0, 20.0), (50.0, 20.0))),)).weights(40, 60)
    assert (weights[20, 10:50] > 0).all()
    assert (weights[:14] == 0).all()
    assert (weights[27:] == 0).all()


@pytest.mark.parametrize("text", ["1, 2, 30, 40", " [1,2,30,40] ", "1,2,30.0,40"])
def test_rectangles_are_read(text):
    assert region_of(text) == Region(rectangle=(1, 2, 30, 40))


def test_strokes_are_read():
    text = json.dumps({"strokes": [{"width": 8, "points": [[1, 2], [3, 4]]}]})
    assert region_of(text) == Region(strokes=((8, ((1, 2), (3, 4))),))
    assert region_of('{"strokes": []}') is None
    assert region_of("  ") is None


@pytest.mark.parametrize(
    "text",
    [
        "here",
        "1,2,3",
        "5,5,5,9",
        "9,1,2,3",
        "1,2,NaN,4",
        "1,2,Infinity,4",
        "{}",
        '{"strokes": 3}',
        '{"strokes": [{"width": 0, "points": [[1, 2]]}]}',
        '{"strokes": [{"width": 8, "points": []}]}',
        '{"strokes": [{"width": 8, "points": [[1, 1e9]]}]}',
        "[" * 100_000,
        json.dumps({"strokes": [{"width": 8, "points": [[1, 1]] * (MOST_POINTS + 1)}]}),
    ],
)
def test_what_is_no_region_is_refused(text):
    with pytest.raises(InputError, match="is no region; give left, top"):
        region_of(text)
