import dataclasses

import cv2
import numpy as np
import pytest

from unblur.errors import InputError
from unblur.synth import dynamic
from unblur.synth.dynamic import KINDS, DynamicBlur, draw_dynamic_pair
from unblur.synth.response import GAMMA22

NO_KIND = {f"{kind}_probability": 0.0 for kind in KINDS}
NO_FAULTS = {
    f"{name}_probability": 0.0
    for name in ("highlight", "curve", "noise", "sharpen", "jpeg", "h264", "lamp", "dim", "grain", "sensor", "plain")
}


@pytest.fixture(scope="module")
def sources() -> dict[str, list[np.ndarray]]:
    generator = np.random.default_rng(0)
    coarse = generator.integers(30, 200, (3, 44, 52, 3)).astype(np.float32)
    photos = [np.clip(cv2.resize(each, (208, 176), interpolation=cv2.INTER_CUBIC), 0, 220).astype(np.uint8) for each in coarse]
    cutout = np.zeros((40, 50, 4), np.uint8)
    cv2.circle(cutout, (25, 20), 15, (200, 90, 40, 255), -1)
    wide = photos[0]
    clip = np.stack([wide[20:140, shift : shift + 150] for shift in range(0, 52, 2)])
    return {"photos": photos, "cutouts": [cutout], "sequences": [clip]}


def only(kind, **changes) -> DynamicBlur:
    return DynamicBlur(**{**NO_KIND, **NO_FAULTS, f"{kind}_probability": 1.0, **changes})


def draw(sources, seed=0, size=64, blur=None):
    return draw_dynamic_pair(np.random.default_rng(seed), **sources, size=size, blur=blur or DynamicBlur())


def test_same_state_same_bytes(sources):
    for seed in range(12):
        first, second = draw(sources, seed), draw(sources, seed)
        assert np.array_equal(first.blurry, second.blurry)
        assert np.array_equal(first.sharp, second.sharp)
        assert first.kind == second.kind
    assert not np.array_equal(draw(sources, 0).sharp, draw(sources, 1).sharp)


def test_each_kind_occurs_by_its_share(sources):
    kinds = [draw(sources, seed, size=16, blur=DynamicBlur(jpeg_probability=0)).kind for seed in range(120)]
    assert set(kinds) == set(KINDS)
    assert kinds.count("layers") > kinds.count("sharp")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [33, 64])
def test_shapes_and_types(sources, kind, size):
    for seed in range(3):
        pair = draw(sources, seed, size, dataclasses.replace(DynamicBlur(), **{**NO_KIND, f"{kind}_probability": 1.0}))
        assert pair.kind == kind
        assert pair.blurry.shape == pair.sharp.shape == (size, size, 3)
        assert pair.blurry.dtype == pair.sharp.dtype == np.uint8


def test_without_motion_and_faults_input_is_the_reference(sources):
    for seed in range(6):
        pair = draw(sources, seed, blur=only("sharp", still_probability=1.0))
        assert np.array_equal(pair.blurry, pair.sharp)


def test_nearly_sharp_pairs_are_nearly_sharp(sources):
    pairs = [draw(sources, seed, blur=only("sharp", still_probability=0.0)) for seed in range(6)]
    differences = [float(np.abs(pair.blurry.astype(int) - pair.sharp).mean()) for pair in pairs]
    assert 0 < max(differences) < 4


def test_longer_paths_blur_more(sources):
    def mean_error(length):
        blur = only("camera", length=length)
        return np.mean(
            [np.abs(draw(sources, seed, blur=blur).blurry.astype(int) - draw(sources, seed, blur=blur).sharp).mean() for seed in range(5)]
        )

    assert mean_error((1.0, 1.1)) < 0.6 * mean_error((15.0, 16.0))


@pytest.mark.parametrize("kind", KINDS)
def test_mean_light_is_kept(sources, kind):
    differences = []
    for seed in range(40):
        pair = draw(sources, seed, blur=only(kind, length=(1.0, 10.0)))
        blurry, sharp = (GAMMA22.decode(each).mean(axis=(0, 1)) for each in (pair.blurry, pair.sharp))
        differences.append((blurry - sharp) / sharp)
    spread = np.std(differences) / np.sqrt(len(differences))
    assert np.abs(np.mean(differences, axis=0)).max() < 3 * spread + 0.003  # single pairs lose and win light at the border
    assert np.abs(np.mean(differences)) < 0.02


@pytest.mark.parametrize("jerky_probability", [0.0, 1.0])
def test_pairs_are_not_displaced(sources, jerky_probability):
    window = cv2.createHanningWindow((96, 96), cv2.CV_64F)
    shifts = []
    for seed in range(40):
        blur = only("camera", length=(2.0, 12.0), jerky_probability=jerky_probability, turn=0.0, zoom=0.0, bend_probability=0.0)
        pair = draw(sources, seed, size=96, blur=blur)
        blurry, sharp = (GAMMA22.decode(each).mean(axis=2, dtype=np.float64) for each in (pair.blurry, pair.sharp))
        shifts.append(cv2.phaseCorrelate(cv2.GaussianBlur(sharp, (0, 0), 3), cv2.GaussianBlur(blurry, (0, 0), 3), window)[0])
    assert np.abs(np.mean(shifts, axis=0)).max() < 0.15
    assert np.median(np.abs(shifts)) < 0.3


