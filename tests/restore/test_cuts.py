import pytest
import torch

from unblur.restore.cuts import CutDetector


def scene(seed, *, height=90, width=160):
    """A picture with large and small structure, twice as wide as a frame."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 5, 18, generator=generator)
    fine = torch.rand(1, 3, height // 3, 2 * width // 3, generator=generator)
    size = (height, 2 * width)
    resize = torch.nn.functional.interpolate
    return (0.7 * resize(coarse, size=size, mode="bilinear", align_corners=False) + 0.3 * resize(fine, size=size, mode="nearest"))[0]


def pan(seed, frames, *, speed, width=160, noise=0.02):
    """The camera turns to the right at `speed` pixels a frame, and back when it reaches the end."""
    picture, generator = scene(seed, width=width), torch.Generator().manual_seed(seed)
    for i in range(frames):
        left = width - abs(i * speed % (2 * width) - width)
        frame = picture[:, :, left : left + width]
        yield (frame + noise * torch.randn(frame.shape, generator=generator)).clamp(0, 1)


def found(frames, **arguments):
    detector = CutDetector(**arguments)
    return [i for i, frame in enumerate(frames) if detector.cuts(frame)]


@pytest.mark.parametrize("speed", [0, 2, 5])
def test_cuts_are_found_where_they_are(speed):
    shots = [list(pan(seed, frames, speed=speed)) for seed, frames in ((1, 12), (2, 5), (3, 1), (4, 9))]
    assert found(frame for shot in shots for frame in shot) == [12, 17, 18]


@pytest.mark.parametrize("speed", [0, 3, 8])
def test_motion_and_noise_are_no_cuts(speed):
    assert found(pan(5, 20, speed=speed)) == []


def test_a_fade_is_none():
    first, second = scene(1)[..., :160], scene(2)[..., :160]
    assert found(torch.lerp(first, second, i / 24) for i in range(25)) == []


def test_violent_motion_is_cut_at_its_beginning_at_most():
    """More than a third of the picture a frame, which no flow follows."""
    frames = list(pan(6, 6, speed=0)) + list(pan(7, 20, speed=60))
    assert all(i < 6 + 6 for i in found(frames))


def test_motion_that_begins_suddenly_is_no_cut():
    """Thumbnails differ as much as at a cut, but the picture moves as a whole."""
    frames = list(pan(7, 6, speed=0)) + list(pan(7, 6, speed=30))[1:]
    assert found(frames) == []


def test_pictures_too_small_to_see_motion_in_are_judged_by_their_difference():
    frames = [frame[:, :24] for frame in (*pan(7, 6, speed=0), *list(pan(7, 3, speed=45))[1:])]
    assert found(frames)[0] == 6


def test_arguments_count():
    frames = list(pan(1, 6, speed=5)) + list(pan(2, 6, speed=5))
    assert found(frames) == [6]
    assert found(frames, threshold=0.9) == []
    assert found(frames, ratio=1e9) == []


def test_any_size_and_a_change_of_it():
    for height, width in ((1, 1), (1, 40), (40, 1), (7, 3)):
        assert found([torch.zeros(3, height, width), torch.ones(3, height, width)]) == [1]
    assert found([torch.zeros(3, 8, 8), torch.ones(3, 8, 32)]) == []
