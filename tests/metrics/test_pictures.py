import numpy as np
import pytest
import torch

from unblur.errors import InputError, ShapeError
from unblur.metrics.pictures import checked_pair, crop_border, from_uint8, luma, studio_luma, to_8_bit


def test_all_levels_survive_the_round_trip():
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    pictures = from_uint8(levels)
    assert torch.equal(to_8_bit(pictures), pictures)
    assert torch.equal(to_8_bit(pictures.float()), pictures)  # single precision finds the same level
    assert np.array_equal((pictures[0].permute(1, 2, 0) * 255).round().numpy().astype(np.uint8), levels)


def test_from_uint8_keeps_the_order_of_axes():
    array = np.zeros((2, 4, 5, 3), dtype=np.uint8)
    array[1, 2, 3] = (10, 20, 30)
    pictures = from_uint8(array)
    assert pictures.shape == (2, 3, 4, 5)
    assert (pictures[1, :, 2, 3] * 255).tolist() == pytest.approx([10, 20, 30])


@pytest.mark.parametrize(("array", "error"), [(np.zeros((4, 4, 3)), InputError), (np.zeros((4, 4), np.uint8), ShapeError)])
def test_from_uint8_refuses(array, error):
    with pytest.raises(error):
        from_uint8(array)


def test_rounding_is_to_the_nearest_level_and_clamps():
    values = torch.tensor([-0.5, 0.4 / 255, 0.6 / 255, 1.7]).view(1, 1, 1, 4)
    assert (to_8_bit(values) * 255).flatten().tolist() == [0, 0, 1, 255]


def test_border_is_cut_on_every_side():
    ramp = torch.arange(30.0).view(1, 1, 5, 6)
    assert torch.equal(crop_border(ramp, 2), ramp[..., 2:3, 2:4])
    assert torch.equal(crop_border(ramp, 0), ramp)
    with pytest.raises(ShapeError, match="leaves nothing"):
        crop_border(ramp, 3)
    with pytest.raises(InputError, match="negative"):
        crop_border(ramp, -1)


def test_grey_of_black_white_and_primaries():
    colours = torch.eye(3, dtype=torch.float64).view(3, 3, 1, 1)
    assert luma(colours).flatten().tolist() == pytest.approx([0.299, 0.587, 0.114])
    assert studio_luma(torch.zeros(1, 3, 1, 1)).item() * 255 == pytest.approx(16)
    assert studio_luma(torch.ones(1, 3, 1, 1)).item() * 255 == pytest.approx(235)
    with pytest.raises(ShapeError):
        luma(torch.zeros(1, 1, 4, 4))


def test_pairs_that_cannot_be_compared_are_refused():
    fine = torch.full((1, 3, 4, 4), 0.5)
    with pytest.raises(ShapeError, match="same shape"):
        checked_pair(fine, fine[..., 1:])
    with pytest.raises(InputError, match="divide 8-bit levels by 255"):
        checked_pair(fine, fine * 255)
    with pytest.raises(InputError, match="from_uint8"):
        checked_pair(fine.to(torch.uint8), fine)
    with pytest.raises(InputError, match="restored holds NaN"):
        checked_pair(fine / 0 * 0, fine)
    with pytest.raises(ShapeError, match="no pixel"):
        checked_pair(fine[:0], fine[:0])


def test_overshoot_of_the_restored_picture_is_kept():
    fine = torch.full((1, 3, 4, 4), 0.5)
    assert checked_pair(fine + 1, fine)[0].max() == 1.5
