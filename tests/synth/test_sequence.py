import dataclasses

import cv2
import numpy as np
import pytest

from unblur.errors import InputError
from unblur.synth.scene import Layer
from unblur.synth.sequence import SequenceBlur, draw_moving_scene, draw_sequence, film, flow_between
from unblur.synth.trajectory import STILL, Trajectory

PLAIN = SequenceBlur(sharp_probability=0, noise_probability=0, jpeg_probability=0, length=(3.0, 4.0), exposure=(0.5, 0.5))
SIZE = (48, 64)


@pytest.fixture(scope="module")
def photos() -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    coarse = generator.integers(0, 256, (3, 20, 26, 3), np.uint8)
    return [cv2.resize(picture, (208, 160), interpolation=cv2.INTER_CUBIC) for picture in coarse]


def draw(photos, seed=0, num_frames=4, size=SIZE, blur=PLAIN):
    return draw_sequence(np.random.default_rng(seed), photos, size=size, num_frames=num_frames, blur=blur)


def fetch(picture: np.ndarray, flow: np.ndarray) -> np.ndarray:
    rows, columns = np.indices(flow.shape[:2], np.float32)
    return cv2.remap(picture, columns + flow[..., 0], rows + flow[..., 1], cv2.INTER_CUBIC).astype(float)


def away_from_edges(flow: np.ndarray) -> np.ndarray:
    """Where all pixels near belong to one layer, and are in the other picture."""
    kernel = np.ones((7, 7), np.uint8)
    rough = np.max([cv2.dilate(part, kernel) - cv2.erode(part, kernel) for part in cv2.split(flow)], axis=0)
    rows, columns = np.indices(flow.shape[:2])
    x, y = columns + flow[..., 0], rows + flow[..., 1]
    return (rough < 1) & (x > 3) & (y > 3) & (x < flow.shape[1] - 4) & (y < flow.shape[0] - 4)


def test_shapes_and_types(photos):
    drawn = draw(photos, blur=SequenceBlur())
    assert drawn.blurry.shape == drawn.sharp.shape == (4, *SIZE, 3)
    assert drawn.blurry.dtype == drawn.sharp.dtype == np.uint8
    assert drawn.blur_field.shape == (4, 12, 16, 3)
    assert drawn.flow_to_next.shape == drawn.flow_to_previous.shape == (3, *SIZE, 2)
    assert drawn.visible_in_next.shape == drawn.visible_in_previous.shape == (3, *SIZE)
    assert drawn.trajectory.shape == (4, 4)


def test_same_seed_same_bytes(photos):
    first, second, other = (draw(photos, seed, blur=SequenceBlur()) for seed in (5, 5, 6))
    for name in (
        "blurry",
        "sharp",
        "blur_field",
        "flow_to_next",
        "flow_to_previous",
        "visible_in_next",
        "visible_in_previous",
        "trajectory",
    ):
        assert np.array_equal(getattr(first, name), getattr(second, name)), name
    assert not np.array_equal(first.blurry, other.blurry)


