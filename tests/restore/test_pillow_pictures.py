"""A picture comes back as programs show it, with all that it carries."""

import io

import numpy as np
import pytest
from nets import Darker, Identity, deblurrer
from PIL import Image as PillowImage
from PIL import ImageOps

from unblur.errors import InputError
from unblur.io.image import read_image
from unblur.restore.pillow_pictures import upright, with_pixels

ORIENTATION, MAKER, EXPOSURE = 0x0112, 0x010F, 0x829A
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="%d"/></x:xmpmeta>'


def upright_pixels():
    return np.random.default_rng(0).integers(0, 256, (10, 16, 3), np.uint8)


def stored(orientation, *, form="PNG"):
    """The bytes of a file whose pixels are stored as a camera held in that way stores them."""
    turns = {
        2: PillowImage.Transpose.FLIP_LEFT_RIGHT,
        3: PillowImage.Transpose.ROTATE_180,
        4: PillowImage.Transpose.FLIP_TOP_BOTTOM,
        5: PillowImage.Transpose.TRANSPOSE,
        6: PillowImage.Transpose.ROTATE_90,  # which is undone by a turn to the right
        7: PillowImage.Transpose.TRANSVERSE,
        8: PillowImage.Transpose.ROTATE_270,
    }
    picture = PillowImage.fromarray(upright_pixels())
    exif = PillowImage.Exif()
    exif[ORIENTATION], exif[MAKER] = orientation, "Maker"
    exif.get_ifd(0x8769)[EXPOSURE] = 0.25
    buffer = io.BytesIO()
    picture = picture.transpose(turns[orientation]) if orientation in turns else picture
    picture.save(buffer, form, exif=exif, icc_profile=b"profile" * 20, dpi=(300, 300))
    return buffer.getvalue()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_come_back_upright_with_what_they_carry(orientation, tmp_path):
    given = PillowImage.open(io.BytesIO(stored(orientation)))
    assert given.size == ((16, 10) if orientation < 5 else (10, 16))
    restored = deblurrer(Identity()).photo(given)
    np.testing.assert_array_equal(np.asarray(restored), upright_pixels())
    assert restored.getexif().get(ORIENTATION) == 1
    assert restored.getexif()[MAKER] == "Maker"
    assert float(restored.getexif().get_ifd(0x8769)[EXPOSURE]) == 0.25
    assert restored.info["icc_profile"] == b"profile" * 20
    assert given.getexif()[ORIENTATION] == orientation  # the input is not changed
    np.testing.assert_array_equal(np.asarray(ImageOps.exif_transpose(restored)), upright_pixels())  # and is not turned twice
    (tmp_path / "a.png").write_bytes(stored(orientation))
    np.testing.assert_array_equal(read_image(tmp_path / "a.png").pixels, np.asarray(restored))  # a file is read alike


def test_a_photo_of_a_phone_that_is_saved_as_readme_does_is_not_on_its_side(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(stored(6, form="JPEG"))
    with PillowImage.open(tmp_path / "photo.jpg") as photo:
        expected = np.asarray(ImageOps.exif_transpose(photo))
        restored = deblurrer(Identity()).photo(photo)
    for name, options in (("a.png", {}), ("b.png", {"exif": restored.info["exif"]})):
        restored.save(tmp_path / name, **options)
        with PillowImage.open(tmp_path / name) as saved:
            assert saved.size == (16, 10)
            np.testing.assert_array_equal(np.asarray(ImageOps.exif_transpose(saved)), expected)
            assert saved.info["icc_profile"] == b"profile" * 20


def test_xmp_says_the_same():
    picture = PillowImage.fromarray(upright_pixels())
    picture.info |= {"xmp": XMP % 6, "XML:com.adobe.xmp": (XMP % 8).decode()}
    made = with_pixels(upright_pixels(), picture)
    assert made.info == {"xmp": XMP % 1, "XML:com.adobe.xmp": (XMP % 1).decode()}
    assert picture.info["xmp"] == XMP % 6


def test_what_a_tiff_says_of_its_picture_is_kept_and_its_layout_is_not():
    buffer = io.BytesIO()
    PillowImage.fromarray(upright_pixels()).save(buffer, "TIFF", tiffinfo={MAKER: "Maker", ORIENTATION: 3})
    restored = deblurrer(Darker()).photo(PillowImage.open(buffer))
    assert dict(restored.getexif()) == {MAKER: "Maker"}
    assert np.asarray(restored)[0, 0].tolist() == [round(0.9 * value) for value in upright_pixels()[-1, -1].tolist()]


def test_damaged_exif_is_left_out():
    picture = PillowImage.fromarray(upright_pixels())
    picture.info["exif"] = b"Exif\0\0nonsense"
    assert with_pixels(upright_pixels(), picture).info == {}


@pytest.mark.parametrize("mode", ["P", "CMYK", "1", "F", "YCbCr"])
def test_other_modes_are_refused(mode):
    with pytest.raises(InputError, match=f"mode {mode}.*convert"):
        upright(PillowImage.new(mode, (5, 5)))


def test_pictures_that_are_empty_or_broken_off_are_refused():
    with pytest.raises(InputError, match="at least one pixel"):
        upright(PillowImage.new("RGB", (0, 5)))
    with pytest.raises(InputError, match="broken off"):
        upright(PillowImage.open(io.BytesIO(stored(1)[:-60])))
