"""Which pictures a data set has, and how it is named."""

import numpy as np
import pytest
from PIL import Image

from unblur.bench.datasets import open_data, published_name
from unblur.errors import InputError


def picture(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(path)


def gopro(root, *kinds):
    for kind in (*kinds, "sharp"):
        for number in (9, 10):
            picture(root / "test" / "GOPR0384_11_00" / kind / f"{number:06d}.png")
    return root


def test_plain_folder_of_clips(pairs):
    data = open_data(str(pairs))
    assert (data.name, data.clips, published_name(data.name)) == ("pairs", True, "")
    assert list(data.sequences()) == ["clip0", "clip1"]
    assert [sample.frame for sample in data.sequences()["clip1"]] == [0, 1, 2]
    assert data.samples[0].sharp[0] == pairs / "sharp/clip0/000.png"


def test_plain_folder_of_pictures_is_no_clip_and_in_the_order_of_numbers(tmp_path):
    for name in ("10.png", "2.png"):
        picture(tmp_path / "blurry" / name)
        picture(tmp_path / "sharp" / name)
    data = open_data(str(tmp_path))
    assert not data.clips
    assert [sample.reference.name for sample in data.samples] == ["2.png", "10.png"]


def test_missing_truth_is_named(pairs):
    (pairs / "sharp/clip1/002.png").unlink()
    with pytest.raises(InputError, match=r"clip1/002\.png` has no truth"):
        open_data(str(pairs))


def test_layout_by_name_and_by_looks(tmp_path):
    root = gopro(tmp_path, "blur_gamma")
    for spec in (f"gopro:{root}", f"{root}", f"gopro/test/blur_gamma:{root}", f"gopro/blur_gamma:{root}"):
        data = open_data(spec)
        assert (data.name, published_name(data.name), data.clips) == ("gopro/test/blur_gamma", "GoPro", True)
        assert len(data.samples) == 2


def test_unclear_choice_is_an_error_that_lists_the_choices(tmp_path):
    root = gopro(tmp_path, "blur", "blur_gamma")
    with pytest.raises(InputError, match=r"gopro/test/blur:.*gopro/test/blur_gamma:"):
        open_data(f"gopro:{root}")
    assert open_data(f"gopro/blur:{root}").name == "gopro/test/blur"


def test_wrong_choice_is_an_error(tmp_path):
    root = gopro(tmp_path, "blur")
    with pytest.raises(InputError, match="no pairs"):
        open_data(f"gopro/train:{root}")
    with pytest.raises(InputError, match="not a folder"):
        open_data(str(tmp_path / "nowhere"))


def test_data_made_here_does_not_pass_for_the_published(tmp_path):
    root = gopro(tmp_path / "mine", "blur_gamma")
    (root / "manifest.json").write_text("{}")
    data = open_data(f"gopro:{root}")
    assert data.name == "mine (gopro/test/blur_gamma)"
    assert published_name(data.name) == ""
