"""The best that is done in time is taken, by what there is to do and how fast it goes."""

import itertools
from dataclasses import replace

import av
import numpy as np
import pytest
import torch
from nets import deblurrer, tiny_swift
from PIL import Image

from unblur.models import create
from unblur.restore.batch import Job, Options
from unblur.restore.choose import (
    PHOTO_SECONDS,
    PhotoChoice,
    choose,
    fusion_seconds_a_pixel,
    photo_choice,
    pixels_of,
    seconds_a_pixel,
    usual_seconds_a_pixel,
)
from unblur.restore.multi_scale import area
from unblur.weights import FASTEST, by_quality

SPEED = {"swift": 1.0, "swift_quick": 2.0, "swift_best": 3.0, "swift_fused": 6.0, "swift_video": 2.0, "swift_video_best": 4.0}


def chosen(work, time_limit):
    choice = choose(work, time_limit=time_limit, speed=SPEED.__getitem__)
    return choice.weights("photo"), choice.weights("video"), choice.self_ensemble


@pytest.mark.parametrize(
    ("time_limit", "expected"),
    [
        (57600, ("swift_fused", "swift_video_best", 8)),
        (57599, ("swift_fused", "swift_video_best", 4)),
        (28800, ("swift_fused", "swift_video_best", 4)),
        (14400, ("swift_fused", "swift_video_best", 2)),
        (7200, ("swift_fused", "swift_video_best", 1)),
        (7199, ("swift_best", "swift_video_best", 1)),
        (3600, ("swift_best", "swift_video_best", 1)),
        (3599, ("swift_quick", "swift_video_best", 1)),
        (2400, ("swift_quick", "swift_video_best", 1)),
        (2399, ("swift", "swift_video_best", 1)),
        (1200, ("swift", "swift_video_best", 1)),
        (0, ("swift", "swift", 1)),
    ],
)
def test_photos_get_as_many_views_as_there_is_time_for(time_limit, expected):
    assert chosen({"photo": 1000.0}, time_limit) == expected


def test_clips_are_restored_frame_by_frame_before_nothing_is():
    assert chosen({"video": 1000.0}, 4800) == ("swift_fused", "swift_video_best", 1)
    assert chosen({"video": 1000.0}, 4799) == ("swift", "swift_video", 1)
    assert chosen({"video": 1000.0}, 2400) == ("swift", "swift_video", 1)
    assert chosen({"video": 1000.0}, 1300) == ("swift", "swift", 1)
    assert chosen({"photo": 1000.0, "video": 1000.0}, 12000) == ("swift_fused", "swift_video_best", 1)
    assert chosen({"photo": 1000.0, "video": 1000.0}, 8400) == ("swift_best", "swift_video_best", 1)
    assert chosen({"photo": 1000.0, "video": 1000.0}, 7200) == ("swift_quick", "swift_video_best", 1)
    assert chosen({"photo": 1000.0, "video": 1000.0}, 6000) == ("swift", "swift_video_best", 1)
    assert chosen({"photo": 1000.0, "video": 1000.0}, 3600) == ("swift", "swift_video", 1)
    assert chosen({"photo": 1000.0, "video": 1000.0}, 3599) == ("swift", "swift", 1)


def test_steadying_takes_its_part_of_the_time_of_videos():
    given = {"time_limit": 5400, "speed": SPEED.__getitem__}
    assert choose({"video": 1000.0}, **given).seconds + 500 == choose({"video": 1000.0}, **given, fusion_seconds=0.5).seconds
    assert choose({"video": 1000.0}, **given, fusion_seconds=2).video == "swift_video"
    assert choose({"video": 1000.0}, **given).video == "swift_video_best"
    assert choose({"photo": 1000.0}, **given, fusion_seconds=2) == choose({"photo": 1000.0}, **given)


def test_steadying_takes_time():
    assert 0 < fusion_seconds_a_pixel() < 1


def test_a_network_is_timed_once_and_only_if_it_has_work():
    timed = []
    choose({"video": 1.0}, time_limit=0, speed=lambda name: timed.append(name) or 1.0)
    assert timed == ["swift_video_best", "swift_video", "swift"]
    timed.clear()
    choose({"photo": 1.0, "video": 0.0}, time_limit=0, speed=lambda name: timed.append(name) or 1.0)
    assert timed == ["swift_fused", "swift_best", "swift_quick", "swift"]


def test_what_was_chosen_is_told_with_its_options():
    choice = choose({"photo": 60.0}, time_limit=1000, speed=SPEED.__getitem__)
    assert choice.summary(["photo"], time_limit=1000) == "taking `--model swift_fused` with `--self-ensemble 2`: about 14.4 minutes"
    choice = choose({"video": 1000.0}, time_limit=60, speed=SPEED.__getitem__)
    assert choice.summary(["video"], time_limit=60) == (
        "taking `--model swift` with `--self-ensemble 1`: about 20.0 minutes, though the fastest there is for 1"
    )


@pytest.fixture
def jobs(tmp_path):
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(tmp_path / "a.png")
    Image.fromarray(np.zeros((20, 30), np.uint16)).save(tmp_path / "deep.tif")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with av.open(str(tmp_path / "b.mp4"), "w") as file:
        stream = file.add_stream("libx264", rate=10, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        for _ in range(20):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((32, 48, 3), np.uint8), format="rgb24")))
        file.mux(stream.encode(None))
    return [
        Job(tmp_path / name, tmp_path / f"out_{name}", kind, in_batch=True)
        for name, kind in (("a.png", "photo"), ("deep.tif", "photo"), ("broken.png", "photo"), ("b.mp4", "video"))
    ]


