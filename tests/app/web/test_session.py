"""What one visitor has on the page, without a browser and without Gradio."""

import sys
import time

import numpy as np
import pytest
from PIL import Image as PillowImage

from unblur.app.web import session as sessions
from unblur.app.web.session import Session, Settings
from unblur.app.web.worker import Worker
from unblur.errors import InputError, OutputError
from unblur.io.image import read_image
from unblur.io.journal import journal_of
from unblur.io.video import VideoReader

Clip, engines = sys.modules["clips"].Clip, sys.modules["engines"]
darker = engines.darker
FAST = Settings(quality="fast")


@pytest.fixture
def worker():
    made = Worker()
    yield made
    made.close()


@pytest.fixture
def engine():
    return engines.DarkEngine()


@pytest.fixture
def session(tmp_path, engine, worker):
    made = Session(tmp_path / "session", engine=engine, worker=worker)
    yield made
    engine.gate.set()


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    PillowImage.fromarray(np.random.default_rng(1).integers(0, 256, (40, 60, 3), np.uint8)).save(path)
    return path


@pytest.fixture
def movie(tmp_path):
    return write(tmp_path / "clip.mp4", frames=24)


def write(path, *, frames):
    """A clip of 25 frames a second, 64x48."""
    Clip(pts=range(0, 40 * frames, 40)).make(path)
    return path


def restore(session, settings=FAST):
    session.start(settings)
    assert session.worker.wait_idle(60)
    return list(session.items.values())


def wait_for(condition):
    limit = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.01)


def test_kind_size_and_times_are_known_before(session, photo, movie):
    assert session.add(photo, uploaded=False, settings=FAST) == []
    assert session.add(movie, uploaded=False, settings=FAST) == []
    assert session.worker.wait_idle(30)
    first, second = session.items.values()
    assert (first.job.kind, first.width, first.height, first.seconds) == ("photo", 60, 40, 1.0)
    assert (second.job.kind, second.width, second.height, second.frames, second.seconds) == ("video", 64, 48, 24, 3.0)
    assert first.expectation == "Blurred: photo.png, fast."
    assert len(second.film) == 12
    session.estimate(Settings(quality="best"))
    assert session.worker.wait_idle(30)
    assert first.seconds == 40.0


def test_a_photo_of_this_machine_gets_its_result_beside_it(session, photo):
    session.add(photo, uploaded=False, settings=FAST)
    before = photo.read_bytes()
    (item,) = restore(session)
    assert item.status == "done"
    assert item.target == photo.with_name("photo_unblurred.png")
    assert np.array_equal(read_image(item.target).pixels, engines.darker(read_image(photo).pixels))
    assert photo.read_bytes() == before
    assert item.warnings == ("taking fast",)
    assert not item.uploaded


def test_an_uploaded_photo_gets_its_result_in_the_session(session, photo):
    session.add(photo, uploaded=True, settings=FAST)
    (item,) = restore(session)
    assert item.uploaded
    assert session.folder in item.target.parents
    assert not photo.with_name("photo_unblurred.png").exists()


def test_a_folder_is_taken_with_all_in_it(session, photo, movie):
    assert session.add(photo.parent, uploaded=False, settings=FAST) == []
    assert sorted(item.name for item in session.items.values()) == [movie.name, photo.name]


