import numpy as np
import pytest
import trees
from PIL import Image

from unblur.data.layouts import Sample, read_layout
from unblur.data.prepare import Prepared, places, prepare
from unblur.errors import InputError


def cut(samples, out, *, size=8, step=5, source="gopro"):
    return prepare(samples, out, size=size, step=step, source=source, version="1")


@pytest.mark.parametrize(("length", "expected"), [(7, []), (8, [0]), (9, [0, 1]), (13, [0, 5]), (14, [0, 5, 6]), (18, [0, 5, 10])])
def test_places_reach_both_ends(length, expected):
    assert places(length, size=8, step=5) == expected


def test_crops_are_those_of_the_pictures_and_are_read_as_clips(tmp_path):
    samples = read_layout("gopro", trees.gopro(tmp_path / "set"), choice={"split": "train", "blur": "blur"})  # of 16x12 pixels
    assert cut(samples, tmp_path / "out") == Prepared(written=2 * 3 * 6, there=0, too_small=0)
    crops = read_layout("gopro", tmp_path / "out", choice={"split": "train", "blur": "blur"})
    assert len(crops) == 36
    crop = next(each for each in crops if each.sequence == "GOPR0372_07_00-00004-00005" and each.reference.stem == "000009")
    assert crop.frame == 1
    for path, whole in ((crop.reference, samples[1].reference), (crop.sharp[0], samples[1].sharp[0])):
        assert np.array_equal(np.asarray(Image.open(path)), np.asarray(Image.open(whole))[4:12, 5:13])


def test_what_is_there_is_left_and_what_is_missing_made(tmp_path):
    samples = read_layout("gopro", trees.gopro(tmp_path / "set"), choice={"split": "train", "blur": "blur"})
    cut(samples, tmp_path / "out")
    files = sorted((tmp_path / "out").rglob("*.png"))
    times = {path: path.stat().st_mtime_ns for path in files[1:]}
    files[0].unlink()
    assert cut(samples, tmp_path / "out") == Prepared(written=1, there=35, too_small=0)
    assert files[0].is_file()
    assert {path: path.stat().st_mtime_ns for path in files[1:]} == times
    for change in ({"size": 9}, {"step": 4}, {"source": "reds"}):
        with pytest.raises(InputError, match="crops of something else"):
            cut(samples, tmp_path / "out", **change)


def test_what_cannot_be_cut_is_said(tmp_path):
    small, large = trees.picture(tmp_path / "a.png", size=(6, 20)), trees.picture(tmp_path / "b.png", size=(20, 20))
    pair = Sample((small,), (small,), "a", 0)
    with pytest.raises(InputError, match="all 1 pictures are smaller than 8x8"):
        cut([pair], tmp_path / "out")
    assert cut([pair, Sample((large,), (large,), "b", 0)], tmp_path / "out").too_small == 1
    with pytest.raises(InputError, match="differ in size"):
        cut([Sample((large,), (small,), "b", 0)], tmp_path / "other")
    with pytest.raises(InputError, match="other things than crops"):
        cut([pair], tmp_path)
    with pytest.raises(InputError, match="at least one pixel"):
        cut([pair], tmp_path / "third", step=0)
