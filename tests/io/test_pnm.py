"""Portable anymaps: plain and binary, of every depth, with comments."""

import cv2
import numpy as np
import pytest
from PIL import Image as PillowImage

from unblur.errors import OutputError, UnreadableError, UnsupportedError
from unblur.io.image import Image, Metadata, format_note, is_image, output_suffix, read_image, write_image


def saved(path, data):
    path.write_bytes(data)
    return path


def noise(channels, dtype=np.uint8):
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max + 1, (6, 11, channels)).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(("channels", "suffix"), [(1, ".pgm"), (3, ".ppm"), (2, ".pam"), (4, ".pam")])
def test_round_trip(tmp_path, dtype, channels, suffix):
    samples = noise(channels, dtype)
    alpha = samples[..., -1] if channels in (2, 4) else None
    image = Image(samples[..., : channels - (alpha is not None)], alpha, Metadata(comments=(b" a cat",)))
    assert write_image(tmp_path / f"a{suffix}", image) == ()
    back = read_image(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(back.interleaved(0, 6), samples)
    assert back.metadata.comments == (b" a cat",)
    assert back.notes == ()
    assert (output_suffix(tmp_path / f"a{suffix}"), format_note(tmp_path / f"a{suffix}")) == (suffix, "")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
def test_by_opencv(tmp_path, dtype, channels):
    samples = noise(channels, dtype)
    assert cv2.imwrite(str(tmp_path / "a.pnm"), samples[..., ::-1])
    np.testing.assert_array_equal(read_image(tmp_path / "a.pnm").pixels, samples)
    write_image(tmp_path / "b.ppm", read_image(tmp_path / "a.pnm"))
    shown = cv2.imread(str(tmp_path / "b.ppm"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(shown.reshape(samples.shape)[..., ::-1], samples)


@pytest.mark.parametrize(
    ("data", "values", "suffix"),
    [
        (b"P1\n# a bit\n3 2\n1 0 1\n011", [[0, 255, 0], [255, 0, 0]], ".pgm"),
        (b"P4\n3 2\n\xa0\x60", [[0, 255, 0], [255, 0, 0]], ".pgm"),
        (b"P2 2 1 15 0 15\n", [[0, 255]], ".pgm"),
        (b"P2 2 1 1023 0 # white follows\n1023\n", [[0, 65535]], ".pgm"),
        (b"P5 2 1 1023\n\x00\x00\x03\xff", [[0, 65535]], ".pgm"),
    ],
)
def test_rarer_kinds(tmp_path, data, values, suffix):
    path = saved(tmp_path / "a", data)
    image = read_image(path)
    assert image.pixels[..., 0].tolist() == values
    assert output_suffix(path) == suffix
    assert ("were spread over" in "".join(image.notes)) == (
        max(image.pixels.max(), 255) != 255 or b"15" in data or b"P1" in data or b"P4" in data
    )


def test_plain_colours(tmp_path):
    assert read_image(saved(tmp_path / "a.ppm", b"P3\n1 1\n255\n7 8 9\n")).pixels.tolist() == [[[7, 8, 9]]]


def test_what_stands_behind_the_picture_is_said(tmp_path):
    one = b"P5 1 1 255\n\x07"
    assert read_image(saved(tmp_path / "a.pgm", one * 2)).notes == ("what stands behind the picture, such as further ones, was not kept",)


@pytest.mark.parametrize(
    "data", [b"P5 4 4 255\n123", b"P5 0 4 255\n", b"P6 # \n", b"P2 2 2 9\n1 2 3", b"P7\nWIDTH 3\n", b"P5 2 2 70000\n1234"]
)
def test_damaged(tmp_path, data):
    with pytest.raises(UnreadableError):
        read_image(saved(tmp_path / "a", data))


def test_other_channels(tmp_path):
    data = b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 4\nMAXVAL 255\nTUPLTYPE CMYK\nENDHDR\n1234"
    with pytest.raises(UnsupportedError, match="CMYK"):
        read_image(saved(tmp_path / "a.pam", data))


def test_a_text_is_no_picture(tmp_path):
    assert not is_image(saved(tmp_path / "a.txt", b"P1 is the first point of the plan"))
    assert not is_image(saved(tmp_path / "a.ppm", b"P65 notes"))


def test_transparency(tmp_path):
    image = Image(noise(3), np.full((6, 11), 9, np.uint8))
    with pytest.raises(OutputError, match="transparent"):
        write_image(tmp_path / "a.ppm", image)
    notes = write_image(tmp_path / "a.ppm", Image(noise(3), np.full((6, 11), 255, np.uint8)))
    assert notes == ("its alpha channel, opaque everywhere, was left out",)
    with PillowImage.open(tmp_path / "a.ppm") as shown:
        np.testing.assert_array_equal(np.asarray(shown), noise(3))
