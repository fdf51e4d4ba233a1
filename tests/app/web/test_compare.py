"""The slider between two pictures: what is written, and what a browser makes of it."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image as PillowImage
from PIL import ImageCms

from unblur.app.web.compare import comparison, jpeg_bytes, page_of, read_pair
from unblur.errors import InputError, UnreadableError
from unblur.io.image import read_image


def save(path, picture, **options):
    PillowImage.fromarray(picture).save(path, **options)
    return path


@pytest.fixture
def pair(tmp_path):
    """Two flat pictures, dark and light, 60x40."""
    return [save(tmp_path / f"{name}.png", np.full((40, 60, 3), level, np.uint8)) for name, level in (("dark", 50), ("light", 200))]


@pytest.fixture
def page(pair, tmp_path):
    path = tmp_path / "page.html"
    path.write_text(page_of(*read_pair(*pair), labels=("before", "after"), title="dark, light"), encoding="utf-8")
    return path


def pictures_in(text):
    return [PillowImage.open(io.BytesIO(base64.b64decode(found))) for found in re.findall(r"data:image/jpeg;base64,([\w+/=]+)", text)]


def test_the_page_holds_both_pictures_in_order(page):
    dark, light = pictures_in(page.read_text(encoding="utf-8"))
    assert dark.size == light.size == (60, 40)
    assert abs(int(np.asarray(dark).mean()) - 50) <= 1
    assert abs(int(np.asarray(light).mean()) - 200) <= 1


def test_the_page_names_no_other_host(page):
    assert "http" not in re.sub("http-equiv", "", page.read_text(encoding="utf-8"))


def test_pictures_are_upright(tmp_path):
    """A picture that is stored on its side is compared with one that is stored upright."""
    upright = np.zeros((30, 50, 3), np.uint8)
    upright[:, :25] = 220
    turned = PillowImage.Exif()
    turned[0x0112] = 6  # to be turned clockwise by 90 degrees
    first = tmp_path / "turned.jpg"
    PillowImage.fromarray(np.ascontiguousarray(np.rot90(upright))).save(first, exif=turned.tobytes(), quality=95)
    images = read_pair(first, save(tmp_path / "upright.png", upright))
    shown = pictures_in(page_of(*images, labels=("a", "b"), title="t"))
    assert [picture.size for picture in shown] == [(50, 30), (50, 30)]
    assert np.abs(np.asarray(shown[0]).astype(int) - np.asarray(shown[1])).mean() < 4
    assert not shown[0].getexif()


def test_sizes_that_differ_are_refused_by_both_names(tmp_path, pair):
    other = save(tmp_path / "other.png", np.zeros((40, 61, 3), np.uint8))
    with pytest.raises(InputError, match=r"dark\.png` has 60x40 .*other\.png` 61x40"):
        read_pair(pair[0], other)


def test_what_is_no_photo_is_refused(tmp_path, pair):
    text = tmp_path / "notes.txt"
    text.write_text("no picture")
    with pytest.raises(UnreadableError, match=r"notes\.txt"):
        read_pair(pair[0], text)
    with pytest.raises(InputError, match="is no photo"):
        read_pair(tmp_path, pair[0])


def test_names_and_titles_are_text(pair):
    text = page_of(*read_pair(*pair), labels=("<b>x</b>", '"y"'), title="<script>z</script>")
    assert "<b>x" not in text
    assert "<script>z" not in text
    assert "&lt;b&gt;x&lt;/b&gt;" in text


def test_the_colour_profile_goes_along_and_that_of_grey_does_not():
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    colours, grey = np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8, 1), np.uint8)
    assert PillowImage.open(io.BytesIO(jpeg_bytes(colours, icc=icc))).info["icc_profile"] == icc
    assert "icc_profile" not in PillowImage.open(io.BytesIO(jpeg_bytes(grey, icc=icc))).info


@pytest.mark.parametrize(("size", "expected"), [((300, 100), (33, 100)), ((90, 80), (80, 90)), ((100, 2000), (100, 5))])
def test_the_longest_side_is_kept_to(size, expected):
    picture = PillowImage.open(io.BytesIO(jpeg_bytes(np.zeros((*size, 3), np.uint8), longest_side=100)))
    assert picture.size == expected


def test_16_bit_is_rounded_to_8(tmp_path):
    level = 0x8080
    pixels = np.full((8, 8, 3), level, np.uint16)
    assert np.asarray(PillowImage.open(io.BytesIO(jpeg_bytes(pixels, quality=100)))).tolist()[0][0] == [128] * 3
    assert read_image(save(tmp_path / "x.png", np.zeros((4, 4), np.uint8))).pixels.shape == (4, 4, 1)


def test_addresses_are_escaped():
    text = comparison(before='a"b', after="c", width=1, height=1, labels=("x", '"><i>'))
    assert 'src="a&quot;b"' in text
    assert "<i>" not in text


def shade(page, x):
    """Mean level of the column at a share of the stage's width, as it is on the screen."""
    box = page.locator(".unblur-compare .area").bounding_box()
    shot = PillowImage.open(io.BytesIO(page.screenshot()))
    return np.asarray(shot.convert("L"))[int(box["y"] + box["height"] * 0.2), int(box["x"] + box["width"] * x)]


def test_the_divider_moves_by_mouse_and_keyboard(page, visit):
    window = visit()
    window.goto(page.as_uri())
    assert shade(window, 0.25) < 60
    assert shade(window, 0.75) > 190
    box = window.locator(".handle").bounding_box()
    area = window.locator(".area").bounding_box()
    window.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    window.mouse.down()
    window.mouse.move(area["x"] + 0.1 * area["width"], box["y"] + 5, steps=4)
    window.mouse.up()
    assert shade(window, 0.25) > 190
    window.get_by_role("slider").focus()
    window.keyboard.press("End")
    assert shade(window, 0.75) < 60
    window.keyboard.press("Home")
    assert shade(window, 0.03) > 190


def test_full_size_is_a_pixel_a_pixel_also_on_dense_screens(page, visit):
    window = visit(device_scale_factor=2)
    window.goto(page.as_uri())
    window.get_by_role("button", name="1:1").click()
    assert window.locator(".area").bounding_box()["width"] == 30
    window.get_by_role("button", name="Zoom in").click()
    assert window.locator(".area").bounding_box()["width"] == pytest.approx(45)
    assert window.get_by_label("Zoom", exact=True).inner_text() == "150 %"


def test_keys_zoom_when_the_picture_has_the_focus(page, visit):
    window = visit()
    window.goto(page.as_uri())
    window.locator(".stage").focus()
    window.keyboard.press("1")
    for _ in range(9):
        window.keyboard.press("+")
    assert window.locator(".area").bounding_box()["width"] == 60 * 16  # the most
    at_first = window.locator(".handle").bounding_box()["x"]
    window.evaluate("document.querySelector('.stage').scrollTop = 200")
    assert window.locator(".handle").bounding_box()["x"] == at_first  # it stays in view
    window.keyboard.press("0")
    assert window.locator(".area").bounding_box()["width"] == 60


@pytest.mark.parametrize("width", [1280, 400])
def test_nothing_is_cut_off(page, visit, width):
    window = visit(width=width)
    window.goto(page.as_uri())
    assert window.evaluate("document.documentElement.scrollWidth") <= width
    for name in ("Zoom out", "Zoom in", "1:1", "Fit"):
        box = window.get_by_role("button", name=name).bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
