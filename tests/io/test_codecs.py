"""Codings of imagecodecs: read where it is installed, else refused with what to install and never called damaged."""

import io
import struct
import sys

import numpy as np
import pytest
from PIL import Image as PillowImage

from unblur.errors import UnreadableError, UnsupportedError
from unblur.io.codecs import at_full_range
from unblur.io.exif import exif_of_directory, read_exif
from unblur.io.ifd import Entry, entry_of, read_directory, read_header, reader_of, write_directory
from unblur.io.image import format_note, output_suffix, read_image, write_image

HEIGHT, WIDTH = 40, 60


def smooth(bits, channels=3):
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    planes = np.stack([x / WIDTH, y / HEIGHT, np.full((HEIGHT, WIDTH), 0.3)], axis=-1)[..., :channels]
    return np.rint(planes * ((1 << bits) - 1)).astype(np.uint8 if bits == 8 else np.uint16)


def frame(marker, bits):
    """Give the beginning of a JPEG: an application segment, a frame and a scan without an end of its own."""
    sizes = struct.pack(">BHHB", bits, HEIGHT, WIDTH, 1) + bytes((1, 0x11, 0))
    return (
        b"\xff\xd8\xff\xe5\0\4xy" + struct.pack(">BBH", 0xFF, marker, len(sizes) + 2) + sizes + b"\xff\xda\0\x08\1\1\0\0\x3f\0data\xff\xd9"
    )


@pytest.fixture
def codecs():
    return pytest.importorskip("imagecodecs", reason="the extra `codecs` is not installed")


@pytest.mark.parametrize(
    ("marker", "bits", "words"),
    [(0xC1, 12, "12-bit JPEG"), (0xC3, 16, "lossless JPEG of 16 bit"), (0xC3, 8, "lossless"), (0xF7, 8, "JPEG-LS")],
)
def test_jpeg_of_other_kinds_says_what_to_install(tmp_path, monkeypatch, marker, bits, words):
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    (tmp_path / "photo.jpg").write_bytes(frame(marker, bits))
    with pytest.raises(UnsupportedError, match=rf"{words}.*pip install 'unblur\[codecs\]'"):
        read_image(tmp_path / "photo.jpg")
    assert output_suffix(tmp_path / "photo.jpg") == ".png"
    assert format_note(tmp_path / "photo.jpg") == "JPEG of more than 8 bit or without loss cannot be written; the result is a `.png` file"


def test_a_name_of_another_format_is_said(tmp_path):
    PillowImage.new("RGB", (8, 8)).save(tmp_path / "photo.png", format="JPEG")
    note = format_note(tmp_path / "photo.png")
    assert note == "it is JPEG under the name of another format; the result is what its name says, a `.png` file"


@pytest.mark.parametrize("compression", [50000, 50001, 50002, 34887])
def test_tiff_of_rarer_compression_says_what_to_install(tmp_path, monkeypatch, compression, capfd):
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    for bits in (8, 16):
        (tmp_path / "photo.tif").write_bytes(tiff(b"data", bits=bits, compression=compression))
        with pytest.raises(UnsupportedError, match=rf"compression {compression}.*pip install 'unblur\[codecs\]'"):
            read_image(tmp_path / "photo.tif")
    assert capfd.readouterr().err == ""


def tiff(strip, *, bits, compression):
    tags = {256: WIDTH, 257: HEIGHT, 273: 8, 278: HEIGHT, 279: len(strip)}
    ifd = {tag: entry_of("<", 4, [value]) for tag, value in tags.items()}
    ifd |= {tag: entry_of("<", 3, [value]) for tag, value in {259: compression, 262: 2, 274: 6, 277: 3, 284: 1}.items()}
    ifd |= {258: entry_of("<", 3, [bits] * 3), 271: Entry(2, 5, b"Make\0")}
    at = 8 + len(strip) + len(strip) % 2
    return b"II*\0" + struct.pack("<I", at) + strip + bytes(len(strip) % 2) + write_directory(ifd, "<", at)


@pytest.mark.parametrize("bits", [8, 16])
def test_tiff_by_zstandard(tmp_path, codecs, bits):
    stored = smooth(bits)
    (tmp_path / "photo.tif").write_bytes(tiff(codecs.zstd_encode(stored.tobytes()), bits=bits, compression=50000))
    image = read_image(tmp_path / "photo.tif")
    np.testing.assert_array_equal(image.pixels, np.rot90(stored, -1))
    write_image(tmp_path / "out.tif", image)
    back = read_image(tmp_path / "out.tif")
    np.testing.assert_array_equal(back.pixels, image.pixels)
    assert read_exif(back.metadata.exif)[1][271].value == b"Make\0"


