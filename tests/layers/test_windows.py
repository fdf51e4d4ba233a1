from itertools import pairwise

import pytest
import torch

from unblur.layers.windows import from_windows, starts, to_windows

SHAPES = [(1, 1), (5, 40), (16, 16), (17, 33), (64, 31), (100, 80)]


@pytest.mark.parametrize("length", [1, 15, 16, 17, 28, 29, 100])
def test_starts_cover_evenly(length):
    places = starts(length, side=16, stride=12)
    assert places[0] == 0
    assert places[-1] == max(length - 16, 0)
    gaps = [after - before for before, after in pairwise(places)]
    assert all(0 < gap <= 12 for gap in gaps)
    assert max(gaps, default=0) - min(gaps, default=0) <= 1


@pytest.mark.parametrize("shape", SHAPES)
def test_windows_make_the_picture_again(shape):
    picture = torch.rand(2, 3, *shape, generator=torch.Generator().manual_seed(0))
    windows = to_windows(picture, side=16, stride=12)
    assert windows.shape[-2:] == tuple(min(side, 16) for side in shape)
    torch.testing.assert_close(from_windows(windows, shape, side=16, stride=12), picture)


def test_windows_fade_into_each_other():
    """From the value of one to that of the next without a step."""
    windows = torch.stack([torch.zeros(1, 16, 16), torch.ones(1, 16, 16)])
    row = from_windows(windows, (16, 24), side=16, stride=8)[0, 0, 8]
    assert float(row[0]) == 0
    assert float(row[-1]) == 1
    assert (row.diff() >= 0).all()
    assert float(row.diff().max()) < 0.25


def test_one_window_is_the_picture():
    picture = torch.rand(1, 3, 9, 13, generator=torch.Generator().manual_seed(0))
    assert torch.equal(from_windows(to_windows(picture, side=16, stride=12), (9, 13), side=16, stride=12), picture)
