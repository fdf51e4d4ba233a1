"""Restored frames beside their neighbours: fusion where these show the same, untouched where they do not."""

import cv2
import numpy as np
import pytest
import torch

from unblur.restore.temporal_fusion import TemporalFusion, fourier_aggregation, fuse_frames


def texture(seed=0, height=72, width=96):
    generator = np.random.default_rng(seed)
    return cv2.GaussianBlur(generator.integers(0, 256, (height, width, 3)).astype(np.float32), (0, 0), 2.0) / 255 * 3 - 1


def shown(light):
    return np.clip(np.round(light * 255), 0, 255).astype(np.uint8)


def error(one, other):
    return float(np.abs(one.astype(float) - other.astype(float))[8:-8, 8:-8].mean())


def flickering(light, *, seed, strength=2.0):
    noise = np.random.default_rng(seed).normal(0, strength, light.shape)
    return np.clip(np.round(light * 255 + noise), 0, 255).astype(np.uint8)


def test_a_clip_that_does_not_flicker_stays_as_it_is():
    picture = shown(texture())
    assert np.array_equal(fuse_frames(picture, [picture, picture]), picture)


@pytest.mark.parametrize("step", [(0, 0), (3, 0), (-2, 4)])
def test_flicker_is_averaged_along_the_motion(step):
    light = texture()
    truths = [np.roll(light, (time * step[1], time * step[0]), (0, 1)) for time in (-1, 0, 1)]
    before, frame, after = (flickering(each, seed=seed) for seed, each in enumerate(truths))
    calm = fuse_frames(frame, [before, after])
    assert error(calm, shown(truths[1])) < 0.9 * error(frame, shown(truths[1]))
    assert error(fuse_frames(frame, [after]), shown(truths[1])) > error(calm, shown(truths[1]))


def test_each_frame_gives_what_the_others_have_lost():
    """One is blurred from left to right, the others from top to bottom."""
    light = np.clip(texture(), 0, 1)
    across, down = (cv2.blur(light, size) for size in ((5, 1), (1, 5)))
    calm = fuse_frames(shown(across), [shown(down), shown(down)])
    assert error(calm, shown(light)) < 0.85 * min(error(shown(each), shown(light)) for each in (across, down))


@pytest.mark.parametrize("shape", [(1, 12, 12), (3, 64, 64), (3, 33, 100), (1, 130, 65)])
@pytest.mark.parametrize("count", [1, 3])
def test_pictures_that_are_the_same_stay_as_they_are(shape, count):
    view = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(fourier_aggregation(view.expand(count, *shape)), view, atol=1e-5, rtol=1e-4)


def test_without_a_power_it_is_the_mean():
    aligned = torch.rand(3, 3, 70, 90, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(fourier_aggregation(aligned, power=0), aligned.mean(dim=0), atol=1e-5, rtol=1e-4)
    assert not torch.allclose(fourier_aggregation(aligned), aligned.mean(dim=0), atol=1e-2)


def test_another_scene_counts_for_nothing():
    picture, other = shown(texture()), shown(texture(seed=7))
    assert error(fuse_frames(picture, [other]), picture) < 0.2


def test_what_a_neighbour_does_not_show_is_kept():
    """A thing that is there in one frame alone, as a flash or a bird."""
    frame, other = shown(texture()), shown(texture())
    frame[30:40, 40:50] = 255
    assert np.abs(fuse_frames(frame, [other, other])[31:39, 41:49].astype(int) - 255).max() <= 1


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_types_and_shapes_stay(dtype):
    scale = np.iinfo(dtype).max
    one, other = ((np.clip(texture(seed), 0, 1) * scale).astype(dtype) for seed in (0, 1))
    calm = fuse_frames(one, [other])
    assert calm.dtype == dtype
    assert calm.shape == one.shape
    assert float(np.abs(calm.astype(float) - one).mean()) < 0.002 * scale


def test_other_sizes_and_tiny_pictures_are_passed_over():
    picture = shown(texture())
    assert fuse_frames(picture, [picture[:-2], picture.astype(np.uint16)]) is picture
    tiny = picture[:8, :8]
    assert fuse_frames(tiny, [tiny]) is tiny


def test_strength_goes_that_part_of_the_way():
    frames = [flickering(texture(), seed=seed).astype(np.uint16) * 257 for seed in range(3)]
    whole, half, none = (fuse_frames(frames[0], frames[1:], strength=strength).astype(float) for strength in (1.0, 0.5, 0.0))
    np.testing.assert_allclose(half, (whole + frames[0]) / 2, atol=1)
    assert np.array_equal(none, frames[0])
    assert not np.array_equal(whole, frames[0])


def test_frames_come_back_in_order_one_later():
    fusion = TemporalFusion()
    pictures = [flickering(texture(), seed=seed) for seed in range(4)]
    given = [fusion.push(number, picture) for number, picture in enumerate(pictures)]
    assert [len(each) for each in given] == [0, 1, 1, 1]
    rest = fusion.finish()
    results = [pair for each in (*given, rest) for pair in each]
    assert [number for number, _ in results] == [0, 1, 2, 3]
    for number, calm in results:
        around = [pictures[other] for other in (number - 1, number + 1) if 0 <= other < 4]
        assert np.array_equal(calm, fuse_frames(pictures[number], around))
    assert fusion.finish() == []


def test_frames_to_be_left_alone_are():
    fusion = TemporalFusion()
    pictures = [flickering(texture(), seed=seed) for seed in range(3)]
    given = [pair for number, picture in enumerate(pictures) for pair in fusion.push(number, picture, alone=number == 1)]
    assert given[1][1] is pictures[1]
    assert not np.array_equal(given[0][1], pictures[0])
