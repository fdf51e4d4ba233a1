"""The page restores by the same networks and writes by the same writer as the command."""

import sys

import numpy as np
import pytest
from PIL import Image as PillowImage

import unblur
from unblur.app.web.engine import Engine
from unblur.app.web.film import film_of, sharpness_of_frames
from unblur.app.web.session import Session, Settings
from unblur.app.web.worker import Stopped, Worker
from unblur.restore.batch import Job

Clip = sys.modules["clips"].Clip


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.jpg"
    pixels = np.random.default_rng(3).integers(0, 256, (24, 32, 3), np.uint8)
    PillowImage.fromarray(pixels).resize((96, 72), PillowImage.Resampling.BICUBIC).save(path, quality=90, dpi=(300, 300))
    return path


def test_the_result_is_that_of_the_command_byte_for_byte(photo, tmp_path):
    by_command = tmp_path / "by_command.jpg"
    unblur.restore(photo, by_command, quality="fast", device="cpu", threads=1)
    worker = Worker()
    session = Session(tmp_path / "session", engine=Engine("cpu"), worker=worker)
    session.add(photo, uploaded=True, settings=Settings(quality="fast"))
    session.start(Settings(quality="fast"))
    assert worker.wait_idle(120)
    (item,) = session.items.values()
    assert item.status == "done", item.message
    assert item.target.read_bytes() == by_command.read_bytes()
    assert item.seconds > 0
    assert item.expectation
    worker.close()


def test_work_is_stopped_before_a_tile(photo):
    def check():
        raise Stopped

    engine = Engine("cpu")
    pixels = np.asarray(PillowImage.open(photo))
    with pytest.raises(Stopped):
        engine.photo(pixels, quality="fast", check=check)
    report, _ = engine.photo(pixels, quality="fast", check=lambda: None)  # the next one is not stopped
    assert report.picture.shape == pixels.shape


def test_drawings_show_the_lines_of_motion(photo):
    drawings = Engine("cpu").drawings(np.asarray(PillowImage.open(photo)), quality="fast")
    assert {"motion", "kernels", "before-after"} <= {drawing.name for drawing in drawings}


def test_moments_of_a_clip_are_read_in_order(tmp_path):
    clip = tmp_path / "clip.mp4"
    Clip(pts=range(0, 1000, 40)).make(clip)
    moments = film_of(clip, tmp_path, length=1.0, count=5)
    assert [moment.second for moment in moments] == [0.1, 0.3, 0.5, 0.7, 0.9]
    levels = [np.asarray(PillowImage.open(moment.picture)).mean() for moment in moments]
    assert len(set(levels)) == 5
    assert len(film_of(clip, tmp_path, length=0.0)) == 1
    times = [second for second, _ in sharpness_of_frames(clip, start=3.0)]
    assert times == pytest.approx([3.0 + i / 25 for i in range(25)])


def test_a_clip_is_measured_by_its_first_frame(tmp_path):
    clip = tmp_path / "clip.mp4"
    Clip().make(clip)
    assert Engine("cpu").expect(Job(clip, clip, "video"), quality="fast").startswith("By its first frame: ")
