import numpy as np
import pytest

from unblur.errors import InputError
from unblur.synth.response import CURVE_RANGE, GAMMA22, LINEAR, SRGB, camera_curve, draw_curve, response_named

(LOW_GAMMA, HIGH_GAMMA), (LOW_CONTRAST, HIGH_CONTRAST) = CURVE_RANGE
CORNERS = [camera_curve(gamma=gamma, contrast=contrast) for gamma in CURVE_RANGE[0] for contrast in CURVE_RANGE[1]]
ALL = [GAMMA22, SRGB, LINEAR, *CORNERS]


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


def test_camera_curve_by_hand():
    assert camera_curve(gamma=2.2, contrast=1).encode(np.linspace(0, 1, 11)) == pytest.approx(
        GAMMA22.encode(np.linspace(0, 1, 11)), abs=1e-6
    )
    # p = 0.25 ** (1 / 2) = 0.5 stays; p = 0.8 with contrast 2: 0.64 / (0.64 + 0.04) = 0.9412
    assert camera_curve(gamma=2, contrast=2).encode(np.array([0.25, 0.64])) == pytest.approx([0.5, 0.9412], abs=1e-4)


def test_both_numbers_of_a_curve_matter():
    light = np.linspace(0.05, 0.95, 9)
    plain = camera_curve(gamma=2.2, contrast=1.2).encode(light)
    assert not np.allclose(camera_curve(gamma=1.9, contrast=1.2).encode(light), plain)
    assert not np.allclose(camera_curve(gamma=2.2, contrast=0.9).encode(light), plain)


def test_equal_curves_are_one_object():
    assert camera_curve(gamma=2.2, contrast=1.2) is camera_curve(gamma=2.2, contrast=1.2)


def test_drawn_curves_lie_in_the_range_and_repeat_with_the_seed():
    names = [draw_curve(np.random.default_rng(seed)).name for seed in range(40)]
    assert names == [draw_curve(np.random.default_rng(seed)).name for seed in range(40)]
    assert len(set(names)) > 10
    for name in names:
        gamma, contrast = (float(number) for number in name.removeprefix("curve:").split(","))
        assert LOW_GAMMA <= gamma <= HIGH_GAMMA
        assert LOW_CONTRAST <= contrast <= HIGH_CONTRAST


@pytest.mark.parametrize("response", ALL, ids=lambda response: response.name)
def test_names_lead_back(response):
    assert response_named(response.name) is response


@pytest.mark.parametrize("name", ["rec709", "curve:", "curve:2.2", "curve:a,b", "curve:0,1", "gamma:2,1", ""])
def test_unknown_names_are_refused(name):
    with pytest.raises(InputError, match=r"response|above 0"):
        response_named(name)
