import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import fourier_shift

from unblur.errors import InputError, ShapeError
from unblur.metrics import psnr, shifted_psnr
from unblur.metrics.pictures import crop_border
from unblur.metrics.shifted import _moved


def cut(scene, dy=0, dx=0, *, margin=6):
    """A scene as it lies dy below and dx to the right, without its margin."""
    height, width = scene.shape[-2:]
    return scene[..., margin - dy : height - margin - dy, margin - dx : width - margin - dx]


def waves(dy, dx, *, height=40, width=52):
    """A smooth picture, known between its pixels, that lies dy below and dx to the right."""
    y, x = torch.meshgrid(torch.arange(height, dtype=torch.float64) - dy, torch.arange(width, dtype=torch.float64) - dx, indexing="ij")
    channels = [torch.sin(0.31 * x + 0.17 * y + phase) + torch.cos(0.23 * y - 0.4 * x * phase) for phase in (0.3, 0.7, 1.1)]
    return torch.stack(channels)[None] / 5 + 0.5


def test_without_a_shift_it_is_the_psnr_of_the_inner_region(picture, noisy):
    sharp = picture(40, 47)
    restored = noisy(sharp, 0.05)
    found = shifted_psnr(restored, sharp)
    assert found.shift.tolist() == [[0, 0]]
    assert found.psnr.item() == psnr(crop_border(restored, 4), crop_border(sharp, 4)).item()
    assert shifted_psnr(sharp, sharp).psnr.item() == math.inf


@given(dy=st.integers(-3, 3), dx=st.integers(-3, 3), height=st.integers(21, 30), width=st.integers(21, 30))
@settings(max_examples=20, deadline=None)
def test_whole_shifts_are_undone(dy, dx, height, width):
    scene = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(height), dtype=torch.float64)
    found = shifted_psnr(cut(scene, dy, dx), cut(scene))
    assert found.psnr.item() == math.inf
    assert found.shift.tolist() == [[dy, dx]]


@pytest.mark.parametrize("shift", [(0.25, -0.5), (-2.75, 1), (3, -3), (0, 0.75)])
def test_shifts_of_quarter_pixels_are_undone(shift):
    restored, sharp = waves(*shift), waves(0, 0)
    found = shifted_psnr(restored, sharp)
    assert found.shift.tolist() == [list(shift)]
    assert found.psnr.item() > 45
    assert psnr(restored, sharp).item() < 35


def test_other_shifts_are_found_to_an_eighth_of_a_pixel(picture):
    sharp = picture(96, 110)
    moved = torch.from_numpy(np.fft.ifft2(fourier_shift(np.fft.fft2(sharp.numpy()), (0, 0, 1.1, -0.66))).real)
    (found,) = shifted_psnr(crop_border(moved, 12), crop_border(sharp, 12)).shift.tolist()
    assert found == pytest.approx([1.1, -0.66], abs=0.126)


def test_noise_and_blur_do_not_pass_for_a_shift(picture, noisy):
    """Between pixels noise is lower, because interpolation smooths: that must not be taken for a better match."""
    flat = picture(64, 64) * 0.1 + 0.4
    for sigma in (0.02, 0.2):
        assert shifted_psnr(noisy(flat, sigma), flat).shift.tolist() == [[0, 0]]
    sharp = picture(64, 64)
    blurry = (sharp + sharp.roll(1, -1) + sharp.roll(-1, -1)) / 3
    assert shifted_psnr(blurry, sharp).shift.tolist() == [[0, 0]]
    assert shifted_psnr(torch.full_like(sharp, 0.5), sharp * 0 + 0.3).shift.tolist() == [[0, 0]]


def test_it_is_never_lower_than_without_a_shift(picture, noisy):
    sharp = picture(32, 32, batch=3)
    restored = noisy(torch.stack([sharp[0], sharp[1].flip(-1), sharp[2].roll(2, -2)]), 0.03)
    found = shifted_psnr(restored, sharp)
    assert (found.psnr >= psnr(crop_border(restored, 4), crop_border(sharp, 4))).all()
    assert found.psnr.tolist() == [shifted_psnr(restored[i : i + 1], sharp[i : i + 1]).psnr.item() for i in range(3)]
    assert found.shift[2].tolist() == [2, 0]


def test_the_radius_limits_the_shift_and_the_region():
    scene = torch.rand(1, 3, 40, 40, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    restored, sharp = cut(scene, 4, 0), cut(scene)
    assert shifted_psnr(restored, sharp).psnr.item() < 15
    assert shifted_psnr(restored, sharp, radius=4).shift.tolist() == [[4, 0]]
    still = shifted_psnr(restored, sharp, radius=0)
    assert still.shift.tolist() == [[0, 0]]
    assert still.psnr.item() == psnr(crop_border(restored, 1), crop_border(sharp, 1)).item()
    framed = sharp.clone()
    crop_border(framed, 0)[..., :4, :] = 0  # outside the region
    assert shifted_psnr(restored, framed).psnr.item() == shifted_psnr(restored, sharp).psnr.item()


def test_one_wrong_value_beside_a_shift():
    """The region of 20x21 has 12x13 positions of three channels, of which one value is wrong by 0.1."""
    scene = torch.rand(1, 3, 32, 33, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    restored, sharp = cut(scene, 1, -2).clone(), cut(scene)
    restored[0, 1, 9, 9] += 0.1
    found = shifted_psnr(restored, sharp)
    assert found.shift.tolist() == [[1, -2]]
    assert found.psnr.item() == pytest.approx(20 + 10 * math.log10(12 * 13 * 3))


def test_noise_keeps_its_size_between_pixels():
    noise = torch.randn(1, 3, 40, 41, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert _moved(noise, (0.5, -1.5), 4).std().item() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("axis", [2, 3])
def test_between_pixels_a_cosine_goes_on(axis):
    """cos(π k (n + 1/2) / N) is a member of the series of the mirrored picture."""
    place = torch.arange(20, dtype=torch.float64) + 0.5
    wave, moved = (torch.cos(math.pi * 3 * (place + distance) / 20) for distance in (0, 0.3))
    pictures, expected = (each.view([20 if at == axis else 1 for at in range(4)]).expand(1, 2, 20, 20) for each in (wave, moved))
    shift = (0.3, 0) if axis == 2 else (0, 0.3)
    assert torch.allclose(_moved(pictures, shift, 1), crop_border(expected, 1), atol=1e-12)


def test_refusals(picture):
    sharp = picture(8, 30)
    with pytest.raises(ShapeError, match="leaves nothing"):
        shifted_psnr(sharp, sharp)
    with pytest.raises(InputError, match="radius"):
        shifted_psnr(sharp, sharp, radius=-1)
    with pytest.raises(InputError, match="reference must lie"):
        shifted_psnr(sharp, sharp * 255)
