import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio

from unblur.errors import ShapeError
from unblur.metrics import psnr


def test_identical_pictures_give_infinity(picture):
    sharp = picture(12, 13, batch=2)
    assert psnr(sharp, sharp).tolist() == [math.inf, math.inf]


@given(offset=st.floats(1e-3, 0.4))
@settings(deadline=None)
def test_constant_offset_has_a_closed_form(offset):
    sharp = torch.full((1, 3, 5, 7), 0.5, dtype=torch.float64)
    assert psnr(sharp + offset, sharp).item() == pytest.approx(-20 * math.log10(offset), abs=1e-9)


def test_one_wrong_level_in_one_value():
    sharp = torch.zeros(1, 3, 10, 10, dtype=torch.float64)
    restored = sharp.clone()
    restored[0, 1, 4, 4] = 1 / 255
    assert psnr(restored, sharp).item() == pytest.approx(20 * math.log10(255) + 10 * math.log10(300))


def test_symmetry_and_agreement_with_scikit_image(picture, noisy):
    sharp = picture(21, 34)
    restored = noisy(sharp, 0.05)
    assert torch.equal(psnr(restored, sharp), psnr(sharp, restored))
    expected = peak_signal_noise_ratio(sharp.numpy(), restored.numpy(), data_range=1)
    assert psnr(restored, sharp).item() == pytest.approx(expected, abs=1e-9)


def test_falls_with_noise_and_with_the_logarithm_of_its_size(picture):
    sharp = picture(32, 32) * 0 + 0.5
    noise = torch.randn(sharp.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    values = [psnr(sharp + sigma * noise, sharp).item() for sigma in (0.001, 0.01, 0.1)]
    assert values[0] - values[1] == pytest.approx(20)
    assert values[1] - values[2] == pytest.approx(20)


def test_each_picture_of_a_batch_is_measured_on_its_own(picture, noisy):
    sharp = picture(16, 16, batch=2)
    restored = torch.cat([noisy(sharp[:1], 0.01), noisy(sharp[1:], 0.1)])
    both = psnr(restored, sharp)
    assert both.tolist() == [psnr(restored[i : i + 1], sharp[i : i + 1]).item() for i in range(2)]
    assert both[0] > both[1] + 15


def test_mask_limits_the_mean_to_what_counts(picture):
    sharp = picture(16, 16)
    restored = sharp.clone()
    restored[..., :8] += 0.1  # the left half is wrong by 0.1, the right half is exact
    left = torch.zeros(1, 1, 16, 16)
    left[..., :8] = 1
    assert psnr(restored, sharp, mask=left).item() == pytest.approx(20)
    assert psnr(restored, sharp, mask=1 - left).item() == math.inf
    assert psnr(restored, sharp).item() == pytest.approx(20 + 10 * math.log10(2))
    assert math.isnan(psnr(restored, sharp, mask=left * 0).item())
    with pytest.raises(ShapeError, match="mask"):
        psnr(restored, sharp, mask=left[0])
