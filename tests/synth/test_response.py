import numpy as np
import pytest

from unblur.synth.response import GAMMA22, LINEAR, SRGB

ALL = [GAMMA22, SRGB, LINEAR]


@pytest.mark.parametrize("response", ALL, ids=lambda response: response.name)
def test_curves_are_inverse_and_increasing(response):
    x = np.linspace(0, 1, 1001, dtype=np.float32)
    assert np.allclose(response.encode(response.decode(x)), x, atol=1e-5)
    assert np.all(np.diff(response.encode(x)) > 0)
    assert response.encode(x)[[0, -1]] == pytest.approx([0, 1], abs=1e-6)


@pytest.mark.parametrize("response", ALL, ids=lambda response: response.name)
def test_every_8_bit_value_survives_the_way_through_light(response):
    codes = np.arange(256, dtype=np.uint8)
    assert np.array_equal(response.encode_8bit(response.decode(codes)), codes)


@pytest.mark.parametrize("response", ALL, ids=lambda response: response.name)
def test_table_agrees_with_the_curve(response):
    light = np.random.default_rng(0).random((64, 64), dtype=np.float32)
    assert np.abs(response.encode_8bit(light) - response.encode(light) * 255).max() <= 0.51


@pytest.mark.parametrize("response", ALL, ids=lambda response: response.name)
def test_integers_are_fractions_of_their_range(response):
    assert response.decode(np.array([65535], np.uint16)) == pytest.approx(1)
    assert response.decode(np.array([257 * 100], np.uint16)) == pytest.approx(response.decode(np.array([100], np.uint8)), rel=1e-5)


def test_known_points():
    assert GAMMA22.decode(np.array([0.5], np.float32)) == pytest.approx(0.5**2.2, rel=1e-6)
    assert SRGB.decode(np.array([0.04045, 0.5], np.float32)) == pytest.approx([0.04045 / 12.92, 0.21404114], rel=1e-5)


def test_light_beyond_the_sensor_is_clipped():
    light = np.array([-0.5, 1.5], np.float32)
    assert SRGB.encode(light).tolist() == pytest.approx([0, 1], abs=1e-6)
    assert SRGB.encode_8bit(light).tolist() == [0, 255]
