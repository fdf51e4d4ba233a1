"""Signs: drawn by the generator alone, within the picture, with letters that a reader can tell apart."""

import numpy as np
import pytest

from unblur.bench.tasks.panel import OVERSAMPLING
from unblur.bench.tasks.signs import ALPHABET, WORDS, draw_sign


def signs(count=40, **options):
    return [draw_sign(np.random.default_rng([7, number]), **options) for number in range(count)]


def test_the_same_seed_gives_the_same_sign():
    one, other = draw_sign(np.random.default_rng(1)), draw_sign(np.random.default_rng(1))
    assert one.text == other.text
    assert np.array_equal(one.pixels, other.pixels)


@pytest.mark.parametrize("size", [128, 256])
def test_signs_fit_into_the_picture(size):
    for sign in signs(size=size):
        assert max(sign.pixels.shape[:2]) <= 0.9 * size * OVERSAMPLING


def test_text_is_of_words_random_strings_and_numbers():
    known = {word.upper() for word in WORDS}
    parts = {part for sign in signs() for part in sign.text.upper().split()}
    assert parts & known
    strings = [part for part in parts if not part.isdigit() and part not in known]
    assert strings
    assert set("".join(strings)) <= set(ALPHABET)


def test_ink_stands_out_from_the_ground():
    for sign in signs():
        luma = sign.pixels @ np.array([0.2126, 0.7152, 0.0722])
        assert luma.max() - luma.min() > 0.24 * 255


def test_capitals_are_as_high_as_is_said():
    """Of a sign of one line, rows with ink between the border lines span the capitals, within a pixel of the picture and descenders."""
    sign = next(sign for sign in signs(200) if "\n" not in sign.text and sign.text.isupper() and "Q" not in sign.text)
    grey = sign.pixels.astype(float).mean(axis=2)
    pad = round(0.3 * OVERSAMPLING * sign.detail)
    inner = grey[pad:-pad, pad:-pad]
    rows = np.flatnonzero(np.abs(inner - inner[0, 0]).max(axis=1) > 60)
    assert (rows[-1] - rows[0]) / OVERSAMPLING == pytest.approx(sign.detail, rel=0.1)
