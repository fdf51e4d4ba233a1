"""What is said of a picture before it is restored."""

import numpy as np
import pytest

from unblur.app.web.expectation import NOISY, Measured, measured_gain, noise_level, sentence
from unblur.restore.blurred import DIRECTED_FROM, MeasuredBlur
from unblur.weights import card_of


def measured(length, *, noise=1.0, directed=0.8):
    return Measured(MeasuredBlur(length, directed), noise)


def smooth(height=120, width=160):
    y, x = np.mgrid[:height, :width]
    return np.repeat((120 + 60 * np.sin(x / 20) * np.cos(y / 15))[..., None], 3, axis=2)


@pytest.mark.parametrize("sigma", [2.0, 8.0, 20.0])
def test_noise_of_brightness_is_measured(sigma):
    noise = np.random.default_rng(0).normal(0, sigma, (120, 160, 1))
    noisy = np.clip(smooth() + noise, 0, 255).round().astype(np.uint8)
    assert noise_level(noisy) == pytest.approx(sigma, rel=0.15)
    assert noise_level(noisy.astype(np.uint16) * 257) == pytest.approx(noise_level(noisy), rel=1e-3)


def test_straight_edges_are_no_noise():
    picture = np.zeros((60, 80, 3), np.uint8)
    picture[:, 40:] = 200
    assert noise_level(picture) == 0.0
    assert noise_level(picture[:2]) == 0.0  # too small to say


def test_each_kind_of_picture_has_its_sentence():
    card = card_of("swift_quick")
    assert sentence(measured(0.6), card=card).startswith("Sharp: motion blur of about 0.6 pixels. Restoring it can make it worse")
    assert sentence(measured(9.0), card=card).startswith("Blurred by motion, by about 9.0 pixels.")
    unfocused = sentence(measured(3.0, directed=DIRECTED_FROM - 0.01), card=card)
    assert unfocused.startswith("Blurred, alike in all directions: more likely out of focus")
    assert "gained" not in unfocused
    assert sentence(measured(0.3, noise=NOISY), card=card).startswith("Noisy")


def test_figures_are_those_of_the_card():
    card = card_of("swift_quick")
    gain = measured_gain(card, data="photos")
    assert f"gained {gain:.1f} dB on average by swift_quick" in sentence(measured(9.0), card=card)
    assert measured_gain(card, data="no such data") is None
    assert "gained" not in sentence(measured(9.0), card=card.model_copy(update={"results": []}))


def test_clips_are_said_to_be_clips():
    assert "Clips gained" in sentence(measured(9.0), card=card_of("swift_video_best"))
