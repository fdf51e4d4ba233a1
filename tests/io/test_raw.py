"""Raw files: developed, with their EXIF, and written as TIFF of 16 bit."""

import struct
import sys

import numpy as np
import pytest
from PIL import Image as PillowImage

from unblur.errors import UnreadableError, UnsupportedError
from unblur.io.exif import read_exif
from unblur.io.ifd import Entry, entry_of, write_directory
from unblur.io.image import format_note, is_image, output_suffix, read_image, write_image
from unblur.io.raw import BEGINNINGS, SUFFIXES

HEIGHT, WIDTH = 64, 96
XMP = b'<rdf:Description tiff:Orientation="6" dc:title="A cat"/>'


def text(value):
    return Entry(2, len(value) + 1, value.encode() + b"\0")


def mosaic():
    """Red, green and blue sensor values of a Bayer pattern: a ramp to the right, a bright patch at the top left, and neutral where it is."""
    values = np.tile(np.linspace(500, 12000, WIDTH), (HEIGHT, 1))
    values[8:24, 8:24] = 14000
    return values.astype("<u2")


def dng(*, orientation=1):
    """Give a DNG of a camera whose primaries are those of sRGB and that sees grey as (0.5, 1, 0.5)."""
    values = mosaic().copy()
    values[::2, ::2] //= 2  # red
    values[1::2, 1::2] //= 2  # blue
    data = values.tobytes()
    matrix = [32404542, -15371385, -4985314, -9692660, 18760108, 415560, 556434, -2040259, 10572252]  # XYZ to sRGB
    details = {0x9003: text("2024:05:06 07:08:09"), 0x927C: Entry(7, 40, bytes(range(40)))}
    tags = {tag: entry_of("<", 4, [value]) for tag, value in {254: 0, 256: WIDTH, 257: HEIGHT, 273: 8, 278: HEIGHT, 279: len(data)}.items()}
    tags |= {tag: entry_of("<", 3, [value]) for tag, value in {258: 16, 259: 1, 262: 32803, 274: orientation, 277: 1, 284: 1}.items()}
    tags |= {271: text("Make"), 272: text("A camera"), 700: Entry(1, len(XMP), XMP), 0x8769: Entry(4, 1, bytes(4), directory=details)}
    tags |= {33421: entry_of("<", 3, [2, 2]), 33422: entry_of("<", 1, [0, 1, 1, 2]), 50706: entry_of("<", 1, [1, 4, 0, 0])}
    tags |= {50708: text("Make A camera"), 50714: entry_of("<", 4, [0]), 50717: entry_of("<", 4, [16383])}
    tags |= {50721: Entry(10, 9, struct.pack("<18i", *(part for value in matrix for part in (value, 10_000_000))))}
    tags |= {50728: entry_of("<", 5, [1, 2, 1, 1, 1, 2])}
    at = 8 + len(data)
    return b"II*\0" + struct.pack("<I", at) + data + write_directory(tags, "<", at) + bytes(100_000)  # LibRaw reads ahead


@pytest.fixture
def rawpy():
    return pytest.importorskip("rawpy", reason="the extra `raw` is not installed")


@pytest.mark.parametrize("name", [*(f"photo{suffix}" for suffix in sorted(SUFFIXES)), "PHOTO.NEF"])
def test_without_the_library_every_suffix_says_what_to_install(tmp_path, monkeypatch, name):
    monkeypatch.setitem(sys.modules, "rawpy", None)
    (tmp_path / name).write_bytes(dng())
    assert is_image(tmp_path / name)
    with pytest.raises(UnsupportedError, match=r"raw file.*pip install 'unblur\[raw\]'.*16-bit TIFF"):
        read_image(tmp_path / name)


