import cv2
import numpy as np
import pytest

from unblur.synth.scene import Layer, blur_field, expose, instant, motion, owners, steps_needed, trajectory_kernel
from unblur.synth.trajectory import STILL, Trajectory, random_trajectory

SIZE = (24, 32)


def steady(dx: float, dy: float) -> Trajectory:
    return Trajectory(np.array([dx, dy, 0, 0], np.float64), np.zeros((1, 4)), np.zeros(1), np.zeros((1, 4)))


def ground(*trajectories: Trajectory, seed: int = 0) -> Layer:
    return Layer(np.random.default_rng(seed).random((SIZE[0] + 40, SIZE[1] + 40, 3), dtype=np.float32), trajectories, (20, 20))


def square(*trajectories: Trajectory) -> Layer:
    light = np.zeros((*SIZE, 4), np.float32)
    light[8:16, 8:16] = 1
    return Layer(light, trajectories, (0, 0))


def test_truth_lies_in_the_middle_unresampled():
    layer = ground(random_trajectory(np.random.default_rng(1), length=9, turn=0.1, zoom=0.1))
    assert np.array_equal(instant([layer], 0.0, size=SIZE), layer.light[20:44, 20:52])


def test_whole_pixel_shift_is_a_shift():
    layer = ground(steady(4, -6))
    at_half = instant([layer], 0.5, size=SIZE)  # what stood at (x, y) stands at (x + 2, y - 3)
    assert at_half == pytest.approx(layer.light[23:47, 18:50], abs=1e-5)


def test_still_scene_is_not_blurred():
    layer = ground(STILL)
    assert expose([layer], size=SIZE, steps=5) == pytest.approx(instant([layer], 0.0, size=SIZE), abs=1e-6)


def test_exposure_of_a_steady_shift_is_a_box_by_hand():
    layer = ground(steady(5, 0))
    box = np.mean([layer.light[20:44, 20 + shift : 52 + shift] for shift in (-2, -1, 0, 1, 2)], axis=0)
    assert expose([layer], size=SIZE, steps=5) == pytest.approx(box, abs=1e-5)


def test_light_is_neither_lost_nor_gained():
    light = np.zeros((80, 80, 3), np.float32)
    light[38:42, 38:42] = 1
    trajectory = random_trajectory(np.random.default_rng(2), length=12, turn=0.05)
    assert expose([Layer(light, (trajectory,), (0, 0))], size=(80, 80), steps=25).sum() == pytest.approx(light.sum(), rel=2e-3)


def test_exposure_is_linear_in_light():
    first, second = ground(steady(3, 2), seed=1), ground(steady(3, 2), seed=2)
    both = Layer(first.light + second.light, first.trajectories, first.origin)
    parts = [expose([layer], size=SIZE, steps=7) for layer in (first, second)]
    assert expose([both], size=SIZE, steps=7) == pytest.approx(parts[0] + parts[1], abs=1e-5)


def test_object_covers_what_is_behind_it_and_moves_by_itself():
    scene = [Layer(np.zeros((*SIZE, 3), np.float32), (STILL,), (0, 0)), square(steady(8, 0))]
    picture = instant(scene, 0.5, size=SIZE)
    assert picture[12, 8:12].max() == pytest.approx(0, abs=1e-5)
    assert picture[12, 12:20].min() == pytest.approx(1, abs=1e-5)


def test_shutter_times_matter():
    scene = [ground(steady(8, 0))]
    late = expose(scene, size=SIZE, steps=1, opens=0.25, closes=0.75)
    assert late == pytest.approx(instant(scene, 0.5, size=SIZE), abs=1e-6)


def test_steps_leave_no_gap():
    assert steps_needed([ground(STILL)], size=SIZE) == 3
    assert steps_needed([ground(steady(10, 0))], size=SIZE) >= 11
    assert steps_needed([ground(STILL), square(steady(0, 30))], size=SIZE) >= 31
    assert steps_needed([ground(steady(500, 0))], size=SIZE, largest=33) == 33
    assert steps_needed([ground(steady(10, 0))], size=SIZE, opens=-2, closes=2) > steps_needed([ground(steady(10, 0))], size=SIZE)


def test_motion_is_exact_and_belongs_to_the_front_layer():
    scene = [ground(steady(2, 4)), square(steady(-6, 0), steady(2, 4))]
    field = motion(scene, np.array([-0.5, 0.0, 0.5]), size=SIZE)
    assert field.shape == (3, *SIZE, 2)
    assert not field[1].any()
    assert field[2, 0, 0] == pytest.approx([1, 2])
    assert field[2, 12, 12] == pytest.approx([-2, 2])
    coarse = motion(scene, np.array([-0.5, 0.0, 0.5]), size=SIZE, stride=4)
    assert np.array_equal(coarse, field[:, 2::4, 2::4])


def test_motion_from_another_instant_follows_what_is_seen_then():
    scene = [ground(steady(2, 4)), square(steady(-16, 0))]  # at 0.25 the square lies 4 pixels further left
    field = motion(scene, np.array([0.25, 0.75]), size=SIZE, start=0.25)
    assert field[0] == pytest.approx(np.zeros((*SIZE, 2)), abs=1e-5)
    assert field[1, 12, 5] == pytest.approx([-8, 0], abs=1e-5)
    assert field[1, 12, 14] == pytest.approx([1, 2], abs=1e-5)


