import dataclasses

import numpy as np
import pytest

from unblur.synth.stills import StillsBlur, cut_out, disc, draw_pair, draw_scene, out_of_focus, patch, photograph

PLAIN = StillsBlur(sharp_probability=0, object_probability=0, noise_probability=0, jpeg_probability=0)


@pytest.fixture(scope="module")
def photos() -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    coarse = generator.integers(0, 256, (3, 30, 40, 3), np.uint8)
    return [np.kron(picture, np.ones((4, 4, 1), np.uint8)) for picture in coarse]


def draw(photos, seed=0, size=64, blur=PLAIN):
    return draw_pair(np.random.default_rng(seed), photos, size=size, blur=blur)


def error(pair) -> float:
    return float(np.abs(pair.blurry.astype(int) - pair.sharp).mean())


def test_shapes_and_types(photos):
    pair = draw(photos, blur=StillsBlur())
    assert pair.blurry.shape == pair.sharp.shape == (64, 64, 3)
    assert pair.blurry.dtype == pair.sharp.dtype == np.uint8
    assert pair.blur_field.shape == (16, 16, 3)


def test_same_seed_same_bytes(photos):
    first, second, other = draw(photos, 5, blur=StillsBlur()), draw(photos, 5, blur=StillsBlur()), draw(photos, 6, blur=StillsBlur())
    assert all(np.array_equal(getattr(first, name), getattr(second, name)) for name in ("blurry", "sharp", "blur_field"))
    assert not np.array_equal(first.blurry, other.blurry)


def test_longer_paths_blur_more(photos):
    short, long = (dataclasses.replace(PLAIN, length=length) for length in ((1.0, 1.2), (20.0, 22.0)))
    assert np.mean([error(draw(photos, seed, blur=short)) for seed in range(6)]) < 0.5 * np.mean(
        [error(draw(photos, seed, blur=long)) for seed in range(6)]
    )


def test_sharp_share_gives_sharp_pairs(photos):
    blur = dataclasses.replace(PLAIN, sharp_probability=1.0, sharp_length=0.0)
    pairs = [draw(photos, seed, blur=blur) for seed in range(4)]
    assert max(error(pair) for pair in pairs) == 0
    assert max(np.abs(pair.blur_field).max() for pair in pairs) < 1e-6


def test_length_of_the_path_is_told(photos):
    blur = dataclasses.replace(PLAIN, length=(8.0, 8.5), turn=0, zoom=0, wobble=(0.0, 0.0))
    pair = draw(photos, blur=blur)
    assert 8 <= pair.length <= 8.5
    assert pair.blur_field[..., 2] == pytest.approx(np.full((16, 16), pair.length), rel=0.2)  # 13 instants stand for all


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("object_probability", 1.0),
        ("tripod_probability", 1.0),
        ("noise_probability", 1.0),
        ("jpeg_probability", 1.0),
        ("turn", 0.3),
        ("zoom", 0.3),
        ("wobble", (0.95, 1.0)),
        ("smallest_scale", 0.9),
        ("curve_probability", 1.0),
        ("sharpen_probability", 1.0),
        ("h264_probability", 1.0),
    ],
)
def test_every_switch_matters(photos, name, value):
    assert not np.array_equal(draw(photos).blurry, draw(photos, blur=dataclasses.replace(PLAIN, **{name: value})).blurry)


def test_ranges_matter(photos):
    noisy = dataclasses.replace(PLAIN, noise_probability=1.0, sharp_probability=1.0, sharp_length=0.0)
    dark, bright = (error(draw(photos, blur=dataclasses.replace(noisy, shot=shot))) for shot in ((1e-5, 1.1e-5), (5e-3, 6e-3)))
    assert dark < bright
    packed = dataclasses.replace(PLAIN, jpeg_probability=1.0, sharp_probability=1.0, sharp_length=0.0)
    good, bad = (error(draw(photos, blur=dataclasses.replace(packed, jpeg_quality=quality))) for quality in ((95, 96), (10, 12)))
    assert good < bad


def test_photos_smaller_than_the_pair_are_enlarged(photos):
    assert draw([photos[0][:40, :33]], size=64).sharp.shape == (64, 64, 3)


def test_does_not_change_the_photos(photos):
    before = [photo.copy() for photo in photos]
    draw(photos, blur=StillsBlur())
    assert all(np.array_equal(a, b) for a, b in zip(before, photos, strict=True))


def test_highlights_smear_brighter_than_white_and_truth_is_clipped(photos):
    blur = dataclasses.replace(PLAIN, length=(14.0, 15.0), turn=0, zoom=0)
    raised = dataclasses.replace(blur, highlight_probability=1.0, highlight_gain=(8.0, 8.1))
    plain, bright = draw(photos, 2, blur=blur), draw(photos, 2, blur=raised)
    assert (bright.blurry == 255).mean() > (plain.blurry == 255).mean()
    assert np.array_equal(plain.blur_field, bright.blur_field)