@pytest.mark.parametrize("seed", range(3))
def test_flow_leads_from_truth_to_truth(photos, seed):
    drawn = draw(photos, seed, size=(96, 128), blur=dataclasses.replace(PLAIN, length=(6.0, 8.0)))
    for i in range(3):
        for here, there, flow, seen in (
            (drawn.sharp[i], drawn.sharp[i + 1], drawn.flow_to_next[i], drawn.visible_in_next[i]),
            (drawn.sharp[i + 1], drawn.sharp[i], drawn.flow_to_previous[i], drawn.visible_in_previous[i]),
        ):
            error = np.abs(fetch(there, flow) - here).mean(axis=2)
            inner = (cv2.erode(seen.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0) & away_from_edges(flow)
            assert inner.mean() > 0.25
            assert error[inner].mean() < 1.5
            assert error[inner].mean() < 0.1 * np.abs(there.astype(float) - here)[inner].mean()
            assert error[seen].mean() < 0.25 * np.abs(there.astype(float) - here)[seen].mean()


def test_flow_there_leads_back(photos):
    drawn = draw(photos, 1)
    back = fetch(drawn.flow_to_previous[0], drawn.flow_to_next[0])
    sum_of_both = np.abs(back + drawn.flow_to_next[0]).max(axis=2)
    inner = cv2.erode(drawn.visible_in_next[0].astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    assert np.median(sum_of_both[inner]) < 0.05


def test_what_is_covered_is_told():
    ground = Layer(np.zeros((*SIZE, 3), np.float32), (STILL,), (0, 0))
    light = np.zeros((*SIZE, 4), np.float32)
    light[16:32, 16:32] = 1
    steady = Trajectory(np.array([16.0, 0, 0, 0]), np.zeros((1, 4)), np.zeros(1), np.zeros((1, 4)))
    flow, seen = flow_between([ground, Layer(light, (steady,), (0, 0))], 0.0, 1.0, size=SIZE)
    assert flow[20, 20] == pytest.approx([16, 0])
    assert flow[20, 40] == pytest.approx([0, 0])
    assert not seen[20, 40]  # the square comes to lie here
    assert seen[20, 20]
    assert seen[40, 40]
    _, gone = flow_between([Layer(ground.light, (steady,), (0, 0))], 0.0, 1.0, size=SIZE)
    assert not gone[:, 48:].any()  # out of the picture
    assert gone[:, :48].all()


def test_truth_lies_in_the_middle_of_its_exposure(photos):
    still = dataclasses.replace(PLAIN, objects=(0, 0), turn=0, zoom=0, wobble=(0.0, 0.0), length=(6.0, 6.001))
    drawn = draw(photos, 2, blur=still)
    for blurry, sharp in zip(drawn.blurry, drawn.sharp, strict=True):
        shift, _ = cv2.phaseCorrelate(sharp.mean(axis=2), blurry.mean(axis=2))
        assert np.hypot(*shift) < 0.2


def test_a_steady_camera_moves_length_over_exposure_each_frame(photos):
    steady = dataclasses.replace(PLAIN, objects=(0, 0), turn=0, zoom=0, wobble=(0.0, 0.0), length=(3.0, 3.001))
    drawn = draw(photos, blur=steady)
    assert np.hypot(*drawn.flow_to_next[0, 20, 20]) == pytest.approx(6, rel=1e-3)
    assert drawn.blur_field[..., 2] == pytest.approx(np.full((4, 12, 16), 3), rel=0.12)


def test_near_layers_move_more_than_the_background(photos):
    blur = dataclasses.replace(PLAIN, objects=(1, 1), parallax=3.0, turn=0, zoom=0, wobble=(0.0, 0.0))
    scene = draw_moving_scene(np.random.default_rng(1), photos, size=SIZE, num_frames=3, exposure=0.5, blur=blur)
    far, near = (layer.trajectories[-1].at(np.array([1.0]))[0, :2] for layer in scene.layers)
    assert np.hypot(*far) == pytest.approx(scene.length, rel=1e-3)
    assert 1 < np.hypot(*near) / np.hypot(*far) <= 3
    assert np.cross([*near, 0], [*far, 0])[2] == pytest.approx(0, abs=1e-6)


def test_border_of_the_background_stays_out_of_sight(photos):
    blur = dataclasses.replace(PLAIN, objects=(0, 0))
    scene = draw_moving_scene(np.random.default_rng(3), photos, size=SIZE, num_frames=4, exposure=0.5, blur=blur)
    height, width = scene.layers[0].light.shape[:2]
    x, y = scene.layers[0].origin
    for matrix in scene.layers[0].matrices(np.linspace(-3.5, 3.5, 29), size=SIZE):
        for corner in ((0, 0), (SIZE[1] - 1, SIZE[0] - 1)):
            rest = np.linalg.solve(matrix[:, :2], np.array(corner) - matrix[:, 2]) + np.array([x, y])
            assert 0 <= rest[0] <= width - 1
            assert 0 <= rest[1] <= height - 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("objects", (3, 3)),
        ("parallax", 4.0),
        ("exposure", (0.9, 0.9)),
        ("shake", 0.9),
        ("length", (1.0, 1.1)),
        ("turn", 0.2),
        ("zoom", 0.2),
        ("curve_probability", 1.0),
        ("highlight_probability", 1.0),
        ("defocus_probability", 1.0),
        ("dim_probability", 1.0),
        ("tripod_probability", 1.0),
        ("short_probability", 1.0),
        ("h264_probability", 1.0),
        ("jpeg_probability", 1.0),
        ("noise_probability", 1.0),
        ("sharp_probability", 1.0),
        ("smallest_scale", 0.95),
        ("wobble", (0.1, 0.2)),
    ],
)
def test_every_switch_matters(photos, name, value):
    changed = draw(photos, 1, num_frames=2, blur=dataclasses.replace(PLAIN, **{name: value}))
    assert not np.array_equal(draw(photos, 1, num_frames=2).blurry, changed.blurry)


