import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import convolve
from skimage.metrics import structural_similarity

from unblur.errors import InputError, ShapeError
from unblur.metrics import ms_ssim, ssim, ssim_3d, ssim_y
from unblur.metrics.pictures import luma, studio_luma

FORMS = [ssim, ssim_3d, ssim_y]
C1, C2 = 0.01**2, 0.03**2


def gaussian_taps():
    taps = np.array([math.exp(-(k**2) / (2 * 1.5**2)) for k in range(-5, 6)])
    return taps / taps.sum()


def by_scikit_image(restored, sharp):
    arrays = (p[0].permute(1, 2, 0).numpy() for p in (restored, sharp))
    return structural_similarity(*arrays, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, channel_axis=-1, data_range=1)


def by_direct_convolution(restored, sharp):
    """3-D SSIM from its definition: a dense window of 11 x 11 x 11 taps and scipy's n-dimensional convolution."""
    g = gaussian_taps()
    window = g[:, None, None] * g[None, :, None] * g[None, None, :]
    x, y = (p[0].permute(1, 2, 0).numpy() for p in (restored, sharp))

    def mean(values):
        return convolve(values, window, mode="nearest")

    mx, my = mean(x), mean(y)
    vx, vy, cov = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
    return float(np.mean((2 * mx * my + C1) * (2 * cov + C2) / ((mx**2 + my**2 + C1) * (vx + vy + C2))))


@pytest.mark.parametrize("form", FORMS)
def test_identity_symmetry_and_fall_with_noise(form, picture, noisy):
    sharp = picture(24, 31)
    assert form(sharp, sharp).item() == pytest.approx(1, abs=1e-12)
    values = [form(noisy(sharp, sigma), sharp).item() for sigma in (0.01, 0.03, 0.1, 0.3)]
    assert values == sorted(values, reverse=True)
    assert values[0] < 1
    assert values[-1] < 0.7
    restored = noisy(sharp, 0.1)
    assert form(restored, sharp).item() == pytest.approx(form(sharp, restored).item(), abs=1e-12)


@given(a=st.floats(0, 1), b=st.floats(0, 1))
@settings(max_examples=20, deadline=None)
def test_constant_pictures_have_only_the_luminance_term(a, b):
    restored, sharp = (torch.full((1, 3, 13, 12), value, dtype=torch.float64) for value in (a, b))
    expected = (2 * a * b + C1) / (a * a + b * b + C1)
    assert ssim(restored, sharp).item() == pytest.approx(expected, abs=1e-9)
    assert ssim_3d(restored, sharp).item() == pytest.approx(expected, abs=1e-9)


@given(height=st.integers(11, 40), width=st.integers(11, 40), seed=st.integers(0, 1000))
@settings(max_examples=15, deadline=None)
def test_equals_scikit_image_at_any_size(height, width, seed):
    generator = torch.Generator().manual_seed(seed)
    sharp = torch.rand(1, 3, height, width, generator=generator, dtype=torch.float64)
    restored = (sharp + 0.2 * torch.randn(sharp.shape, generator=generator, dtype=torch.float64)).clamp(0, 1)
    assert ssim(restored, sharp).item() == pytest.approx(by_scikit_image(restored, sharp), abs=1e-9)


def test_equals_scikit_image_on_smooth_single_precision_pictures(picture, noisy):
    sharp = picture(97, 61)
    restored = noisy(sharp, 0.02)
    assert ssim(restored.float(), sharp.float()).item() == pytest.approx(by_scikit_image(restored, sharp), abs=1e-6)


@pytest.mark.parametrize("size", [(13, 17), (5, 9), (1, 30)])
def test_volume_form_equals_direct_convolution(size, picture, noisy):
    sharp = picture(*size)
    restored = noisy(sharp, 0.1)
    assert ssim_3d(restored, sharp).item() == pytest.approx(by_direct_convolution(restored, sharp), abs=1e-10)


def test_volume_form_mixes_channels_and_the_plane_form_does_not(picture):
    sharp = picture(24, 24)
    restored = sharp.clone()
    restored[:, 0] = 1 - restored[:, 0]  # only red is wrong
    others = ssim(restored[:, 1:], sharp[:, 1:]).item()
    assert others == pytest.approx(1)
    assert ssim(restored, sharp).item() == pytest.approx((2 + ssim(restored[:, :1], sharp[:, :1]).item()) / 3)
    assert ssim_3d(restored, sharp).item() != pytest.approx(ssim(restored, sharp).item(), abs=0.02)


def test_y_form_is_the_plane_form_of_y(picture, noisy):
    sharp = picture(24, 24)
    restored = noisy(sharp, 0.1)
    assert ssim_y(restored, sharp).item() == pytest.approx(ssim(studio_luma(restored), studio_luma(sharp)).item())
    assert ssim_y(restored, sharp).item() != pytest.approx(ssim(restored, sharp).item(), abs=1e-3)