def test_in_too_little_light_both_pictures_are_dark(photos):
    dim = dataclasses.replace(PLAIN, dim_probability=1.0, dim=(0.2, 0.21))
    plain, dark = draw(photos, 2, blur=PLAIN), draw(photos, 2, blur=dim)
    for lit, unlit in ((plain.blurry, dark.blurry), (plain.sharp, dark.sharp)):
        assert unlit.mean() / lit.mean() == pytest.approx(0.2 ** (1 / 2.2), rel=0.1)
    assert np.array_equal(plain.blur_field, dark.blur_field)


def test_a_scene_photographed_is_the_pair(photos):
    generator = np.random.default_rng(4)
    scene = draw_scene(generator, photos, size=64, blur=StillsBlur())
    pair, whole = photograph(scene, generator, size=64, blur=StillsBlur()), draw(photos, 4, blur=StillsBlur())
    assert np.array_equal(pair.blurry, whole.blurry)
    assert np.array_equal(pair.sharp, whole.sharp)
    assert pair.length == scene.length == whole.length


def test_patches_may_be_wider_than_tall(photos):
    cut = patch(np.random.default_rng(0), photos, size=(40, 72), smallest_scale=0.8)
    assert cut.shape == (40, 72, 3)


def test_cut_outs_are_clear_around_and_carry_their_light():
    light = np.full((60, 80, 3), 0.5, np.float32)
    shape = cut_out(light, np.random.default_rng(0))
    assert shape[..., :3] == pytest.approx(0.5 * shape[..., 3:].repeat(3, axis=2))
    assert shape[..., 3].min() == 0
    assert shape[..., 3].max() == pytest.approx(1)
    moved = cut_out(light, np.random.default_rng(0), middles=(0.05, 0.1))
    assert moved[:, 60:, 3].sum() < shape[:, 60:, 3].sum() or moved[30:, :, 3].sum() < shape[30:, :, 3].sum()


@pytest.mark.parametrize("radius", [1.0, 2.5, 6.0])
def test_a_point_out_of_focus_is_a_disc(radius):
    """Sum 1, centred, and the blur field of an even disc: a quarter of the squared radius along each axis."""
    kernel = disc(radius)
    across = np.arange(len(kernel)) - len(kernel) // 2
    assert kernel.sum() == pytest.approx(1, abs=1e-6)
    assert (kernel * across).sum() == pytest.approx(0, abs=1e-6)
    assert (kernel * across**2).sum() == pytest.approx(radius**2 / 4, abs=0.2)


def test_what_is_out_of_focus_is_so_in_the_truth(photos):
    """An all but sharp pair stays one, however soft it is."""
    still = dataclasses.replace(PLAIN, sharp_probability=1.0, sharp_length=0.0)
    soft = dataclasses.replace(still, defocus_probability=1.0, defocus_radius=(4.0, 4.1))
    details = []
    for seed in range(6):
        pairs = draw(photos, seed, blur=still), draw(photos, seed, blur=soft)
        assert max(error(pair) for pair in pairs) < 0.02  # rounding
        details.append([np.abs(np.diff(pair.sharp.astype(int), axis=0)).mean() for pair in pairs])
    assert all(after < before for before, after in details)
    assert np.mean([after / before for before, after in details]) < 0.8


def test_focus_falls_off_in_a_part_or_all(photos):
    light = photos[0][..., :3].astype(np.float32) / 255
    blur = dataclasses.replace(PLAIN, defocus_probability=1.0, defocus_radius=(3.0, 3.1))
    untouched = [(out_of_focus(light, np.random.default_rng(seed), blur=blur) == light).all(axis=2).mean() for seed in range(24)]
    assert 0.15 < np.mean(np.array(untouched) < 0.05) < 0.6
    assert max(untouched) > 0.3
    assert out_of_focus(light, np.random.default_rng(0), blur=PLAIN) is light
    for seed in range(4):  # a constant keeps its light
        even = out_of_focus(np.full_like(light, 0.7), np.random.default_rng(seed), blur=blur)
        np.testing.assert_allclose(even, 0.7, atol=1e-5)


def test_on_a_tripod_the_background_stays_sharp(photos):
    blur = dataclasses.replace(PLAIN, tripod_probability=1.0, length=(8.0, 9.0))
    for seed in range(6):
        pair = draw(photos, seed, blur=blur)
        assert pair.length == 0
        assert pair.blur_field.max() > 0.2
        assert 0.05 < (np.abs(pair.blur_field).max(axis=2) < 1e-6).mean() < 1
        assert 0.05 < (pair.blurry == pair.sharp).mean() < 1
