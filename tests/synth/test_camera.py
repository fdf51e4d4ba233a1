import numpy as np
import pytest

from unblur.synth.camera import add_noise, compress_jpeg


def test_noise_has_the_variance_stated():
    light = np.concatenate([np.full(100_000, 0.1, np.float32), np.full(100_000, 0.9, np.float32)])
    noise = add_noise(light, np.random.default_rng(0), shot=1e-3, read=0.01) - light
    assert noise.mean() == pytest.approx(0, abs=5e-4)
    assert noise[:100_000].var() == pytest.approx(0.1 * 1e-3 + 1e-4, rel=0.03)
    assert noise[100_000:].var() == pytest.approx(0.9 * 1e-3 + 1e-4, rel=0.03)


def test_no_noise_is_no_change():
    light = np.linspace(0, 1, 50, dtype=np.float32)
    assert np.array_equal(add_noise(light, np.random.default_rng(0), shot=0, read=0), light)


def test_jpeg_costs_more_at_lower_quality_and_keeps_colours_apart():
    y, x = np.mgrid[:64, :64]
    picture = np.stack([x * 4, y * 4, (x + y) * 2], axis=-1).astype(np.uint8)
    errors = [np.abs(compress_jpeg(picture, quality=quality).astype(int) - picture).mean() for quality in (98, 60, 10)]
    assert errors == sorted(errors)
    assert errors[0] < 1.5