@pytest.mark.parametrize("form", FORMS)
def test_masks(form, picture, noisy):
    sharp = picture(30, 30)
    restored = noisy(sharp, 0.1)
    full = torch.ones(1, 1, 30, 30)
    assert form(restored, sharp, mask=full).item() == pytest.approx(form(restored, sharp).item(), abs=1e-12)
    restored[..., 15:] = sharp[..., 15:]
    right = full.clone()
    right[..., :20] = 0  # centres whose windows see only what is exact
    assert form(restored, sharp, mask=right).item() == pytest.approx(1, abs=1e-12)
    assert form(restored, sharp).item() < 0.95
    assert math.isnan(form(restored, sharp, mask=full * 0).item())
    with pytest.raises(ShapeError, match="mask"):
        form(restored, sharp, mask=full[..., 1:])


def test_pictures_of_a_batch_are_independent(picture, noisy):
    sharp = picture(16, 18, batch=2)
    restored = noisy(sharp, 0.1)
    for form in FORMS:
        assert form(restored, sharp).tolist() == [form(restored[i : i + 1], sharp[i : i + 1]).item() for i in range(2)]


def test_too_small_for_the_window():
    small = torch.rand(1, 3, 10, 40, generator=torch.Generator().manual_seed(0))
    with pytest.raises(ShapeError, match="at least 11"):
        ssim(small, small)


# Multi-scale ------------------------------------------------------------------------------------------------------


def components(x, y):
    """Maps of luminance, contrast and structure where the window fits, from a dense window."""
    g = gaussian_taps()
    window = np.outer(g, g)

    def mean(values):
        return convolve(values, window, mode="constant")[5:-5, 5:-5]

    mx, my = mean(x), mean(y)
    vx, vy, cov = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
    spread = np.sqrt(np.clip(vx, 0, None) * np.clip(vy, 0, None))
    luminance = (2 * mx * my + C1) / (mx**2 + my**2 + C1)
    return luminance, (2 * spread + C2) / (vx + vy + C2), (cov + C2 / 2) / (spread + C2 / 2)


WEIGHTS = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333]


def wang_by_definition(restored, sharp):
    x, y = (luma(p)[0, 0].numpy() for p in (restored, sharp))
    product = 1.0
    for scale, weight in enumerate(WEIGHTS):
        luminance, contrast, structure = components(x, y)
        last = scale == 4
        product *= np.mean(contrast * structure * (luminance if last else 1)) ** weight
        # scipy's convolve lets an even window look forward, as MATLAB's imfilter does
        x, y = (convolve(p, np.full((2, 2), 0.25), mode="reflect")[::2, ::2] for p in (x, y))
    return product


def metrix_by_definition(restored, sharp):
    half = [0.0378284555, -0.0238494650, -0.1106244044, 0.3774028556]
    low_pass = np.array([*half, 0.8526986790, *half[::-1]])
    kernel = np.outer(low_pass, low_pass)
    kernel /= kernel.sum()
    x, y = (luma(p)[0, 0].numpy() for p in (restored, sharp))
    product = 1.0
    for scale, weight in enumerate(WEIGHTS):
        luminance, contrast, structure = components(x, y)
        product *= contrast.mean() ** weight * structure.mean() ** weight
        if scale == 4:
            product *= luminance.mean() ** 0.1333
        x, y = (convolve(p, kernel, mode="reflect")[::2, ::2] for p in (x, y))
    return product


@pytest.mark.parametrize(("form", "definition"), [("wang", wang_by_definition), ("metrix", metrix_by_definition)])
@pytest.mark.parametrize("size", [(161, 176), (163, 170)])
def test_multi_scale_forms_follow_their_definitions(form, definition, size, picture, noisy):
    sharp = picture(*size)
    restored = (noisy(sharp, 0.08) * 0.9).roll(1, dims=-1)
    assert ms_ssim(restored, sharp, form=form).item() == pytest.approx(definition(restored, sharp), abs=1e-8)
    assert ms_ssim(sharp, sharp, form=form).item() == pytest.approx(1, abs=1e-12)


def test_the_multi_scale_forms_differ_and_fall_with_noise(picture, noisy):
    sharp = picture(161, 161)
    values = {form: [ms_ssim(noisy(sharp, sigma), sharp, form=form).item() for sigma in (0.05, 0.1, 0.3)] for form in ("wang", "metrix")}
    assert values["wang"] != pytest.approx(values["metrix"], abs=1e-4)
    for falling in values.values():
        assert falling == sorted(falling, reverse=True)


def test_negative_structure_counts_as_nothing(picture):
    sharp = picture(161, 161)
    assert ms_ssim(1 - sharp, sharp).item() == 0
    assert ms_ssim(1 - sharp, sharp, form="metrix").item() == 0


def test_multi_scale_refusals(picture):
    sharp = picture(160, 200)
    with pytest.raises(ShapeError, match="at least 161"):
        ms_ssim(sharp, sharp)
    with pytest.raises(InputError, match="forms"):
        ms_ssim(sharp, sharp, form="other")