@pytest.mark.parametrize("head", [*BEGINNINGS, b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", b"II*\0\x10\0\0\0CR\2\0", b"II\x1a\0\0\0HEAPCCDR"])
def test_without_the_library_every_beginning_says_what_to_install(tmp_path, monkeypatch, head):
    monkeypatch.setitem(sys.modules, "rawpy", None)
    (tmp_path / "photo").write_bytes(head + bytes(60))
    with pytest.raises(UnsupportedError, match=r"pip install 'unblur\[raw\]'"):
        read_image(tmp_path / "photo")


@pytest.mark.usefixtures("rawpy")
def test_raw_is_developed_with_the_white_balance_of_the_camera(tmp_path):
    (tmp_path / "photo.dng").write_bytes(dng())
    image = read_image(tmp_path / "photo.dng")
    assert image.pixels.dtype == np.uint16
    assert image.pixels.shape == (HEIGHT, WIDTH, 3)
    middle = image.pixels[40, 30:80].astype(float)
    assert np.abs(middle - middle.mean(axis=1, keepdims=True)).max() < 0.05 * middle.max()  # neutral
    linear = mosaic()[40, 30:80].astype(float) / 16383
    expected = 65535 * (1.055 * linear ** (1 / 2.4) - 0.055)  # IEC 61966-2-1
    assert np.abs(middle.mean(axis=1) - expected).max() < 2000
    assert "white balance" in image.notes[0]
    assert "tags about its raw pixels were not kept" in image.notes[1]


@pytest.mark.usefixtures("rawpy")
def test_a_camera_that_is_known_by_the_length_of_its_files_alone(tmp_path):
    """The Kodak C330 stores 1232 × 912 samples of 16 bit, and nothing else."""
    samples = np.random.default_rng(0).integers(0, 256, 1232 * 912 * 2, np.uint8).tobytes()
    for name, data, expected in [("a.raw", samples, True), ("a.bin", samples, False), ("b.raw", samples[:-8], False)]:
        (tmp_path / name).write_bytes(data)
        assert is_image(tmp_path / name) is expected
    image = read_image(tmp_path / "a.raw")
    assert image.pixels.shape == (912, 1216, 3)
    assert "where it has its EXIF is not known, so that this was not kept" in image.notes


def test_no_other_file_is_raw_by_its_name(tmp_path, monkeypatch):
    (tmp_path / "a.raw").write_bytes(bytes(1232 * 912 * 2))
    monkeypatch.setitem(sys.modules, "rawpy", None)
    assert not is_image(tmp_path / "a.raw")


@pytest.mark.usefixtures("rawpy")
def test_raw_becomes_tiff_with_its_exif(tmp_path):
    (tmp_path / "photo.dng").write_bytes(dng(orientation=6))
    assert output_suffix(tmp_path / "photo.dng") == ".tif"
    assert format_note(tmp_path / "photo.dng") == "raw files cannot be written; the result is a `.tif` file"
    image = read_image(tmp_path / "photo.dng")
    assert image.pixels.shape == (WIDTH, HEIGHT, 3)
    assert image.pixels[10:22, -20:-10].mean() > image.pixels[10:22, :10].mean()  # the patch is at the top right
    assert write_image(tmp_path / "out.tif", image) == ()
    back = read_image(tmp_path / "out.tif")
    np.testing.assert_array_equal(back.pixels, image.pixels)
    _order, tags = read_exif(back.metadata.exif)
    assert (tags[271].value, tags[272].value) == (b"Make\0", b"A camera\0")
    assert tags[0x8769].directory[0x927C].value == bytes(range(40))
    assert [tag for tag in tags if tag >= 50000 or tag in (33421, 33422)] == [50708]  # the name of the camera
    assert back.metadata.xmp == XMP.replace(b'"6"', b'"1"')
    with PillowImage.open(tmp_path / "out.tif") as shown:
        assert shown.size == (HEIGHT, WIDTH)


@pytest.mark.usefixtures("rawpy")
@pytest.mark.parametrize(
    ("data", "error"), [(b"FOVb" + bytes(500), (UnsupportedError, UnreadableError)), (dng()[:9000], (UnsupportedError, UnreadableError))]
)
def test_raw_that_cannot_be_read(tmp_path, data, error):
    (tmp_path / "photo.dng").write_bytes(data)
    with pytest.raises(error):
        read_image(tmp_path / "photo.dng")
