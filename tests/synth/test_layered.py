import numpy as np
import pytest

from unblur.synth.layered import MovingLayer, average, doubled, instants_needed, reference, smooth_field
from unblur.synth.trajectory import STILL, Trajectory, random_trajectory

SIZE = (48, 60)


def steady(shift_x, shift_y=0.0, turn=0.0, zoom=0.0) -> Trajectory:
    return Trajectory(np.array([shift_x, shift_y, turn, zoom]), np.zeros((1, 4)), np.zeros(1), np.zeros((1, 4)))


def times(count=9):
    return (np.arange(count) + 0.5) / count - 0.5


def background(light, camera=STILL, margin=8, **changes) -> MovingLayer:
    filled = np.concatenate([light, np.ones((*light.shape[:2], 1), np.float32)], axis=2)
    return MovingLayer(light=doubled(filled), place=(-margin, -margin), camera=camera, own=STILL, background=True, **changes)


def noise(seed=0, margin=8):
    return np.random.default_rng(seed).uniform(0, 1, (SIZE[0] + 2 * margin, SIZE[1] + 2 * margin, 3)).astype(np.float32)


def square(place, *, own=STILL, camera=STILL, side=9, **changes) -> MovingLayer:
    light = np.zeros((side + 4, side + 4, 4), np.float32)
    light[2:-2, 2:-2] = 1
    return MovingLayer(light=np.clip(doubled(light), 0, 1), place=place, camera=camera, own=own, background=False, **changes)


def centre_of_mass(picture):
    rows, columns = np.mgrid[: picture.shape[0], : picture.shape[1]]
    grey = picture.mean(axis=2, dtype=np.float64)
    return np.array([(grey * columns).sum(), (grey * rows).sum()]) / grey.sum()


def test_doubled_keeps_samples_and_is_exact_on_straight_lines():
    rows, columns = np.mgrid[:10, :12].astype(np.float32)
    light = np.stack([rows, columns, rows + 2 * columns, np.ones_like(rows)], axis=2)
    full = doubled(light)
    assert np.array_equal(full[::2, ::2], light)
    inner_rows, inner_columns = np.mgrid[4:15, 4:19] / 2
    expected = np.stack([inner_rows, inner_columns, inner_rows + 2 * inner_columns, np.ones_like(inner_rows)], axis=2)
    assert full[4:15, 4:19] == pytest.approx(expected, abs=1e-5)


def test_a_scene_at_rest_is_its_reference():
    layers = [background(noise()), square((20, 10))]
    still = reference(layers, size=SIZE)
    assert average(layers, times(3), size=SIZE) == pytest.approx(still, abs=1e-6)
    assert still[15:20, 25:30] == pytest.approx(np.ones((5, 5, 3)), abs=1e-6)
    assert np.array_equal(still[:8], noise()[8:16, 8:-8])


def test_whole_shifts_are_exact():
    light = noise()
    blurry = average([background(light, steady(4.0 * 1.5))], np.array([-1 / 3, 1 / 3]), size=SIZE)  # 2 pixels left and right
    expected = (light[8:-8, 6:-10] + light[8:-8, 10:-6]) / 2
    assert blurry == pytest.approx(expected, abs=1e-5)


def test_an_object_covers_the_background_and_moves_by_itself():
    layers = [background(np.zeros_like(noise())), square((20, 10), own=steady(6.0))]
    blurry = average(layers, np.array([-0.5, 0.5]), size=SIZE)
    assert blurry[16, :, 0] == pytest.approx(sum((np.abs(np.arange(60) - 26 - shift) <= 4) / 2 for shift in (-3, 3)), abs=0.1)
    assert centre_of_mass(blurry) == pytest.approx([26, 16], abs=0.02)


@pytest.mark.parametrize("seed", range(8))
def test_the_reference_shows_the_middle_of_the_exposure(seed):
    generator = np.random.default_rng(seed)
    camera = random_trajectory(generator, length=12, wobble=1.0, max_rate=3.0)
    own = random_trajectory(generator, length=8, turn=0.2, wobble=1.0, max_rate=3.0)
    layers = [background(noise(), camera), square((22, 16), own=own, camera=camera)]
    middle = reference(layers, size=SIZE)
    assert average(layers, np.zeros(1), size=SIZE) == pytest.approx(middle, abs=1e-5)
    assert np.abs(average(layers, times(31), size=SIZE) - middle).max() > 0.1


def test_an_object_passes_the_reference_in_the_middle_of_the_exposure_even_if_it_is_faster_later():
    drift, swing, rate = np.array([8.0, 0, 0, 0]), np.array([[6.0, 0, 0, 0]]), np.array([0.5])
    faster = Trajectory(drift, swing, rate, np.full((1, 4), -np.pi / 2))  # 8 t + 6 (1 - cos(pi t)): stops at -0.27, then runs
    layers = [background(np.zeros_like(noise())), square((22, 16), own=faster)]
    moved = centre_of_mass(average(layers, times(401), size=SIZE)) - centre_of_mass(reference(layers, size=SIZE))
    assert moved == pytest.approx([6 * (1 - 2 / np.pi), 0], abs=0.05)


def test_objects_turn_about_their_own_centre():
    layers = [background(np.zeros_like(noise())), square((35, 25), own=steady(0, turn=1.0))]
    assert centre_of_mass(average(layers, times(), size=SIZE)) == pytest.approx([41, 31], abs=0.02)


def test_light_is_kept():
    layers = [background(np.zeros_like(noise())), square((20, 15), own=steady(7.3, 3.1))]
    blurry, still = average(layers, times(), size=SIZE), reference(layers, size=SIZE)
    assert blurry.sum() == pytest.approx(still.sum(), rel=1e-3)


def test_a_deforming_background_moves_where_its_field_says():
    field = np.zeros(SIZE, np.float32)
    field[:, 30:] = 1
    layers = [background(noise(), field=field, bend=steady(5.0))]
    blurry, still = average(layers, times(), size=SIZE), reference(layers, size=SIZE)
    assert blurry[:, :30] == pytest.approx(still[:, :30], abs=1e-6)
    assert np.abs(blurry[:, 34:] - still[:, 34:]).mean() > 0.1


@pytest.mark.parametrize("place", [(-40, 10), (70, 10), (10, 60), (10, -40)])
def test_objects_out_of_the_picture_change_nothing(place):
    layers = [background(noise())]
    outside = [*layers, square(place, own=steady(1.0))]
    assert np.array_equal(average(outside, times(), size=SIZE), average(layers, times(), size=SIZE))
    assert np.array_equal(reference(outside, size=SIZE), reference(layers, size=SIZE))


def test_instants_follow_the_length():
    counts = [instants_needed([background(noise(), steady(length))], size=SIZE, most=24) for length in (0.0, 5.0, 10.0, 100.0)]
    assert counts == [3, 6, 10, 24]


def test_smooth_fields_are_smooth_and_bounded():
    field = smooth_field(np.random.default_rng(0), size=(50, 70), cells=4)
    assert field.shape == (50, 70)
    assert 0.2 < np.abs(field).max() <= 1
    assert np.abs(np.diff(field, axis=1)).max() < 0.2
