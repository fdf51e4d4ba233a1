"""Pictures that are drawn, and photos of a folder with their list."""

import cv2
import numpy as np
import pytest

from unblur.bench.tasks.source import LIST, generated, open_source, photos
from unblur.errors import InputError


def test_each_picture_depends_on_seed_and_number_alone(task):
    one, other = generated(task, count=3, seed=5, size=96), generated(task, count=2, seed=5, size=96)
    assert np.array_equal(one.picture(1).blurry, other.picture(1).blurry)
    assert not np.array_equal(one.picture(1).blurry, one.picture(0).blurry)
    assert not np.array_equal(one.picture(1).blurry, generated(task, count=2, seed=6, size=96).picture(1).blurry)
    assert one.name == "96x96, seed 5"


def test_no_pictures_and_tiny_ones_are_refused(task):
    with pytest.raises(InputError, match="at least one picture"):
        generated(task, count=0, seed=0)
    with pytest.raises(InputError, match="at least one picture"):
        generated(task, count=1, seed=0, size=32)


@pytest.fixture
def folder(tmp_path):
    for number in range(2):
        pixels = np.random.default_rng(number).integers(0, 255, (20, 30, 3), np.uint8)
        assert cv2.imwrite(str(tmp_path / f"{number}.png"), pixels)
    return tmp_path


def test_photos_come_with_their_text_and_without_a_sharp_one(task, folder):
    (folder / LIST).write_text('file,text\n0.png,Exit 4\n1.png,"Hotel, 5"\n', encoding="utf-8-sig")
    source = photos(task, folder)
    assert source.count == 2
    assert source.name == folder.name
    picture = source.picture(1)
    assert (picture.name, picture.text, picture.sharp, picture.length) == ("1.png", "Hotel, 5", None, None)
    assert picture.blurry.shape == (20, 30, 3)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "has no `text.csv`"),
        ("name;text\n0.png;A\n", "needs a first line `file,text`"),
        ("file,text\n", "needs a first line `file,text`"),
        ("file,text\n0.png,A\nmissing.png,B\n", "line 3: there is no file `missing.png`"),
        ("file,text\n0.png,...\n", "line 2: the text has neither a letter nor a digit"),
    ],
)
def test_a_list_that_cannot_be_used_is_refused_before_anything_is_read(task, folder, content, message):
    if content is not None:
        (folder / LIST).write_text(content)
    with pytest.raises(InputError, match=message):
        photos(task, folder)


def test_an_unknown_task_is_refused():
    with pytest.raises(InputError, match="there is no task `faces`"):
        open_source("faces:somewhere", count=1, seed=0)