def test_what_cannot_be_read_is_said_and_the_rest_goes_on(session, photo, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(photo.read_bytes()[:200])
    text = tmp_path / "notes.txt"
    text.write_text("none")
    session.add(broken, uploaded=True, settings=FAST)
    (wrong,) = session.add(text, uploaded=True, settings=FAST)
    assert "neither a photo nor a video" in wrong
    session.add(photo, uploaded=True, settings=FAST)
    states = [item.status for item in restore(session)]
    assert states[-1] == "done"
    assert states[:-1] in ([], ["failed"])


def test_a_file_is_taken_once_and_not_without_end(session, photo, tmp_path, monkeypatch):
    session.add(photo, uploaded=False, settings=FAST)
    assert "on the page already" in session.add(photo, uploaded=False, settings=FAST)[0]
    monkeypatch.setattr(sessions, "MOST_FILES", 1)
    other = tmp_path / "other.png"
    other.write_bytes(photo.read_bytes())
    assert "was not taken" in session.add(other, uploaded=False, settings=FAST)[0]


def test_results_that_exist_are_replaced_only_when_asked(session, photo):
    there = photo.with_name("photo_unblurred.png")
    there.write_bytes(b"mine")
    session.add(photo, uploaded=False, settings=FAST)
    (item,) = restore(session)
    assert item.status == "failed"
    assert "tick “Replace results”" in item.message
    assert "--" not in item.message
    assert there.read_bytes() == b"mine"
    assert restore(session, Settings(quality="fast", overwrite=True))[0].status == "done"


def test_strength_and_region_are_written_without_the_network(session, photo, engine):
    session.add(photo, uploaded=False, settings=FAST)
    restore(session)
    engine.gate.clear()  # the network would wait for ever
    target = session.save(1, strength=1.0, region="10, 5, 40, 30", overwrite=False)
    blurry, result = read_image(photo).pixels, read_image(target).pixels
    outside = np.ones(blurry.shape[:2], bool)
    outside[5:30, 10:40] = False
    assert np.array_equal(result[outside], blurry[outside])
    assert not np.array_equal(result, blurry)
    assert np.array_equal(read_image(session.save(1, strength=0.0, region="", overwrite=False)).pixels, blurry)
    target.write_bytes(b"changed by somebody")
    with pytest.raises(OutputError, match="exists"):
        session.save(1, strength=1.0, region="", overwrite=False)
    with pytest.raises(InputError, match="no restored photo"):
        session.save(7, strength=1.0, region="", overwrite=False)


def test_every_page_of_a_tiff_is_restored_and_saved_without_the_network(session, tmp_path, engine):
    first, second = (np.random.default_rng(seed).integers(0, 256, (40, 60, 3), np.uint8) for seed in range(2))
    path = tmp_path / "pages.tif"
    PillowImage.fromarray(first).save(path, save_all=True, append_images=[PillowImage.fromarray(second)])
    session.add(path, uploaded=False, settings=FAST)
    (item,) = restore(session)
    assert item.status == "done"
    assert pages_of(item.target) == [darker(first).tolist(), darker(second).tolist()]
    engine.gate.clear()  # the network would wait for ever
    assert pages_of(session.save(1, strength=0.0, region="", overwrite=False)) == [first.tolist(), second.tolist()]
    engine.gate.set()
    assert restore(session)[0].status == "done"


def pages_of(path):
    image = read_image(path)
    return [page.pixels.tolist() for page in (image, *(each() for each in image.pages))]


def test_a_photo_of_floats_is_shown_as_it_is(session, tmp_path):
    PillowImage.fromarray(np.full((40, 60), 0.5, np.float32)).save(tmp_path / "float.tif")
    session.add(tmp_path / "float.tif", uploaded=False, settings=FAST)
    (item,) = restore(session)
    assert item.status == "done"
    with PillowImage.open(item.pictures["before"]) as shown:
        assert np.abs(np.asarray(shown).astype(int) - 128).max() <= 2


@pytest.mark.parametrize(("suffix", "options"), [(".gif", {}), (".webp", {"lossless": True}), (".png", {})])
def test_an_animation_is_restored_whole_and_shown_beside_its_source(session, tmp_path, suffix, options):
    frames = [PillowImage.fromarray(np.full((20, 30, 3), level, np.uint8)) for level in (200, 150, 100)]
    path = tmp_path / f"moves{suffix}"
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=[100, 200, 300], loop=0, **options)
    assert session.add(path, uploaded=True, settings=FAST) == []
    assert session.worker.wait_idle(60)
    item = session.items[1]
    assert (item.width, item.height, item.frames) == (30, 20, 3)
    assert item.length == pytest.approx(0.6)
    assert [moment.second for moment in item.film] == pytest.approx([0.025 + 0.05 * number for number in range(12)])
    with pytest.raises(InputError, match="restored whole"):
        session.preview(1, start=0, settings=FAST)
    (item,) = restore(session)
    assert item.status == "done", item.message
    assert item.pictures["before"].read_bytes() == path.read_bytes()
    with PillowImage.open(item.pictures["after"]) as shown:
        assert shown.n_frames == 3
        assert np.asarray(shown.convert("RGB")).mean() == pytest.approx(180, abs=2)


