from itertools import pairwise

import pytest
import torch

from unblur.layers.windows import WindowLayout, from_window_values, from_windows, taper, to_windows

LAYOUT = WindowLayout(side=16, stride=12)
SHAPES = [(1, 1), (5, 40), (16, 16), (17, 33), (64, 31), (100, 80)]


@pytest.mark.parametrize("length", [1, 15, 16, 17, 28, 29, 100])
def test_windows_cover_a_side_evenly(length):
    places, side = LAYOUT.along(length)
    assert side == min(length, 16)
    assert places[0] == 0
    assert places[-1] == max(length - 16, 0)
    gaps = [after - before for before, after in pairwise(places)]
    assert all(0 < gap <= 12 for gap in gaps)
    assert max(gaps, default=0) - min(gaps, default=0) <= 1


@pytest.mark.parametrize("length", range(1, 900, 7))
def test_windows_are_wider_only_where_fewer_of_them_do(length):
    plain, layout = WindowLayout(side=64, stride=52), WindowLayout(side=64, stride=52, max_side=80)
    places, side = layout.along(length)
    assert places[0] == 0
    assert places[-1] + side == length
    assert all(side - (after - before) >= 12 for before, after in pairwise(places))
    usual, narrow = plain.along(length)
    assert (side, places) == (narrow, usual) or (narrow < side <= 80 and len(places) < len(usual))


def test_few_wide_windows_are_taken_where_they_fit():
    assert WindowLayout(side=256, stride=224, max_side=288).along(1056) == ([0, 256, 512, 768], 288)
    assert WindowLayout(side=256, stride=224, max_side=288).along(608) == ([0, 176, 352], 256)


@pytest.mark.parametrize("length", range(1, 900, 7))
def test_windows_are_narrower_only_where_they_overlap_by_more_than_they_need(length):
    plain, layout = WindowLayout(side=64, stride=52, max_side=80), WindowLayout(side=64, stride=52, max_side=80, overlap=20)
    places, side = layout.along(length)
    usual, wide = plain.along(length)
    assert len(places) == len(usual)
    assert (places[0], places[-1] + side) == (0, length)
    overlaps = [side - (after - before) for before, after in pairwise(places)]
    assert side == wide or (side < wide and min(overlaps) >= 20)
    assert len(places) == 1 or (len(places) * (side - 16) - length) < 20 * (len(places) - 1)  # sides are multiples of 16


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"side": 64, "stride": 65}, "overlap"),
        ({"side": 64, "stride": 0}, "overlap"),
        ({"side": 64, "stride": 52, "max_side": 63}, "no less"),
    ],
)
def test_refuses_layouts_that_do_not_cover_a_picture(wrong, says):
    with pytest.raises(ValueError, match=says):
        WindowLayout(**wrong)


@pytest.mark.parametrize("shape", SHAPES)
def test_windows_make_the_picture_again(shape):
    picture = torch.rand(2, 3, *shape, generator=torch.Generator().manual_seed(0))
    for layout in (LAYOUT, WindowLayout(side=16, stride=12, max_side=32), WindowLayout(side=40, stride=20, overlap=4)):
        windows = to_windows(picture, layout=layout)
        torch.testing.assert_close(from_windows(windows, shape, layout=layout), picture)


def test_windows_fade_into_each_other():
    """From the value of one to that of the next without a step."""
    windows = torch.stack([torch.zeros(1, 16, 16), torch.ones(1, 16, 16)])
    row = from_windows(windows, (16, 24), layout=WindowLayout(side=16, stride=8))[0, 0, 8]
    assert float(row[0]) == 0
    assert float(row[-1]) == 1
    assert (row.diff() >= 0).all()
    assert float(row.diff().max()) < 0.25


def test_one_window_is_the_picture():
    picture = torch.rand(1, 3, 9, 13, generator=torch.Generator().manual_seed(0))
    assert torch.equal(from_windows(to_windows(picture, layout=LAYOUT), (9, 13), layout=LAYOUT), picture)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("cell", [1, 4])
def test_numbers_are_windows_of_one_value(shape, cell):
    border = tuple(min(3, (side - 1) // 2) for side in shape)
    windows = to_windows(torch.zeros(2, 1, *shape), layout=LAYOUT)
    numbers = torch.rand(len(windows), 5, generator=torch.Generator().manual_seed(0))
    whole = from_windows(numbers[..., None, None].expand(-1, -1, *windows.shape[-2:]), shape, layout=LAYOUT)
    if len(windows) == 2:  # one window a picture is given as it is
        whole = whole.expand(2, 5, *shape)
    inside = whole[..., border[0] : shape[0] - border[0], border[1] : shape[1] - border[1]]
    down, across = (side // cell * cell for side in inside.shape[-2:])
    wanted = inside[..., :down, :across].reshape(2, 5, down // cell, cell, across // cell, cell).mean((-3, -1))
    torch.testing.assert_close(from_window_values(numbers, shape, layout=LAYOUT, border=border, cell=cell), wanted)


def test_a_window_fades_towards_its_border():
    fade = taper((32, 20), edge=6, like=torch.zeros(()))
    assert fade.shape == (32, 20)
    assert bool((fade[6:-6, 5:-5] == 1).all())  # a quarter of the side, where that is less
    assert bool((fade[:6, 10].diff() > 0).all())
    assert 0 < fade[0, 10] < 0.1
    torch.testing.assert_close(fade, fade.flip(0, 1))
