import math

import numpy as np
import pytest
import torch

from unblur.errors import InputError, ShapeError
from unblur.metrics import gmsd
from unblur.metrics.pictures import luma


def by_definition(restored, sharp):
    """Xue et al. 2014, position by position; zeros outside the picture."""
    maps = []
    for picture in (restored, sharp):
        levels = 255 * luma(picture)[0, 0].numpy()
        height, width = levels.shape
        half = np.zeros((math.ceil(height / 2) + 2, math.ceil(width / 2) + 2))  # with a frame of zeros
        for y in range(half.shape[0] - 2):
            for x in range(half.shape[1] - 2):
                half[y + 1, x + 1] = levels[2 * y : 2 * y + 2, 2 * x : 2 * x + 2].sum() / 4
        magnitude = np.zeros((half.shape[0] - 2, half.shape[1] - 2))
        for y in range(magnitude.shape[0]):
            for x in range(magnitude.shape[1]):
                near = half[y : y + 3, x : x + 3]
                magnitude[y, x] = math.hypot((near[:, 0] - near[:, 2]).sum() / 3, (near[0] - near[2]).sum() / 3)
        maps.append(magnitude)
    m_d, m_r = maps
    similarity = (2 * m_r * m_d + 170) / (m_r**2 + m_d**2 + 170)
    return math.sqrt(((similarity - similarity.mean()) ** 2).mean())


@pytest.mark.parametrize("size", [(16, 22), (17, 13)])
def test_follows_the_definition(size, picture, noisy):
    sharp = picture(*size)
    restored = noisy((sharp + sharp.roll(2, -1)) / 2, 0.05)
    assert gmsd(restored, sharp).item() == pytest.approx(by_definition(restored, sharp), abs=1e-12)


def test_identity_symmetry_and_rise_with_blur_and_noise(picture, noisy):
    sharp = picture(32, 40)
    assert gmsd(sharp, sharp).item() == 0
    restored = noisy(sharp, 0.1)
    assert gmsd(restored, sharp).item() == pytest.approx(gmsd(sharp, restored).item(), abs=1e-15)
    by_noise = [gmsd(noisy(sharp, sigma), sharp).item() for sigma in (0.01, 0.03, 0.1)]
    assert 0 < by_noise[0] < by_noise[1] < by_noise[2]
    by_blur = [gmsd(sum(sharp.roll(k, -1) for k in range(length)) / length, sharp).item() for length in (3, 7)]
    assert 0 < by_blur[0] < by_blur[1]


def test_two_blocks_by_hand():
    """Blocks 0 and 255, one below the other: gradients of 255/3 and 0, against 0 and 0 of a black picture."""
    sharp = torch.zeros(1, 3, 4, 2, dtype=torch.float64)
    sharp[..., 2:, :] = 1
    worst = 170 / (85**2 + 170)
    assert gmsd(sharp * 0, sharp).item() == pytest.approx((1 - worst) / 2)


def test_pictures_of_a_batch_are_independent(picture, noisy):
    sharp = picture(16, 18, batch=2)
    restored = noisy(sharp, 0.1)
    singly = [gmsd(restored[i : i + 1], sharp[i : i + 1]).item() for i in range(2)]
    assert gmsd(restored, sharp).tolist() == pytest.approx(singly, abs=1e-12)
    assert singly[0] != pytest.approx(singly[1], abs=1e-4)


def test_refusals(picture):
    sharp = picture(16, 16)
    with pytest.raises(ShapeError):
        gmsd(sharp[:, :1], sharp[:, :1])
    with pytest.raises(ShapeError, match="restored and reference must have the same shape"):
        gmsd(sharp[..., 1:], sharp)
    with pytest.raises(InputError, match="reference must lie"):
        gmsd(sharp, sharp * 255)