def test_motion_there_and_back_is_none():
    layer = ground(random_trajectory(np.random.default_rng(1), length=8, turn=0.1, zoom=0.05))
    there = motion([layer], np.array([0.5]), size=SIZE, start=-0.5)[0]
    back = motion([layer], np.array([-0.5]), size=SIZE, start=0.5)[0]
    y, x = 12, 16
    turned = layer.matrices(np.array([-0.5, 0.5]), size=SIZE)
    rest = np.linalg.solve(turned[0][:, :2], np.array([x, y]) - turned[0][:, 2])
    assert turned[1][:, :2] @ rest + turned[1][:, 2] == pytest.approx([x + there[y, x, 0], y + there[y, x, 1]], abs=1e-4)
    assert np.linalg.norm(there.mean(axis=(0, 1)) + back.mean(axis=(0, 1))) < 0.5 * np.linalg.norm(there.mean(axis=(0, 1)))


def test_pixels_belong_to_the_front_layer_where_it_is_then():
    scene = [ground(STILL), square(steady(8, 0))]
    assert owners(scene, 0.0, size=SIZE)[8:16, 8:16].min() == 1
    moved = owners(scene, 0.5, size=SIZE)
    assert moved[8:16, 12:20].min() == 1
    assert moved.sum() == 64


def test_motion_says_where_the_light_goes():
    layer = ground(random_trajectory(np.random.default_rng(5), length=8, turn=0.05, zoom=0.03))
    before = instant([layer], 0.0, size=SIZE)
    smooth = Layer(np.broadcast_to(np.mgrid[:64, :72][1][..., None] / 72, (64, 72, 3)).astype(np.float32), layer.trajectories, layer.origin)
    field = motion([smooth], np.array([0.5]), size=SIZE)[0]
    after = instant([smooth], 0.5, size=SIZE)[..., 0]
    rows, columns = np.mgrid[6:18, 8:24]
    y, x = (np.round(places).astype(int) for places in (rows + field[6:18, 8:24, 1], columns + field[6:18, 8:24, 0]))
    error = after[y, x] - (columns + 20 + (x - columns - field[6:18, 8:24, 0])) / 72
    assert np.abs(error).max() < 0.6 / 72  # rounding y matters little, for the ramp runs along x
    assert before.shape == (*SIZE, 3)


@pytest.mark.parametrize(("dx", "dy"), [(10, 0), (0, 10), (6, 8), (-6, 8), (-10, 0)])
def test_spread_of_a_steady_motion(dx, dy):
    times = np.linspace(-0.5, 0.5, 201)
    across, slant, long = blur_field(motion([ground(steady(dx, dy))], times, size=SIZE))[5, 5]
    angle = 2 * np.arctan2(dy, dx)
    assert [across, slant, long] == pytest.approx([10 * np.cos(angle), 10 * np.sin(angle), 10], abs=0.1)


def test_spread_does_not_know_the_direction_of_time():
    times = np.linspace(-0.5, 0.5, 9)
    field = motion([ground(random_trajectory(np.random.default_rng(0), length=9, turn=0.05))], times, size=SIZE)
    assert blur_field(field) == pytest.approx(blur_field(field[::-1]), abs=1e-5)
    assert not blur_field(np.zeros_like(field)).any()


def test_empty_scene_is_refused():
    with pytest.raises(ValueError, match="at least one layer"):
        instant([], 0.0, size=SIZE)


def test_path_kernel_of_a_still_scene_blurs_nothing():
    kernel = trajectory_kernel(motion([ground(STILL)], np.linspace(-0.5, 0.5, 5), size=SIZE), side=7)
    assert kernel == pytest.approx(np.eye(7)[3][:, None] * np.eye(7)[3])


def test_path_kernel_of_a_steady_shift_is_a_line_by_hand():
    kernel = trajectory_kernel(motion([ground(steady(4, 2))], np.array([-0.5, -0.25, 0, 0.25, 0.5]), size=SIZE, stride=4), side=7)
    by_hand = np.zeros((7, 7))
    by_hand[2, 1] = by_hand[3, 3] = by_hand[4, 5] = 0.2  # on pixels
    by_hand[2:4, 2] += 0.1  # half a pixel above and below
    by_hand[3:5, 4] += 0.1
    assert kernel == pytest.approx(by_hand, abs=1e-6)


def test_path_kernel_blurs_the_truth_into_the_exposure():
    layer = ground(random_trajectory(np.random.default_rng(4), length=7))
    kernel = trajectory_kernel(motion([layer], np.linspace(-0.5, 0.5, 65), size=SIZE, stride=8), side=15)
    assert kernel.sum() == pytest.approx(1)
    truth = instant([layer], 0.0, size=SIZE)
    blurred = cv2.filter2D(truth, -1, kernel[::-1, ::-1].copy())
    inside, exposed = (slice(8, -8), slice(8, -8)), expose([layer], size=SIZE, steps=65)
    right, mirrored, none = (np.abs(each - exposed)[inside].mean() for each in (blurred, cv2.filter2D(truth, -1, kernel), truth))
    assert right < 0.3 * min(mirrored, none)


def test_light_beyond_a_path_kernel_is_left_out():
    kernel = trajectory_kernel(motion([ground(steady(20, 0))], np.linspace(-0.5, 0.5, 21), size=SIZE, stride=8), side=5)
    assert kernel.sum() == pytest.approx(1)
    assert kernel[2] == pytest.approx([0.2] * 5)