def test_frames_differ_in_their_blur_down_to_almost_none(photos):
    lengths = np.concatenate([draw(photos, seed, num_frames=6).blur_field[..., 2].mean(axis=(1, 2)) for seed in range(3)])
    assert lengths.min() < 0.7 * lengths.max()


def test_filming_a_scene_is_the_sequence(photos):
    generator = np.random.default_rng(4)
    exposure = float(generator.uniform(*PLAIN.exposure))
    scene = draw_moving_scene(generator, photos, size=SIZE, num_frames=2, exposure=exposure, blur=PLAIN)
    drawn = film(scene, generator, size=SIZE, num_frames=2, exposure=exposure, blur=PLAIN)
    assert np.array_equal(drawn.blurry, draw(photos, 4, num_frames=2).blurry)
    assert drawn.exposure == exposure


def test_one_frame_has_no_flow(photos):
    drawn = draw(photos, num_frames=1)
    assert drawn.blurry.shape == (1, *SIZE, 3)
    assert drawn.flow_to_next.shape == (0, *SIZE, 2)
    assert drawn.visible_in_previous.shape == (0, *SIZE)


@pytest.mark.parametrize(("size", "num_frames"), [((46, 64), 2), ((48, 63), 2), ((48, 64), 0), ((0, 4), 1)])
def test_refuses_odd_sizes_and_no_frames(photos, size, num_frames):
    with pytest.raises(InputError, match="multiples of 4"):
        draw(photos, size=size, num_frames=num_frames)


@pytest.mark.parametrize(
    ("name", "value"), [("exposure", (0.0, 0.5)), ("exposure", (0.5, 1.5)), ("parallax", 0.5), ("shake", 0.0), ("short", (0.0, 0.3))]
)
def test_refuses_ranges_that_make_no_sense(name, value):
    with pytest.raises(InputError, match=name):
        dataclasses.replace(PLAIN, **{name: value})


def test_in_bright_light_things_move_as_far_and_are_smeared_less(photos):
    blur = dataclasses.replace(PLAIN, objects=(0, 0), wobble=(0.0, 0.0), length=(6.0, 6.001), turn=0, zoom=0, exposure=(0.5, 0.501))
    bright = dataclasses.replace(blur, short_probability=1.0, short=(0.1, 0.2))
    for seed in range(3):
        clip = draw(photos, seed, blur=bright)
        assert 0.05 <= clip.exposure <= 0.1002
        assert np.linalg.norm(clip.flow_to_next, axis=-1).mean() == pytest.approx(12, rel=0.02)
        assert clip.blur_field[..., 2].mean() == pytest.approx(12 * clip.exposure, rel=0.15)
    mixed = {draw(photos, seed, blur=dataclasses.replace(bright, short_probability=0.5)).exposure < 0.2 for seed in range(8)}
    assert mixed == {True, False}


def test_on_a_tripod_things_move_before_a_background_that_stands_still(photos):
    blur = dataclasses.replace(PLAIN, tripod_probability=1.0, length=(6.0, 7.0))
    for seed in range(4):
        clip = draw(photos, seed, blur=blur, size=(64, 96))
        still = (clip.flow_to_next == 0).all(axis=(0, 3))
        assert 0.1 < still.mean() < 1
        assert np.abs(clip.flow_to_next).max() > 0.3
        kept = cv2.erode(still.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
        assert (
            np.abs(clip.blurry.astype(int) - clip.sharp)[:, kept].mean() < 1.5
        )  # noise of rounding alone, and thin shadows of what passes
    everything = draw(photos, 0, blur=dataclasses.replace(blur, sharp_probability=1.0, sharp_length=0.0))
    assert not everything.flow_to_next.any()