@pytest.mark.usefixtures("codecs")
def test_damaged_tiff_by_zstandard(tmp_path):
    (tmp_path / "photo.tif").write_bytes(tiff(b"no such data", bits=8, compression=50000))
    with pytest.raises(UnreadableError):
        read_image(tmp_path / "photo.tif")


@pytest.mark.parametrize(
    ("options", "bits", "most"), [({"bitspersample": 12, "level": 98}, 12, 900), ({"bitspersample": 16, "lossless": True}, 16, 0)]
)
@pytest.mark.parametrize("channels", [1, 3])
def test_deep_jpeg_becomes_png_with_its_metadata(tmp_path, codecs, options, bits, most, channels):
    exif = exif_of_directory("<", {0x010F: Entry(2, 5, b"Make\0"), 0x0112: entry_of("<", 3, [6])})
    stored = smooth(bits, channels)
    data = codecs.jpeg8_encode(stored if channels == 3 else stored[..., 0], **options)
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 8) + b"Exif\0\0" + exif
    (tmp_path / "photo.jpg").write_bytes(data[:2] + segment + data[2:])
    image = read_image(tmp_path / "photo.jpg")
    assert image.pixels.dtype == np.uint16
    expected = np.rot90(at_full_range(stored, bits), -1)
    assert np.abs(image.pixels.astype(int) - expected).max() <= most
    assert output_suffix(tmp_path / "photo.jpg") == ".png"
    write_image(tmp_path / "out.png", image)
    back = read_image(tmp_path / "out.png")
    np.testing.assert_array_equal(back.pixels, image.pixels)
    order, first = read_header(reader_of(back.metadata.exif))
    assert read_directory(reader_of(back.metadata.exif), order, first).entries[0x010F].value == b"Make\0"


def test_jpeg_ls(tmp_path, codecs):
    (tmp_path / "photo.jls").write_bytes(codecs.jpegls_encode(smooth(8)))
    np.testing.assert_array_equal(read_image(tmp_path / "photo.jls").pixels, smooth(8))


@pytest.mark.usefixtures("codecs")
def test_hierarchical_jpeg_is_not_called_damaged(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(frame(0xC5, 8))
    with pytest.raises(UnsupportedError, match="of a kind that is not known here"):
        read_image(tmp_path / "photo.jpg")


@pytest.mark.usefixtures("codecs")
def test_damaged_jpeg_of_12_bit(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(frame(0xC1, 12))  # without tables
    with pytest.raises(UnreadableError, match="damaged or broken off"):
        read_image(tmp_path / "photo.jpg")


@pytest.mark.parametrize(("bits", "expected"), [(1, [0, 255]), (8, [0, 1]), (10, [0, 64]), (12, [0, 16]), (16, [0, 1])])
def test_samples_are_given_over_the_full_range(bits, expected):
    assert at_full_range(np.array([0, 1], np.uint16), bits).tolist() == expected
    most = at_full_range(np.array([(1 << bits) - 1], np.uint16), bits)
    assert most[0] == np.iinfo(most.dtype).max


@pytest.mark.parametrize("has_profile", [False, True])
def test_cmyk_jpeg_becomes_srgb(tmp_path, has_profile):
    inks = np.zeros((16, 16, 4), np.uint8)
    inks[:, 8:, 0] = 255  # cyan at the right
    buffer = io.BytesIO()
    icc = b"no profile" if has_profile else None
    PillowImage.fromarray(inks, "CMYK").save(buffer, format="JPEG", quality=98, icc_profile=icc)
    (tmp_path / "photo.jpg").write_bytes(buffer.getvalue())
    image = read_image(tmp_path / "photo.jpg")
    assert np.abs(image.pixels[8, 2].astype(int) - 255).max() <= 4
    assert np.abs(image.pixels[8, 13].astype(int) - (0, 255, 255)).max() <= 8
    assert image.metadata.icc is None
    assert image.notes == ("its CMYK was converted to RGB without a colour profile, so that colours are not exact",)
    write_image(tmp_path / "out.jpg", image)
    with PillowImage.open(tmp_path / "out.jpg") as shown:
        assert shown.mode == "RGB"
