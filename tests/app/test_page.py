"""`unblur page` on the command line."""

import numpy as np
import pytest
from PIL import Image as PillowImage


@pytest.fixture
def photos(tmp_path):
    for name in ("a.png", "b.png"):
        PillowImage.fromarray(np.zeros((12, 16, 3), np.uint8)).save(tmp_path / name)


@pytest.mark.usefixtures("photos")
def test_a_page_is_written_and_said(run, tmp_path):
    code, _, err = run("page", "a.png", "b.png", "-o", "compare.html", "--label-after", "restored")
    assert code == 0
    assert "done compare.html" in err
    text = (tmp_path / "compare.html").read_text(encoding="utf-8")
    assert "<title>a.png, b.png</title>" in text
    assert "<span>before</span><span>restored</span>" in text


@pytest.mark.usefixtures("photos")
def test_nothing_is_replaced_without_being_asked(run, tmp_path):
    (tmp_path / "compare.html").write_text("mine")
    code, _, err = run("page", "a.png", "b.png", "-o", "compare.html")
    assert code == 1
    assert "exists" in err
    assert (tmp_path / "compare.html").read_text() == "mine"
    assert run("page", "a.png", "b.png", "-o", "compare.html", "--overwrite")[0] == 0


@pytest.mark.usefixtures("photos")
def test_the_name_must_be_that_of_a_page(run, tmp_path):
    code, _, err = run("page", "a.png", "b.png", "-o", "b.png", "--overwrite")
    assert code == 1
    assert "must end in .html" in err
    with PillowImage.open(tmp_path / "b.png") as picture:
        assert picture.size == (16, 12)
