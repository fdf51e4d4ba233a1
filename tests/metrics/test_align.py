import math

import cv2
import numpy as np
import pytest
import torch

from unblur.errors import ShapeError
from unblur.metrics import align, align_homography, align_translation, psnr

HOMOGRAPHY = np.array([[1.004, 0.006, 2.3], [-0.005, 0.997, -1.6], [1e-5, -2e-5, 1]])


MARGIN = 20


def views(scene, matrix):
    """Two views of a scene larger than both: at matrix·p the second shows what the first shows at p."""
    array = scene[0].permute(1, 2, 0).numpy()
    size = (array.shape[1] - 2 * MARGIN, array.shape[0] - 2 * MARGIN)
    to_first = np.array([[1, 0, -MARGIN], [0, 1, -MARGIN], [0, 0, 1.0]])
    second = cv2.warpPerspective(array, matrix @ to_first, size, flags=cv2.INTER_CUBIC)
    return scene[..., MARGIN:-MARGIN, MARGIN:-MARGIN], torch.from_numpy(second).permute(2, 0, 1)[None].clamp(0, 1)


def test_a_known_homography_and_intensity_are_recovered(picture):
    sharp, second = views(picture(136, 168), HOMOGRAPHY)
    restored = second * 0.8
    aligned = align_homography(restored, sharp)
    assert aligned.found
    assert aligned.scale == pytest.approx(1 / 0.8, rel=0.02)
    corners = np.array([[0, 0, 1], [127, 0, 1], [0, 95, 1], [127, 95, 1]]).T
    found, truth = (h @ corners for h in (aligned.transform.numpy(), HOMOGRAPHY))
    # OpenCV underestimates the scale a little on small pictures (opencv issue 29774)
    assert np.abs(found[:2] / found[2] - truth[:2] / truth[2]).max() < 0.3
    before = psnr(restored, sharp).item()
    after = psnr(aligned.restored, aligned.sharp, mask=aligned.mask).item()
    assert after > before + 20
    assert 0.9 < aligned.mask.mean() < 1
    assert not (aligned.restored * (1 - aligned.mask)).any()
    assert not (aligned.sharp * (1 - aligned.mask)).any()


def test_fewer_iterations_end_elsewhere(picture):
    sharp, restored = views(picture(104, 104), HOMOGRAPHY)
    one, many = (align_homography(restored, sharp, iterations=count) for count in (1, 30))
    quality = [psnr(a.restored, a.sharp, mask=a.mask).item() for a in (one, many)]
    assert quality[1] > quality[0] + 3


@pytest.mark.parametrize(("settled", "within"), [(0, 0), (align.SETTLED, 2e-3)])
def test_rounds_are_one_long_search_and_leave_out_what_moves_nothing(settled, within, picture, monkeypatch):
    monkeypatch.setattr(align, "SETTLED", settled)
    sharp, restored = views(picture(104, 104), HOMOGRAPHY)
    rounds = align_homography(restored, sharp, iterations=100)
    monkeypatch.setattr(align, "ROUND", 100)
    whole = align_homography(restored, sharp, iterations=100)
    corners = np.array([[0, 0, 1], [63, 0, 1], [0, 63, 1], [63, 63, 1]]).T
    places = [matrix[:2] / matrix[2] for matrix in (aligned.transform.numpy() @ corners for aligned in (rounds, whole))]
    assert np.abs(places[0] - places[1]).max() <= within


def test_a_picture_that_cannot_be_aligned_stays_in_place(picture):
    sharp = picture(32, 32)
    flat = torch.full_like(sharp, 0.25)
    aligned = align_homography(flat, sharp)
    assert not aligned.found
    assert torch.equal(aligned.transform, torch.eye(3, dtype=torch.float64))
    assert aligned.mask.all()
    assert torch.equal(aligned.restored, flat * aligned.scale)


@pytest.mark.parametrize(("down", "right"), [(0, 0), (3, -2), (-5, 7), (-1, -1)])
def test_whole_pixel_moves_are_undone(down, right, picture):
    # fine detail: the correlation is circular, so the edges of a smooth picture would hold it in place
    scene = 0.5 * picture(60, 70) + 0.5 * torch.rand(1, 3, 60, 70, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    sharp = scene[..., 10:50, 10:60]
    restored = scene[..., 10 + down : 50 + down, 10 + right : 60 + right] * 0.5
    aligned = align_translation(restored, sharp)
    assert (aligned.transform[1, 2], aligned.transform[0, 2]) == (-down, -right)
    assert aligned.mask.sum() == (40 - abs(down)) * (50 - abs(right))
    # the scale is found before the move, on pictures that do not quite show the same
    assert aligned.scale == pytest.approx(2, rel=0.2)
    assert torch.allclose(aligned.restored / aligned.scale * 2, aligned.sharp, atol=1e-12)


def test_black_pictures_are_not_scaled(picture):
    assert align_translation(picture(20, 20) * 0, picture(20, 20)).scale == 1


def test_scale_is_the_least_squares_factor(picture, noisy):
    sharp = picture(24, 24)
    restored = noisy(sharp, 0.1) * 0.7
    scale = align_translation(restored, sharp).scale
    best = min((psnr(restored * s, sharp).item() * -1, s) for s in (scale * 0.99, scale, scale * 1.01))
    assert best[1] == scale
    assert math.isfinite(best[0])


@pytest.mark.parametrize("align", [align_homography, align_translation])
def test_one_picture_of_a_sensible_size(align, picture):
    with pytest.raises(ShapeError, match="must have shape"):
        align(picture(16, 16, batch=2), picture(16, 16, batch=2))
    with pytest.raises(ShapeError, match="at least 5"):
        align(picture(4, 16), picture(4, 16))
