import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import convolve, gaussian_filter, uniform_filter

from unblur.errors import InputError, ShapeError
from unblur.metrics import detail
from unblur.metrics.pictures import luma


@pytest.fixture
def textured(picture, noisy):
    """A picture with detail of all sizes."""
    return noisy(picture(72, 80) * 0.6 + 0.2, 0.04, seed=3)


def blurred(pictures, sigma):
    return torch.from_numpy(gaussian_filter(pictures.numpy(), (0, 0, sigma, sigma)))


def numbers(restored, sharp):
    found = detail(restored, sharp)
    return found.ratio.item(), found.coherent.item()


def by_definition(restored, sharp):
    """The equations, with dense filters."""
    half = np.array([1, 4, 6, 4, 1]) / 16
    far = np.array([1, 0, 4, 0, 6, 0, 4, 0, 1]) / 16
    own = whole = coherent = 0.0
    bands = []
    for picture in (restored, sharp):
        y = luma(picture)[0, 0].numpy()
        low = convolve(y, np.outer(half, half), mode="mirror")
        bands.append((y - low, low - convolve(low, np.outer(far, far), mode="mirror")))
    for r, s in zip(*bands, strict=True):
        rr, ss, rs = (uniform_filter(product, 15, mode="mirror") for product in (r * r, s * s, r * s))
        own, whole = own + rr.sum(), whole + ss.sum()
        coherent += (np.minimum(rs / ss, 1) * ss).sum()
    return math.sqrt(own / whole), coherent / whole


def test_follows_the_definition(textured, noisy):
    restored = noisy(blurred(textured, 0.8), 0.02)
    assert numbers(restored, textured) == pytest.approx(by_definition(restored, textured), abs=1e-9)


def test_identity(textured):
    assert numbers(textured, textured) == pytest.approx((1, 1), abs=1e-12)
    assert numbers((textured + 0.2), textured) == pytest.approx((1, 1), abs=1e-9)  # brightness is no detail


@given(contrast=st.floats(0.05, 1), brightness=st.floats(0.1, 1))
@settings(max_examples=15, deadline=None)
def test_contrast_is_what_is_measured_and_the_scale_of_both_is_not(contrast, brightness):
    sharp = torch.rand(1, 3, 24, 30, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert numbers(contrast * sharp, sharp) == pytest.approx((contrast, contrast), abs=1e-9)
    other = torch.rand(1, 3, 24, 30, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert numbers(brightness * other, brightness * sharp) == pytest.approx(numbers(other, sharp), abs=1e-9)


def test_blur_lowers_both(textured):
    rows = [numbers(blurred(textured, sigma), textured) for sigma in (0.4, 0.7, 1.5)]
    for values in zip(*rows, strict=True):
        assert 1 > values[0] > values[1] > values[2] > 0


def test_noise_raises_the_ratio_and_not_the_coherent_part(textured):
    noise = torch.randn(textured.shape, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    clear, coarse = numbers(textured + 0.05 * noise, textured), numbers(textured + 0.2 * noise, textured)
    assert 1.2 < clear[0] < coarse[0]
    assert 1 > clear[1] > coarse[1] > 0.5
    soft = blurred(textured, 1.0)
    before, after = numbers(soft, textured), numbers(soft + 0.03 * noise, textured)
    assert after[0] > 1.3 * before[0]
    assert after[1] == pytest.approx(before[1], abs=0.02)


def test_texture_of_another_picture_is_not_coherent(textured):
    soft = blurred(textured, 2.0)
    invented = soft + (textured - soft).flip(-1)
    ratio, coherent = numbers(invented, textured)
    assert ratio == pytest.approx(1, abs=0.1)
    assert abs(coherent) < 0.1


def test_halos_raise_the_ratio_and_do_not_make_up_for_softness(textured):
    sharpened = textured + 1.5 * (textured - blurred(textured, 1.0))
    ratio, coherent = numbers(sharpened, textured)
    assert ratio > 1.5
    assert coherent == pytest.approx(1, abs=1e-3)
    half = sharpened.clone()
    half[..., :40] = blurred(textured, 1.0)[..., :40]
    assert numbers(half, textured)[1] < 0.8


def test_checks_by_hand():
    """A chessboard of single pixels lies in the finest band alone: twice its contrast on the left, none on the right."""
    y, x = torch.meshgrid(torch.arange(40), torch.arange(800), indexing="ij")
    signs = (1 - 2 * ((y + x) % 2)).double().expand(1, 3, 40, 800)
    restored = 0.5 + 0.2 * signs * (x < 400)
    ratio, coherent = numbers(restored, 0.5 + 0.1 * signs)
    assert ratio == pytest.approx(math.sqrt(4 / 2), abs=0.01)
    assert coherent == pytest.approx((1 + 0) / 2, abs=0.01)
    assert numbers(0.5 - 0.1 * signs, 0.5 + 0.1 * signs) == pytest.approx((1, -1), abs=1e-9)


def test_the_coherent_part_is_no_more_than_the_whole():
    for seed in range(6):
        generator = torch.Generator().manual_seed(seed)
        restored, sharp = (torch.rand(1, 3, 20, 21, generator=generator, dtype=torch.float64) for _ in range(2))
        mixed = restored * seed / 5 + sharp * (1 - seed / 5)
        ratio, coherent = numbers(mixed, sharp)
        assert coherent <= min(ratio, 1) + 1e-12


def test_a_reference_without_detail_and_refusals(textured):
    flat = torch.full_like(textured, 90 / 255)
    assert all(math.isnan(value) for value in numbers(textured, flat))
    assert numbers(flat, textured) == pytest.approx((0, 0), abs=1e-12)
    with pytest.raises(ShapeError):
        detail(textured[:, :1], textured[:, :1])
    with pytest.raises(InputError, match="reference must lie"):
        detail(textured, textured * 255)


def test_pictures_of_a_batch_are_independent(picture, noisy):
    sharp = picture(24, 26, batch=2)
    restored = noisy(sharp, 0.1)
    both = detail(restored, sharp)
    for i in range(2):
        assert (both.ratio[i].item(), both.coherent[i].item()) == numbers(restored[i : i + 1], sharp[i : i + 1])