def test_the_work_is_pixels_of_photos_and_frames(jobs, tmp_path):
    clip = 20 * 48 * 32
    assert pixels_of(jobs, options=Options()) == {"photo": 2 * 600, "video": clip}
    assert pixels_of(jobs, options=Options(start=1.5))["video"] == pytest.approx(clip / 4)
    assert pixels_of(jobs, options=Options(start=0.5, duration=0.5))["video"] == pytest.approx(clip / 4)
    assert pixels_of(jobs, options=Options(start=1.5, duration=9))["video"] == pytest.approx(clip / 4)
    (tmp_path / "out_a.png").touch()
    assert pixels_of(jobs, options=Options())["photo"] == 600
    assert pixels_of(jobs, options=Options(overwrite=True))["photo"] == 1200


@pytest.mark.parametrize("network", [tiny_swift, lambda: create("ifirnn", width=12, hidden=4, num_blocks=1, iterations=2)])
def test_seconds_are_those_of_a_frame(network, monkeypatch):
    clock = itertools.count(step=0.5)
    monkeypatch.setattr("unblur.restore.choose.time.monotonic", lambda: next(clock))
    given = deblurrer(network())
    assert seconds_a_pixel(given) == pytest.approx(0.5 / 512**2 * area(512, 512, step=given.scale_step))
    assert (seconds_a_pixel(given) > 0.5 / 512**2) == (given.scale_step is not None)


def test_what_is_timed_is_blurred_as_a_sharp_picture_may_be_left_alone_in_no_time():
    given = deblurrer(tiny_swift())
    seen = []
    given.net.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    seconds_a_pixel(given, side=64)
    beside = torch.stack([seen[-1][..., 1:].flatten(), seen[-1][..., :-1].flatten()])
    assert torch.corrcoef(beside)[0, 1] > 0.9


def test_a_photo_is_restored_by_the_best_weights_that_do_not_take_too_long():
    best, second, *_ = by_quality("photo")
    slow = {name: PHOTO_SECONDS / 1e6 / 4**place for place, name in enumerate(by_quality("photo"))}.__getitem__
    assert photo_choice(1e6, speed=slow) == PhotoChoice(best)
    assert photo_choice(1e6, speed=slow).note() == ""
    assert photo_choice(4e6, speed=slow) == PhotoChoice(best, 0.5, 4 * PHOTO_SECONDS)
    assert f"`--model {best} --scale 1` would take about 120 s" in photo_choice(4e6, speed=slow).note()
    assert photo_choice(1.2e7, speed=slow).scale == 0.25
    assert photo_choice(2e7, speed=slow) == PhotoChoice(second, 0.4, 20 * PHOTO_SECONDS)  # even a quarter takes the best too long
    slower = photo_choice(1e6, speed=lambda name: 2 * slow(name))  # at 0.7 of its sides it would have half a megapixel
    assert (slower.weights, slower.scale) == (second, 1)
    assert photo_choice(1e12, speed=slow).weights == FASTEST


def test_a_scale_that_was_asked_for_is_taken():
    best, *_ = by_quality("photo")
    slow = {name: PHOTO_SECONDS / 1e6 / 4**place for place, name in enumerate(by_quality("photo"))}.__getitem__
    assert photo_choice(1e5, speed=slow, scale=0.5) == PhotoChoice(best, 0.5)
    assert photo_choice(4e6, speed=slow, scale=0.5) == PhotoChoice(best, 0.5, 4 * PHOTO_SECONDS)
    assert photo_choice(4e6, speed=slow, scale=1.0).weights != best


def test_no_better_weights_are_taken_than_those_of_the_quality_that_was_asked_for():
    best, second, *_ = by_quality("photo")
    slow = {name: PHOTO_SECONDS / 1e6 / 4**place for place, name in enumerate(by_quality("photo"))}.__getitem__
    assert photo_choice(1e6, speed=slow, quality="good").weights == second != best
    large = photo_choice(1.6e7, speed=slow, quality="good")
    assert (large.weights, large.scale) == (second, 0.5)
    assert f"`--model {second} --scale 1` would take about 120 s" in large.note()
    fast = [photo_choice(pixels, speed=slow, quality="fast") for pixels in (1e6, 1e12)]
    assert [(choice.weights, choice.scale) for choice in fast] == [(by_quality("photo", quality="fast")[0], 1), (FASTEST, 1)]


def test_nothing_is_timed_where_nothing_is_left_to_choose(monkeypatch):
    monkeypatch.setattr("unblur.restore.choose.by_quality", lambda _, **__: [FASTEST])
    fastest = photo_choice(1e12, speed=lambda _: pytest.fail("nothing is left to choose"))
    assert (fastest.weights, fastest.scale, fastest.note()) == (FASTEST, 1, "")


def test_only_the_best_weights_are_timed_where_they_are_fast():
    timed = []
    photo_choice(1.0, speed=lambda name: timed.append(name) or 1.0)
    assert timed == by_quality("photo")[:1]


def test_the_speed_of_a_network_is_measured_once(monkeypatch, tmp_path):
    monkeypatch.setenv("UNBLUR_CACHE_DIR", str(tmp_path))
    given = iter([0.25, 0.5])
    monkeypatch.setattr("unblur.restore.choose.seconds_a_pixel", lambda *_, **__: next(given))
    assert [usual_seconds_a_pixel(deblurrer(tiny_swift())) for _ in range(2)] == [0.25, 0.25]
    two = deblurrer(tiny_swift())
    two.setup = replace(two.setup, self_ensemble=2)
    assert usual_seconds_a_pixel(two) == 0.5
