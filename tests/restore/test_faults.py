"""Faults that restored photos had, each on a made picture, by the default network.

`python -m benchmarks.quality` says how good results are on average; these tests hold what must never come back.
"""

import cv2
import numpy as np
import pytest

import unblur

GAMMA = 2.2


@pytest.fixture(scope="module")
def restore():
    """The photo network that is chosen by default, on one thread."""
    return unblur.load("swift_fused", device="cpu", precision="fp32", threads=1).photo


def in_8_bit(picture):
    return np.round(255 * picture.clip(0, 1)).astype(np.uint8)


def discs(seed, *, height=192, width=192):
    """Discs of even colour that cover each other, values in [0, 1]."""
    rng = np.random.default_rng(seed)
    picture = np.full((height, width, 3), 0.5, np.float32)
    for _ in range(200):
        centre = int(rng.integers(width)), int(rng.integers(height))
        radius = int(np.clip(3 / rng.uniform(0.02, 1), 3, 50))
        cv2.circle(picture, centre, radius, rng.uniform(0.05, 0.95, 3).tolist(), -1, cv2.LINE_AA)
    return picture


def exposed(instants):
    """What a camera makes of pictures in [0, 1] that follow each other while its shutter is open."""
    light = sum(np.clip(instant, 0, 1) ** GAMMA for instant in instants) / len(instants)
    return in_8_bit(light ** (1 / GAMMA))


def shifted(picture, across, down=0.0):
    height, width = picture.shape[:2]
    return cv2.warpAffine(
        picture, np.float32([[1, 0, across], [0, 1, down]]), (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )


def noisy(picture, sigma, *, seed=0):
    return in_8_bit(picture + np.random.default_rng(seed).normal(0, sigma, picture.shape))


def psnr(a, b):
    return 10 * np.log10(255**2 / max(np.mean((a.astype(float) - b) ** 2), 1e-3))


def displacement(reference, moved):
    """By how much to move the reference to lie over the other, in pixels: where their coarse content agrees best."""
    coarse = [cv2.GaussianBlur(cv2.cvtColor(each, cv2.COLOR_RGB2GRAY).astype(np.float32), (0, 0), 2.5) for each in (reference, moved)]
    return cv2.findTransformECC(*coarse, np.eye(2, 3, dtype=np.float32), cv2.MOTION_TRANSLATION, (3, 100, 1e-5))[1][:, 2]


def test_the_displacement_of_a_picture_is_found():
    picture = in_8_bit(discs(0))
    np.testing.assert_allclose(displacement(picture, shifted(picture, 2, -1)), (2, -1), atol=0.1)


@pytest.mark.parametrize(
    "path", [lambda t: 12 * t - 6, lambda t: 10 * t**2 - 2, lambda t: 12 * t], ids=["centred", "accelerated", "to one side"]
)
def test_the_result_lies_where_the_blurry_picture_lies(restore, path):
    sharp = discs(1)
    blurry = exposed([shifted(sharp, path(t), path(t) / 3) for t in np.linspace(0, 1, 25)])
    assert np.abs(displacement(blurry, restore(blurry))).max() < 1  # which instant of the exposure is restored, nobody says


@pytest.mark.parametrize("object_moves", [False, True])
@pytest.mark.parametrize("level", [0.1, 0.9])
def test_no_part_of_an_object_is_bitten_off_at_its_edge(restore, level, object_moves):
    behind = discs(2)
    thing = np.zeros(behind.shape, np.float32)
    cv2.circle(thing, (96, 96), 40, (1.0, 1.0, 1.0), -1, cv2.LINE_AA)
    instants = []
    for way in np.linspace(-5, 5, 21):
        mask, scene = (shifted(thing, way), behind) if object_moves else (thing, shifted(behind, way))
        instants.append(scene * (1 - mask) + level * mask)
    restored = restore(exposed(instants))
    down, across = np.mgrid[:192, :192]
    inside = np.hypot(down - 96, across - 96) < 33
    assert np.abs(restored[inside] - 255.0 * level).max() < 20


@pytest.mark.parametrize("length", [0, 3, 6])
def test_letters_are_not_smeared(restore, length):
    page = np.full((128, 192, 3), 217, np.uint8)
    for line in range(5):
        cv2.putText(page, f"unblur letters {line}", (6, 22 + 25 * line), cv2.FONT_HERSHEY_SIMPLEX, 0.55, (25, 30, 38), 1, cv2.LINE_AA)
    shake = [shifted(page / np.float32(255), length * way, length * way / 2) for way in np.linspace(-0.5, 0.5, 15)]
    blurry = noisy(exposed(shake) / np.float32(255), 0.006)
    restored = restore(blurry)
    if length:
        assert psnr(restored, page) > psnr(blurry, page) + 1
    else:
        assert psnr(restored, blurry) > 40


def test_falling_water_stays(restore):
    drops = np.random.default_rng(5).normal(0, 1, (192, 192)).astype(np.float32)
    streaks = cv2.GaussianBlur(drops, (1, 41), sigmaX=0.8, sigmaY=9)
    water = (0.6 + 0.15 * streaks / streaks.std()).clip(0, 1)[..., None].repeat(3, axis=2)
    given = noisy(water, 0.01)
    assert psnr(restore(given), given) > 36


def test_grain_is_not_taken_for_detail(restore):
    clean = cv2.GaussianBlur(discs(3), (0, 0), 1)
    given = noisy(clean, 0.03)
    assert psnr(restore(given), in_8_bit(clean)) > psnr(given, in_8_bit(clean)) - 0.2


@pytest.mark.parametrize("brightness", [0.25, 1.0])
def test_the_result_is_as_bright_as_what_was_put_in(restore, brightness):
    sharp = discs(4) * brightness
    blurry = exposed([shifted(sharp, way) for way in np.linspace(-5, 5, 21)])
    light = [((picture / 255) ** GAMMA).mean(axis=(0, 1)) for picture in (blurry, restore(blurry))]
    np.testing.assert_allclose(light[1], light[0], rtol=0.015)
