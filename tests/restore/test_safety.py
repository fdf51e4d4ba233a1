import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import avg_pool2d

from unblur.restore.safety import CELL, guard


def rectangles(height: int = 320, width: int = 448, seed: int = 0) -> torch.Tensor:
    """A sharp picture with edges of full contrast and of full colour."""
    generator = torch.Generator().manual_seed(seed)
    picture = torch.rand(3, 1, 1, generator=generator).expand(3, height, width).clone()
    for _ in range(60):
        top, left = (int(torch.randint(size, (1,), generator=generator)) for size in (height, width))
        picture[:, top : top + 50, left : left + 70] = torch.randint(2, (3, 1, 1), generator=generator).float()
    return picture


def smeared(picture: torch.Tensor, length: int) -> torch.Tensor:
    return avg_pool2d(picture[None], (1, length), stride=1, padding=(0, length // 2), count_include_pad=False)[0]


def steps(picture: torch.Tensor) -> float:
    return max(float(picture.diff(dim=axis).abs().max()) for axis in (1, 2))


@pytest.mark.parametrize("length", [5, 21, 41])
@pytest.mark.parametrize("seed", range(3))
def test_a_deblurred_picture_passes_untouched(length, seed):
    sharp = rectangles(seed=seed)
    found = guard(smeared(sharp, length), sharp)
    assert found.restored is sharp
    assert found.kept == 0


def test_an_edge_that_moves_by_twenty_pixels_passes():
    blurry, restored = torch.full((3, 320, 320), 0.1), torch.full((3, 320, 320), 0.1)
    blurry[..., 192:], restored[..., 172:] = 0.9, 0.9  # all within one column of cells
    assert guard(blurry, restored).kept == 0
    restored[..., 160:] = 0.9
    assert guard(blurry, restored).kept > 0


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_one_value_that_is_not_a_number_keeps_its_surroundings(bad):
    blurry = rectangles()
    restored = blurry + 0.05
    restored[1, 100, 200] = bad
    found = guard(blurry, restored)
    assert found.restored.isfinite().all()
    assert torch.equal(found.restored[:, 64:128, 192:256], blurry[:, 64:128, 192:256])  # its cell
    assert 0 < found.kept < 1
    torch.testing.assert_close(found.restored[:, :, -20:], restored[:, :, -20:])  # far away, the result stands


@pytest.mark.parametrize(
    ("drift", "kept"),
    [
        ((0.09, 0.09, 0.09), False),
        ((0.12, 0.12, 0.12), True),  # brightness
        ((-0.12, -0.12, -0.12), True),
        ((0.04, 0.0, -0.04), False),
        ((0.06, 0.0, -0.06), True),  # colour
        ((0.0, 1e30, 0.0), True),
    ],
)
def test_a_drift_of_the_whole_keeps_the_input(drift, kept):
    blurry = 0.2 + 0.6 * rectangles()
    found = guard(blurry, blurry + torch.tensor(drift)[:, None, None])
    assert found.kept == (1.0 if kept else 0.0)
    assert torch.equal(found.restored, blurry) == kept


def test_a_single_cell_is_judged_mildly_but_judged():
    blurry = torch.full((3, 5 * CELL, 5 * CELL), 0.2)
    for drift, kept in ((0.25, False), (0.35, True)):
        restored = blurry.clone()
        restored[:, 2 * CELL : 3 * CELL, 2 * CELL : 3 * CELL] += drift
        assert (guard(blurry, restored).kept > 0) == kept


def test_no_step_shows_where_the_input_is_kept():
    blurry = torch.full((3, 640, 640), 0.4)
    restored = blurry + 0.05
    restored[:, 300, 300] = torch.nan
    found = guard(blurry, restored)
    assert steps(found.restored) <= 1.01 * 0.05 / CELL
    assert float(found.restored.min()) == pytest.approx(0.4)
    assert float(found.restored.max()) == pytest.approx(0.45)


def test_a_wild_value_does_not_shine_through_where_it_fades():
    blurry = torch.full((3, 448, 448), 0.4)
    restored = blurry.clone()
    restored[:, 200:240, 200:240] = 3e38
    found = guard(blurry, restored)
    assert found.kept > 0
    torch.testing.assert_close(found.restored, blurry)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 200), st.integers(1, 200))
def test_any_size_is_judged_by_what_is_there(height, width):
    blurry = torch.full((3, height, width), 0.5)
    assert guard(blurry, blurry - 0.08).kept == 0
    assert guard(blurry, blurry - 0.15).kept == 1
    assert torch.equal(guard(blurry, blurry * torch.nan).restored, blurry)


def test_share_is_that_of_the_area_that_was_touched():
    blurry = torch.full((3, 64, 64 * 20), 0.5)
    restored = blurry + 0.01
    restored[..., 0] = torch.nan
    found = guard(blurry, restored)
    touched = (found.restored - restored).abs().nan_to_num(1).amax(dim=0) > 0
    assert found.kept == pytest.approx(float(touched.float().mean()), abs=0.01)
    assert 0.1 < found.kept < 0.3
