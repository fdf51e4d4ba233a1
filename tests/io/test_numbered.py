"""Which pictures of a folder are the frames of a clip, and in which order."""

import re

import numpy as np
import pytest
from PIL import Image

from unblur.errors import InputError
from unblur.io.numbered import frames_in, numbered_frames


@pytest.fixture
def made(tmp_path):
    """Makes pictures of these names, all of one size; gives their paths."""

    def make(*names, size=(12, 8)):
        for name in names:
            Image.fromarray(np.zeros((size[1], size[0], 3), np.uint8)).save(tmp_path / name)
        return [tmp_path / name for name in names]

    return make


@pytest.mark.parametrize(
    "names",
    [
        ["0008.png", "0009.png", "0010.png"],
        ["8.png", "9.png", "10.png"],
        ["f8.png", "f09.png", "f010.png"],
        ["take2_f8_v3.png", "take2_f9_v3.png", "take2_f10_v3.png"],
        ["8_of_10.png", "9_of_10.png", "10_of_10.png"],
        ["8.PNG", "9.png", "10.png"],
    ],
)
def test_frames_are_ordered_by_the_number_that_changes(made, names):
    files = made(*names)
    for given in (files, files[::-1], sorted(files)):
        frames = numbered_frames(given)
        assert (list(frames.files), frames.first, frames.last, frames.missing) == (files, 8, 10, ())
    assert frames.reading().endswith(f"is read as a clip of 3 frames, `{names[0]}` to `{names[2]}`")


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["1.png"], "a single picture"),
        (["1.png", "2.png", "4.png"], "number 3 is missing between `1.png` and `4.png`"),
        (["1.png", "9.png"], "numbers 2, 3, 4 and 4 more are missing"),
        (["1.png", "01.png", "2.png"], "`1.png` and `01.png` have the same number"),
        (["1.png", "2.png", "cover.png"], "`cover.png` is not numbered like `1.png`"),
        (["1.png", "2.jpg"], "`2.jpg` is not numbered like `1.png`"),
        (["a1.png", "b2.png"], "`b2.png` is not numbered like `a1.png`"),
        (["1_1.png", "2_1.png", "2_2.png"], "`2_2.png` is not numbered like `1_1.png`"),
        (["a.png", "b.png"], "`b.png` is not numbered like `a.png`"),
    ],
)
def test_what_is_no_clip_says_why(made, names, reason):
    with pytest.raises(InputError, match=re.escape(reason)):
        numbered_frames(made(*names))


def test_frames_are_of_one_size(made):
    with pytest.raises(InputError, match=r"of several sizes: `1.png` is of 12x8 pixels, `3.png` is of 8x12 pixels"):
        numbered_frames([*made("1.png", "2.png"), *made("3.png", size=(8, 12))], gaps=True)


def test_missing_numbers_can_be_allowed_and_are_said(made):
    frames = numbered_frames(made("0.png", "5.png", "6.png"), gaps=True)
    assert frames.missing == (1, 2, 3, 4)
    assert "numbers 1, 2, 3 and 1 more are missing" in frames.reading()


def test_a_folder_may_hold_other_things(made, tmp_path):
    files = made("1.png", "2.png")
    made(".3.png")
    (tmp_path / "notes 4.txt").write_text("no picture")
    (tmp_path / "5.png").mkdir()
    assert list(frames_in(tmp_path).files) == files
    made("7.png")
    with pytest.raises(InputError, match=rf"^`{re.escape(str(tmp_path))}` is no clip: .*numbers 3, 4, 5 and 1 more"):
        frames_in(tmp_path)