def test_the_sensor_does_not_change_a_picture_but_by_noise(sources):
    quiet = draw(sources, 3, blur=only("camera", length=(8.0, 9.0)))
    taken = draw(sources, 3, blur=only("camera", length=(8.0, 9.0), sensor_probability=1.0, sensor_shot=(1e-8, 1.1e-8)))
    assert np.array_equal(quiet.sharp, taken.sharp)
    difference = quiet.blurry.astype(int) - taken.blurry
    assert np.abs(difference).mean() < 4  # saturated colours with detail are the hardest for a mosaic
    light, other = (GAMMA22.decode(each.blurry).mean(axis=(0, 1)) for each in (quiet, taken))
    assert other == pytest.approx(light, rel=0.01)


@pytest.mark.parametrize("fault", ["highlight", "noise", "sharpen", "jpeg", "lamp", "dim", "grain", "sensor", "curve"])
def test_every_fault_has_its_switch(sources, fault):
    plain = only("camera", length=(5.0, 6.0))
    struck = dataclasses.replace(plain, **{f"{fault}_probability": 1.0}, lamp=(50.0, 60.0))
    pairs = [(draw(sources, seed, blur=plain), draw(sources, seed, blur=struck)) for seed in range(3)]
    assert not all(np.array_equal(first.blurry, second.blurry) for first, second in pairs)


@pytest.mark.parametrize("fault", ["noise", "jpeg", "grain", "sensor", "sharpen"])
def test_the_reference_has_no_noise(sources, fault):
    plain = only("camera", length=(5.0, 6.0))
    struck = dataclasses.replace(plain, **{f"{fault}_probability": 1.0})
    assert all(np.array_equal(draw(sources, seed, blur=plain).sharp, draw(sources, seed, blur=struck).sharp) for seed in range(3))


def test_discrete_averages_have_as_many_instants_as_long_paths_need(sources, monkeypatch):
    counts = []
    whole = dynamic.average
    monkeypatch.setattr(dynamic, "average", lambda layers, times, **rest: counts.append(len(times)) or whole(layers, times, **rest))
    for length, few in (((1.0, 1.1), 7), ((40.0, 41.0), 10)):
        counts.clear()
        for seed in range(12):
            draw(sources, seed, blur=only("discrete", length=length, objects=(0, 0), bend_probability=0.0, turn=0.0, zoom=0.0))
        assert few <= min(counts) < max(counts) <= 23


def test_lamps_leave_streaks(sources):
    pair = draw(
        sources, 2, size=96, blur=only("camera", length=(15.0, 16.0), jerky_probability=0.0, lamp_probability=1.0, lamp=(400.0, 500.0))
    )
    assert (pair.blurry.min(axis=2) > 250).sum() > 1.5 * (pair.sharp.min(axis=2) > 250).sum()


def test_real_frames_are_averaged_about_the_middle_one(sources):
    clip = sources["sequences"][0]
    blur = only("frames", frames=(5,), frames_scale=(1.0, 1.0))
    for seed in range(4):
        pair = draw({**sources, "photos": []}, seed, size=120, blur=blur)
        found = [
            (first, left, flip)
            for first in range(len(clip) - 4)
            for left in range(31)
            for flip in (1, -1)
            if np.array_equal(clip[first + 2, :, left : left + 120][:, ::flip], pair.sharp)
        ]
        assert any(
            np.abs(
                pair.blurry.astype(int)
                - GAMMA22.encode_8bit(GAMMA22.decode(clip[first : first + 5, :, left : left + 120]).mean(axis=0))[:, ::flip]
            ).max()
            <= 1
            for first, left, flip in found
        )


def test_the_reference_of_an_even_number_of_frames(sources):
    clip = np.stack([np.full((40, 40, 3), 10 * number, np.uint8) for number in range(8)])
    blur = only("frames", frames=(8,))
    references = {int(draw({**sources, "sequences": [clip]}, seed, size=32, blur=blur).sharp[0, 0, 0]) for seed in range(12)}
    assert references == {40, 30}  # frame 4 of 0 to 7, forwards and backwards


def test_kinds_without_source_are_left_out(sources):
    photos_only = {"photos": sources["photos"], "cutouts": [], "sequences": []}
    assert "frames" not in {draw(photos_only, seed, size=16).kind for seed in range(30)}
    clips_only = {"photos": [], "cutouts": [], "sequences": sources["sequences"]}
    assert {draw(clips_only, seed, size=16).kind for seed in range(4)} == {"frames"}
    small = {**photos_only, "sequences": [np.zeros((30, 20, 20, 3), np.uint8)]}
    assert "frames" not in {draw(small, seed, size=32).kind for seed in range(20)}


def test_no_source_is_an_error(sources):
    nothing = {"photos": [], "cutouts": sources["cutouts"], "sequences": []}
    with pytest.raises(InputError, match="no source"):
        draw(nothing)
    with pytest.raises(InputError, match="no source"):
        draw({**sources, "sequences": []}, blur=only("frames"))


@pytest.mark.parametrize(
    "changes",
    [
        {"length": (0.0, 3.0)},
        {"length": (4.0, 3.0)},
        {"parallax": 0.5},
        {"discrete": (1, 5)},
        {"frames": ()},
        {"frames_scale": (0.5, 1.5)},
        {"objects": (3, 1)},
        {"sensor_probability": 1.5},
    ],
)
def test_ranges_out_of_bounds_are_errors(changes):
    with pytest.raises(InputError):
        DynamicBlur(**changes)
