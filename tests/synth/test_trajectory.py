import numpy as np
import pytest

from unblur.synth.trajectory import STILL, affine, random_trajectory


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("wobble", [0.0, 0.5, 1.0])
def test_rests_in_the_origin_in_the_middle_of_the_exposure(seed, wobble):
    trajectory = random_trajectory(np.random.default_rng(seed), length=9, turn=0.1, zoom=0.1, wobble=wobble)
    assert trajectory.at(np.zeros(1)) == pytest.approx(np.zeros((1, 4)), abs=1e-12)


@pytest.mark.parametrize("length", [0.0, 0.3, 5.0, 40.0])
@pytest.mark.parametrize("wobble", [0.0, 0.7, 1.0])
def test_arc_has_the_length_asked_for(length, wobble):
    trajectory = random_trajectory(np.random.default_rng(3), length=length, wobble=wobble)
    shift = trajectory.at(np.linspace(-0.5, 0.5, 2001))[:, :2]
    assert np.linalg.norm(np.diff(shift, axis=0), axis=1).sum() == pytest.approx(length, rel=0.01)


def test_length_is_the_mean_over_a_span():
    trajectory = random_trajectory(np.random.default_rng(3), length=5, wobble=1.0, min_rate=0.05, max_rate=0.2, span=12)
    shift = trajectory.at(np.linspace(-6, 6, 4001))[:, :2]
    assert np.linalg.norm(np.diff(shift, axis=0), axis=1).sum() == pytest.approx(60, rel=0.01)


def test_straight_path_is_straight_and_steady():
    shift = random_trajectory(np.random.default_rng(0), length=10, wobble=0).at(np.array([-0.5, -0.25, 0.25, 0.5]))[:, :2]
    assert shift == pytest.approx(np.outer([-2, -1, 1, 2], shift[3] / 2))
    assert np.linalg.norm(shift[3]) == pytest.approx(5)


def test_each_argument_matters():
    times = np.linspace(-0.5, 0.5, 9)
    plain = {"length": 10.0, "turn": 0.0, "zoom": 0.0, "wobble": 0.5, "max_rate": 1.5, "sines": 3, "min_rate": 0.1, "span": 1.0}
    poses = random_trajectory(np.random.default_rng(0), **plain).at(times)
    assert not poses[:, 2:].any()
    for name, value in {
        "length": 5.0,
        "turn": 0.1,
        "zoom": 0.1,
        "wobble": 0.9,
        "max_rate": 4.0,
        "sines": 2,
        "min_rate": 0.9,
        "span": 5.0,
    }.items():
        assert not np.allclose(random_trajectory(np.random.default_rng(0), **(plain | {name: value})).at(times), poses), name


def test_same_seed_same_path():
    first, second = (random_trajectory(np.random.default_rng(7), length=4, turn=0.1).at(np.linspace(-1, 1, 5)) for _ in range(2))
    assert np.array_equal(first, second)


def test_still_path_never_moves():
    assert not STILL.at(np.linspace(-3, 3, 7)).any()


def test_affine_by_hand():
    assert affine(np.array([2.0, 3.0, 0.0, 0.0]), centre=(5, 5)) == pytest.approx(np.array([[1, 0, 2], [0, 1, 3]]))
    quarter = affine(np.array([0, 0, np.pi / 2, 0.0]), centre=(1, 1))
    assert quarter @ [2, 1, 1] == pytest.approx([1, 2])  # right of the centre goes below it: clockwise on the screen
    double = affine(np.array([0, 0, 0, np.log(2)]), centre=(1, 1))
    assert double @ [2, 3, 1] == pytest.approx([3, 5])
