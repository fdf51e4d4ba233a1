import dataclasses

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unblur.data.transforms import (
    Adjust,
    Arrays,
    Crop,
    Flip,
    Noise,
    PermuteChannels,
    Reverse,
    Rotate90,
    adjust,
    apply,
    crop,
    flip,
    permute_channels,
    reverse,
    rotate90,
)
from unblur.errors import ShapeError
from unblur.synth.scene import Layer, blur_field, motion, trajectory_kernel
from unblur.synth.trajectory import Trajectory

ALL = [Crop(16), Flip(vertical=0.5), Rotate90(), Reverse(), PermuteChannels(), Adjust(), Noise(0.1), Noise(0.1, drawn=True)]


def sample(frames: int = 3, height: int = 24, width: int = 32, seed: int = 0) -> Arrays:
    generator = np.random.default_rng(seed)
    return Arrays(
        blurry=generator.random((frames, height, width, 3), dtype=np.float32),
        sharp=generator.random((frames, height, width, 3), dtype=np.float32),
        blur_field=generator.normal(size=(frames, height // 4, width // 4, 3)).astype(np.float32),
        flow_to_next=generator.normal(size=(frames - 1, height, width, 2)).astype(np.float32),
        flow_to_previous=generator.normal(size=(frames - 1, height, width, 2)).astype(np.float32),
        kernel=generator.random((5, 5), dtype=np.float32),
    )


def same(first: Arrays, second: Arrays) -> bool:
    return vars(first).keys() == vars(second).keys() and all(np.array_equal(vars(first)[name], vars(second)[name]) for name in vars(first))


@pytest.mark.parametrize("transform", ALL, ids=str)
def test_transforms_repeat_with_the_seed_and_leave_their_input(transform):
    given_, before = sample(), sample()
    results = [transform(given_, np.random.default_rng(seed)) for seed in (3, 3)]
    assert same(*results)
    assert same(given_, before)
    assert any(not same(transform(given_, np.random.default_rng(seed)), results[0]) for seed in range(20))


@given(turns=st.integers(-4, 8), horizontal=st.booleans(), vertical=st.booleans())
def test_turns_and_flips_can_be_undone(turns, horizontal, vertical):
    there = flip(rotate90(sample(), turns=turns), horizontal=horizontal, vertical=vertical)
    back = rotate90(flip(there, horizontal=horizontal, vertical=vertical), turns=-turns)
    assert same(back, sample())


def test_half_a_turn_is_both_flips():
    assert same(rotate90(sample(), turns=2), flip(sample(), horizontal=True, vertical=True))


def rendered(dx: float, dy: float) -> Arrays:
    """A pixel that stands at (x, y) = (20, 8) and then at (20 + dx, 8 + dy), with the blur field of a steady motion."""
    frames = np.zeros((2, 32, 32, 3), np.float32)
    frames[0, 8, 20] = frames[1, 8 + int(dy), 20 + int(dx)] = 1
    trajectory = Trajectory(np.array([dx, dy, 0, 0], float), np.zeros((1, 4)), np.zeros(1), np.zeros((1, 4)))
    field = motion([Layer(np.zeros((32, 32, 3), np.float32), (trajectory,), (0, 0))], np.linspace(-0.5, 0.5, 9), size=(32, 32), stride=4)
    flow = np.broadcast_to(np.array([dx, dy], np.float32), (1, 32, 32, 2))
    half = field[len(field) // 2 :]  # the whole exposure leads as far to one side as to the other
    return Arrays(frames, frames, np.stack([blur_field(field)] * 2), flow, -flow, trajectory_kernel(half, side=9))


def places(arrays: Arrays) -> list[np.ndarray]:
    """(x, y) of the bright pixel in each frame."""
    return [np.array(np.unravel_index(frame[..., 0].argmax(), frame.shape[:2]))[::-1] for frame in arrays.blurry]


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize(("horizontal", "vertical"), [(False, False), (True, False), (False, True), (True, True)])
def test_flow_and_spread_turn_along_with_the_pictures(turns, horizontal, vertical):
    turned = flip(rotate90(rendered(6, 2), turns=turns), horizontal=horizontal, vertical=vertical)
    first, second = places(turned)
    assert turned.flow_to_next[0, first[1], first[0]] == pytest.approx(second - first)
    assert turned.flow_to_previous[0, second[1], second[0]] == pytest.approx(first - second)
    dx, dy = second - first
    alike = rendered(int(dx), int(dy))
    assert turned.blur_field[0] == pytest.approx(alike.blur_field[0], abs=1e-4)
    assert turned.kernel == pytest.approx(alike.kernel, abs=1e-5)


def warped(frame: np.ndarray, flow: np.ndarray) -> np.ndarray:
    rows, columns = np.indices(flow.shape[:2], np.float32)
    return cv2.remap(np.ascontiguousarray(frame), columns + flow[..., 0], rows + flow[..., 1], cv2.INTER_LINEAR)


@given(
    seed=st.integers(0, 99),
    turns=st.integers(0, 3),
    horizontal=st.booleans(),
    vertical=st.booleans(),
    backwards=st.booleans(),
    top=st.integers(0, 3),
    left=st.integers(0, 3),
)
def test_a_transformed_flow_warps_the_transformed_frames(seed, turns, horizontal, vertical, backwards, top, left):
    """The truths are each frame's neighbour, warped onto it by its flow: so they must be again after everything was turned."""
    random = np.random.default_rng(seed)
    frames = random.random((2, 32, 32, 3), np.float32)
    flows = random.integers(-12, 13, (2, 1, 32, 32, 2)).astype(np.float32) / 4  # remap rounds places to 1/32
    aims = np.stack([warped(frames[1], flows[0][0]), warped(frames[0], flows[1][0])])
    turned = crop(Arrays(frames, aims, flow_to_next=flows[0], flow_to_previous=flows[1]), top=4 * top, left=4 * left, size=(20, 16))
    turned = flip(rotate90(reverse(turned) if backwards else turned, turns=turns), horizontal=horizontal, vertical=vertical)
    for aim, frame, flow in (
        (turned.sharp[0], turned.blurry[1], turned.flow_to_next[0]),
        (turned.sharp[1], turned.blurry[0], turned.flow_to_previous[0]),
    ):
        inner = (slice(3, -3), slice(3, -3))  # from where no flow leads outside
        np.testing.assert_allclose(warped(frame, flow)[inner], aim[inner], atol=1e-5)


def test_crop_cuts_motion_at_its_own_scale():
    whole = sample()
    cut = crop(whole, top=4, left=8, size=(16, 20))
    assert np.array_equal(cut.blurry, whole.blurry[:, 4:20, 8:28])
    assert np.array_equal(cut.blur_field, whole.blur_field[:, 1:5, 2:7])
    assert cut.kernel is whole.kernel
    assert np.array_equal(cut.flow_to_next, whole.flow_to_next[:, 4:20, 8:28])
    assert np.array_equal(crop(cut, top=4, left=4, size=(8, 8)).blur_field, whole.blur_field[:, 2:4, 3:5])


@pytest.mark.parametrize(("top", "left", "size"), [(0, 0, (28, 16)), (12, 0, (16, 16)), (-4, 0, (8, 8)), (2, 0, (8, 8)), (0, 0, (10, 8))])
def test_crop_refuses_what_does_not_lie_inside_or_on_whole_pixels(top, left, size):
    with pytest.raises(ShapeError, match="crop"):
        crop(sample(), top=top, left=left, size=size)


def test_random_crops_reach_all_corners():
    whole = Arrays(*(np.arange(20 * 24, dtype=np.float32).reshape(1, 20, 24, 1).repeat(3, axis=3),) * 2)
    firsts = {int(Crop(16)(whole, np.random.default_rng(seed)).blurry[0, 0, 0, 0]) for seed in range(60)}
    assert firsts == {24 * top + left for top in (0, 4) for left in (0, 4, 8)}
    assert len({int(Crop(16, multiple=1)(whole, np.random.default_rng(seed)).blurry[0, 0, 0, 0]) for seed in range(60)}) > 20
    with pytest.raises(ShapeError, match="smaller than the crop"):
        Crop(22)(whole, np.random.default_rng(0))


def test_reversed_time_swaps_the_flows():
    whole, back = sample(), reverse(sample())
    assert np.array_equal(back.blurry[0], whole.blurry[-1])
    assert np.array_equal(back.blur_field[0], whole.blur_field[-1])
    assert np.array_equal(back.flow_to_next[0], whole.flow_to_previous[-1])
    assert np.array_equal(back.flow_to_previous[0], whole.flow_to_next[-1])
    assert same(reverse(back), whole)


def test_channels_are_permuted_in_blurry_and_sharp_alike():
    whole = sample()
    turned = permute_channels(whole, order=[2, 0, 1])
    for name in ("blurry", "sharp"):
        assert np.array_equal(getattr(turned, name)[..., 0], getattr(whole, name)[..., 2])
    assert np.array_equal(turned.blur_field, whole.blur_field)


def test_colours_are_changed_by_hand():
    picture = np.array([[[[0.2, 0.4, 0.6]]]], np.float32)
    whole = Arrays(picture, picture)
    assert adjust(whole).sharp == pytest.approx(picture, abs=1e-6)
    assert adjust(whole, brightness=1.2).sharp == pytest.approx(picture * 1.2)
    luma = 0.299 * 0.2 + 0.587 * 0.4 + 0.114 * 0.6
    assert adjust(whole, contrast=0.5).sharp == pytest.approx(luma + 0.5 * (picture - luma))
    assert adjust(whole, saturation=0).sharp == pytest.approx(np.full((1, 1, 1, 3), luma))
    assert adjust(whole, brightness=3).sharp.max() == 1


def test_colours_change_alike_in_all_frames_and_truths():
    whole = sample()
    both = Arrays(whole.blurry, whole.blurry.copy())
    changed = Adjust()(both, np.random.default_rng(0))
    assert np.array_equal(changed.blurry, changed.sharp)


@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation"])
def test_each_factor_is_drawn_from_its_range(name):
    off = Adjust(brightness=(1, 1), contrast=(1, 1), saturation=(1, 1))
    assert off(sample(), np.random.default_rng(0)).blurry == pytest.approx(sample().blurry, abs=1e-6)
    changed = dataclasses.replace(off, **{name: (0.5, 0.6)})(sample(), np.random.default_rng(0))
    assert not np.allclose(changed.blurry, sample().blurry, atol=1e-3)


def test_noise_is_on_the_inputs_alone():
    whole = Arrays(*(np.full((2, 64, 64, 3), 0.5, np.float32),) * 2)
    noisy = Noise(0.01)(whole, np.random.default_rng(0))
    assert noisy.blurry.std() == pytest.approx(0.01, rel=0.03)
    assert np.array_equal(noisy.sharp, whole.sharp)
    deviations = [Noise(0.01, drawn=True)(whole, np.random.default_rng(seed)).blurry.std() for seed in range(300)]
    assert np.sqrt(np.mean(np.square(deviations))) == pytest.approx(0.01, rel=0.1)
    assert np.std(deviations) > 0.003


def test_shares_decide_how_often():
    whole = sample()
    for make in (lambda share: Flip(horizontal=share), lambda share: Flip(horizontal=0, vertical=share), Reverse, PermuteChannels):
        changed = [sum(not same(make(share)(whole, np.random.default_rng(seed)), whole) for seed in range(40)) for share in (0, 0.5, 1)]
        assert changed[0] == 0 < changed[1] < changed[2]


def test_a_list_is_applied_in_its_order():
    whole, generator = sample(), np.random.default_rng(0)
    by_hand = Noise(0.1)(Crop(16)(whole, generator), generator)
    assert same(apply(whole, [Crop(16), Noise(0.1)], np.random.default_rng(0)), by_hand)
    assert not same(apply(whole, [Noise(0.1), Crop(16)], np.random.default_rng(0)), by_hand)
    assert apply(whole, [], np.random.default_rng(0)) is whole


@pytest.mark.parametrize("transform", [Adjust(), Noise(0.1)], ids=str)
def test_arithmetic_refuses_integers(transform):
    integers = Arrays(*(np.zeros((1, 8, 8, 3), np.uint8),) * 2)
    with pytest.raises(ShapeError, match="floats"):
        transform(integers, np.random.default_rng(0))
    assert Flip()(integers, np.random.default_rng(0)).blurry.dtype == np.uint8


def test_arrays_must_fit():
    pictures = np.zeros((2, 8, 8, 3), np.float32)
    for wrong in (
        {"blur_field": np.zeros((2, 3, 3, 3))},
        {"blur_field": np.zeros((2, 2, 4, 3))},
        {"flow_to_next": np.zeros((1, 8, 8, 3))},
        {"kernel": np.zeros((3, 4))},
    ):
        with pytest.raises(ShapeError):
            Arrays(pictures, pictures, **wrong)
    with pytest.raises(ShapeError, match="blurry"):
        Arrays(pictures[0], pictures)
