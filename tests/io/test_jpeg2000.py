"""JPEG 2000: up to 16 bit, with its metadata, and written as TIFF."""

import struct

import cv2
import numpy as np
import pytest
from PIL import Image as PillowImage

from unblur.errors import UnreadableError, UnsupportedError
from unblur.io.boxes import box_of, boxes_of
from unblur.io.exif import exif_of_directory
from unblur.io.ifd import Entry, entry_of
from unblur.io.image import format_note, is_image, output_suffix, read_image, size_of, write_image
from unblur.io.jpeg2000 import CODESTREAM, EXIF, IPTC, PHOTOSHOP, XMP

LOSSLESS = {"irreversible": False, "quality_mode": "rates", "quality_layers": [0]}
PACKET = b"<x:xmpmeta>A cat</x:xmpmeta>"


def noise(channels, dtype=np.uint8):
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max + 1, (40, 64, channels), dtype)


def coded(pixels, suffix=".jp2"):
    ok, data = cv2.imencode(
        suffix, pixels[..., ::-1] if pixels.shape[2] == 3 else pixels[..., [2, 1, 0, 3]] if pixels.shape[2] == 4 else pixels
    )
    assert ok
    return data.tobytes()


def read(tmp_path, data, name="photo.jp2"):
    (tmp_path / name).write_bytes(data)
    return read_image(tmp_path / name)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
def test_pixels(tmp_path, dtype, channels):
    pixels = np.clip(np.cumsum(np.ones((40, 64, channels)), axis=1) * (np.iinfo(dtype).max // 64), 0, np.iinfo(dtype).max).astype(dtype)
    image = read(tmp_path, coded(pixels))
    assert image.pixels.dtype == dtype
    assert image.pixels.shape == pixels.shape
    assert np.abs(image.pixels.astype(int) - pixels).max() <= np.iinfo(dtype).max * 0.02
    assert image.notes == ()
    assert is_image(tmp_path / "photo.jp2")
    assert size_of(tmp_path / "photo.jp2") == (64, 40)
    assert output_suffix(tmp_path / "photo.jp2") == ".tif"
    assert format_note(tmp_path / "photo.jp2") == "JPEG 2000 cannot be written; the result is a `.tif` file"


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
@pytest.mark.parametrize("suffix", [".jp2", ".j2k"])
def test_lossless_pixels_of_pillow(tmp_path, mode, suffix):
    pixels = noise(len(mode))
    PillowImage.fromarray(pixels[..., 0] if mode == "L" else pixels, mode).save(tmp_path / f"photo{suffix}", **LOSSLESS)
    image = read_image(tmp_path / f"photo{suffix}")
    colours = 3 if mode.startswith("RGB") else 1
    np.testing.assert_array_equal(image.pixels, pixels[..., :colours])
    assert (image.alpha is not None) == (mode.endswith("A") and suffix == ".jp2") or suffix == ".j2k"


def test_metadata_goes_into_the_tiff(tmp_path):
    exif = exif_of_directory("<", {0x010F: Entry(2, 5, b"Make\0"), 0x0112: entry_of("<", 3, [6])})
    blocks = b"8BIM\x03\xed\0\0\0\0\0\0"
    extra = b"".join(
        box_of(b"uuid", kind + content)
        for kind, content in ((EXIF, exif), (XMP, PACKET), (PHOTOSHOP, blocks), (IPTC, b"\x1c\x02\x05\0\x05A cat"))
    )
    data = coded(noise(3, np.uint16))
    profile = b"\2\0\0a profile"
    parts = []
    for kind, content, _ in boxes_of(data):
        inner = b"".join(box_of(k, profile if k == b"colr" else c) for k, c, _ in boxes_of(content)) if kind == b"jp2h" else content
        parts.append(box_of(kind, inner))
    image = read(tmp_path, b"".join(parts) + extra)
    assert image.notes == ()
    assert image.pixels.shape == (64, 40, 3)
    assert write_image(tmp_path / "out.tif", image) == ()
    back = read_image(tmp_path / "out.tif").metadata
    assert b"Make\0" in back.exif
    assert (back.xmp, back.icc) == (PACKET, b"a profile")
    assert back.photoshop.startswith(blocks)
    assert b"A cat" in back.photoshop


def test_what_is_not_kept_is_named(tmp_path):
    extra = box_of(b"xml ", b"<gml/>") + box_of(b"uuid", bytes(20)) + box_of(b"jumb", b"c2pa")
    notes = read(tmp_path, coded(noise(3)) + extra).notes
    assert notes == (
        "further metadata in it (XML) was not kept",
        "a box `uuid` in it was not kept",
        "its proof of origin (JUMBF, C2PA) was not kept, since the pixels change",
    )


def changed(data, at, value):
    place = data.index(CODESTREAM) + at
    return data[:place] + bytes((value,)) + data[place + 1 :]


def test_depths_and_colours_that_are_not_known_are_refused(tmp_path):
    data = coded(noise(3, np.uint16))
    for value in (0x8F, 31):
        with pytest.raises(UnsupportedError, match=r"signed samples, or with more than 16 bit.*TIFF"):
            read(tmp_path, changed(data, 42, value))
    lab = data.replace(b"colr\1\0\0\0\0\0\x10", b"colr\1\0\0\0\0\0\x0e")
    assert lab != data
    with pytest.raises(UnsupportedError, match="colours that are not known"):
        read(tmp_path, lab)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("keep", [20, 90, 150])
def test_broken_off(tmp_path, dtype, keep):
    with pytest.raises(UnreadableError, match="copy it again"):
        read(tmp_path, coded(noise(3, dtype))[:keep])


def test_channels_of_several_sizes_are_not_called_damaged(tmp_path, monkeypatch):
    def refuse(_self):
        raise OSError("broken data stream")

    monkeypatch.setattr("PIL.Jpeg2KImagePlugin.Jpeg2KImageFile.load", refuse)
    with pytest.raises(UnreadableError, match="damaged"):
        read(tmp_path, coded(noise(3)))
    with pytest.raises(UnsupportedError, match="channels of several sizes"):
        read(tmp_path, changed(coded(noise(3)), 46, 2))


def test_comments_are_carried_but_for_those_of_encoders(tmp_path):
    data = coded(noise(3))
    at = data.find(b"\xff\x52")  # before the coding style
    words = (b"A cat", b"Kakadu-v4")
    comments = b"".join(struct.pack(">3H", 0xFF64, 4 + len(each), 1) + each for each in words) + struct.pack(">3H", 0xFF64, 6, 0) + b"\0\1"
    image = read(tmp_path, data[:at] + comments + data[at:])
    assert image.metadata.comments == (b"A cat",)
    assert "its comments" in write_image(tmp_path / "out.tif", image)[0]
    assert write_image(tmp_path / "out.png", image) == ()
