import dataclasses

import numpy as np
import pytest

from unblur.errors import InputError
from unblur.synth.camera import (
    CameraRanges,
    add_noise,
    compress_h264,
    compress_jpeg,
    develop,
    draw_factor,
    lit,
    raise_highlights,
    sharpen,
)
from unblur.synth.response import SRGB


def test_noise_has_the_variance_stated():
    light = np.concatenate([np.full(100_000, 0.1, np.float32), np.full(100_000, 0.9, np.float32)])
    noise = add_noise(light, np.random.default_rng(0), shot=1e-3, read=0.01) - light
    assert noise.mean() == pytest.approx(0, abs=5e-4)
    assert noise[:100_000].var() == pytest.approx(0.1 * 1e-3 + 1e-4, rel=0.03)
    assert noise[100_000:].var() == pytest.approx(0.9 * 1e-3 + 1e-4, rel=0.03)


def test_no_noise_is_no_change():
    light = np.linspace(0, 1, 50, dtype=np.float32)
    assert np.array_equal(add_noise(light, np.random.default_rng(0), shot=0, read=0), light)


def test_jpeg_costs_more_at_lower_quality_and_keeps_colours_apart():
    y, x = np.mgrid[:64, :64]
    picture = np.stack([x * 4, y * 4, (x + y) * 2], axis=-1).astype(np.uint8)
    errors = [np.abs(compress_jpeg(picture, quality=quality).astype(int) - picture).mean() for quality in (98, 60, 10)]
    assert errors == sorted(errors)
    assert errors[0] < 1.5


def ramp(height: int = 40, width: int = 48) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 5, y * 6, (x + y) * 2], axis=-1).astype(np.uint8)


def test_highlights_rise_where_it_is_bright_and_nowhere_else():
    light = np.linspace(0, 1, 101, dtype=np.float32)[None, :, None].repeat(3, axis=2)
    raised = raise_highlights(light, gain=4)
    assert np.array_equal(raised[:, :70], light[:, :70])
    assert raised[0, -1] == pytest.approx(np.full(3, 4.0), rel=1e-5)
    assert np.all(np.diff(raised[0, :, 0]) > 0)
    assert raise_highlights(light, gain=1) is light
    assert not np.array_equal(raise_highlights(light, gain=4, knee=0.5), raised)


def test_highlights_leave_opacity_and_saturated_colours_alone():
    light = np.array([[[1.0, 1.0, 1.0, 0.5], [1.0, 0.3, 0.0, 1.0]]], np.float32)
    raised = raise_highlights(light, gain=4)
    assert raised[..., 3].tolist() == light[..., 3].tolist()
    assert raised[0, 1] == pytest.approx(light[0, 1])


def test_sharpening_by_hand_and_off():
    edge = np.where(np.arange(20) < 10, 100, 150).astype(np.uint8)[None, :, None].repeat(9, axis=0).repeat(3, axis=2)
    assert np.array_equal(sharpen(edge, amount=0, sigma=1), edge)
    halo = sharpen(edge, amount=1, sigma=1)
    # the pixel beside the edge: a Gaussian of sigma 1 has a weight of (1 − 0.399) / 2 = 0.30 beyond it, and 50 · 0.30 = 15
    assert halo[4, 9, 0] == pytest.approx(100 - 15, abs=1)
    assert halo[4, 10, 0] == pytest.approx(150 + 15, abs=1)
    assert halo[4, 2, 0] == 100
    assert not np.array_equal(sharpen(edge, amount=1, sigma=2), halo)


@pytest.mark.parametrize("size", [(40, 48), (41, 47)])
def test_h264_keeps_size_order_and_colours(size):
    frames = [np.roll(ramp(*size), shift, axis=1) for shift in (0, 2, 4)]
    fine, coarse = compress_h264(frames, crf=10), compress_h264(frames, crf=45)
    assert [frame.shape for frame in fine] == [(*size, 3)] * 3
    errors = [[np.abs(done.astype(int) - frame).mean() for done, frame in zip(each, frames, strict=True)] for each in (fine, coarse)]
    assert max(errors[0]) < 4
    assert min(errors[1]) > max(errors[0])
    assert all(np.array_equal(a, b) for a, b in zip(fine, compress_h264(frames, crf=10), strict=True))


