"""JPEG XL: read with 8 and 16 bit and its metadata, and written as PNG."""

import io
import struct
import sys

import numpy as np
import pytest
from PIL import Image as PillowImage
from PIL import ImageCms

from unblur.errors import UnreadableError, UnsupportedError
from unblur.io import picture
from unblur.io.boxes import box_of
from unblur.io.exif import exif_of_directory
from unblur.io.ifd import Entry, entry_of
from unblur.io.image import format_note, is_image, output_suffix, read_image, write_image
from unblur.io.jxl import CONTAINER, size_in

XMP = b'<rdf:Description dc:title="A cat"/>'
EXIF = exif_of_directory("<", {0x010F: Entry(2, 5, b"Make\0"), 0x0112: entry_of("<", 3, [1])})


def noise(channels=3, dtype=np.uint8, size=(40, 60)):
    return np.random.default_rng(1).integers(0, np.iinfo(dtype).max + 1, (*size, channels)).astype(dtype)


@pytest.fixture
def codecs():
    pytest.importorskip("pillow_jxl", reason="the extra `jxl` is not installed")
    return pytest.importorskip("imagecodecs", reason="the extra `jxl` is not installed")


@pytest.mark.parametrize("head", [CONTAINER, b"\xff\x0a"])
@pytest.mark.parametrize("missing", ["imagecodecs", "pillow_jxl"])
def test_without_a_library_it_says_what_to_install(tmp_path, monkeypatch, head, missing):
    monkeypatch.setitem(sys.modules, "imagecodecs", sys.modules["numpy"])
    monkeypatch.setitem(sys.modules, missing, None)
    (tmp_path / "photo").write_bytes(head + bytes(40))
    assert is_image(tmp_path / "photo")
    with pytest.raises(UnsupportedError, match=rf"JPEG XL.*{missing}: `pip install 'unblur\[jxl\]'"):
        read_image(tmp_path / "photo")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_pixels_are_exact_and_become_png(tmp_path, codecs, channels, dtype):
    stored = noise(channels, dtype)
    (tmp_path / "photo.jxl").write_bytes(codecs.jpegxl_encode(stored[..., 0] if channels == 1 else stored, lossless=True))
    image = read_image(tmp_path / "photo.jxl")
    np.testing.assert_array_equal(image.interleaved(0, 40), stored)
    assert output_suffix(tmp_path / "photo.jxl") == ".png"
    assert "JPEG XL cannot be written" in format_note(tmp_path / "photo.jxl")
    write_image(tmp_path / "out.png", image)
    np.testing.assert_array_equal(read_image(tmp_path / "out.png").interleaved(0, 40), stored)


@pytest.mark.usefixtures("codecs")
def test_metadata_of_boxes(tmp_path):
    buffer = io.BytesIO()
    PillowImage.fromarray(noise()).save(buffer, format="JXL", lossless=True, exif=b"Exif\0\0" + EXIF, xmp=XMP)
    more = box_of(b"jumb", b"c2pa") + box_of(b"brob", b"Exif...") + box_of(b"own ", b"x")
    (tmp_path / "photo.jxl").write_bytes(buffer.getvalue() + more)
    image = read_image(tmp_path / "photo.jxl")
    assert (image.metadata.exif, image.metadata.xmp) == (EXIF, XMP)
    assert ImageCms.getProfileName(ImageCms.ImageCmsProfile(io.BytesIO(image.metadata.icc)))
    assert [word for word in ("C2PA", "`Exif`", "`own `") if any(word in note for note in image.notes)] == ["C2PA", "`Exif`", "`own `"]
    assert write_image(tmp_path / "out.png", image) == ()
    assert read_image(tmp_path / "out.png").metadata == image.metadata


def test_exif_behind_its_offset(tmp_path, codecs):
    stream = codecs.jpegxl_encode(noise(), lossless=True, usecontainer=False)
    boxes = box_of(b"ftyp", b"jxl \0\0\0\0jxl ") + box_of(b"Exif", struct.pack(">I", 2) + b"xx" + EXIF) + box_of(b"jxlc", stream)
    (tmp_path / "photo.jxl").write_bytes(CONTAINER + boxes)
    assert read_image(tmp_path / "photo.jxl").metadata.exif == EXIF


@pytest.mark.parametrize("size", [(40, 40), (40, 60), (8, 256), (41, 61), (300, 1000), (90, 160)])
def test_size_is_known_before_decoding(tmp_path, codecs, monkeypatch, size):
    data = codecs.jpegxl_encode(noise(size=size), lossless=True)
    assert size_in(data) == size[::-1]
    (tmp_path / "photo.jxl").write_bytes(data)
    monkeypatch.setattr(picture, "MAX_PIXELS", size[0] * size[1] - 1)
    monkeypatch.setattr(codecs, "jpegxl_decode", None)
    with pytest.raises(UnsupportedError, match="scale it down"):
        read_image(tmp_path / "photo.jxl")


def test_damaged_and_animated(tmp_path, codecs):
    data = codecs.jpegxl_encode(noise(), lossless=True)
    (tmp_path / "photo.jxl").write_bytes(data[: len(data) // 2])
    with pytest.raises(UnreadableError, match="damaged or broken off"):
        read_image(tmp_path / "photo.jxl")
    frames = np.stack([noise(), 255 - noise()])
    (tmp_path / "photo.jxl").write_bytes(codecs.jpegxl_encode(frames, lossless=True))
    with pytest.raises(UnsupportedError, match="animation"):
        read_image(tmp_path / "photo.jxl")
