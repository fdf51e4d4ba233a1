"""What happens on the page, without a browser and without Gradio."""

import sys

import numpy as np
import pytest
from PIL import Image as PillowImage

from unblur.app.web.events import Events
from unblur.app.web.session import Settings
from unblur.app.web.sessions import Sessions
from unblur.app.web.worker import Worker
from unblur.errors import InputError
from unblur.io.image import read_image

engines = sys.modules["engines"]
FAST = Settings(quality="fast")


@pytest.fixture
def sessions(tmp_path):
    made = Sessions(tmp_path / "sessions", engine=engines.DarkEngine(), worker=Worker())
    yield made
    made.close_all()


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    PillowImage.fromarray(np.random.default_rng(1).integers(0, 256, (40, 60, 3), np.uint8)).save(path)
    return path


def test_paths_are_refused_where_others_reach_the_page(sessions, photo):
    with pytest.raises(InputError, match="this machine alone"):
        Events(sessions, local=False).take_path("w", str(photo), FAST)


def test_a_script_is_given_the_result_and_nothing_is_left(sessions, photo, tmp_path):
    seen = []
    with Events(sessions, local=False).restored(photo, FAST, progress=lambda *now: seen.append(now)) as (target, warnings):
        assert target.name == "photo_unblurred.png"
        assert np.array_equal(read_image(target).pixels, engines.darker(read_image(photo).pixels))
        assert warnings == ("taking fast",)
    assert seen
    sessions.close_all()
    assert not (tmp_path / "sessions").exists()
    assert not photo.with_name("photo_unblurred.png").exists()


@pytest.mark.parametrize(("name", "said"), [("notes.txt", "“notes.txt” is neither"), ("broken.png", "is broken off")])
def test_a_script_is_told_why_a_file_cannot_be_restored(sessions, photo, tmp_path, name, said):
    path = tmp_path / name
    path.write_bytes(b"no picture" if name == "notes.txt" else photo.read_bytes()[:2000])
    with pytest.raises(InputError, match=said) as caught, Events(sessions, local=False).restored(path, FAST, progress=lambda *_: None):
        pass
    assert str(tmp_path) not in str(caught.value)
