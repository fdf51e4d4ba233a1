"""Codes: what is written is what is to be read, and all modules have one size."""

import numpy as np
import pytest

from unblur.bench.tasks.codes import FORMATS, draw_code
from unblur.bench.tasks.panel import OVERSAMPLING


def write(content, kind):
    """Stripes instead of a code; keeps what it was asked for in the text."""
    return f"{kind} {content}", np.tile(np.array([[255, 0]], np.uint8), (10, 10))


def test_content_fits_the_format():
    texts = [draw_code(np.random.default_rng(seed), write=write).text.split() for seed in range(40)]
    assert {kind for kind, _ in texts} == set(FORMATS)
    for kind, content in texts:
        assert content.isdigit() == (kind == "EAN13")
        assert len(content) == {"EAN13": 12, "Code128": 6}.get(kind, len(content))
        assert 6 <= len(content) <= 16


def test_modules_have_the_size_that_is_said_and_codes_fit():
    for seed in range(20):
        code = draw_code(np.random.default_rng(seed), write=write, size=64)
        assert code.pixels.shape[1] <= 0.86 * 64 * OVERSAMPLING
        assert code.pixels.shape[1] == pytest.approx(20 * code.detail * OVERSAMPLING, abs=1)


def test_light_and_dark_take_the_same_room():
    code = draw_code(np.random.default_rng(3), write=write)
    values = code.pixels.astype(float).mean(axis=2)
    middle = (values.min() + values.max()) / 2
    assert values.mean() == pytest.approx(middle, abs=2)