def test_a_photo_is_paused_gone_on_with_and_cancelled(session, photo, engine):
    session.add(photo, uploaded=True, settings=FAST)
    assert session.worker.wait_idle(30)
    engine.gate.clear()
    item = session.items[1]
    for wish, status in (("pause", "paused"), ("cancel", "cancelled")):
        session.start(FAST)
        wait_for(lambda: item.status == "running")
        session.stop(wish)
        assert session.worker.wait_idle(30)
        assert item.status == status
        assert not item.job.target.exists()
    engine.gate.set()
    assert restore(session)[0].status == "done"


def stop_at(session, engine, wish, frames):
    """Start, and stop after so many frames."""
    engine.frames = 0
    session.start(FAST)
    wait_for(lambda: engine.frames > frames)
    session.stop(wish)
    assert session.worker.wait_idle(60)


def test_a_clip_that_is_paused_is_gone_on_with(session, movie, engine, monkeypatch):
    monkeypatch.setattr("unblur.io.journal.SAVE_EVERY", 0.0)
    monkeypatch.setattr("unblur.io.video_writer.SAVE_EVERY", 0.0, raising=False)
    session.add(movie, uploaded=False, settings=FAST)
    assert session.worker.wait_idle(30)
    item = session.items[1]
    engine.gate.clear()
    stop_at(session, engine, "pause", 0)
    assert item.status == "paused"
    assert not item.job.target.exists()
    engine.gate.set()
    (item,) = restore(session)
    assert item.status == "done"
    with VideoReader(item.target) as reader:
        assert sum(1 for _ in reader) == 24


def test_what_was_kept_of_a_cancelled_clip_is_removed_only_if_it_was_begun_here(session, movie):
    session.add(movie, uploaded=False, settings=FAST)
    assert session.worker.wait_idle(30)
    item = session.items[1]
    journal = journal_of(item.job.target)
    item.had_journal = False
    journal.write_bytes(b"kept")
    session.items[1].status = "paused"
    session.stop("cancel")
    assert not journal.exists()
    journal.write_bytes(b"of an earlier run")
    item.status, item.had_journal = "paused", True
    session.stop("cancel")
    assert journal.exists()


def test_two_seconds_of_a_clip_before_and_after(session, tmp_path):
    movie = write(tmp_path / "long.mp4", frames=120)
    session.add(movie, uploaded=True, settings=FAST)
    session.preview(1, start=1.0, settings=FAST)
    assert session.worker.wait_idle(60)
    item = session.items[1]
    assert item.previewing == ""
    before, after = item.preview.sharpness
    assert len(before) == len(after) > 10
    assert before[0][0] == pytest.approx(1.0, abs=0.1)
    assert before[-1][0] < 3.05
    with VideoReader(item.preview.before) as first, VideoReader(item.preview.after) as second:
        levels = [[frame.pixels.mean() for frame in reader] for reader in (first, second)]
        assert np.mean(levels[1]) == pytest.approx(0.9 * np.mean(levels[0]), abs=4)
    assert item.status == "ready"
    with pytest.raises(InputError, match="choose a clip"):
        session.preview(9, start=0.0, settings=FAST)


def test_drawings_of_a_photo(session, photo):
    session.add(photo, uploaded=True, settings=FAST)
    session.draw(1, settings=FAST)
    assert session.worker.wait_idle(30)
    ((path, caption),) = session.items[1].drawings
    assert caption == "lines of motion, fast"
    with PillowImage.open(path) as drawn:
        assert drawn.size == (60, 40)


def test_nothing_is_left_of_a_closed_session(session, photo, movie):
    session.add(photo, uploaded=True, settings=FAST)
    session.add(movie, uploaded=True, settings=FAST)
    restore(session)
    session.close()
    assert session.worker.wait_idle(30)
    assert not session.folder.exists()


def test_the_list_is_cleared_of_what_is_not_at_work(session, photo):
    session.add(photo, uploaded=True, settings=FAST)
    restore(session)
    session.clear()
    assert session.items == {}
    assert list(session.folder.iterdir()) == []
    session.add(photo, uploaded=True, settings=FAST)
    assert list(session.items) == [2]  # numbers are not used again
