import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest

from unblur.errors import InputError
from unblur.synth.exposure import average
from unblur.synth.response import GAMMA22, LINEAR, SRGB
from unblur.synth.sources import open_clip
from unblur.synth.video import Analysis, VideoBlur, analyse, blur_clip, plan_windows

SIZE = (64, 96)
PLAIN = VideoBlur(frames_per_blur=(5,), interpolate="never", least_detail=0, max_blurred=1)


def texture(seed: int, size=(96, 224)) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(30, 256, (size[0] // 8, size[1] // 8, 3), np.uint8)
    return cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC)


def view(x: float, seed: int = 0) -> np.ndarray:
    """A textured wall seen by a camera that has moved to the right by x pixels."""
    moved = cv2.warpAffine(texture(seed), np.array([[1, 0, -x], [0, 1, 0]], np.float32), (224, 96), flags=cv2.INTER_CUBIC)
    return moved[16 : 16 + SIZE[0], 16 : 16 + SIZE[1]]


def folder(path: Path, frames) -> Path:
    path.mkdir()
    for number, frame in enumerate(frames):
        cv2.imwrite(str(path / f"{number:04d}.png"), frame[..., ::-1])
    return path


def made(clip, blur, *, response=SRGB, seed=0):
    windows, left_out = plan_windows(analyse(clip), rate=clip.rate, blur=blur)
    return list(blur_clip(clip, windows, response=response, blur=blur, seed=[seed])), left_out


@pytest.fixture(scope="module")
def fast(tmp_path_factory):
    """240 frames a second, a pixel and a half a frame."""
    frames = [view(1.5 * number) for number in range(17)]
    return open_clip(folder(tmp_path_factory.mktemp("clips") / "fast", frames), rate=240), frames


@pytest.mark.parametrize("response", [GAMMA22, LINEAR], ids=lambda response: response.name)
def test_frames_of_a_fast_clip_are_averaged_in_light_and_the_middle_one_is_the_truth(fast, response):
    clip, frames = fast
    moments, left_out = made(clip, PLAIN, response=response)
    assert [moment.number for moment in moments] == [2, 7, 12]  # exposures of five, end to end
    assert left_out["reaches over the end"] >= 2
    for moment in moments:
        taken = frames[moment.number - 2 : moment.number + 3]
        by_hand = average(taken, response=response) * 255
        assert np.array_equal(moment.sharp, frames[moment.number])
        assert np.abs(moment.blurry - by_hand).max() < 0.6
        assert moment.window.instants == tuple(range(moment.number - 2, moment.number + 3))


def test_more_frames_blur_more_and_the_curve_matters(fast):
    clip, _ = fast
    few, many = (made(clip, dataclasses.replace(PLAIN, frames_per_blur=(count,)))[0][0] for count in (3, 9))
    assert np.abs(few.blurry.astype(int) - few.sharp).mean() < np.abs(many.blurry.astype(int) - many.sharp).mean()
    assert not np.array_equal(made(clip, PLAIN, response=LINEAR)[0][0].blurry, made(clip, PLAIN, response=GAMMA22)[0][0].blurry)


def test_slow_clip_is_filled_to_what_a_fast_camera_would_have_seen(tmp_path):
    slow = open_clip(folder(tmp_path / "slow", [view(6.0 * number) for number in range(8)]), rate=60)
    blur = dataclasses.replace(PLAIN, frames_per_blur=(7,), interpolate="auto", largest_disagreement=0.2)
    moments, _ = made(slow, blur)
    assert [moment.number for moment in moments] == [1, 3, 5]  # an exposure of 1.75 frames
    for moment in moments:
        assert len(moment.window.instants) >= 11  # 10.5 pixels
        path = 6 * moment.number + (np.arange(41) / 40 - 0.5) * 6 * 1.75
        truth = average([view(x) for x in path], response=SRGB) * 255
        ghosts = average([view(6 * (moment.number + shift)) for shift in (-1, 0, 1)], response=SRGB) * 255
        inner = (slice(8, -8), slice(16, -16))
        error = np.abs(moment.blurry - truth)[inner].mean()
        assert error < 2.5
        assert error < 0.35 * np.abs(ghosts - truth)[inner].mean()


def test_exposure_lasts_as_long_at_every_rate():
    blur = VideoBlur()
    assert blur.exposure(240, 7) == 7
    assert blur.exposure(240, 15) / 240 == blur.exposure(60, 15) / 60 == 1 / 16  # seconds, as GoPro's authors reckon
    assert blur.exposure(60, 8) == 2
    assert blur.exposure(30, 8) == 1
    assert dataclasses.replace(blur, interpolate="never").exposure(60, 7) == 7
    assert dataclasses.replace(blur, latent_rate=480).exposure(240, 8) == 4
    assert blur.interpolates(30)
    assert not blur.interpolates(240)
    assert dataclasses.replace(blur, interpolate="always").interpolates(240)


def analysis(count: int = 20, **changes) -> Analysis:
    plain = Analysis(
        size=SIZE,
        numbers=np.arange(count),
        detail=np.full(count, 10.0),
        blurred=np.zeros(count),
        speed=np.full(count - 1, 2.0),
        disagreement=np.zeros(count - 1),
        broken=np.zeros(count - 1, bool),
    )
    return dataclasses.replace(plain, **changes)


def centres(seen: Analysis, blur: VideoBlur, rate: float = 240):
    windows, left_out = plan_windows(seen, rate=rate, blur=blur)
    return [(window.sequence, window.centre) for window in windows], left_out


STRICT = VideoBlur(frames_per_blur=(5,))


def test_exposures_do_not_overlap_and_the_middle_is_the_truth():
    assert centres(analysis(), STRICT)[0] == [("m05_00", 2), ("m05_00", 7), ("m05_00", 12), ("m05_00", 17)]
    windows, _ = plan_windows(analysis(), rate=60, blur=STRICT)
    for window in windows:
        assert window.instants[len(window.instants) // 2] == window.centre
        assert np.mean(window.instants) == pytest.approx(window.centre)
        assert len(window.instants) % 2 == 1


def test_no_exposure_reaches_over_a_cut_and_a_new_sequence_begins_after_it():
    broken = np.zeros(19, bool)
    broken[9] = True
    found, left_out = centres(analysis(broken=broken), STRICT)
    assert found == [("m05_00", 2), ("m05_00", 7), ("m05_01", 12), ("m05_01", 17)]
    assert left_out["cut or gap in time"] == 0  # the exposures end and begin beside it
    shifted = np.zeros(19, bool)
    shifted[6] = True
    found, left_out = centres(analysis(broken=shifted), STRICT)
    assert found == [("m05_00", 2), ("m05_01", 9), ("m05_01", 14)]
    assert left_out["cut or gap in time"] == 2


def test_frames_that_are_not_sharp_are_no_truth_but_may_be_averaged():
    detail = np.full(20, 10.0)
    detail[7] = 5
    found, left_out = centres(analysis(detail=detail), STRICT)
    assert found == [("m05_00", 2), ("m05_01", 8), ("m05_01", 13)]
    assert left_out["truth not sharp"] == 1
    blurred = np.zeros(20)
    blurred[7] = 0.1
    assert centres(analysis(blurred=blurred), STRICT)[1]["truth blurred by its motion"] == 1


def test_flow_that_disagrees_stops_interpolation_only():
    disagreement = np.full(19, 0.5)
    assert centres(analysis(disagreement=disagreement), STRICT, rate=240)[0]
    found, left_out = centres(analysis(disagreement=disagreement), STRICT, rate=60)
    assert not found
    assert left_out["flow disagrees"] > 10


def test_nothing_that_moves_is_left_out():
    assert centres(analysis(speed=np.zeros(19)), STRICT)[1]["nothing moves"] == 16


def test_short_sequences_are_left_out_when_asked():
    broken = np.zeros(19, bool)
    broken[9] = True
    found, left_out = centres(analysis(broken=broken), dataclasses.replace(STRICT, shortest=3))
    assert found == []
    assert left_out["sequence too short"] == 4


@pytest.mark.parametrize(
    ("name", "value"), [("least_detail", 0.0), ("max_blurred", 1.0), ("least_motion", 0.0), ("largest_disagreement", 1.0)]
)
def test_every_limit_matters(name, value):
    spoiled = {
        "least_detail": analysis(detail=np.where(np.arange(20) % 3, 1.0, 10.0)),
        "max_blurred": analysis(blurred=np.full(20, 0.3)),
        "least_motion": analysis(speed=np.zeros(19)),
        "largest_disagreement": analysis(disagreement=np.full(19, 0.4)),
    }[name]
    strict, loose = (len(centres(spoiled, blur, rate=60)[0]) for blur in (STRICT, dataclasses.replace(STRICT, **{name: value})))
    assert loose > strict


def test_cuts_and_gaps_are_found(tmp_path):
    cut = folder(tmp_path / "cut", [view(number) for number in range(4)] + [view(number, seed=9) for number in range(4)])
    assert analyse(open_clip(cut, rate=240)).broken.tolist() == [False] * 3 + [True] + [False] * 3


def test_blurred_frames_are_found(tmp_path):
    frames = [view(1.5 * number) for number in range(9)]
    frames[4] = cv2.GaussianBlur(frames[4], (0, 0), 3)
    seen = analyse(open_clip(folder(tmp_path / "one", frames), rate=240))
    assert int(np.argmin(seen.detail)) == 4
    assert seen.detail[4] < 0.8 * np.percentile(seen.detail, 90)


def test_same_seed_same_bytes_and_faults_are_switched(fast):
    clip, _ = fast
    noisy = dataclasses.replace(PLAIN, noise_probability=1.0)
    first, second, other = (made(clip, noisy, seed=seed)[0][0].blurry for seed in (1, 1, 2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)
    plain = made(clip, PLAIN)[0][0]
    raised = made(clip, dataclasses.replace(PLAIN, highlight_probability=1.0, highlight_gain=(6.0, 6.1)))[0][0]
    assert raised.blurry.astype(int).sum() > plain.blurry.astype(int).sum()
    assert raised.sharp.max() == 255


def test_sixteen_bit_frames_give_eight_bit_pairs(tmp_path):
    frames = [view(1.5 * number).astype(np.uint16) * 257 for number in range(5)]
    moments, _ = made(open_clip(folder(tmp_path / "deep", frames), rate=240), PLAIN)
    assert moments[0].blurry.dtype == moments[0].sharp.dtype == np.uint8
    assert np.array_equal(moments[0].sharp, view(3.0))


@pytest.mark.parametrize("counts", [(), (4,), (7, 8), (-1,)])
def test_refuses_even_numbers_of_frames(counts):
    with pytest.raises(InputError, match="odd"):
        VideoBlur(frames_per_blur=counts)


def test_refuses_clips_too_short_or_too_small(tmp_path):
    with pytest.raises(InputError, match="at least 2"):
        analyse(open_clip(folder(tmp_path / "one", [view(0)]), rate=30))
    with pytest.raises(InputError, match="at least 32"):
        analyse(open_clip(folder(tmp_path / "tiny", [view(0)[:16, :16]] * 3), rate=30))
