"""Floating-point samples in [0, 1] and back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from unblur.io.levels import normalised
from unblur.pixels import linear_of_srgb, srgb_of_linear

values = arrays(np.float32, (3, 4, 3), elements=st.floats(-1e4, 1e4, width=32))


@given(samples=values)
@settings(deadline=None, max_examples=60)
def test_what_is_not_changed_comes_back(samples):
    pixels, levels, _ = normalised(samples, bits=32)
    assert pixels.dtype == np.float32
    assert 0 <= pixels.min() <= pixels.max() <= 1
    np.testing.assert_allclose(levels.stored(pixels), samples, atol=4e-3, rtol=1e-5)


@given(samples=arrays(np.float32, (2, 3, 1), elements=st.floats(0, 1, width=32)))
@settings(deadline=None, max_examples=30)
def test_values_from_0_to_1_stand_for_themselves(samples):
    pixels, levels, notes = normalised(samples, bits=32)
    assert levels.are_plain
    assert notes == []
    np.testing.assert_array_equal(pixels, samples)
    np.testing.assert_array_equal(levels.stored(pixels), samples)


def test_a_light_source_keeps_its_value():
    samples = np.full((100, 100, 1), 0.25, np.float32)
    samples[0, 0] = 50
    pixels, levels, notes = normalised(samples, bits=32)
    assert (levels.black, levels.white, pixels.max()) == (0, 1, 1)
    assert notes == ["values of it below 0 or above 1 were left as they were"]
    back = levels.stored(np.where(pixels == 1, pixels, pixels + np.float32(0.25)))
    assert back[0, 0, 0] == 50
    assert back[5, 5, 0] == 0.5


def test_a_wide_range_is_restored_over_it():
    samples = np.linspace(-1000, 3000, 4001, dtype=np.float32).reshape(1, -1, 1)
    pixels, levels, notes = normalised(samples, bits=32)
    assert (round(levels.black), round(levels.white)) == (-996, 2996)
    assert abs(float(pixels[0, 2000, 0]) - 0.5) < 1e-6
    assert "restored over the range from -996 to 3e+03" in notes[1]


def test_what_is_no_number_stays_where_it_is():
    samples = np.array([[[0.5], [np.nan], [np.inf], [-np.inf]]], np.float32)
    pixels, levels, _ = normalised(samples, bits=16)
    assert np.isfinite(pixels).all()
    np.testing.assert_array_equal(levels.stored(pixels), samples.astype(np.float16))


@pytest.mark.parametrize(("linear", "encoded"), [(0, 0), (0.001, 0.01292), (0.2140411, 0.5), (1, 1)])
def test_transfer_function_of_srgb(linear, encoded):
    assert abs(srgb_of_linear(np.float32([linear]))[0] - encoded) < 1e-5
    assert abs(linear_of_srgb(np.float32([encoded]))[0] - linear) < 1e-5


def test_linear_light_is_restored_under_the_transfer_function():
    samples = np.float32([[[0.2140411], [0.0]]])
    pixels, levels, notes = normalised(samples, bits=32, is_linear=True)
    np.testing.assert_allclose(pixels, [[[0.5], [0]]], atol=1e-5)
    np.testing.assert_allclose(levels.stored(pixels), samples, atol=1e-6)
    assert notes == ["its values were taken for linear light, and restored under the transfer function of sRGB"]


def test_rows_of_what_lay_outside():
    samples = np.array([[[0.5]], [[2.0]]] * 2000, np.float32)
    pixels, levels, _ = normalised(samples, bits=32)
    assert levels.white == 2
    samples[1] = 9
    pixels, levels, _ = normalised(samples, bits=32)
    np.testing.assert_allclose(levels.stored(pixels[1:2], 1), [[[9]]])