def test_h264_refuses_frames_of_two_sizes():
    with pytest.raises(InputError, match="one size"):
        compress_h264([ramp(32, 32), ramp(32, 40)], crf=20)


OFF = CameraRanges(noise_probability=0, jpeg_probability=0)


def test_a_camera_without_faults_only_encodes():
    light = np.random.default_rng(0).random((24, 24, 3), dtype=np.float32)
    done = develop([light], np.random.default_rng(0), response=SRGB, camera=OFF)
    assert np.array_equal(done[0], SRGB.encode_8bit(light))


@pytest.mark.parametrize("fault", ["noise_probability", "sharpen_probability", "jpeg_probability", "h264_probability"])
def test_each_fault_has_its_switch_and_is_drawn_once_for_a_clip(fault):
    light = SRGB.decode(ramp())
    camera = dataclasses.replace(OFF, **{fault: 1.0})
    first, second = (develop([light, light], np.random.default_rng(seed), response=SRGB, camera=camera) for seed in (3, 3))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert not np.array_equal(first[0], SRGB.encode_8bit(light))
    if fault in ("sharpen_probability", "jpeg_probability"):
        assert np.array_equal(first[0], first[1])  # one quality for the whole clip


@pytest.mark.parametrize(
    ("fault", "name", "weak", "strong"),
    [
        ("noise_probability", "shot", (1e-5, 1.1e-5), (5e-3, 6e-3)),
        ("sharpen_probability", "sharpen_amount", (0.1, 0.11), (2.0, 2.1)),
        ("sharpen_probability", "sharpen_sigma", (0.3, 0.31), (1.5, 1.6)),
        ("jpeg_probability", "jpeg_quality", (95, 96), (10, 12)),
        ("h264_probability", "h264_crf", (10, 11), (44, 45)),
    ],
)
def test_ranges_set_the_strength(fault, name, weak, strong):
    picture = np.kron(np.random.default_rng(1).integers(40, 200, (10, 12, 3), np.uint8), np.ones((4, 4, 1), np.uint8))
    errors = []
    for bounds in (weak, strong):
        camera = dataclasses.replace(OFF, **{fault: 1.0, name: bounds})
        done = develop([SRGB.decode(picture)], np.random.default_rng(0), response=SRGB, camera=camera)[0]
        errors.append(np.abs(done.astype(int) - picture).mean())
    assert errors[0] < errors[1]


def test_less_light_leaves_opacity_alone():
    light = np.random.default_rng(0).random((4, 5, 4), np.float32)
    dark = lit(light, gain=1, share=0.25)
    assert np.array_equal(dark[..., :3], light[..., :3] * np.float32(0.25))
    assert np.array_equal(dark[..., 3], light[..., 3])
    assert lit(light, gain=1, share=1) is light
    assert np.array_equal(lit(light, gain=4, share=0.5)[..., :3], raise_highlights(light, gain=4)[..., :3] / 2)


def test_factors_are_drawn_in_their_range_and_cost_nothing_when_off():
    generator = np.random.default_rng(0)
    before = generator.bit_generator.state
    assert draw_factor(generator, share=0, bounds=(2.0, 3.0)) == 1
    assert generator.bit_generator.state == before
    assert all(0.1 <= draw_factor(generator, share=1, bounds=(0.1, 0.2)) <= 0.2 for _ in range(20))
    drawn = [draw_factor(generator, share=0.5, bounds=(2.0, 3.0)) for _ in range(40)]
    assert 5 < drawn.count(1.0) < 35


def test_light_far_above_the_sensor_is_white_without_noise():
    light = np.stack([np.full((32, 32, 3), 0.7), np.full((32, 32, 3), 6.0)]).astype(np.float32)
    camera = dataclasses.replace(OFF, noise_probability=1.0, shot=(1e-3, 1.001e-3))
    grey, lamp = develop(list(light), np.random.default_rng(0), response=SRGB, camera=camera)
    assert lamp.min() == 255
    assert grey.std() > 1


def test_shares_are_shares():
    with pytest.raises(InputError, match="sharpen_probability"):
        CameraRanges(sharpen_probability=1.5)
